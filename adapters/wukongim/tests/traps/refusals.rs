//! What is refused before it is sent, with the path of what is wrong: messages that the server would take
//! and lose or that stop it, and settings.

use super::*;

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
