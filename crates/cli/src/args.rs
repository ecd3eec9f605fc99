//! What may be typed: the verbs and their options. Nothing here acts.

mod batch;
mod examples;
mod keep;
mod steer;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCompleter;

pub(crate) use batch::{Batch, BatchVerb, Format, Input, OneBatch, Plan, Redrive, Send};
pub(crate) use keep::{Completions, Keys, KeysVerb, Ledger, LedgerMigrate, LedgerVerb, Shell};
pub(crate) use steer::{Migration, MigrationVerb, OneMigration, OneProvider, Provider, ProviderVerb};

use crate::completions::candidates;

/// Where a server is when nothing was said.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8400";

/// Headings of options that many verbs have.
const GLOBAL: &str = "Options of every command";
const SERVER: &str = "Server";

/// One batch-send API for every IM vendor.
#[derive(Debug, Parser)]
#[command(name = "interline", bin_name = "interline", version, max_term_width = 100, after_help = examples::INTERLINE)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb; they may stand before or after it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The configuration [env: INTERLINE_CONFIG] [default: config.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = GLOBAL,
        value_hint = ValueHint::FilePath
    )]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway
    #[command(after_help = examples::SERVE)]
    Serve(Serve),
    /// Show everything on this machine: four emulated vendors, the gateway, one batch to all
    #[command(after_help = examples::DEMO)]
    Demo(Demo),
    /// Send a batch: JSON, NDJSON or CSV
    #[command(after_help = examples::SEND)]
    Send(Send),
    /// Show what would be sent to whom, and send nothing
    #[command(after_help = examples::PLAN)]
    Plan(Plan),
    /// Check the configuration
    #[command(after_help = examples::CHECK)]
    Check(Check),
    /// Play the tests of the configuration: routes, limits and fallbacks
    #[command(after_help = examples::TEST)]
    Test(Test),
    /// Look at batches, hold them, send again what failed
    #[command(after_help = examples::BATCH)]
    Batch(Batch),
    /// Look at providers, hold them, ask whether they answer
    Provider(Provider),
    /// Move a route's messages from one provider to another, step by step
    #[command(after_help = examples::MIGRATION)]
    Migration(Migration),
    /// Look at the ledger, bring it up to date, copy it
    #[command(after_help = examples::LEDGER)]
    Ledger(Ledger),
    /// Make keys for apps, and list those there are
    Keys(Keys),
    /// Run the four emulated vendors
    #[command(after_help = examples::TWINS)]
    Twins(Twins),
    /// Measure on this machine: direct, through a plain forwarder, through Interline
    Bench(Bench),
    /// Print what makes a shell complete this command
    #[command(after_help = examples::COMPLETIONS)]
    Completions(Completions),
    #[command(hide = true)]
    BenchTwin,
    #[command(hide = true)]
    BenchForwarder(BenchForwarder),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The form of log lines: pretty for people, or json, an object a line [default: log.format]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) log_format: Option<LogFormat>,
    /// Pause every provider first, as `provider pause` does: nothing is sent until each is resumed
    #[arg(long)]
    pub(crate) paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[value(alias = "text")]
    Pretty,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop after the table; exit 1 if a result is not what the scenario says
    #[arg(long)]
    pub(crate) once: bool,
}

/// Which server, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The server [env: INTERLINE_SERVER] [default: http://127.0.0.1:8400]
    #[arg(long, value_name = "URL", help_heading = SERVER, value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,
    /// The app's key [env: INTERLINE_KEY]
    #[arg(long, value_name = "KEY", help_heading = SERVER)]
    pub(crate) key: Option<String>,
}

impl Target {
    /// The server that was named, here or in the environment.
    pub(crate) fn server(&self) -> Option<String> {
        self.server.clone().or_else(|| filled("INTERLINE_SERVER"))
    }

    /// The key that was given, here or in the environment.
    pub(crate) fn key(&self) -> Option<String> {
        self.key.clone().or_else(|| filled("INTERLINE_KEY"))
    }
}

/// A variable of the environment; an empty one is none.
pub(crate) fn filled(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Ask each provider's server, with requests that reach nobody
    #[arg(long)]
    pub(crate) probe: bool,
    /// Compare the file with what the running server has in force; exit 1 if they differ
    #[arg(long, conflicts_with = "probe")]
    pub(crate) diff: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only tests with this in their name; several: any of them [default: all]
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(candidates::tests))]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Twins {
    /// N: the twins listen on N+1 to N+4; 0: on free ports
    #[arg(long, value_name = "N", default_value_t = 9500)]
    pub(crate) port_base: u16,
    /// What a twin speaks, for example `wukongim=v3`; may be repeated
    #[arg(
        long,
        value_name = "VENDOR=DIALECT",
        action = ArgAction::Append,
        add = ArgValueCompleter::new(candidates::dialects)
    )]
    pub(crate) dialect: Vec<String>,
    /// Faults from the start, as JSON by vendor
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) faults: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How long each case runs, in rounds of half a second
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Connections of the load generator
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) connections: u64,
    /// Messages in each request
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) messages: u64,
}

#[derive(Debug, Args)]
pub(crate) struct BenchForwarder {
    /// Where it forwards to
    pub(crate) upstream: String,
}
