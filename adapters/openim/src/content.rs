//! What a content becomes at this vendor: its content type, its `content` object and what is lost.
//! Shaping is pure and borrows: it runs once for the check and once for each call.

use std::borrow::Cow;

use interline_core::adapter::Loss;
use interline_core::content::{Body, Content, Location, Object, Quoted, Raw};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::read::{Path, Problems};
use interline_core::recipient::RecipientKind;
use serde::Serialize;
use serde_json::{Number, Value};

use crate::dialect::Dialect;
use crate::extensions::{AT, Extensions, Notification, VENDOR, refuse};
use crate::media;
use crate::rules;
use crate::wire::{
    AtElem, CustomElem, NotificationElem, Payload, QuoteElem, QuoteMessage, TextElem, WrappedText,
};

const TEXT: u32 = 101;
const AT_TEXT: u32 = 106;
const CUSTOM: u32 = 110;
const QUOTE: u32 = 114;
const MARKDOWN: u32 = 118;
/// An official-account notification.
pub(crate) const NOTIFICATION: u32 = 1400;

/// Mentions everybody.
const AT_ALL: &str = "AtAllTag";

/// A content in the vendor's form.
#[derive(Debug)]
pub(crate) struct Shaped<'a> {
    /// `contentType`.
    pub(crate) content_type: u32,
    /// `content`.
    pub(crate) payload: Payload<'a>,
    /// What of the content is lost.
    pub(crate) losses: Vec<Loss>,
}

impl<'a> Shaped<'a> {
    /// A content of that type, nothing lost.
    pub(crate) const fn of(content_type: u32, payload: Payload<'a>) -> Self {
        Self { content_type, payload, losses: Vec::new() }
    }

    /// Adds a loss where something is lost.
    pub(crate) fn losing(mut self, loss: Loss, lost: bool) -> Self {
        if lost {
            self.losses.push(loss);
        }
        self
    }
}

/// What shaping looks at beside the content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The server's form.
    pub(crate) dialect: Dialect,
    /// Whom the message is for.
    pub(crate) to: RecipientKind,
    /// The message's own extensions.
    pub(crate) extensions: &'a Extensions,
}

/// Shapes a content; `command` is no chat message and is not shaped here.
///
/// # Errors
/// When the server would refuse it.
pub(crate) fn shape<'a>(content: &'a Content, frame: Frame<'a>) -> Result<Shaped<'a>, Refusal> {
    if content.readable() == Some("") {
        let detail = "is empty once its values are put in; the server takes no empty text";
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/text", detail));
    }
    let shaped = match frame.extensions.own_form(frame.dialect) {
        Some((content_type, own)) => {
            given(content_type, own, (format!("{AT}/contentType"), &format!("{AT}/content")), frame)?
        }
        None => canonical(content, frame)?,
    };
    let mentioned =
        content.mentions.as_ref().is_some_and(|mentions| mentions.all || !mentions.users.is_empty());
    let reaches = shaped.content_type == AT_TEXT && frame.dialect == Dialect::Main;
    Ok(shaped.losing("mentions", mentioned && !reaches))
}

/// What the message's own content becomes.
fn canonical<'a>(content: &'a Content, frame: Frame<'a>) -> Result<Shaped<'a>, Refusal> {
    let shaped = match (&frame.extensions.notification, &content.body) {
        (Some(notification), _) => self::notification(notification, content)?,
        (None, Body::Raw { vendor, payload }) => raw(vendor, payload, frame)?,
        (None, Body::Custom { data, kind }) => custom(data, kind.as_deref(), frame)?,
        (None, body) => typed(body, content, frame)?,
    };
    let given = frame.extensions.own_type().unwrap_or(shaped.content_type);
    if given != shaped.content_type {
        let detail = format!(
            "this content is sent as {}; for {given} give its own members as `custom` data or as `raw`",
            shaped.content_type
        );
        return Err(Refusal::new(ErrorCode::InvalidMessage, format!("{AT}/contentType"), detail));
    }
    Ok(shaped)
}

