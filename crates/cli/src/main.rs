//! The `interline` command: the server, its twins, and the clients that a person types.
//!
//! Everything with an effect lives in one file a verb; this one only parses and dispatches. Exit
//! codes: 0 as asked, 1 done but not everything went well, 2 usage or refused.

mod api;
mod args;
mod batch;
mod bench;
mod check;
mod client;
mod demo;
mod keys;
mod migration;
mod output;
mod plan;
mod provider;
mod results;
mod send;
mod serve;
mod test;
mod twins;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Verb};
use crate::output::Failed;

/// A batch is thousands of small strings that live as long as their call: the system's allocator spends
/// a fifth of the processor on them, this one a few percent.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(failed) => failed.report(),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failed> {
    let Cli { common, verb } = cli;
    match verb {
        Verb::Serve(args) => many_threads(serve::run(&args, &common)),
        Verb::Demo(args) => many_threads(demo::run(&args, &common)),
        Verb::Twins(args) => many_threads(twins::run(&args, &common)),
        Verb::Bench(args) => many_threads(bench::run(&args, &common)),
        Verb::BenchTwin => one_thread(bench::child::twin()),
        Verb::BenchForwarder(args) => many_threads(bench::forwarder::run(&args)),
        Verb::Send(args) => one_thread(send::run(&args, &common)),
        Verb::Plan(args) => one_thread(plan::run(&args, &common)),
        Verb::Check(args) => one_thread(check::run(&args, &common)),
        Verb::Test(args) => test::run(&args, &common),
        Verb::Batch(args) => one_thread(batch::run(&args, &common)),
        Verb::Provider(args) => one_thread(provider::run(&args, &common)),
        Verb::Migration(args) => one_thread(migration::run(&args, &common)),
        Verb::Keys(args) => keys::run(&args, &common),
    }
}

fn many_threads(work: impl Future<Output = Result<ExitCode, Failed>>) -> Result<ExitCode, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))?.block_on(work)
}

fn one_thread(work: impl Future<Output = Result<ExitCode, Failed>>) -> Result<ExitCode, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))?.block_on(work)
}
