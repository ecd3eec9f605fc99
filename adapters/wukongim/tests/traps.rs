//! The vendor's traps, one rule a test. What is measured was measured on a v2.2.5 server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that is wrong should stop")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::adapter::{Adapter, CallMessage, Finding, Reply, Sent, Settings, Signal};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::options::Results;
use interline_core::outcome::{ClientId, Outcome, Status};
use interline_core::profile::Dedupe;
use interline_testkit::build;
use interline_wukongim::{VENDOR, wire};
use serde_json::{Value, json};

const DIALECTS: [&str; 4] = ["published", "v1", "v2", "v3"];

fn adapter(dialect: &str) -> Arc<dyn Adapter> {
    build::adapter(&VENDOR, dialect, &json!({"token": "secret", "default_sender": "system"}))
}

fn message(mut fields: Value) -> Value {
    let object = fields.as_object_mut().unwrap();
    object.entry("to").or_insert(json!("user:bob"));
    object.entry("content").or_insert(json!({"type": "text", "text": "hi"}));
    fields
}

/// What one message becomes, and where it goes.
fn sent(dialect: &str, fields: Value, results: Results) -> (String, Value) {
    let adapter = adapter(dialect);
    let message = build::message(&message(fields));
    adapter.check(&message, results).expect("the message can be sent");
    let request = adapter.encode(&build::call(&*adapter, &[message], results), &build::seal()).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    (request.path.into_owned(), if body.is_array() { body[0].clone() } else { body })
}

fn refusal(dialect: &str, fields: Value) -> Refusal {
    adapter(dialect)
        .check(&build::message(&message(fields)), Results::Each)
        .expect_err("it can never be sent")
}

fn refused_at(dialect: &str, fields: Value, path: &str, code: ErrorCode) {
    let refusal = refusal(dialect, fields);
    assert_eq!((refusal.code, &*refusal.errors[0].path), (code, path), "{refusal:?}");
}

fn decoded(dialect: &str, fields: Value, results: Results, reply: &Reply) -> (Outcome, Signal) {
    let adapter = adapter(dialect);
    let call = build::call(&*adapter, &[build::message(&message(fields))], results);
    let mut verdict = adapter.decode(&call, reply);
    (verdict.outcomes.remove(0), verdict.signal)
}

fn losses(dialect: &str, fields: Value) -> Vec<&'static str> {
    adapter(dialect).check(&build::message(&message(fields)), Results::Each).unwrap()
}

#[test]
fn only_the_published_dialect_sends_the_array() {
    for (dialect, results, path) in [
        ("published", Results::Each, "/message/sendbatch"),
        ("published", Results::Fast, "/message/sendbatch"),
        ("v1", Results::Each, "/message/send"),
        ("v1", Results::Fast, "/message/sendbatch"),
        ("v2", Results::Each, "/message/send"),
        ("v2", Results::Fast, "/message/sendbatch"),
        ("v3", Results::Each, "/message/send"),
        ("v3", Results::Fast, "/message/send"),
    ] {
        let adapter = adapter(dialect);
        let message = build::message(&message(json!({})));
        let call = build::call(&*adapter, &[message], results);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        assert_eq!(request.path, path, "{dialect}");
        assert_eq!(request.body.starts_with(b"["), dialect == "published", "{dialect}");
    }
}

#[test]
fn only_persons_stand_in_a_fan_out() {
    let adapter = adapter("v2");
    let class = |fields: Value| adapter.slot(&build::message(&message(fields)), Results::Fast).class;
    assert_eq!(class(json!({"to": "user:bob"})), "sendbatch");
    assert_eq!(class(json!({"to": "group:g1"})), "send");
    assert_eq!(class(json!({"to": "room:r1"})), "send");
    assert_eq!(class(json!({"extensions": {"wukongim": {"channel_type": 11}}})), "send");
}

