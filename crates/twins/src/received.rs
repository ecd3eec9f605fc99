//! What arrived: the log behind `GET /_twin/received`.
//!
//! It is packed (one string for all texts, a small fixed entry per message, the text of a fan-out
//! stored once), because load runs put millions of messages through a twin. A call takes the lock
//! once, through [`Log::page`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedMessage {
    /// `user:ID`, `group:ID`, `room:ID`, `channel:TYPE:ID` or `everyone`.
    pub to: String,
    /// The client's own id of the message at this vendor, where the wire has one.
    pub client_id: Option<String>,
    /// The text, or the payload's JSON where the content is not text.
    pub text: String,
    /// When it arrived, milliseconds since 1970.
    pub at_ms: u64,
    /// The number of the call that carried it, from 1.
    pub call: u64,
}

/// Everything that arrived since the last reset, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// How many messages arrived, those that are no longer kept included.
    pub total: u64,
    /// The messages.
    #[serde(default)]
    pub messages: Vec<ReceivedMessage>,
    /// How many sending calls were read, answered or not.
    pub calls: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    to_at: usize,
    text_at: usize,
    to_len: u32,
    text_len: u32,
    /// [`NO_CLIENT_ID`] where there is none; the id follows `to` in the text store.
    client_len: u32,
    call: u32,
    at_ms: u64,
}

const NO_CLIENT_ID: u32 = u32::MAX;

/// Where a text is kept, so that a fan-out keeps it once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextRef {
    at: usize,
    len: u32,
}

#[derive(Debug, Default)]
struct Store {
    texts: String,
    entries: Vec<Entry>,
    total: u64,
    calls: u64,
}

impl Store {
    fn slice(&self, at: usize, len: u32) -> &str {
        self.texts.get(at..at.saturating_add(len as usize)).unwrap_or_default()
    }

    fn to(&self, entry: &Entry) -> &str {
        self.slice(entry.to_at, entry.to_len)
    }

    fn client_id(&self, entry: &Entry) -> Option<&str> {
        let known = entry.client_len != NO_CLIENT_ID;
        known.then(|| self.slice(entry.to_at + entry.to_len as usize, entry.client_len))
    }

    fn text(&self, entry: &Entry) -> &str {
        self.slice(entry.text_at, entry.text_len)
    }

    fn append(&mut self, text: &str) -> (usize, u32) {
        let at = self.texts.len();
        self.texts.push_str(text);
        (at, u32::try_from(text.len()).unwrap_or(u32::MAX - 1))
    }
}

/// The log of one twin.
#[derive(Debug)]
pub(crate) struct Log {
    store: Mutex<Store>,
    keep: usize,
}

impl Log {
    /// Messages beyond `keep` are counted and not kept.
    pub(crate) fn keeping(keep: usize) -> Self {
        Self { store: Mutex::default(), keep }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a sending call and gives it its number.
    pub(crate) fn begin_call(&self) -> u64 {
        let mut store = self.lock();
        store.calls += 1;
        store.calls
    }

    /// Opens the log for the messages of one call.
    pub(crate) fn page(&self, call: u64, at_ms: u64) -> Page<'_> {
        Page { store: self.lock(), keep: self.keep, call: u32::try_from(call).unwrap_or(u32::MAX), at_ms }
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Store::default();
    }

    pub(crate) fn snapshot(&self) -> Received {
        let store = self.lock();
        let messages = store
            .entries
            .iter()
            .map(|entry| ReceivedMessage {
                to: store.to(entry).to_owned(),
                client_id: store.client_id(entry).map(str::to_owned),
                text: store.text(entry).to_owned(),
                at_ms: entry.at_ms,
                call: u64::from(entry.call),
            })
            .collect();
        Received { total: store.total, messages, calls: store.calls }
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        let store = self.lock();
        (store.total, store.calls)
    }

    /// The log as the control endpoint shows it, written without building each message first.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Row<'a> {
            to: &'a str,
            client_id: Option<&'a str>,
            text: &'a str,
            at_ms: u64,
            call: u32,
        }
        let store = self.lock();
        let mut out = format!("{{\"total\":{},\"messages\":[", store.total).into_bytes();
        for (index, entry) in store.entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let row = Row {
                to: store.to(entry),
                client_id: store.client_id(entry),
                text: store.text(entry),
                at_ms: entry.at_ms,
                call: entry.call,
            };
            out.extend(serde_json::to_vec(&row).unwrap_or_default());
        }
        out.extend(format!("],\"calls\":{}}}", store.calls).into_bytes());
        out
    }
}

/// The log, open for one call.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    store: MutexGuard<'a, Store>,
    keep: usize,
    call: u32,
    at_ms: u64,
}

impl Page<'_> {
    /// Keeps a text for the messages that share it.
    pub(crate) fn text(&mut self, text: &str) -> TextRef {
        if self.store.entries.len() >= self.keep {
            return TextRef { at: 0, len: 0 };
        }
        let (at, len) = self.store.append(text);
        TextRef { at, len }
    }

    /// Writes down one message; `kind` is the part of `to` before the id, colon included.
    pub(crate) fn push(&mut self, kind: &str, id: &str, client_id: Option<&str>, text: TextRef) {
        self.store.total += 1;
        if self.store.entries.len() >= self.keep {
            return;
        }
        let (to_at, kind_len) = self.store.append(kind);
        let (_, id_len) = self.store.append(id);
        let client_len = client_id.map_or(NO_CLIENT_ID, |client_id| self.store.append(client_id).1);
        let entry = Entry {
            to_at,
            text_at: text.at,
            to_len: kind_len + id_len,
            text_len: text.len,
            client_len,
            call: self.call,
            at_ms: self.at_ms,
        };
        self.store.entries.push(entry);
    }

    /// Writes down one message with a text of its own.
    pub(crate) fn push_text(&mut self, kind: &str, id: &str, client_id: Option<&str>, text: &str) {
        let text = self.text(text);
        self.push(kind, id, client_id, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_in_order_with_their_call() {
        let log = Log::keeping(usize::MAX);
        let call = log.begin_call();
        let mut page = log.page(call, 5);
        let shared = page.text("hi \"you\"");
        page.push("user:", "a", None, shared);
        page.push("user:", "b", Some("c1"), shared);
        drop(page);
        let received = log.snapshot();
        assert_eq!((received.total, received.calls), (2, 1));
        assert_eq!(received.messages[1].to, "user:b");
        assert_eq!(received.messages[1].client_id.as_deref(), Some("c1"));
        let json: Received = serde_json::from_slice(&log.to_json()).unwrap();
        assert_eq!(json, received);
    }

    #[test]
    fn messages_beyond_the_keep_are_counted_only() {
        let log = Log::keeping(1);
        let mut page = log.page(1, 0);
        page.push_text("user:", "a", None, "x");
        page.push_text("user:", "b", None, "y");
        drop(page);
        let received = log.snapshot();
        assert_eq!((received.total, received.messages.len()), (2, 1));
    }
}
