//! The vendor's traps, one test a rule. What a golden case shows better stands in `tests/cases`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, CallMessage, Finding, Reply, Request, Sent, Signal};
use interline_core::error::{ErrorCode, ErrorKind, Failure, Fate, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_core::profile::Dedupe;
use interline_core::recipient::RecipientKind;
use interline_openim::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

fn adapter(dialect: &str) -> Arc<dyn Adapter> {
    build::adapter(
        &VENDOR,
        dialect,
        &json!({"secret": "test-secret", "default_sender": "system", "everyone": true}),
    )
}

fn message(own: Value) -> Arc<Message> {
    let mut body = json!({"to": "user:u1", "content": {"type": "text", "text": "hi"}});
    for (key, value) in own.as_object().unwrap() {
        body[key] = value.clone();
    }
    build::message(&body)
}

fn batch_call(dialect: &str, users: &[&str]) -> (Arc<dyn Adapter>, Call) {
    let adapter = adapter(dialect);
    let messages: Vec<_> = users.iter().map(|user| json!({"to": format!("user:{user}")})).collect();
    let (_, messages) =
        build::batch(&json!({"content": {"type": "text", "text": "hi"}, "messages": messages}));
    let call = build::call(&*adapter, &messages, Results::Fast);
    (adapter, call)
}

fn single_call(dialect: &str, own: Value) -> (Arc<dyn Adapter>, Call) {
    let adapter = adapter(dialect);
    let call = build::call(&*adapter, &[message(own)], Results::Each);
    (adapter, call)
}

fn encoded(adapter: &dyn Adapter, call: &Call) -> (Request, Value) {
    let request = adapter.encode(call, &build::seal()).unwrap();
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    &request.headers.iter().find(|header| header.name == name).unwrap().value
}

fn refusal(dialect: &str, own: Value) -> Refusal {
    adapter(dialect).check(&message(own), Results::Each).unwrap_err()
}

fn losses(dialect: &str, own: Value) -> Vec<&'static str> {
    adapter(dialect).check(&message(own), Results::Each).unwrap()
}

fn failure(outcome: &Outcome) -> &Failure {
    outcome.failure().unwrap_or_else(|| panic!("accepted: {outcome:?}"))
}

fn error(code: i64, detail: &str) -> Reply {
    build::reply(200, &json!({"errCode": code, "errMsg": "E", "errDlt": detail}))
}

// Trap 1.
#[test]
fn success_of_a_batch_is_not_success_of_its_messages() {
    let (adapter, call) = batch_call("v3.8.3", &["u1", "u2", "u3"]);
    let data = json!({"results": [{"serverMsgID": "s2", "clientMsgID": "c", "sendTime": 5, "recvID": "u2"}],
                      "failedUserIDs": ["u1"]});
    let verdict = adapter.decode(&call, &build::reply(200, &json!({"errCode": 0, "data": data})));
    let [first, second, third] = &verdict.outcomes[..] else { panic!("three outcomes") };
    let first = failure(first);
    assert_eq!((first.code, first.fate, first.retryable), (ErrorCode::VendorError, Fate::Refused, false));
    assert!(matches!(second, Outcome::Accepted(receipt) if receipt.message_id.as_deref() == Some("s2")));
    assert_eq!((failure(third).code, failure(third).fate), (ErrorCode::BadVendorReply, Fate::Unknown));
}

// Trap 1.
#[test]
fn a_recipient_in_both_lists_is_unknown() {
    let (adapter, call) = batch_call("main", &["u1"]);
    let data = json!({"results": [{"serverMsgID": "s", "clientMsgID": "c", "sendTime": 5, "recvID": "u1"}],
                      "failedUserIDs": ["u1"]});
    let verdict = adapter.decode(&call, &build::reply(200, &json!({"errCode": 0, "data": data})));
    assert_eq!(failure(&verdict.outcomes[0]).fate, Fate::Unknown);
}

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

