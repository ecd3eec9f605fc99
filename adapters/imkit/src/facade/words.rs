//! What a body says, in canonical contents. The vendor puts a value in wherever its key stands and leaves
//! every other dollar alone; a canonical template says the same with those other dollars doubled.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use interline_core::content::Object;
use serde_json::{Map, Number, Value, json};

use super::request::{Wrong, given};

/// Values by key, dollars included.
pub(super) type Values<'b> = BTreeMap<&'b str, Cow<'b, str>>;

/// What the call itself says, beside the message: the rest belongs to the message's type.
const CALL: [&str; 9] =
    ["message", "messageType", "sender", "push", "skipTotalBadge", "paras", "room", "receiver", "extra"];

/// Whether a member of an entry is a value: `$…$` with something between.
pub(super) fn is_key(key: &str) -> bool {
    key.len() > 2 && key.starts_with('$') && key.ends_with('$')
}

/// What stands between the dollars.
pub(super) fn name(key: &str) -> &str {
    key.strip_prefix('$').and_then(|key| key.strip_suffix('$')).unwrap_or(key)
}

/// A value as text: the vendor's own server joins strings.
pub(super) fn value(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Puts the values in: each key where it stands, the longest first, values never read again.
pub(super) fn filled<'v>(values: &'v Values<'_>) -> impl Fn(&str) -> String + 'v {
    move |text| {
        replaced(
            text,
            values.keys().copied(),
            |out, key| {
                out.push_str(values.get(key).map_or(key, |value| value));
            },
            "$",
        )
    }
}

/// Makes a canonical template of a text: keys stay, every other dollar is doubled.
pub(super) fn templated<'k>(keys: &'k [&str]) -> impl Fn(&str) -> String + 'k {
    |text| replaced(text, keys.iter().copied(), String::push_str, "$$")
}

