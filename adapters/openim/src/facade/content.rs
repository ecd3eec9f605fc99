//! A `content` by its content type, as the canonical content that every vendor can be given: the other
//! direction of what the adapter writes. Types that Interline does not know become `custom`, with the type
//! as their kind.

use interline_core::content::Object;
use serde_json::{Map, Value, json};

use super::element::{Complaints, Element};

/// Mentions everybody.
const AT_ALL: &str = "AtAllTag";
/// Most users in `atUserList`.
const MOST_MENTIONS: usize = 1_000;
/// The content types that an extension may name.
const KNOWN: std::ops::RangeInclusive<i64> = 1..=9_999;
/// Content type of official accounts' notifications.
pub(super) const NOTIFICATION: i64 = 1_400;

/// Why a content is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// No such type.
    Unsupported,
    /// The decoder's or the validator's words.
    Invalid(String),
}

/// A content in canonical form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Canonical {
    /// `content` of the batch.
    pub(super) content: Object,
    /// `extensions.openim` of the batch.
    pub(super) own: Object,
    /// Whether it was written as the published page writes text, and no server takes it so.
    pub(super) as_published: bool,
}

impl Canonical {
    fn of(content: Value) -> Self {
        Self { content: object(content), own: Map::new(), as_published: false }
    }

    /// What is kept as it is, under its type.
    fn opaque(content_type: i64, given: &Object) -> Self {
        let content = json!({"type": "custom", "data": given, "kind": content_type.to_string()});
        Self { own: object(json!({"contentType": content_type})), ..Self::of(content) }
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.content.insert(key.to_owned(), value.into());
    }

    fn put_filled(&mut self, key: &str, text: String) {
        if !text.is_empty() {
            self.put(key, text);
        }
    }

