//! Examples of requests and answers. Those of answers were once given by a server; the tests send the requests
//! and hold everything against its schema.

use serde_json::{Value, json};

macro_rules! recorded {
    ($($name:ident $file:literal)*) => {
        $(pub(super) const $name: &str = include_str!(concat!("../examples/", $file, ".json"));)*
    };
}

recorded! {
    SENT "sent"
    TAKEN "taken"
    WAITED "waited"
    PLANNED "planned"
    BATCHES "batches"
    BATCH "batch"
    RESULTS "results"
    FOUND "found"
    PROVIDERS "providers"
    PROVIDER "provider"
    PROBED "probed"
    VENDORS "vendors"
    ROUTES "routes"
    CONFIG "config"
    RELOADED "reloaded"
    MIGRATIONS "migrations"
    MIGRATION "migration"
    REPORT "report"
}

/// An upload.
pub(super) const LINES: &str = concat!(
    r#"{"from":"system","content":{"type":"text","text":"Hi $name$","template":true}}"#,
    "\n",
    r#"{"to":"user:alice","vars":{"name":"Alice"}}"#,
    "\n",
    r#"{"to":"user:bob","vars":{"name":"Bob"}}"#,
    "\n",
);

pub(super) const RESULT_LINES: &str = concat!(r#"{"id":"m1","to":"user:alice","status":"accepted"}"#, "\n");

pub(super) const RESULT_ROWS: &str = "id,to,status,provider,vendor,vendor_message_id,vendor_client_id,vendor_seq,vendor_time_ms,vendor_batch_id,losses,may_be_duplicate,error_code,error_fate,error_message,attempts,error_retryable,vendor_code,vendor_message\nm4,room:1,rejected,ne,netease,,,,,,,false,muted,refused,the sender is muted there,1,false,419,muted\n";

/// Why messages failed.
pub(super) const CAUSES: &str = r#"{ "causes": [{ "count": 12, "status": "rejected", "provider": "ne", "vendor": "netease", "code": "muted", "message": "the sender is muted there", "fate": "refused", "retryable": false, "vendor_code": "419", "vendor_message": "muted", "hint": "let it be: the sender may not speak there", "messages": ["m4", "m9"] }], "others": 0 }"#;

fn named(summary: &str, value: &Value) -> Value {
    json!({ "summary": summary, "value": value })
}

/// Batches, from the least that there can be to everything at once.
pub(super) fn batches() -> Value {
    json!({
        "text": named("A text for one person", &json!({
            "from": "system",
            "content": { "type": "text", "text": "Your parcel is here" },
            "messages": [{ "to": "user:alice" }],
        })),
        "template": named("A template for several", &json!({
            "from": { "id": "system", "name": "Shop", "platform": "web" },
            "content": { "type": "text", "text": "Hi $name$, order $no$ has shipped", "template": true },
            "messages": [
                { "id": "m1", "to": "user:alice", "vars": { "name": "Alice", "no": "17" } },
                { "id": "m2", "to": "user:bob", "vars": { "name": "Bob", "no": "18" } },
            ],
            "labels": { "shipment": "december" },
        })),
        "mixed": named("Contents of their own", &json!({
            "from": "system",
            "messages": [
                { "to": "group:g1", "content": { "type": "image", "url": "https://example.com/offer.png",
                    "width": 640, "height": 480 } },
                { "to": "room:765788", "content": { "type": "custom", "data": { "kind": "gift", "n": 3 } } },
            ],
        })),
        "options": named("With everything that may be asked", &json!({
            "from": "system",
            "content": { "type": "text", "text": "The door opens at nine" },
            "messages": [{ "to": "user:alice", "client_id": "door-alice" }],
            "options": { "store": true, "badge": true, "ttl": "24h", "results": "each", "priority": "high",
                "push": { "enabled": true, "title": "Tonight", "body": "The door opens at nine" } },
            "guarantee": "at_most_once", "on_loss": "degrade", "validation": "strict",
            "expires_at": "2099-12-01T09:00:00+08:00", "ordered": true, "trace_id": "door-17",
        })),
    })
}

/// What may be sent again.
pub(super) fn redrives() -> Value {
    json!({
        "all": named("All that was rejected or is unknown", &json!({})),
        "changed": named("Some, with another text", &json!({
            "status": ["rejected", "expired"],
            "message_ids": ["m1"],
            "patch": { "content": { "type": "text", "text": "Your parcel is still here" } },
        })),
    })
}