// Trap 18.
#[test]
fn a_broadcast_is_accepted_when_it_reached_anybody() {
    let (adapter, call) = single_call("v3.8.3", json!({"to": "everyone"}));
    let sent =
        |id: &str, user: &str| json!({"serverMsgID": id, "clientMsgID": "c", "sendTime": 5, "recvID": user});
    let data = json!({"results": [sent("", "u1"), sent("s2", "u2")], "failedUserIDs": ["u3"]});
    let verdict = adapter.decode(&call, &build::reply(200, &json!({"errCode": 0, "data": data})));
    let Outcome::Accepted(receipt) = &verdict.outcomes[0] else { panic!("{verdict:?}") };
    assert_eq!(
        Value::Object(receipt.data.clone()),
        json!({"reached": 1, "failed": 2, "failedUserIDs": ["u3"]})
    );
    assert_eq!(receipt.client_id.as_deref(), Some("c"));
    let nobody = json!({"results": null, "failedUserIDs": null});
    let verdict = adapter.decode(&call, &build::reply(200, &json!({"errCode": 0, "data": nobody})));
    assert_eq!(failure(&verdict.outcomes[0]).fate, Fate::Refused);
}

// Trap 4.
#[test]
fn lists_may_be_null() {
    let (adapter, call) = batch_call("v3.8.3", &["u1"]);
    let failed = json!({"errCode": 0, "data": {"results": null, "failedUserIDs": ["u1"]}});
    let verdict = adapter.decode(&call, &build::reply(200, &failed));
    assert_eq!(failure(&verdict.outcomes[0]).code, ErrorCode::VendorError);
    let neither = json!({"errCode": 0, "data": {"results": null, "failedUserIDs": null}});
    let verdict = adapter.decode(&call, &build::reply(200, &neither));
    assert_eq!(failure(&verdict.outcomes[0]).fate, Fate::Unknown);
}

// Trap 5.
#[test]
fn a_server_error_is_unknown_unless_the_validator_speaks() {
    for (adapter, call) in [batch_call("main", &["u1"]), single_call("v3.8.3", json!({}))] {
        let broken = adapter.decode(&call, &error(500, "kafka: client has run out of available brokers"));
        assert_eq!(failure(&broken.outcomes[0]).fate, Fate::Unknown);
        let validator =
            "Key: 'TextElem.Content' Error:Field validation for 'Content' failed on the 'required' tag";
        for detail in [validator, "1 error(s) decoding:\n\n* 'data' expected type 'string'"] {
            let invalid = adapter.decode(&call, &error(500, detail));
            let invalid = failure(&invalid.outcomes[0]);
            assert_eq!((invalid.code, invalid.fate), (ErrorCode::InvalidMessage, Fate::Refused));
            assert!(!invalid.retryable);
        }
    }
}

// Trap 5.
#[test]
fn an_overload_behind_the_api_is_unknown_and_slows_down() {
    let (adapter, call) = single_call("main", json!({}));
    let verdict = adapter.decode(&call, &error(500, "service unavailable due to circuit breaker"));
    assert_eq!(failure(&verdict.outcomes[0]).fate, Fate::Unknown);
    assert_eq!(verdict.signal, Signal::Freeze("send", Duration::from_secs(1)));
}

