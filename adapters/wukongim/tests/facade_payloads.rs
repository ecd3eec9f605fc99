//! Payloads: what an app put into one is what this vendor delivers, and other vendors get as much of it as
//! the canonical contents say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::adapter::Settings;
use interline_core::facade::{Asking, Incoming, Served};
use interline_core::options::Results;
use interline_testkit::{build, strategy};
use interline_wukongim::{FACADE, VENDOR};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The batch that a single send with this payload is.
fn batch(payload: &[u8]) -> Value {
    let body = json!({"header": {"red_dot": 1}, "from_uid": "a", "channel_id": "g", "channel_type": 2,
        "payload": STANDARD.encode(payload)});
    let request = Incoming {
        method: "POST".to_owned(),
        path: "/message/send".to_owned(),
        body: body.to_string().into_bytes(),
        ..Incoming::default()
    };
    let settings = Settings::new();
    let asking = Asking { settings: &settings, request: &request, now_ms: 1, nonce: "n" };
    let endpoint = FACADE.endpoints.iter().find(|own| own.path == request.path).unwrap();
    match (endpoint.serve)(&asking) {
        Served::Send(asked) => Value::Object(asked.batch),
        other => panic!("{body}: {other:?}"),
    }
}

/// The payload that this vendor gets of a batch, and what is lost.
fn delivered(batch: &Value) -> (Vec<u8>, Vec<&'static str>) {
    let (_, messages) = build::batch(batch);
    let adapter = build::adapter(&VENDOR, "v2", &json!({}));
    let losses = adapter.check(&messages[0], Results::Each).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    let call = build::call(&*adapter, &messages, Results::Each);
    let body: Value = serde_json::from_slice(&adapter.encode(&call, &build::seal()).unwrap().body).unwrap();
    (STANDARD.decode(body["payload"].as_str().unwrap()).unwrap(), losses)
}

/// A payload, the content that it is, and what only this vendor gets of it.
type Row = (Value, Value, Value);

/// Texts and what stands beside them.
fn texts() -> Vec<Row> {
    let none = Value::Null;
    vec![
        (
            json!({"type": 1, "content": "costs $5"}),
            json!({"type": "text", "text": "costs $5"}),
            none.clone(),
        ),
        (
            json!({"type": 1, "content": "hi", "mention": {"all": 0, "uids": ["u1"]}, "ext": {"k": 1}}),
            json!({"type": "text", "text": "hi", "mentions": {"all": false, "users": ["u1"]}, "ext": {"k": 1}}),
            none.clone(),
        ),
        (
            json!({"type": 1, "content": "hi", "format": "html", "mention": {"uids": ["u1"], "entity": 1}}),
            json!({"type": "text", "text": "hi", "mentions": {"all": false, "users": ["u1"]}}),
            json!({"format": "html", "mention": {"uids": ["u1"], "entity": 1}}),
        ),
        (
            json!({"type": 1, "content": "yes", "reply": {"message_id": "9", "message_seq": 3, "from_uid": "u",
                "from_name": "U", "payload": {"type": 1, "content": "well?"}}}),
            json!({"type": "quote", "text": "yes",
                "message": {"id": "9", "seq": "3", "from": "u", "from_name": "U", "text": "well?"}}),
            none.clone(),
        ),
        (
            json!({"type": 1, "content": "yes", "reply": {"root_mid": "1", "message_id": 9,
                "payload": {"type": 2, "url": "u"}}}),
            json!({"type": "quote", "text": "yes", "message": {"id": "9"}}),
            json!({"reply": {"root_mid": "1", "message_id": 9, "payload": {"type": 2, "url": "u"}}}),
        ),
    ]
}

/// The other types that clients know.
fn known() -> Vec<Row> {
    let none = Value::Null;
    vec![
        (
            json!({"type": 2, "url": "u", "width": 640, "height": "480", "localPath": "/x"}),
            json!({"type": "image", "url": "u", "width": 640}),
            json!({"height": "480", "localPath": "/x"}),
        ),
        (
            json!({"type": 4, "url": "u", "timeTrad": 3, "waveform": "AAA="}),
            json!({"type": "audio", "url": "u", "duration_ms": 3000}),
            json!({"waveform": "AAA="}),
        ),
        (
            json!({"type": 4, "url": "u", "timeTrad": 3, "duration_ms": 2300}),
            json!({"type": "audio", "url": "u", "duration_ms": 2300}),
            none.clone(),
        ),
        (
            json!({"type": 5, "url": "u", "cover": "c", "size": 9, "width": 1, "height": 2, "second": 4}),
            json!({"type": "video", "url": "u", "thumbnail_url": "c", "size": 9, "width": 1, "height": 2,
                "duration_ms": 4000}),
            none.clone(),
        ),
        (
            json!({"type": 6, "lng": 121.5, "lat": 31.25, "title": "Bund", "address": "Shanghai", "img": "i"}),
            json!({"type": "location", "longitude": 121.5, "latitude": 31.25, "title": "Bund",
                "address": "Shanghai"}),
            json!({"img": "i"}),
        ),
        (
            json!({"type": 8, "url": "u", "name": "a.pdf", "size": 4096}),
            json!({"type": "file", "url": "u", "name": "a.pdf", "size": 4096}),
            none.clone(),
        ),
        (
            json!({"type": 99, "cmd": "sync", "param": {"a": 1}, "sign": "s"}),
            json!({"type": "command", "name": "sync", "data": {"a": 1}}),
            json!({"sign": "s"}),
        ),
        (json!({"type": 1000, "content": "hi"}), json!({"type": "notice", "text": "hi"}), none.clone()),
        (
            json!({"type": 1002, "content": "{0} asked {1} in", "extra": [{"uid": "1", "name": "Ann"},
                {"uid": "2", "name": "Bob"}]}),
            json!({"type": "notice", "text": "Ann asked Bob in"}),
            json!({"type": 1002, "content": "{0} asked {1} in", "extra": [{"uid": "1", "name": "Ann"},
                {"uid": "2", "name": "Bob"}]}),
        ),
    ]
}

