//! What callers write: batches, their messages and what is asked of them.

use interline_core::adapter::Vendor;
use interline_core::outcome::Status;
use interline_core::schema::{closed, filled, switch, text, word};
use serde_json::{Map, Value, json};

use super::{Schemas, list, named, texts_by_name, time};

pub(super) fn schemas(vendors: &[&'static Vendor]) -> Schemas {
    let mut schemas = Schemas::new();
    let mut add = |name: &str, schema| schemas.insert(name.to_owned(), schema);
    add("BatchRequest", batch(true));
    add("BatchHead", batch(false));
    add("MessageRequest", message());
    add("Sender", sender());
    add("Options", options());
    add("Push", push());
    add("Extensions", extensions(vendors));
    add("RedriveRequest", redrive());
    add("Patch", patch());
    schemas
}

/// What both a batch and a message may say.
fn shared() -> Map<String, Value> {
    let members = json!({
        "from": {
            "description": "Who it is from: an id, or more of it. By default the provider's `default_sender`.",
            "anyOf": [{ "type": "string", "minLength": 1 }, named("Sender")],
        },
        "content": named("Content"),
        "options": named("Options"),
        "extensions": named("Extensions"),
        "vars": {
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$" },
            "additionalProperties": { "type": "string" },
            "description": "Values for a template's placeholders. Those of a message are put over the batch's.",
        },
        "labels": texts_by_name("The app's own. Routes can look at them, and batches are found by them."),
        "guarantee": guarantee(),
        "on_loss": on_loss(),
        "expires_at": time("It is not sent after this (RFC 3339)."),
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(super) fn guarantee() -> Value {
    word(
        &["at_most_once", "at_least_once"],
        "What may follow where nobody knows whether it arrived: never sent again, or sent again and marked as \
         a possible duplicate.",
    )
}

pub(super) fn on_loss() -> Value {
    word(
        &["degrade", "reject"],
        "What a provider cannot express: it is sent without and listed in `losses`, or refused.",
    )
}

/// What a batch alone may say.
fn of_batch() -> Value {
    json!({
        "route": text("The name of a route that is used without asking its conditions."),
        "validation": word(
            &["strict", "permissive"],
            "`strict`: one bad message refuses the batch. `permissive`: bad messages become results with `rejected`.",
        ),
        "send_at": time("It is not sent before this (RFC 3339). Not for `POST /v1/send`."),
        "ordered": switch("Whether the messages for one recipient leave in order; by default they do."),
        "trace_id": text("Shown with the batch."),
        "callback": named("Callback"),
    })
}

fn joined(parts: [Value; 2]) -> Value {
    let members = parts.into_iter().filter_map(|part| match part {
        Value::Object(members) => Some(members),
        _ => None,
    });
    members.flatten().collect::<Map<_, _>>().into()
}

fn batch(with_messages: bool) -> Value {
    let mut members = joined([shared().into(), of_batch()]);
    if !with_messages {
        return closed("The first line of an upload: a batch without its messages.", &[], members);
    }
    members["messages"] = json!({
        "type": "array", "items": named("MessageRequest"), "minItems": 1,
        "description": "The messages. `POST /v1/send` takes 1,000 of them.",
    });
    closed("What is said once for all messages, and the messages.", &["messages"], members)
}

fn message() -> Value {
    let id = |about: &str| json!({ "type": "string", "minLength": 1, "maxLength": 64, "description": about });
    let own = json!({
        "to": recipient(),
        "id": id("The app's name for it, unique in the batch; `msg_N` is made where it is left out."),
        "client_id": id("Its id at the vendor; by default made of batch and place."),
    });
    closed(
        "A message. What it does not say itself it takes from the batch.",
        &["to"],
        joined([own, shared().into()]),
    )
}

pub(in crate::openapi) fn recipient() -> Value {
    json!({
        "type": "string",
        "pattern": "^(everyone$|(user|group|room):[\\s\\S])",
        "description": "`user:ID`, `group:ID`, `room:ID` or `everyone`. The id is all text behind the first colon.",
        "examples": ["user:alice", "group:g1", "room:765788", "everyone"],
    })
}

fn sender() -> Value {
    closed(
        "Who a message is from.",
        &["id"],
        json!({
            "id": filled("The vendor's user id."),
            "name": text("The name that is shown."),
            "avatar_url": text("The picture that is shown."),
            "platform": {
                "type": "string",
                "pattern": "^(ios|android|windows|macos|web|mini_web|linux|android_pad|ipad|platform:\\+?[0-9]+)$",
                "description": "The device that is simulated.",
                "examples": ["web", "platform:11"],
            },
        }),
    )
}

fn options() -> Value {
    closed(
        "How it is delivered. Those of a message are put over the batch's.",
        &[],
        json!({
            "store": switch("Kept in the vendor's history; by default it is."),
            "online_only": switch("Only for who is online; implies no push and no history."),
            "badge": switch("Counts as unread; by default it does."),
            "sync_sender": switch("Shown in the sender's own chats."),
            "ttl": {
                "type": "string",
                "pattern": "^\\s*[0-9]",
                "description": "The vendor's lifetime of the message, with its unit.",
                "examples": ["0s", "24h"],
            },
            "results": word(
                &["each", "fast"],
                "`each`: ids and reasons for every message. `fast`: the largest call. By default `each` for up to \
                 100 messages of one content.",
            ),
            "priority": word(&["low", "normal", "high"], "The order in Interline's queue; by default `normal`."),
            "audience": closed(
                "Only these members of a group or room get it.",
                &["users"],
                json!({ "users": list(json!({ "type": "string" }), "Their ids.") }),
            ),
            "push": named("Push"),
        }),
    )
}

fn push() -> Value {
    closed(
        "The push to devices that are offline.",
        &[],
        json!({
            "enabled": switch("Whether they are notified; by default they are."),
            "title": text("The notification's title."),
            "body": text("The notification's text."),
            "sound": text("The name of a sound."),
            "ext": text("The app's own payload."),
            "badge": switch("Whether the icon's badge counts up; by default as the vendor has it."),
        }),
    )
}

fn extensions(vendors: &[&'static Vendor]) -> Value {
    let members: Map<String, Value> =
        vendors.iter().map(|vendor| (vendor.name.to_owned(), (vendor.extensions)())).collect();
    closed("The vendors' own fields. A vendor's are read only where it is used.", &[], members.into())
}

fn redrive() -> Value {
    let statuses = Status::ALL.iter().filter(|status| status.is_final() && **status != Status::Accepted);
    let statuses: Vec<&str> = statuses.map(|status| status.as_str()).collect();
    closed(
        "Which messages are sent again, and what is changed.",
        &[],
        json!({
            "status": {
                "type": "array", "minItems": 1, "items": { "type": "string", "enum": statuses },
                "description": "By default `rejected` and `unknown`.",
            },
            "message_ids": {
                "type": "array", "minItems": 1, "items": { "type": "string" },
                "description": "Only these, as far as their status fits; by default all.",
            },
            "patch": named("Patch"),
        }),
    )
}

fn patch() -> Value {
    closed(
        "What is changed in the batch and in each message that has it. `null` removes.",
        &[],
        joined([shared().into(), of_batch()]),
    )
}
