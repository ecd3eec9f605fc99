//! The vendor's payloads as canonical contents: the way back from `crate::content`. A payload that says more
//! than the canonical type can hold stays whole, as `custom` of the vendor's type; what is no JSON is `raw`.

use serde_json::{Map, Value, json};

use super::members;
use crate::VENDOR_NAME;
use crate::extensions::MESSAGE_TYPES;

const TEXT: i64 = 0;
const TIP: i64 = 10;
const CUSTOM: i64 = 100;

/// A content, and the extension `msgType` where the content does not say the type by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    pub(super) content: Map<String, Value>,
    pub(super) msg_type: Option<i64>,
}

/// Reads `attach` of a room message, where text and tips stand bare.
pub(super) fn attached(kind: i64, attach: &str) -> Parsed {
    match worded(kind, attach) {
        Some(content) => own(content),
        None => structured(kind, attach, serde_json::from_str(attach).ok()),
    }
}

/// Reads `body` of a message to users or a team, where text and tips are wrapped. It is JSON.
pub(super) fn wrapped(kind: i64, text: &str, body: Value) -> Parsed {
    let alone = body.as_object().filter(|members| members.len() == 1);
    let msg = alone.and_then(|members| members.get("msg")).and_then(Value::as_str);
    match msg.and_then(|msg| worded(kind, msg)) {
        Some(content) => own(content),
        None => structured(kind, text, Some(body)),
    }
}

fn own(content: Map<String, Value>) -> Parsed {
    Parsed { content, msg_type: None }
}

/// Text and tips. An empty one says nothing, and no canonical text is empty.
fn worded(kind: i64, text: &str) -> Option<Map<String, Value>> {
    let name = match kind {
        TEXT => "text",
        TIP => "notice",
        _ => return None,
    };
    (!text.is_empty()).then(|| members([("type", json!(name)), ("text", json!(text))]))
}

fn structured(kind: i64, text: &str, value: Option<Value>) -> Parsed {
    if let Some(content) = value.as_ref().and_then(|value| typed(kind, value)) {
        return own(content);
    }
    let known = MESSAGE_TYPES.iter().any(|known| i64::from(*known) == kind);
    let msg_type = (known && kind != CUSTOM).then_some(kind);
    // `null` is as good as absent, and is no content.
    let value = value.filter(|value| !value.is_null());
    if known && value.is_none() {
        let raw = [("type", json!("raw")), ("vendor", json!(VENDOR_NAME)), ("body", json!(text))];
        return Parsed { content: members(raw), msg_type };
    }
    let data = value.unwrap_or_else(|| json!(text));
    let mut content = members([("type", json!("custom")), ("data", data)]);
    if kind != CUSTOM {
        content.insert("kind".to_owned(), json!(kind.to_string()));
    }
    Parsed { content, msg_type }
}

/// What a member of a payload must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Pixels,
    Whole,
    Degrees(i16),
}

/// A payload's member, its canonical name, and whether the canonical content must have it.
type Member = (&'static str, &'static str, Shape, bool);

const URL: Member = ("url", "url", Shape::Text, true);
const NAME: Member = ("name", "name", Shape::Text, false);
const MD5: Member = ("md5", "md5", Shape::Text, false);
const FORMAT: Member = ("ext", "format", Shape::Text, false);
const SIZE: Member = ("size", "size", Shape::Whole, false);
const WIDTH: Member = ("w", "width", Shape::Pixels, false);
const HEIGHT: Member = ("h", "height", Shape::Pixels, false);
const DURATION: Member = ("dur", "duration_ms", Shape::Whole, false);

const IMAGE: [Member; 7] = [URL, NAME, MD5, FORMAT, SIZE, WIDTH, HEIGHT];
const AUDIO: [Member; 6] = [URL, NAME, MD5, FORMAT, SIZE, ("dur", "duration_ms", Shape::Whole, true)];
const VIDEO: [Member; 8] = [URL, NAME, MD5, FORMAT, SIZE, WIDTH, HEIGHT, DURATION];
const FILE: [Member; 5] = [URL, ("name", "name", Shape::Text, true), MD5, FORMAT, SIZE];
const LOCATION: [Member; 3] = [
    ("title", "title", Shape::Text, false),
    ("lng", "longitude", Shape::Degrees(180), true),
    ("lat", "latitude", Shape::Degrees(90), true),
];

