//! How the command speaks: results on standard output, everything else on standard error.
//!
//! Text is written with styles and passes through `anstream`, which takes them off where nobody looks
//! at a terminal. A reader that went away (`| head`) is no error.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, Color, ContentArrangement, Table, TableComponent};
use serde::Serialize;

/// Width of what is made to be shown to others, in columns.
const WIDTH: u16 = 100;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
pub(crate) const LINK: Style = AnsiColor::Cyan.on_default();

/// Why a command did not do what was asked, and what to do next.
#[derive(Debug)]
pub(crate) struct Failed {
    said: String,
    next: Option<String>,
    exit: u8,
    status: Option<u16>,
}

impl Failed {
    /// Usage or refused: exit code 2.
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), next: None, exit: 2, status: None }
    }

    /// Adds what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds what to do next, unless something is said already.
    pub(crate) fn or_next(mut self, next: impl FnOnce() -> String) -> Self {
        self.next = self.next.or_else(|| Some(next()));
        self
    }

    /// Says which status of a server this comes from.
    pub(crate) const fn of(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The status of the server that refused it; none when no server did.
    pub(crate) const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Exit code 1: it was done, and not everything went well.
    pub(crate) const fn partly(mut self) -> Self {
        self.exit = 1;
        self
    }

    /// Writes it to standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        note(format!("{} {}", paint(BAD.bold(), "error:"), self.said));
        for line in self.next.iter().flat_map(|next| next.lines()) {
            note(format!("  {} {line}", paint(LINK, "→")));
        }
        ExitCode::from(self.exit)
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        format!("{} | {}", self.said, self.next.as_deref().unwrap_or_default())
    }
}

/// A line of the result.
pub(crate) fn line(text: impl Display) {
    writeln!(anstream::stdout().lock(), "{text}").ok();
}

/// A line beside the result: progress, hints, errors.
pub(crate) fn note(text: impl Display) {
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

/// A table without frames: a bold head, a thin rule under it, columns two spaces apart. It fits the
/// terminal; elsewhere each row is one line, so that `grep` finds whole rows.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(arrangement())
        .enforce_styling()
        .set_header(head.iter().map(|name| Cell::new(name).add_attribute(comfy_table::Attribute::Bold)));
    // The border between columns, which is blank, is the other one.
    let last = head.len().saturating_sub(1);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(place != last)));
    }
    table
}

fn arrangement() -> ContentArrangement {
    if std::io::stdout().is_terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled }
}

/// Names and values below a title; long values go on under themselves where they would not fit a terminal.
pub(crate) fn fields<const N: usize>(fields: [(&str, Option<Cell>); N]) {
    let mut rows = Table::new();
    rows.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(arrangement()).enforce_styling();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        rows.add_row([faint_cell(format!("  {name:<8}")), value]);
    }
    for (place, column) in rows.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(place == 0)));
    }
    show(&rows);
}

/// Makes a table 100 columns wide at most, whoever reads it.
pub(crate) fn narrowed(mut table: Table) -> Table {
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

/// Writes a table; where nobody looks at a terminal without the blanks that end its lines.
pub(crate) fn show(table: &Table) {
    let watched = std::io::stdout().is_terminal();
    for row in table.lines() {
        line(if watched { row } else { plain(&row) });
    }
}

/// A row as it stands in a file.
pub(crate) fn plain(row: &str) -> String {
    anstream::adapter::strip_str(row).to_string().trim_end().to_owned()
}

/// A cell of a state, coloured by what it means.
pub(crate) fn status_cell(status: &str) -> Cell {
    state_cell(status, status)
}

/// The same with more words than the state's name.
pub(crate) fn state_cell(status: &str, said: &str) -> Cell {
    Cell::new(said).fg(match status_style(status) {
        GOOD => Color::Green,
        BAD => Color::Red,
        ODD => Color::Yellow,
        _ => Color::Reset,
    })
}

/// What a state of a message, a batch or a provider means, as a style.
pub(crate) fn status_style(status: &str) -> Style {
    match status {
        "accepted" | "settled" | "ready" | "done" => GOOD,
        "rejected" | "expired" | "cancelled" | "open" => BAD,
        "unknown" | "paused" | "waiting" | "half_open" | "restarting" | "rolled_back" => ODD,
        _ => Style::new(),
    }
}

/// A cell that matters less.
pub(crate) fn faint_cell(text: impl ToString) -> Cell {
    Cell::new(text).add_attribute(comfy_table::Attribute::Dim)
}

/// `1 message`, `2 messages`, with a thin separator in large numbers.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `text` in lines of at most `width` characters, broken between words; a longer word stays whole.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// At most `width` characters; what is longer ends in an ellipsis.
pub(crate) fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 12, 123, 1234, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "12", "123", "1,234", "1,000,000"]);
    }

    #[test]
    fn clipping_counts_characters_and_not_bytes() {
        assert_eq!(clipped("聊天室不存在", 4), "聊天室…");
        assert_eq!(clipped("short", 5), "short");
    }
}
