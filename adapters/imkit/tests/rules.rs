//! The vendor's traps on the way out, one rule a test: what a call may say and who may share it.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;

use interline_core::adapter::{Adapter, Slot};
use interline_core::error::ErrorCode;
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::Dedupe;
use interline_imkit::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

fn adapter() -> Arc<dyn Adapter> {
    adapter_of(&json!({"api_key": "sesame-key"}))
}

fn adapter_of(settings: &Value) -> Arc<dyn Adapter> {
    build::adapter(&VENDOR, "v1", settings)
}

/// Messages from "system", each its own JSON.
fn messages(bodies: &Value) -> Vec<Arc<Message>> {
    build::batch(&json!({"from": "system", "messages": bodies})).1
}

fn message(body: &Value) -> Arc<Message> {
    messages(&json!([body])).remove(0)
}

fn slot(adapter: &dyn Adapter, body: &Value) -> Slot {
    adapter.slot(&message(body), Results::Fast)
}

fn request_of(adapter: &dyn Adapter, messages: &[Arc<Message>]) -> (String, Value) {
    let request = adapter.encode(&build::call(adapter, messages, Results::Fast), &build::seal()).unwrap();
    (request.path.into_owned(), serde_json::from_slice(&request.body).unwrap())
}

fn sent(body: &Value) -> Value {
    let adapter = adapter();
    let message = message(body);
    adapter.check(&message, Results::Fast).unwrap();
    request_of(&*adapter, &[message]).1
}

/// Code and paths of the refusal.
fn refused(body: &Value) -> (ErrorCode, Vec<String>) {
    let refusal = adapter().check(&message(body), Results::Fast).unwrap_err();
    (refusal.code, refusal.errors.into_iter().map(|error| error.path).collect())
}

fn losses(body: &Value) -> Vec<&'static str> {
    adapter().check(&message(body), Results::Fast).unwrap()
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn to(recipient: &str) -> Value {
    json!({"to": recipient, "content": text("hi")})
}

/// `base` with the members of `more` set.
fn with(base: &Value, more: &Value) -> Value {
    let mut base = base.as_object().unwrap().clone();
    base.extend(more.as_object().unwrap().clone());
    Value::Object(base)
}

#[test]
fn push_is_always_said() {
    for (options, push) in [
        (json!({}), true),
        (json!({"push": {"enabled": false}}), false),
        (json!({"online_only": true}), false),
    ] {
        for (to_whom, results) in [("user:a", "fast"), ("group:g", "each")] {
            let options = with(&options, &json!({"results": results}));
            assert_eq!(sent(&with(&to(to_whom), &json!({"options": options})))["push"], json!(push));
        }
    }
}

#[test]
fn a_message_without_a_sender_is_refused_whomever_it_is_for() {
    for to in ["user:a", "group:g", "room:r"] {
        let message = build::message(&json!({"to": to, "content": text("hi")}));
        let refusal = adapter().check(&message, Results::Fast).unwrap_err();
        assert_eq!((refusal.code, &*refusal.errors[0].path), (ErrorCode::SenderInvalid, "/from"));
        let spoken_for = adapter_of(&json!({"api_key": "k", "default_sender": "bot"}));
        assert_eq!(spoken_for.check(&message, Results::Fast).unwrap(), Vec::<&str>::new());
        assert_eq!(request_of(&*spoken_for, &[message]).1["sender"], json!("bot"));
    }
}

#[test]
fn an_entry_names_a_receiver_or_a_room_and_never_both() {
    let adapter = adapter();
    let together = messages(&json!([to("user:u"), to("group:g")]));
    let (path, body) = request_of(&*adapter, &together);
    assert_eq!(path, "/messages/batch");
    assert_eq!(body["paras"], json!([{"receiver": "u"}, {"room": "g"}]));
}

#[test]
fn keys_of_values_keep_their_dollars_so_that_no_name_clashes() {
    let content = json!({"type": "text", "text": "$room$, $receiver$", "template": true});
    let body = json!({"to": "user:u", "content": content, "vars": {"room": "R", "receiver": "S"}});
    assert_eq!(sent(&body)["paras"], json!([{"receiver": "u", "$room$": "R", "$receiver$": "S"}]));
}

#[test]
fn text_with_a_dollar_goes_out_literally_in_its_own_call() {
    let adapter = adapter();
    let priced = json!({"to": "user:a", "content": text("pay $amount$ now")});
    let body = sent(&priced);
    assert_eq!(body["message"], json!("pay $amount$ now"));
    assert_eq!(body["paras"], json!([{"receiver": "a"}]));
    assert_ne!(slot(&*adapter, &priced).key, slot(&*adapter, &to("user:a")).key);
    let other = with(&priced, &json!({"content": text("pay $5")}));
    assert_ne!(slot(&*adapter, &priced).key, slot(&*adapter, &other).key);
}

