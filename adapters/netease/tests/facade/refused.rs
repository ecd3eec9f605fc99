//! Requests that are refused as a whole, always with HTTP 200, a code and a text.

use interline_core::facade::{Incoming, Served};
use serde_json::{Value, json};

use super::{BATCH, ROOM, SINGLE, USERS, posted, request, room_batch, serve, shown, single, users};

fn refused(request: &Incoming) -> String {
    let Served::Answer(answer) = serve(request) else { panic!("{request:?} is not refused") };
    let body = shown(&answer);
    assert_eq!(body["code"], 414, "{body}");
    assert_eq!(body.as_object().unwrap().len(), 2);
    body["desc"].as_str().unwrap().to_owned()
}

/// The good fields with one changed; null leaves it out.
fn with(good: &Value, name: &str, value: Value) -> Value {
    let mut fields = good.clone();
    match value {
        Value::Null => fields.as_object_mut().unwrap().remove(name),
        value => fields.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    fields
}

fn each(path: &str, good: &Value, wrong: &[(&str, Value, &str)]) {
    assert!(matches!(serve(&request(path, good)), Served::Send(_)));
    for (name, value, says) in wrong {
        let desc = refused(&request(path, &with(good, name, value.clone())));
        assert_eq!(desc, *says, "{name} = {value}");
    }
}

#[test]
fn each_parameter_of_a_room_request_has_its_range() {
    let list = |changes: Value| {
        let mut item = json!({"msgId": "m", "msgType": 0, "attach": "x"});
        item.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!([item])
    };
    let eleven: Vec<Value> =
        (0..11).map(|n| json!({"msgId": n.to_string(), "msgType": 0, "attach": "x"})).collect();
    each(
        BATCH,
        &room_batch(&["m1"]),
        &[
            ("roomid", json!(null), "roomid is required"),
            ("roomid", json!("lobby"), "roomid is invalid"),
            ("roomid", json!("0"), "roomid is invalid"),
            ("roomid", json!("9223372036854775808"), "roomid is invalid"),
            ("fromAccid", json!(null), "fromAccid is required"),
            ("fromAccid", json!("a".repeat(33)), "fromAccid size exceeded"),
            ("msgList", json!(null), "msgList is required"),
            ("msgList", json!("[{"), "msgList is invalid"),
            ("msgList", json!({"msgId": "m"}), "msgList is invalid"),
            ("msgList", json!([7]), "msgList is invalid"),
            ("msgList", json!([]), "msgList size exceeded"),
            ("msgList", json!(eleven), "msgList size exceeded"),
            ("msgList", list(json!({"msgId": ""})), "msgId is required"),
            ("msgList", list(json!({"msgId": null})), "msgId is required"),
            ("msgList", list(json!({"msgType": null})), "msgType is required"),
            ("msgList", list(json!({"msgType": "text"})), "msgType is invalid"),
            ("msgList", list(json!({"msgType": -1})), "msgType is invalid"),
            ("msgList", list(json!({"attach": "中".repeat(4097)})), "msgContents size exceeded"),
            ("msgList", list(json!({"ext": "𝕏".repeat(2049)})), "ext size exceeded"),
            ("msgList", list(json!({"subType": -1})), "subType is invalid"),
            ("msgList", list(json!({"resendFlag": 2})), "resendFlag is invalid"),
            ("msgList", list(json!({"locX": "here"})), "locX is invalid"),
            ("msgList", list(json!({"locZ": []})), "locZ is invalid"),
            ("ignoreMute", json!("1"), "ignoreMute is invalid"),
            ("skipHistory", json!("2"), "skipHistory is invalid"),
            ("route", json!("true"), "route is invalid"),
            ("abandonRatio", json!("10000"), "abandonRatio is invalid"),
            ("highPriority", json!("yes"), "highPriority is invalid"),
            ("needHighPriorityMsgResend", json!("0"), "needHighPriorityMsgResend is invalid"),
            ("forbiddenIfHighPriorityMsgFreq", json!("true"), "forbiddenIfHighPriorityMsgFreq is invalid"),
            ("chatMsgPriority", json!("4"), "chatMsgPriority is invalid"),
            ("notifyTargetTags", json!("t".repeat(129)), "notifyTargetTags size exceeded"),
            ("useYidun", json!("no"), "useYidun is invalid"),
            ("yidunAntiCheating", json!("{"), "yidunAntiCheating is not json"),
            ("yidunAntiSpamExt", json!(vec!["x"; 300]), "yidunAntiSpamExt size exceeded"),
            ("antispam", json!("on"), "antispam is invalid"),
            ("antispam", json!("true"), "antispamCustom is required"),
            ("antispamCustom", json!("x".repeat(5001)), "antispamCustom size exceeded"),
            ("env", json!("e".repeat(33)), "env size exceeded"),
        ],
    );
    assert_eq!(refused(&request(BATCH, &room_batch(&["a", "b", "a"]))), "msgId is repeated in msgList");
}

#[test]
fn a_flat_room_request_has_the_same_ranges() {
    let good = json!({"roomid": "1", "fromAccid": "a", "msgId": "m", "msgType": "0", "attach": "x"});
    each(
        ROOM,
        &good,
        &[
            ("msgId", json!(null), "msgId is required"),
            ("msgType", json!(null), "msgType is required"),
            ("msgType", json!("1.5"), "msgType is invalid"),
            ("attach", json!("x".repeat(4097)), "msgContents size exceeded"),
            ("resendFlag", json!("true"), "resendFlag is invalid"),
            ("locY", json!("north"), "locY is invalid"),
        ],
    );
}

#[test]
fn each_parameter_outside_of_rooms_has_its_range() {
    each(
        SINGLE,
        &single(),
        &[
            ("from", json!(null), "from is required"),
            ("from", json!("a".repeat(33)), "from size exceeded"),
            ("ope", json!(null), "ope is required"),
            ("ope", json!("2"), "ope is invalid"),
            ("to", json!(null), "to is required"),
            ("type", json!(null), "type is required"),
            ("body", json!(null), "body is required"),
            ("body", json!("hi"), "body is not json"),
            ("body", json!({"msg": "x".repeat(5000)}), "body size exceeded"),
            ("option", json!("[]"), "option is invalid"),
            ("option", json!({"push": "false"}), "option is invalid"),
            ("pushcontent", json!("p".repeat(501)), "pushcontent size exceeded"),
            ("pushContent", json!("p".repeat(501)), "pushcontent size exceeded"),
            ("payload", json!("{"), "payload is not json"),
            ("ext", json!("e".repeat(1025)), "ext size exceeded"),
            ("antispam", json!("true"), "antispamCustom is required"),
            ("subType", json!("x"), "subType is invalid"),
        ],
    );
    let many: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    each(
        USERS,
        &users(&["b"]),
        &[
            ("fromAccid", json!(null), "fromAccid is required"),
            ("toAccids", json!(null), "toAccids is required"),
            ("toAccids", json!("b,c"), "toAccids is invalid"),
            ("toAccids", json!([""]), "toAccids is invalid"),
            ("toAccids", json!([1.5]), "toAccids is invalid"),
            ("toAccids", json!([]), "toAccids size exceeded"),
            ("toAccids", json!(many), "toAccids size exceeded"),
            ("returnMsgid", json!("1"), "returnMsgid is invalid"),
        ],
    );
    let hundred_and_one = with(&users(&[]), "toAccids", json!(many[..101]));
    assert!(matches!(serve(&request(USERS, &hundred_and_one)), Served::Send(_)));
    let with_ids = with(&hundred_and_one, "returnMsgid", json!("TRUE"));
    assert_eq!(refused(&request(USERS, &with_ids)), "toAccids size exceeded");
}

#[test]
fn a_body_that_is_no_form_is_refused() {
    let mut json = posted(BATCH, room_batch(&["m"]).to_string());
    assert_eq!(refused(&json), "roomid is required");
    json.headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    assert_eq!(refused(&json), "Content-Type should be application/x-www-form-urlencoded");
    for body in ["", "%%%", "&&&=", "\u{0}"] {
        assert_eq!(refused(&posted(SINGLE, body.to_owned())), "from is required");
    }
}
