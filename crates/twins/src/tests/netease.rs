//! NetEase's quirks.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Reply, form, post, request, signed, twin};
use crate::{Twin, Vendor};

const ROOM_BATCH: &str = "/nimserver/chatroom/batchSendMsg.action";

async fn call(twin: &Twin, path: &str, fields: &[(&str, &str)]) -> Value {
    let reply = raw(twin, path, fields).await;
    assert_eq!(reply.status, 200, "business errors travel under 200");
    reply.json()
}

async fn raw(twin: &Twin, path: &str, fields: &[(&str, &str)]) -> Reply {
    request(twin, &format!("POST {path}"), &signed(0), &form(fields)).await
}

async fn room(twin: &Twin, room: &str, list: &Value) -> Value {
    call(twin, ROOM_BATCH, &[("roomid", room), ("fromAccid", "a"), ("msgList", &list.to_string())]).await
}

fn item(id: &str) -> Value {
    json!({"msgId": id, "msgType": 0, "attach": "hi"})
}

#[tokio::test]
async fn a_room_batch_is_answered_by_id_with_strings() {
    let twin = twin(Vendor::NetEase, "").await;
    let reply = room(&twin, "72", &json!([item("m1"), item("m2")])).await;
    assert_eq!(reply["code"], 200);
    assert_eq!(reply["fail"], json!([]));
    let record = &reply["success"][1]["m2"];
    assert_eq!((&record["type"], &record["roomId"]), (&json!("0"), &json!("72")));
    assert!(record["time"].is_string());
    let message = &twin.received().messages[0];
    assert_eq!((&*message.to, message.client_id.as_deref(), &*message.text), ("room:72", Some("m1"), "hi"));
}

#[tokio::test]
async fn code_200_may_hold_nothing_but_failures() {
    let twin = twin(Vendor::NetEase, "").await;
    let bad = json!([{"msgId": "m1", "msgType": 0, "attach": "so [[moderated]] it is"}]);
    let reply = room(&twin, "72", &bad).await;
    assert_eq!((&reply["code"], &reply["success"]), (&json!(200), &json!([])));
    assert!(reply["fail"][0]["m1"].is_string());
    assert_eq!(twin.total(), 0);
}

#[tokio::test]
async fn a_known_id_needs_the_resend_flag_and_is_delivered_once() {
    let twin = twin(Vendor::NetEase, "").await;
    let first = room(&twin, "72", &json!([item("m1")])).await;
    let again = room(&twin, "72", &json!([item("m1")])).await;
    assert_eq!(again["fail"][0]["m1"], "parameter resendFlag should be used for RESEND!");
    let resent = json!([{"msgId": "m1", "msgType": 0, "attach": "hi", "resendFlag": 1}]);
    let answered = room(&twin, "72", &resent).await;
    assert_eq!(answered["success"][0]["m1"]["time"], first["success"][0]["m1"]["time"]);
    assert_eq!(twin.total(), 1);
    room(&twin, "73", &json!([item("m1")])).await;
    assert_eq!(twin.total(), 2, "ids are known by room");
}

#[tokio::test]
async fn a_bad_signature_has_the_code_of_a_bad_parameter() {
    let twin = twin(Vendor::NetEase, "").await;
    let refused = json!({"code": 414, "desc": "bad http header"});
    let body = form(&[("roomid", "72")]);
    let target = format!("POST {ROOM_BATCH}");
    assert_eq!(post(&twin, ROOM_BATCH, &body).await.json(), refused);
    assert_eq!(request(&twin, &target, &signed(-301), &body).await.json(), refused);
    let upper = signed(0).replace("twin-app-key", "other-key");
    assert_eq!(request(&twin, &target, &upper, &body).await.json(), refused);
    let fine = request(&twin, &target, &signed(-290), &body).await.json();
    assert_ne!(fine, refused);
}