    fn put_positive(&mut self, key: &str, number: i64) {
        if number > 0 {
            self.put(key, number);
        }
    }
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// Reads a content.
///
/// # Errors
/// Where the server would refuse it, in its words.
pub(super) fn read(content_type: i64, given: &Object) -> Result<Canonical, Unfit> {
    let mut complaints = Complaints::default();
    let canonical = match content_type {
        101 => text(given, &mut complaints),
        102 => picture(&Element::of("PictureElem", given), &mut complaints),
        103 => sound(&Element::of("SoundElem", given), &mut complaints),
        104 => film(&Element::of("VideoElem", given), &mut complaints),
        105 => file(&Element::of("FileElem", given), &mut complaints),
        106 => at(given, &mut complaints),
        109 => place(given),
        110 => custom(&Element::of("CustomElem", given), &mut complaints),
        114 => quote(given, &mut complaints),
        118 => {
            let words = Element::of("MarkdownTextElem", given).filled("content", &mut complaints);
            Canonical::of(json!({"type": "markdown", "text": words}))
        }
        NOTIFICATION => notification(&Element::of("OANotificationElem", given), &mut complaints),
        other if KNOWN.contains(&other) => Canonical::opaque(other, given),
        _ => return Err(Unfit::Unsupported),
    };
    complaints.verdict().map(|()| canonical)
}

/// Servers want `content`; the published page puts an element, written as JSON, into `text`.
fn text(given: &Object, complaints: &mut Complaints) -> Canonical {
    let element = Element::of("TextElem", given);
    let page = element.get("text").and_then(Value::as_str).filter(|_| element.get("content").is_none());
    let Some(written) = page else {
        return Canonical::of(json!({"type": "text", "text": element.filled("content", complaints)}));
    };
    let inner: Option<Object> = serde_json::from_str(written).ok();
    let words = match &inner {
        Some(inner) => Element::of("TextElem", inner).filled("content", complaints),
        None => element.filled("text", complaints),
    };
    Canonical { as_published: true, ..Canonical::of(json!({"type": "text", "text": words})) }
}

/// The ending that a media type stands for; other words are kept.
fn format(family: &str, kind: &str) -> String {
    match kind.strip_prefix(family).and_then(|rest| rest.strip_prefix('/')) {
        Some("*") => String::new(),
        Some("jpeg") => "jpg".to_owned(),
        Some(ending) => ending.to_owned(),
        None => kind.to_owned(),
    }
}

fn picture(element: &Element<'_>, complaints: &mut Complaints) -> Canonical {
    let [source, _, small] = ["sourcePicture", "bigPicture", "snapshotPicture"].map(|name| {
        let picture = element.inner(name, complaints);
        let kind = picture.filled("type", complaints);
        let size = picture.whole("size", complaints);
        let sides = [picture.pixels("width", complaints), picture.pixels("height", complaints)];
        (kind, size, sides, picture.filled("url", complaints))
    });
    let (kind, size, [width, height], url) = source;
    let mut image = Canonical::of(json!({"type": "image", "url": url, "width": width, "height": height}));
    image.put_positive("size", size);
    image.put_filled("format", format("image", &kind));
    if small.3 != url {
        image.put("thumbnail_url", small.3);
    }
    image
}

/// Durations are whole seconds.
const fn milliseconds(seconds: i64) -> i64 {
    seconds.saturating_mul(1_000)
}

fn sound(element: &Element<'_>, complaints: &mut Complaints) -> Canonical {
    let url = element.filled("sourceUrl", complaints);
    let duration = milliseconds(element.counted("duration", complaints));
    let mut audio = Canonical::of(json!({"type": "audio", "url": url, "duration_ms": duration}));
    audio.put_positive("size", element.whole("dataSize", complaints));
    audio.put_filled("format", element.text("soundType", complaints));
    audio
}

fn film(element: &Element<'_>, complaints: &mut Complaints) -> Canonical {
    let url = element.filled("videoUrl", complaints);
    let kind = element.filled("videoType", complaints);
    let size = element.counted("videoSize", complaints);
    let duration = milliseconds(element.counted("duration", complaints));
    let thumbnail = element.filled("snapshotUrl", complaints);
    let width = element.pixels("snapshotWidth", complaints);
    let height = element.pixels("snapshotHeight", complaints);
    let mut video = Canonical::of(json!({
        "type": "video", "url": url, "thumbnail_url": thumbnail, "duration_ms": duration,
        "size": size, "width": width, "height": height,
    }));
    video.put_filled("format", format("video", &kind));
    video
}

fn file(element: &Element<'_>, complaints: &mut Complaints) -> Canonical {
    let url = element.filled("sourceUrl", complaints);
    let name = element.filled("fileName", complaints);
    let size = element.counted("fileSize", complaints);
    let kind = element.text("fileType", complaints);
    let mut file = Canonical::of(json!({"type": "file", "url": url, "name": name, "size": size}));
    file.put_filled(if kind.contains('/') { "mime" } else { "format" }, kind);
    file
}

fn at(given: &Object, complaints: &mut Complaints) -> Canonical {
    let element = Element::of("AtElem", given);
    let words = element.text("text", complaints);
    let users = element.texts("atUserList", complaints);
    if users.is_none() {
        element.fails("atUserList", "required", complaints);
    }
    let mut users = users.unwrap_or_default();
    if users.len() > MOST_MENTIONS {
        element.fails("atUserList", "max", complaints);
    }
    let quoted = element.maybe("quoteMessage", complaints).map(|quoted| self::quoted(&quoted, complaints));
    if words.is_empty() {
        return Canonical::opaque(106, given);
    }
    let all = users.iter().any(|user| user == AT_ALL);
    users.retain(|user| user != AT_ALL);
    let mut text = match quoted {
        Some(message) => Canonical::of(json!({"type": "quote", "text": words, "message": message})),
        None => Canonical::of(json!({"type": "text", "text": words})),
    };
    if all || !users.is_empty() {
        text.put("mentions", json!({"all": all, "users": users}));
    }
    text
}

fn quote(given: &Object, complaints: &mut Complaints) -> Canonical {
    let element = Element::of("QuoteElem", given);
    let words = element.text("text", complaints);
    let quoted = element.maybe("quoteMessage", complaints).map(|quoted| self::quoted(&quoted, complaints));
    match quoted {
        Some(message) if !words.is_empty() => {
            Canonical::of(json!({"type": "quote", "text": words, "message": message}))
        }
        Some(_) | None => Canonical::opaque(114, given),
    }
}

/// What is known of the message that is quoted; its text, where it had one.
fn quoted(element: &Element<'_>, complaints: &mut Complaints) -> Object {
    let mut message = Map::new();
    let names = [
        ("id", "serverMsgID"),
        ("client_id", "clientMsgID"),
        ("from", "sendID"),
        ("from_name", "senderNickname"),
    ];
    for (key, name) in names {
        let text = element.text(name, complaints);
        if !text.is_empty() {
            message.insert(key.to_owned(), text.into());
        }
    }
    let seq = element.whole("seq", complaints);
    if element.get("seq").is_some() {
        message.insert("seq".to_owned(), seq.to_string().into());
    }
    let time = element.whole("sendTime", complaints);
    if time >= 0 && element.get("sendTime").is_some() {
        message.insert("time_ms".to_owned(), time.into());
    }
    for (name, member) in [("textElem", "content"), ("atTextElem", "text"), ("quoteElem", "text")] {
        let text = element.maybe(name, complaints).map(|inner| inner.text(member, complaints));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            message.entry("text").or_insert_with(|| text.into());
        }
    }
    message
}

