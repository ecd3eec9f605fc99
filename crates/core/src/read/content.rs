//! Reads `content`: one function a type.

use serde_json_borrow::Value;

use super::field::{Fields, Path, Problems};
use crate::content::{
    Audio, Body, CONTENT_TYPES, Content, Ext, File, Image, Location, Mentions, Quoted, Raw, Template, Video,
};

const PIXELS: (u32, u32) = (0, u32::MAX);
const BYTES: (u64, u64) = (0, i64::MAX as u64);

/// Reads a content; everything wrong with it is noted.
pub(super) fn content(value: &Value<'_>, path: Path<'_>, problems: &mut Problems) -> Option<Content> {
    let mut fields = Fields::of(value, path, problems)?;
    let found = fields.text("type", problems);
    let kind = fields.required("type", found, problems)?;
    let body = match kind {
        "text" => text(&mut fields, problems).map(Body::Text),
        "markdown" => text(&mut fields, problems).map(Body::Markdown),
        "notice" => text(&mut fields, problems).map(Body::Notice),
        "image" => image(&mut fields, problems).map(Body::Image),
        "audio" => audio(&mut fields, problems).map(Body::Audio),
        "video" => video(&mut fields, problems).map(Body::Video),
        "file" => file(&mut fields, problems).map(Body::File),
        "location" => location(&mut fields, problems).map(Body::Location),
        "quote" => quote(&mut fields, problems),
        "command" => command(&mut fields, problems),
        "custom" => custom(&mut fields, problems),
        "raw" => raw(&mut fields, problems),
        other => {
            let detail = format!("{other:?} is not a content type; allowed: {}", CONTENT_TYPES.join(", "));
            fields.wrong("type", detail, problems);
            return None;
        }
    };
    let ext = ext(&mut fields, problems);
    let mentions = fields.object("mentions", problems, |mut fields, problems| {
        let all = fields.boolean("all", problems).unwrap_or_default();
        let users = fields.strings("users", problems).unwrap_or_default();
        fields.done(problems);
        Some(Mentions { all, users })
    });
    let template = template(&mut fields, problems);
    fields.done(problems);
    Some(Content { body: body?, ext, mentions, template })
}

fn text(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    fields.filled("text", problems)
}

fn url(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    fields.filled("url", problems)
}

fn image(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Image> {
    let url = url(fields, problems);
    let image = Image {
        url: String::new(),
        thumbnail_url: fields.string("thumbnail_url", problems),
        width: fields.whole("width", PIXELS, problems),
        height: fields.whole("height", PIXELS, problems),
        size: fields.whole("size", BYTES, problems),
        md5: fields.string("md5", problems),
        name: fields.string("name", problems),
        format: fields.string("format", problems),
    };
    url.map(|url| Image { url, ..image })
}

fn audio(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Audio> {
    let url = url(fields, problems);
    let found = fields.whole("duration_ms", BYTES, problems);
    let duration_ms = fields.required("duration_ms", found, problems);
    let audio = Audio {
        url: String::new(),
        duration_ms: 0,
        size: fields.whole("size", BYTES, problems),
        md5: fields.string("md5", problems),
        name: fields.string("name", problems),
        format: fields.string("format", problems),
    };
    Some(Audio { url: url?, duration_ms: duration_ms?, ..audio })
}

fn video(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Video> {
    let url = url(fields, problems);
    let video = Video {
        url: String::new(),
        thumbnail_url: fields.string("thumbnail_url", problems),
        duration_ms: fields.whole("duration_ms", BYTES, problems),
        width: fields.whole("width", PIXELS, problems),
        height: fields.whole("height", PIXELS, problems),
        size: fields.whole("size", BYTES, problems),
        md5: fields.string("md5", problems),
        name: fields.string("name", problems),
        format: fields.string("format", problems),
    };
    url.map(|url| Video { url, ..video })
}

fn file(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<File> {
    let url = url(fields, problems);
    let name = fields.filled("name", problems);
    let file = File {
        url: String::new(),
        name: String::new(),
        size: fields.whole("size", BYTES, problems),
        md5: fields.string("md5", problems),
        format: fields.string("format", problems),
        mime: fields.string("mime", problems),
    };
    Some(File { url: url?, name: name?, ..file })
}

fn location(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Location> {
    let mut degrees = |key: &'static str, limit: f64| {
        let found = fields.number(key, problems);
        let number = fields.required(key, found, problems)?;
        if number.as_f64().is_some_and(|value| value.abs() <= limit) {
            return Some(number);
        }
        fields.wrong(key, format!("expected degrees from -{limit} to {limit}"), problems);
        None
    };
    let (latitude, longitude) = (degrees("latitude", 90.0), degrees("longitude", 180.0));
    let title = fields.string("title", problems);
    let address = fields.string("address", problems);
    Some(Location { latitude: latitude?, longitude: longitude?, title, address })
}

fn quote(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Body> {
    let text = text(fields, problems);
    let found = fields.object("message", problems, |mut fields, problems| {
        let quoted = Quoted {
            id: fields.string("id", problems),
            client_id: fields.string("client_id", problems),
            seq: fields.string("seq", problems),
            from: fields.string("from", problems),
            from_name: fields.string("from_name", problems),
            text: fields.string("text", problems),
            time_ms: fields.whole("time_ms", (0, i64::MAX), problems),
        };
        fields.done(problems);
        Some(quoted)
    });
    let message = fields.required("message", found, problems);
    Some(Body::Quote { text: text?, message: message? })
}

fn command(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Body> {
    let name = fields.filled("name", problems);
    let data = fields.json("data");
    Some(Body::Command { name: name?, data })
}

fn custom(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Body> {
    let found = fields.json("data");
    let data = fields.required("data", found, problems);
    let kind = fields.string("kind", problems);
    Some(Body::Custom { data: data?, kind })
}

fn raw(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Body> {
    let vendor = fields.filled("vendor", problems);
    let json = fields.json("body");
    let bytes = fields.text("body_base64", problems);
    let payload = match (json, bytes) {
        (Some(json), None) => Raw::Json(json),
        (None, Some(text)) => {
            let Some(bytes) = decode_base64(text) else {
                fields.wrong("body_base64", "is not base64 (standard alphabet, with padding)", problems);
                return None;
            };
            Raw::Bytes(bytes)
        }
        (None, None) | (Some(_), Some(_)) => {
            problems.add(fields.path(), "give one of body and body_base64");
            return None;
        }
    };
    Some(Body::Raw { vendor: vendor?, payload })
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn ext(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Ext> {
    let value = fields.get("ext")?;
    match serde_json::Value::from(value) {
        serde_json::Value::String(text) => Some(Ext::Text(text)),
        serde_json::Value::Object(object) => Some(Ext::Object(object)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_) => {
            fields.wrong("ext", "expected an object or a string", problems);
            None
        }
    }
}

fn template(fields: &mut Fields<'_>, problems: &mut Problems) -> Template {
    let Some(value) = fields.get("template") else { return Template::Off };
    match (value.as_bool(), value.as_str()) {
        (Some(true), _) => Template::Strict,
        (Some(false), _) => Template::Off,
        (None, Some("lenient")) => Template::Lenient,
        (None, _) => {
            fields.wrong("template", "expected true, false or \"lenient\"", problems);
            Template::Off
        }
    }
}