fn typed<'a>(body: &'a Body, content: &'a Content, frame: Frame<'a>) -> Result<Shaped<'a>, Refusal> {
    Ok(match body {
        Body::Text(words) => match mentions(content, frame)? {
            Some(users) => at(words, users, None),
            None => text(words, frame),
        },
        Body::Markdown(words) if frame.dialect == Dialect::Main => {
            Shaped::of(MARKDOWN, Payload::Text(TextElem { content: Cow::Borrowed(words) }))
        }
        Body::Markdown(words) | Body::Notice(words) => text(words, frame).losing("content.type", true),
        Body::Quote { text: words, message } => quote(words, message, mentions(content, frame)?, frame),
        Body::Image(image) => media::picture(image).unwrap_or_else(|| link(&image.url, frame)),
        Body::Audio(audio) => media::sound(audio),
        Body::Video(video) => media::film(video).unwrap_or_else(|| link(&video.url, frame)),
        Body::File(file) => media::attachment(file)
            .unwrap_or_else(|| link_text(Cow::Owned(format!("{} {}", file.name, file.url)), frame)),
        Body::Location(location) => place(location),
        Body::Command { .. } | Body::Custom { .. } | Body::Raw { .. } => {
            return Err(Refusal::new(ErrorCode::Unsupported, "/content/type", "is no chat message"));
        }
    })
}

fn text<'a>(words: &'a str, frame: Frame<'_>) -> Shaped<'a> {
    text_of(Cow::Borrowed(words), frame)
}

fn text_of<'a>(words: Cow<'a, str>, frame: Frame<'_>) -> Shaped<'a> {
    let element = TextElem { content: words };
    match frame.dialect {
        Dialect::Published => Shaped::of(TEXT, Payload::Wrapped(WrappedText { text: element })),
        Dialect::V383 | Dialect::Main => Shaped::of(TEXT, Payload::Text(element)),
    }
}

/// A medium that lacks what the server demands of it: people get its address.
fn link<'a>(url: &'a str, frame: Frame<'_>) -> Shaped<'a> {
    link_text(Cow::Borrowed(url), frame)
}

fn link_text<'a>(words: Cow<'a, str>, frame: Frame<'_>) -> Shaped<'a> {
    text_of(words, frame).losing("content.type", true)
}

/// The users for `atUserList`, where the message goes to a group: elsewhere a mention means nothing.
fn mentions<'a>(content: &'a Content, frame: Frame<'_>) -> Result<Option<Vec<&'a str>>, Refusal> {
    let Some(mentions) = &content.mentions else { return Ok(None) };
    if frame.to != RecipientKind::Group || (!mentions.all && mentions.users.is_empty()) {
        return Ok(None);
    }
    let all = mentions.all.then_some(AT_ALL);
    let users: Vec<_> = mentions.users.iter().map(String::as_str).chain(all).collect();
    if users.len() > rules::MAX_MENTIONS {
        let detail = format!("{} mentions; allowed are {}", users.len(), rules::MAX_MENTIONS);
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/mentions/users", detail));
    }
    Ok(Some(users))
}

fn at<'a>(words: &'a str, users: Vec<&'a str>, quoted: Option<QuoteMessage<'a>>) -> Shaped<'a> {
    let element =
        AtElem { text: Cow::Borrowed(words), at_user_list: users, is_at_self: false, quote_message: quoted };
    Shaped::of(AT_TEXT, Payload::At(Box::new(element)))
}

fn quote<'a>(
    words: &'a str,
    message: &'a Quoted,
    users: Option<Vec<&'a str>>,
    frame: Frame<'_>,
) -> Shaped<'a> {
    let seq = message.seq.as_deref().map(|seq| seq.parse::<i64>().ok());
    let quoted = QuoteMessage {
        client_msg_id: message.client_id.as_deref(),
        server_msg_id: message.id.as_deref(),
        send_id: message.from.as_deref(),
        sender_nickname: message.from_name.as_deref(),
        send_time: message.time_ms,
        seq: seq.flatten(),
        content_type: TEXT,
        text_elem: message
            .text
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(|text| TextElem { content: Cow::Borrowed(text) }),
    };
    let seq_lost = seq == Some(None);
    match (users, frame.dialect) {
        (Some(users), _) => at(words, users, Some(quoted)).losing("content.message.seq", seq_lost),
        (None, Dialect::Main) => {
            let element = QuoteElem { text: words, quote_message: quoted };
            Shaped::of(QUOTE, Payload::Quote(Box::new(element))).losing("content.message.seq", seq_lost)
        }
        (None, Dialect::Published | Dialect::V383) => text(words, frame).losing("content.type", true),
    }
}

