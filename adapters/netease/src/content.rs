//! Contents in the vendor's shapes. Rooms take text and tips bare, everything else wraps them in
//! `{"msg":…}`; the other types are the same JSON text in both places.

use std::borrow::Cow;

use interline_core::adapter::Loss;
use interline_core::content::{Body, Content, Ext, Location, Raw};
use interline_core::error::{ErrorCode, Refusal};
use serde::Serialize;

use crate::VENDOR_NAME;
use crate::route::Route;
use crate::wire::{Command, Media, Place, Text};

const TEXT: u8 = 0;
const IMAGE: u8 = 1;
const AUDIO: u8 = 2;
const VIDEO: u8 = 3;
const LOCATION: u8 = 4;
const FILE: u8 = 6;
const TIP: u8 = 10;
const CUSTOM: u8 = 100;

/// A content as the vendor takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload<'m> {
    /// `msgType` or `type`.
    pub(crate) kind: u8,
    /// `attach` or `body`.
    pub(crate) text: Cow<'m, str>,
}

/// Turns a content into the vendor's shape. `chosen` is the extension `msgType`, which contents
/// without a type of their own take over.
pub(crate) fn payload<'m>(
    content: &'m Content,
    route: Route,
    chosen: Option<u8>,
) -> Result<Payload<'m>, Refusal> {
    let text = match &content.body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) | Body::Quote { text, .. } => {
            worded(text, route)
        }
        Body::Location(place) => Cow::Owned(location(place)),
        Body::Command { name, data } => json(&Command { name, data: data.as_ref() }),
        Body::Custom { data, .. } => json(data),
        Body::Raw { vendor, payload } => raw(vendor, payload, route)?,
        media @ (Body::Image(_) | Body::Audio(_) | Body::Video(_) | Body::File(_)) => json(&fields(media)),
    };
    Ok(Payload { kind: kind(content, route, chosen)?, text })
}

fn kind(content: &Content, route: Route, chosen: Option<u8>) -> Result<u8, Refusal> {
    let own = match &content.body {
        Body::Text(_) | Body::Markdown(_) | Body::Quote { .. } => TEXT,
        Body::Notice(_) => TIP,
        Body::Image(_) => IMAGE,
        Body::Audio(_) => AUDIO,
        Body::Video(_) => VIDEO,
        Body::File(_) => FILE,
        Body::Location(_) => LOCATION,
        Body::Command { .. } => CUSTOM,
        Body::Custom { .. } | Body::Raw { .. } => return Ok(chosen.unwrap_or(CUSTOM)),
    };
    if route == Route::Broadcast && matches!(own, IMAGE | AUDIO | VIDEO | FILE | LOCATION) {
        let detail = "a broadcast carries no message type; allowed are text, notice, custom and raw";
        return Err(Refusal::new(ErrorCode::Unsupported, "/content/type", detail));
    }
    if let Some(chosen) = chosen.filter(|chosen| *chosen != own) {
        let detail = format!("{chosen} contradicts the content, which is {own}; use custom or raw content");
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/extensions/netease/msgType", detail));
    }
    Ok(own)
}

fn worded(text: &str, route: Route) -> Cow<'_, str> {
    match route {
        Route::Room | Route::Directed => Cow::Borrowed(text),
        Route::Single | Route::Users | Route::Broadcast => json(&Text { msg: text }),
    }
}

/// The shapes here hold no maps with keys that are no strings, so writing them cannot fail.
fn json<T: Serialize>(value: &T) -> Cow<'static, str> {
    Cow::Owned(serde_json::to_string(value).unwrap_or_default())
}

fn location(place: &Location) -> String {
    // The title is what clients show; an address stands in for a missing one.
    let title = place.title.as_deref().or(place.address.as_deref());
    json(&Place { title, lng: &place.longitude, lat: &place.latitude }).into_owned()
}

fn fields(body: &Body) -> Media<'_> {
    match body {
        Body::Image(image) => Media {
            name: image.name.as_deref(),
            md5: image.md5.as_deref(),
            url: &image.url,
            ext: image.format.as_deref(),
            w: image.width,
            h: image.height,
            size: image.size,
            dur: None,
        },
        Body::Audio(audio) => Media {
            name: audio.name.as_deref(),
            dur: Some(audio.duration_ms),
            md5: audio.md5.as_deref(),
            url: &audio.url,
            ext: audio.format.as_deref(),
            size: audio.size,
            ..Media::default()
        },
        Body::Video(video) => Media {
            name: video.name.as_deref(),
            dur: video.duration_ms,
            md5: video.md5.as_deref(),
            url: &video.url,
            ext: video.format.as_deref(),
            w: video.width,
            h: video.height,
            size: video.size,
        },
        Body::File(file) => Media {
            name: Some(&file.name),
            md5: file.md5.as_deref(),
            url: &file.url,
            ext: file.format.as_deref(),
            size: file.size,
            ..Media::default()
        },
        Body::Text(_)
        | Body::Markdown(_)
        | Body::Notice(_)
        | Body::Quote { .. }
        | Body::Location(_)
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => Media::default(),
    }
}

