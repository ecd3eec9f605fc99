//! Payloads as the vendor's clients read them: JSON with a numeric `type`. Servers never look inside.
//! What the clients have no key for travels under the canonical name, for clients of the app's own.

use std::io;

use interline_core::content::{
    Audio, Body, Content, Ext, File, Image, Location, Mentions, Object, Quoted, Raw, Video,
};
use interline_core::error::{Error, ErrorKind};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

const TEXT: u32 = 1;
const IMAGE: u32 = 2;
const VOICE: u32 = 4;
const VIDEO: u32 = 5;
const LOCATION: u32 = 6;
const FILE: u32 = 8;
const COMMAND: u32 = 99;
const SYSTEM_NOTICE: u32 = 1000;

/// What a payload of the app's own weighs beside its strings.
const AROUND_MEDIA: usize = 160;

/// The most that a text's payload has beside the text.
const AROUND_TEXT: usize = 32;

/// The most bytes that JSON needs for one.
const LONGEST_ESCAPE: usize = "\\u001f".len();

/// Writes a payload with members of the app's own over it. Raw payloads have none.
pub(crate) fn write_over(content: &Content, over: &Object, payload: &mut Vec<u8>) -> Result<(), Error> {
    let merged = serde_json::to_value(Payload(content)).and_then(|mut merged| {
        if let Value::Object(members) = &mut merged {
            members.extend(over.clone());
        }
        serde_json::to_writer(payload, &merged)
    });
    merged.map_err(|error| Error::new(ErrorKind::Encode, "cannot write the payload").because(error))
}

/// Writes a payload. The same content always gives the same bytes: v3 recognises repeats by them.
pub(crate) fn write(content: &Content, payload: &mut Vec<u8>) -> Result<(), Error> {
    render(content, payload)
        .map_err(|error| Error::new(ErrorKind::Encode, "cannot write the payload").because(error))
}

/// The payload's exact length in bytes.
pub(crate) fn length(content: &Content) -> usize {
    let mut counted = Counted(0);
    render(content, &mut counted).map_or(usize::MAX, |()| counted.0)
}

fn render(content: &Content, mut into: impl io::Write) -> serde_json::Result<()> {
    match &content.body {
        Body::Raw { payload: Raw::Bytes(bytes), .. } => into.write_all(bytes).map_err(serde_json::Error::io),
        Body::Raw { payload: Raw::Json(value), .. } => serde_json::to_writer(into, value),
        Body::Text(_)
        | Body::Markdown(_)
        | Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Notice(_)
        | Body::Quote { .. }
        | Body::Command { .. }
        | Body::Custom { .. } => serde_json::to_writer(into, &Payload(content)),
    }
}

/// Whether the payload surely has at most so many bytes, told without writing it.
pub(crate) fn surely_within(content: &Content, most: usize) -> bool {
    match content {
        Content {
            body: Body::Text(text) | Body::Markdown(text) | Body::Notice(text),
            ext: None,
            mentions: None,
            ..
        } => text.len().saturating_mul(LONGEST_ESCAPE).saturating_add(AROUND_TEXT) <= most,
        Content { .. } => false,
    }
}

/// The payload's length, roughly where exactness costs.
pub(crate) fn weight(content: &Content) -> usize {
    if content.ext.is_some() || content.mentions.is_some() {
        return length(content);
    }
    match &content.body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) => text.len() + 24,
        Body::Image(image) => image.url.len() + AROUND_MEDIA,
        Body::Audio(audio) => audio.url.len() + AROUND_MEDIA,
        Body::Video(video) => video.url.len() + AROUND_MEDIA,
        Body::File(file) => file.url.len() + file.name.len() + AROUND_MEDIA,
        Body::Location(_)
        | Body::Quote { .. }
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => length(content),
    }
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The number that a custom kind stands for, where it is one.
pub(crate) fn number_of(kind: &str) -> Option<u32> {
    kind.parse().ok().filter(|number: &u32| number.to_string() == kind)
}

/// Whether the app's own data already holds a key that Interline would write.
pub(crate) fn taken(body: &Body, key: &str) -> bool {
    matches!(body, Body::Custom { data: Value::Object(data), .. } if data.contains_key(key))
}

struct Payload<'c>(&'c Content);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = self.0;
        let mut map = serializer.serialize_map(None)?;
        body(&mut map, &content.body)?;
        if let Some(mentions) = content.mentions.as_ref().filter(|_| !taken(&content.body, "mention")) {
            map.serialize_entry("mention", &Mention(mentions))?;
        }
        match content.ext.as_ref().filter(|_| !taken(&content.body, "ext")) {
            Some(Ext::Text(text)) => map.serialize_entry("ext", text)?,
            Some(Ext::Object(object)) => map.serialize_entry("ext", object)?,
            None => {}
        }
        map.end()
    }
}