/// A place as custom data: the type for places (109) is not taken over HTTP. The README has the form.
fn place(location: &Location) -> Shaped<'_> {
    #[derive(Serialize)]
    struct Place<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        latitude: &'a Number,
        longitude: &'a Number,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<&'a str>,
    }
    let place = Place {
        kind: "location",
        latitude: &location.latitude,
        longitude: &location.longitude,
        title: location.title.as_deref(),
        address: location.address.as_deref(),
    };
    let element = CustomElem {
        data: Cow::Owned(serde_json::to_string(&place).unwrap_or_default()),
        description: location.title.as_deref().or(location.address.as_deref()).unwrap_or_default(),
        extension: "",
    };
    Shaped::of(CUSTOM, Payload::Custom(element)).losing("content.type", true)
}

/// The server wants `data` as a string. With another content type, the data is that type's content.
fn custom<'a>(data: &'a Value, kind: Option<&'a str>, frame: Frame<'a>) -> Result<Shaped<'a>, Refusal> {
    if let Some(content_type) = frame.extensions.own_type().filter(|given| *given != CUSTOM) {
        let Value::Object(object) = data else {
            let detail = format!("expected the content of type {content_type}, an object");
            return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/data", detail));
        };
        let shaped = given(content_type, object, (format!("{AT}/contentType"), "/content/data"), frame)?;
        return Ok(shaped.losing("content.kind", kind.is_some()));
    }
    let text = text_of_json(data);
    if text.is_empty() {
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/data", "must not be empty"));
    }
    let element = CustomElem { data: text, description: kind.unwrap_or_default(), extension: "" };
    Ok(Shaped::of(CUSTOM, Payload::Custom(element)))
}

/// A string as it is, anything else as JSON.
pub(crate) fn text_of_json(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
        }
    }
}

fn raw<'a>(vendor: &str, payload: &'a Raw, frame: Frame<'_>) -> Result<Shaped<'a>, Refusal> {
    if vendor != VENDOR {
        let detail = format!("{vendor:?} is another vendor's payload; this one takes {VENDOR:?}");
        return Err(Refusal::new(ErrorCode::Unsupported, "/content/vendor", detail));
    }
    let Raw::Json(Value::Object(body)) = payload else {
        let detail = "expected an object with contentType and content";
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/body", detail));
    };
    let mut problems = Problems::default();
    let at = Path::Root("/content/body");
    for key in body.keys().filter(|key| !["contentType", "content"].contains(&key.as_str())) {
        problems.add(&Path::Key(&at, key), "unknown field; allowed: contentType, content");
    }
    let content_type = body.get("contentType").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    if !content_type.is_some_and(|n| (1..=9_999).contains(&n)) {
        problems.add(&Path::Key(&at, "contentType"), "expected a whole number from 1 to 9999");
    }
    let content = body.get("content").and_then(Value::as_object);
    if content.is_none() {
        problems.add(&Path::Key(&at, "content"), "expected an object");
    }
    refuse(problems, ErrorCode::InvalidMessage)?;
    let (Some(content_type), Some(content)) = (content_type, content) else {
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/body", "cannot be read"));
    };
    let at = ("/content/body/contentType".to_owned(), "/content/body/content");
    given(content_type, content, at, frame)
}

