//! Requests: what is refused, what is lost, what goes where.

use super::*;

// Trap 2.
#[test]
fn groups_never_go_through_the_batch_call() {
    for dialect in VENDOR.dialects {
        let adapter = adapter(dialect);
        let message = message(json!({"to": "group:g1"}));
        let slot = adapter.slot(&message, Results::Fast);
        assert_eq!((slot.class, slot.max), ("send", 1), "{dialect}");
        let (request, body) = encoded(&*adapter, &build::call(&*adapter, &[message], Results::Fast));
        assert_eq!(request.path, "/msg/send_msg", "{dialect}");
        assert_eq!((&body["sessionType"], &body["groupID"]), (&json!(3), &json!("g1")), "{dialect}");
        assert!(body.get("recvIDs").is_none() && body.get("recvID").is_none(), "{dialect}");
    }
}

// Trap 2.
#[test]
fn the_dead_session_type_is_refused() {
    let own = json!({"to": "group:g1", "extensions": {"openim": {"sessionType": 2}}});
    let refused = refusal("v3.8.3", own.clone());
    assert_eq!(refused.errors[0].path, "/extensions/openim/sessionType");
    assert!(losses("published", own).is_empty());
}

// Trap 3.
#[test]
fn everyone_keeps_the_key_of_recipients_and_no_recipient() {
    for dialect in ["v3.8.3", "main"] {
        let (adapter, call) = single_call(dialect, json!({"to": "everyone"}));
        let (request, body) = encoded(&*adapter, &call);
        assert_eq!(request.path, "/msg/batch_send_msg");
        assert_eq!((&body["recvIDs"], &body["isSendAll"]), (&json!([]), &json!(true)));
    }
}

// Trap 18.
#[test]
fn everyone_needs_the_providers_word_and_is_never_a_group() {
    let closed = build::adapter(&VENDOR, "main", &json!({"secret": "s", "default_sender": "system"}));
    let message = message(json!({"to": "everyone"}));
    let refused = closed.check(&message, Results::Each).unwrap_err();
    assert_eq!((refused.code, &*refused.errors[0].path), (ErrorCode::Forbidden, "/to"));
    assert!(!closed.profile().recipients.contains(&RecipientKind::Everyone));
    for session_type in [2, 3] {
        let own = json!({"to": "everyone", "extensions": {"openim": {"sessionType": session_type}}});
        assert_eq!(refusal("published", own).errors[0].path, "/extensions/openim/sessionType");
    }
}

// Trap 7.
#[test]
fn nothing_is_ever_recognised_as_a_repeat() {
    for dialect in VENDOR.dialects {
        let adapter = adapter(dialect);
        assert_eq!(adapter.profile().dedupe, Dedupe::Never);
        assert!(!adapter.slot(&message(json!({})), Results::Fast).repeats);
    }
}

// Trap 11.
#[test]
fn types_of_the_main_line_are_degraded_on_the_old_one() {
    let quote = json!({"content": {"type": "quote", "text": "re", "message": {"id": "s1"}}});
    let markdown = json!({"content": {"type": "markdown", "text": "*hi*"}});
    for own in [quote, markdown] {
        assert_eq!(losses("v3.8.3", own.clone()), ["content.type"]);
        assert!(losses("main", own).is_empty());
    }
    let mention =
        json!({"to": "group:g1", "content": {"type": "text", "text": "hi", "mentions": {"all": true}}});
    assert_eq!(losses("v3.8.3", mention.clone()), ["mentions"]);
    assert!(losses("main", mention.clone()).is_empty());
    let in_a_chat = json!({"content": mention["content"]});
    assert_eq!(losses("main", in_a_chat), ["mentions"]);
}

// Trap 11.
#[test]
fn commands_to_groups_need_the_main_line() {
    let own = |to: &str| json!({"to": to, "content": {"type": "command", "name": "n"}});
    assert_eq!(refusal("v3.8.3", own("group:g1")).errors[0].path, "/to");
    assert!(losses("main", own("group:g1")).is_empty());
    assert_eq!(losses("v3.8.3", own("user:u1")), ["store"]);
    assert_eq!(refusal("published", own("user:u1")).errors[0].path, "/content/type");
    let loud = json!({"content": {"type": "command", "name": "n"}, "extensions": {"openim": {"ex": "x"}}});
    assert_eq!(refusal("main", loud).errors[0].path, "/extensions/openim/ex");
}

