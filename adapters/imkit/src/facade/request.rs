//! The bodies of the two calls become batches. What the vendor's page calls required is, a switch is true or
//! false, and whatever else is wrong refuses the request whole, with the member's name.

use std::collections::{BTreeMap, BTreeSet};

use interline_core::content::Object;
use interline_core::facade::{Answer, Asked, Asking, Report, Served};
use interline_core::template;
use serde_json::{Map, Value, json};

use super::answer::{self, Echo};
use super::words::{self, Said, Values};
use crate::extensions;

/// What is wrong with a request.
pub(super) struct Wrong {
    code: &'static str,
    words: String,
}

impl Wrong {
    pub(super) fn missing(name: &str) -> Self {
        Self { code: "MISSING_PARAMETER", words: format!("{name} is required") }
    }

    pub(super) fn invalid(words: impl Into<String>) -> Self {
        Self { code: "INVALID_BODY", words: words.into() }
    }

    fn answer(&self) -> Answer {
        answer::problem(400, self.code, &self.words)
    }
}

/// `POST /messages/batch`.
pub(super) fn batch(asking: &Asking<'_>) -> Served {
    read(asking).and_then(|body| read_batch(&body)).map_or_else(refuse, send)
}

/// `POST /messages`.
pub(super) fn single(asking: &Asking<'_>) -> Served {
    read(asking).and_then(|body| read_single(&body)).map_or_else(refuse, send)
}

#[expect(clippy::needless_pass_by_value, reason = "what becomes of an error, as map_or_else hands it over")]
fn refuse(wrong: Wrong) -> Served {
    Served::Answer(wrong.answer())
}

fn send(asked: Asked) -> Served {
    Served::Send(Box::new(asked))
}

fn read(asking: &Asking<'_>) -> Result<Object, Wrong> {
    match serde_json::from_slice(&asking.request.body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(Wrong::invalid("the body must be a JSON object")),
        Err(error) => Err(Wrong::invalid(format!("the body is not JSON: {error}"))),
    }
}

/// A member that is there: the vendor's clients write null for what they leave out.
pub(super) fn given<'b>(body: &'b Object, name: &str) -> Option<&'b Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn text<'b>(body: &'b Object, name: &str) -> Result<Option<&'b str>, Wrong> {
    match given(body, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty()).map(String::as_str)),
        Some(_) => Err(Wrong::invalid(format!("{name} must be a string"))),
    }
}

fn switch(body: &Object, name: &str) -> Result<Option<bool>, Wrong> {
    match given(body, name) {
        None => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(_) => Err(Wrong::invalid(format!("{name} must be true or false"))),
    }
}

/// The message as the body says it, before values are put in.
fn said(body: &Object) -> Result<Said<'_>, Wrong> {
    if given(body, "_id").is_some() {
        return Err(Wrong::invalid("_id would overwrite a message that exists; it cannot be sent"));
    }
    let kind = text(body, "messageType")?.ok_or_else(|| Wrong::missing("messageType"))?;
    if extensions::is_system_type(kind) {
        return Err(Wrong::invalid(extensions::system_type_detail(kind)));
    }
    let extra = match given(body, "extra") {
        Some(extra @ (Value::String(_) | Value::Object(_))) => Some(extra),
        None => None,
        Some(_) => return Err(Wrong::invalid("extra must be a string or an object")),
    };
    let mentions = match given(body, "mentions") {
        None => Vec::new(),
        Some(Value::Array(users)) => users
            .iter()
            .map(|user| user.as_str().ok_or_else(|| Wrong::invalid("mentions must be a list of user ids")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Wrong::invalid("mentions must be a list of user ids")),
    };
    Said::of(body, kind, extra, mentions)
}

/// What a batch says once.
fn head(body: &Object, push: bool, results: &str) -> Result<Object, Wrong> {
    let mut head = Map::new();
    if let Some(sender) = text(body, "sender")? {
        head.insert("from".to_owned(), json!(sender));
    }
    let push = switch(body, "push")?.unwrap_or(push);
    head.insert("options".to_owned(), json!({"push": {"enabled": push}, "results": results}));
    head.insert("validation".to_owned(), json!("permissive"));
    if switch(body, "skipTotalBadge")?.unwrap_or_default() {
        add_own(&mut head, [("skipTotalBadge".to_owned(), json!(true))].into_iter().collect());
    }
    Ok(head)
}

