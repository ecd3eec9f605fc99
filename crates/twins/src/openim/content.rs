//! What content may be, by type: a table of fields, decoded weakly and then checked, as the server
//! does it.
//!
//! Weakly: names in any case, `"5"` for 5, a scalar for a list. A content that fails is answered with
//! code 500, the code of a broken server, and the validator's text.

use serde_json::Value;

use super::Dialect;

/// Why content is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The type is not sent over HTTP: 1001 without a detail.
    Unsupported,
    /// The validator's or the decoder's text: 500.
    Invalid(String),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
    /// Always there, if only empty: its own required fields count.
    Struct(&'static [Rule]),
    /// Checked if given.
    Optional(&'static [Rule]),
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    name: &'static str,
    kind: Kind,
    required: bool,
}

const fn must(name: &'static str, kind: Kind) -> Rule {
    Rule { name, kind, required: true }
}

const fn may(name: &'static str, kind: Kind) -> Rule {
    Rule { name, kind, required: false }
}

use Kind::{Flag, List, Number, Optional, Struct, Text};

const TEXT: &[Rule] = &[must("content", Text)];
const PICTURE_BASE: &[Rule] = &[
    may("uuid", Text),
    must("type", Text),
    may("size", Number),
    must("width", Number),
    must("height", Number),
    must("url", Text),
];
const PICTURE: &[Rule] = &[
    may("sourcePath", Text),
    may("sourcePicture", Struct(PICTURE_BASE)),
    may("bigPicture", Struct(PICTURE_BASE)),
    may("snapshotPicture", Struct(PICTURE_BASE)),
];
const SOUND: &[Rule] = &[
    may("uuid", Text),
    may("soundPath", Text),
    must("sourceUrl", Text),
    may("dataSize", Number),
    must("duration", Number),
];
const VIDEO: &[Rule] = &[
    may("videoPath", Text),
    may("videoUUID", Text),
    must("videoUrl", Text),
    must("videoType", Text),
    must("videoSize", Number),
    must("duration", Number),
    may("snapshotPath", Text),
    may("snapshotUUID", Text),
    may("snapshotSize", Number),
    must("snapshotUrl", Text),
    must("snapshotWidth", Number),
    must("snapshotHeight", Number),
];
const FILE: &[Rule] = &[
    may("filePath", Text),
    may("uuid", Text),
    must("sourceUrl", Text),
    must("fileName", Text),
    must("fileSize", Number),
];
const AT: &[Rule] = &[may("text", Text), must("atUserList", List), may("isAtSelf", Flag)];
const CUSTOM: &[Rule] = &[must("data", Text), may("description", Text), may("extension", Text)];
const QUOTED: &[Rule] = &[
    may("clientMsgID", Text),
    may("serverMsgID", Text),
    may("sendID", Text),
    may("seq", Number),
    may("contentType", Number),
    may("sendTime", Number),
    may("pictureElem", Optional(PICTURE)),
    may("soundElem", Optional(SOUND)),
    may("videoElem", Optional(VIDEO)),
    may("fileElem", Optional(FILE)),
];
const QUOTE: &[Rule] = &[may("text", Text), may("quoteMessage", Optional(QUOTED))];
const NOTIFICATION: &[Rule] = &[
    must("notificationName", Text),
    may("notificationFaceURL", Text),
    must("notificationType", Number),
    must("text", Text),
    may("url", Text),
    may("mixType", Number),
    may("pictureElem", Optional(PICTURE)),
    may("soundElem", Optional(SOUND)),
    may("videoElem", Optional(VIDEO)),
    may("fileElem", Optional(FILE)),
    may("ex", Text),
];

/// The rules of a type and the name of its struct in the validator's texts.
fn rules(content_type: i64, dialect: Dialect) -> Option<(&'static str, &'static [Rule])> {
    match (content_type, dialect) {
        (101, _) => Some(("TextElem", TEXT)),
        (102, _) => Some(("PictureElem", PICTURE)),
        (103, _) => Some(("SoundElem", SOUND)),
        (104, _) => Some(("VideoElem", VIDEO)),
        (105, _) => Some(("FileElem", FILE)),
        (106, _) => Some(("AtElem", AT)),
        (110, _) => Some(("CustomElem", CUSTOM)),
        (114, Dialect::Main) => Some(("QuoteElem", QUOTE)),
        (118, Dialect::Main) => Some(("MarkdownTextElem", TEXT)),
        (1400, _) => Some(("OANotificationElem", NOTIFICATION)),
        _ => None,
    }
}

/// Checks content against its type.
pub(crate) fn check(content_type: i64, content: &Value, dialect: Dialect) -> Result<(), Unfit> {
    if dialect == Dialect::Published {
        // The page lists these and says nothing about their fields.
        let listed = matches!(content_type, 101..=110 | 114 | 115 | 117 | 1400);
        return if listed { Ok(()) } else { Err(Unfit::Unsupported) };
    }
    let Some((name, rules)) = rules(content_type, dialect) else { return Err(Unfit::Unsupported) };
    let mut findings = Findings::default();
    findings.walk(name, content, rules);
    findings.verdict()
}

#[derive(Debug, Default)]
struct Findings {
    undecodable: Vec<String>,
    invalid: Vec<String>,
}

impl Findings {
    fn walk(&mut self, path: &str, content: &Value, rules: &[Rule]) {
        for rule in rules {
            let value = field(content, rule.name);
            let go_name = exported(rule.name);
            let path = format!("{path}.{go_name}");
            match rule.kind {
                Struct(nested) => self.walk(&path, value.unwrap_or(&Value::Null), nested),
                Optional(nested) if value.is_some_and(Value::is_object) => {
                    self.walk(&path, value.unwrap_or(&Value::Null), nested);
                }
                Optional(_) => self.decode(rule, value, "struct"),
                Text => self.decode(rule, value, "string"),
                Number => self.decode(rule, value, "int64"),
                Flag => self.decode(rule, value, "bool"),
                List => self.decode(rule, value, "[]string"),
            }
            if rule.required && is_zero(rule.kind, value) {
                self.fail(&path, &go_name, "required");
            } else {
                self.check_range(rule.name, value, (&path, &go_name));
            }
        }
    }

    fn decode(&mut self, rule: &Rule, value: Option<&Value>, wanted: &str) {
        let Some(value) = value else { return };
        let fits = match rule.kind {
            Text => !value.is_object() && value.as_array().is_none_or(Vec::is_empty),
            Number => match value {
                Value::Number(_) | Value::Bool(_) => true,
                Value::String(text) => text.is_empty() || text.parse::<i64>().is_ok(),
                _ => false,
            },
            Flag => match value {
                Value::Number(_) | Value::Bool(_) => true,
                Value::String(text) => matches!(&**text, "" | "1" | "0" | "t" | "f" | "true" | "false"),
                _ => false,
            },
            List => !value.as_array().is_some_and(|list| list.iter().any(Value::is_object)),
            Optional(_) | Struct(_) => value.is_object(),
        };
        if !fits {
            let found = if value.is_object() { "map[string]interface {}" } else { "unconvertible value" };
            self.undecodable
                .push(format!("'{}' expected type '{wanted}', got unconvertible type '{found}'", rule.name));
        }
    }

    fn check_range(&mut self, name: &str, value: Option<&Value>, (path, go_name): (&str, &str)) {
        let number = value.map_or(0, as_number);
        match name {
            "mixType" if !(0..=5).contains(&number) => self.fail(path, go_name, "max"),
            "duration" if value.is_some() && number < 1 => self.fail(path, go_name, "min"),
            "atUserList" if value.and_then(Value::as_array).is_some_and(|list| list.len() > 1000) => {
                self.fail(path, go_name, "max");
            }
            _ => {}
        }
    }

    fn fail(&mut self, path: &str, go_name: &str, tag: &str) {
        self.invalid
            .push(format!("Key: '{path}' Error:Field validation for '{go_name}' failed on the '{tag}' tag"));
    }

    fn verdict(self) -> Result<(), Unfit> {
        if !self.undecodable.is_empty() {
            let count = self.undecodable.len();
            let list = self.undecodable.join("\n* ");
            return Err(Unfit::Invalid(format!("{count} error(s) decoding:\n\n* {list}")));
        }
        if self.invalid.is_empty() {
            return Ok(());
        }
        Err(Unfit::Invalid(self.invalid.join("\n")))
    }
}

/// A field in any case; null is absent.
pub(crate) fn field<'a>(content: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = content.as_object()?;
    let found = fields
        .get(name)
        .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value));
    found.filter(|value| !value.is_null())
}

