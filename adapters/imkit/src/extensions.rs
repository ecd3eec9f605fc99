//! `extensions.imkit`, typed: what only this vendor knows of a message. Anything else in there is an
//! error that names what is allowed.

use interline_core::content::Object;
use interline_core::error::FieldError;
use interline_core::message::Message;
use serde_json::Value;

/// The keys that may stand in `extensions.imkit`.
pub(crate) const KEYS: [&str; 4] = ["messageType", "skipTotalBadge", "extra", "body"];

/// The vendor's name, as extensions and `raw` contents write it.
pub(crate) const VENDOR: &str = "imkit";

/// Message types by which the vendor's own servers and clients talk to each other: a client obeys
/// them, so they are never sent for an app.
const SYSTEM_TYPES: [&str; 12] = [
    "recall",
    "joinRoom",
    "leaveRoom",
    "addMember",
    "addMembers",
    "deleteMember",
    "deleteMembers",
    "typing",
    "ai_streaming",
    "encrypted",
    "line",
    "payment",
];

/// What a message says for this vendor alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extensions<'m> {
    /// The type that clients choose a view by.
    pub(crate) message_type: Option<&'m str>,
    /// Whether the sender's total of unread messages is left alone.
    pub(crate) skip_total_badge: bool,
    /// The app's own addition, exactly as it is to stand in the body.
    pub(crate) extra: Option<Verbatim<'m>>,
    /// What this vendor gets in the content's place.
    pub(crate) body: Option<&'m Object>,
}

/// An `extra` that is passed through as it is, dollars included.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verbatim<'m> {
    /// A string.
    Text(&'m str),
    /// An object.
    Object(&'m Object),
}

impl<'m> Verbatim<'m> {
    /// A string or an object.
    pub(crate) fn of(value: &'m Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Object(object) => Some(Self::Object(object)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }
}

impl<'m> Extensions<'m> {
    /// Reads the extensions and notes what is wrong with them.
    pub(crate) fn read(message: &'m Message, errors: &mut Vec<FieldError>) -> Self {
        let Some(map) = message.extension(VENDOR) else { return Self::default() };
        let mut wrong = |key: &str, detail: String| errors.push(FieldError::new(path(key), detail));
        let mut read = Self::default();
        for (key, value) in map {
            match key.as_str() {
                _ if value.is_null() => {}
                "messageType" => match value.as_str() {
                    Some("") => wrong(key, "must not be empty".to_owned()),
                    Some(kind) if is_system_type(kind) => wrong(key, system_type_detail(kind)),
                    Some(kind) => read.message_type = Some(kind),
                    None => wrong(key, "expected a string".to_owned()),
                },
                "skipTotalBadge" => match value.as_bool() {
                    Some(skip) => read.skip_total_badge = skip,
                    None => wrong(key, "expected true or false".to_owned()),
                },
                "extra" => {
                    read.extra = Verbatim::of(value);
                    if read.extra.is_none() {
                        wrong(key, "expected a string or an object".to_owned());
                    }
                }
                "body" => match value {
                    Value::Object(body) => read.body = Some(body),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                        wrong(key, "expected an object".to_owned());
                    }
                },
                _ => wrong(key, format!("unknown field; allowed: {}", KEYS.join(", "))),
            }
        }
        read
    }
}

fn path(key: &str) -> String {
    format!("/extensions/{VENDOR}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Whether the type is one of the vendor's own signals.
pub(crate) fn is_system_type(kind: &str) -> bool {
    let payment = kind.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("payment"));
    payment || SYSTEM_TYPES.iter().any(|system| system.eq_ignore_ascii_case(kind))
}

/// Why such a type is refused.
pub(crate) fn system_type_detail(kind: &str) -> String {
    format!(
        "{kind:?} is a signal of the vendor's own; any type is allowed but {} and those starting with payment",
        SYSTEM_TYPES.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_types_are_known_in_any_spelling() {
        for kind in ["recall", "Recall", "JOINROOM", "payment", "paymentResult", "ai_streaming"] {
            assert!(is_system_type(kind), "{kind}");
        }
        for kind in ["text", "announcement", "sticker", "pay", "gift", "支付支付支付"] {
            assert!(!is_system_type(kind), "{kind}");
        }
    }
}
