//! What a body becomes: recipients and session types, options, and what does not bind.

use std::time::Duration;

use interline_core::outcome::Status;
use serde_json::{Value, json};

use super::{
    BATCH, NOTIFY, SEND, STATUS, error, failed, post, post_text, single, success, told, two, with, without,
};
use interline_core::error::{ErrorCode, Failure};

fn recipients(batch: &Value) -> Vec<&str> {
    batch["messages"].as_array().unwrap().iter().map(|message| message["to"].as_str().unwrap()).collect()
}

/// A text for a group through the batch call.
fn group(recv_ids: Value) -> Value {
    with(with(with(two(), "sessionType", json!(3)), "groupID", json!("g1")), "recvIDs", recv_ids)
}

#[test]
fn a_single_message_is_one_batch_of_one() {
    let asked = post(SEND, &single()).asked();
    let wanted = json!({
        "validation": "permissive", "trace_id": "op-1", "from": {"id": "imAdmin"}, "options": {},
        "content": {"type": "text", "text": "hi"}, "messages": [{"to": "user:u1"}],
    });
    assert_eq!(Value::Object(asked.batch), wanted);
    let known = asked.request_id.map(|id| (id.key, id.lasts));
    assert_eq!(known, Some(("op-1".to_owned(), Duration::from_secs(60))));
    assert!(asked.marks.is_empty(), "the vendor recognises no repeats");
}

