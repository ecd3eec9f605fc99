//! What a document shows against what came out. Ids, times and long numbers may differ, `…` stands for
//! anything, and what is printed may be more than what is shown; the order of lines is kept.

use serde_json::Value;

use super::parse::{Block, Marker};
use super::snippets::parses_as_json;

/// The first line of `shown` that `printed` does not have behind the ones before it; of JSON the first line if
/// no line that was printed has its members.
pub fn missing<'s>(block: &Block, shown: &'s str, printed: &str) -> Option<&'s str> {
    let vary = block.markers.contains(&Marker::FiguresVary);
    if block.language == "json" {
        let expected = parses_as_json(shown).unwrap_or_default();
        let found: Vec<Value> = values(printed);
        let all = expected.iter().all(|value| found.iter().any(|other| has(value, other, vary)));
        return if all && !expected.is_empty() { None } else { shown.lines().next() };
    }
    let printed: Vec<Vec<String>> = printed.lines().map(|line| words(line, vary)).collect();
    let mut from = 0;
    for line in shown.lines() {
        let expected = words(line, vary);
        if expected.is_empty() || expected == ["…"] {
            continue;
        }
        let found = printed.iter().skip(from).position(|line| fits(&expected, line));
        let Some(found) = found else { return Some(line) };
        from += found + 1;
    }
    None
}

/// Whether the words are those, where an expected `…` stands for any number of them, and at an end of a
/// word for the rest of it.
fn fits(expected: &[String], found: &[String]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return found.is_empty() };
    if first == "…" {
        return (0..=found.len()).any(|skip| found.get(skip..).is_some_and(|found| fits(rest, found)));
    }
    let Some((word, others)) = found.split_first() else { return false };
    let cut = first.ends_with('…');
    same(first, word)
        && (0..=others.len())
            .take_while(|skip| cut || *skip == 0)
            .any(|skip| others.get(skip..).is_some_and(|others| fits(rest, others)))
}

/// The JSON values that stand in what was printed, each beginning on a line of its own or behind another.
fn values(printed: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut rest = printed;
    while let Some(at) = rest.find(['{', '[']) {
        rest = rest.get(at..).unwrap_or_default();
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let value = stream.next().and_then(Result::ok);
        let length = if value.is_some() { stream.byte_offset() } else { 1 };
        found.extend(value);
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// Whether `found` has what `expected` says: members may be more, lists begin alike.
fn has(expected: &Value, found: &Value, vary: bool) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|other| has(value, other, vary)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() <= found.len()
                && expected.iter().zip(found).all(|(one, other)| has(one, other, vary))
        }
        (Value::String(expected), Value::String(found)) => fits(&words(expected, vary), &words(found, vary)),
        // Ids.
        (Value::Number(one), Value::Number(other))
            if vary || [one, other].iter().all(|n| n.to_string().len() >= 12) =>
        {
            true
        }
        (expected, found) => expected == found,
    }
}

fn same(expected: &str, found: &str) -> bool {
    let Some((begin, end)) = expected.split_once('…') else { return expected == found };
    found.len() >= begin.len() && found.starts_with(begin) && end.split('…').all(|part| found.contains(part))
}

/// A line's words, with a placeholder for each that differs from run to run.
fn words(line: &str, vary: bool) -> Vec<String> {
    let line = line.replace(",\"", ", \"").replace("\":", "\": ");
    line.split_whitespace().map(|word| placeheld(word, vary)).collect()
}

fn placeheld(word: &str, vary: bool) -> String {
    if word.chars().all(|c| matches!(c, '─' | '━' | '-' | '=' | '█' | '░' | '╸' | '╺')) {
        return "─".to_owned();
    }
    let mut out = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if length == 0 {
            let (sign, others) = rest.split_at(first.len_utf8());
            out.push_str(sign);
            rest = others;
            continue;
        }
        let (piece, others) = rest.split_at(length);
        out.push_str(&held(piece, vary));
        rest = others;
    }
    // Dates, times and what was cut off stand as one.
    if is_time(&out) {
        "TIME".to_owned()
    } else {
        out.replace("bat_HEX…", "bat_HEX").replace("HEX…", "HEX")
    }
}

fn held(piece: &str, vary: bool) -> String {
    let digits = piece.chars().all(|c| c.is_ascii_digit());
    if digits && (piece.len() >= 12 || vary) {
        return "N".to_owned();
    }
    let hex = piece.chars().all(|c| c.is_ascii_hexdigit()) && piece.chars().any(|c| c.is_ascii_digit());
    if hex && !digits && piece.len() >= 4 {
        return "HEX".to_owned();
    }
    let number = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = piece.split_at(number);
    if vary && !number.is_empty() && unit.len() <= 2 { format!("N{unit}") } else { piece.to_owned() }
}

fn is_time(word: &str) -> bool {
    let digits: String = word.chars().map(|c| if c.is_ascii_digit() || c == 'N' { '0' } else { c }).collect();
    let digits = digits.trim_matches(['"', ',', '(', ')', '}']);
    ["0000-00-00", "00:00:00Z", "00:00:00", "0-0-0", "0:0:0Z", "0:0:0"].contains(&digits)
        || (digits.starts_with("0000-00-00T") || digits.starts_with("0-0-0")) && digits.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(shown: &str, printed: &str) -> bool {
        let block =
            Block { line: 1, language: "text".into(), text: String::new(), markers: vec![], follows: true };
        missing(&block, shown, printed).is_none()
    }

    #[test]
    fn ids_and_times_may_differ_and_words_may_not() {
        assert!(shows("bat_01a1…  settled", "bat_01a1fe1c0bdd7b51bbcb1013918aaa9a settled"));
        assert!(shows("2026-12-01 09:40:20Z ramp", "2026-11-21 12:00:01Z ramp"));
        assert!(shows("a … d", "a b c d") && !shows("a … e", "a b c d"));
        assert!(!shows("3 accepted", "4 accepted"));
        assert!(shows("one\nthree", "one\ntwo\nthree") && !shows("three\none", "one\ntwo\nthree"));
    }
}
