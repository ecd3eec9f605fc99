//! The payloads that official clients show, one function each: it takes what it understands out of the
//! payload and gives the canonical content, or takes nothing where the payload is not as it should be.

use interline_core::content::Object;
use serde_json::{Value, json};

use super::payload::object;

const PIXELS: u64 = u32::MAX as u64;
const BYTES: u64 = i64::MAX as u64;

/// The content of a payload whose `type` is known; what is left in `payload` it does not say.
pub(super) fn read(payload: &mut Object) -> Option<Object> {
    let mut parts = Parts { payload, content: Object::new() };
    match parts.payload.get("type").and_then(Value::as_u64)? {
        1 => text(&mut parts),
        2 => image(&mut parts),
        4 => voice(&mut parts),
        5 => video(&mut parts),
        6 => location(&mut parts),
        8 => file(&mut parts),
        99 => command(&mut parts),
        number @ 1000..=2000 => notice(&mut parts, number),
        _ => None,
    }?;
    Some(parts.content)
}

struct Parts<'p> {
    payload: &'p mut Object,
    content: Object,
}

impl Parts<'_> {
    /// The text of a member, where it says something.
    fn said(&self, key: &str) -> Option<&str> {
        self.payload.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    fn number(&self, key: &str, most: u64) -> Option<u64> {
        self.payload.get(key)?.as_u64().filter(|number| *number <= most)
    }

    fn is(&mut self, kind: &str) {
        self.payload.remove("type");
        self.put("type", json!(kind));
    }

    fn put(&mut self, key: &str, value: Value) {
        self.content.insert(key.to_owned(), value);
    }

    /// Moves a member to a name of the content.
    fn take(&mut self, from: &str, to: &str) {
        if let Some(value) = self.payload.remove(from) {
            self.put(to, value);
        }
    }

    /// Moves those members that are texts.
    fn texts<const N: usize>(&mut self, names: [(&str, &str); N]) {
        for (from, to) in names {
            if self.payload.get(from).is_some_and(Value::is_string) {
                self.take(from, to);
            }
        }
    }

    /// Moves those members that are whole numbers.
    fn wholes<const N: usize>(&mut self, names: [(&str, u64); N]) {
        for (name, most) in names {
            if self.number(name, most).is_some() {
                self.take(name, name);
            }
        }
    }

    /// Clients count whole seconds; the exact length may stand beside them.
    fn length(&mut self, key: &str) -> Option<()> {
        let seconds = self.number(key, BYTES / 1000)?;
        let exact = self.number("duration_ms", BYTES);
        let exact = exact.filter(|ms| ms.div_ceil(1000) == seconds && !ms.is_multiple_of(1000));
        if exact.is_some() {
            self.payload.remove("duration_ms");
        }
        self.payload.remove(key);
        self.put("duration_ms", json!(exact.unwrap_or(seconds * 1000)));
        Some(())
    }
}

fn text(parts: &mut Parts<'_>) -> Option<()> {
    parts.said("content")?;
    parts.is("text");
    parts.take("content", "text");
    let quoted = parts.payload.get("reply").and_then(Value::as_object).map(quoted);
    if let Some((message, whole)) = quoted {
        parts.put("type", json!("quote"));
        parts.put("message", Value::Object(message));
        if whole {
            parts.payload.remove("reply");
        }
    }
    Some(())
}

/// The message that is answered, and whether that says all that stood there.
fn quoted(reply: &Object) -> (Object, bool) {
    let mut message = Object::new();
    let mut whole = true;
    for (key, value) in reply {
        let (name, understood, same) = match (key.as_str(), value) {
            ("message_id", Value::Number(_)) => ("id", json!(value.to_string()), false),
            ("message_id", _) => ("id", value.clone(), true),
            ("message_seq", Value::Number(number)) => ("seq", json!(number.to_string()), number.is_u64()),
            ("message_seq", Value::String(text)) => ("seq", value.clone(), text.parse::<u64>().is_err()),
            ("from_uid", _) => ("from", value.clone(), true),
            ("from_name", _) => ("from_name", value.clone(), true),
            ("client_msg_no", _) => ("client_id", value.clone(), true),
            ("time_ms", Value::Number(number)) if number.as_i64().is_some_and(|time| time >= 0) => {
                message.insert("time_ms".to_owned(), value.clone());
                continue;
            }
            ("payload", Value::Object(payload)) => {
                let text = payload.get("content").cloned().unwrap_or_default();
                ("text", text, payload.len() == 2 && payload.get("type") == Some(&json!(1)))
            }
            _ => ("", Value::Null, false),
        };
        whole &= same && understood.is_string();
        if understood.is_string() {
            message.insert(name.to_owned(), understood);
        }
    }
    (message, whole)
}

