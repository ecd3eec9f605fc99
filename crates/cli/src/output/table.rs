//! Tables without frames that fit the terminal. Where one is too wide, columns that matter less go first, then
//! long texts are cut or continued below; ids stay whole, so that they can be copied. Elsewhere each row is one
//! line with all of it, so that `grep` finds whole rows.

use anstyle::Style;

use super::text::{clipped, columns, padded, tame, wrapped};
use super::{BAD, DIM, GOOD, ODD, line, paint, terminal_width};

/// Columns between two cells.
const GAP: usize = 2;
/// A text is not cut below this while a column that may go is still there.
const NARROWEST: usize = 14;
/// Nor ever below this.
const LEAST: usize = 6;
/// Width of what is made to be shown to others, in columns.
const WIDTH: usize = 100;

/// One text of a table, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// In a style.
    pub(crate) const fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The same, bold.
    pub(crate) const fn bold(mut self) -> Self {
        self.style = self.style.bold();
        self
    }
}

/// A cell; whatever the text holds, it stays in its row.
pub(crate) fn cell(text: impl ToString) -> Cell {
    Cell { text: tame(&text.to_string()), style: Style::new() }
}

/// A cell that matters less.
pub(crate) fn faint_cell(text: impl ToString) -> Cell {
    cell(text).styled(DIM)
}

/// A cell of a state, coloured by what it means.
pub(crate) fn status_cell(status: &str) -> Cell {
    state_cell(status, status)
}

/// The same with more words than the state's name.
pub(crate) fn state_cell(status: &str, said: &str) -> Cell {
    cell(said).styled(status_style(status))
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

/// What a column does where there is not room for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Give {
    /// Stays whole.
    #[default]
    Nothing,
    /// Is cut, with an ellipsis.
    End,
    /// Goes on below itself.
    Down,
}

#[derive(Debug, Clone, Default)]
struct Column {
    name: String,
    right: bool,
    give: Give,
}

/// Rows under a head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// Places of columns that go where there is no room, the first one first.
    shed: Vec<usize>,
    headless: bool,
}

impl Rows {
    /// An empty table with these names above its columns.
    pub(crate) fn new(head: &[&str]) -> Self {
        let named = |name: &&str| Column { name: tame(name), ..Column::default() };
        Self { columns: head.iter().map(named).collect(), ..Self::default() }
    }

    /// Columns of numbers.
    pub(crate) fn right(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        self.each(places, |column| column.right = true);
        self
    }

    /// Columns that may go where there is no room, the first one first.
    pub(crate) fn shed(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        self.shed.extend(places);
        self
    }

    /// Columns that may be cut.
    pub(crate) fn cut(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        self.each(places, |column| column.give = Give::End);
        self
    }

    /// Columns that may go on below themselves.
    pub(crate) fn flow(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        self.each(places, |column| column.give = Give::Down);
        self
    }

    fn each(&mut self, places: impl IntoIterator<Item = usize>, change: impl Fn(&mut Column)) {
        for place in places {
            if let Some(column) = self.columns.get_mut(place) {
                change(column);
            }
        }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows.push(row.into_iter().collect());
    }

    /// Writes it, as wide as the terminal is.
    pub(crate) fn show(&self) {
        self.lines(terminal_width()).into_iter().for_each(line);
    }

    /// Writes it 100 columns wide at most, whoever reads it.
    pub(crate) fn show_narrow(&self) {
        let width = terminal_width().map_or(WIDTH, |width| width.min(WIDTH));
        self.lines(Some(width)).into_iter().for_each(line);
    }

