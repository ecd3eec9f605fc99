//! What may be typed: the verbs and their options. Nothing here acts.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Where a server is when nothing was said.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8400";

/// One batch-send API for every IM vendor.
#[derive(Debug, Parser)]
#[command(name = "interline", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb; they may stand before or after it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The configuration [default: config.toml]
    #[arg(long, global = true, value_name = "FILE", env = "INTERLINE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the gateway
    Serve(Serve),
    /// Show everything on this machine: four emulated vendors, the gateway, one batch to all of them
    Demo(Demo),
    /// Send a batch: JSON, NDJSON or CSV
    Send(Send),
    /// Show what would be sent to whom, and send nothing
    Plan(Plan),
    /// Check the configuration
    Check(Check),
    /// Run the tests of the configuration: routes, limits and fallbacks on a clock of their own
    Test(Test),
    /// Look at batches, hold them, send what failed again
    Batch(Batch),
    /// Look at providers, hold them, ask whether they answer
    Provider(Provider),
    /// Move a route's messages from one provider to another, step by step
    Migration(Migration),
    /// Make keys for apps
    Keys(Keys),
    /// Run the four emulated vendors
    Twins(Twins),
    /// Measure on this machine: direct, through a plain forwarder, through Interline
    Bench(Bench),
    #[command(hide = true)]
    BenchTwin,
    #[command(hide = true)]
    BenchForwarder(BenchForwarder),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The form of log lines
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
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
    /// The server [default: http://127.0.0.1:8400]
    #[arg(long, value_name = "URL", env = "INTERLINE_SERVER")]
    pub(crate) server: Option<String>,
    /// The app's key
    #[arg(long, value_name = "KEY", env = "INTERLINE_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object with `messages`
    Json,
    /// The batch without `messages` on the first line, then a message a line
    Ndjson,
    /// A `to` column, if you like an `id` column, and one column per variable
    Csv,
}

/// How a file becomes a batch.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// The batch; `-` reads standard input
    pub(crate) file: PathBuf,
    /// What the file holds [default: by its name, else by its first bytes]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// CSV: what to say; `$name$` takes the value of the column `name`
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "head")]
    pub(crate) text: Option<String>,
    /// CSV: a JSON file with the batch without its messages (content, options, …)
    #[arg(long, value_name = "FILE")]
    pub(crate) head: Option<PathBuf>,
    /// CSV: who sends
    #[arg(long, value_name = "ID", conflicts_with = "head")]
    pub(crate) from: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Send at once and answer with the results, without queueing (at most 1,000 messages)
    #[arg(long)]
    pub(crate) direct: bool,
    /// Wait until every message is settled (the default)
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,
    /// Leave as soon as the batch is stored
    #[arg(long, overrides_with = "wait", conflicts_with = "direct")]
    pub(crate) no_wait: bool,
    /// The idempotency key: the same key never sends the same batch twice [default: a fresh one]
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Say for each message why each route takes it or not, and show the requests in full
    #[arg(long)]
    pub(crate) explain: bool,
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
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Batch {
    #[command(subcommand)]
    pub(crate) verb: BatchVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BatchVerb {
    /// The newest batches
    List {
        /// Only batches in this state
        #[arg(long)]
        state: Option<String>,
        /// Only batches of this app
        #[arg(long)]
        app: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// One batch: its counts and why messages failed
    Show {
        /// The batch
        id: String,
        #[command(flatten)]
        target: Target,
    },
    /// The results of a batch, one by one
    Messages {
        /// The batch
        id: String,
        /// Only messages in this state
        #[arg(long)]
        status: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Where the page before ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Follow a batch until it is settled; exit 0 if all of it was accepted, 1 if not
    Watch(OneBatch),
    /// Withdraw what has not been sent
    Cancel(OneBatch),
    /// Hold what has not been sent
    Pause(OneBatch),
    /// Let a paused batch go on
    Resume(OneBatch),
    /// Send what failed again, as a new batch
    Redrive(Redrive),
}

/// A batch, and the server that has it.
#[derive(Debug, Args)]
pub(crate) struct OneBatch {
    /// The batch
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// The batch that they are in
    pub(crate) id: String,
    /// Which states; what is unknown may then arrive twice [default: rejected,unknown]
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = ["rejected", "unknown", "expired", "cancelled"])]
    pub(crate) status: Vec<String>,
    /// Only this message; may be repeated
    #[arg(long, value_name = "ID", action = ArgAction::Append)]
    pub(crate) message: Vec<String>,
    /// What to change, merged into each message: JSON, or `@FILE`
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) patch: Option<String>,
    /// Wait until every message of the new batch is settled
    #[arg(long)]
    pub(crate) wait: bool,
    /// The idempotency key: the same key never makes two batches of it [default: a fresh one]
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Provider {
    #[command(subcommand)]
    pub(crate) verb: ProviderVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderVerb {
    /// All providers: whether they send, and what waits for them
    List {
        #[command(flatten)]
        target: Target,
    },
    /// One provider: its breaker, its limits, what last went wrong
    Show(OneProvider),
    /// Send nothing to it until it is resumed
    Pause(OneProvider),
    /// Send to it again
    Resume(OneProvider),
    /// Ask its server, with requests that reach nobody, whether it answers and what it speaks
    Probe(OneProvider),
}

/// A provider, and the server that has it.
#[derive(Debug, Args)]
pub(crate) struct OneProvider {
    /// The provider, as the configuration names it
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Migration {
    #[command(subcommand)]
    pub(crate) verb: MigrationVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrationVerb {
    /// All migrations and where they stand
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Begin: nothing moves, and what the new provider would make of the messages is found out
    Start {
        #[command(flatten)]
        one: OneMigration,
        /// Deliver to both from the beginning
        #[arg(long)]
        both: bool,
    },
    /// Move so many percent of the recipients
    Set {
        /// The migration, as the configuration names it
        name: String,
        /// How many percent of the recipients are at the new provider from now on
        #[arg(required_unless_present = "both", value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: Option<u8>,
        /// Deliver to both
        #[arg(long, conflicts_with = "percent")]
        both: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Go back: everything goes where it went before, what waits included
    Rollback(OneMigration),
    /// End it, once everybody has moved
    Finish(OneMigration),
    /// What would be refused or lost, what both providers answered, and what was done
    Report(OneMigration),
}

/// A migration, and the server that has it.
#[derive(Debug, Args)]
pub(crate) struct OneMigration {
    /// The migration, as the configuration names it
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Make a key for an app: prints it once, with the lines for the configuration
    New {
        /// The app
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Twins {
    /// N: the twins listen on N+1 to N+4; 0: on free ports
    #[arg(long, value_name = "N", default_value_t = 9500)]
    pub(crate) port_base: u16,
    /// What a twin speaks, for example `wukongim=v3`; may be repeated
    #[arg(long, value_name = "VENDOR=DIALECT", action = ArgAction::Append)]
    pub(crate) dialect: Vec<String>,
    /// Faults from the start: {"wukongim":[{"kind":"hang","count":1}]}
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How long each case runs
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
