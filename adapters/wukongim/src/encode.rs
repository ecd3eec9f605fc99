//! Writes calls straight into the body: no JSON tree, base64 encoded in place. What a message shares with
//! the one before it is copied from there, and a content that many share is encoded once.
//! [`crate::wire::Item`] is what it writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::adapter::{Call, CallMessage, Request};
use interline_core::content::{self as canonical, Content};
use interline_core::error::{Error, ErrorKind, Refusal};
use interline_core::json;
use interline_core::message::Message;
use interline_core::shared::Shared;
use std::ops::Range;

use crate::dialect::Dialect;
use crate::extensions::{self, Over};
use crate::form::{Flags, Form};
use crate::settings::Account;
use crate::{SENDBATCH, content};

const JSON: &str = "application/json";
const SEND_PATH: &str = "/message/send";
const SENDBATCH_PATH: &str = "/message/sendbatch";

/// What an element needs beside ids and payload, for the first allocation.
const AROUND_ELEMENT: usize = 192;

/// Contents that are looked for when the next message may share one.
const REMEMBERED: usize = 16;

pub(crate) fn encode(dialect: Dialect, account: &Account, call: &Call) -> Result<Request, Error> {
    let Some(first) = call.messages.first() else { return Err(refused("an empty call")) };
    let mut body = Body::with_capacity(call, first);
    let path = match dialect {
        Dialect::Published => {
            body.array(dialect, account, &call.messages)?;
            SENDBATCH_PATH
        }
        Dialect::V1 | Dialect::V2 if call.class == SENDBATCH => {
            body.fan_out(dialect, account, &call.messages)?;
            SENDBATCH_PATH
        }
        Dialect::V1 | Dialect::V2 | Dialect::V3 => {
            if call.messages.len() > 1 {
                return Err(refused("a single send of several messages"));
            }
            body.element(dialect, account, first)?;
            SEND_PATH
        }
    };
    Ok(account.authorise(Request::post(path, JSON, body.bytes)))
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Encode, format!("cannot write {what} for wukongim"))
}

fn from_refusal(refusal: &Refusal) -> Error {
    let failure = refusal.failure();
    refused("a message that was to be refused").with("why", failure.message)
}

struct Body<'c> {
    bytes: Vec<u8>,
    /// A payload before it becomes base64.
    payload: Vec<u8>,
    /// Where the base64 of shared contents stands, newest last.
    shared: Vec<(&'c Shared<Content>, Range<usize>)>,
    /// The last element that was written field by field.
    mould: Option<Mould<'c>>,
}

/// An element and where in the body its parts stand that do not depend on ids and payload.
struct Mould<'c> {
    message: &'c Message,
    before_client_id: Range<usize>,
    before_recipient: Range<usize>,
    before_payload: Range<usize>,
    after_payload: Range<usize>,
}

