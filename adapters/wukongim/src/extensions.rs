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

/// What a message says of its payload beside the content. Placeholders in it are left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over<'m> {
    /// Members that the content has no field for, or has otherwise: they stand over what it becomes.
    Members(&'m Object),
    /// All of it: what the content becomes is for other vendors.
    Whole(&'m str),
}

impl Over<'_> {
    /// How long the payload is with it, in bytes and at most, where the content alone has these many.
    pub(crate) fn length(self, content: usize) -> usize {
        match self {
            Self::Members(members) => {
                serde_json::to_string(members).map_or(usize::MAX / 2, |text| text.len()) + content
            }
            Self::Whole(text) => text.len(),
        }
    }
}

/// What a message says of its payload.
pub(crate) fn payload(message: &Message) -> Option<Over<'_>> {
    let own = message.extension(NAME)?.get("payload")?;
    match own.as_str() {
        Some(text) => Some(Over::Whole(text)),
        None => own.as_object().filter(|members| !members.is_empty()).map(Over::Members),
    }
}

fn read(mut fields: Fields<'_>, problems: &mut Problems) -> Extensions {
    let extensions = Extensions {
        sync_once: fields.whole::<u8>("sync_once", (0, 1), problems).map(|flag| flag == 1),
        channel_type: fields.whole("channel_type", (1, form::LAST_CHANNEL_TYPE), problems),
        stream_no: text(&mut fields, "stream_no", problems),
        tag_key: text(&mut fields, "tag_key", problems),
        over: over(&mut fields, problems),
    };
    fields.done(problems);
    extensions
}

fn over(fields: &mut Fields<'_>, problems: &mut Problems) -> bool {
    match fields.json("payload") {
        None => false,
        Some(serde_json::Value::Object(members)) => !members.is_empty(),
        Some(serde_json::Value::String(text)) if !text.is_empty() => true,
        Some(_) => {
            let detail =
                "expected an object, whose members stand over the payload, or a text that is all of it";
            fields.wrong("payload", detail, problems);
            false
        }
    }
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
