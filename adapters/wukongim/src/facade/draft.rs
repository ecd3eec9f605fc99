//! One message as a caller wrote it, bound but not yet understood, and the canonical message that it is.

use interline_core::content::Object;
use serde_json::{Value, json};

use super::bind::{Bound, Fields};
use super::payload::Payload;
use crate::NAME;
use crate::form::{self, AGENT, GROUP, PERSON};

/// The channel type that is a room: visitors come and go, no conversations.
const LIVE: u8 = 9;

/// What a caller's message id may have at most, in characters, to be the message's own.
const LONGEST_CLIENT_ID: usize = 64;

/// The three flags; exactly 1 is set, `true` does not bind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    no_persist: bool,
    red_dot: bool,
    sync_once: bool,
}

impl Flags {
    pub(super) fn bind(fields: &Fields<'_>) -> Bound<Self> {
        let header = fields.object("header", "MessageHeader")?;
        let flag = |name: &str| header.whole::<i64>(name, "int").map(|number| number == 1);
        Ok(Self { no_persist: flag("no_persist")?, red_dot: flag("red_dot")?, sync_once: flag("sync_once")? })
    }

    /// All three as one number.
    const fn bits(self) -> u8 {
        self.no_persist as u8 | (self.red_dot as u8) << 1 | (self.sync_once as u8) << 2
    }

    /// Whether it is marked as a command.
    pub(super) const fn is_command(self) -> bool {
        self.sync_once
    }

    /// The canonical options that differ from the defaults.
    pub(super) fn options(self) -> Object {
        let mut options = Object::new();
        if self.no_persist {
            options.insert("store".to_owned(), json!(false));
        }
        if !self.red_dot {
            options.insert("badge".to_owned(), json!(false));
        }
        options
    }

    /// The vendor's own fields of a content under these flags: what the adapter would not do by itself.
    pub(super) fn extensions(self, payload: &Payload) -> Object {
        let mut own = Object::new();
        if self.sync_once != payload.is_command() {
            own.insert("sync_once".to_owned(), json!(u8::from(self.sync_once)));
        }
        own.extend(payload.over.clone().map(|over| ("payload".to_owned(), over)));
        own
    }
}

/// The body of a single send, and an element of the page's array.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) flags: Flags,
    pub(super) client_msg_no: String,
    pub(super) from: String,
    pub(super) channel_id: String,
    pub(super) channel_type: u8,
    pub(super) payload: Vec<u8>,
    pub(super) subscribers: Vec<String>,
    pub(super) is_stream: bool,
    expire: u32,
    stream_no: String,
    tag_key: String,
}

impl Draft {
    pub(super) fn bind(value: &Value) -> Bound<Self> {
        let fields = Fields::of(value, "messageSendReq")?;
        let from = fields.text("from_uid")?;
        // The name that v3 takes as well.
        let from = if form::is_blank(from) { fields.text("sender_uid")? } else { from };
        Ok(Self {
            flags: Flags::bind(&fields)?,
            client_msg_no: fields.text("client_msg_no")?.to_owned(),
            from: from.to_owned(),
            channel_id: fields.text("channel_id")?.to_owned(),
            channel_type: fields.whole("channel_type", "uint8")?,
            payload: fields.bytes("payload")?,
            subscribers: fields.texts("subscribers")?,
            is_stream: fields.whole::<i64>("is_stream", "int")? == 1,
            expire: fields.whole("expire", "uint32")?,
            // Servers since 2.2.4 do not have it: it may be anything there.
            stream_no: fields.loose_text("stream_no").to_owned(),
            tag_key: fields.text("tag_key")?.to_owned(),
        })
    }

    /// Whether the caller named the message; servers make a name up for the others.
    pub(super) fn is_named(&self) -> bool {
        !form::is_blank(&self.client_msg_no)
    }

    /// What tells it from a message of the same sender, channel, number and payload: who gets it, and how.
    /// Lengths keep the parts apart.
    pub(super) fn terms(&self, into: &mut Vec<u8>) {
        into.push(self.flags.bits());
        into.extend_from_slice(&self.expire.to_be_bytes());
        into.extend_from_slice(&(self.subscribers.len() as u64).to_be_bytes());
        let texts = self.subscribers.iter().chain([&self.stream_no, &self.tag_key]);
        for text in texts {
            into.extend_from_slice(&(text.len() as u64).to_be_bytes());
            into.extend_from_slice(text.as_bytes());
        }
    }

    /// The canonical message. Who is listed in the page's `subscribers` is the audience of a channel.
    pub(super) fn message(&self) -> Object {
        let payload = Payload::read(&self.payload);
        let (to, channel_type) = recipient(self.channel_type, &self.channel_id);
        let mut options = self.flags.options();
        if self.expire > 0 {
            options.insert("ttl".to_owned(), json!(format!("{}s", self.expire)));
        }
        if !self.subscribers.is_empty() {
            options.insert("audience".to_owned(), json!({"users": self.subscribers}));
        }
        let mut own = self.flags.extensions(&payload);
        if let Some(channel_type) = channel_type {
            own.insert("channel_type".to_owned(), json!(channel_type));
        }
        for (key, text) in [("stream_no", &self.stream_no), ("tag_key", &self.tag_key)] {
            if !form::is_blank(text) {
                own.insert(key.to_owned(), json!(text));
            }
        }
        let mut message = Object::new();
        message.insert("to".to_owned(), json!(to));
        message.insert("from".to_owned(), json!(self.from));
        message.insert("content".to_owned(), Value::Object(payload.content));
        let fits = self.client_msg_no.chars().count() <= LONGEST_CLIENT_ID;
        if self.is_named() && fits {
            message.insert("client_id".to_owned(), json!(self.client_msg_no));
        }
        insert_filled(&mut message, "options", options);
        insert_filled(&mut message, "extensions", extensions(own));
        message
    }
}

/// The vendor's own fields under its name, where there are any.
pub(super) fn extensions(own: Object) -> Object {
    let mut extensions = Object::new();
    insert_filled(&mut extensions, NAME, own);
    extensions
}

/// Adds an object that is not empty.
pub(super) fn insert_filled(object: &mut Object, key: &str, value: Object) {
    if !value.is_empty() {
        object.insert(key.to_owned(), Value::Object(value));
    }
}

/// Whom a channel is: persons are users, live channels are rooms, everything else has members. Types that
/// have no word of their own go along.
fn recipient(channel_type: u8, id: &str) -> (String, Option<u8>) {
    let (kind, own) = match channel_type {
        PERSON => ("user", None),
        GROUP => ("group", None),
        LIVE => ("room", None),
        // The id is the agent's, as a person's is.
        AGENT => ("user", Some(AGENT)),
        other => ("group", Some(other)),
    };
    (format!("{kind}:{id}"), own)
}
