//! Words, numbers and widths. A column is what a terminal gives a character: two for 你 or 🎉, none for an
//! accent. What comes from a vendor or a caller is tamed before a terminal sees it.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The text without what moves a cursor, turns the reading direction or breaks a line.
pub(crate) fn tame(text: &str) -> String {
    let dangerous = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if !text.chars().any(dangerous) {
        return text.to_owned();
    }
    let mut tame = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => tame.push(' '),
            c if dangerous(c) => tame.push('\u{fffd}'),
            c => tame.push(c),
        }
    }
    tame
}

/// At most `width` columns; what is longer ends in an ellipsis.
pub(crate) fn clipped(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (kept, _) = split_at_width(text, width.saturating_sub(1));
    format!("{kept}…")
}

/// `text`, and blanks up to `width` columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(columns(text));
    format!("{text}{:blanks$}", "")
}

/// `text` in lines of at most `width` columns, broken between words; a word that is longer is broken too.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        while let Some(last) = lines.last_mut() {
            let gap = usize::from(!last.is_empty());
            if columns(last) + gap + columns(word) <= width {
                if gap > 0 {
                    last.push(' ');
                }
                last.push_str(word);
                break;
            }
            // A word that fits nowhere, Chinese say, begins where the one before it ended.
            let room = width.saturating_sub(columns(last) + gap);
            if columns(word) > width && room >= 2 {
                let (head, tail) = split_at_width(word, room);
                last.push_str(if gap > 0 && !head.is_empty() { " " } else { "" });
                last.push_str(head);
                word = tail;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The longest beginning that takes at most `width` columns, and the rest. Marks stay with their letter.
fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut taken = 0;
    let place = text.char_indices().find(|(_, c)| {
        taken += c.width().unwrap_or(0);
        taken > width
    });
    place.and_then(|(place, _)| text.split_at_checked(place)).unwrap_or((text, ""))
}

/// `1 message`, `2 messages`, with a thin separator in large numbers.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let end = match noun {
        noun if number == 1 || noun.is_empty() => "",
        noun if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{} {noun}{end}", grouped(number))
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

/// A size in the unit that people use for it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut whole = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in UNITS.iter().skip(1) {
        if whole < 1000.0 {
            break;
        }
        whole /= 1024.0;
        unit = larger;
    }
    if whole < 10.0 { format!("{whole:.1} {unit}") } else { format!("{whole:.0} {unit}") }
}

/// How long ago a time was, in its largest unit; a time that cannot be read as it is.
pub(crate) fn age(time: &str, now: jiff::Timestamp) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(then) => since(then, now),
        Err(_) => time.to_owned(),
    }
}

/// How long it is from one moment to another, in its largest unit.
pub(crate) fn since(then: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 12, 123, 1234, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "12", "123", "1,234", "1,000,000"]);
        assert_eq!(
            [count(1, "batch"), count(2, "batch"), count(2, "call")],
            ["1 batch", "2 batches", "2 calls"]
        );
    }

    #[test]
    fn clipping_counts_columns_and_not_bytes() {
        assert_eq!(clipped("聊天室不存在", 8), "聊天室…");
        assert_eq!(clipped("聊天室不存在", 12), "聊天室不存在");
        assert_eq!(clipped("short", 5), "short");
        assert!(columns(&clipped("🎉🎉🎉", 4)) <= 4);
    }

    #[test]
    fn lines_are_broken_between_words_and_long_words_where_they_must() {
        assert_eq!(wrapped("the vendor says no", 10), ["the vendor", "says no"]);
        assert_eq!(wrapped("聊天室不存在", 6), ["聊天室", "不存在"]);
        assert_eq!(wrapped("a bat_0123456789", 8), ["a bat_01", "23456789"]);
        assert_eq!(wrapped("", 8), [""]);
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(tame("no\u{1b}[2J\nsuch\u{202e}room"), "no\u{fffd}[2J such\u{fffd}room");
        assert_eq!(tame("聊天室 🎉"), "聊天室 🎉");
    }

    #[test]
    fn sizes_and_ages_are_told_in_their_largest_unit() {
        let sizes = [0, 1023, 2048, 73_400_320, 5 << 30].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "2.0 KiB", "70 MiB", "5.0 GiB"]);
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let ages = [
            "2026-11-21T11:59:51.3Z",
            "2026-11-21T11:01:00Z",
            "2026-11-20T12:30:00Z",
            "2026-11-01T12:00:00Z",
        ]
        .map(|time| age(time, now));
        assert_eq!(ages, ["8s", "59m", "23h", "20d"]);
        assert_eq!(age("2026-11-21T12:00:05Z", now), "0s", "another clock");
        assert_eq!(age("soon", now), "soon");
    }
}