    /// Its lines, with styles, at most `width` columns wide.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let shown = self.fitting(width);
        let mut lines = Vec::new();
        if !self.headless {
            let heads: Vec<Cell> = self.columns.iter().map(|column| cell(&column.name).bold()).collect();
            lines.extend(self.drawn(&heads, &shown));
            let gaps = shown.len().saturating_sub(1) * GAP;
            lines.push("─".repeat(shown.iter().map(|(_, width)| width).sum::<usize>() + gaps));
        }
        lines.extend(self.rows.iter().flat_map(|row| self.drawn(row, &shown)));
        lines
    }

    /// What would be seen in a file.
    #[cfg(test)]
    pub(crate) fn plain(&self, width: usize) -> String {
        let lines: Vec<String> = self.lines(Some(width)).iter().map(|row| super::plain(row)).collect();
        lines.join("\n")
    }

    /// Which columns are shown, and how wide each is.
    fn fitting(&self, width: Option<usize>) -> Vec<(usize, usize)> {
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len()).map(|at| (at, self.wants(at))).collect();
        let Some(room) = width else { return shown };
        let least = |(at, wants): &(usize, usize)| match self.columns.get(*at).map(|column| column.give) {
            Some(Give::End | Give::Down) => (*wants).min(NARROWEST),
            _ => *wants,
        };
        let all = |of: &[(usize, usize)], each: &dyn Fn(&(usize, usize)) -> usize| {
            of.iter().map(each).sum::<usize>() + of.len().saturating_sub(1) * GAP
        };
        for place in &self.shed {
            if all(&shown, &least) <= room {
                break;
            }
            shown.retain(|(at, _)| at != place);
        }
        // The widest gives first.
        let mut over = all(&shown, &|(_, width)| *width).saturating_sub(room);
        while over > 0 {
            let giving = shown.iter_mut().filter(|one| one.1 > LEAST);
            let giving = giving
                .filter(|one| self.columns.get(one.0).is_some_and(|column| column.give != Give::Nothing));
            let Some(widest) = giving.max_by_key(|(_, width)| *width) else { break };
            widest.1 -= 1;
            over -= 1;
        }
        shown
    }

    /// The columns that the widest cell takes.
    fn wants(&self, at: usize) -> usize {
        let head = self.columns.get(at).map_or(0, |column| columns(&column.name));
        let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(&cell.text));
        cells.max().unwrap_or(0).max(if self.headless { 0 } else { head })
    }

    /// One row, in one line or several.
    fn drawn(&self, row: &[Cell], shown: &[(usize, usize)]) -> Vec<String> {
        let last = shown.len().saturating_sub(1);
        let blank = cell("");
        let cells: Vec<(Vec<String>, Style, usize, bool)> = shown
            .iter()
            .map(|(at, width)| {
                let cell = row.get(*at).unwrap_or(&blank);
                let column = self.columns.get(*at).cloned().unwrap_or_default();
                let texts = match column.give {
                    Give::Down if columns(&cell.text) > *width => wrapped(&cell.text, *width),
                    Give::End => vec![clipped(&cell.text, *width)],
                    _ => vec![cell.text.clone()],
                };
                (texts, cell.style, *width, column.right)
            })
            .collect();
        let height = cells.iter().map(|(texts, ..)| texts.len()).max().unwrap_or(0);
        let lines = (0..height).map(|level| {
            let mut text = String::new();
            for (place, (texts, style, width, right)) in cells.iter().enumerate() {
                let part = texts.get(level).map_or("", String::as_str);
                let blanks = " ".repeat(width.saturating_sub(columns(part)));
                let part = if part.is_empty() || *style == Style::new() {
                    part.to_owned()
                } else {
                    paint(*style, part)
                };
                text.push_str(&if *right { format!("{blanks}{part}") } else { format!("{part}{blanks}") });
                if place != last {
                    text.push_str(&" ".repeat(GAP));
                }
            }
            text.trim_end().to_owned()
        });
        lines.collect()
    }
}

/// Names and values below a title; long values go on under themselves where they would not fit a terminal.
pub(crate) fn fields<const N: usize>(fields: [(&str, Option<Cell>); N]) {
    let mut rows = Rows { headless: true, ..Rows::new(&["", ""]).flow([1]) };
    for (name, value) in fields {
        let Some(value) = value else { continue };
        rows.add([faint_cell(format!("  {}", padded(name, 8))), value]);
    }
    rows.show();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures() -> Rows {
        let mut rows = Rows::new(&["messages", "code", "provider", "the vendor's words", "for example"])
            .right([0])
            .shed([4, 2])
            .flow([3, 4]);
        rows.add([
            cell("1,204"),
            cell("recipient_not_found").styled(BAD),
            cell("ne"),
            cell("404 聊天室不存在，请检查聊天室编号是否正确 (chatroom does not exist)"),
            faint_cell("🎉-7 (room:7), 消息一 (room:聊天室)"),
        ]);
        rows.add([
            cell("3"),
            cell("timeout").styled(ODD),
            cell("wk-main"),
            cell(""),
            faint_cell("m1 (user:a)"),
        ]);
        rows
    }

    #[test]
    fn a_table_as_wide_as_it_likes() {
        insta::assert_snapshot!(failures().plain(400));
    }

    #[test]
    fn a_table_on_100_columns() {
        insta::assert_snapshot!(failures().plain(100));
    }

    #[test]
    fn a_table_on_60_columns() {
        insta::assert_snapshot!(failures().plain(60));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 45..160 {
            for row in failures().plain(width).lines() {
                assert!(columns(row) <= width, "{width}: {row}");
            }
        }
    }

    #[test]
    fn what_must_stay_whole_does() {
        let mut rows = Rows::new(&["batch", "state", "label"]).shed([1]).cut([2]);
        rows.add([
            cell("bat_01a1fe1b11c57c98b0b975bdf3f98183"),
            cell("settled"),
            cell("a label of many words"),
        ]);
        let text = rows.plain(52);
        assert!(text.contains("bat_01a1fe1b11c57c98b0b975bdf3f98183  a label of ma…"), "{text}");
    }
}