// Trap 12.
#[test]
fn what_the_server_rejects_is_never_sent() {
    for (content_type, wanted) in [(107, 1), (108, 1), (109, 1), (115, 1), (117, 1)] {
        let own = json!({"content": {"type": "raw", "vendor": "openim",
                                     "body": {"contentType": content_type, "content": {"a": 1}}}});
        let refused = refusal("main", own);
        assert_eq!((refused.code, refused.errors.len()), (ErrorCode::Unsupported, wanted));
        assert_eq!(refused.errors[0].path, "/content/body/contentType");
    }
    let object = json!({"content": {"type": "raw", "vendor": "openim",
                                    "body": {"contentType": 110, "content": {"data": {"n": 1}}}}});
    assert_eq!(refusal("v3.8.3", object).errors[0].path, "/content/body/content/data");
    let other = json!({"content": {"type": "raw", "vendor": "netease", "body": {}}});
    assert_eq!(refusal("main", other).code, ErrorCode::Unsupported);
}

// Trap 12.
#[test]
fn a_medium_without_what_the_server_demands_becomes_its_address() {
    for content in [
        json!({"type": "image", "url": "https://x/p.png"}),
        json!({"type": "image", "url": "https://x/p.png", "width": 0, "height": 9}),
        json!({"type": "video", "url": "https://x/p.mp4", "duration_ms": 1000, "size": 5, "width": 1, "height": 1}),
        json!({"type": "file", "url": "https://x/p.pdf", "name": "p.pdf"}),
    ] {
        let (adapter, call) = single_call("v3.8.3", json!({"content": content}));
        let (_, body) = encoded(&*adapter, &call);
        assert_eq!(body["contentType"], 101, "{content}");
        assert!(body["content"]["content"].as_str().unwrap().contains(content["url"].as_str().unwrap()));
        assert_eq!(losses("v3.8.3", json!({"content": content})), ["content.type"]);
    }
}

// Trap 13.
#[test]
fn weakly_typed_content_is_refused_though_the_server_takes_it() {
    for content in [json!({"content": 5}), json!({"content": "hi", "id": 9_007_199_254_740_993_i64})] {
        let own = json!({"content": {"type": "custom", "data": content},
                         "extensions": {"openim": {"contentType": 101}}});
        assert!(refusal("main", own).errors[0].path.starts_with("/content/data/"));
    }
}

// Trap 14.
#[test]
fn times_are_milliseconds_or_absent() {
    let (adapter, call) = single_call("main", json!({}));
    assert!(encoded(&*adapter, &call).1.get("sendTime").is_none());
    for time in [1_700_000_000_i64, 1_700_000_000_000_000, 0] {
        let refused = refusal("main", json!({"extensions": {"openim": {"sendTime": time}}}));
        assert_eq!(refused.errors[0].path, "/extensions/openim/sendTime");
    }
    let (adapter, call) =
        single_call("main", json!({"extensions": {"openim": {"sendTime": 1_700_000_000_000_i64}}}));
    assert_eq!(encoded(&*adapter, &call).1["sendTime"], 1_700_000_000_000_i64);
}

// Trap 15.
#[test]
fn online_only_never_pushes() {
    let own = json!({"options": {"online_only": true, "push": {"title": "t"}}});
    let (adapter, call) = single_call("v3.8.3", own);
    let (_, body) = encoded(&*adapter, &call);
    assert_eq!((&body["isOnlineOnly"], &body["notOfflinePush"]), (&json!(true), &json!(true)));
    assert!(body.get("offlinePushInfo").is_none());
}

// Trap 16.
#[test]
fn the_senders_name_and_picture_are_sent_along() {
    let from = json!({"id": "s", "name": "Shop", "avatar_url": "https://x/a.png", "platform": "web"});
    let (adapter, call) = single_call("main", json!({"from": from}));
    let (_, body) = encoded(&*adapter, &call);
    assert_eq!(body["senderNickname"], "Shop");
    assert_eq!(body["senderFaceURL"], "https://x/a.png");
    assert_eq!(body["senderPlatformID"], 5);
}

// Trap 17.
#[test]
fn batches_are_small_by_default() {
    let adapter = adapter("v3.8.3");
    let profile = adapter.profile();
    assert_eq!(profile.class("batch").unwrap().messages_per_call, 200);
    assert_eq!(profile.class("send").unwrap().messages_per_call, 1);
    assert!(adapter.slot(&message(json!({})), Results::Fast).max >= 200);
    assert_eq!(profile.timeout, Duration::from_secs(30));
}

