//! What a message says: one schema a type, told apart by `type`.

use interline_core::adapter::Vendor;
use interline_core::content::CONTENT_TYPES;
use interline_core::schema::{closed, filled, switch, text, whole};
use serde_json::{Map, Value, json};

use super::{Schemas, list, named};

/// The largest number of pixels that is read.
const PIXELS: (i64, i64) = (0, u32::MAX as i64);
const BYTES: (i64, i64) = (0, i64::MAX);

pub(super) fn schemas(vendors: &[&'static Vendor]) -> Schemas {
    let mut schemas = Schemas::new();
    let (mut all, mut mapping) = (Vec::new(), Map::new());
    for kind in CONTENT_TYPES {
        let name = name_of(kind);
        all.push(named(&name));
        mapping.insert(kind.to_owned(), format!("#/components/schemas/{name}").into());
        schemas.insert(name, content(kind, vendors));
    }
    schemas.insert(
        "Content".to_owned(),
        json!({
            "description": "What a message says, by its `type`.",
            "oneOf": all,
            "discriminator": { "propertyName": "type", "mapping": mapping },
        }),
    );
    schemas.insert("Mentions".to_owned(), mentions());
    schemas
}

/// `TextContent` and so on.
fn name_of(kind: &str) -> String {
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain("Content".chars()).collect()
}

fn mentions() -> Value {
    closed(
        "Who is mentioned in a group or room.",
        &[],
        json!({
            "all": switch("Everybody."),
            "users": list(json!({ "type": "string" }), "The ids of these users."),
        }),
    )
}

fn content(kind: &str, vendors: &[&'static Vendor]) -> Value {
    let (about, required, own) = own(kind, vendors);
    let mut required = required.to_vec();
    required.push("type");
    let mut members = json!({ "type": { "type": "string", "const": kind } });
    let common = json!({
        "ext": {
            "description": "The app's own addition.",
            "anyOf": [{ "type": "object" }, { "type": "string" }],
        },
        "mentions": named("Mentions"),
        "template": {
            "description": "Whether texts hold placeholders like `$name$`. `lenient`: those without a value stay.",
            "anyOf": [{ "type": "boolean" }, { "type": "string", "enum": ["lenient"] }],
        },
    });
    for (name, member) in [own, common].iter().filter_map(Value::as_object).flatten() {
        members[name] = member.clone();
    }
    closed(about, &required, members)
}

/// Any JSON but `null`, which counts as absent.
fn anything(about: &str) -> Value {
    json!({ "not": { "type": "null" }, "description": about })
}

/// What only this type has: what it is, what must be there, and the members.
fn own(kind: &str, vendors: &[&'static Vendor]) -> (&'static str, &'static [&'static str], Value) {
    let url = || filled("Where it lies.");
    let thumbnail = || text("Where a small picture of it lies.");
    let size = || whole(BYTES, "Its size in bytes.");
    let pixels = |about| whole(PIXELS, about);
    let (md5, name, format) = (text("Its MD5."), text("Its name."), text("Its format."));
    match kind {
        "text" => ("A text.", &["text"], json!({ "text": filled("The text.") })),
        "markdown" => ("A text in Markdown.", &["text"], json!({ "text": filled("The text.") })),
        "notice" => ("A tip or alert shown in the chat.", &["text"], json!({ "text": filled("The text.") })),
        "image" => (
            "A picture.",
            &["url"],
            json!({ "url": url(), "thumbnail_url": thumbnail(), "width": pixels("In pixels."),
                "height": pixels("In pixels."), "size": size(), "md5": md5, "name": name, "format": format }),
        ),
        "audio" => (
            "A sound.",
            &["url", "duration_ms"],
            json!({ "url": url(), "duration_ms": whole(BYTES, "In milliseconds."), "size": size(), "md5": md5,
                "name": name, "format": format }),
        ),
        "video" => (
            "A film.",
            &["url"],
            json!({ "url": url(), "thumbnail_url": thumbnail(), "duration_ms": whole(BYTES, "In milliseconds."),
                "width": pixels("In pixels."), "height": pixels("In pixels."), "size": size(), "md5": md5,
                "name": name, "format": format }),
        ),
        "file" => (
            "A file.",
            &["url", "name"],
            json!({ "url": url(), "name": filled("Its name."), "size": size(), "md5": md5, "format": format,
                "mime": text("Its MIME type.") }),
        ),
        "location" => ("A place.", &["latitude", "longitude"], location()),
        "quote" => (
            "A text that answers another message.",
            &["text", "message"],
            json!({ "text": filled("The text."), "message": quoted() }),
        ),
        "command" => (
            "A message for the app and not for people.",
            &["name"],
            json!({ "name": filled("The command."), "data": { "description": "Its argument: any JSON." } }),
        ),
        "custom" => (
            "The app's own content.",
            &["data"],
            json!({ "data": anything("Any JSON."), "kind": text("The app's name or number for the type.") }),
        ),
        _ => ("A vendor's own payload. Other vendors refuse it.", &["vendor"], raw(vendors)),
    }
}

fn location() -> Value {
    let degrees = |most: i64| json!({ "type": "number", "minimum": -most, "maximum": most, "description": "In degrees." });
    json!({ "latitude": degrees(90), "longitude": degrees(180), "title": text("Its name."),
        "address": text("Its address.") })
}

fn quoted() -> Value {
    closed(
        "What is answered. Ids are the vendor's.",
        &[],
        json!({ "id": text("The vendor's id."), "client_id": text("The client id."), "seq": text("Its place in the chat."),
            "from": text("Who wrote it."), "from_name": text("Their name."), "text": text("What it said."),
            "time_ms": whole(BYTES, "When, in Unix milliseconds.") }),
    )
}

fn raw(vendors: &[&'static Vendor]) -> Value {
    let names: Vec<&str> = vendors.iter().map(|vendor| vendor.name).collect();
    json!({
        "vendor": { "type": "string", "minLength": 1, "description": "Whose it is.", "examples": names },
        "body": { "description": "The payload as JSON; give this or `body_base64`." },
        "body_base64": { "type": "string", "contentEncoding": "base64", "description": "The payload as bytes." },
    })
}