fn raw<'m>(vendor: &str, payload: &'m Raw, route: Route) -> Result<Cow<'m, str>, Refusal> {
    if vendor != VENDOR_NAME {
        let detail = format!("{vendor:?} is another vendor's payload; allowed is {VENDOR_NAME:?}");
        return Err(Refusal::new(ErrorCode::Unsupported, "/content/vendor", detail));
    }
    let text = match payload {
        Raw::Json(serde_json::Value::String(text)) => Cow::Borrowed(text.as_str()),
        Raw::Json(value) => json(value),
        Raw::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                let detail = "expected UTF-8: the vendor takes payloads as text";
                return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/body_base64", detail));
            }
        },
    };
    let needs_json = matches!(route, Route::Single | Route::Users);
    if needs_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        let detail = "expected JSON: outside of rooms the vendor takes no other body";
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/content", detail));
    }
    Ok(text)
}

/// The app's extension as text.
pub(crate) fn ext_text(ext: &Ext) -> Cow<'_, str> {
    match ext {
        Ext::Text(text) => Cow::Borrowed(text),
        Ext::Object(object) => json(object),
    }
}

/// What of a content's typed part the vendor has no place for. `chosen` is the extension `msgType`.
pub(crate) fn losses(content: &Content, chosen: Option<u8>, losses: &mut Vec<Loss>) {
    let is_kind = |kind: &String| chosen.is_some_and(|chosen| chosen.to_string() == *kind);
    let mut lost = |given: bool, name: Loss| {
        if given {
            losses.push(name);
        }
    };
    match &content.body {
        Body::Markdown(_) => lost(true, "markdown"),
        Body::Quote { .. } => lost(true, "quote"),
        Body::Command { .. } => lost(true, "command"),
        Body::Image(image) => lost(image.thumbnail_url.is_some(), "thumbnail_url"),
        Body::Video(video) => lost(video.thumbnail_url.is_some(), "thumbnail_url"),
        Body::File(file) => lost(file.mime.is_some(), "mime"),
        Body::Location(place) => lost(place.title.is_some() && place.address.is_some(), "address"),
        Body::Custom { kind, .. } => lost(kind.as_ref().is_some_and(|kind| !is_kind(kind)), "kind"),
        Body::Text(_) | Body::Notice(_) | Body::Audio(_) | Body::Raw { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::content::{File, Image};
    use serde_json::json;

    fn shape(body: Body, route: Route) -> (u8, serde_json::Value) {
        let content = Content::of(body);
        let payload = payload(&content, route, None).unwrap();
        let value = serde_json::from_str(&payload.text).unwrap_or_else(|_| json!(payload.text));
        (payload.kind, value)
    }

    #[test]
    fn rooms_take_bare_text_and_everyone_else_a_wrapped_one() {
        let text = || Body::Text("hello".into());
        assert_eq!(shape(text(), Route::Room), (0, json!("hello")));
        assert_eq!(shape(text(), Route::Directed), (0, json!("hello")));
        assert_eq!(shape(text(), Route::Single), (0, json!({"msg": "hello"})));
        assert_eq!(shape(text(), Route::Users), (0, json!({"msg": "hello"})));
        assert_eq!(shape(text(), Route::Broadcast), (0, json!({"msg": "hello"})));
        assert_eq!(shape(Body::Notice("n".into()), Route::Room), (10, json!("n")));
    }

    #[test]
    fn what_is_not_known_of_a_file_is_left_out() {
        let file = File { url: "https://x/a".into(), name: "a".into(), ..File::default() };
        assert_eq!(shape(Body::File(file), Route::Room), (6, json!({"name": "a", "url": "https://x/a"})));
        let image = Image { url: "u".into(), width: Some(2), height: Some(3), ..Image::default() };
        assert_eq!(shape(Body::Image(image), Route::Single), (1, json!({"url": "u", "w": 2, "h": 3})));
    }

    #[test]
    fn custom_content_is_json_text_even_when_it_is_a_string() {
        let custom = Content::of(Body::Custom { data: json!("x"), kind: None });
        assert_eq!(payload(&custom, Route::Room, None).unwrap().text, "\"x\"");
    }

    #[test]
    fn a_message_type_may_not_contradict_its_content() {
        let error = payload(&Content::text("x"), Route::Room, Some(1)).unwrap_err();
        assert_eq!(error.errors[0].path, "/extensions/netease/msgType");
        let custom = Content::of(Body::Custom { data: json!({}), kind: None });
        assert_eq!(payload(&custom, Route::Room, Some(1)).unwrap().kind, 1);
    }
}
