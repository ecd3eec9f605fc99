//! What can never be sent is refused with the path of the field, and what cannot be said is listed as a
//! loss, by recipient.

#![expect(clippy::unwrap_used, reason = "a wrong test should stop")]

use std::sync::Arc;

use interline_core::adapter::Adapter;
use interline_core::error::ErrorCode;
use interline_core::options::Results;
use interline_netease::VENDOR;
use interline_testkit::build::{self, message};
use serde_json::{Value, json};

fn adapter() -> Arc<dyn Adapter> {
    adapter_with(json!({}))
}

fn adapter_with(more: Value) -> Arc<dyn Adapter> {
    let mut settings = json!({"app_key": "key", "app_secret": "secret", "default_sender": "s"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    build::adapter(&VENDOR, "v1", &settings)
}

fn refused_at(body: &Value) -> (ErrorCode, String) {
    let refusal = adapter().check(&message(body), Results::Each).unwrap_err();
    (refusal.code, refusal.errors[0].path.clone())
}

fn losses_of(body: &Value, results: Results) -> Vec<&'static str> {
    adapter_with(json!({"everyone": true})).check(&message(body), results).unwrap()
}

#[test]
fn lengths_are_counted_in_utf16_units() {
    let text = |to: &str, text: String| json!({"to": to, "content": {"type": "text", "text": text}});
    let fits = |body: Value| adapter().check(&message(&body), Results::Each).is_ok();
    assert!(fits(text("room:1", "中".repeat(4096))));
    assert!(!fits(text("room:1", "中".repeat(4097))));
    assert!(fits(text("room:1", "𝕏".repeat(2048))));
    assert_eq!(refused_at(&text("room:1", "𝕏".repeat(2049))), (ErrorCode::TooLarge, "/content/text".into()));
    assert!(fits(text("user:a", "x".repeat(4990))));
    assert!(!fits(text("user:a", "x".repeat(4991))), "the wrapping counts");
    let ext = |to: &str, length: usize| json!({"to": to, "content": {"type": "text", "text": "x", "ext": "e".repeat(length)}});
    assert!(fits(ext("room:1", 4096)) && !fits(ext("room:1", 4097)));
    assert!(fits(ext("user:a", 1024)) && !fits(ext("user:a", 1025)));
    assert_eq!(refused_at(&text(&format!("user:{}", "a".repeat(33)), "x".into())).1, "/to");
    let sender = json!({"to": "room:1", "from": "f".repeat(33), "content": {"type": "text", "text": "x"}});
    assert_eq!(refused_at(&sender).1, "/from");
}

#[test]
fn everyone_needs_the_settings_leave() {
    let body = json!({"to": "everyone", "content": {"type": "text", "text": "x"}});
    assert_eq!(refused_at(&body), (ErrorCode::Unsupported, "/to".into()));
    let allowed = adapter_with(json!({"everyone": true}));
    assert!(allowed.check(&message(&body), Results::Each).is_ok());
    assert_eq!(allowed.profile().recipients.len(), 4);
    assert_eq!(adapter().profile().recipients.len(), 3);
    let media = json!({"to": "everyone", "content": {"type": "image", "url": "u"}});
    assert_eq!(allowed.check(&message(&media), Results::Each).unwrap_err().errors[0].path, "/content/type");
}

#[test]
fn a_payload_of_another_vendor_is_refused() {
    let body = json!({"to": "room:1", "content": {"type": "raw", "vendor": "openim", "body": {}}});
    assert_eq!(refused_at(&body), (ErrorCode::Unsupported, "/content/vendor".into()));
    let bytes =
        json!({"to": "room:1", "content": {"type": "raw", "vendor": "netease", "body_base64": "/w=="}});
    assert_eq!(refused_at(&bytes).1, "/content/body_base64");
    let bare = json!({"to": "user:a", "content": {"type": "raw", "vendor": "netease", "body": "bare"}});
    assert_eq!(refused_at(&bare).1, "/content");
}

#[test]
fn push_texts_have_their_form() {
    let body = |push: Value| json!({"to": "user:a", "content": {"type": "text", "text": "x"}, "options": {"push": push}});
    assert_eq!(losses_of(&body(json!({"ext": "no json"})), Results::Each), ["push.ext"]);
    assert!(losses_of(&body(json!({"ext": "{\"a\":1}"})), Results::Each).is_empty());
    let long = format!("\"{}\"", "e".repeat(2_047));
    assert_eq!(refused_at(&body(json!({"ext": long}))).1, "/options/push/ext");
    assert_eq!(refused_at(&body(json!({"body": "b".repeat(501)}))).1, "/options/push/body");
    assert!(losses_of(&body(json!({"ext": "no json", "enabled": false})), Results::Each).is_empty());
}

#[test]
fn an_audience_is_one_to_a_hundred_members() {
    let body = |users: Vec<String>| {
        json!({"to": "room:1", "content": {"type": "text", "text": "x"},
               "options": {"audience": {"users": users}}})
    };
    assert_eq!(refused_at(&body(vec![])).1, "/options/audience/users");
    assert_eq!(refused_at(&body(vec!["a".into(); 101])).1, "/options/audience/users");
    assert_eq!(refused_at(&body(vec!["a".into(), "a".repeat(33)])).1, "/options/audience/users/1");
    assert_eq!(losses_of(&body(vec!["a".into()]), Results::Each), ["store"]);
}

#[test]
fn what_cannot_be_said_is_listed() {
    let everything = |to: &str| {
        json!({"to": to, "from": {"id": "s", "name": "n", "avatar_url": "u", "platform": "web"},
            "content": {"type": "markdown", "text": "x", "ext": "e", "mentions": {"all": true}},
            "options": {"ttl": "90m", "sync_sender": true, "badge": false, "store": false,
                "push": {"title": "t", "body": "b", "sound": "s", "ext": "{}", "badge": true}},
            "extensions": {"netease": {"highPriority": true, "subType": 1, "env": "e"}}})
    };
    let from = ["from.name", "from.avatar_url", "from.platform"];
    let lost = |to: &str, results| {
        let losses = losses_of(&everything(to), results);
        assert_eq!(losses[..3], from);
        losses[3..].to_vec()
    };
    let push = ["push.title", "push.body", "push.sound", "push.ext", "push.badge"];
    let room = [vec!["mentions", "sync_sender", "ttl"], push.to_vec(), vec!["markdown"]].concat();
    assert_eq!(lost("room:1", Results::Each), room);
    let direct = ["push.title", "push.sound", "push.badge", "markdown", "extensions.netease.highPriority"];
    assert_eq!(lost("user:a", Results::Each), [vec!["mentions", "ttl"], direct.to_vec()].concat());
    assert_eq!(
        lost("user:a", Results::Fast),
        [vec!["mentions", "ttl"], direct.to_vec(), vec!["extensions.netease.subType"]].concat()
    );
    assert_eq!(lost("group:a", Results::Each), [vec!["ttl"], direct.to_vec()].concat());
    let broadcast = [
        vec!["mentions", "ext", "store", "badge", "sync_sender", "ttl"],
        push.to_vec(),
        vec!["markdown", "extensions.netease.highPriority"],
        vec!["extensions.netease.env", "extensions.netease.subType"],
    ]
    .concat();
    assert_eq!(lost("everyone", Results::Each), broadcast);
}

#[test]
fn what_a_content_loses_is_listed() {
    for (content, expected) in [
        (json!({"type": "image", "url": "u", "thumbnail_url": "t"}), "thumbnail_url"),
        (json!({"type": "video", "url": "u", "thumbnail_url": "t"}), "thumbnail_url"),
        (json!({"type": "file", "url": "u", "name": "n", "mime": "m"}), "mime"),
        (json!({"type": "location", "latitude": 1, "longitude": 2, "title": "t", "address": "a"}), "address"),
        (json!({"type": "custom", "data": 1, "kind": "k"}), "kind"),
        (json!({"type": "quote", "text": "t", "message": {"id": "1"}}), "quote"),
        (json!({"type": "command", "name": "c"}), "command"),
    ] {
        assert_eq!(losses_of(&json!({"to": "room:1", "content": content}), Results::Each), [expected]);
    }
    for kind in ["text", "notice"] {
        let content = json!({"type": kind, "text": "t"});
        assert!(losses_of(&json!({"to": "room:1", "content": content}), Results::Each).is_empty());
    }
}
