//! What may be typed to steer providers and migrations.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;

use super::Target;
use crate::completions::candidates;

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
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(candidates::providers))]
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
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(candidates::migrations))]
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
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = ArgValueCompleter::new(candidates::migrations))]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) target: Target,
}
