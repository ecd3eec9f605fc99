//! A message as both ends may compare it: the canonical JSON, rendered, with defaults written out and
//! without what is Interline's own.

use interline_core::content::{Body, Content, Ext, Quoted, Raw};
use interline_core::message::Message;
use interline_core::options::{Options, Sender};
use serde_json::{Map, Value, json};

/// What a message says, to be levelled and compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// `kind:id`.
    pub to: String,
    /// The sender: `id`, and `name`, `avatar_url`, `platform` (a number) where given.
    pub from: Value,
    /// The content as the API writes it, rendered; absent members are not there.
    pub content: Value,
    /// `store`, `online_only`, `badge`, `sync_sender`, `ttl_ms`, `audience`, `push`: all written out. A
    /// message that is not pushed has nothing but `enabled` in `push`.
    pub options: Value,
    /// The vendor's own extensions, nulls left out.
    pub extensions: Value,
}

impl Sight {
    pub(super) fn of(message: &Message, vendor: &str, default_sender: Option<&str>) -> Self {
        let default = default_sender.map(Sender::id);
        let from = message.sender(default.as_ref()).map_or(Value::Null, sender);
        let own = message.extension(vendor).cloned().unwrap_or_default();
        Self {
            to: message.to.as_str().to_owned(),
            from,
            content: content(&message.rendered()),
            options: options(&message.rendered_options()),
            extensions: own.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        }
    }

    /// Removes what the adapter says is lost.
    pub(super) fn lose(&mut self, loss: &str) {
        match loss {
            "content.type" => {
                // What is left of another type is its text, if it has one.
                let text = self.content.get("text").cloned().unwrap_or_default();
                let rest = ["ext", "mentions"].map(|key| (key.to_owned(), self.content[key].clone()));
                self.content = rest.into_iter().filter(|(_, value)| !value.is_null()).collect();
                self.content["text"] = text;
            }
            "content.message" => {
                remove(&mut self.content, &["message"]);
                if self.content["type"] == "quote" {
                    self.content["type"] = json!("text");
                }
            }
            "ext" | "mentions" => remove(&mut self.content, &[loss]),
            "ttl" => remove(&mut self.options, &["ttl_ms"]),
            _ => {
                let path: Vec<&str> = loss.split('.').collect();
                match path.as_slice() {
                    ["content", rest @ ..] => remove(&mut self.content, rest),
                    ["from", rest @ ..] => remove(&mut self.from, rest),
                    ["extensions", _, rest @ ..] => remove(&mut self.extensions, rest),
                    path => remove(&mut self.options, path),
                }
            }
        }
    }

    /// Broken numbers are compared to twelve digits: a parser may be a bit off.
    pub(super) fn settle(&mut self) {
        for value in [&mut self.content, &mut self.extensions] {
            settle(value);
        }
    }
}

fn settle(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            *value = json!(format!("{:.12e}", number.as_f64().unwrap_or_default()));
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(members) => members.values_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = value;
    for key in parents {
        let Some(child) = at.get_mut(*key) else { return };
        at = child;
    }
    if let Some(members) = at.as_object_mut() {
        members.remove(*last);
    }
}

/// An object of those members that are there.
fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let given = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

fn text(text: Option<&String>) -> Option<Value> {
    text.map(|text| json!(text))
}

fn sender(sender: &Sender) -> Value {
    members([
        ("id", Some(json!(sender.id))),
        ("name", text(sender.name.as_ref())),
        ("avatar_url", text(sender.avatar_url.as_ref())),
        ("platform", sender.platform.map(|platform| json!(platform.0))),
    ])
}