#[test]
fn a_group_never_goes_into_a_person_channel() {
    let path = "/extensions/wukongim/channel_type";
    let person = json!({"wukongim": {"channel_type": 1}});
    refused_at("v2", json!({"to": "group:g", "extensions": person}), path, ErrorCode::InvalidMessage);
    refused_at("v2", json!({"to": "room:g", "extensions": person}), path, ErrorCode::InvalidMessage);
    let group = json!({"wukongim": {"channel_type": 2}});
    refused_at("v2", json!({"to": "user:g", "extensions": group}), path, ErrorCode::InvalidMessage);
}

#[test]
fn a_fan_out_says_only_what_all_of_its_messages_say() {
    let adapter = adapter("v2");
    let slot = |fields: Value| adapter.slot(&build::message(&message(fields)), Results::Fast);
    let plain = slot(json!({}));
    assert!(!plain.repeats && plain.max == 2_000);
    assert_eq!(slot(json!({"to": "user:carol", "from": "system"})).key, plain.key);
    for other in [
        json!({"from": "carol"}),
        json!({"content": {"type": "text", "text": "ho"}}),
        json!({"options": {"badge": false}}),
        json!({"options": {"store": false}}),
        json!({"extensions": {"wukongim": {"sync_once": 1}}}),
    ] {
        let slot = slot(other.clone());
        assert!(slot.class == "sendbatch" && slot.key != plain.key, "{other}");
    }
    for singly in [
        json!({"options": {"ttl": "60s"}}),
        json!({"extensions": {"wukongim": {"tag_key": "t"}}}),
        json!({"content": {"type": "text", "text": "$n$", "template": true}, "vars": {"n": "Ann"}}),
    ] {
        assert_eq!(slot(singly.clone()).class, "send", "{singly}");
    }
}

#[test]
fn http_200_is_no_success_by_itself() {
    let listed = build::reply(200, &json!({"fail_uids": ["bob"], "reason": ["频道ID不合法！"]}));
    assert_eq!(decoded("v2", json!({}), Results::Fast, &listed).0.status(), Status::Rejected);
    let reason = build::reply(200, &json!({"message_id": 0, "message_seq": 0, "reason": 19}));
    assert_eq!(decoded("v3", json!({}), Results::Each, &reason).0.status(), Status::Rejected);
    let inner = build::reply(200, &json!({"status": 404}));
    assert_eq!(decoded("v2", json!({}), Results::Each, &inner).0.status(), Status::Unknown);
    let missing = build::reply(200, &json!([]));
    assert_eq!(decoded("published", json!({}), Results::Each, &missing).0.status(), Status::Unknown);
    assert!(adapter("v2").profile().accepted_means.contains("memory"));
}

#[test]
fn only_v3_recognises_a_repeat_and_it_gets_the_same_bytes() {
    for dialect in ["published", "v1", "v2"] {
        assert_eq!(adapter(dialect).profile().dedupe, Dedupe::Never);
    }
    let v3 = adapter("v3");
    assert!(v3.profile().dedupe.window_ms("send") > 0 && v3.profile().dedupe.window_ms("sendbatch") == 0);
    let content =
        json!({"type": "custom", "kind": "7", "data": {"z": 1, "a": {"y": 2, "b": [1.5]}}, "ext": {"q": 1}});
    let message = build::message(&message(json!({"content": content})));
    let mut call = build::call(&*v3, &[Arc::clone(&message)], Results::Each);
    let first = v3.encode(&call, &build::seal()).unwrap();
    call.messages = vec![CallMessage { attempt: 4, prior_unknown: true, ..CallMessage::first(message) }];
    assert_eq!(v3.encode(&call, &build::seal()).unwrap(), first);
}

#[test]
fn audience_is_refused_where_subscribers_are_for_commands_only() {
    let fields = json!({"to": "group:g", "options": {"audience": {"users": ["u1"]}}});
    for dialect in ["v1", "v2", "v3"] {
        refused_at(dialect, fields.clone(), "/options/audience", ErrorCode::Unsupported);
        let command = json!({"to": "group:g", "options": fields["options"], "content": {"type": "command", "name": "x"}});
        refused_at(dialect, command, "/options/audience", ErrorCode::Unsupported);
    }
    assert_eq!(sent("published", fields, Results::Each).1["subscribers"], json!(["u1"]));
}

