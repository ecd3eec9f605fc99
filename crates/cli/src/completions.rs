//! `interline completions`: the lines that make a shell ask this command what may come next. The shell runs it
//! again with a variable set; what it answers then is in [`candidates`].

pub(crate) mod candidates;

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

use crate::args::{Cli, Completions, Shell};
use crate::output::{Failed, line};

/// The variable by which a shell asks. Not one of the configuration's, which begin with `INTERLINE_`.
const VARIABLE: &str = "_INTERLINE_COMPLETE";
const NAME: &str = "interline";

/// Answers a shell that asks, and ends the process then.
pub(crate) fn answer() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
    }
}

/// Runs the verb.
pub(crate) fn run(args: &Completions) -> Result<ExitCode, Failed> {
    let shell = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Elvish => "elvish",
    };
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let written =
        shells.completer(shell).map(|of| of.write_registration(VARIABLE, NAME, NAME, NAME, &mut script));
    match written {
        Some(Ok(())) => line(String::from_utf8_lossy(&script).trim_end()),
        Some(Err(error)) => {
            return Err(Failed::new(format!("cannot write completions for {shell}: {error}")));
        }
        None => return Err(Failed::new(format!("cannot write completions for {shell}"))),
    }
    Ok(ExitCode::SUCCESS)
}