/// The canonical content that says all that the payload says, if there is one.
fn typed(kind: i64, value: &Value) -> Option<Map<String, Value>> {
    let (name, table): (_, &[Member]) = match kind {
        1 => ("image", &IMAGE),
        2 => ("audio", &AUDIO),
        3 => ("video", &VIDEO),
        4 => ("location", &LOCATION),
        6 => ("file", &FILE),
        _ => return None,
    };
    let payload = value.as_object()?;
    let mut content = members([("type", json!(name))]);
    for (key, value) in payload.iter().filter(|(_, value)| !value.is_null()) {
        let (_, canonical, shape, needed) = table.iter().find(|(own, ..)| own == key)?;
        if !fits(*shape, value) || (*needed && *value == "") {
            return None;
        }
        content.insert((*canonical).to_owned(), value.clone());
    }
    let whole = table.iter().all(|(_, canonical, _, needed)| !needed || content.contains_key(*canonical));
    whole.then_some(content)
}

fn fits(shape: Shape, value: &Value) -> bool {
    let whole = |most: u64| value.as_u64().is_some_and(|number| number <= most);
    match shape {
        Shape::Text => value.is_string(),
        Shape::Pixels => whole(u64::from(u32::MAX)),
        Shape::Whole => whole(i64::MAX.unsigned_abs()),
        Shape::Degrees(most) => value.as_f64().is_some_and(|number| number.abs() <= f64::from(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parsed: Parsed) -> (Value, Option<i64>) {
        (Value::Object(parsed.content), parsed.msg_type)
    }

    #[test]
    fn room_text_stands_bare_braces_and_all() {
        for text in ["hello", "{\"msg\":\"hello\"}", "$name$", "17"] {
            assert_eq!(shown(attached(0, text)), (json!({"type": "text", "text": text}), None));
        }
        assert_eq!(shown(attached(10, "n")), (json!({"type": "notice", "text": "n"}), None));
    }

    #[test]
    fn what_a_typed_content_cannot_hold_stays_whole_as_custom() {
        for attach in [
            json!({"url": "u", "thumb": "t"}),
            json!({"url": ""}),
            json!({"w": 1}),
            json!({"url": "u", "w": "1"}),
            json!([1]),
        ] {
            let (content, msg_type) = shown(attached(1, &attach.to_string()));
            assert_eq!(content, json!({"type": "custom", "kind": "1", "data": attach}));
            assert_eq!(msg_type, Some(1));
        }
        let file = attached(6, r#"{"url":"u","size":6}"#);
        assert_eq!(file.content["type"], "custom");
        let place = attached(4, r#"{"lat":91,"lng":1}"#);
        assert_eq!(place.content["type"], "custom");
    }

    #[test]
    fn only_what_is_no_json_is_raw() {
        let raw = |text: &str| json!({"type": "raw", "vendor": "netease", "body": text});
        assert_eq!(shown(attached(100, "a,b")), (raw("a,b"), None));
        assert_eq!(shown(attached(1, "")), (raw(""), Some(1)));
        assert_eq!(shown(attached(0, "")), (raw(""), Some(0)));
        assert_eq!(shown(attached(100, "null")), (raw("null"), None));
        assert_eq!(shown(attached(100, "7")), (json!({"type": "custom", "data": 7}), None));
    }

    #[test]
    fn a_type_that_is_not_known_is_the_kind_of_a_custom_content() {
        let custom = |data: Value| (json!({"type": "custom", "kind": "37", "data": data}), None);
        assert_eq!(shown(attached(37, "{\"a\":1}")), custom(json!({"a": 1})));
        assert_eq!(shown(attached(37, "plain")), custom(json!("plain")));
    }

    #[test]
    fn wrapped_text_is_unwrapped_where_nothing_stands_beside_it() {
        let read = |kind, body: Value| shown(wrapped(kind, &body.to_string(), body));
        assert_eq!(read(0, json!({"msg": "x"})), (json!({"type": "text", "text": "x"}), None));
        assert_eq!(read(10, json!({"msg": "x"})), (json!({"type": "notice", "text": "x"}), None));
        let more = json!({"msg": "x", "at": 1});
        assert_eq!(read(0, more.clone()), (json!({"type": "custom", "kind": "0", "data": more}), Some(0)));
        assert_eq!(read(100, json!({"msg": "x"})), (json!({"type": "custom", "data": {"msg": "x"}}), None));
    }
}