fn body<M: SerializeMap>(map: &mut M, body: &Body) -> Result<(), M::Error> {
    match body {
        // The vendor has no markdown: its source is shown.
        Body::Text(text) | Body::Markdown(text) => simple(map, TEXT, text),
        Body::Notice(text) => simple(map, SYSTEM_NOTICE, text),
        Body::Image(image) => self::image(map, image),
        Body::Audio(audio) => self::audio(map, audio),
        Body::Video(video) => self::video(map, video),
        Body::File(file) => self::file(map, file),
        Body::Location(location) => self::location(map, location),
        Body::Quote { text, message } => {
            simple(map, TEXT, text)?;
            map.serialize_entry("reply", &Reply(message))
        }
        Body::Command { name, data } => {
            map.serialize_entry("type", &COMMAND)?;
            map.serialize_entry("cmd", name)?;
            given(map, "param", data)
        }
        Body::Custom { data, kind } => custom(map, data, kind.as_deref()),
        Body::Raw { .. } => Ok(()),
    }
}

fn given<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    value: &Option<T>,
) -> Result<(), M::Error> {
    value.as_ref().map_or(Ok(()), |value| map.serialize_entry(key, value))
}

fn simple<M: SerializeMap>(map: &mut M, kind: u32, text: &str) -> Result<(), M::Error> {
    map.serialize_entry("type", &kind)?;
    map.serialize_entry("content", text)
}

/// Clients count whole seconds; the exact length goes along where it is none.
fn seconds<M: SerializeMap>(map: &mut M, key: &'static str, duration_ms: u64) -> Result<(), M::Error> {
    map.serialize_entry(key, &duration_ms.div_ceil(1000))?;
    if duration_ms.is_multiple_of(1000) { Ok(()) } else { map.serialize_entry("duration_ms", &duration_ms) }
}

fn image<M: SerializeMap>(map: &mut M, image: &Image) -> Result<(), M::Error> {
    map.serialize_entry("type", &IMAGE)?;
    map.serialize_entry("url", &image.url)?;
    given(map, "width", &image.width)?;
    given(map, "height", &image.height)?;
    given(map, "thumbnail_url", &image.thumbnail_url)?;
    given(map, "size", &image.size)?;
    given(map, "md5", &image.md5)?;
    given(map, "name", &image.name)?;
    given(map, "format", &image.format)
}

fn audio<M: SerializeMap>(map: &mut M, audio: &Audio) -> Result<(), M::Error> {
    map.serialize_entry("type", &VOICE)?;
    map.serialize_entry("url", &audio.url)?;
    seconds(map, "timeTrad", audio.duration_ms)?;
    given(map, "size", &audio.size)?;
    given(map, "md5", &audio.md5)?;
    given(map, "name", &audio.name)?;
    given(map, "format", &audio.format)
}

fn video<M: SerializeMap>(map: &mut M, video: &Video) -> Result<(), M::Error> {
    map.serialize_entry("type", &VIDEO)?;
    map.serialize_entry("url", &video.url)?;
    given(map, "cover", &video.thumbnail_url)?;
    given(map, "size", &video.size)?;
    given(map, "width", &video.width)?;
    given(map, "height", &video.height)?;
    if let Some(duration_ms) = video.duration_ms {
        seconds(map, "second", duration_ms)?;
    }
    given(map, "md5", &video.md5)?;
    given(map, "name", &video.name)?;
    given(map, "format", &video.format)
}

fn file<M: SerializeMap>(map: &mut M, file: &File) -> Result<(), M::Error> {
    map.serialize_entry("type", &FILE)?;
    map.serialize_entry("url", &file.url)?;
    map.serialize_entry("name", &file.name)?;
    given(map, "size", &file.size)?;
    given(map, "md5", &file.md5)?;
    given(map, "format", &file.format)?;
    given(map, "mime", &file.mime)
}

fn location<M: SerializeMap>(map: &mut M, location: &Location) -> Result<(), M::Error> {
    map.serialize_entry("type", &LOCATION)?;
    map.serialize_entry("lng", &location.longitude)?;
    map.serialize_entry("lat", &location.latitude)?;
    given(map, "title", &location.title)?;
    given(map, "address", &location.address)
}

/// Whether clients can see the kind of a custom content: as the number that `type` should be, or as the word
/// that the data has there by itself.
pub(crate) fn shows_kind(data: &Value, kind: &str) -> bool {
    number_of(kind).is_some() || data.get("type").is_some_and(|own| own == kind)
}

/// The app's own payload. A kind that is a number becomes the `type` that clients look at; data that
/// is no object stands under `data`, because a payload must be one.
fn custom<M: SerializeMap>(map: &mut M, data: &Value, kind: Option<&str>) -> Result<(), M::Error> {
    let number = kind.and_then(number_of);
    given(map, "type", &number)?;
    if let Some(kind) = kind.filter(|kind| !shows_kind(data, kind) && data.get("kind").is_none()) {
        map.serialize_entry("kind", kind)?;
    }
    let Value::Object(data) = data else { return map.serialize_entry("data", data) };
    members(map, data, |key| !(number.is_some() && key == "type"))
}