fn as_number(value: &Value) -> i64 {
    match value {
        Value::Bool(flag) => i64::from(*flag),
        Value::String(text) => text.parse().unwrap_or_default(),
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(|float| i64::from(float != 0.0)))
            .unwrap_or_default(),
        _ => 0,
    }
}

/// Go's zero values: what `required` does not accept. A list needs to be there only.
fn is_zero(kind: Kind, value: Option<&Value>) -> bool {
    let Some(value) = value else { return true };
    match kind {
        Text => value.as_str().is_some_and(str::is_empty),
        Number | Flag => as_number(value) == 0,
        List | Struct(_) | Optional(_) => false,
    }
}

/// `sourceUrl` is `SourceURL` in Go; the capital is what matters to readers of the text.
fn exported(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let name: String = first.into_iter().chain(letters).collect();
    name.replace("Url", "URL")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(content_type: i64, content: &Value, dialect: Dialect) -> String {
        match check(content_type, content, dialect) {
            Err(Unfit::Invalid(why)) => why,
            other => panic!("{content_type}: {other:?}"),
        }
    }

    #[test]
    fn text_wants_content_and_not_text() {
        let wrong = json!({"text": "{\"content\":\"hello\"}"});
        let expected =
            "Key: 'TextElem.Content' Error:Field validation for 'Content' failed on the 'required' tag";
        assert_eq!(reason(101, &wrong, Dialect::V383), expected);
        assert_eq!(check(101, &wrong, Dialect::Published), Ok(()));
        assert_eq!(check(101, &json!({"Content": "hi"}), Dialect::V383), Ok(()));
    }

    #[test]
    fn a_picture_wants_all_three_variants_with_a_width() {
        let base = json!({"type": "png", "width": 1, "height": 1, "url": "u"});
        let whole = json!({"sourcePicture": base, "bigPicture": base, "snapshotPicture": base});
        assert_eq!(check(102, &whole, Dialect::V383), Ok(()));
        let mut flat = whole.clone();
        flat["bigPicture"]["width"] = json!(0);
        assert!(reason(102, &flat, Dialect::V383).contains("PictureElem.BigPicture.Width"));
        let one = json!({"sourcePicture": base});
        assert!(reason(102, &one, Dialect::V383).contains("SnapshotPicture.URL"));
    }

    #[test]
    fn custom_data_is_a_string() {
        let object = json!({"data": {"kind": "gift"}});
        assert!(reason(110, &object, Dialect::V383).contains("error(s) decoding"));
        assert_eq!(check(110, &json!({"data": "{}"}), Dialect::V383), Ok(()));
    }

    #[test]
    fn numbers_decode_from_text_and_lists_from_a_scalar() {
        let sound = json!({"sourceUrl": "u", "duration": "5"});
        assert_eq!(check(103, &sound, Dialect::V383), Ok(()));
        assert_eq!(check(106, &json!({"text": "@a", "atUserList": "a"}), Dialect::V383), Ok(()));
        assert_eq!(check(106, &json!({"text": "@a", "atUserList": []}), Dialect::V383), Ok(()));
        assert!(reason(106, &json!({"text": "@a"}), Dialect::V383).contains("AtUserList"));
        assert!(reason(103, &json!({"sourceUrl": "u", "duration": 0}), Dialect::V383).contains("Duration"));
    }

    #[test]
    fn quote_and_markdown_are_of_the_main_line() {
        for (content_type, content) in [(114, json!({})), (118, json!({"content": "*hi*"}))] {
            assert_eq!(check(content_type, &content, Dialect::V383), Err(Unfit::Unsupported));
            assert_eq!(check(content_type, &content, Dialect::Main), Ok(()));
        }
    }

    #[test]
    fn location_card_merge_and_face_are_not_sent() {
        for content_type in [107, 108, 109, 115, 117, 119, 2001] {
            assert_eq!(check(content_type, &json!({}), Dialect::Main), Err(Unfit::Unsupported));
        }
    }
}
