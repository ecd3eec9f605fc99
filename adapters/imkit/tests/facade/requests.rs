//! What is read of a request: the published samples, and each way in which one can be wrong.

use interline_testkit::build;
use serde_json::{Value, json};

use super::{BATCH, SINGLE, asked, batch, refused};

#[test]
fn the_basic_sample_is_one_content_for_three_users() {
    let sent = batch(
        BATCH,
        &json!({"messageType": "text", "message": "系統公告:明天將進行例行維護", "push": true, "sender": "system",
                "paras": [{"receiver": "user-a"}, {"receiver": "user-b"}, {"receiver": "user-c"}]}),
    );
    assert_eq!(
        sent,
        json!({"from": "system", "content": {"type": "text", "text": "系統公告:明天將進行例行維護"},
               "options": {"push": {"enabled": true}, "results": "fast"}, "validation": "permissive",
               "messages": [{"to": "user:user-a"}, {"to": "user:user-b"}, {"to": "user:user-c"}]})
    );
}

#[test]
fn the_template_sample_is_a_lenient_template_with_vars() {
    let sent = batch(
        BATCH,
        &json!({"messageType": "text", "message": "Hi $name$,您的訂單 $orderId$ 已出貨!", "push": true,
                "sender": "system", "paras": [
                    {"receiver": "user-a", "$name$": "Alice", "$orderId$": "ORD-001"},
                    {"receiver": "user-b", "$name$": "Bob", "$orderId$": "ORD-002"}]}),
    );
    let content =
        json!({"type": "text", "text": "Hi $name$,您的訂單 $orderId$ 已出貨!", "template": "lenient"});
    assert_eq!(sent["content"], content);
    assert_eq!(
        sent["messages"],
        json!([{"to": "user:user-a", "vars": {"name": "Alice", "orderId": "ORD-001"}},
               {"to": "user:user-b", "vars": {"name": "Bob", "orderId": "ORD-002"}}])
    );
}

#[test]
fn the_rooms_sample_goes_to_groups_without_a_push() {
    let sent = batch(
        BATCH,
        &json!({"messageType": "text", "message": "活動提醒:明天 14:00 開始", "sender": "system",
                "paras": [{"room": "room-001"}, {"room": "room-002"}, {"room": "room-003"}]}),
    );
    let rooms = ["group:room-001", "group:room-002", "group:room-003"].map(|to| json!({"to": to}));
    assert_eq!(sent["messages"], json!(rooms));
    assert_eq!(sent["options"]["push"]["enabled"], false, "a batch is not pushed unless it says so");
}

#[test]
fn the_single_samples_are_one_message_for_a_room_with_a_push() {
    let sent = batch(
        SINGLE,
        &json!({"room": "project-room-001", "sender": "system", "message": "歡迎加入專案討論群！", "messageType": "text"}),
    );
    assert_eq!(
        sent,
        json!({"from": "system", "options": {"push": {"enabled": true}, "results": "each"},
               "validation": "permissive", "messages": [
                   {"to": "group:project-room-001", "content": {"type": "text", "text": "歡迎加入專案討論群！"}}]})
    );
    let quiet = batch(
        SINGLE,
        &json!({"room": "r", "sender": "system", "message": "背景任務完成", "messageType": "text", "push": false}),
    );
    assert_eq!(quiet["options"]["push"]["enabled"], false);
    let mentions = batch(
        SINGLE,
        &json!({"room": "r", "sender": "user-a", "message": "請 @user-b 確認這份文件", "messageType": "text",
                "mentions": ["user-b"]}),
    );
    assert_eq!(mentions["messages"][0]["content"]["mentions"], json!({"users": ["user-b"]}));
}

#[test]
fn the_announcement_sample_keeps_its_type_for_the_vendor() {
    let sent = batch(
        SINGLE,
        &json!({"room": "r", "sender": "admin", "message": "系統將於今晚 22:00 進行維護", "messageType": "announcement"}),
    );
    assert_eq!(sent["messages"][0]["content"]["type"], "text");
    assert_eq!(sent["messages"][0]["extensions"], json!({"imkit": {"messageType": "announcement"}}));
}

#[test]
fn a_room_wins_over_a_receiver_and_both_kinds_share_a_batch() {
    let sent = batch(
        BATCH,
        &json!({"messageType": "text", "message": "m", "paras": [
            {"receiver": "u", "room": "r"}, {"receiver": "u", "room": ""}, {"receiver": "u", "room": null}]}),
    );
    assert_eq!(sent["messages"], json!([{"to": "group:r"}, {"to": "user:u"}, {"to": "user:u"}]));
}

