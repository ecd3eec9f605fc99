//! OpenIM's quirks.

use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::client::{Reply, get, post, request, twin};
use crate::{Fault, FaultKind, Twin, Vendor};

struct Session {
    twin: Twin,
    token: String,
}

async fn login(twin: &Twin) -> String {
    let body = r#"{"secret":"openIM123","userID":"imAdmin"}"#;
    let reply = request(twin, "POST /auth/get_admin_token", "operationID: 1\r\n", body).await.json();
    assert_eq!(reply["data"]["expireTimeSeconds"], 7_776_000, "a duration");
    reply["data"]["token"].as_str().unwrap().to_owned()
}

async fn session(dialect: &str) -> Session {
    let twin = twin(Vendor::OpenIm, dialect).await;
    let token = login(&twin).await;
    Session { twin, token }
}

impl Session {
    async fn post_as(&self, operation: &str, path: &str, body: &Value) -> Reply {
        let headers = format!("operationID: {operation}\r\ntoken: {}\r\n", self.token);
        request(&self.twin, &format!("POST {path}"), &headers, &body.to_string()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_as("op", path, body).await
    }

    async fn send(&self, body: &Value) -> Value {
        self.post("/msg/send_msg", body).await.json()
    }

    async fn batch(&self, body: &Value) -> Value {
        let reply = self.post("/msg/batch_send_msg", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }
}

fn text(to: &str) -> Value {
    json!({"sendID": "system", "recvID": to, "content": {"content": "hi"}, "contentType": 101, "sessionType": 1})
}

fn many(to: &Value) -> Value {
    json!({"sendID": "system", "recvIDs": to, "content": {"content": "hi"}, "contentType": 101, "sessionType": 1})
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn headers_are_checked_in_order_under_status_200() {
    let twin = twin(Vendor::OpenIm, "").await;
    let bare = post(&twin, "/msg/send_msg", "{").await;
    let refused = json!({"errCode": 1001, "errMsg": "ArgsError", "errDlt": "header must have operationID"});
    assert_eq!((bare.status, bare.json()), (200, refused));
    let no_token = request(&twin, "POST /msg/send_msg", "operationID: 1\r\n", "{").await.json();
    assert_eq!(no_token["errDlt"], "header must have token");
    let login = post(&twin, "/auth/get_admin_token", r#"{"secret":"openIM123","userID":"imAdmin"}"#).await;
    assert_eq!(login.json()["errDlt"], "header must have operationID");
    assert_eq!(get(&twin, "/msg/send_msg").await.status, 404);
}

#[tokio::test]
async fn a_wrong_secret_or_administrator_gets_no_token() {
    let twin = twin(Vendor::OpenIm, "").await;
    for (body, code) in [
        (r#"{"secret":"x","userID":"imAdmin"}"#, 1002),
        (r#"{"secret":"openIM123","userID":"openIMAdmin"}"#, 1001),
        (r#"{"secret":"openIM123","userID":""}"#, 1001),
        ("[", 1001),
    ] {
        let reply = request(&twin, "POST /auth/get_admin_token", "operationID: 1\r\n", body).await;
        assert_eq!((reply.status, &reply.json()["errCode"]), (200, &json!(code)), "{body}");
    }
}

#[tokio::test]
async fn a_single_send_answers_ids_and_v383_a_null_modify() {
    let session = session("").await;
    let reply = session.send(&text("u1")).await;
    assert_eq!(reply["errCode"], 0);
    assert_eq!(reply["data"]["serverMsgID"].as_str().unwrap().len(), 32);
    assert!(reply["data"].as_object().unwrap().contains_key("modify"));
    let message = &session.twin.received().messages[0];
    assert_eq!((&*message.to, message.client_id.as_deref(), &*message.text), ("user:u1", Some("op"), "hi"));
    session.twin.speak("main");
    assert!(!session.send(&text("u1")).await["data"].as_object().unwrap().contains_key("modify"));
}

#[tokio::test]
async fn a_body_that_does_not_bind_is_400_with_the_envelope() {
    let session = session("").await;
    let string_content = with(text("u1"), "content", json!("{\"content\":\"hi\"}"));
    for body in
        [string_content, with(text("u1"), "contentType", json!("101")), json!([1]), json!({"sendID": ""})]
    {
        let refused = session.post("/msg/send_msg", &body).await;
        assert_eq!((refused.status, &refused.json()["errCode"]), (400, &json!(1001)), "{body}");
    }
    let no_recipient = session.post("/msg/send_msg", &with(text(""), "sessionType", json!(1))).await;
    assert!(no_recipient.json()["errDlt"].as_str().unwrap().contains("failed on the 'required' tag"));
}

#[tokio::test]
async fn recv_ids_must_be_present_even_for_everyone() {
    let session = session("").await;
    let mut body = with(many(&json!([])), "isSendAll", json!(true));
    let everyone = session.batch(&body).await;
    assert_eq!(everyone["data"]["results"][0]["recvID"], "imAdmin", "the administrator is one of them");
    assert_eq!(session.twin.received().messages[0].to, "everyone");
    body["recvIDs"] = Value::Null;
    let refused = session.post("/msg/batch_send_msg", &body).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["errDlt"].as_str().unwrap().contains("BatchSendMsgReq.RecvIDs"));
}

#[tokio::test]
async fn a_batch_succeeds_although_every_recipient_failed() {
    let session = session("").await;
    let reply = session.batch(&many(&json!(["ghost-1", "blocked-2"]))).await;
    assert_eq!(reply["errCode"], 0);
    assert_eq!(reply["data"], json!({"results": null, "failedUserIDs": ["ghost-1", "blocked-2"]}));
}

#[tokio::test]
async fn copies_of_a_batch_share_one_client_id() {
    let session = session("").await;
    let reply = session.batch(&many(&json!(["u1", "u1"]))).await;
    let results = &reply["data"]["results"];
    assert_eq!(results[0]["clientMsgID"], results[1]["clientMsgID"]);
    assert_ne!(results[0]["serverMsgID"], results[1]["serverMsgID"]);
    assert_eq!(reply["data"]["failedUserIDs"], Value::Null);
    assert_eq!(session.twin.total(), 2);
}

#[tokio::test]
async fn a_group_batch_sends_one_copy_per_recipient_and_none_without() {
    let session = session("").await;
    let group = with(with(many(&json!([])), "sessionType", json!(3)), "groupID", json!("g1"));
    let empty = session.batch(&group).await;
    assert_eq!(empty["data"], json!({"results": null, "failedUserIDs": null}));
    assert_eq!(session.twin.total(), 0);
    session.batch(&with(group, "recvIDs", json!(["x", "y"]))).await;
    let received = session.twin.received();
    assert_eq!(received.total, 2);
    assert!(received.messages.iter().all(|message| message.to == "group:g1"));
}

#[tokio::test]
async fn session_types_2_and_4_do_not_work_for_text() {
    let session = session("").await;
    let two = with(with(text("u1"), "sessionType", json!(2)), "groupID", json!("g"));
    assert_eq!(session.send(&two).await["errDlt"], "unknown sessionType");
    assert_eq!(session.send(&with(text("u1"), "sessionType", json!(4))).await["errCode"], 1001);
    let failed = session.batch(&with(many(&json!(["u1"])), "sessionType", json!(4))).await;
    assert_eq!(failed["data"]["failedUserIDs"], json!(["u1"]));
}

#[tokio::test]
async fn a_notification_forces_its_session_and_wants_its_account() {
    let session = session("").await;
    let content = json!({"notificationName": "n", "notificationType": 1, "text": "hi"});
    let body = with(with(text("u1"), "content", content), "contentType", json!(1400));
    assert_eq!(session.send(&body).await["errCode"], 1002);
    assert_eq!(session.send(&with(body, "sendID", json!("imAdmin"))).await["errCode"], 0);
    assert_eq!(session.twin.received().messages[0].text, "hi");
}

#[tokio::test]
async fn wrong_content_has_the_code_of_a_broken_server() {
    let session = session("").await;
    let documented = json!({"text": "{\"content\":\"hello world!\"}"});
    let reply = session.send(&with(text("u1"), "content", documented)).await;
    assert_eq!((&reply["errCode"], &reply["errMsg"]), (&json!(500), &json!("ServerInternalError")));
    assert!(reply["errDlt"].as_str().unwrap().contains("failed on the '"));
    let location = with(text("u1"), "contentType", json!(109));
    assert_eq!(session.send(&location).await["errCode"], 1001);
    let markdown = with(text("u1"), "contentType", json!(118));
    assert_eq!(session.send(&markdown).await["errCode"], 1001);
    session.twin.speak("main");
    let token = login(&session.twin).await;
    let session = Session { token, ..session };
    assert_eq!(session.send(&markdown).await["errCode"], 0);
}

#[tokio::test]
async fn recipients_refuse_with_their_codes() {
    let session = session("").await;
    for (to, code) in [("ghost-1", 1004), ("blocked-1", 1302)] {
        assert_eq!(session.send(&text(to)).await["errCode"], code);
    }
    let group = |id: &str| with(with(text(""), "sessionType", json!(3)), "groupID", json!(id));
    for (to, code) in [("dismissed-1", 1204), ("ghost-1", 1004), ("muted-1", 1403), ("g1", 0)] {
        assert_eq!(session.send(&group(to)).await["errCode"], code, "{to}");
    }
}

#[tokio::test]
async fn a_refusing_receiver_is_an_empty_success_and_an_error_on_main() {
    let session = session("").await;
    let reply = session.send(&text("refuses-1")).await;
    assert_eq!((&reply["errCode"], &reply["data"]["serverMsgID"]), (&json!(0), &json!("")));
    assert_eq!(session.twin.total(), 0);
    session.twin.speak("main");
    assert_eq!(session.send(&text("refuses-1")).await["errDlt"], "message is not sent");
}

#[tokio::test]
async fn a_sent_operation_can_be_asked_for_and_a_batch_cannot() {
    let session = session("").await;
    session.post_as("one", "/msg/send_msg", &text("u1")).await;
    session.post_as("two", "/msg/batch_send_msg", &many(&json!(["u1"]))).await;
    let status = async |operation| {
        session.post_as(operation, "/msg/check_msg_is_send_success", &json!({})).await.json()["data"]["status"].clone()
    };
    assert_eq!((status("one").await, status("two").await), (json!(2), json!(0)));
    session.twin.advance(Duration::from_secs(86_400));
    assert_eq!(status("one").await, 0);
}

#[tokio::test]
async fn the_main_line_retires_a_token_five_minutes_after_the_next() {
    let session = session("main").await;
    login(&session.twin).await;
    assert_eq!(session.send(&text("u1")).await["errCode"], 0, "the grace");
    session.twin.advance(Duration::from_secs(301));
    assert_eq!(session.send(&text("u1")).await["errCode"], 1507);
    session.twin.speak("v3.8.3");
    assert_eq!(session.send(&text("u1")).await["errCode"], 0, "nothing is stored there");
    session.twin.advance(Duration::from_secs(7_776_000));
    assert_eq!(session.send(&text("u1")).await["errCode"], 1501);
}

#[tokio::test]
async fn a_user_token_may_not_send_but_a_bad_body_comes_first() {
    let admin = session("").await;
    let body = json!({"platformID": 5, "userID": "u1"});
    let reply = admin.post("/auth/get_user_token", &body).await.json();
    let token = reply["data"]["token"].as_str().unwrap().to_owned();
    let user = Session { token, twin: admin.twin };
    assert_eq!(user.send(&text("u2")).await["errDlt"], "only app manager can send message");
    assert_eq!(user.post("/msg/send_msg", &json!({"sendID": 1})).await.status, 400);
}

#[tokio::test]
async fn business_notifications_reach_groups_on_main_only() {
    let session = session("").await;
    let path = "/msg/send_business_notification";
    let to_user = json!({"key": "k", "data": "d", "sendUserID": "s", "recvUserID": "u1"});
    assert_eq!(session.post(path, &to_user).await.json()["errCode"], 0);
    let to_group = json!({"key": "k", "data": "d", "sendUserID": "s", "recvGroupID": "g1"});
    assert_eq!(session.post(path, &to_group).await.status, 400);
    session.twin.speak("main");
    assert_eq!(session.post(path, &to_group).await.json()["errCode"], 0);
    let both = with(to_group, "recvUserID", json!("u1"));
    assert_eq!(session.post(path, &both).await.json()["errCode"], 1001);
    assert_eq!(session.twin.received().messages[1].to, "group:g1");
}

#[tokio::test]
async fn the_lines_are_told_apart_by_a_route_of_the_main_one() {
    let session = session("").await;
    let path = "/msg/send_simple_msg";
    let headers = format!("operationID: 1\r\ntoken: {}\r\n", session.token);
    assert_eq!(request(&session.twin, &format!("POST {path}"), &headers, "{}").await.status, 404);
    session.twin.speak("main");
    assert_eq!(request(&session.twin, &format!("POST {path}"), &headers, "{}").await.status, 400);
    assert_eq!(session.twin.calls(), 0, "probes are no calls");
    let key = json!({"sendID": "u1", "recvID": "bot", "groupID": ""}).to_string();
    let key = base64::engine::general_purpose::STANDARD.encode(key);
    let path = format!("{path}?{}", super::client::form(&[("key", &key)]));
    assert_eq!(session.post(&path, &json!({"content": "*hi*"})).await.json()["errCode"], 0);
    assert_eq!(session.twin.received().messages[0].to, "user:u1");
}

#[tokio::test]
async fn field_names_match_in_any_case() {
    let session = session("").await;
    let body = json!({"SENDID": "s", "recvid": "u1", "Content": {"content": "hi"}, "contenttype": 101, "SessionType": 1});
    assert_eq!(session.send(&body).await["errCode"], 0);
}

#[tokio::test]
async fn the_published_page_is_taken_at_its_word() {
    let session = session("published").await;
    let documented = json!({"sendID": "openIMAdmin", "senderNickname": "Gordon", "senderPlatformID": 1,
        "content": {"text": "{\"content\":\"hello world!\"}"}, "contentType": 101, "sessionType": 1,
        "offlinePushInfo": {"title": "send message", "iOSBadgeCount": true}, "isSendAll": true});
    assert_eq!(session.batch(&documented).await["errCode"], 0);
    assert_eq!(session.twin.received().messages[0].text, "hello world!");
    let ghost = session.send(&text("ghost-1")).await;
    assert_eq!(ghost["errDlt"], ": [1004]RecordNotFoundError");
}

#[tokio::test]
async fn faults_come_in_openims_shapes() {
    let session = session("main").await;
    session.twin.set_fault(Fault::new(FaultKind::Status).value(429).times(1));
    let busy = session.post("/msg/send_msg", &text("u1")).await;
    assert_eq!((busy.status, &busy.json()["errCode"]), (429, &json!(429)));
    assert_eq!(busy.headers["retry-after"], "1");
    session.twin.set_fault(Fault::new(FaultKind::Code).value(1501).times(1));
    assert_eq!(session.send(&text("u1")).await["errMsg"], "TokenExpiredError");
    session.twin.set_fault(Fault::new(FaultKind::Partial).times(1));
    let half = session.batch(&many(&json!(["a", "b"]))).await;
    assert_eq!(half["data"]["failedUserIDs"], json!(["b"]));
}

#[tokio::test]
async fn a_slash_too_many_is_redirected_where_a_route_stands_before_any_check() {
    for (dialect, status) in [("main", 307), ("v3.8.3", 200)] {
        let twin = twin(Vendor::OpenIm, dialect).await;
        assert_eq!(post(&twin, "/msg/send_simple_msg/", "{}").await.status, status, "{dialect}");
        assert_eq!(post(&twin, "/auth/parse_token/", "{}").await.status, 307, "{dialect}");
    }
}