#[test]
fn an_audience_is_never_empty_nor_of_a_person() {
    let empty = json!({"to": "group:g", "options": {"audience": {"users": []}}});
    refused_at("published", empty, "/options/audience/users", ErrorCode::InvalidMessage);
    let person = json!({"options": {"audience": {"users": ["u1"]}}});
    refused_at("published", person, "/options/audience", ErrorCode::InvalidMessage);
    let wrong = json!({"to": "group:g", "options": {"audience": {"users": ["u1", "u@2"]}}});
    refused_at("published", wrong, "/options/audience/users/1", ErrorCode::InvalidMessage);
}

#[test]
fn sync_once_is_set_for_commands_and_when_asked_for() {
    let flag = |fields: Value| sent("v2", fields, Results::Each).1["header"]["sync_once"].clone();
    assert_eq!(flag(json!({})), 0);
    assert_eq!(flag(json!({"content": {"type": "notice", "text": "x"}})), 0);
    assert_eq!(flag(json!({"content": {"type": "command", "name": "x"}})), 1);
    assert_eq!(flag(json!({"extensions": {"wukongim": {"sync_once": 1}}})), 1);
    let shown =
        json!({"content": {"type": "command", "name": "x"}, "extensions": {"wukongim": {"sync_once": 0}}});
    assert_eq!(flag(shown), 0);
}

#[test]
fn message_ids_keep_all_digits() {
    let ids = |dialect: &str, body: Value, results: Results| match decoded(
        dialect,
        json!({"client_id": "n1"}),
        results,
        &build::reply(200, &body),
    )
    .0
    {
        Outcome::Accepted(receipt) => receipt.message_id.unwrap().to_string(),
        other => format!("{other:?}"),
    };
    let odd = 9_007_199_254_740_993_i64; // 2^53 + 1
    let most = i64::MAX;
    for id in [odd, most] {
        let item = json!({"message_id": id, "client_msg_no": "n1", "message_seq": 1});
        assert_eq!(ids("v2", json!({"status": 200, "data": item}), Results::Each), id.to_string());
        assert_eq!(
            ids("v3", json!({"message_id": id, "message_seq": 1, "reason": 1}), Results::Each),
            id.to_string()
        );
        assert_eq!(ids("published", json!([item]), Results::Each), id.to_string());
        let text = json!({"message_id": id.to_string(), "client_msg_no": "n1"});
        assert_eq!(ids("published", json!([text]), Results::Each), id.to_string());
    }
}

#[test]
fn payload_is_standard_base64_of_json_with_a_numeric_type() {
    // Bytes whose base64 differs between the two alphabets, and needs padding.
    let text = "subjects?_d=1\u{fe}\u{ff}>>>???~";
    for dialect in DIALECTS {
        let (_, body) = sent(dialect, json!({"content": {"type": "text", "text": text}}), Results::Fast);
        let payload = body["payload"].as_str().unwrap();
        assert!(payload.len() % 4 == 0 && !payload.contains(['-', '_']), "{payload}");
        let json: Value = serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap();
        assert_eq!(json, json!({"type": 1, "content": text}));
    }
}

#[test]
fn header_flags_are_zero_or_one() {
    for dialect in DIALECTS {
        let options = json!({"options": {"store": false, "badge": true}});
        let (_, body) = sent(dialect, options, Results::Fast);
        let stored = i32::from(dialect != "v3");
        assert_eq!(body["header"], json!({"no_persist": stored, "red_dot": 1, "sync_once": 0}), "{dialect}");
    }
}

#[test]
fn a_message_without_a_sender_is_refused() {
    let adapter = build::adapter(&VENDOR, "v2", &json!({}));
    let refusal = adapter.check(&build::message(&message(json!({}))), Results::Each).unwrap_err();
    assert_eq!((refusal.code, &*refusal.errors[0].path), (ErrorCode::SenderInvalid, "/from"));
    for sender in [" ", "a@b", "a#b", "a&b"] {
        refused_at("v2", json!({"from": sender}), "/from", ErrorCode::SenderInvalid);
    }
}