#[test]
fn a_template_that_any_substitution_could_spoil_is_filled_in_before_it_leaves() {
    for (template, vars, filled) in [
        ("costs $$5, $a$", json!({"a": "x"}), "costs $5, x"),
        ("costs 5$, $a$", json!({"a": "x"}), "costs 5$, x"),
        ("$a$", json!({"a": "$b$"}), "$b$"),
        ("$a$ and $a$", json!({"a": "x"}), "x and x"),
        ("$a$$b$", json!({"a": "x", "b": "y"}), "xy"),
        ("$a$_$b$", json!({"a": "x", "b": "y"}), "x_y"),
        ("[$a$]", json!({"a": ""}), "[]"),
    ] {
        let content = json!({"type": "text", "text": template, "template": true});
        let body = sent(&json!({"to": "user:u", "content": content, "vars": vars}));
        assert_eq!(body["message"], json!(filled), "{template}");
        assert_eq!(body["paras"], json!([{"receiver": "u"}]), "{template}");
    }
}

#[test]
fn a_lenient_template_is_a_template_only_with_all_of_its_values() {
    let content = json!({"type": "text", "text": "$a$, $b$", "template": "lenient"});
    let full = json!({"to": "user:u", "content": content, "vars": {"a": "x", "b": "y"}});
    assert_eq!(sent(&full)["message"], json!("$a$, $b$"));
    let part = with(&full, &json!({"vars": {"a": "x"}}));
    assert_eq!(sent(&part)["message"], json!("x, $b$"));
    assert_eq!(sent(&part)["paras"], json!([{"receiver": "u"}]));
    assert_ne!(slot(&*adapter(), &full).key, slot(&*adapter(), &part).key);
}

