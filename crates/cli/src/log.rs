//! Log lines on standard error. Which and in which form the configuration says; a variable of the environment
//! wins, so that a look at one run needs no change to a file.

use std::io::IsTerminal as _;

use interline_gateway::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::args::{self, filled};
use crate::output::Failed;

/// The variables that choose what is logged, the first one first.
const VARIABLES: [&str; 2] = ["INTERLINE_LOG", "RUST_LOG"];

/// Starts logging.
pub(crate) fn start(config: &Log, asked: Option<args::LogFormat>) -> Result<(), Failed> {
    let named = VARIABLES.iter().find_map(|name| Some((*name, filled(name)?)));
    let (origin, level) = named.unwrap_or_else(|| ("log.level", config.level.clone()));
    let filter = EnvFilter::try_new(&level).map_err(|error| {
        Failed::new(format!("cannot read {origin}={level:?}: {error}"))
            .next("write a level, or levels by target: info,interline_engine=debug")
    })?;
    let format = match asked {
        Some(args::LogFormat::Json) => LogFormat::Json,
        Some(args::LogFormat::Pretty) => LogFormat::Pretty,
        None => config.format,
    };
    // A log on a full disk must not end what logs: the report of that failure would panic for the same reason.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| Failed::new(format!("cannot start logging: {error}")))
}