#[test]
fn what_the_server_would_take_and_lose_is_refused() {
    for dialect in DIALECTS {
        for to in ["user: ", "user:a@b", "group:a#b", "room:a&b"] {
            refused_at(dialect, json!({"to": to}), "/to", ErrorCode::InvalidMessage);
        }
        refused_at(dialect, json!({"to": "everyone"}), "/to", ErrorCode::Unsupported);
        for channel_type in [0, 13, 255] {
            let fields = json!({"extensions": {"wukongim": {"channel_type": channel_type}}});
            refused_at(dialect, fields, "/extensions/wukongim/channel_type", ErrorCode::InvalidMessage);
        }
        refused_at(dialect, json!({"client_id": " "}), "/client_id", ErrorCode::InvalidMessage);
        let empty = json!({"content": {"type": "raw", "vendor": "wukongim", "body_base64": ""}});
        refused_at(dialect, empty, "/content/body_base64", ErrorCode::InvalidMessage);
        let foreign = json!({"content": {"type": "raw", "vendor": "openim", "body": {}}});
        refused_at(dialect, foreign, "/content/vendor", ErrorCode::Unsupported);
        let long = json!({"options": {"ttl": "200years"}});
        refused_at(dialect, long, "/options/ttl", ErrorCode::InvalidMessage);
        let both = json!({"content": {"type": "custom", "kind": "7", "data": {"type": 8}}});
        refused_at(dialect, both, "/content/data/type", ErrorCode::InvalidMessage);
    }
}

