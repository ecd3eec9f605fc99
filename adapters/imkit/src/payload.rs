//! Bodies of the vendor's own: a `raw` content, and `extensions.imkit.body`, which says what this vendor gets
//! in the content's place while every other one gets the content. Both are passed on as they are, but for
//! members that would mean something else.

use std::borrow::Cow;

use interline_core::content::{Body, Content, Object, Raw};
use interline_core::error::{ErrorCode, FieldError, Refusal};
use serde_json::Value;

use crate::content::Words;
use crate::extensions::{self, Extensions};

/// Members that the adapter writes itself, or that would mean something else: an `_id` in a message asks
/// the vendor to overwrite that message.
const RESERVED: [&str; 7] = ["sender", "push", "skipTotalBadge", "paras", "room", "receiver", "_id"];

/// The words of a `raw` content.
pub(crate) fn of_content(payload: &Raw) -> Result<Words<'_>, Refusal> {
    let refusal = |path: &str, detail: &str| Err(Refusal::new(ErrorCode::InvalidMessage, path, detail));
    match payload {
        Raw::Json(Value::Object(body)) => words(body, "/content/body"),
        Raw::Json(_) => refusal("/content/body", "expected an object"),
        Raw::Bytes(_) => refusal("/content/body_base64", "the payload is JSON: give it in body"),
    }
}

/// The words that stand in the content's place.
pub(crate) fn of_extension(body: &Object) -> Result<Words<'_>, Refusal> {
    words(body, "/extensions/imkit/body")
}

fn words<'m>(body: &'m Object, at: &str) -> Result<Words<'m>, Refusal> {
    let refusal =
        |key: &str, detail: String| Refusal::new(ErrorCode::InvalidMessage, format!("{at}/{key}"), detail);
    let text = |key: &str| {
        body.get(key).and_then(Value::as_str).ok_or_else(|| refusal(key, "required, as a string".to_owned()))
    };
    let (text, kind) = (text("message")?, text("messageType")?);
    if kind.is_empty() {
        return Err(refusal("messageType", "must not be empty".to_owned()));
    }
    if extensions::is_system_type(kind) {
        return Err(refusal("messageType", extensions::system_type_detail(kind)));
    }
    let mut own = body.clone();
    own.retain(|key, _| key != "message" && key != "messageType");
    if let Some(key) = RESERVED.into_iter().find(|key| own.contains_key(*key)) {
        let detail = format!("is not the payload's to say; so are {}", RESERVED.join(", "));
        return Err(refusal(key, detail));
    }
    Ok(Words { text: Cow::Borrowed(text), templated: false, kind, kind_given: true, own })
}

/// A body of the vendor's own and what stands beside it must not say the same thing twice.
pub(crate) fn refuse_repeats(
    content: &Content,
    extensions: Extensions<'_>,
    own: &Object,
) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    let mut repeated = |path: &str| errors.push(FieldError::new(path, "stands in the raw body too"));
    let raw = matches!(content.body, Body::Raw { .. });
    if (raw || extensions.body.is_some()) && extensions.message_type.is_some() {
        repeated("/extensions/imkit/messageType");
    }
    if own.contains_key("extra") && extensions.extra.is_some() {
        repeated("/extensions/imkit/extra");
    }
    // Beside an extension the content's is for other vendors.
    if own.contains_key("extra") && content.ext.is_some() && extensions.body.is_none() {
        repeated("/content/ext");
    }
    if own.contains_key("mentions") && content.mentions.is_some() {
        repeated("/content/mentions");
    }
    if errors.is_empty() { Ok(()) } else { Err(Refusal { code: ErrorCode::InvalidMessage, errors }) }
}