fn image(parts: &mut Parts<'_>) -> Option<()> {
    parts.said("url")?;
    parts.is("image");
    parts.texts([
        ("url", "url"),
        ("thumbnail_url", "thumbnail_url"),
        ("md5", "md5"),
        ("name", "name"),
        ("format", "format"),
    ]);
    parts.wholes([("width", PIXELS), ("height", PIXELS), ("size", BYTES)]);
    Some(())
}

fn voice(parts: &mut Parts<'_>) -> Option<()> {
    parts.said("url")?;
    parts.length("timeTrad")?;
    parts.is("audio");
    parts.texts([("url", "url"), ("md5", "md5"), ("name", "name"), ("format", "format")]);
    parts.wholes([("size", BYTES)]);
    Some(())
}

fn video(parts: &mut Parts<'_>) -> Option<()> {
    parts.said("url")?;
    // A film may do without.
    parts.length("second").unwrap_or_default();
    parts.is("video");
    parts.texts([
        ("url", "url"),
        ("cover", "thumbnail_url"),
        ("md5", "md5"),
        ("name", "name"),
        ("format", "format"),
    ]);
    parts.wholes([("width", PIXELS), ("height", PIXELS), ("size", BYTES)]);
    Some(())
}

fn location(parts: &mut Parts<'_>) -> Option<()> {
    let degrees = |key: &str, limit: f64| {
        parts.payload.get(key).and_then(Value::as_f64).is_some_and(|value| value.abs() <= limit)
    };
    if !degrees("lat", 90.0) || !degrees("lng", 180.0) {
        return None;
    }
    parts.is("location");
    parts.take("lat", "latitude");
    parts.take("lng", "longitude");
    parts.texts([("title", "title"), ("address", "address")]);
    Some(())
}

fn file(parts: &mut Parts<'_>) -> Option<()> {
    parts.said("url")?;
    parts.said("name")?;
    parts.is("file");
    parts.texts([("url", "url"), ("name", "name"), ("md5", "md5"), ("format", "format"), ("mime", "mime")]);
    parts.wholes([("size", BYTES)]);
    Some(())
}

fn command(parts: &mut Parts<'_>) -> Option<()> {
    parts.said("cmd")?;
    parts.is("command");
    parts.take("cmd", "name");
    if parts.payload.get("param").is_some_and(|param| !param.is_null()) {
        parts.take("param", "data");
    }
    Some(())
}

/// Notices have places for names; other vendors' clients do not fill them in.
fn notice(parts: &mut Parts<'_>, number: u64) -> Option<()> {
    let written = parts.said("content")?;
    let people = parts.payload.get("extra").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> =
        people.iter().map(|person| person.get("name").and_then(Value::as_str).unwrap_or_default()).collect();
    let text = filled(written, &names);
    if text.is_empty() {
        return None;
    }
    if text == written {
        parts.payload.remove("content");
    }
    if number == 1000 {
        parts.payload.remove("type");
    }
    parts.content = object([("type", json!("notice")), ("text", json!(text))]);
    Some(())
}

/// Puts names into `{0}`, `{1}` …; a place without a name stays as it is.
fn filled(text: &str, names: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let place = after.split_once('}').and_then(|(place, tail)| {
            let name = names.get(place.parse::<usize>().ok()?).filter(|name| !name.is_empty())?;
            Some((*name, tail))
        });
        match place {
            Some((name, tail)) => {
                out.push_str(name);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_notice_are_filled_once() {
        let names = ["Ann", "{0}"];
        assert_eq!(filled("{0} asked {1} in", &names), "Ann asked {0} in");
        assert_eq!(filled("{2} {x} {", &names), "{2} {x} {");
    }
}