/// No server takes places over HTTP, though its pages list them: `description`, `latitude`, `longitude`.
fn place(given: &Object) -> Canonical {
    let element = Element::of("LocationElem", given);
    let degrees = |name: &str, limit: f64| {
        element.get(name).filter(|value| value.as_f64().is_some_and(|degrees| degrees.abs() <= limit))
    };
    let (Some(latitude), Some(longitude)) = (degrees("latitude", 90.0), degrees("longitude", 180.0)) else {
        return Canonical::opaque(109, given);
    };
    let mut place = Canonical::of(json!({"type": "location", "latitude": latitude, "longitude": longitude}));
    let title = element.get("description").and_then(Value::as_str).unwrap_or_default();
    place.put_filled("title", title.to_owned());
    place
}

/// Data is a string; one that is the JSON of an object or an array is given as that.
fn custom(element: &Element<'_>, complaints: &mut Complaints) -> Canonical {
    let data = element.filled("data", complaints);
    let kind = element.text("description", complaints);
    element.text("extension", complaints);
    let mut custom = Canonical::of(json!({"type": "custom", "data": structured(data)}));
    custom.put_filled("kind", kind);
    custom
}

/// What the JSON of an object or an array says, else the text itself.
pub(super) fn structured(text: String) -> Value {
    let first = text.trim_ascii_start().bytes().next();
    let inner = matches!(first, Some(b'{' | b'[')).then(|| serde_json::from_str(&text).ok());
    inner.flatten().unwrap_or(Value::String(text))
}

/// Its text is what other vendors deliver; the rest is this vendor's own.
fn notification(element: &Element<'_>, complaints: &mut Complaints) -> Canonical {
    let name = element.filled("notificationName", complaints);
    let kind = element.whole("notificationType", complaints);
    if kind == 0 {
        element.fails("notificationType", "required", complaints);
    }
    let words = element.filled("text", complaints);
    let mix_type = element.whole("mixType", complaints);
    if !(0..=5).contains(&mix_type) {
        element.fails("mixType", "max", complaints);
    }
    let mut own = object(json!({"notificationName": name, "notificationType": kind}));
    for key in ["notificationFaceURL", "url", "ex"] {
        let text = element.text(key, complaints);
        if !text.is_empty() {
            own.insert(key.to_owned(), text.into());
        }
    }
    if element.get("mixType").is_some() {
        own.insert("mixType".to_owned(), mix_type.into());
    }
    for key in ["pictureElem", "soundElem", "videoElem", "fileElem"] {
        if let Some(members) = element.maybe(key, complaints).and_then(|inner| inner.members().cloned()) {
            own.insert(key.to_owned(), members.into());
        }
    }
    let content = json!({"type": "text", "text": words});
    Canonical { own: object(json!({"notification": own})), ..Canonical::of(content) }
}