#[tokio::test]
async fn a_json_body_is_no_form() {
    let twin = twin(Vendor::NetEase, "").await;
    let headers = signed(0).replace("application/x-www-form-urlencoded;charset=utf-8", "application/json");
    let reply = request(&twin, &format!("POST {ROOM_BATCH}"), &headers, r#"{"roomid":72}"#).await.json();
    assert_eq!(reply["code"], 414);
}

#[tokio::test]
async fn limits_of_a_room_batch_refuse_the_whole_request() {
    let twin = twin(Vendor::NetEase, "").await;
    let eleven: Value = (0..11).map(|n| item(&format!("m{n}"))).collect();
    let long = json!([{"msgId": "m", "msgType": 0, "attach": "字".repeat(4097)}]);
    let cases = [
        eleven,
        json!([]),
        long.clone(),
        json!([item("m"), item("m")]),
        json!([{"msgId": "m", "msgType": 5}]),
        json!([{"msgId": "", "msgType": 0}]),
        json!([{"msgId": "m", "msgType": 0, "subType": 0}]),
        json!([{"msgId": "m", "msgType": "0"}]),
    ];
    for list in cases {
        assert_eq!(room(&twin, "72", &list).await["code"], 414, "{list}");
    }
    assert_eq!(room(&twin, "72", &long).await["desc"], "msgContents size exceeded");
    let exact = json!([{"msgId": "m", "msgType": 0, "attach": "字".repeat(4096)}]);
    assert_eq!(room(&twin, "72", &exact).await["code"], 200);
    assert_eq!(twin.total(), 1);
}

#[tokio::test]
async fn rooms_and_senders_may_be_refused() {
    let twin = twin(Vendor::NetEase, "").await;
    assert_eq!(room(&twin, "4031", &json!([item("m")])).await["code"], 403);
    let list = json!([item("m")]).to_string();
    let fields = |from| [("roomid", "72"), ("fromAccid", from), ("msgList", list.as_str())];
    assert_eq!(call(&twin, ROOM_BATCH, &fields("ghost-1")).await["code"], 404);
    assert_eq!(call(&twin, ROOM_BATCH, &fields("muted-1")).await["code"], 13004);
}

#[tokio::test]
async fn the_call_over_a_minutes_limit_blocks_its_class_for_a_minute() {
    let twin = twin(Vendor::NetEase, "").await;
    let body = r#"{"msg":"hi"}"#;
    let fields = [("fromAccid", "a"), ("toAccids", r#"["b"]"#), ("type", "0"), ("body", body)];
    let batch = async || call(&twin, "/msg/sendBatchMsg.action", &fields).await["code"].clone();
    for _ in 0..120 {
        assert_eq!(batch().await, 200);
    }
    assert_eq!(batch().await, 416);
    assert_eq!(room(&twin, "72", &json!([item("m")])).await["code"], 200, "another class");
    twin.advance(Duration::from_secs(61));
    assert_eq!(batch().await, 200);
}

#[tokio::test]
async fn a_single_room_send_nests_its_record_under_desc() {
    let twin = twin(Vendor::NetEase, "").await;
    let fields = [("roomid", "72"), ("fromAccid", "a"), ("msgId", "m1"), ("msgType", "0"), ("attach", "a+b")];
    let reply = call(&twin, "/chatroom/sendMsg.action", &fields).await;
    assert_eq!((&reply["desc"]["msgid_client"], &reply["desc"]["attach"]), (&json!("m1"), &json!("a+b")));
    let again = call(&twin, "/chatroom/sendMsg.action", &fields).await;
    assert_eq!(again["code"], 414);
    assert!(again["desc"].is_string());
}

#[tokio::test]
async fn users_read_their_text_from_msg() {
    let twin = twin(Vendor::NetEase, "").await;
    let send = |body| {
        let fields = [("from", "a"), ("ope", "0"), ("to", "b"), ("type", "0"), ("body", body)];
        let twin = &twin;
        async move { call(twin, "/nimserver/msg/sendMsg.action", &fields).await }
    };
    assert_eq!(send("hi").await["code"], 414, "bare text is for rooms");
    let reply = send(r#"{"msg":"hi"}"#).await;
    assert!(reply["data"]["msgid"].is_u64());
    assert_eq!(twin.received().messages[0].text, "hi");
    assert_eq!(twin.received().messages[0].client_id, None);
}

#[tokio::test]
async fn unknown_accids_of_a_batch_are_a_string_of_json() {
    let twin = twin(Vendor::NetEase, "").await;
    let body = r#"{"msg":"hi"}"#;
    let fields = [
        ("fromAccid", "a"),
        ("toAccids", r#"["b","ghost-c","d"]"#),
        ("type", "0"),
        ("body", body),
        ("returnMsgid", "true"),
    ];
    let reply = call(&twin, "/msg/sendBatchMsg.action", &fields).await;
    assert_eq!(reply["unregister"], r#"["ghost-c"]"#);
    assert!(reply["msgids"]["b"].is_u64());
    assert!(reply["timetag"].is_u64());
    assert_eq!(twin.total(), 2);
}

#[tokio::test]
async fn a_user_batch_takes_500_and_100_with_ids() {
    let twin = twin(Vendor::NetEase, "").await;
    let many =
        |n: usize| serde_json::to_string(&(0..n).map(|n| format!("u{n}")).collect::<Vec<_>>()).unwrap();
    let cases = [(500, "false", 200), (501, "false", 414), (100, "true", 200), (101, "true", 414)];
    for (count, ids, code) in cases {
        let accids = many(count);
        let body = r#"{"msg":"hi"}"#;
        let fields =
            [("fromAccid", "a"), ("toAccids", &*accids), ("type", "0"), ("body", body), ("returnMsgid", ids)];
        assert_eq!(call(&twin, "/msg/sendBatchMsg.action", &fields).await["code"], code, "{count} {ids}");
    }
    let fields = [("fromAccid", "a"), ("toAccids", "b,c"), ("type", "0"), ("body", "{}")];
    assert_eq!(call(&twin, "/msg/sendBatchMsg.action", &fields).await["code"], 414);
}

#[tokio::test]
async fn a_broadcast_reaches_everyone_ten_times_a_minute() {
    let twin = twin(Vendor::NetEase, "").await;
    for _ in 0..10 {
        assert!(call(&twin, "/msg/broadcastMsg.action", &[("body", "hi")]).await["msg"].is_object());
    }
    assert_eq!(call(&twin, "/msg/broadcastMsg.action", &[("body", "hi")]).await["code"], 416);
    assert_eq!(twin.received().messages[9].to, "everyone");
}

#[tokio::test]
async fn an_abandon_ratio_cancels_high_priority() {
    let twin = twin(Vendor::NetEase, "").await;
    let list = json!([item("m1")]).to_string();
    let plain = [("roomid", "72"), ("fromAccid", "a"), ("msgList", &*list), ("highPriority", "true")];
    let urgent = call(&twin, ROOM_BATCH, &plain).await;
    assert_eq!(urgent["success"][0]["m1"]["highPriorityFlag"], "1");
    let list = json!([item("m2")]).to_string();
    let fields = [
        ("roomid", "72"),
        ("fromAccid", "a"),
        ("msgList", &*list),
        ("highPriority", "true"),
        ("abandonRatio", "0"),
    ];
    let cancelled = call(&twin, ROOM_BATCH, &fields).await;
    assert_eq!(cancelled["success"][0]["m2"]["highPriorityFlag"], "0");
}

const SOME_BATCH: &str = "/nimserver/chatroom/batchSendMsgToSomeone.action";
const SOME: &str = "/chatroom/sendMsgToSomeone.action";

/// A directed batch; of two fields with one name the first counts.
async fn some(twin: &Twin, id: &str, fields: &[(&str, &str)]) -> Value {
    let list = json!([item(id)]).to_string();
    let rest = [("roomid", "72"), ("fromAccid", "a"), ("toAccids", r#"["b","c"]"#), ("msgList", &*list)];
    call(twin, SOME_BATCH, &[fields, &rest].concat()).await
}

#[tokio::test]
async fn a_batch_to_some_members_answers_and_is_logged_as_a_room_batch() {
    let twin = twin(Vendor::NetEase, "").await;
    let reply = some(&twin, "m1", &[]).await;
    assert_eq!((&reply["code"], &reply["fail"]), (&json!(200), &json!([])));
    assert_eq!(reply["success"][0]["m1"]["roomId"], "72");
    let again = some(&twin, "m1", &[]).await;
    assert_eq!(again["fail"][0]["m1"], "parameter resendFlag should be used for RESEND!");
    let received = twin.received();
    assert_eq!((received.total, received.calls), (1, 2));
    let message = &received.messages[0];
    assert_eq!((&*message.to, message.client_id.as_deref(), &*message.text), ("room:72", Some("m1"), "hi"));
}

#[tokio::test]
async fn a_single_send_to_some_members_nests_its_record_under_desc() {
    let twin = twin(Vendor::NetEase, "").await;
    let fields = [
        ("roomid", "72"),
        ("fromAccid", "a"),
        ("toAccids", r#"["b"]"#),
        ("msgId", "m1"),
        ("msgType", "0"),
        ("attach", "psst"),
    ];
    let reply = call(&twin, SOME, &fields).await;
    assert_eq!((&reply["desc"]["msgid_client"], &reply["desc"]["attach"]), (&json!("m1"), &json!("psst")));
    assert_eq!(twin.received().messages[0].to, "room:72");
    let nobody = fields.map(|(name, value)| (name, if name == "toAccids" { "" } else { value }));
    let refused = call(&twin, SOME, &nobody).await;
    assert_eq!((&refused["code"], &refused["desc"]), (&json!(414), &json!("toAccids is required")));
}

#[tokio::test]
async fn some_members_are_one_to_a_hundred_in_a_json_array() {
    let twin = twin(Vendor::NetEase, "").await;
    let many = |n: usize| Value::from_iter((0..n).map(|n| format!("u{n}"))).to_string();
    let cases = [
        (many(1), 200),
        (many(100), 200),
        (many(101), 414),
        (many(0), 414),
        ("b,c".to_owned(), 414),
        (r#"[1]"#.to_owned(), 414),
        (r#"[""]"#.to_owned(), 414),
        (String::new(), 414),
    ];
    for (place, (accids, code)) in cases.iter().enumerate() {
        let reply = some(&twin, &format!("m{place}"), &[("toAccids", accids)]).await;
        assert_eq!(reply["code"], *code, "{accids}");
    }
    assert_eq!(twin.total(), 2);
}

#[tokio::test]
async fn mute_and_priority_fields_do_nothing_in_a_send_to_some_members() {
    let twin = twin(Vendor::NetEase, "").await;
    let muted = some(&twin, "m1", &[("fromAccid", "muted-1"), ("ignoreMute", "true")]).await;
    assert_eq!(muted["code"], 13004);
    let tags = "x".repeat(129);
    let idle = [
        ("highPriority", "true"),
        ("abandonRatio", "9999"),
        ("skipHistory", "7"),
        ("notifyTargetTags", &*tags),
    ];
    let record = some(&twin, "m2", &idle).await["success"][0]["m2"].clone();
    assert_eq!((&record["highPriorityFlag"], &record["msgAbandonFlag"]), (&json!("0"), &json!("0")));
    assert_eq!(twin.total(), 1);
}

#[tokio::test]
async fn each_room_call_has_a_limit_of_its_own() {
    const PATHS: [&str; 4] = [ROOM_BATCH, "/chatroom/sendMsg.action", SOME_BATCH, SOME];
    let twin = twin(Vendor::NetEase, "").await;
    let code = async |path| call(&twin, path, &[]).await["code"].clone();
    for full in PATHS {
        twin.reset();
        // The real clock runs: calls go on until the hundred of one second are used up.
        let mut calls = 0;
        while code(full).await != 416 {
            calls += 1;
            assert!(calls < 10_000, "{full} has no limit");
        }
        assert!(calls >= 100, "{full} let {calls} calls through");
        for other in PATHS.into_iter().filter(|other| *other != full) {
            assert_eq!(code(other).await, 414, "{other} while {full} is blocked");
        }
        twin.advance(Duration::from_secs(11));
        assert_eq!(code(full).await, 414, "{full} after the block");
    }
}