// Trap 6.
#[test]
fn a_bare_400_is_an_answer() {
    let (adapter, call) = batch_call("v3.8.3", &["u1", "u2"]);
    let body =
        json!({"errCode": 1001, "errMsg": "ArgsError", "errDlt": "Key: 'BatchSendMsgReq.RecvIDs' Error"});
    for reply in [build::reply(400, &body), Reply { status: 400, ..Reply::default() }] {
        let verdict = adapter.decode(&call, &reply);
        assert_eq!(verdict.outcomes.len(), 2);
        let failure = failure(&verdict.outcomes[1]);
        assert_eq!((failure.code, failure.fate), (ErrorCode::InvalidMessage, Fate::Refused));
        assert!(!failure.retryable);
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

// Trap 8.
#[test]
fn tokens_are_fetched_by_one_request_and_last_for_a_duration() {
    let adapter = adapter("main");
    let login = adapter.login(&build::seal()).unwrap();
    assert_eq!(login.request.path, "/auth/get_admin_token");
    assert_eq!(
        serde_json::from_slice::<Value>(&login.request.body).unwrap(),
        json!({"secret": "test-secret", "userID": "imAdmin"})
    );
    assert!(!header(&login.request, "operationID").is_empty());
    let reply = json!({"errCode": 0, "data": {"token": "t", "expireTimeSeconds": 7_776_000}});
    let token = (login.read)(&build::reply(200, &reply)).unwrap();
    assert_eq!((&*token.secret, token.lasts), ("t", Duration::from_secs(90 * 86_400)));
    let wrong = (login.read)(&error(1002, "secret invalid")).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Config);
    let other = build::adapter(&VENDOR, "main", &json!({"secret": "s", "admin_user_id": "boss"}));
    let body = other.login(&build::seal()).unwrap().request.body;
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["userID"], "boss");
}

// Trap 8.
#[test]
fn only_token_codes_ask_for_a_new_token_and_had_no_effect() {
    let (adapter, call) = batch_call("main", &["u1"]);
    for code in 1501..=1507 {
        let verdict = adapter.decode(&call, &error(code, ""));
        assert_eq!(verdict.signal, Signal::Relogin, "{code}");
        let failure = failure(&verdict.outcomes[0]);
        assert_eq!(
            (failure.code, failure.fate, failure.retryable),
            (ErrorCode::Unauthorized, Fate::Refused, true)
        );
    }
    for code in [500, 1001, 1002, 1004, 1500, 1508, 14] {
        assert_ne!(adapter.decode(&call, &error(code, "")).signal, Signal::Relogin, "{code}");
    }
}

// Trap 8.
#[test]
fn a_ready_token_is_used_as_it_is() {
    let settings = json!({"admin_token": "sesame", "default_sender": "system"});
    let adapter = build::adapter(&VENDOR, "main", &settings);
    assert!(adapter.login(&build::seal()).is_none());
    let call = build::call(&*adapter, &[message(json!({}))], Results::Each);
    let (request, _) = encoded(&*adapter, &call);
    let token = request.headers.iter().find(|header| header.name == "token").unwrap();
    assert_eq!((&*token.value, token.secret), ("sesame", true));
    let verdict = adapter.decode(&call, &error(1501, "token expired"));
    assert_eq!(verdict.signal, Signal::None);
    assert!(failure(&verdict.outcomes[0]).retryable, "another provider may take it");
    assert!(!format!("{adapter:?}").contains("sesame"));
}

// Trap 9.
#[test]
fn the_shared_client_id_is_told_and_the_server_id_is_the_key() {
    let (adapter, call) = batch_call("v3.8.3", &["u1", "u2"]);
    let sent = |id: &str, user: &str| json!({"serverMsgID": id, "clientMsgID": "shared", "sendTime": 5, "recvID": user});
    let data = json!({"results": [sent("s2", "u2"), sent("s1", "u1")], "failedUserIDs": null});
    let verdict = adapter.decode(&call, &build::reply(200, &json!({"errCode": 0, "data": data})));
    let ids: Vec<_> = verdict
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Accepted(receipt) => (receipt.message_id.as_deref(), receipt.client_id.as_deref()),
            Outcome::Rejected(_) | Outcome::Unknown(_) => panic!("{outcome:?}"),
        })
        .collect();
    assert_eq!(ids, [(Some("s1"), Some("shared")), (Some("s2"), Some("shared"))]);
}

