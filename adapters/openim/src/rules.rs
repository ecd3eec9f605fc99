//! What the server's validators demand of a `content`, type by type. The server answers a content that
//! fails them with the code of a broken server (500); checked here first, a 500 really is one. Types
//! are taken strictly: what the server would decode weakly passes it and then breaks clients.

use interline_core::content::Object;
use interline_core::read::{Path, Problems};
use serde_json::Value;

use crate::dialect::Dialect;

/// The members of an object that are looked at; others pass, as they do on the server.
pub(crate) type Rules = [Rule];

/// One member.
#[derive(Debug)]
pub(crate) struct Rule {
    name: &'static str,
    kind: Kind,
    required: bool,
}

#[derive(Debug)]
enum Kind {
    /// A required text is not empty.
    Text,
    /// A whole number in this range.
    Whole(i64, i64),
    Flag,
    /// Strings, at most so many.
    Texts(usize),
    Object(&'static Rules),
    Objects(&'static Rules),
}

use Kind::{Flag, Objects, Text, Texts, Whole};

const fn must(name: &'static str, kind: Kind) -> Rule {
    Rule { name, kind, required: true }
}

const fn may(name: &'static str, kind: Kind) -> Rule {
    Rule { name, kind, required: false }
}

/// Whole numbers beyond this come out rounded: the server decodes content through floats.
const EXACT: i64 = 1 << 53;
/// Most users in `atUserList`.
pub(crate) const MAX_MENTIONS: usize = 1_000;

const ANY: Kind = Whole(-EXACT, EXACT);
const SIZE: Kind = Whole(0, EXACT);
const FILLED: Kind = Whole(1, EXACT);
const PIXELS: Kind = Whole(1, i32::MAX as i64);

static TEXT: [Rule; 1] = [must("content", Text)];
static PICTURE_BASE: [Rule; 6] = [
    may("uuid", Text),
    must("type", Text),
    may("size", SIZE),
    must("width", PIXELS),
    must("height", PIXELS),
    must("url", Text),
];
/// 102.
pub(crate) static PICTURE: [Rule; 4] = [
    may("sourcePath", Text),
    must("sourcePicture", Kind::Object(&PICTURE_BASE)),
    must("bigPicture", Kind::Object(&PICTURE_BASE)),
    must("snapshotPicture", Kind::Object(&PICTURE_BASE)),
];
/// 103.
pub(crate) static SOUND: [Rule; 6] = [
    may("uuid", Text),
    may("soundPath", Text),
    must("sourceUrl", Text),
    may("dataSize", SIZE),
    must("duration", FILLED),
    may("soundType", Text),
];
/// 104.
pub(crate) static VIDEO: [Rule; 12] = [
    may("videoPath", Text),
    may("videoUUID", Text),
    must("videoUrl", Text),
    must("videoType", Text),
    must("videoSize", FILLED),
    must("duration", FILLED),
    may("snapshotPath", Text),
    may("snapshotUUID", Text),
    may("snapshotSize", SIZE),
    must("snapshotUrl", Text),
    must("snapshotWidth", PIXELS),
    must("snapshotHeight", PIXELS),
];
/// 105.
pub(crate) static FILE: [Rule; 6] = [
    may("filePath", Text),
    may("uuid", Text),
    must("sourceUrl", Text),
    must("fileName", Text),
    must("fileSize", FILLED),
    may("fileType", Text),
];
static AT_INFO: [Rule; 2] = [may("atUserID", Text), may("groupNickname", Text)];
static AT: [Rule; 5] = [
    may("text", Text),
    must("atUserList", Texts(MAX_MENTIONS)),
    may("isAtSelf", Flag),
    may("atUsersInfo", Objects(&AT_INFO)),
    may("quoteMessage", Kind::Object(&QUOTED)),
];
static CUSTOM: [Rule; 3] = [must("data", Text), may("description", Text), may("extension", Text)];
static QUOTED: [Rule; 15] = [
    may("clientMsgID", Text),
    may("serverMsgID", Text),
    may("sendID", Text),
    may("recvID", Text),
    may("groupID", Text),
    may("senderNickname", Text),
    may("senderFaceUrl", Text),
    may("contentType", ANY),
    may("sendTime", ANY),
    may("seq", ANY),
    may("textElem", Kind::Object(&TEXT)),
    may("pictureElem", Kind::Object(&PICTURE)),
    may("soundElem", Kind::Object(&SOUND)),
    may("videoElem", Kind::Object(&VIDEO)),
    may("fileElem", Kind::Object(&FILE)),
];
static QUOTE: [Rule; 2] = [may("text", Text), may("quoteMessage", Kind::Object(&QUOTED))];
static NOTIFICATION: [Rule; 11] = [
    must("notificationName", Text),
    may("notificationFaceURL", Text),
    must("notificationType", Whole(i32::MIN as i64, i32::MAX as i64)),
    must("text", Text),
    may("url", Text),
    may("mixType", Whole(0, 5)),
    may("pictureElem", Kind::Object(&PICTURE)),
    may("soundElem", Kind::Object(&SOUND)),
    may("videoElem", Kind::Object(&VIDEO)),
    may("fileElem", Kind::Object(&FILE)),
    may("ex", Text),
];

/// The content types that each line takes over HTTP.
pub(crate) const fn taken(dialect: Dialect) -> &'static [u32] {
    match dialect {
        Dialect::V383 | Dialect::Published => &[101, 102, 103, 104, 105, 106, 110, 1400],
        Dialect::Main => &[101, 102, 103, 104, 105, 106, 110, 114, 118, 1400],
    }
}

/// Checks a content that the caller wrote, for one type.
pub(crate) fn check_content(
    (content_type, content): (u32, &Object),
    dialect: Dialect,
    at: (&Path<'_>, &Path<'_>),
    problems: &mut Problems,
) {
    let (type_at, content_at) = at;
    // The page names types without saying what is in them, and writes its text differently.
    if dialect == Dialect::Published && (content_type == 101 || !taken(dialect).contains(&content_type)) {
        return;
    }
    if !taken(dialect).contains(&content_type) {
        let allowed: Vec<_> = taken(dialect).iter().map(ToString::to_string).collect();
        let detail = format!(
            "{content_type} is not taken over HTTP by {}; allowed: {}",
            dialect.name(),
            allowed.join(", ")
        );
        problems.add(type_at, detail);
        return;
    }
    check(content, rules(content_type), content_at, problems);
    exact(content.iter(), content_at, problems);
}

fn rules(content_type: u32) -> &'static Rules {
    match content_type {
        101 | 118 => &TEXT,
        102 => &PICTURE,
        103 => &SOUND,
        104 => &VIDEO,
        105 => &FILE,
        106 => &AT,
        110 => &CUSTOM,
        114 => &QUOTE,
        1400 => &NOTIFICATION,
        _ => &[],
    }
}