/// A content that the caller wrote in the vendor's own form.
fn given<'a>(
    content_type: u32,
    content: &'a Object,
    (type_at, content_at): (String, &str),
    frame: Frame<'_>,
) -> Result<Shaped<'a>, Refusal> {
    let mut problems = Problems::default();
    let at = (&Path::Root(&type_at), &Path::Root(content_at));
    rules::check_content((content_type, content), frame.dialect, at, &mut problems);
    let unsupported = problems.errors().iter().any(|error| error.path == type_at);
    let code = if unsupported { ErrorCode::Unsupported } else { ErrorCode::InvalidMessage };
    refuse(problems, code)?;
    Ok(Shaped::of(content_type, Payload::Given(content)))
}

/// Content type 1400. Its text is its own or the content's; the content serves other vendors too.
fn notification<'a>(own: &'a Notification, content: &'a Content) -> Result<Shaped<'a>, Refusal> {
    let words = match &content.body {
        Body::Text(words) | Body::Markdown(words) | Body::Notice(words) => words,
        Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Quote { .. }
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => {
            let detail = "with extensions.openim.notification: expected text, markdown or notice";
            return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/type", detail));
        }
    };
    let text = own.text.as_deref().unwrap_or(words);
    let element = NotificationElem {
        notification_name: &own.name,
        notification_face_url: own.face_url.as_deref(),
        notification_type: own.kind,
        text: Cow::Borrowed(text),
        url: own.url.as_deref(),
        mix_type: own.mix_type,
        picture_elem: own.picture.as_ref(),
        sound_elem: own.sound.as_ref(),
        video_elem: own.video.as_ref(),
        file_elem: own.file.as_ref(),
        ex: own.ex.as_deref(),
    };
    Ok(Shaped::of(NOTIFICATION, Payload::Notification(Box::new(element))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_testkit::build;
    use serde_json::json;

    fn contents() -> Vec<Value> {
        vec![
            json!({"type": "text", "text": "hi"}),
            json!({"type": "text", "text": "hi", "mentions": {"all": true, "users": ["a"]}}),
            json!({"type": "markdown", "text": "*hi*"}),
            json!({"type": "notice", "text": "hi"}),
            json!({"type": "image", "url": "u"}),
            json!({"type": "image", "url": "u", "width": 1, "height": 1}),
            json!({"type": "image", "url": "u", "width": 4_294_967_295_u32, "height": 1, "thumbnail_url": ""}),
            json!({"type": "audio", "url": "u", "duration_ms": 0}),
            json!({"type": "audio", "url": "u", "duration_ms": 1, "size": 0, "format": "mp3"}),
            json!({"type": "video", "url": "u", "duration_ms": 1}),
            json!({"type": "video", "url": "u", "duration_ms": 0, "size": 1, "width": 1, "height": 1, "thumbnail_url": "t"}),
            json!({"type": "file", "url": "u", "name": "n", "size": 0}),
            json!({"type": "file", "url": "u", "name": "n", "size": 1}),
            json!({"type": "location", "latitude": 1, "longitude": 2.5}),
            json!({"type": "quote", "text": "re", "message": {}}),
            json!({"type": "quote", "text": "re", "message": {"text": "", "seq": "9"}, "mentions": {"users": ["a"]}}),
            json!({"type": "custom", "data": {"a": [1, null]}, "kind": "k"}),
            json!({"type": "custom", "data": 0}),
        ]
    }

    #[test]
    fn whatever_is_shaped_passes_the_servers_validators() {
        for dialect in [Dialect::V383, Dialect::Main, Dialect::Published] {
            for (to, own) in ["user:u", "group:g"]
                .into_iter()
                .flat_map(|to| contents().into_iter().map(move |own| (to, own)))
            {
                let message = build::message(&json!({"to": to, "content": own}));
                let extensions = Extensions::default();
                let frame = Frame { dialect, to: message.to.kind(), extensions: &extensions };
                let shaped = shape(&message.content, frame).unwrap();
                let written = serde_json::to_value(&shaped.payload).unwrap();
                let mut problems = Problems::default();
                let at = (&Path::Root("/type"), &Path::Root(""));
                let content = (shaped.content_type, written.as_object().unwrap());
                rules::check_content(content, dialect, at, &mut problems);
                assert!(problems.is_empty(), "{dialect:?} {own}: {:?} {written}", problems.errors());
            }
        }
    }
}
