//! The `interline` command: the server, its twins, and the clients that a person types.
//!
//! Everything with an effect lives in one file a verb; this one only parses and dispatches. Exit
//! codes: 0 as asked, 1 done but not everything went well, 2 usage or refused, 130 interrupted.

mod api;
mod args;
mod batch;
mod bench;
mod check;
mod client;
mod completions;
mod demo;
mod interrupt;
mod keys;
mod ledger;
mod log;
mod migration;
mod output;
mod plan;
mod provider;
mod results;
mod send;
mod serve;
mod telemetry;
mod test;
mod twins;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Cli, Verb};
use crate::output::Failed;

/// A batch is thousands of small strings that live as long as their call: the system's allocator spends
/// a fifth of the processor on them, this one a few percent.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    completions::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    output::speak_json(cli.common.json);
    match run(cli) {
        Ok(code) => code,
        Err(failed) => failed.report(),
    }
}

/// Help and versions are answers; anything else is an error, of which programs read what people do.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    if !wants_json || !error.use_stderr() {
        // Whoever went away needs no help.
        error.print().ok();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    output::speak_json(true);
    // What clap lists here holds commands that are nobody's to type.
    if error.kind() == ErrorKind::MissingSubcommand {
        return Failed::new("which command? none is given")
            .code("usage")
            .next("interline --help lists them")
            .report();
    }
    let text = error.to_string();
    let (said, next) = text.trim_end().split_once("\n\n").unwrap_or((&text, ""));
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let next: Vec<&str> = next.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Failed::new(said).code("usage").next(next.join("\n")).report()
}

fn run(cli: Cli) -> Result<ExitCode, Failed> {
    let Cli { common, verb } = cli;
    match verb {
        Verb::Serve(args) => many_threads(serve::run(&args, &common)),
        Verb::Demo(args) => many_threads(demo::run(&args, &common)),
        Verb::Twins(args) => many_threads(twins::run(&args, &common)),
        Verb::Bench(args) => many_threads(bench::run(&args, &common)),
        Verb::BenchTwin => alone(bench::child::twin()),
        Verb::BenchForwarder(args) => many_threads(bench::forwarder::run(&args)),
        Verb::Send(args) => one_thread(send::run(&args, &common)),
        Verb::Plan(args) => one_thread(plan::run(&args, &common)),
        Verb::Check(args) => one_thread(check::run(&args, &common)),
        Verb::Test(args) => local(|| test::run(&args, &common)),
        Verb::Batch(args) => one_thread(batch::run(&args, &common)),
        Verb::Provider(args) => one_thread(provider::run(&args, &common)),
        Verb::Migration(args) => one_thread(migration::run(&args, &common)),
        Verb::Ledger(args) => one_thread(ledger::run(&args, &common)),
        Verb::Keys(args) => local(|| keys::run(&args, &common)),
        Verb::Completions(args) => local(|| completions::run(&args, &common)),
    }
}

fn many_threads(work: impl Future<Output = Result<ExitCode, Failed>>) -> Result<ExitCode, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))?.block_on(work)
}

/// For what asks a server and prints what it says: it ends with whoever reads that, and at Ctrl-C. The thread
/// beside it is there for the latter.
fn one_thread(work: impl Future<Output = Result<ExitCode, Failed>>) -> Result<ExitCode, Failed> {
    output::end_with_reader();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))?;
    runtime.spawn(interrupt::watch());
    let done = runtime.block_on(work);
    // Something that still reads, standard input say, is not waited for.
    runtime.shutdown_background();
    done
}

/// For a server that is to take one processor.
fn alone(work: impl Future<Output = Result<ExitCode, Failed>>) -> Result<ExitCode, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))?.block_on(work)
}

/// For what needs nobody.
fn local(work: impl FnOnce() -> Result<ExitCode, Failed>) -> Result<ExitCode, Failed> {
    output::end_with_reader();
    work()
}