fn members<M: SerializeMap>(
    map: &mut M,
    object: &Object,
    keep: impl Fn(&str) -> bool,
) -> Result<(), M::Error> {
    object.iter().filter(|(key, _)| keep(key)).try_for_each(|(key, value)| map.serialize_entry(key, value))
}

struct Mention<'c>(&'c Mentions);

impl Serialize for Mention<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("all", &u8::from(self.0.all))?;
        if !self.0.users.is_empty() {
            map.serialize_entry("uids", &self.0.users)?;
        }
        map.end()
    }
}

struct Reply<'c>(&'c Quoted);

impl Serialize for Reply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let quoted = self.0;
        let mut map = serializer.serialize_map(None)?;
        given(&mut map, "message_id", &quoted.id)?;
        // Clients count sequences as numbers, and message ids as strings.
        match quoted.seq.as_deref().map(|seq| (seq, seq.parse::<u64>())) {
            Some((_, Ok(number))) => map.serialize_entry("message_seq", &number)?,
            Some((text, Err(_))) => map.serialize_entry("message_seq", text)?,
            None => {}
        }
        given(&mut map, "from_uid", &quoted.from)?;
        given(&mut map, "from_name", &quoted.from_name)?;
        if let Some(text) = &quoted.text {
            map.serialize_entry("payload", &Quotation(text))?;
        }
        given(&mut map, "client_msg_no", &quoted.client_id)?;
        given(&mut map, "time_ms", &quoted.time_ms)?;
        map.end()
    }
}

struct Quotation<'c>(&'c str);

impl Serialize for Quotation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        simple(&mut map, TEXT, self.0)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(body: Body) -> Value {
        let mut bytes = Vec::new();
        let content = Content::of(body);
        write(&content, &mut bytes).unwrap();
        assert_eq!(bytes.len(), length(&content));
        serde_json::from_slice(&bytes).unwrap()
    }

    fn custom_payload(data: Value, kind: Option<&str>) -> Value {
        payload(Body::Custom { data, kind: kind.map(str::to_owned) })
    }

    #[test]
    fn a_kind_that_is_a_number_becomes_the_type() {
        assert_eq!(custom_payload(json!({"n": 3}), Some("101")), json!({"type": 101, "n": 3}));
        assert_eq!(custom_payload(json!({"type": 7, "n": 3}), Some("7")), json!({"type": 7, "n": 3}));
        assert_eq!(custom_payload(json!({"type": 7}), None), json!({"type": 7}));
    }

    #[test]
    fn another_kind_is_carried_as_a_key() {
        assert_eq!(custom_payload(json!({"n": 3}), Some("gift")), json!({"kind": "gift", "n": 3}));
        assert_eq!(custom_payload(json!({"kind": "x"}), Some("gift")), json!({"kind": "x"}));
        assert_eq!(custom_payload(json!({"type": "gift"}), Some("gift")), json!({"type": "gift"}));
        assert_eq!(number_of("007"), None);
        assert_eq!(number_of("+7"), None);
    }

    #[test]
    fn members_of_the_apps_own_stand_over_the_payload() {
        let (over, mut bytes) = (json!({"type": 1001, "robot": true}), Vec::new());
        write_over(&Content::of(Body::Notice("hi".into())), over.as_object().unwrap(), &mut bytes).unwrap();
        let written: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(written, json!({"type": 1001, "content": "hi", "robot": true}));
    }

    #[test]
    fn data_that_is_no_object_is_wrapped_into_one() {
        assert_eq!(custom_payload(json!([1, 2]), Some("101")), json!({"type": 101, "data": [1, 2]}));
        assert_eq!(custom_payload(Value::Null, None), json!({"data": null}));
    }

    #[test]
    fn a_text_that_is_surely_within_a_length_is_within_it() {
        for body in
            [Body::Text("\u{1f}".repeat(9)), Body::Notice(String::new()), Body::Markdown("é\"\n".into())]
        {
            let content = Content::of(body);
            let length = length(&content);
            assert!((0..length).all(|most| !surely_within(&content, most)));
            assert!(surely_within(&content, 100));
        }
    }

    #[test]
    fn lengths_of_sound_and_film_are_whole_seconds() {
        let audio = Audio { url: "u".into(), duration_ms: 1_500, ..Audio::default() };
        assert_eq!(
            payload(Body::Audio(audio)),
            json!({"type": 4, "url": "u", "timeTrad": 2, "duration_ms": 1_500})
        );
        let video = Video { url: "u".into(), duration_ms: Some(3_000), ..Video::default() };
        assert_eq!(payload(Body::Video(video)), json!({"type": 5, "url": "u", "second": 3}));
    }
}
