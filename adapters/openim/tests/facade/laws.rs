//! The façade held against the adapter, dialect by dialect: what one writes the other reads.

use interline_core::message::Message;
use interline_core::recipient::RecipientKind;
use interline_openim::VENDOR;
use interline_testkit::facade::{
    Carries, Crossing, Mirror, Sight, calls_survive, never_panics, reports_survive, strangers_are_refused,
};
use serde_json::{Value, json};

const DIALECTS: [&str; 3] = ["v3.8.3", "main", "published"];

/// Runs a law for each dialect: once without broadcasts, whose answers name nobody, and once with them alone.
fn everywhere(law: fn(&Mirror<'_>)) {
    let settings = json!({
        "secret": "canary-secret", "admin_user_id": "boss", "default_sender": "system", "everyone": true,
    });
    let credentials = json!({"admin_user_id": "boss", "secret": "canary-secret"});
    let extensions = [
        json!({"contentType": 110}),
        json!({"sessionType": 3}),
        json!({"ex": "ex", "sendTime": 1_700_000_000_000_u64}),
        json!({"operationID": "op-1"}),
        json!({"contentType": 1400, "notification": {"notificationName": "n", "notificationType": 1}}),
        json!({"contentType": 101, "content": {"content": "own", "uuid": "u"}}),
    ];
    for dialect in DIALECTS {
        let named = Mirror {
            vendor: &VENDOR,
            dialect,
            settings: &settings,
            credentials: &credentials,
            extensions: &extensions,
            classes: &["send", "batch"],
            leaves_out: |message: &Message| message.to.kind() == RecipientKind::Everyone,
            level,
            carries: |_| Carries { ids: true, times: true, blurred: false },
        };
        law(&named);
        law(&Mirror {
            classes: &["batch"],
            leaves_out: |message| message.to.kind() != RecipientKind::Everyone,
            carries: |_| Carries { ids: false, times: true, blurred: false },
            ..named
        });
    }
}

#[test]
fn what_the_adapter_writes_is_read_back() {
    everywhere(calls_survive);
}

#[test]
fn what_the_facade_answers_is_understood() {
    everywhere(reports_survive);
}

#[test]
fn strangers_get_nothing() {
    everywhere(strangers_are_refused);
}

#[test]
fn any_request_gets_an_answer() {
    everywhere(|mirror| {
        never_panics(
            mirror,
            &[
                r#"{"sendID":"a","recvIDs":["u1","u2"],"content":{"content":"hi"},"contentType":101,"sessionType":1}"#,
                r#"{"sendID":"a","recvID":"u1","content":{"content":"hi"},"contentType":101,"sessionType":1}"#,
                r#"{"sendUserID":"a","recvUserID":"u1","key":"k","data":"{}"}"#,
                r#"{"secret":"canary-secret","userID":"boss"}"#,
            ],
        );
    });
}

/// What the wire cannot tell apart, beside what the adapter lists as lost.
fn level(sent: &mut Sight, back: &mut Sight, crossing: &Crossing) {
    // A medium that lacks what the server demands goes as its address.
    let as_address = crossing.losses.contains(&"content.type") && sent.content["text"].is_null();
    for sight in [sent, back] {
        extensions(sight);
        sender_and_options(sight);
        if as_address {
            drop_from(&mut sight.content, &["text"]);
        }
        let kind = sight.content["type"].as_str().unwrap_or_default().to_owned();
        content(&mut sight.content, &kind);
        if kind == "command" {
            // A business notification is neither pushed nor counted; kept or not is all there is to say.
            drop_from(&mut sight.options, &["push", "online_only", "badge"]);
        }
    }
}

fn drop_from(value: &mut Value, keys: &[&str]) {
    for key in keys {
        value.as_object_mut().and_then(|members| members.remove(*key));
    }
}

/// An empty text is none.
fn drop_empty(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, value| value != "");
    }
}

/// The vendor's own content and texts stand in for the message's; the session follows from the recipient.
fn extensions(sight: &mut Sight) {
    let Some(own) = sight.extensions.as_object_mut() else { return };
    let ex = own.remove("ex");
    let form = own.remove("content");
    for key in ["operationID", "sessionType", "contentType"] {
        own.remove(key);
    }
    let notification = own.contains_key("notification");
    let mut rest = sight.content["ext"].take();
    if let Some(ex) = ex {
        rest = ex;
    }
    if let Some(form) = form.filter(|form| form["content"].is_string()) {
        sight.content = json!({"type": "text", "text": form["content"]});
    }
    if notification {
        sight.content["type"] = json!("text");
    }
    sight.content["ext"] = if rest.is_object() { json!(rest.to_string()) } else { rest };
}

fn sender_and_options(sight: &mut Sight) {
    drop_empty(&mut sight.from);
    drop_empty(&mut sight.options["push"]);
    // Servers always show a message to its sender, and no field says so.
    drop_from(&mut sight.options, &["sync_sender"]);
}

fn content(content: &mut Value, kind: &str) {
    drop_empty(content);
    match kind {
        // Three variants and their media types are made of one picture; durations are whole seconds.
        "image" | "audio" | "video" => {
            if content["thumbnail_url"] == content["url"] && !content["url"].is_null() {
                drop_from(content, &["thumbnail_url"]);
            }
            if let Some(duration) = content["duration_ms"].as_u64() {
                content["duration_ms"] = json!(duration.div_ceil(1_000).max(1));
            }
            drop_from(content, if kind == "audio" { &[] } else { &["format"] });
            if content["size"] == 0 {
                drop_from(content, &["size"]);
            }
        }
        "file" => {
            let kind =
                [&content["mime"], &content["format"]].into_iter().find(|kind| !kind.is_null()).cloned();
            drop_from(content, &["mime", "format"]);
            content["kind"] = kind.unwrap_or_default();
        }
        "custom" | "command" => {
            // A text that is the JSON of something is that.
            let data = content["data"].take();
            let inner = data.as_str().map(|text| serde_json::from_str(text).unwrap_or_else(|_| data.clone()));
            content["data"] = inner.unwrap_or(data);
        }
        "quote" => {
            drop_empty(&mut content["message"]);
            let seq = content["message"]["seq"].as_str().and_then(|seq| seq.parse::<i64>().ok());
            if let Some(seq) = seq {
                content["message"]["seq"] = json!(seq.to_string());
            }
        }
        _ => {}
    }
}
