//! What a redrive asks for: which messages, and what is changed. A patched field is set in the batch's head
//! and in each message that has one of its own, so that messages that share a content go on sharing it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use interline_core::outcome::Status;
use interline_core::read::{Path, Problems};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::denied::{Denied, Errors};
use crate::migration::made_for;

/// Fields that may stand in the head and in messages.
const SHARED: [&str; 9] =
    ["from", "content", "options", "extensions", "vars", "guarantee", "on_loss", "expires_at", "labels"];
/// Fields that stand in the head alone.
const OF_HEAD: [&str; 6] = ["route", "send_at", "ordered", "trace_id", "validation", "callback"];
/// What a message is: whoever wants another sends a new batch.
const FIXED: [&str; 4] = ["to", "id", "client_id", "messages"];
/// Objects that are merged member by member.
const MERGED: [&str; 4] = ["options", "extensions", "vars", "labels"];

/// The members of an object as they stand in the text.
#[derive(Debug, Default)]
struct Members<'t>(Vec<(Cow<'t, str>, Cow<'t, RawValue>)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<'t>(std::marker::PhantomData<&'t ()>);
        impl<'de: 't, 't> Visitor<'de> for Object<'t> {
            type Value = Members<'t>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'t>, A::Error> {
                let mut found = Members::default();
                while let Some(name) = members.next_key::<Cow<'de, str>>()? {
                    found.0.push((name, Cow::Borrowed(members.next_value::<&'de RawValue>()?)));
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Object(std::marker::PhantomData))
    }
}

impl<'t> Members<'t> {
    /// Reads an object; `null` members count as absent, and members that stand twice are noted.
    fn read(text: &'t str, path: &Path<'_>, problems: &mut Problems) -> Option<Self> {
        let members: Self = match serde_json::from_str(text) {
            Ok(members) => members,
            Err(error) => {
                problems.add(path, format!("expected an object: {error}"));
                return None;
            }
        };
        let mut seen = HashSet::new();
        for (name, _) in &members.0 {
            if !seen.insert(&**name) {
                problems.add(&Path::Key(path, name), "stands twice");
            }
        }
        Some(members)
    }

    /// What is stored can be read.
    fn stored(text: &'t str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value).filter(|value| value.get() != "null")
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    fn set(&mut self, name: &'static str, value: &Value) {
        let Ok(raw) = to_raw_value(value) else { return };
        self.remove(name);
        self.0.push((Cow::Borrowed(name), Cow::Owned(raw)));
    }

    /// Changes a member: `null` removes it, some objects are merged, anything else is replaced.
    fn change(&mut self, name: &'static str, value: &Value) {
        let Value::Object(changes) = value else {
            self.remove(name);
            if !value.is_null() {
                self.set(name, value);
            }
            return;
        };
        if !MERGED.contains(&name) {
            return self.set(name, value);
        }
        let own = self.get(name).and_then(|own| serde_json::from_str(own.get()).ok());
        let mut own: Map<String, Value> = own.unwrap_or_default();
        let nested = |member: &str| name == "extensions" || name == "options" && member == "push";
        merge(&mut own, changes, &nested);
        self.set(name, &Value::Object(own));
    }

    /// Leaves out a time that has passed.
    fn forget_past(&mut self, name: &str, now_ms: i64) {
        let Some(time) = self.get(name).and_then(|time| serde_json::from_str::<Value>(time.get()).ok())
        else {
            return;
        };
        let time = time.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        if time.is_some_and(|time| time.as_millisecond() <= now_ms) {
            self.remove(name);
        }
    }

    fn text(&self) -> String {
        let mut text = String::from("{");
        for (name, value) in &self.0 {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&Value::from(&**name).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }
}

fn merge(own: &mut Map<String, Value>, changes: &Map<String, Value>, nested: &dyn Fn(&str) -> bool) {
    for (name, value) in changes {
        match value {
            Value::Null => {
                own.remove(name);
            }
            Value::Object(changes) if nested(name) => {
                let inner = own.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(inner) = inner {
                    merge(inner, changes, &|_| false);
                } else {
                    *inner = value.clone();
                }
            }
            Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                own.insert(name.clone(), value.clone());
            }
        }
    }
}

/// What is changed.
#[derive(Debug, Default)]
pub(crate) struct Patch(Vec<(&'static str, Value)>);

impl Patch {
    fn read(text: &str, path: &Path<'_>, problems: &mut Problems) -> Self {
        let mut patch = Self::default();
        for (name, value) in Members::read(text, path, problems).unwrap_or_default().0 {
            let allowed = SHARED.iter().chain(&OF_HEAD).find(|known| **known == name);
            match (allowed, serde_json::from_str(value.get())) {
                (Some(known), Ok(value)) => patch.0.push((known, value)),
                (Some(_), Err(error)) => problems.add(&Path::Key(path, &name), error.to_string()),
                (None, _) if FIXED.contains(&&*name) => {
                    problems.add(&Path::Key(path, &name), "cannot be changed; send a new batch instead");
                }
                (None, _) => {
                    let allowed: Vec<&str> = SHARED.iter().chain(&OF_HEAD).copied().collect();
                    let detail = format!("unknown field; allowed here: {}", allowed.join(", "));
                    problems.add(&Path::Key(path, &name), detail);
                }
            }
        }
        patch
    }

    /// The head of the new batch.
    pub(crate) fn head(&self, old: &str, now_ms: i64) -> String {
        let mut head = Members::stored(old);
        head.remove("send_at");
        head.forget_past("expires_at", now_ms);
        for (name, value) in &self.0 {
            head.change(name, value);
        }
        head.text()
    }

    /// A message of the new batch. What it does not say itself it takes from the head.
    pub(crate) fn message(&self, old: &str, client_id: &str, now_ms: i64) -> String {
        let mut message = Members::stored(old);
        message.forget_past("expires_at", now_ms);
        for (name, value) in &self.0 {
            if SHARED.contains(name) && message.get(name).is_some() {
                message.change(name, value);
            }
        }
        message.set("client_id", &Value::from(client_id));
        message.text()
    }
}

/// Which messages are sent again, and with what changes.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) statuses: Vec<Status>,
    /// The messages asked for, each with its place in the request.
    pub(crate) ids: Option<HashMap<Box<str>, u64>>,
    pub(crate) patch: Patch,
}

impl Order {
    /// Reads the body of the request. An empty one asks for all that was rejected or is unknown.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(body: &str) -> Result<Self, Denied> {
        let mut problems = Problems::default();
        let root = Path::Root("");
        let text = if body.trim().is_empty() { "{}" } else { body };
        let members = Members::read(text, &root, &mut problems).unwrap_or_default();
        for (name, _) in &members.0 {
            if !["status", "message_ids", "patch"].contains(&&**name) {
                let detail = "unknown field; allowed here: status, message_ids, patch";
                problems.add(&Path::Key(&root, name), detail);
            }
        }
        let statuses = members.get("status").map_or_else(
            || vec![Status::Rejected, Status::Unknown],
            |text| statuses(text.get(), &mut problems),
        );
        let ids = members.get("message_ids").map(|text| {
            strings(text.get(), &Path::Key(&root, "message_ids"), &mut problems)
                .into_iter()
                .zip(0..)
                .collect()
        });
        let patch = members.get("patch").map_or_else(Patch::default, |text| {
            Patch::read(text.get(), &Path::Key(&root, "patch"), &mut problems)
        });
        if !problems.is_empty() {
            let (listed, total) = problems.into_parts();
            return Err(Denied::Invalid(Errors { listed, total }));
        }
        Ok(Self { statuses, ids, patch })
    }

    /// Whether it is of a batch of copies, by the head of that.
    ///
    /// # Errors
    /// They are to go elsewhere, where the messages that they are copies of went.
    pub(crate) fn is_of_copies(&self, head: &str) -> Result<bool, Denied> {
        let head = Members::stored(head);
        let route: Option<String> = head.get("route").and_then(|name| serde_json::from_str(name.get()).ok());
        let copies = route.as_deref().and_then(made_for);
        if let Some(to) = copies
            && self.patch.0.iter().any(|(name, _)| *name == "route")
        {
            let detail = format!(
                "the batch holds copies made for {to}; they are sent again to {to} alone, and by a route the batch \
                 that its label mirror_of names"
            );
            return Err(Denied::Conflict(detail));
        }
        Ok(copies.is_some())
    }
}

fn strings(text: &str, path: &Path<'_>, problems: &mut Problems) -> Vec<Box<str>> {
    let strings: Vec<Box<str>> = serde_json::from_str(text).unwrap_or_default();
    if strings.is_empty() {
        problems.add(path, "expected an array of strings, at least one");
    }
    strings
}

fn statuses(text: &str, problems: &mut Problems) -> Vec<Status> {
    let (root, mut statuses) = (Path::Root("/status"), Vec::new());
    for (index, word) in (0..).zip(strings(text, &root, problems)) {
        let status = Status::parse(&word).filter(|status| status.is_final() && *status != Status::Accepted);
        match status {
            Some(status) => statuses.push(status),
            None => {
                let detail = format!("{word:?} is not one of rejected, unknown, cancelled, expired");
                problems.add(&Path::Index(&root, index), detail);
            }
        }
    }
    statuses.dedup();
    statuses
}