#[test]
fn every_field_of_a_message_has_its_place() {
    let mut body = single();
    let more = json!({
        "senderNickname": "Shop", "senderFaceURL": "http://x/f.png", "senderPlatformID": 5, "isOnlineOnly": true,
        "notOfflinePush": true, "sendTime": 1_600_000_000_000_i64, "ex": "mine",
        "offlinePushInfo": {"title": "t", "desc": "b", "ex": "e", "iOSPushSound": "s", "iOSBadgeCount": false,
            "signalInfo": "not ours"},
        "unknown": {"is": "ignored"},
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let batch = post(SEND, &body).batch();
    assert_eq!(
        batch["from"],
        json!({"id": "imAdmin", "name": "Shop", "avatar_url": "http://x/f.png", "platform": "platform:5"})
    );
    assert_eq!(batch["content"], json!({"type": "text", "text": "hi", "ext": "mine"}));
    assert_eq!(batch["extensions"], json!({"openim": {"sendTime": 1_600_000_000_000_i64}}));
    let push = json!({"enabled": false, "title": "t", "body": "b", "ext": "e", "sound": "s", "badge": false});
    assert_eq!(batch["options"], json!({"online_only": true, "push": push}));
}

#[test]
fn what_says_nothing_is_left_out() {
    let mut body = with(single(), "sendTime", json!(1_600_000_000));
    for key in ["senderNickname", "senderFaceURL", "ex"] {
        body[key] = json!("");
    }
    body["senderPlatformID"] = json!(0);
    body["offlinePushInfo"] = json!({"title": "", "desc": "", "ex": ""});
    assert_eq!(
        post(SEND, &body).batch(),
        post(SEND, &single()).batch(),
        "seconds are no time in milliseconds"
    );
}

#[test]
fn field_names_match_in_any_case_and_null_is_absent() {
    let body = r#"{"SENDID":"imAdmin","recvid":"u1","Content":{"CONTENT":"hi"},"ContentType":101,
        "sessiontype":1,"ex":null,"offlinePushInfo":null,"groupID":null}"#;
    let batch = post_text(SEND, body).batch();
    assert_eq!(batch["content"]["text"], "hi");
    assert_eq!((&batch["from"], recipients(&batch)), (&json!({"id": "imAdmin"}), vec!["user:u1"]));
}

#[test]
fn no_content_type_is_demanded() {
    let request = post(SEND, &single());
    assert!(request.incoming.header("content-type").is_none());
    request.asked();
    request.header("content-type", Some("text/plain")).asked();
}

#[test]
fn a_batch_goes_to_its_users_in_one_call() {
    let batch = post(BATCH, &two()).batch();
    assert_eq!(recipients(&batch), ["user:u1", "user:u2"]);
    assert_eq!(batch["options"], json!({"results": "fast"}));
    let asked = post(BATCH, &two()).asked();
    assert!(asked.name.is_none(), "only single sends can be asked for");
}

#[test]
fn the_same_user_twice_gets_it_twice() {
    let batch = post(BATCH, &with(two(), "recvIDs", json!(["u1", "u1"]))).batch();
    assert_eq!(recipients(&batch), ["user:u1", "user:u1"]);
}

#[test]
fn an_empty_list_of_users_is_success_with_null_lists() {
    let nobody = json!({"results": null, "failedUserIDs": null});
    assert_eq!(post(BATCH, &with(two(), "recvIDs", json!([]))).answered(), (200, success(&nobody)));
}

#[test]
fn users_without_a_name_fail_and_the_rest_is_sent() {
    let request = post(BATCH, &with(two(), "recvIDs", json!(["", "u2", null])));
    assert_eq!(recipients(&request.batch()), ["user:u2"]);
    let (_, body) = request.rendered(&[told(1, Status::Accepted, "elsewhere")]);
    assert_eq!(body["data"]["failedUserIDs"], json!(["", ""]));
    assert_eq!(body["data"]["results"][0]["recvID"], "u2");
}

#[test]
fn a_group_gets_a_batch_without_recipients_once() {
    for body in [group(json!([])), without(group(json!([])), "recvIDs")] {
        let request = post(BATCH, &body);
        assert_eq!(recipients(&request.batch()), ["group:g1"]);
        let (_, answer) = request.rendered(&[told(1, Status::Accepted, "elsewhere")]);
        assert_eq!(answer["data"]["results"][0]["recvID"], "g1");
        let refused = failed(1, Status::Rejected, Failure::refused(ErrorCode::Muted, "no"));
        assert_eq!(request.rendered(&[refused]).1["data"], json!({"results": null, "failedUserIDs": ["g1"]}));
    }
}

#[test]
fn a_group_gets_a_copy_for_each_recipient_that_is_named() {
    let batch = post(BATCH, &group(json!(["u1", "u2"]))).batch();
    assert_eq!(recipients(&batch), ["group:g1", "group:g1"]);
}

#[test]
fn session_types_that_no_server_takes_fail_for_all() {
    let all = json!({"results": null, "failedUserIDs": ["u1", "u2"]});
    let old_group = with(with(two(), "sessionType", json!(2)), "groupID", json!("g1"));
    for body in
        [old_group.clone(), with(two(), "sessionType", json!(4)), with(two(), "sessionType", json!(9))]
    {
        assert_eq!(post(BATCH, &body).answered(), (200, success(&all)), "{body}");
    }
    let empty = json!({"results": null, "failedUserIDs": ["g1"]});
    assert_eq!(post(BATCH, &with(old_group, "recvIDs", json!([]))).answered(), (200, success(&empty)));
    let unknown = error(1001, "ArgsError", "unknown sessionType");
    for session in [2, 4, 9] {
        let body = with(with(single(), "sessionType", json!(session)), "groupID", json!("g1"));
        assert_eq!(post(SEND, &body).answered(), (200, unknown.clone()), "{session}");
    }
}

#[test]
fn a_single_message_reaches_a_group_by_its_id() {
    let body = without(with(with(single(), "sessionType", json!(3)), "groupID", json!("g1")), "recvID");
    assert_eq!(recipients(&post(SEND, &body).batch()), ["group:g1"]);
}

#[test]
fn notifications_go_to_users_whatever_session_they_name() {
    let content = json!({"notificationName": "News", "notificationType": 1, "text": "Sale"});
    for (session, path) in [(1, SEND), (4, SEND), (1, BATCH), (4, BATCH)] {
        let mut body = if path == SEND { single() } else { two() };
        (body["content"], body["contentType"], body["sessionType"]) =
            (content.clone(), json!(1400), json!(session));
        let batch = post(path, &body).batch();
        assert!(recipients(&batch).iter().all(|to| to.starts_with("user:")));
        assert_eq!(batch["content"], json!({"type": "text", "text": "Sale"}));
        let own = json!({"notification": {"notificationName": "News", "notificationType": 1}});
        assert_eq!(batch["extensions"]["openim"], own);
    }
    let mut nobody = without(single(), "recvID");
    (nobody["content"], nobody["contentType"]) = (content, json!(1400));
    (nobody["sessionType"], nobody["groupID"]) = (json!(3), json!("g1"));
    assert_eq!(post(SEND, &nobody).answered().1["errCode"], 1004);
}

#[test]
fn everyone_is_one_message() {
    let body = with(two(), "isSendAll", json!(true));
    assert_eq!(recipients(&post(BATCH, &body).batch()), ["everyone"], "its list is not looked at");
    let body = with(with(body, "sessionType", json!(3)), "groupID", json!("g1"));
    assert_eq!(post(BATCH, &body).answered().1["errCode"], 1001, "a copy for each user would be posted");
}

#[test]
fn a_body_that_lacks_something_is_a_bad_request_in_the_envelope() {
    let missing = |place: &str, tag: &str| {
        let field = place.rsplit('.').next().unwrap();
        format!("Key: '{place}' Error:Field validation for '{field}' failed on the '{tag}' tag")
    };
    let group_only = with(two(), "sessionType", json!(3));
    for (path, body, detail) in [
        (BATCH, without(two(), "recvIDs"), missing("BatchSendMsgReq.RecvIDs", "required")),
        (BATCH, with(two(), "recvIDs", Value::Null), missing("BatchSendMsgReq.RecvIDs", "required")),
        (
            BATCH,
            with(group(json!([])), "recvIDs", Value::Null),
            missing("BatchSendMsgReq.RecvIDs", "required"),
        ),
        (BATCH, group_only, missing("BatchSendMsgReq.SendMsg.GroupID", "required_if")),
        (SEND, without(single(), "recvID"), missing("SendMsgReq.RecvID", "required_if")),
        (SEND, with(single(), "sendID", json!("")), missing("SendMsgReq.SendMsg.SendID", "required")),
        (SEND, with(single(), "content", Value::Null), missing("SendMsgReq.SendMsg.Content", "required")),
        (
            SEND,
            with(single(), "contentType", json!(0)),
            missing("SendMsgReq.SendMsg.ContentType", "required"),
        ),
        (SEND, without(single(), "sessionType"), missing("SendMsgReq.SendMsg.SessionType", "required")),
        (NOTIFY, json!({"key": "k"}), missing("SendBusinessNotificationReq.SendUserID", "required")),
    ] {
        assert_eq!(post(path, &body).answered(), (400, error(1001, "ArgsError", &detail)), "{body}");
    }
    let (_, body) = post(SEND, &json!({})).answered();
    assert_eq!(body["errDlt"].as_str().unwrap().lines().count(), 4, "all at once: {body}");
}

#[test]
fn a_value_of_another_type_is_a_bad_request() {
    for (key, value, found) in [
        ("contentType", json!("101"), "string"),
        ("content", json!("hi"), "string"),
        ("isOnlineOnly", json!(1), "number 1"),
        ("sendTime", json!(1.5), "number 1.5"),
        ("offlinePushInfo", json!([]), "array"),
        ("recvIDs", json!("u1"), "string"),
    ] {
        let (status, body) = post(BATCH, &with(two(), key, value)).answered();
        assert_eq!((status, &body["errCode"]), (400, &json!(1001)));
        let said = body["errDlt"].as_str().unwrap();
        assert!(said.starts_with(&format!("json: cannot unmarshal {found} into Go struct field")), "{said}");
    }
    for body in ["", "{\"sendID\":", "[]", "hello", "7"] {
        assert_eq!(post_text(SEND, body).answered().0, 400, "{body:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced_as_the_server_does() {
    let mut request = post(SEND, &single());
    request.incoming.body = single().to_string().replace("hi", "h\u{1}i").into_bytes();
    assert_eq!(request.answered().0, 400, "a bare control character is no JSON");
    let body = single().to_string().into_bytes();
    let at = body.windows(2).position(|pair| pair == b"hi").unwrap();
    request.incoming.body = [&body[..at], b"h\xff", &body[at + 2..]].concat();
    assert_eq!(request.batch()["content"]["text"], "h\u{fffd}");
}

#[test]
fn business_notifications_are_commands() {
    let body = json!({"key": "refresh", "data": "{\"n\":1}", "sendUserID": "boss", "recvUserID": "u1"});
    let batch = post(NOTIFY, &body).batch();
    assert_eq!(batch["content"], json!({"type": "command", "name": "refresh", "data": {"n": 1}}));
    assert_eq!((&batch["from"], recipients(&batch)), (&json!("boss"), vec!["user:u1"]));
    assert_eq!(batch["options"], json!({"store": false}));
    let kept = json!({"key": "k", "data": "", "sendUserID": "boss", "recvGroupID": "g1", "reliabilityLevel": 2, "sendMsg": true});
    let batch = post(NOTIFY, &kept).batch();
    assert_eq!((recipients(&batch), &batch["options"]), (vec!["group:g1"], &json!({"store": true})));
    assert_eq!(batch["content"]["data"], Value::Null);
    for wrong in [
        without(kept.clone(), "recvGroupID"),
        with(kept.clone(), "recvUserID", json!("u1")),
        without(kept, "key"),
    ] {
        let (status, answer) = post(NOTIFY, &wrong).answered();
        assert_eq!((status, &answer["errCode"]), (200, &json!(1001)), "{wrong}");
    }
}

#[test]
fn a_send_can_be_asked_for_by_its_trace_id_alone() {
    let name = post(SEND, &single()).asked().name.unwrap();
    assert_eq!((name.key.as_str(), name.lasts), ("op:op-1", Duration::from_secs(86_400)));
    assert_eq!(post(STATUS, &json!({})).find().mark, name);
    let status = |status: Option<Status>| {
        let told = status.map(|status| told(1, status, "elsewhere"));
        let (http, body) = super::read(&(post(STATUS, &json!({})).find().answer)(told.as_ref()));
        assert_eq!(http, 200);
        body["data"]["status"].as_i64().unwrap()
    };
    assert_eq!(status(None), 0);
    for (of, wanted) in [
        (Status::Accepted, 2),
        (Status::Queued, 2),
        (Status::Sending, 1),
        (Status::Unknown, 1),
        (Status::Rejected, 3),
        (Status::Expired, 3),
        (Status::Cancelled, 3),
    ] {
        assert_eq!(status(Some(of)), wanted, "{of:?}");
    }
    assert_eq!(post_text(STATUS, "").answered(), (200, error(1001, "ArgsError", "EOF")));
}

#[test]
fn another_trace_id_is_another_request() {
    let other = post(SEND, &single()).header("operationid", Some("op-2")).asked();
    assert_eq!(
        (other.request_id.unwrap().key, other.name.unwrap().key.as_str()),
        ("op-2".to_owned(), "op:op-2")
    );
}
