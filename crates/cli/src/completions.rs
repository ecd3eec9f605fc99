//! `interline completions`: the lines that make a shell ask this command what may come next. The shell runs it
//! again with a variable set; what it answers then is in [`candidates`].

pub(crate) mod candidates;

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;
use serde_json::json;

use crate::args::{Cli, Common, Completions, Shell};
use crate::output::{Failed, json as print_json, line};

/// The variable by which a shell asks. Not one of the configuration's, which begin with `INTERLINE_`.
const VARIABLE: &str = "_INTERLINE_COMPLETE";
const NAME: &str = "interline";
/// What bash needs besides.
const WHOLE_WORDS: &str = include_str!("completions/whole_words.bash");

/// Answers a shell that asks, and ends the process then.
pub(crate) fn answer() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
    }
}

/// The script for bash, with our function between bash and the one of the script.
fn in_whole_words(script: &str) -> String {
    let ours = script.replace("-F _clap_complete_interline", "-F _interline");
    format!("{WHOLE_WORDS}{ours}")
}

/// Runs the verb.
pub(crate) fn run(args: &Completions, common: &Common) -> Result<ExitCode, Failed> {
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
        Some(Ok(())) => {
            let script = String::from_utf8_lossy(&script);
            let script = if shell == "bash" { in_whole_words(&script) } else { script.into_owned() };
            if common.json {
                print_json(&json!({"shell": shell, "script": script}))?;
            } else {
                line(script.trim_end());
            }
        }
        Some(Err(error)) => {
            return Err(Failed::new(format!("cannot write completions for {shell}: {error}")));
        }
        None => return Err(Failed::new(format!("cannot write completions for {shell}"))),
    }
    Ok(ExitCode::SUCCESS)
}
