//! Payloads become canonical contents: JSON with a numeric `type` is what the official clients read. What a
//! content has no field for stays in [`Payload::over`], so that it is not lost where this vendor delivers;
//! a payload that is not as the clients have it stays the app's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::content::Object;
use serde_json::{Value, json};

use super::shapes;
use crate::{NAME, content};

/// How deep the JSON of a payload may be: it will stand inside a batch, and readers stop at 128.
const DEEPEST: usize = 96;

/// What a payload says.
#[derive(Debug)]
pub(super) struct Payload {
    /// The canonical content.
    pub(super) content: Object,
    /// Members of the payload that the content does not say, or not as they were; a text is all of it.
    pub(super) over: Option<Value>,
}

impl Payload {
    pub(super) fn read(bytes: &[u8]) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(payload)) if payload.values().all(|value| is_within(value, DEEPEST)) => {
                Self::of(payload)
            }
            Ok(_) | Err(_) => Self::without_members(bytes),
        }
    }

    /// Plain words are a text to everybody else; the vendor gets the very payload.
    fn without_members(bytes: &[u8]) -> Self {
        if let Some(words) = words(bytes) {
            let content = object([("type", json!("text")), ("text", json!(words))]);
            return Self { content, over: Some(json!(words)) };
        }
        let content = object([
            ("type", json!("raw")),
            ("vendor", json!(NAME)),
            ("body_base64", json!(STANDARD.encode(bytes))),
        ]);
        Self { content, over: None }
    }

    fn of(payload: Object) -> Self {
        let mut rest = payload;
        let mentions = mentions(&rest);
        let ext = rest.get("ext").filter(|ext| ext.is_string() || ext.is_object()).cloned();
        if ext.is_some() {
            rest.remove("ext");
        }
        if matches!(mentions, Some((_, true))) {
            rest.remove("mention");
        }
        let mut read = match shapes::read(&mut rest) {
            Some(mut content) => {
                if let Some((mentions, _)) = mentions {
                    content.insert("mentions".to_owned(), mentions);
                }
                Self { content, over: (!rest.is_empty()).then_some(Value::Object(rest)) }
            }
            None => {
                let mut content = custom(rest);
                if let Some((mentions, true)) = mentions {
                    content.insert("mentions".to_owned(), mentions);
                }
                Self { content, over: None }
            }
        };
        if let Some(ext) = ext {
            read.content.insert("ext".to_owned(), ext);
        }
        read
    }

    /// Whether it is a command: those are sent as one unless the caller says otherwise.
    pub(super) fn is_command(&self) -> bool {
        self.content.get("type").is_some_and(|kind| kind == "command")
    }
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Object {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A payload that somebody can read: no bytes, no piece of JSON that was meant to be more.
fn words(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let unreadable = |char: char| char.is_control() && !char.is_whitespace();
    let trimmed = text.trim_start();
    (!trimmed.is_empty() && !trimmed.starts_with(['{', '[']) && !text.contains(unreadable)).then_some(text)
}

fn is_within(value: &Value, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_within(item, below)),
        Value::Object(members) => members.values().all(|item| is_within(item, below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Who is mentioned, and whether that says all that stood there.
fn mentions(payload: &Object) -> Option<(Value, bool)> {
    let mention = payload.get("mention")?.as_object()?;
    let all = mention.get("all").map(|all| (all.as_u64() == Some(1) || *all == json!(true), all.as_u64()));
    let mut mentions = object([("all", json!(all.is_some_and(|(all, _)| all)))]);
    let mut whole = all.is_some_and(|(_, number)| matches!(number, Some(0 | 1)));
    if let Some(uids) = mention.get("uids") {
        let users = uids.as_array().filter(|uids| uids.iter().all(Value::is_string))?;
        whole &= !users.is_empty();
        mentions.insert("users".to_owned(), uids.clone());
    }
    whole &= mention.keys().all(|key| key == "all" || key == "uids");
    Some((Value::Object(mentions), whole))
}

/// The app's own payload. Its type is the kind: a number stands for itself, a word stays in the data too,
/// because the vendor's clients look for it there.
fn custom(mut data: Object) -> Object {
    let number = data.get("type").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let kind = match (number, data.get("type").and_then(Value::as_str)) {
        (Some(number), _) => {
            data.remove("type");
            Some(number.to_string())
        }
        // "7" as a word is not the number 7.
        (None, Some(word)) if !word.is_empty() && content::number_of(word).is_none() => Some(word.to_owned()),
        (None, Some(_) | None) => None,
    };
    let mut content = object([("type", json!("custom"))]);
    if let Some(kind) = kind {
        content.insert("kind".to_owned(), json!(kind));
    }
    content.insert("data".to_owned(), Value::Object(data));
    content
}