fn options(options: &Options) -> Value {
    let push = &options.push;
    let push = if options.wants_push() {
        members([
            ("enabled", Some(json!(true))),
            ("title", text(push.title.as_ref())),
            ("body", text(push.body.as_ref())),
            ("sound", text(push.sound.as_ref())),
            ("ext", text(push.ext.as_ref())),
            ("badge", push.badge.map(Value::from)),
        ])
    } else {
        json!({"enabled": false})
    };
    json!({
        "store": options.wants_store(),
        "online_only": options.online_only,
        "badge": options.badge,
        "sync_sender": options.sync_sender,
        "ttl_ms": u64::try_from(options.ttl.as_millis()).unwrap_or(u64::MAX),
        "audience": options.audience,
        "push": push,
    })
}

fn content(content: &Content) -> Value {
    let mut written = body(&content.body);
    written["type"] = json!(content.kind());
    match &content.ext {
        Some(Ext::Text(text)) => written["ext"] = json!(text),
        Some(Ext::Object(object)) => written["ext"] = json!(object),
        None => {}
    }
    if let Some(mentions) = content.mentions.as_ref().filter(|own| own.all || !own.users.is_empty()) {
        written["mentions"] = json!({"all": mentions.all, "users": mentions.users});
    }
    written
}

fn body(body: &Body) -> Value {
    match body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) => json!({"text": text}),
        Body::Image(own) => members([
            ("url", Some(json!(own.url))),
            ("thumbnail_url", text(own.thumbnail_url.as_ref())),
            ("width", own.width.map(Value::from)),
            ("height", own.height.map(Value::from)),
            ("size", own.size.map(Value::from)),
            ("md5", text(own.md5.as_ref())),
            ("name", text(own.name.as_ref())),
            ("format", text(own.format.as_ref())),
        ]),
        Body::Audio(own) => members([
            ("url", Some(json!(own.url))),
            ("duration_ms", Some(json!(own.duration_ms))),
            ("size", own.size.map(Value::from)),
            ("md5", text(own.md5.as_ref())),
            ("name", text(own.name.as_ref())),
            ("format", text(own.format.as_ref())),
        ]),
        Body::Video(own) => members([
            ("url", Some(json!(own.url))),
            ("thumbnail_url", text(own.thumbnail_url.as_ref())),
            ("duration_ms", own.duration_ms.map(Value::from)),
            ("width", own.width.map(Value::from)),
            ("height", own.height.map(Value::from)),
            ("size", own.size.map(Value::from)),
            ("md5", text(own.md5.as_ref())),
            ("name", text(own.name.as_ref())),
            ("format", text(own.format.as_ref())),
        ]),
        Body::File(own) => members([
            ("url", Some(json!(own.url))),
            ("name", Some(json!(own.name))),
            ("size", own.size.map(Value::from)),
            ("md5", text(own.md5.as_ref())),
            ("format", text(own.format.as_ref())),
            ("mime", text(own.mime.as_ref())),
        ]),
        Body::Location(own) => members([
            ("latitude", Some(json!(own.latitude))),
            ("longitude", Some(json!(own.longitude))),
            ("title", text(own.title.as_ref())),
            ("address", text(own.address.as_ref())),
        ]),
        Body::Quote { text, message } => json!({"text": text, "message": quoted(message)}),
        Body::Command { name, data } => members([("name", Some(json!(name))), ("data", data.clone())]),
        Body::Custom { data, kind } => {
            members([("data", Some(data.clone())), ("kind", kind.as_ref().map(|kind| json!(kind)))])
        }
        Body::Raw { vendor, payload: Raw::Json(body) } => json!({"vendor": vendor, "body": body}),
        Body::Raw { vendor, payload: Raw::Bytes(bytes) } => json!({"vendor": vendor, "bytes": bytes}),
    }
}

fn quoted(quoted: &Quoted) -> Value {
    members([
        ("id", text(quoted.id.as_ref())),
        ("client_id", text(quoted.client_id.as_ref())),
        ("seq", text(quoted.seq.as_ref())),
        ("from", text(quoted.from.as_ref())),
        ("from_name", text(quoted.from_name.as_ref())),
        ("text", text(quoted.text.as_ref())),
        ("time_ms", quoted.time_ms.map(Value::from)),
    ])
}