#[test]
fn different_texts_share_a_call_only_where_folding_is_on() {
    let bodies = json!([to("user:a"), {"to": "user:b", "content": text("ho")}]);
    let folding = adapter();
    let (_, body) = request_of(&*folding, &messages(&bodies));
    assert_eq!(body["message"], json!("$text$"));
    assert_eq!(body["paras"], json!([{"receiver": "a", "$text$": "hi"}, {"receiver": "b", "$text$": "ho"}]));
    let plain = adapter_of(&json!({"api_key": "k", "fold": false}));
    let messages = messages(&bodies);
    let keys: Vec<_> = messages.iter().map(|message| plain.slot(message, Results::Fast).key).collect();
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn an_extra_with_a_dollar_never_stands_beside_values() {
    let adapter = adapter();
    let body =
        |to: &str, text: &str| json!({"to": to, "content": {"type": "text", "text": text, "ext": "$5"}});
    let (one, other) = (body("user:a", "hi"), body("user:b", "ho"));
    assert_ne!(slot(&*adapter, &one).key, slot(&*adapter, &other).key);
    let object = json!({"imkit": {"extra": {"n": 1}}});
    let (one, other) = (with(&to("user:a"), &json!({"extensions": object})), json!({"extensions": object}));
    let other = with(&json!({"to": "user:b", "content": text("ho")}), &other);
    assert_ne!(slot(&*adapter, &one).key, slot(&*adapter, &other).key);
}

#[test]
fn what_a_call_says_once_is_equal_in_all_of_its_messages() {
    let adapter = adapter();
    let base = slot(&*adapter, &to("user:a"));
    for more in [
        json!({"from": "other"}),
        json!({"options": {"push": {"enabled": false}}}),
        json!({"extensions": {"imkit": {"messageType": "announcement"}}}),
        json!({"extensions": {"imkit": {"skipTotalBadge": true}}}),
        json!({"extensions": {"imkit": {"extra": "x"}}}),
        json!({"extensions": {"imkit": {"extra": {"x": 1}}}}),
        json!({"content": {"type": "text", "text": "hi", "ext": "x"}}),
    ] {
        assert_ne!(slot(&*adapter, &with(&to("user:a"), &more)).key, base.key, "{more}");
    }
    let aside = json!({"labels": {"l": "1"}, "options": {"ttl": "5s"}, "id": "m"});
    assert_eq!(slot(&*adapter, &with(&to("user:b"), &aside)).key, base.key);
}

#[test]
fn calls_hold_two_hundred_recipients_unless_configured() {
    let adapter = adapter();
    assert_eq!(adapter.profile().class("batch").unwrap().messages_per_call, 200);
    assert!(slot(&*adapter, &to("user:a")).max > 200);
}

#[test]
fn extra_stands_in_a_body_only_when_used_and_then_as_text() {
    assert!(sent(&to("user:a")).get("extra").is_none());
    let ext = |ext: Value| json!({"to": "user:a", "content": {"type": "text", "text": "hi", "ext": ext}});
    assert_eq!(sent(&ext(json!({"k": [1]})))["extra"], json!(r#"{"k":[1]}"#));
    assert_eq!(sent(&ext(json!("as it is")))["extra"], json!("as it is"));
    let own = with(&ext(json!("lost")), &json!({"extensions": {"imkit": {"extra": {"k": 1}}}}));
    assert_eq!(sent(&own)["extra"], json!({"k": 1}));
    assert_eq!(losses(&own), ["ext"]);
}

#[test]
fn values_that_json_would_escape_are_put_into_extra_before_it_leaves() {
    let content = json!({"type": "text", "text": "hi", "ext": {"by": "$who$"}, "template": true});
    let body = |who: &str| sent(&json!({"to": "user:a", "content": content, "vars": {"who": who}}));
    assert_eq!(body("Ann")["extra"], json!(r#"{"by":"$who$"}"#));
    assert_eq!(body("Ann")["paras"], json!([{"receiver": "a", "$who$": "Ann"}]));
    assert_eq!(body("\"Ann\"")["extra"], json!(r#"{"by":"\"Ann\""}"#));
    assert_eq!(body("\"Ann\"")["paras"], json!([{"receiver": "a"}]));
}

#[test]
fn the_same_room_never_stands_in_a_call_twice() {
    let adapter = adapter();
    let (group, room) = (slot(&*adapter, &to("group:1")), slot(&*adapter, &to("room:1")));
    assert_ne!(group.key, room.key, "both are the vendor's room 1");
    assert!(!group.repeats && !room.repeats);
}

#[test]
fn no_message_id_is_ever_sent() {
    let named = with(&to("group:g"), &json!({"client_id": "mine", "options": {"results": "each"}}));
    for body in [sent(&named), sent(&with(&to("user:a"), &json!({"client_id": "mine"})))] {
        assert!(!body.to_string().contains("mine") && body.get("_id").is_none(), "{body}");
    }
    let raw = json!({"messageType": "text", "message": "hi", "_id": "58bf"});
    let content = json!({"type": "raw", "vendor": "imkit", "body": raw});
    let (code, paths) = refused(&json!({"to": "user:a", "content": content}));
    assert_eq!((code, &*paths[0]), (ErrorCode::InvalidMessage, "/content/body/_id"));
}

#[test]
fn the_vendors_own_signals_are_refused_as_message_types() {
    for kind in ["recall", "joinRoom", "typing", "paymentDone", "ENCRYPTED"] {
        let extended = with(&to("user:a"), &json!({"extensions": {"imkit": {"messageType": kind}}}));
        let custom = json!({"to": "user:a", "content": {"type": "custom", "kind": kind, "data": "x"}});
        let body = json!({"messageType": kind, "message": "x"});
        let raw = json!({"to": "user:a", "content": {"type": "raw", "vendor": "imkit", "body": body}});
        assert_eq!(refused(&extended).1, ["/extensions/imkit/messageType"]);
        assert_eq!(refused(&custom).1, ["/content/kind"]);
        assert_eq!(refused(&raw).1, ["/content/body/messageType"]);
    }
}

#[test]
fn the_key_is_a_secret_header_of_the_current_name_and_nowhere_else() {
    let adapter = adapter();
    let call = build::call(&*adapter, &messages(&json!([to("user:a")])), Results::Fast);
    let request = adapter.encode(&call, &build::seal()).unwrap();
    let holders: Vec<_> = request.headers.iter().filter(|header| header.value.contains("sesame")).collect();
    assert!(matches!(holders[..], [header] if header.secret && header.name == "IM-API-KEY"));
    assert!(!String::from_utf8_lossy(&request.body).contains("sesame"));
    assert!(!format!("{adapter:?}").contains("sesame"));
}

#[test]
fn paths_are_relative_to_the_apps_own_host() {
    let adapter = adapter();
    assert_eq!(request_of(&*adapter, &messages(&json!([to("user:a")]))).0, "/messages/batch");
    let alone = with(&to("room:r"), &json!({"options": {"results": "each"}}));
    assert_eq!(request_of(&*adapter, &messages(&json!([alone]))).0, "/messages");
}

#[test]
fn a_room_goes_alone_only_when_its_id_is_asked_for() {
    let adapter = adapter();
    let each = json!({"options": {"results": "each"}});
    for recipient in ["group:g", "room:r"] {
        assert_eq!(slot(&*adapter, &to(recipient)).class, "batch");
        let alone = slot(&*adapter, &with(&to(recipient), &each));
        assert_eq!((alone.class, alone.max), ("send", 1));
        assert_eq!(losses(&with(&to(recipient), &each)), Vec::<&str>::new());
    }
    assert_eq!(slot(&*adapter, &with(&to("user:u"), &each)).class, "batch");
    assert_eq!(losses(&with(&to("user:u"), &each)), ["results"]);
}

#[test]
fn what_the_single_send_is_not_documented_to_take_goes_by_the_batch() {
    let each = json!({"results": "each"});
    for more in [
        json!({"options": each, "content": {"type": "text", "text": "hi", "ext": "x"}}),
        json!({"options": each, "extensions": {"imkit": {"extra": "x"}}}),
    ] {
        let body = with(&to("room:r"), &more);
        assert_eq!(slot(&*adapter(), &body).class, "batch");
        assert_eq!(losses(&body), ["results"]);
    }
}

#[test]
fn the_single_send_gets_the_text_with_its_values() {
    let content = json!({"type": "text", "text": "Hi $a$", "template": true});
    let body =
        json!({"to": "room:r", "content": content, "vars": {"a": "x"}, "options": {"results": "each"}});
    assert_eq!(sent(&body)["message"], json!("Hi x"));
}

#[test]
fn contents_that_a_batch_is_not_documented_to_carry_are_refused() {
    for content in [
        json!({"type": "image", "url": "https://x/1.png"}),
        json!({"type": "audio", "url": "https://x/1.mp3", "duration_ms": 1}),
        json!({"type": "video", "url": "https://x/1.mp4"}),
        json!({"type": "file", "url": "https://x/1.pdf", "name": "1.pdf"}),
        json!({"type": "location", "latitude": 1, "longitude": 2}),
        json!({"type": "command", "name": "refresh"}),
    ] {
        let extended = json!({"imkit": {"messageType": "image", "extra": "{}"}});
        let (code, paths) = refused(&json!({"to": "user:a", "content": content, "extensions": extended}));
        assert_eq!((code, &*paths[0]), (ErrorCode::Unsupported, "/content/type"), "{content}");
    }
    let foreign = json!({"type": "raw", "vendor": "netease", "body": {}});
    assert_eq!(refused(&json!({"to": "user:a", "content": foreign})).1, ["/content/vendor"]);
}

#[test]
fn texts_of_other_kinds_are_sent_as_text_and_say_so() {
    for (content, loss) in [
        (json!({"type": "markdown", "text": "*hi*"}), "content.type"),
        (json!({"type": "notice", "text": "*hi*"}), "content.type"),
        (json!({"type": "quote", "text": "*hi*", "message": {"id": "1"}}), "content.message"),
    ] {
        let body = json!({"to": "user:a", "content": content});
        assert_eq!((&sent(&body)["messageType"], &sent(&body)["message"]), (&json!("text"), &json!("*hi*")));
        assert_eq!(losses(&body), [loss]);
    }
    let chosen = json!({"imkit": {"messageType": "markdown"}});
    let body = json!({"to": "user:a", "content": {"type": "markdown", "text": "*hi*"}, "extensions": chosen});
    assert_eq!(losses(&body), Vec::<&str>::new());
}

#[test]
fn a_custom_content_without_a_kind_has_the_type_custom() {
    let body = sent(&json!({"to": "user:a", "content": {"type": "custom", "data": "as it is"}}));
    assert_eq!((&body["messageType"], &body["message"]), (&json!("custom"), &json!("as it is")));
    let content = json!({"type": "custom", "data": {"n": 1}, "kind": "1001"});
    let extended = json!({"imkit": {"messageType": "gift"}});
    let body = sent(&json!({"to": "user:a", "content": content, "extensions": extended}));
    assert_eq!(body["messageType"], json!("gift"), "what is said for this vendor wins");
}

#[test]
fn a_raw_payload_says_neither_recipients_nor_anything_twice() {
    let raw =
        |body: Value| json!({"to": "user:a", "content": {"type": "raw", "vendor": "imkit", "body": body}});
    for key in ["sender", "push", "skipTotalBadge", "paras", "room", "receiver", "_id"] {
        let (_, paths) = refused(&raw(json!({"messageType": "text", "message": "hi", (key): "x"})));
        assert_eq!(paths, [format!("/content/body/{key}")]);
    }
    let (_, paths) = refused(&raw(json!({"messageType": "text"})));
    assert_eq!(paths, ["/content/body/message"]);
    let extended = json!({"extensions": {"imkit": {"messageType": "x", "extra": "x"}}});
    let body = raw(json!({"messageType": "text", "message": "hi", "extra": "y"}));
    let (_, paths) = refused(&with(&body, &extended));
    assert_eq!(paths, ["/extensions/imkit/messageType", "/extensions/imkit/extra"]);
    let bytes = json!({"type": "raw", "vendor": "imkit", "body_base64": "aGk="});
    assert_eq!(refused(&json!({"to": "user:a", "content": bytes})).1, ["/content/body_base64"]);
}

#[test]
fn an_empty_message_is_refused() {
    let content = json!({"type": "text", "text": "$a$", "template": true});
    let body = json!({"to": "user:a", "content": content, "vars": {"a": ""}});
    assert_eq!(refused(&body), (ErrorCode::InvalidMessage, vec!["/content/text".to_owned()]));
}

#[test]
fn everyone_cannot_be_reached() {
    assert_eq!(refused(&to("everyone")), (ErrorCode::Unsupported, vec!["/to".to_owned()]));
}

#[test]
fn wrong_extensions_are_named_with_what_is_allowed() {
    let extended = json!({"imkit": {"messagetype": "x", "skipTotalBadge": 1, "extra": [], "messageType": 7}});
    let message = message(&with(&to("user:a"), &json!({"extensions": extended})));
    let refusal = adapter().check(&message, Results::Fast).unwrap_err();
    let paths: Vec<_> = refusal.errors.iter().map(|error| error.path.as_str()).collect();
    let at = |key: &str| format!("/extensions/imkit/{key}");
    assert_eq!(paths, ["extra", "messageType", "messagetype", "skipTotalBadge"].map(at));
    assert!(refusal.errors[2].detail.contains("messageType, skipTotalBadge, extra"));
}

#[test]
fn every_wish_that_the_vendor_cannot_express_is_a_loss() {
    let push = json!({"title": "t", "body": "b", "sound": "s", "ext": "e", "badge": true});
    for (more, loss) in [
        (json!({"options": {"store": false}}), vec!["store"]),
        (json!({"options": {"online_only": true}}), vec!["online_only"]),
        (json!({"options": {"badge": false}}), vec!["badge"]),
        (json!({"options": {"ttl": "1s"}}), vec!["ttl"]),
        (json!({"options": {"audience": {"users": ["a"]}}}), vec!["audience"]),
        (
            json!({"options": {"push": push}}),
            vec!["push.title", "push.body", "push.sound", "push.ext", "push.badge"],
        ),
        (json!({"options": {"sync_sender": true, "priority": "high"}}), vec![]),
        (
            json!({"from": {"id": "s", "name": "n", "avatar_url": "u", "platform": "web"}}),
            vec!["from.name", "from.avatar_url", "from.platform"],
        ),
        (json!({"content": {"type": "text", "text": "hi", "mentions": {"users": ["a"]}}}), vec!["mentions"]),
    ] {
        assert_eq!(losses(&with(&to("group:g"), &more)), loss, "{more}");
    }
    let all = json!({"type": "text", "text": "hi", "mentions": {"all": true}});
    let alone = json!({"to": "group:g", "content": all, "options": {"results": "each"}});
    assert_eq!(losses(&alone), ["mentions"], "the list of the single send holds users alone");
}

#[test]
fn nothing_recognises_a_repeated_message_and_nothing_can_be_asked_for_one() {
    let adapter = adapter();
    assert_eq!(adapter.profile().dedupe, Dedupe::Never);
    assert!(!adapter.profile().lookup && adapter.login(&build::seal()).is_none());
    assert!(adapter.profile().accepted_means.contains("queued"));
}

#[test]
fn one_keys_minute_is_shared_out_between_the_classes() {
    let adapter = adapter();
    let a_minute = |class: &interline_core::profile::QuotaClass| class.calls.unwrap().count;
    assert_eq!(adapter.profile().classes.iter().map(a_minute).sum::<u32>(), 1_000);
}

#[test]
fn the_only_dialect_needs_no_probe() {
    assert!((VENDOR.probes)(&serde_json::Map::new()).is_empty());
    assert_eq!((VENDOR.recognise)(&[]), Some("v1"));
    let settings = json!({"api_key": "k"}).as_object().unwrap().clone();
    let errors = (VENDOR.build)(&settings, "v2").unwrap_err();
    assert_eq!(errors[0].path, "/dialect");
}
