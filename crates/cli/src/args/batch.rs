//! What may be typed to send batches, to plan them, and to look at them afterwards.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{ArgAction, Args, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCompleter;

use super::{Target, examples};
use crate::completions::candidates;

/// The states of a batch, as the API names them.
const BATCH_STATES: [&str; 7] =
    ["receiving", "scheduled", "queued", "sending", "paused", "settled", "cancelled"];
/// The states of a message, as the API names them.
const STATUSES: [&str; 7] = ["queued", "sending", "accepted", "rejected", "unknown", "cancelled", "expired"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object with `messages`
    Json,
    /// The batch without `messages` on the first line, then a message a line
    Ndjson,
    /// A `to` column, if you like an `id` column, and one column per variable
    Csv,
}

impl Format {
    /// What people call it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Ndjson => "NDJSON",
            Self::Csv => "CSV",
        }
    }
}

/// How a file becomes a batch.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// The batch; `-` reads standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// What the file holds: json, ndjson or csv [default: by its name, else by its first bytes]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    /// CSV: what to say; `$name$` takes the value of the column `name`
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "head")]
    pub(crate) text: Option<String>,
    /// CSV: a JSON file with the batch without its messages (content, options, …)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
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
    /// The same key never sends the same batch twice [default: a fresh one]
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
pub(crate) struct Batch {
    #[command(subcommand)]
    pub(crate) verb: BatchVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BatchVerb {
    /// The newest batches
    List {
        /// Only batches in this state
        #[arg(long, value_parser = PossibleValuesParser::new(BATCH_STATES))]
        state: Option<String>,
        /// Only batches of this app
        #[arg(long, add = ArgValueCompleter::new(candidates::apps))]
        app: Option<String>,
        /// Only batches with this label, or with this value of it
        #[arg(long, value_name = "NAME[=VALUE]")]
        label: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        /// Where the page before ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// One batch: its counts and why messages failed
    Show(OneBatch),
    /// The results of a batch, one by one
    #[command(after_help = examples::MESSAGES)]
    Messages {
        /// The batch
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(candidates::batches))]
        id: String,
        /// Only messages in this state
        #[arg(long, value_parser = PossibleValuesParser::new(STATUSES))]
        status: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
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
    #[command(after_help = examples::REDRIVE)]
    Redrive(Redrive),
}

/// A batch, and the server that has it.
#[derive(Debug, Args)]
pub(crate) struct OneBatch {
    /// The batch
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(candidates::batches))]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// The batch that they are in
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(candidates::batches))]
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
    /// The same key never makes two batches of it [default: a fresh one]
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}
