//! What a WuKongIM server has stored: ids, sequences per channel, and the last messages for lookups.
//!
//! The history is a ring of the most recent messages, so that load runs do not grow it; channels
//! are known by a 64-bit hash of type and id.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

/// How many messages stay readable.
const KEPT: usize = 100_000;
/// The example id that users of the real server have shown: 19 digits, far above 2^53.
const FIRST_ID: i64 = 1_689_248_112_654_155_776;

/// The three header flags, as the server echoes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Header {
    pub(crate) no_persist: u8,
    pub(crate) red_dot: u8,
    pub(crate) sync_once: u8,
}

/// A stored message.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) channel: u64,
    pub(crate) channel_type: u8,
    pub(crate) message_id: i64,
    pub(crate) message_seq: u32,
    pub(crate) client_msg_no: Box<str>,
    pub(crate) from_uid: Arc<str>,
    pub(crate) payload: Arc<str>,
    pub(crate) header: Header,
    pub(crate) expire: u32,
    pub(crate) at_ms: u64,
}

/// A message in an answer to a lookup.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'a> {
    header: Header,
    setting: u8,
    message_id: i64,
    message_idstr: String,
    client_msg_no: &'a str,
    message_seq: u32,
    from_uid: &'a str,
    channel_id: &'a str,
    channel_type: u8,
    expire: u32,
    timestamp: u64,
    payload: &'a str,
}

impl Shown<'_> {
    /// Reads of v2 skip the header of the first row that they visit: its flags show as zeros.
    pub(crate) fn lose_header(&mut self) {
        self.header = Header::default();
    }
}

impl Stored {
    /// The message as a reader of `channel_id` sees it; the system's own sender is shown as blank.
    pub(crate) fn shown<'a>(&'a self, channel_id: &'a str) -> Shown<'a> {
        Shown {
            header: self.header,
            setting: 0,
            message_id: self.message_id,
            message_idstr: self.message_id.to_string(),
            client_msg_no: &self.client_msg_no,
            message_seq: self.message_seq,
            from_uid: if &*self.from_uid == super::SYSTEM_UID { "" } else { &self.from_uid },
            channel_id,
            channel_type: self.channel_type,
            expire: self.expire,
            timestamp: self.at_ms / 1000,
            payload: &self.payload,
        }
    }
}

/// The store of one server.
#[derive(Debug, Default)]
pub(crate) struct History {
    issued: i64,
    sequences: HashMap<u64, u32>,
    kept: VecDeque<Stored>,
    /// v3 answers a repeat with the ids of the first: sender, channel, number and payload together.
    repeats: HashMap<u64, (i64, u32)>,
}

pub(crate) fn hash(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// The key of a channel.
pub(crate) fn channel_key(channel_type: u8, channel_id: &str) -> u64 {
    hash((channel_type, channel_id))
}

impl History {
    /// A new message id.
    pub(crate) fn issue(&mut self) -> i64 {
        self.issued += 1;
        FIRST_ID + self.issued
    }

    /// Stores a message under the next sequence of its channel and returns that.
    pub(crate) fn store(&mut self, mut message: Stored) -> u32 {
        let sequence = self.sequences.entry(message.channel).or_default();
        *sequence += 1;
        message.message_seq = *sequence;
        let given = *sequence;
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(message);
        given
    }

    pub(crate) fn repeated(&self, key: u64) -> Option<(i64, u32)> {
        self.repeats.get(&key).copied()
    }

    pub(crate) fn remember(&mut self, key: u64, ids: (i64, u32)) {
        if self.repeats.len() >= KEPT * 10 {
            self.repeats.clear();
        }
        self.repeats.insert(key, ids);
    }

    /// The messages of a channel, in ascending sequence.
    pub(crate) fn channel(&self, key: u64) -> impl DoubleEndedIterator<Item = &Stored> {
        self.kept.iter().filter(move |message| message.channel == key)
    }
}
