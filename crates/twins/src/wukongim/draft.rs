//! One message as a caller wrote it: binding, base64, and the text inside the payload.
//!
//! The server never looks into a payload; the text is taken out for the received log only.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::Dialect;
use super::history::{Header, Stored, channel_key};
use super::person::joined;
use crate::gojson::{Fields, Mismatch, Text};

/// Go's standard decoder: padding is required, stray bits after the end are not looked at.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// What the id of a channel ends in where its commands are kept.
const COMMANDS: &str = "____cmd";

/// A message that bound.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) header: Header,
    pub(crate) from_uid: Cow<'a, str>,
    pub(crate) channel_id: Cow<'a, str>,
    pub(crate) channel_type: u8,
    pub(crate) client_msg_no: Cow<'a, str>,
    pub(crate) expire: u32,
    pub(crate) payload: Cow<'a, str>,
    pub(crate) decoded: Vec<u8>,
    pub(crate) subscribers: Vec<Cow<'a, str>>,
}

impl<'a> Draft<'a> {
    pub(crate) fn bind(fields: &Fields<'a>, dialect: Dialect) -> Result<Self, Mismatch> {
        let header = bind_header(&fields.object("header")?, dialect)?;
        let mut from_uid = fields.string("from_uid")?;
        if dialect == Dialect::V3 && from_uid.is_empty() {
            from_uid = fields.string("sender_uid")?;
        }
        let payload = fields.string("payload")?;
        let decoded = decode(&payload)?;
        Ok(Self {
            header,
            from_uid,
            channel_id: fields.string("channel_id")?,
            channel_type: u8::try_from(fields.int("channel_type", 0, 255)?).unwrap_or(u8::MAX),
            client_msg_no: fields.string("client_msg_no")?,
            expire: u32::try_from(fields.int("expire", 0, i64::from(u32::MAX))?).unwrap_or(u32::MAX),
            payload,
            decoded,
            subscribers: fields.strings("subscribers")?.unwrap_or_default(),
        })
    }

    /// The channel's key in the history.
    pub(crate) fn channel(&self) -> u64 {
        channel(&self.from_uid, self.channel_type, &self.channel_id, self.header.sync_once == 1)
    }

    pub(crate) fn stored(&self, message_id: i64, client_msg_no: &str, at_ms: u64) -> Stored {
        Stored {
            channel: self.channel(),
            channel_type: self.channel_type,
            message_id,
            message_seq: 0,
            client_msg_no: client_msg_no.into(),
            from_uid: Arc::from(&*self.from_uid),
            payload: Arc::from(&*self.payload),
            header: self.header,
            expire: self.expire,
            at_ms,
        }
    }

    /// The text for the received log.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        payload_text(&self.decoded)
    }
}

/// The key of a channel; command messages live in a shadow channel beside it.
pub(crate) fn channel(from: &str, channel_type: u8, channel_id: &str, command: bool) -> u64 {
    let mut id = Cow::Borrowed(channel_id);
    if channel_type == 1 {
        id = Cow::Owned(joined(from, channel_id));
    }
    if command {
        id.to_mut().push_str(COMMANDS);
    }
    channel_key(channel_type, &id)
}

/// The three flags: up to v2 exactly 1 is true, in v3 whatever is not 0; booleans do not bind.
fn bind_header(fields: &Fields<'_>, dialect: Dialect) -> Result<Header, Mismatch> {
    let flag = |name: &str| -> Result<u8, Mismatch> {
        let value = fields.int(name, i64::MIN, i64::MAX)?;
        Ok(u8::from(if dialect == Dialect::V3 { value != 0 } else { value == 1 }))
    };
    let red_dot = flag("red_dot")?;
    Ok(Header { no_persist: flag("no_persist")?, red_dot, sync_once: flag("sync_once")? })
}

fn decode(payload: &str) -> Result<Vec<u8>, Mismatch> {
    let wrapped = payload.contains(['\r', '\n']);
    let decoded =
        if wrapped { BASE64.decode(payload.replace(['\r', '\n'], "")) } else { BASE64.decode(payload) };
    decoded.map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) => at,
            _ => payload.len(),
        };
        Mismatch(format!("illegal base64 data at input byte {at}"))
    })
}

/// Text types show their content; everything else, and what is not JSON, is shown as it came.
pub(crate) fn payload_text(decoded: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(rename = "type")]
        kind: u32,
        #[serde(borrow)]
        content: Text<'a>,
    }
    match serde_json::from_slice::<Peek<'_>>(decoded) {
        Ok(Peek { kind: 1 | 14 | 1000..=2000, content }) => content.0,
        _ => String::from_utf8_lossy(decoded),
    }
}

/// Where a channel is in the received log: the part before the id.
pub(crate) fn target_kind(channel_type: u8) -> Cow<'static, str> {
    match channel_type {
        1 => Cow::Borrowed("user:"),
        2 => Cow::Borrowed("group:"),
        9 => Cow::Borrowed("room:"),
        other => Cow::Owned(format!("channel:{other}:")),
    }
}

/// Ids may not hold the characters that the server joins ids with.
pub(crate) fn is_illegal(id: &str) -> bool {
    id.contains(['@', '#', '&'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_safe_and_unpadded_base64_do_not_bind() {
        assert!(decode("_-8=").is_err());
        assert!(decode("aGk").is_err());
        assert_eq!(decode("aG\nk=").unwrap(), b"hi");
    }

    #[test]
    fn only_text_types_show_their_content() {
        assert_eq!(payload_text(br#"{"type":1,"content":"hi"}"#), "hi");
        assert_eq!(payload_text(br#"{"type":"1","content":"hi"}"#), r#"{"type":"1","content":"hi"}"#);
        assert_eq!(payload_text(b"plain"), "plain");
    }
}
