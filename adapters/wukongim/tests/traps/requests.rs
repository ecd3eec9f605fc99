//! What a message becomes: paths, bodies, flags, the call that it may stand in, and the headers.

use super::*;

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