// Trap 10.
#[test]
fn success_without_an_id_is_a_refusal_on_the_old_line() {
    let empty = json!({"serverMsgID": "", "clientMsgID": "", "sendTime": 0, "recvID": "u1"});
    let batch = json!({"errCode": 0, "data": {"results": [empty], "failedUserIDs": null}});
    let single =
        json!({"errCode": 0, "data": {"serverMsgID": "", "clientMsgID": "", "sendTime": 0, "modify": null}});
    for ((adapter, call), reply) in
        [(batch_call("v3.8.3", &["u1"]), &batch), (single_call("v3.8.3", json!({})), &single)]
    {
        let verdict = adapter.decode(&call, &build::reply(200, reply));
        let failure = failure(&verdict.outcomes[0]);
        assert_eq!((failure.code, failure.fate), (ErrorCode::RecipientRefused, Fate::Refused));
    }
    let (adapter, call) = single_call("main", json!({}));
    let verdict = adapter.decode(&call, &build::reply(200, &single));
    assert_eq!(failure(&verdict.outcomes[0]).fate, Fate::Unknown);
}

// Traps 10 and 11.
#[test]
fn a_recipient_that_takes_no_messages_is_named_on_the_main_line() {
    let (adapter, call) = single_call("main", json!({}));
    let verdict = adapter.decode(&call, &error(1001, "message is not sent"));
    assert_eq!(failure(&verdict.outcomes[0]).code, ErrorCode::RecipientRefused);
}

// Trap 11.
#[test]
fn raw_service_codes_are_the_old_lines_alone() {
    for (code, old) in [
        (8, (Fate::Refused, true)),
        (14, (Fate::Refused, true)),
        (4, (Fate::Unknown, false)),
        (13, (Fate::Unknown, false)),
    ] {
        for (dialect, wanted) in [("v3.8.3", old), ("main", (Fate::Unknown, false))] {
            let (adapter, call) = single_call(dialect, json!({}));
            let verdict = adapter.decode(&call, &error(code, "connection refused"));
            let failure = failure(&verdict.outcomes[0]);
            assert_eq!((failure.fate, failure.retryable), wanted, "{dialect} {code}");
        }
    }
    let (adapter, call) = single_call("v3.8.3", json!({}));
    let torn = adapter.decode(&call, &error(14, "error reading from server: EOF"));
    assert_eq!(failure(&torn.outcomes[0]).fate, Fate::Unknown);
}

