//! How the command speaks: results on standard output, everything else on standard error. With `--json` both
//! are for programs: results are JSON, hints are not given, and what went wrong is one JSON object.
//!
//! Text is written with styles and passes through `anstream`, which takes them off where nobody looks
//! at a terminal, unless `NO_COLOR` or `CLICOLOR_FORCE` say otherwise. A reader that went away (`| head`) is no
//! error.

mod failed;
mod table;
mod text;

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

pub(crate) use failed::{Failed, INTERRUPTED};
pub(crate) use table::{Cell, Rows, cell, faint_cell, fields, state_cell, status_cell, status_style};
pub(crate) use text::{age, clipped, columns, count, grouped, padded, since, size, tame, wrapped};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
pub(crate) const LINK: Style = AnsiColor::Cyan.on_default();

/// What a shell says of a program that a closed pipe ended.
const PIPE_CLOSED: i32 = 141;

/// How wide a terminal is taken to be that does not say so: those of containers and of `expect`.
const USUAL_WIDTH: usize = 80;

/// Whether programs read this.
static JSON: AtomicBool = AtomicBool::new(false);
/// Whether there is nothing left to do once nobody reads the results.
static ENDS_WITH_READER: AtomicBool = AtomicBool::new(false);

/// Speaks to programs from now on, or to people.
pub(crate) fn speak_json(json: bool) {
    JSON.store(json, Ordering::Relaxed);
}

/// Ends the process when whoever reads standard output has gone; not for servers.
pub(crate) fn end_with_reader() {
    ENDS_WITH_READER.store(true, Ordering::Relaxed);
}

/// Whether programs read this.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// How wide the terminal is that standard output goes to, as `COLUMNS` or else itself says; none where it goes
/// elsewhere.
pub(crate) fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|width| *width > 0);
    let known = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    said.or_else(known).or(Some(USUAL_WIDTH))
}

/// A line of the result.
pub(crate) fn line(text: impl Display) {
    let mut out = anstream::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    let gone = written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
    if gone && ENDS_WITH_READER.load(Ordering::Relaxed) {
        std::process::exit(PIPE_CLOSED);
    }
}

/// A line beside the result, for people: progress, hints, errors.
pub(crate) fn note(text: impl Display) {
    if !is_json() {
        program_note(text);
    }
}

/// A line beside the result, whoever reads it.
pub(crate) fn program_note(text: impl Display) {
    writeln!(anstream::stderr().lock(), "{text}").ok();
}

/// A result for programs.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failed::new(format!("cannot write the result as JSON: {error}")))?;
    line(text);
    Ok(())
}

/// `text` in a style.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A row as it stands in a file.
#[cfg(test)]
pub(crate) fn plain(row: &str) -> String {
    anstream::adapter::strip_str(row).to_string().trim_end().to_owned()
}