fn replaced<'k>(
    text: &str,
    keys: impl Iterator<Item = &'k str> + Clone,
    replace: impl Fn(&mut String, &'k str),
    dollar: &str,
) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, _)) = rest.split_once('$') {
        out.push_str(before);
        rest = rest.get(before.len()..).unwrap_or_default();
        let found = keys.clone().filter(|key| rest.starts_with(key)).max_by_key(|key| key.len());
        match found {
            Some(key) => replace(&mut out, key),
            None => out.push_str(dollar),
        }
        rest = rest.get(found.map_or(1, str::len)..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// How a message of this type is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Words: `text`, and `announcement`, whose type goes along.
    Text,
    /// A file of some kind.
    Media(&'static str),
    Location,
    /// The app's own.
    Custom,
}

/// What a body says.
#[derive(Debug)]
pub(super) struct Said<'b> {
    body: &'b Object,
    kind: &'b str,
    shape: Shape,
    message: &'b Value,
    extra: Option<&'b Value>,
    mentions: Vec<&'b str>,
}

impl<'b> Said<'b> {
    /// What the body says under this type.
    pub(super) fn of(
        body: &'b Object,
        kind: &'b str,
        extra: Option<&'b Value>,
        mentions: Vec<&'b str>,
    ) -> Result<Self, Wrong> {
        // The vendor takes an empty message for a missing one.
        let message = given(body, "message").filter(|message| message.as_str() != Some(""));
        let message = message.unwrap_or(&Value::Null);
        let has = |name| given(body, name).is_some();
        let shape = match kind {
            "text" | "announcement" => Shape::Text,
            "image" if address(body).is_some() => Shape::Media("image"),
            "audio" if address(body).is_some() => Shape::Media("audio"),
            "video" if address(body).is_some() => Shape::Media("video"),
            "file" if address(body).is_some() && file_name(message, extra).is_some() => Shape::Media("file"),
            "location" if has("latitude") && has("longitude") => Shape::Location,
            _ => Shape::Custom,
        };
        match (shape, message) {
            (Shape::Text, Value::Null) => return Err(Wrong::missing("message")),
            (Shape::Custom, Value::Null) if members(body).next().is_none() => {
                return Err(Wrong::missing("message"));
            }
            (Shape::Custom, _) | (_, Value::Null | Value::String(_)) => {}
            _ => return Err(Wrong::invalid("message must be a string")),
        }
        Ok(Self { body, kind, shape, message, extra, mentions })
    }

    /// `messageType`.
    pub(super) const fn kind(&self) -> &'b str {
        self.kind
    }

    /// Whether canonical templates cover everything that values may stand in.
    pub(super) fn takes_template(&self) -> bool {
        self.shape == Shape::Text && !self.is_more_than_words()
    }

    /// Whether the body has members that no plain text has.
    fn is_more_than_words(&self) -> bool {
        members(self.body).next().is_some()
    }

    /// The keys that values are really put in for.
    pub(super) fn used<'k>(&self, keys: &[&'k str]) -> BTreeSet<&'k str> {
        let used = RefCell::new(BTreeSet::new());
        let note =
            |text: &str| replaced(text, keys.iter().copied(), |_, key| used.borrow_mut().extend([key]), "");
        let message = Some(self.message).filter(|message| message.is_string());
        for value in [message, self.extra].into_iter().flatten() {
            each_string(value, &note);
        }
        used.into_inner()
    }

    /// What the vendor itself gets where it delivers: an `extra` that is an object stays one, a type that the
    /// content does not say is named, and a body that is more than words is passed on as it is.
    pub(super) fn own(&self, put: impl Fn(&str) -> String) -> Object {
        let extra = self.extra.map(|extra| each_string(extra, &put));
        let message = match self.message {
            Value::String(text) => Some(put(text)),
            Value::Null => Some(String::new()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if let Some(message) = message.filter(|_| self.is_more_than_words()) {
            let mut body = object([
                ("messageType", json!(self.kind)),
                ("message", json!(message)),
                ("extra", extra.unwrap_or_default()),
            ]);
            body.extend(members(self.body).map(|(key, value)| (key.clone(), value.clone())));
            return object([("body", Value::Object(body))]);
        }
        let kind = (self.shape == Shape::Text && self.kind != "text").then_some(self.kind);
        object([("messageType", json!(kind)), ("extra", extra.filter(Value::is_object).unwrap_or_default())])
    }

    /// The content, its words passed through `put`.
    pub(super) fn content(&self, put: impl Fn(&str) -> String) -> Object {
        let message = match self.message {
            Value::String(text) => Value::String(put(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.message.clone()
            }
        };
        let extra = self.extra.map(|extra| each_string(extra, &put));
        let mut content = match self.shape {
            Shape::Text => self.text(&message),
            Shape::Media(kind) => media(kind, self.body, &message, extra.as_ref()),
            Shape::Location => location(self.body, &message),
            Shape::Custom => self.custom(message),
        };
        if let Some(extra) = extra {
            content.insert("ext".to_owned(), extra);
        }
        if !self.mentions.is_empty() {
            content.insert("mentions".to_owned(), json!({"users": self.mentions}));
        }
        content
    }

    fn text(&self, message: &Value) -> Object {
        let quoted = given(self.body, "reply").map(quoted).filter(|quoted| !quoted.is_empty());
        match quoted {
            Some(quoted) => {
                object([("type", json!("quote")), ("text", message.clone()), ("message", json!(quoted))])
            }
            None => object([("type", json!("text")), ("text", message.clone())]),
        }
    }

    fn custom(&self, message: Value) -> Object {
        let mut data = message;
        if members(self.body).next().is_some() {
            let mut all: Object =
                members(self.body).map(|(key, value)| (key.clone(), value.clone())).collect();
            if !data.is_null() {
                all.insert("message".to_owned(), data);
            }
            data = Value::Object(all);
        }
        object([("type", json!("custom")), ("kind", json!(self.kind)), ("data", data)])
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Object {
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    given.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
}

/// The members that belong to the message's type.
fn members(body: &Object) -> impl Iterator<Item = (&String, &Value)> {
    body.iter().filter(|(key, value)| {
        !CALL.contains(&key.as_str())
            && key.as_str() != "mentions"
            && key.as_str() != "_id"
            && !value.is_null()
    })
}

fn each_string(value: &Value, put: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(put(text)),
        Value::Array(items) => items.iter().map(|item| each_string(item, put)).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, item)| (key.clone(), each_string(item, put))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn filled_text<'b>(body: &'b Object, name: &str) -> Option<&'b str> {
    given(body, name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Where a file lies: `originalUrl`, the only one of `images`, or `url` of older clients.
fn address(body: &Object) -> Option<&str> {
    let images = given(body, "images").and_then(Value::as_array);
    match images.map(Vec::as_slice) {
        Some([_, _, ..]) => None,
        Some([Value::Object(image)]) => {
            filled_text(body, "originalUrl").or_else(|| filled_text(image, "originalUrl"))
        }
        _ => filled_text(body, "originalUrl").or_else(|| filled_text(body, "url")),
    }
}

/// A whole number, also one that is written as a string.
fn whole(value: Option<&Value>) -> Value {
    let number = value.and_then(|value| match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_f64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    let number = number.filter(|number: &f64| (0.0..9e15).contains(number)).map(f64::round);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range just above"
    )]
    number.map_or(Value::Null, |number| json!(number as u64))
}

/// What the vendor's clients put into `extra` of a file.
fn file_facts(extra: Option<&Value>) -> Object {
    match extra {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(Value::Object(facts)) => facts.clone(),
        _ => Object::new(),
    }
}

fn file_name(message: &Value, extra: Option<&Value>) -> Option<String> {
    let given = message.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let facts = file_facts(extra);
    given.or_else(|| ["fileName", "title"].iter().find_map(|key| filled_text(&facts, key)).map(str::to_owned))
}

fn media(kind: &str, body: &Object, message: &Value, extra: Option<&Value>) -> Object {
    let facts = file_facts(extra);
    let image = given(body, "images").and_then(|images| images.get(0)).and_then(Value::as_object);
    let find = |name: &str| given(body, name).or_else(|| given(image?, name));
    let words = |value: Option<&Value>| value.filter(|value| value.is_string()).cloned().unwrap_or_default();
    let mut content = object([
        ("type", json!(kind)),
        ("url", json!(address(body))),
        ("name", json!(file_name(message, extra))),
        ("size", whole(facts.get("bytes"))),
        ("format", words(facts.get("fileExtension"))),
    ]);
    let pixels = [("width", whole(find("width"))), ("height", whole(find("height")))];
    let further = match kind {
        "file" => object([("mime", words(facts.get("mimeType").or_else(|| facts.get("mimetype"))))]),
        "audio" => object([("duration_ms", json!(milliseconds(body).unwrap_or_default()))]),
        "video" => {
            let mut further = object([("duration_ms", json!(milliseconds(body)))]);
            further.extend(object(pixels));
            further
        }
        _ => object(pixels),
    };
    content.extend(further);
    if matches!(kind, "image" | "video") {
        content.extend(object([("thumbnail_url", words(find("thumbnailUrl")))]));
    }
    content
}

/// `duration`, which the vendor's clients count in seconds.
fn milliseconds(body: &Object) -> Option<u64> {
    let seconds = match given(body, "duration")? {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => number.as_f64()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    whole(Some(&json!(seconds * 1_000.0))).as_u64()
}

fn location(body: &Object, message: &Value) -> Object {
    let degrees = |name: &str| match given(body, name) {
        Some(Value::String(text)) => {
            let number = text.trim().parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| json!(text), Value::Number)
        }
        other => other.cloned().unwrap_or_default(),
    };
    let address = message.as_str().filter(|address| !address.is_empty());
    object([
        ("type", json!("location")),
        ("latitude", degrees("latitude")),
        ("longitude", degrees("longitude")),
        ("address", json!(address)),
    ])
}

/// The message that is answered: its id, or as much of it as the client copied.
fn quoted(reply: &Value) -> Object {
    let Value::Object(reply) = reply else {
        return object([("id", reply.as_str().map_or(Value::Null, |id| json!(id)))]);
    };
    let from = match given(reply, "sender") {
        Some(Value::Object(sender)) => filled_text(sender, "_id"),
        _ => filled_text(reply, "sender"),
    };
    object([
        ("id", json!(filled_text(reply, "_id"))),
        ("from", json!(from)),
        ("text", json!(filled_text(reply, "message"))),
    ])
}