/// Types of the app's own, and known ones that lack what they need.
fn custom() -> Vec<Row> {
    let none = Value::Null;
    vec![
        (
            json!({"type": 7, "uid": "u", "name": "U"}),
            json!({"type": "custom", "kind": "7", "data": {"uid": "u", "name": "U"}}),
            none.clone(),
        ),
        (json!({"type": 1}), json!({"type": "custom", "kind": "1", "data": {}}), none.clone()),
        (
            json!({"type": 1, "content": ""}),
            json!({"type": "custom", "kind": "1", "data": {"content": ""}}),
            none.clone(),
        ),
        (
            json!({"type": 4, "url": "u"}),
            json!({"type": "custom", "kind": "4", "data": {"url": "u"}}),
            none.clone(),
        ),
        (
            json!({"type": 6, "lng": 500, "lat": 1}),
            json!({"type": "custom", "kind": "6", "data": {"lng": 500, "lat": 1}}),
            none.clone(),
        ),
        (
            json!({"type": "text", "content": "hi"}),
            json!({"type": "custom", "kind": "text", "data": {"type": "text", "content": "hi"}}),
            none.clone(),
        ),
        (json!({"type": "7"}), json!({"type": "custom", "data": {"type": "7"}}), none.clone()),
        (json!({"a": 1, "ext": "x"}), json!({"type": "custom", "data": {"a": 1}, "ext": "x"}), none),
    ]
}

#[test]
fn payloads_become_contents_and_stay_what_they_are() {
    for (payload, content, over) in [texts(), known(), custom()].concat() {
        let batch = batch(payload.to_string().as_bytes());
        let message = &batch["messages"][0];
        assert_eq!(message["content"], content, "{payload}");
        assert_eq!(message["extensions"]["wukongim"]["payload"], over, "{payload}");
        let (bytes, losses) = delivered(&batch);
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), payload);
        assert_eq!(losses, [""; 0], "{payload}");
    }
}

#[test]
fn what_is_no_object_is_passed_on_as_it_is() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    for payload in ["[1,2]", " {\"type\":1", "a\u{0}b", " \n", &deep] {
        let batch = batch(payload.as_bytes());
        let content = &batch["messages"][0]["content"];
        assert_eq!((&content["type"], &content["vendor"]), (&json!("raw"), &json!("wukongim")), "{payload}");
        assert_eq!(delivered(&batch).0, payload.as_bytes());
    }
    let bytes = [0xff, 0xfe];
    assert_eq!(delivered(&batch(&bytes)).0, bytes);
}

#[test]
fn plain_words_are_a_text_to_others_and_the_same_payload_here() {
    for payload in ["Hello Group 1", "两行\n字 $5", "42", "null", "\"quoted\""] {
        let batch = batch(payload.as_bytes());
        let message = &batch["messages"][0];
        assert_eq!(message["content"], json!({"type": "text", "text": payload}));
        assert_eq!(delivered(&batch), (payload.as_bytes().to_vec(), vec![]), "{payload}");
    }
}

/// Whether two values are one. Readers of broken numbers may be a bit off, each time they read.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-12
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let inside = |(key, value)| other.get(key).is_some_and(|own| same(value, own));
            one.len() == other.len() && one.iter().all(inside)
        }
        (one, other) => one == other,
    }
}

/// Payloads that are nearly what clients know.
fn near() -> impl Strategy<Value = Value> {
    let keys = [
        "content",
        "url",
        "name",
        "size",
        "width",
        "height",
        "timeTrad",
        "duration_ms",
        "second",
        "cover",
        "lat",
        "lng",
        "title",
        "cmd",
        "param",
        "extra",
        "mention",
        "reply",
        "ext",
        "kind",
        "data",
        "x",
    ];
    let types = prop_oneof![
        6 => select(vec![1, 2, 3, 4, 5, 6, 8, 14, 99, 1000, 1001, 2000]).prop_map(Value::from),
        1 => strategy::any_json(),
    ];
    let value = prop_oneof![
        3 => strategy::text().prop_map(Value::from),
        3 => (0..5_000_u32).prop_map(Value::from),
        1 => strategy::any_json(),
        1 => select(vec![json!({"all": 1}), json!({"all": 0, "uids": ["u"]}), json!({"all": true, "uids": []}),
            json!({"message_id": "1", "message_seq": 2}), json!({"message_seq": "2", "time_ms": 5}),
            json!({"payload": {"type": 1, "content": "q"}, "from_uid": 7}),
            json!([{"name": "Ann"}, {"uid": "1"}])]),
    ];
    let members = proptest::collection::vec((select(keys.to_vec()).prop_map(str::to_owned), value), 0..8);
    (proptest::option::weighted(0.9, types), members).prop_map(|(kind, members)| {
        let mut payload: Value = members.into_iter().collect();
        if let Some(kind) = kind {
            payload["type"] = kind;
        }
        payload
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_is_changed_on_its_way_to_its_own_vendor(payload in near()) {
        let (bytes, losses) = delivered(&batch(payload.to_string().as_bytes()));
        let arrived = serde_json::from_slice(&bytes).unwrap();
        prop_assert!(same(&payload, &arrived), "{} arrived as {}", payload, arrived);
        prop_assert!(losses.iter().all(|loss| *loss == "content.kind"), "{:?}", losses);
    }
}