#[test]
fn a_batch_may_leave_the_sender_to_the_provider_and_a_single_may_not() {
    let sent = batch(BATCH, &json!({"messageType": "text", "message": "m", "paras": [{"receiver": "u"}]}));
    assert!(sent.get("from").is_none());
    let (status, body) = refused(SINGLE, r#"{"messageType":"text","message":"m","room":"r"}"#);
    assert_eq!((status, &body["error"]["code"]), (400, &json!("MISSING_PARAMETER")));
}

#[test]
fn repeated_recipients_are_sent_to_as_often_as_asked() {
    let sent = batch(
        BATCH,
        &json!({"messageType": "text", "message": "m", "paras": [{"room": "r"}, {"room": "r"}]}),
    );
    assert_eq!(sent["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn the_senders_badge_is_the_vendors_own_field() {
    let of = |skip: bool| {
        batch(
            BATCH,
            &json!({"messageType": "text", "message": "m", "skipTotalBadge": skip, "paras": [{"room": "r"}]}),
        )
    };
    assert_eq!(of(true)["extensions"], json!({"imkit": {"skipTotalBadge": true}}));
    assert!(of(false).get("extensions").is_none());
}

#[test]
fn requests_have_no_marks_of_their_own() {
    let asked = asked(BATCH, &json!({"messageType": "text", "message": "m", "paras": [{"room": "r"}]}));
    assert!(asked.marks.is_empty() && asked.request_id.is_none() && asked.name.is_none());
}

#[test]
fn what_is_missing_is_named() {
    let whole =
        json!({"messageType": "text", "message": "m", "sender": "s", "room": "r", "paras": [{"room": "r"}]});
    for (path, fields) in [
        (BATCH, &["messageType", "message", "paras"][..]),
        (SINGLE, &["messageType", "message", "room", "sender"]),
    ] {
        for field in fields {
            for nothing in [None, Some(Value::Null), Some(json!("")), Some(json!([]))] {
                if nothing == Some(json!([])) && *field != "paras"
                    || nothing == Some(json!("")) && *field == "paras"
                {
                    continue;
                }
                let mut body = whole.clone();
                body.as_object_mut().unwrap().remove(*field);
                body.as_object_mut().unwrap().extend(nothing.map(|value| ((*field).to_owned(), value)));
                let (status, answer) = refused(path, &body.to_string());
                assert_eq!((status, &answer["RC"]), (400, &json!(400)));
                assert_eq!(answer["error"]["code"], "MISSING_PARAMETER");
                assert!(answer["error"]["message"].as_str().unwrap().contains(field), "{answer}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let batch = |field: &str, value: Value| {
        let mut body = json!({"messageType": "text", "message": "m", "paras": [{"room": "r"}]});
        body[field] = value;
        (BATCH, body.to_string(), field.to_owned())
    };
    let cases = [
        batch("push", json!("yes")),
        batch("skipTotalBadge", json!(1)),
        batch("sender", json!(7)),
        batch("messageType", json!(7)),
        batch("message", json!(7)),
        batch("extra", json!([1])),
        batch("mentions", json!("u")),
        batch("mentions", json!([7])),
        batch("paras", json!({"room": "r"})),
        batch("paras", json!(["r"])),
        batch("paras", json!([{"room": 7}])),
        batch("paras", json!([{"room": "r", "$name$": {}}])),
        batch("_id", json!("m1")),
        (BATCH, "[]".to_owned(), "object".to_owned()),
        (SINGLE, "no json".to_owned(), "JSON".to_owned()),
        (SINGLE, String::new(), "JSON".to_owned()),
    ];
    for (path, body, says) in cases {
        let (status, answer) = refused(path, &body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("INVALID_BODY")), "{body}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(&says), "{answer}");
    }
    let neither = json!({"messageType": "text", "message": "m", "paras": [{"room": "r"}, {"$a$": "b"}]});
    let (_, answer) = refused(BATCH, &neither.to_string());
    assert_eq!(answer["error"]["code"], "MISSING_PARAMETER");
    assert!(answer["error"]["message"].as_str().unwrap().starts_with("paras[1]: "));
}

#[test]
fn signals_of_the_vendors_own_are_refused() {
    for kind in
        ["recall", "joinRoom", "leaveRoom", "addMembers", "deleteMember", "typing", "paymentDone", "line"]
    {
        let body = json!({"messageType": kind, "message": "m", "room": "r", "sender": "s"});
        let (status, answer) = refused(SINGLE, &body.to_string());
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("INVALID_BODY")), "{kind}");
    }
}

#[test]
fn every_sample_is_a_batch_that_can_be_read() {
    for (path, body) in [
        (BATCH, json!({"messageType": "text", "message": "$a$ $$", "paras": [{"receiver": "u", "$a$": 1}]})),
        (SINGLE, json!({"messageType": "gift", "message": {"n": 1}, "room": "r", "sender": "s"})),
    ] {
        assert_eq!(build::batch(&batch(path, &body)).1.len(), 1);
    }
}