// Trap 11.
#[test]
fn a_rate_limit_freezes_its_class_and_fails_nobody() {
    let (adapter, call) = batch_call("main", &["u1"]);
    let body = json!({"errCode": 429, "errMsg": "too many requests, please try again later"}).to_string();
    for (reply, pause) in [
        (Reply { status: 429, retry_after: Some(Duration::from_secs(7)), body: body.into_bytes() }, 7),
        (Reply { status: 429, retry_after: None, body: b"slow down".to_vec() }, 1),
        (error(429, ""), 1),
    ] {
        let verdict = adapter.decode(&call, &reply);
        assert_eq!(verdict.signal, Signal::Freeze("batch", Duration::from_secs(pause)));
        let failure = failure(&verdict.outcomes[0]);
        assert_eq!(
            (failure.code, failure.fate, failure.retryable),
            (ErrorCode::RateLimited, Fate::Refused, true)
        );
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

// Trap 20.
#[test]
fn each_single_send_has_a_trace_id_of_its_own_and_keeps_it() {
    let adapter = adapter("v3.8.3");
    let id = |message: &Arc<Message>, attempt: u32| {
        let mut own = CallMessage::first(Arc::clone(message));
        own.attempt = attempt;
        let call = Call { class: "send", results: Results::Each, messages: vec![own] };
        header(&encoded(&*adapter, &call).0, "operationID").to_owned()
    };
    let first = message(json!({"client_id": "c1"}));
    assert_eq!(id(&first, 1), id(&first, 2));
    assert!(id(&first, 1).starts_with("c1."));
    assert_ne!(id(&first, 1), id(&message(json!({"client_id": "c1", "to": "user:u2"})), 1));
    assert_ne!(id(&first, 1), id(&message(json!({"client_id": "c2"})), 1));
    assert!(id(&message(json!({"client_id": "заказ 1"})), 1).is_ascii());
}

// Trap 20.
#[test]
fn batches_are_traced_by_attempt() {
    let (adapter, mut call) = batch_call("main", &["u1", "u2"]);
    let first = header(&encoded(&*adapter, &call).0, "operationID").to_owned();
    call.messages[0].attempt = 2;
    assert_ne!(header(&encoded(&*adapter, &call).0, "operationID"), first);
    let own = json!({"extensions": {"openim": {"operationID": "mine"}}});
    let (adapter, call) = single_call("main", own);
    assert_eq!(header(&encoded(&*adapter, &call).0, "operationID"), "mine");
}

// Trap 20.
#[test]
fn only_a_send_that_left_a_note_of_its_own_is_looked_up() {
    let look = |dialect: &str, own: Value, class: &'static str| {
        let message = message(own);
        let sent = Sent { message: &message, recipient_id: "u1", class };
        adapter(dialect).lookup(&sent, &build::seal())
    };
    let exchange = look("v3.8.3", json!({"client_id": "c1"}), "send").unwrap();
    assert_eq!(exchange.request.path, "/msg/check_msg_is_send_success");
    let (adapter, call) = single_call("v3.8.3", json!({"client_id": "c1"}));
    let (request, _) = encoded(&*adapter, &call);
    assert_eq!(header(&exchange.request, "operationID"), header(&request, "operationID"));
    assert_eq!(header(&exchange.request, "token"), "test-token");
    for (status, finding) in [
        (0, Finding::Absent),
        (1, Finding::Absent),
        (2, Finding::Arrived(Default::default())),
        (3, Finding::CannotTell),
    ] {
        let reply = build::reply(200, &json!({"errCode": 0, "data": {"status": status}}));
        assert_eq!((exchange.read)(&reply).unwrap(), finding);
    }
    assert!((exchange.read)(&error(1501, "")).is_err());
    assert!((exchange.read)(&Reply::default()).is_err());
    assert!(look("v3.8.3", json!({}), "batch").is_none());
    assert!(look("published", json!({}), "send").is_none());
    assert!(look("main", json!({"content": {"type": "command", "name": "n"}}), "send").is_none());
    assert!(look("main", json!({"extensions": {"openim": {"operationID": "mine"}}}), "send").is_none());
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

#[test]
fn mapped_ids_are_sent_and_matched() {
    let (adapter, mut call) = batch_call("main", &["u1", "u2"]);
    call.messages[0].mapped = Some("v1".into());
    assert_eq!(encoded(&*adapter, &call).1["recvIDs"], json!(["v1", "u2"]));
    let data = json!({"results": null, "failedUserIDs": ["v1"]});
    let verdict = adapter.decode(&call, &build::reply(200, &json!({"errCode": 0, "data": data})));
    assert_eq!(failure(&verdict.outcomes[0]).fate, Fate::Refused);
    assert_eq!(failure(&verdict.outcomes[1]).fate, Fate::Unknown);
}

#[test]
fn statuses_of_others_are_sorted_by_what_they_prove() {
    let (adapter, call) = single_call("v3.8.3", json!({}));
    let fate = |status: u16| {
        let verdict = adapter.decode(&call, &Reply { status, retry_after: None, body: b"<html>".to_vec() });
        (failure(&verdict.outcomes[0]).fate, verdict.signal)
    };
    assert_eq!(fate(404), (Fate::NotSent, Signal::WrongDialect));
    assert_eq!(fate(307), (Fate::NotSent, Signal::None));
    for status in [401, 403, 413] {
        assert_eq!(fate(status), (Fate::Refused, Signal::None));
    }
    for status in [200, 204, 302, 408, 500, 502, 503, 504] {
        assert_eq!(fate(status), (Fate::Unknown, Signal::None), "{status}");
    }
}

#[test]
fn settings_and_dialects_are_checked() {
    let build = |settings: Value, dialect: &str| {
        (VENDOR.build)(settings.as_object().unwrap(), dialect).map_err(|errors| errors[0].path.clone())
    };
    assert_eq!(build(json!({"secret": "s"}), "v2").unwrap_err(), "/dialect");
    assert_eq!(build(json!({}), "main").unwrap_err(), "/secret");
    assert_eq!(build(json!({"secret": "s", "api_key": "k"}), "main").unwrap_err(), "/api_key");
}
