//! The examples of the vendor's published page, as its readers would send them.

use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use serde_json::{Value, json};

use super::{BATCH, failed, post, told, with, without};

/// The page's request: everyone, without a list, its text wrapped into JSON.
fn page() -> Value {
    json!({
        "sendID": "openIMAdmin", "senderNickname": "Gordon", "senderFaceURL": "http://www.head.com",
        "senderPlatformID": 1, "content": {"text": "{\"content\":\"hello world!\"}"}, "contentType": 101,
        "sessionType": 1, "isOnlineOnly": false, "notOfflinePush": false,
        "offlinePushInfo": {"title": "send message", "desc": "", "ex": "", "iOSPushSound": "default", "iOSBadgeCount": true},
        "isSendAll": true,
    })
}

#[test]
fn the_pages_request_is_served() {
    let wanted = json!({
        "validation": "permissive", "trace_id": "op-1",
        "from": {"id": "openIMAdmin", "name": "Gordon", "avatar_url": "http://www.head.com", "platform": "platform:1"},
        "content": {"type": "text", "text": "hello world!"},
        "options": {"push": {"title": "send message", "sound": "default", "badge": true}},
        "messages": [{"to": "everyone"}],
    });
    assert_eq!(post(BATCH, &page()).batch(), wanted);
}

#[test]
fn the_pages_failure_is_answered_as_it_shows() {
    let gone = failed(1, Status::Rejected, Failure::refused(ErrorCode::RecipientNotFound, "nobody"));
    let (http, body) = post(BATCH, &page()).rendered(&[gone]);
    assert_eq!((http, &body["errCode"], &body["errMsg"]), (200, &json!(1004), &json!("RecordNotFoundError")));
    assert_eq!(body.get("data"), None);
}

#[test]
fn the_pages_success_has_code_and_empty_words() {
    let (http, body) = post(BATCH, &page()).rendered(&[told(1, Status::Accepted, "wukongim")]);
    assert_eq!(
        (http, &body["errCode"], &body["errMsg"], &body["errDlt"]),
        (200, &json!(0), &json!(""), &json!(""))
    );
}

#[test]
fn the_pages_list_of_users_and_its_group_without_one_are_served() {
    let users = without(with(page(), "recvIDs", json!(["u1", "u2"])), "isSendAll");
    assert_eq!(post(BATCH, &users).batch()["messages"], json!([{"to": "user:u1"}, {"to": "user:u2"}]));
    let group = with(with(without(page(), "isSendAll"), "sessionType", json!(3)), "groupID", json!("g1"));
    assert_eq!(post(BATCH, &group).batch()["messages"], json!([{"to": "group:g1"}]));
}

#[test]
fn the_pages_text_may_be_bare_too() {
    let bare = with(page(), "content", json!({"text": "just words"}));
    assert_eq!(post(BATCH, &bare).batch()["content"]["text"], "just words");
    let neither = with(page(), "content", json!({"text": "{\"content\":\"\"}"}));
    assert_eq!(post(BATCH, &neither).answered().1["errCode"], 500);
}