/// Checks the members of one object; `null` is absent, as on the server.
pub(crate) fn check(object: &Object, rules: &Rules, at: &Path<'_>, problems: &mut Problems) {
    for rule in rules {
        let at = Path::Key(at, rule.name);
        match object.get(rule.name).filter(|value| !value.is_null()) {
            Some(value) => member(value, rule, &at, problems),
            None if rule.required => problems.add(&at, "required"),
            None => {}
        }
    }
}

fn member(value: &Value, rule: &Rule, at: &Path<'_>, problems: &mut Problems) {
    match (&rule.kind, value) {
        (Kind::Text, Value::String(text)) => {
            if rule.required && text.is_empty() {
                problems.add(at, "must not be empty");
            }
        }
        (Kind::Whole(low, high), Value::Number(number)) => {
            let whole = number.as_i64().filter(|whole| whole >= low && whole <= high);
            if !whole.is_some_and(|whole| !rule.required || whole != 0) {
                problems.add(at, wanted(rule));
            }
        }
        (Kind::Texts(most), Value::Array(items)) => {
            if items.len() > *most || !items.iter().all(Value::is_string) {
                problems.add(at, wanted(rule));
            }
        }
        (Kind::Object(rules), Value::Object(object)) => check(object, rules, at, problems),
        (Kind::Objects(rules), Value::Array(items)) => {
            for (index, item) in (0u64..).zip(items) {
                let at = Path::Index(at, index);
                match item.as_object() {
                    Some(object) => check(object, rules, &at, problems),
                    None => problems.add(&at, "expected an object"),
                }
            }
        }
        (Kind::Flag, Value::Bool(_)) => {}
        (
            Kind::Text | Kind::Whole(..) | Kind::Flag | Kind::Texts(_) | Kind::Object(_) | Kind::Objects(_),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
        ) => problems.add(at, wanted(rule)),
    }
}

