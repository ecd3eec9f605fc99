//! What may be typed to keep house: the ledger, the keys of apps, the shell.

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::completions::candidates;

#[derive(Debug, Args)]
pub(crate) struct Ledger {
    #[command(subcommand)]
    pub(crate) verb: LedgerVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerVerb {
    /// What is in it, what waits, and how much room there is; also while a server runs
    Status {
        /// The ledger [default: the configuration's]
        #[arg(long, value_name = "URL")]
        ledger: Option<String>,
    },
    /// Bring its schema up to the newest version, which a server also does when it starts
    Migrate(LedgerMigrate),
    /// Copy it to a new file, also while a server runs; a whole copy or none
    Copy {
        /// Where to: sqlite:PATH, or a path; nothing may be there
        #[arg(value_name = "TO")]
        to: String,
        /// The ledger to copy [default: the configuration's]
        #[arg(long, value_name = "URL")]
        ledger: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LedgerMigrate {
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The ledger [default: the configuration's]
    #[arg(long, value_name = "URL")]
    pub(crate) ledger: Option<String>,
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
        #[arg(add = ArgValueCompleter::new(candidates::apps))]
        name: String,
    },
    /// The apps of the configuration: which keys they have, by fingerprint, and what they may do
    List,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}
