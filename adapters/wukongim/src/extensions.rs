//! The vendor's own fields of a message, under `extensions.wukongim`. They are checked when a batch is
//! taken, and read again with the same function when its calls are written.

use interline_core::content::Object;
use interline_core::error::FieldError;
use interline_core::message::Message;
use interline_core::read::{Fields, Path, Problems};
use serde_json_borrow::Value;

use crate::{NAME, form};

/// The vendor's own fields, typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Extensions {
    /// Whether it is a command: delivered once to each device and kept out of the chat's history.
    pub(crate) sync_once: Option<bool>,
    /// The channel type, instead of the one that the recipient's kind stands for.
    pub(crate) channel_type: Option<u8>,
    /// The stream that the message belongs to.
    pub(crate) stream_no: Option<String>,
    /// The server's own tag of receivers.
    pub(crate) tag_key: Option<String>,
    /// Whether there are members of the payload's own, see [`payload`].
    pub(crate) over: bool,
}

impl Extensions {
    /// Reads what the message says for this vendor.
    #[inline]
    pub(crate) fn of(message: &Message) -> Result<Self, Vec<FieldError>> {
        // Most batches have no vendor's fields at all: then there is nothing to look up.
        if message.extensions.is_empty() {
            return Ok(Self::default());
        }
        message.extension(NAME).map_or_else(|| Ok(Self::default()), Self::read)
    }

    fn read(own: &Object) -> Result<Self, Vec<FieldError>> {
        let value =
            Value::Object(own.iter().map(|(key, value)| (key.as_str(), Value::from(value))).collect());
        let mut problems = Problems::default();
        let extensions = Fields::of(&value, Path::Root("/extensions/wukongim"), &mut problems)
            .map(|fields| read(fields, &mut problems))
            .filter(|_| problems.is_empty());
        extensions.ok_or_else(|| problems.into_parts().0)
    }
}

/// Members of the payload that the content has no field for, or has otherwise: they stand over what the
/// content becomes. Placeholders in them are left alone.
pub(crate) fn payload(message: &Message) -> Option<&Object> {
    message.extension(NAME)?.get("payload")?.as_object().filter(|over| !over.is_empty())
}

/// What such members add to a payload, in bytes and at most.
pub(crate) fn payload_length(over: &Object) -> usize {
    serde_json::to_string(over).map_or(usize::MAX / 2, |text| text.len())
}

fn read(mut fields: Fields<'_>, problems: &mut Problems) -> Extensions {
    let extensions = Extensions {
        sync_once: fields.whole::<u8>("sync_once", (0, 1), problems).map(|flag| flag == 1),
        channel_type: fields.whole("channel_type", (1, form::LAST_CHANNEL_TYPE), problems),
        stream_no: text(&mut fields, "stream_no", problems),
        tag_key: text(&mut fields, "tag_key", problems),
        over: fields.json_object("payload", problems).is_some_and(|over| !over.is_empty()),
    };
    fields.done(problems);
    extensions
}

fn text(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let text = fields.text(key, problems)?;
    if text.trim().is_empty() || text.len() > form::LONGEST_ID {
        let detail = format!("must hold 1 to {} bytes, and not only blanks", form::LONGEST_ID);
        fields.wrong(key, detail, problems);
        return None;
    }
    Some(text.to_owned())
}
