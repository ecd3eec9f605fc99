//! What a content becomes at this vendor: its content type, its `content` object and what is lost.
//! Shaping is pure and borrows: it runs once for the check and once for each call.

use std::borrow::Cow;

use interline_core::adapter::Loss;
use interline_core::content::{Audio, Body, Content, File, Image, Location, Object, Quoted, Raw, Video};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::read::{Path, Problems};
use interline_core::recipient::RecipientKind;
use serde::Serialize;
use serde_json::{Number, Value};

use crate::dialect::Dialect;
use crate::extensions::{AT, Extensions, Notification, VENDOR, refuse};
use crate::rules;
use crate::wire::{
    AtElem, CustomElem, FileElem, NotificationElem, Payload, PictureBase, PictureElem, QuoteElem,
    QuoteMessage, SoundElem, TextElem, VideoElem, WrappedText,
};

const TEXT: u32 = 101;
const PICTURE: u32 = 102;
const SOUND: u32 = 103;
const VIDEO: u32 = 104;
const FILE: u32 = 105;
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
    const fn of(content_type: u32, payload: Payload<'a>) -> Self {
        Self { content_type, payload, losses: Vec::new() }
    }

    fn losing(mut self, loss: Loss, lost: bool) -> Self {
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
    let shaped = match (&frame.extensions.notification, &content.body) {
        (Some(notification), _) => self::notification(notification, content)?,
        (None, Body::Raw { vendor, payload }) => raw(vendor, payload, frame)?,
        (None, Body::Custom { data, kind }) => custom(data, kind.as_deref(), frame)?,
        (None, body) => typed(body, content, frame)?,
    };
    let given = frame.extensions.content_type.unwrap_or(shaped.content_type);
    if given != shaped.content_type {
        let detail = format!(
            "this content is sent as {}; for {given} give its own members as `custom` data or as `raw`",
            shaped.content_type
        );
        return Err(Refusal::new(ErrorCode::InvalidMessage, format!("{AT}/contentType"), detail));
    }
    let mentioned =
        content.mentions.as_ref().is_some_and(|mentions| mentions.all || !mentions.users.is_empty());
    let reaches = shaped.content_type == AT_TEXT && frame.dialect == Dialect::Main;
    Ok(shaped.losing("mentions", mentioned && !reaches))
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
        Body::Image(image) => picture(image).unwrap_or_else(|| link(&image.url, frame)),
        Body::Audio(audio) => sound(audio),
        Body::Video(video) => film(video).unwrap_or_else(|| link(&video.url, frame)),
        Body::File(file) => attachment(file)
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
    if frame.to != RecipientKind::Group || !(mentions.all || !mentions.users.is_empty()) {
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

/// The server wants three variants, each with type, width, height and address. One picture fills them:
/// the thumbnail stands as the small variant, with the picture's own size for its proportions.
fn picture(image: &Image) -> Option<Shaped<'_>> {
    let base = PictureBase {
        kind: mime("image", image.format.as_deref(), [image.name.as_deref(), Some(&image.url)]),
        size: image.size.unwrap_or_default(),
        width: pixels(image.width)?,
        height: pixels(image.height)?,
        url: &image.url,
    };
    let small = image.thumbnail_url.as_deref().filter(|url| !url.is_empty());
    let snapshot = match small {
        Some(url) => PictureBase {
            kind: mime("image", None, [Some(url), Some(&image.url)]),
            size: 0,
            url,
            ..base.clone()
        },
        None => base.clone(),
    };
    let element = PictureElem { source_picture: base.clone(), big_picture: base, snapshot_picture: snapshot };
    let shaped = Shaped::of(PICTURE, Payload::Picture(Box::new(element)));
    Some(shaped.losing("content.md5", image.md5.is_some()).losing("content.name", image.name.is_some()))
}

/// Durations are whole seconds, at least one: they are rounded up.
const fn seconds(milliseconds: u64) -> u64 {
    let whole = milliseconds.div_ceil(1_000);
    if whole == 0 { 1 } else { whole }
}

fn sound(audio: &Audio) -> Shaped<'_> {
    let element = SoundElem {
        source_url: &audio.url,
        duration: seconds(audio.duration_ms),
        data_size: audio.size.unwrap_or_default(),
        sound_type: audio.format.as_deref(),
    };
    Shaped::of(SOUND, Payload::Sound(element))
        .losing("content.md5", audio.md5.is_some())
        .losing("content.name", audio.name.is_some())
}

fn film(video: &Video) -> Option<Shaped<'_>> {
    let element = VideoElem {
        video_url: &video.url,
        video_type: mime("video", video.format.as_deref(), [video.name.as_deref(), Some(&video.url)]),
        video_size: video.size.filter(|size| *size > 0)?,
        duration: seconds(video.duration_ms?),
        snapshot_url: video.thumbnail_url.as_deref().filter(|url| !url.is_empty())?,
        snapshot_width: pixels(video.width)?,
        snapshot_height: pixels(video.height)?,
    };
    let shaped = Shaped::of(VIDEO, Payload::Video(Box::new(element)));
    Some(shaped.losing("content.md5", video.md5.is_some()).losing("content.name", video.name.is_some()))
}

fn attachment(file: &File) -> Option<Shaped<'_>> {
    let element = FileElem {
        source_url: &file.url,
        file_name: &file.name,
        file_size: file.size.filter(|size| *size > 0)?,
        file_type: file.mime.as_deref().or(file.format.as_deref()),
    };
    let shaped = Shaped::of(FILE, Payload::File(element)).losing("content.md5", file.md5.is_some());
    Some(shaped.losing("content.format", file.mime.is_some() && file.format.is_some()))
}

fn pixels(size: Option<u32>) -> Option<u32> {
    size.filter(|size| *size > 0 && i32::try_from(*size).is_ok())
}

/// The media type: as given, else from a name's ending, else any of its family.
fn mime<'a>(family: &str, given: Option<&'a str>, names: [Option<&'a str>; 2]) -> Cow<'a, str> {
    let given = given.filter(|given| !given.is_empty());
    if let Some(whole) = given.filter(|given| given.contains('/')) {
        return Cow::Borrowed(whole);
    }
    let ending = given.or_else(|| names.into_iter().flatten().find_map(ending));
    let ending = ending.map(str::to_ascii_lowercase);
    Cow::Owned(match ending.as_deref() {
        Some("jpg") => format!("{family}/jpeg"),
        Some(ending) => format!("{family}/{ending}"),
        None => format!("{family}/*"),
    })
}

fn ending(name: &str) -> Option<&str> {
    let path = name.split(['?', '#']).next()?;
    let path =
        path.split_once("://").map_or(Some(path), |(_, rest)| rest.split_once('/').map(|(_, path)| path))?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    let plain = (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then_some(ending)
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
    if let Some(content_type) = frame.extensions.content_type.filter(|given| *given != CUSTOM) {
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