// Trap 21.
#[test]
fn the_sender_always_sees_the_message_unless_it_is_not_kept() {
    assert!(losses("main", json!({"options": {"sync_sender": true}})).is_empty());
    assert!(losses("main", json!({"options": {"sync_sender": false}})).is_empty(), "see the README");
    assert_eq!(
        losses("main", json!({"options": {"sync_sender": true, "online_only": true}})),
        ["sync_sender"]
    );
}

#[test]
fn options_without_a_field_are_losses() {
    let own =
        json!({"options": {"ttl": "1h", "store": false, "badge": false, "audience": {"users": ["u1"]}}});
    assert_eq!(losses("main", own), ["ttl", "store", "badge", "audience"]);
    let part = json!({"to": "group:g1", "options": {"audience": {"users": ["u1"]}}});
    assert_eq!(refusal("main", part).errors[0].path, "/options/audience");
    let each = json!({"options": {"results": "each"}});
    assert_eq!(losses("published", each.clone()), ["results"]);
    assert!(losses("main", each).is_empty());
}

#[test]
fn rooms_are_unsupported() {
    let refused = refusal("main", json!({"to": "room:r1"}));
    assert_eq!((refused.code, &*refused.errors[0].path), (ErrorCode::Unsupported, "/to"));
}

#[test]
fn a_message_needs_a_sender() {
    let adapter = build::adapter(&VENDOR, "main", &json!({"secret": "s"}));
    let refused = adapter.check(&message(json!({})), Results::Each).unwrap_err();
    assert_eq!(refused.code, ErrorCode::SenderInvalid);
}

#[test]
fn notifications_go_to_users_with_session_type_4() {
    let own = |to: &str, ext: Value| json!({"to": to, "extensions": {"openim": ext}});
    let notification = json!({"notificationName": "News", "notificationType": 7});
    let to_group = refusal("main", own("group:g1", json!({"notification": notification})));
    assert_eq!(to_group.errors[0].path, "/to");
    for (key, value) in [("sessionType", 1), ("contentType", 101)] {
        let mut ext = json!({"notification": notification});
        ext[key] = json!(value);
        let refused = refusal("main", own("user:u1", ext));
        assert_eq!(refused.errors[0].path, format!("/extensions/openim/{key}"));
    }
    let asked = json!({"notification": notification, "sessionType": 4, "contentType": 1400});
    assert!(losses("main", own("user:u1", asked)).is_empty());
    let plain = own("user:u1", json!({"sessionType": 4}));
    assert_eq!(refusal("main", plain).errors[0].path, "/extensions/openim/sessionType");
}

#[test]
fn a_content_type_must_be_the_contents_own() {
    let own = json!({"extensions": {"openim": {"contentType": 118}}});
    assert_eq!(refusal("main", own).errors[0].path, "/extensions/openim/contentType");
    assert!(losses("main", json!({"extensions": {"openim": {"contentType": 101}}})).is_empty());
}

#[test]
fn messages_share_a_batch_only_when_all_that_is_said_once_is_equal() {
    let adapter = adapter("main");
    let key = |own: Value| adapter.slot(&message(own), Results::Fast).key;
    let base = key(json!({}));
    assert_eq!(base, key(json!({"to": "user:u2", "client_id": "other"})));
    for own in [
        json!({"from": "someone"}),
        json!({"content": {"type": "text", "text": "ho"}}),
        json!({"options": {"push": {"title": "t"}}}),
        json!({"extensions": {"openim": {"ex": "x"}}}),
    ] {
        assert_ne!(base, key(own.clone()), "{own}");
    }
    let template = |name: &str, to: &str| {
        key(
            json!({"to": to, "content": {"type": "text", "text": "Hi $n$", "template": true}, "vars": {"n": name}}),
        )
    };
    assert_eq!(template("Ann", "user:u1"), template("Ann", "user:u2"));
    assert_ne!(template("Ann", "user:u1"), template("Bob", "user:u1"));
}

#[test]
fn text_that_renders_empty_is_refused() {
    let own = json!({"content": {"type": "text", "text": "$n$", "template": true}, "vars": {"n": ""}});
    assert_eq!(refusal("main", own).errors[0].path, "/content/text");
}