impl Mould<'_> {
    /// Whether nothing but ids and payload differs.
    fn fits(&self, message: &Message) -> bool {
        let own = self.message;
        let same_sender = match (&own.from, &message.from) {
            (Some(own), Some(other)) => own.same(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_sender
            && own.options.same(&message.options)
            && own.extensions.same(&message.extensions)
            && own.to.kind() == message.to.kind()
            && is_command(own) == is_command(message)
    }
}

/// Commands have a flag of their own.
fn is_command(message: &Message) -> bool {
    matches!(message.content.body, canonical::Body::Command { .. })
}

impl<'c> Body<'c> {
    fn with_capacity(call: &Call, first: &CallMessage) -> Self {
        let payload = content::weight(&first.message.content) * 4 / 3;
        let capacity = match call.class {
            SENDBATCH => call.messages.len() * (AROUND_ELEMENT + payload),
            _ => AROUND_ELEMENT + payload,
        };
        let bytes = Vec::with_capacity(capacity + 64);
        Self { bytes, payload: Vec::new(), shared: Vec::new(), mould: None }
    }

    fn array(
        &mut self,
        dialect: Dialect,
        account: &Account,
        messages: &'c [CallMessage],
    ) -> Result<(), Error> {
        self.bytes.push(b'[');
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.element(dialect, account, message)?;
        }
        self.bytes.push(b']');
        Ok(())
    }

    fn fan_out(
        &mut self,
        dialect: Dialect,
        account: &Account,
        messages: &'c [CallMessage],
    ) -> Result<(), Error> {
        let Some(first) = messages.first() else { return Ok(()) };
        let form = Form::of(dialect, account, &first.message).map_err(|refusal| from_refusal(&refusal))?;
        self.flags(form.flags);
        self.put(b",\"from_uid\":");
        self.text(form.from)?;
        self.put(b",\"subscribers\":[");
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.text(message.recipient_id())?;
        }
        self.put(b"],\"payload\":\"");
        self.payload(&first.message)?;
        self.put(b"\"}");
        Ok(())
    }

    fn element(
        &mut self,
        dialect: Dialect,
        account: &Account,
        message: &'c CallMessage,
    ) -> Result<(), Error> {
        match self.mould.take() {
            Some(mould) if mould.fits(&message.message) => {
                self.bytes.extend_from_within(mould.before_client_id.clone());
                self.text(&message.message.client_id)?;
                self.bytes.extend_from_within(mould.before_recipient.clone());
                self.text(message.recipient_id())?;
                self.bytes.extend_from_within(mould.before_payload.clone());
                self.payload(&message.message)?;
                self.bytes.extend_from_within(mould.after_payload.clone());
                self.mould = Some(mould);
            }
            Some(_) | None => self.mould = Some(self.first_element(dialect, account, message)?),
        }
        Ok(())
    }

    /// Writes an element field by field.
    fn first_element(
        &mut self,
        dialect: Dialect,
        account: &Account,
        message: &'c CallMessage,
    ) -> Result<Mould<'c>, Error> {
        let form = Form::of(dialect, account, &message.message).map_err(|refusal| from_refusal(&refusal))?;
        let start = self.bytes.len();
        self.flags(form.flags);
        self.put(b",\"client_msg_no\":");
        let before_client_id = start..self.bytes.len();
        self.text(&message.message.client_id)?;
        let start = self.bytes.len();
        self.put(b",\"from_uid\":");
        self.text(form.from)?;
        self.put(b",\"channel_id\":");
        let before_recipient = start..self.bytes.len();
        self.text(message.recipient_id())?;
        let start = self.bytes.len();
        self.put(b",\"channel_type\":");
        self.number(form.channel_type.into());
        self.put(b",\"expire\":");
        self.number(form.expire);
        self.put(b",\"payload\":\"");
        let before_payload = start..self.bytes.len();
        self.payload(&message.message)?;
        let start = self.bytes.len();
        self.bytes.push(b'"');
        let audience = message.message.options.audience.as_ref();
        if let Some(users) = audience.filter(|_| dialect == Dialect::Published) {
            self.put(b",\"subscribers\":");
            self.json(users)?;
        }
        if let Some(stream_no) = &form.extensions.stream_no {
            self.put(b",\"stream_no\":");
            self.text(stream_no)?;
        }
        if let Some(tag_key) = &form.extensions.tag_key {
            self.put(b",\"tag_key\":");
            self.text(tag_key)?;
        }
        self.bytes.push(b'}');
        let after_payload = start..self.bytes.len();
        let message = &*message.message;
        Ok(Mould { message, before_client_id, before_recipient, before_payload, after_payload })
    }

    fn flags(&mut self, flags: Flags) {
        self.put(b"{\"header\":{\"no_persist\":");
        self.bytes.push(b'0' + u8::from(flags.no_persist));
        self.put(b",\"red_dot\":");
        self.bytes.push(b'0' + u8::from(flags.red_dot));
        self.put(b",\"sync_once\":");
        self.bytes.push(b'0' + u8::from(flags.sync_once));
        self.bytes.push(b'}');
    }

    fn payload(&mut self, message: &'c Message) -> Result<(), Error> {
        if let Some(over) = extensions::payload(message) {
            self.payload.clear();
            match over {
                Over::Members(over) => {
                    content::write_over(&message.rendered(), over, &mut self.payload)?;
                }
                Over::Whole(text) => self.payload.extend_from_slice(text.as_bytes()),
            }
            return self.base64().map(drop);
        }
        if message.is_template() {
            return self.content(&message.rendered()).map(drop);
        }
        let known =
            self.shared.iter().rev().take(REMEMBERED).find(|(content, _)| content.same(&message.content));
        if let Some((_, written)) = known {
            let written = written.clone();
            self.bytes.extend_from_within(written);
            return Ok(());
        }
        let written = self.content(&message.content)?;
        self.shared.push((&message.content, written));
        Ok(())
    }

    /// Writes a content's base64 and tells where it stands.
    fn content(&mut self, content: &Content) -> Result<Range<usize>, Error> {
        self.payload.clear();
        content::write(content, &mut self.payload)?;
        self.base64()
    }

    /// Writes the payload's base64 and tells where it stands.
    fn base64(&mut self) -> Result<Range<usize>, Error> {
        let start = self.bytes.len();
        let end = start + self.payload.len().div_ceil(3) * 4;
        self.bytes.resize(end, b'=');
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        STANDARD
            .encode_slice(&self.payload, room)
            .map_err(|error| refused("a payload as base64").because(error))?;
        Ok(start..end)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u32) {
        match u8::try_from(number) {
            Ok(digit) if digit < 10 => self.bytes.push(b'0' + digit),
            Ok(_) | Err(_) => self.put(number.to_string().as_bytes()),
        }
    }

    /// Writes a string, quoted; ids without anything to escape take the short way.
    fn text(&mut self, text: &str) -> Result<(), Error> {
        if json::plain(text.as_bytes()) < text.len() {
            return self.json(text);
        }
        self.bytes.push(b'"');
        self.put(text.as_bytes());
        self.bytes.push(b'"');
        Ok(())
    }

    fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.bytes, value).map_err(|error| refused("a field").because(error))
    }
}