#[test]
fn a_payload_may_have_32767_bytes_decoded() {
    let around = r#"{"type":1,"content":""}"#.len();
    for dialect in DIALECTS {
        let text = |length: usize| json!({"content": {"type": "text", "text": "é".repeat(length / 2) + &"x".repeat(length % 2)}});
        let (_, body) = sent(dialect, text(32_767 - around), Results::Fast);
        let payload = STANDARD.decode(body["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload.len(), 32_767);
        refused_at(dialect, text(32_768 - around), "/content", ErrorCode::TooLarge);
        let template = json!({"content": {"type": "text", "text": "$a$", "template": true}, "vars": {"a": "x".repeat(32_768 - around)}});
        refused_at(dialect, template, "/content", ErrorCode::TooLarge);
    }
}

#[test]
fn ids_that_stop_a_server_are_refused() {
    let id = |bytes: usize| "x".repeat(bytes);
    refused_at("v2", json!({"to": format!("group:{}", id(32_768))}), "/to", ErrorCode::InvalidMessage);
    refused_at("v2", json!({"from": id(32_768)}), "/from", ErrorCode::SenderInvalid);
    // Two ids are joined, and commands add a suffix: together they must stay below the limit, too.
    let longest = json!({"to": format!("user:{}", id(16_000)), "from": id(16_000)});
    assert!(adapter("v2").check(&build::message(&message(longest)), Results::Each).is_ok());
    refused_at("v2", json!({"to": format!("user:{}", id(16_001))}), "/to", ErrorCode::InvalidMessage);
}

#[test]
fn unknown_extensions_are_named_with_what_is_allowed() {
    let refusal = refusal("v2", json!({"extensions": {"wukongim": {"syncOnce": 1, "sync_once": true}}}));
    let paths: Vec<&str> = refusal.errors.iter().map(|error| &*error.path).collect();
    assert_eq!(paths, ["/extensions/wukongim/sync_once", "/extensions/wukongim/syncOnce"]);
    assert!(refusal.errors[1].detail.contains("sync_once, channel_type, stream_no, tag_key"));
}

#[test]
fn both_envelopes_are_read_and_a_foreign_one_asks_for_the_dialect() {
    let flat = build::reply(200, &json!({"message_id": 7, "message_seq": 1, "reason": 1}));
    let wrapped =
        build::reply(200, &json!({"status": 200, "data": {"message_id": 7, "client_msg_no": "n1"}}));
    for (dialect, reply, signal) in [
        ("v2", &wrapped, Signal::None),
        ("v2", &flat, Signal::WrongDialect),
        ("v1", &flat, Signal::WrongDialect),
        ("v3", &flat, Signal::None),
        ("v3", &wrapped, Signal::WrongDialect),
    ] {
        let (outcome, told) = decoded(dialect, json!({"client_id": "n1"}), Results::Each, reply);
        assert_eq!((outcome.status(), told), (Status::Accepted, signal), "{dialect}");
    }
}

#[test]
fn v3_permissions_are_refusals_with_their_reasons() {
    for (reason, code) in [
        (3, ErrorCode::Forbidden),
        (4, ErrorCode::RecipientRefused),
        (5, ErrorCode::RecipientNotFound),
        (13, ErrorCode::RecipientRefused),
        (19, ErrorCode::RecipientRefused),
        (24, ErrorCode::RecipientNotFound),
        (25, ErrorCode::Muted),
    ] {
        let reply = build::reply(200, &json!({"message_id": 0, "message_seq": 0, "reason": reason}));
        let (outcome, _) = decoded("v3", json!({}), Results::Each, &reply);
        let failure = outcome.failure().unwrap();
        assert_eq!((failure.code, failure.retryable), (code, false), "{reason}");
        assert_eq!(failure.vendor_code, Some(reason.to_string()));
    }
}

#[test]
fn every_request_carries_the_token_and_nothing_shows_it() {
    let settings: Settings = json!({"token": "s3cr3t", "default_sender": "a"}).as_object().unwrap().clone();
    let adapter = (VENDOR.build)(&settings, "v2").unwrap();
    let message = build::message(&message(json!({})));
    let call = build::call(&*adapter, &[Arc::clone(&message)], Results::Each);
    let sent = Sent { message: &message, recipient_id: "bob", class: "send" };
    let mut requests = (VENDOR.probes)(&settings);
    requests.push(adapter.encode(&call, &build::seal()).unwrap());
    requests.push(adapter.lookup(&sent, &build::seal()).unwrap().request);
    for request in requests {
        let token = request.headers.iter().find(|header| header.name == "token").unwrap();
        assert!(token.value == "s3cr3t" && token.secret, "{}", request.path);
    }
    assert!(!format!("{adapter:?}").contains("s3cr3t"));
    assert!(
        (VENDOR.probes)(&Settings::new())
            .iter()
            .all(|request| request.headers.iter().all(|header| !header.secret))
    );
}

#[test]
fn lookups_name_the_joined_chat_and_the_command_channel() {
    let adapter = adapter("v2");
    let path = |fields: Value, to: &str| {
        let message = build::message(&message(fields));
        let sent = Sent { message: &message, recipient_id: to, class: "send" };
        adapter.lookup(&sent, &build::seal()).map(|exchange| exchange.request.path.into_owned())
    };
    let asked = |channel: &str, kind: u8| {
        Some(format!("/message/byclientmsgno?channel_id={channel}&channel_type={kind}&client_msg_no=n%261"))
    };
    // Both orders as a real server keeps them.
    assert_eq!(
        path(json!({"client_id": "n&1", "from": "alice", "to": "user:u1"}), "u1"),
        asked("u1%40alice", 1)
    );
    assert_eq!(
        path(json!({"client_id": "n&1", "from": "u1", "to": "user:alice"}), "alice"),
        asked("u1%40alice", 1)
    );
    assert_eq!(path(json!({"client_id": "n&1", "to": "group:g1"}), "mapped"), asked("mapped", 2));
    assert_eq!(path(json!({"client_id": "n&1", "to": "room:r1"}), "r1"), asked("r1", 9));
    let agent = json!({"client_id": "n&1", "from": "zoe", "extensions": {"wukongim": {"channel_type": 11}}});
    assert_eq!(path(agent, "bot"), asked("zoe%40bot", 11));
    let command = json!({"client_id": "n&1", "to": "group:g1", "content": {"type": "command", "name": "x"}});
    assert_eq!(path(command, "g1"), asked("g1____cmd", 2));
    assert_eq!(path(json!({"options": {"online_only": true}}), "bob"), None);
}

#[test]
fn only_single_sends_to_v2_can_be_looked_up() {
    let message = build::message(&message(json!({})));
    for dialect in DIALECTS {
        for class in ["send", "sendbatch"] {
            let sent = Sent { message: &message, recipient_id: "bob", class };
            let found = adapter(dialect).lookup(&sent, &build::seal()).is_some();
            assert_eq!(found, dialect == "v2" && class == "send", "{dialect} {class}");
            assert_eq!(adapter(dialect).profile().lookup, dialect == "v2");
        }
    }
}

#[test]
fn a_lookup_tells_found_from_absent_from_unable() {
    let message = build::message(&message(json!({})));
    let sent = Sent { message: &message, recipient_id: "bob", class: "send" };
    let exchange = adapter("v2").lookup(&sent, &build::seal()).unwrap();
    let read = |status: u16, body: &str| {
        (exchange.read)(&Reply { status, retry_after: None, body: body.as_bytes().to_vec() }).unwrap()
    };
    let found = r#"{"header":{"no_persist":0,"red_dot":0,"sync_once":0},"setting":0,"message_id":2123967344811184128,"message_idstr":"2123967344811184128","client_msg_no":"t1","message_seq":1,"from_uid":"alice","channel_id":"u1","channel_type":1,"expire":0,"timestamp":1795228251,"payload":"eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ=="}"#;
    let Finding::Arrived(receipt) = read(200, found) else { unreachable!("it was found") };
    assert_eq!(receipt.message_id.as_deref(), Some("2123967344811184128"));
    assert_eq!(
        (&receipt.client_id, receipt.seq.as_deref()),
        (&Some(ClientId::Other("t1".into())), Some("1"))
    );
    assert_eq!(receipt.time_ms, Some(1_795_228_251_000));
    assert_eq!(read(200, r#"{"status":404}"#), Finding::Absent);
    for (status, body) in [
        (200, ""),
        (200, "[]"),
        (200, r#"{"status":200}"#),
        (400, r#"{"status":404}"#),
        (401, ""),
        (404, "404 page not found"),
        (500, ""),
    ] {
        assert_eq!(read(status, body), Finding::CannotTell, "{status} {body}");
    }
}

#[test]
fn lifetime_stream_and_tag_are_losses_where_nothing_acts_on_them() {
    let fields =
        json!({"options": {"ttl": "60s"}, "extensions": {"wukongim": {"stream_no": "s", "tag_key": "t"}}});
    let (stream, tag) = ("extensions.wukongim.stream_no", "extensions.wukongim.tag_key");
    assert_eq!(losses("published", fields.clone()), Vec::<&str>::new());
    assert_eq!(losses("v1", fields.clone()), ["ttl", tag]);
    assert_eq!(losses("v2", fields.clone()), ["ttl", stream, tag]);
    assert_eq!(losses("v3", fields), ["ttl", stream, tag]);
    assert_eq!(losses("published", json!({"options": {"ttl": "1500ms"}})), ["ttl"]);
}

#[test]
fn calls_under_way_stay_below_what_a_node_was_seen_to_take() {
    for dialect in DIALECTS {
        let adapter = adapter(dialect);
        let profile = adapter.profile();
        let classes: Vec<(&str, usize)> =
            profile.classes.iter().map(|class| (class.name, class.messages_per_call)).collect();
        assert_eq!(classes, [("send", 1), ("sendbatch", 100)]);
        assert!(profile.in_flight * 100 <= 2_000);
    }
}

#[test]
fn an_error_is_read_by_its_content_alone() {
    let body = br#"{"msg":"illegal base64 data at input byte 0","status":400}"#.to_vec();
    let reply = Reply { status: 400, retry_after: None, body };
    let (outcome, _) = decoded("v2", json!({}), Results::Each, &reply);
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.code, ErrorCode::InvalidMessage);
    assert_eq!(failure.vendor_message.as_deref(), Some("illegal base64 data at input byte 0"));
    let empty = Reply { status: 401, ..Reply::default() };
    let (outcome, _) = decoded("v2", json!({}), Results::Each, &empty);
    assert_eq!(outcome.failure().unwrap().code, ErrorCode::Unauthorized);
}

#[test]
fn a_long_page_of_a_proxy_is_cut() {
    let reply = Reply { status: 502, retry_after: None, body: "网".repeat(100_000).into_bytes() };
    let (outcome, _) = decoded("v2", json!({}), Results::Each, &reply);
    assert_eq!(outcome.failure().unwrap().vendor_message.as_ref().unwrap().chars().count(), 200);
}

#[test]
fn hand_written_bodies_are_what_serde_would_write() {
    let adapter = build::adapter(&VENDOR, "published", &json!({}));
    let texts =
        ["plain", "\"quoted\"", "back\\slash", "line\nfeed", "nul\u{0}", "网络", "tab\t", "del\u{7f}", "/"];
    let messages: Vec<Value> = texts
        .iter()
        .flat_map(|text| {
            [json!({"to": format!("user:{text}"), "from": text, "client_id": text}),
             json!({"to": format!("group:{text}"), "options": {"audience": {"users": [text]}, "ttl": "4294967295s"},
                    "content": {"type": "text", "text": text},
                    "extensions": {"wukongim": {"stream_no": text, "tag_key": text, "channel_type": 12}}})]
        })
        .collect();
    let (_, messages) =
        build::batch(&json!({"from": "a", "content": {"type": "text", "text": "hi"}, "messages": messages}));
    for message in &messages {
        adapter.check(message, Results::Each).unwrap();
    }
    let call = build::call(&*adapter, &messages, Results::Each);
    let body = adapter.encode(&call, &build::seal()).unwrap().body;
    let items: Vec<wire::Item<'_>> = serde_json::from_slice(&body).unwrap();
    assert_eq!(items.len(), 18);
    assert_eq!(String::from_utf8(serde_json::to_vec(&items).unwrap()), String::from_utf8(body));
    let fan_out = adapter_fan_out();
    let read: wire::FanOut<'_> = serde_json::from_slice(&fan_out).unwrap();
    assert_eq!(serde_json::to_vec(&read).unwrap(), fan_out);
}

fn adapter_fan_out() -> Vec<u8> {
    let adapter = adapter("v2");
    let messages = ["user:a", "user:\"b\"", "user:网"].map(|to| json!({"to": to}));
    let (_, messages) =
        build::batch(&json!({"content": {"type": "text", "text": "hi"}, "messages": messages}));
    adapter.encode(&build::call(&*adapter, &messages, Results::Fast), &build::seal()).unwrap().body
}

#[test]
fn wrong_settings_are_named_with_their_path() {
    for (settings, path) in [
        (json!({"tokn": "x"}), "/tokn"),
        (json!({"token": ""}), "/token"),
        (json!({"token": "a\r\nb"}), "/token"),
        (json!({"token": 7}), "/token"),
        (json!({"default_sender": "a@b"}), "/default_sender"),
        (json!({"room_channel_type": 1}), "/room_channel_type"),
        (json!({"room_channel_type": 13}), "/room_channel_type"),
        (json!({"everyone": true}), "/everyone"),
    ] {
        let settings = settings.as_object().unwrap().clone();
        let errors = (VENDOR.build)(&settings, "v2").unwrap_err();
        assert_eq!(errors[0].path, path, "{errors:?}");
    }
    assert_eq!((VENDOR.build)(&Settings::new(), "v4").unwrap_err()[0].path, "/dialect");
    for dialect in VENDOR.dialects {
        assert_eq!((VENDOR.build)(&Settings::new(), dialect).unwrap().profile().dialect, *dialect);
    }
}
