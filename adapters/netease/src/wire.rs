//! The vendor's JSON, both ways. Nothing is decided here. Everything the vendor answers is kept as
//! loose values: numbers come as strings, arrays as strings holding JSON, and one field must not make
//! the rest unreadable.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// An element of `msgList`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomMessage<'m> {
    pub(crate) attach: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ext: Option<&'m str>,
    pub(crate) msg_id: &'m str,
    pub(crate) msg_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_type: Option<i32>,
    pub(crate) resend_flag: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loc_x: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loc_y: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loc_z: Option<Number>,
}

/// `option` of a message to users or a team. What is absent is the vendor's default, which is `true`
/// for every switch.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Switches {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) push: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roam: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<bool>,
    pub(crate) sendersync: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) badge: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) persistent: Option<bool>,
    #[serde(rename = "needPushNick", skip_serializing_if = "Option::is_none")]
    pub(crate) need_push_nick: Option<bool>,
    #[serde(rename = "sessionUpdate", skip_serializing_if = "Option::is_none")]
    pub(crate) session_update: Option<bool>,
}

/// Text and tips, outside of rooms.
#[derive(Debug, Serialize)]
pub(crate) struct Text<'m> {
    pub(crate) msg: &'m str,
}

/// Pictures, sounds, films and files: milliseconds, bytes and pixels.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Media<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dur: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) md5: Option<&'m str>,
    pub(crate) url: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ext: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) w: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) h: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
}

/// A place.
#[derive(Debug, Serialize)]
pub(crate) struct Place<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'m str>,
    pub(crate) lng: &'m Number,
    pub(crate) lat: &'m Number,
}

/// A command, which the vendor has no type for.
#[derive(Debug, Serialize)]
pub(crate) struct Command<'m> {
    pub(crate) name: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<&'m Value>,
}

/// Any answer. Each route fills in its own part.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    pub(crate) code: Value,
    pub(crate) desc: Value,
    /// Rooms: what was taken, by client id.
    pub(crate) success: Value,
    /// Rooms: what was not, by client id.
    pub(crate) fail: Value,
    /// The single call.
    pub(crate) data: Value,
    /// The user batch: accounts that do not exist.
    pub(crate) unregister: Value,
    /// The user batch: ids by account, where asked for.
    pub(crate) msgids: Value,
    /// The user batch: milliseconds.
    pub(crate) timetag: Value,
    /// The broadcast.
    pub(crate) msg: Value,
}
