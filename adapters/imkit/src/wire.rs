//! The vendor's JSON, both directions, as types and nothing more: what a field means is decided in
//! `encode` and `decode`. Requests borrow from the messages; replies are kept loose, because two
//! error shapes are published and the server is closed.

use interline_core::content::Object;
use interline_core::options::Vars;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The body of `POST /messages/batch`.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Batch<'a> {
    pub(crate) message_type: &'a str,
    pub(crate) message: &'a str,
    pub(crate) push: bool,
    pub(crate) sender: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) skip_total_badge: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Extra<'a>>,
    #[serde(flatten)]
    pub(crate) own: &'a Object,
    pub(crate) paras: Vec<Para<'a>>,
}

/// The body of `POST /messages`.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Single<'a> {
    pub(crate) room: &'a str,
    pub(crate) sender: &'a str,
    pub(crate) message: &'a str,
    pub(crate) message_type: &'a str,
    pub(crate) push: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) skip_total_badge: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) mentions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<Extra<'a>>,
    #[serde(flatten)]
    pub(crate) own: &'a Object,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The app's own addition to a message.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Extra<'a> {
    Text(&'a str),
    Object(&'a Object),
}

/// An entry of `paras`: one recipient and its values. It names a receiver or a room, never both: the
/// server would silently take the room.
#[derive(Debug)]
pub(crate) struct Para<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) values: Values<'a>,
}

/// Whom an entry is for.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    Receiver(&'a str),
    Room(&'a str),
}

/// What an entry puts into `message` and `extra`.
#[derive(Debug)]
pub(crate) enum Values<'a> {
    None,
    /// One value, by its key, dollars included.
    One(&'a str, &'a str),
    /// Values by name; each key stands beside its name, dollars included.
    Many(&'a [(String, String)], &'a Vars),
}

impl Serialize for Para<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.target {
            Target::Receiver(id) => map.serialize_entry("receiver", id)?,
            Target::Room(id) => map.serialize_entry("room", id)?,
        }
        match self.values {
            Values::None => {}
            Values::One(key, value) => map.serialize_entry(key, value)?,
            Values::Many(names, vars) => {
                for (key, name) in names {
                    if let Some(value) = vars.get(name) {
                        map.serialize_entry(key, value)?;
                    }
                }
            }
        }
        map.end()
    }
}

/// Any reply: the endpoint pages' shape (`RC`, `RM`, `result`, `error` as an object) and the key
/// page's (`error` as a string, `message`, `retryAfter`).
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default, rename = "RC")]
    pub(crate) rc: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "RM")]
    pub(crate) rm: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) message: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "retryAfter")]
    pub(crate) retry_after: Option<&'a RawValue>,
}

/// `error` as an object.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Problem<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) message: Option<&'a RawValue>,
}

/// `result` of a batch: the task that was queued.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Task<'a> {
    #[serde(borrow, default, rename = "batchID")]
    pub(crate) batch_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) count: Option<&'a RawValue>,
}

/// `result` of a single send: the message as it was stored.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored<'a> {
    #[serde(borrow, default, rename = "_id")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "appID")]
    pub(crate) app_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "messageTimeMS")]
    pub(crate) message_time_ms: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "createdAtMS")]
    pub(crate) created_at_ms: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "updatedAtMS")]
    pub(crate) updated_at_ms: Option<&'a RawValue>,
}