fn wanted(rule: &Rule) -> String {
    match &rule.kind {
        Kind::Text => "expected a string".to_owned(),
        Kind::Whole(low, high) if rule.required && *low < 0 => {
            format!("expected a whole number from {low} to {high} other than 0")
        }
        Kind::Whole(low, high) => format!("expected a whole number from {low} to {high}"),
        Kind::Flag => "expected true or false".to_owned(),
        Kind::Texts(most) => format!("expected an array of at most {most} strings"),
        Kind::Object(_) => "expected an object".to_owned(),
        Kind::Objects(_) => "expected an array of objects".to_owned(),
    }
}

/// Names whole numbers that would arrive rounded.
fn exact<'v>(members: impl Iterator<Item = (&'v String, &'v Value)>, at: &Path<'_>, problems: &mut Problems) {
    for (key, value) in members {
        exact_value(value, &Path::Key(at, key), problems);
    }
}

fn exact_value(value: &Value, at: &Path<'_>, problems: &mut Problems) {
    match value {
        Value::Number(number) => {
            let fits = match number.as_i64() {
                Some(whole) => (-EXACT..=EXACT).contains(&whole),
                None => !number.is_u64(),
            };
            if !fits {
                problems.add(at, "the server rounds whole numbers beyond 2^53; write it as a string");
            }
        }
        Value::Array(items) => {
            for (index, item) in (0u64..).zip(items) {
                exact_value(item, &Path::Index(at, index), problems);
            }
        }
        Value::Object(object) => exact(object.iter(), at, problems),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn errors(content_type: u32, content: &Value, dialect: Dialect) -> Vec<String> {
        let mut problems = Problems::default();
        let at = (&Path::Root("/type"), &Path::Root("/content"));
        check_content((content_type, content.as_object().unwrap()), dialect, at, &mut problems);
        problems.errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_picture_needs_all_three_variants_with_a_size() {
        let base = json!({"type": "image/png", "width": 1, "height": 1, "url": "u"});
        let mut content = json!({"sourcePicture": base, "bigPicture": base, "snapshotPicture": base});
        assert!(errors(102, &content, Dialect::V383).is_empty());
        content["bigPicture"]["width"] = json!(0);
        content.as_object_mut().unwrap().remove("snapshotPicture");
        assert_eq!(
            errors(102, &content, Dialect::V383),
            [
                "/content/bigPicture/width: expected a whole number from 1 to 2147483647",
                "/content/snapshotPicture: required"
            ]
        );
    }

    #[test]
    fn types_that_are_not_wired_in_are_refused() {
        for content_type in [107, 108, 109, 115, 117, 119, 120, 200, 2001] {
            assert!(errors(content_type, &json!({}), Dialect::Main).concat().contains("allowed: 101"));
        }
        for content_type in [114, 118] {
            let content = json!({"content": "hi", "text": "hi"});
            assert!(errors(content_type, &content, Dialect::Main).is_empty());
            assert!(!errors(content_type, &content, Dialect::V383).is_empty());
        }
    }

    #[test]
    fn values_of_the_wrong_type_are_refused_though_the_server_takes_them() {
        assert_eq!(
            errors(103, &json!({"sourceUrl": "u", "duration": "5"}), Dialect::V383),
            ["/content/duration: expected a whole number from 1 to 9007199254740992"]
        );
        assert_eq!(
            errors(106, &json!({"atUserList": "u1"}), Dialect::V383),
            ["/content/atUserList: expected an array of at most 1000 strings"]
        );
        assert!(errors(106, &json!({"atUserList": []}), Dialect::V383).is_empty());
    }

    #[test]
    fn numbers_that_would_be_rounded_are_refused() {
        let content = json!({"content": "hi", "own": {"ids": [9_007_199_254_740_993_i64, 1, 0.5]}});
        let found = errors(101, &content, Dialect::Main);
        assert_eq!(found.len(), 1);
        assert!(found.concat().starts_with("/content/own/ids/0: the server rounds"), "{found:?}");
        assert_eq!(errors(101, &json!({"content": "hi", "n": u64::MAX}), Dialect::Main).len(), 1);
    }

    #[test]
    fn quoted_elements_are_validated_too() {
        let content = json!({"text": "re", "quoteMessage": {"textElem": {}}});
        assert_eq!(
            errors(114, &content, Dialect::Main),
            ["/content/quoteMessage/textElem/content: required"]
        );
    }
}
