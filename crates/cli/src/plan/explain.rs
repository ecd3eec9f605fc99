//! `interline plan --explain`: for each message who takes it and why, every other route and why not, who stands
//! in, and what is lost. Made for 80 columns.

use anstyle::Style;

use super::Message;
use crate::output::{BAD, BOLD, DIM, GOOD, LINK, ODD, clipped, columns, line, padded, paint, wrapped};

/// Columns of a line.
const WIDTH: usize = 80;
/// Most columns of a name.
const NAME: usize = 20;

/// One line of an explanation: a mark, who, and a sentence.
struct Row<'m> {
    mark: (&'static str, Style),
    names: [&'m str; 2],
    why: String,
}

/// Writes what is to be known of one message.
pub(super) fn written(message: &Message) {
    for row in rows(message) {
        line(row);
    }
}

/// The lines, with styles.
fn rows(message: &Message) -> Vec<String> {
    let mut lines = vec![title(message)];
    let found = explained(message);
    let width = |place: usize| {
        let lengths = found.iter().filter_map(|row| row.names.get(place)).map(|name| columns(name));
        lengths.max().unwrap_or_default().min(NAME)
    };
    let widths = [width(0), width(1)];
    let left = 4 + widths.iter().map(|width| width + 2).sum::<usize>();
    for row in found {
        let (mark, style) = row.mark;
        let [first, second] = row.names;
        let names = format!(
            "{}  {}",
            padded(&clipped(first, widths[0]), widths[0]),
            padded(&clipped(second, widths[1]), widths[1])
        );
        for (place, text) in wrapped(&row.why, WIDTH.saturating_sub(left)).into_iter().enumerate() {
            if place == 0 {
                lines.push(format!("  {} {names}  {text}", paint(style, mark)));
            } else {
                lines.push(format!("{:left$}{text}", ""));
            }
        }
    }
    lines
}

fn title(message: &Message) -> String {
    let to = match (&message.provider, &message.dialect) {
        (Some(provider), Some(dialect)) => format!("{provider} ({dialect})"),
        (Some(provider), None) => format!("{provider} (dialect not known yet)"),
        (None, _) => "nobody".to_owned(),
    };
    format!("{} {} → {}", paint(BOLD, &message.id), message.to, paint(BOLD, to))
}

fn explained(message: &Message) -> Vec<Row<'_>> {
    let own = message.route.as_deref();
    let mark = if own.is_some() { ("✓", GOOD) } else { ("✗", BAD) };
    let provider = message.provider.as_deref().unwrap_or("-");
    let mut rows = vec![Row { mark, names: [own.unwrap_or("-"), provider], why: message.why.clone() }];
    for other in &message.not_taken {
        let route = other.route.as_deref().unwrap_or("-");
        let stands_in = own == other.route.as_deref();
        let (mark, name) = if stands_in { (("↷", LINK), "fallback") } else { (("·", DIM), route) };
        let provider = other.provider.as_deref().unwrap_or("-");
        rows.push(Row { mark, names: [name, provider], why: other.why.clone() });
    }
    if !message.losses.is_empty() {
        rows.push(Row { mark: ("!", ODD), names: ["lost", provider], why: message.losses.join(", ") });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        serde_json::from_value(serde_json::json!({
            "id": "m1", "to": "user:a", "route": "default", "provider": "wk", "dialect": "v2",
            "why": "the route default is the first that takes it; of its split wk has 90 of 100, this recipient \
                    among them",
            "not_taken": [
                {"route": "rooms", "provider": "ne", "why": "it takes room, not user"},
                {"route": "default", "provider": "oim", "why": "it stands in when wk surely did not take the message"}
            ],
            "losses": ["ttl"]
        }))
        .unwrap()
    }

    #[test]
    fn an_explanation_names_every_route_and_fits_80_columns() {
        let rows: Vec<String> = rows(&message()).iter().map(|row| crate::output::plain(row)).collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        m1 user:a → wk (v2)
          ✓ default   wk   the route default is the first that takes it; of its split wk
                           has 90 of 100, this recipient among them
          · rooms     ne   it takes room, not user
          ↷ fallback  oim  it stands in when wk surely did not take the message
          ! lost      wk   ttl
        ");
        assert!(rows.iter().all(|row| row.chars().count() <= WIDTH), "{rows:#?}");
    }
}