fn read_single(body: &Object) -> Result<Asked, Wrong> {
    let room = text(body, "room")?.ok_or_else(|| Wrong::missing("room"))?;
    let sender = text(body, "sender")?.ok_or_else(|| Wrong::missing("sender"))?;
    let said = said(body)?;
    let mut batch = head(body, true, "each")?;
    batch.insert("messages".to_owned(), json!([speaking(&format!("group:{room}"), &said, &Values::new())]));
    let echo = Echo {
        room: room.to_owned(),
        sender: sender.to_owned(),
        message: body.get("message").cloned().unwrap_or_default(),
        kind: said.kind().to_owned(),
    };
    let answer = Box::new(move |report: &Report<'_>| answer::single(&echo, report));
    Ok(Asked { batch, marks: Vec::new(), request_id: None, name: None, answer })
}

/// A message that says its own words.
fn speaking(to: &str, said: &Said<'_>, values: &Values<'_>) -> Value {
    let mut message = Map::new();
    message.insert("to".to_owned(), json!(to));
    message.insert("content".to_owned(), json!(said.content(words::filled(values))));
    add_own(&mut message, said.own(words::filled(values)));
    Value::Object(message)
}

/// Adds what is for the vendor alone.
fn add_own(to: &mut Object, own: Object) {
    if own.is_empty() {
        return;
    }
    let extensions = to.entry("extensions").or_insert_with(|| json!({extensions::VENDOR: {}}));
    if let Some(Value::Object(known)) = extensions.get_mut(extensions::VENDOR) {
        known.extend(own);
    }
}

/// One recipient and the values for it, keys as they stand in the body.
struct Entry<'b> {
    to: String,
    values: Values<'b>,
}

fn entries(body: &Object) -> Result<Vec<Entry<'_>>, Wrong> {
    let entries = match given(body, "paras") {
        None => return Err(Wrong::missing("paras")),
        Some(Value::Array(entries)) if entries.is_empty() => {
            return Err(Wrong { code: "MISSING_PARAMETER", words: "paras names no recipient".to_owned() });
        }
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(Wrong::invalid("paras must be a list")),
    };
    entries.iter().enumerate().map(|(index, entry)| read_entry(index, entry)).collect()
}

fn read_entry(index: usize, entry: &Value) -> Result<Entry<'_>, Wrong> {
    let at = |wrong: Wrong| Wrong { words: format!("paras[{index}]: {}", wrong.words), ..wrong };
    let entry = entry.as_object().ok_or_else(|| at(Wrong::invalid("must be an object")))?;
    // A room wins over a receiver, without a word.
    let to = match (text(entry, "room").map_err(at)?, text(entry, "receiver").map_err(at)?) {
        (Some(room), _) => format!("group:{room}"),
        (None, Some(user)) => format!("user:{user}"),
        (None, None) => return Err(at(Wrong::missing("receiver or room"))),
    };
    let values = entry.iter().filter(|(key, value)| words::is_key(key) && !value.is_null());
    let values = values.map(|(key, value)| {
        let value =
            words::value(value).ok_or_else(|| at(Wrong::invalid(format!("{key} must be a string"))))?;
        Ok((key.as_str(), value))
    });
    Ok(Entry { to, values: values.collect::<Result<_, _>>()? })
}

/// Values that are put in nowhere change nothing. Entries mostly have the keys of the one before.
fn drop_unused(entries: &mut [Entry<'_>], said: &Said<'_>) {
    let (mut keys, mut used) = (Vec::new(), BTreeSet::new());
    for entry in entries {
        if !entry.values.keys().eq(&keys) {
            keys = entry.values.keys().copied().collect();
            used = said.used(&keys);
        }
        entry.values.retain(|key, _| used.contains(key));
    }
}

fn read_batch(body: &Object) -> Result<Asked, Wrong> {
    let mut entries = entries(body)?;
    let said = said(body)?;
    drop_unused(&mut entries, &said);
    let mut batch = head(body, false, "fast")?;
    let keys: Vec<&str> =
        entries.first().map(|entry| entry.values.keys().copied().collect()).unwrap_or_default();
    let alike = entries.iter().all(|entry| entry.values.keys().eq(keys.iter()));
    let shared = alike && (keys.is_empty() || (said.takes_template() && keys.iter().all(|key| is_name(key))));
    let messages: Vec<Value> = if shared {
        let content = if keys.is_empty() {
            add_own(&mut batch, said.own(words::filled(&Values::new())));
            said.content(words::filled(&Values::new()))
        } else {
            let mut content = said.content(words::templated(&keys));
            content.insert("template".to_owned(), json!("lenient"));
            let mut own = said.own(words::templated(&keys));
            // Values are not put into what is the vendor's own.
            own.remove("extra");
            add_own(&mut batch, own);
            content
        };
        batch.insert("content".to_owned(), Value::Object(content));
        entries.iter().map(inheriting).collect()
    } else {
        // Entries with different keys leave different placeholders as they stand, and some keys are no
        // names of ours: then each message says its own words.
        entries.iter().map(|entry| speaking(&entry.to, &said, &entry.values)).collect()
    };
    batch.insert("messages".to_owned(), Value::Array(messages));
    Ok(Asked { batch, marks: Vec::new(), request_id: None, name: None, answer: Box::new(answer::batch) })
}

/// A message that takes its words from the batch.
fn inheriting(entry: &Entry<'_>) -> Value {
    if entry.values.is_empty() {
        return json!({"to": entry.to});
    }
    let vars: BTreeMap<&str, &str> =
        entry.values.iter().map(|(key, value)| (words::name(key), &**value)).collect();
    json!({"to": entry.to, "vars": vars})
}

fn is_name(key: &str) -> bool {
    template::is_name(words::name(key))
}
