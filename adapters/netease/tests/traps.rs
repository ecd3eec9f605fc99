//! The vendor's quirks, one rule a test: each is something that a straightforward client gets wrong.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a wrong test should stop")]

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, CallMessage, Reply, Seal, Signal, Verdict};
use interline_core::error::{ErrorCode, Fate};
use interline_core::options::Results;
use interline_core::outcome::{ClientId, Outcome, Receipt, Status};
use interline_core::profile::Dedupe;
use interline_netease::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

fn adapter() -> Arc<dyn Adapter> {
    adapter_with(json!({}))
}

fn adapter_with(more: Value) -> Arc<dyn Adapter> {
    let mut settings = json!({"app_key": "key", "app_secret": "go-secret-0001", "default_sender": "s"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    build::adapter(&VENDOR, "v1", &settings)
}

/// A call of messages that say their number, to the recipients named.
fn call_to(recipients: &[&str], results: Results) -> Call {
    let messages: Vec<Value> = recipients
        .iter()
        .enumerate()
        .map(|(index, to)| {
            json!({"to": to, "client_id": format!("m{index}"), "content": {"type": "text", "text": "hi"}})
        })
        .collect();
    let (_, messages) = build::batch(&json!({"messages": messages}));
    build::call(&*adapter(), &messages, results)
}

fn room_call(count: usize) -> Call {
    call_to(&vec!["room:1"; count], Results::Each)
}

/// A call again after an attempt that ended unknown.
fn again(mut call: Call) -> Call {
    for one in &mut call.messages {
        (one.attempt, one.prior_unknown) = (2, true);
    }
    call
}

fn field(call: &Call, name: &str) -> Option<String> {
    let request = adapter().encode(call, &build::seal()).unwrap();
    form_urlencoded::parse(&request.body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn list(call: &Call) -> Value {
    serde_json::from_str(&field(call, "msgList").unwrap()).unwrap()
}

fn answer(call: &Call, body: &Value) -> Verdict {
    adapter().decode(call, &build::reply(200, body))
}

fn http(call: &Call, status: u16) -> Verdict {
    adapter().decode(call, &Reply { status, retry_after: None, body: b"<html>".to_vec() })
}

/// Code, fate and whether it may pass, of a verdict that is the same for all.
fn verdict_of(verdict: &Verdict) -> (ErrorCode, Fate, bool, Signal) {
    let failure = verdict.outcomes[0].failure().unwrap();
    assert!(verdict.outcomes.iter().all(|outcome| outcome.failure().unwrap() == failure));
    (failure.code, failure.fate, failure.retryable, verdict.signal)
}

fn receipt(outcome: &Outcome) -> &Receipt {
    match outcome {
        Outcome::Accepted(receipt) => receipt,
        Outcome::Rejected(failure) | Outcome::Unknown(failure) => panic!("{failure:?}"),
    }
}

fn message(body: &Value) -> Arc<interline_core::message::Message> {
    build::message(body)
}

fn refused_at(body: &Value) -> (ErrorCode, String) {
    let refusal = adapter().check(&message(body), Results::Each).unwrap_err();
    (refusal.code, refusal.errors[0].path.clone())
}

#[test]
fn rooms_take_bare_text_and_users_a_wrapped_one() {
    assert_eq!(list(&room_call(1))[0]["attach"], "hi");
    let user = call_to(&["user:a"], Results::Each);
    assert_eq!(field(&user, "body").unwrap(), r#"{"msg":"hi"}"#);
}

#[test]
fn the_body_code_decides_and_other_statuses_are_the_networks() {
    let call = room_call(2);
    let refused = answer(&call, &json!({"code": 419, "desc": "limit"}));
    assert_eq!(verdict_of(&refused), (ErrorCode::VendorError, Fate::Refused, false, Signal::None));
    for status in [100, 302, 303, 500, 502, 503, 504, 599, 0] {
        assert_eq!(verdict_of(&http(&call, status)).1, Fate::Unknown, "{status}");
    }
    assert_eq!(verdict_of(&http(&call, 200)).0, ErrorCode::BadVendorReply);
    assert_eq!(verdict_of(&http(&call, 204)).1, Fate::Unknown);
    assert_eq!(verdict_of(&http(&call, 404)).1, Fate::NotSent);
    assert_eq!(verdict_of(&http(&call, 401)).0, ErrorCode::Unauthorized);
    assert_eq!(verdict_of(&http(&call, 413)).3, Signal::Bisect);
    assert_eq!(verdict_of(&http(&call, 405)), (ErrorCode::VendorError, Fate::Refused, false, Signal::None));
    assert_eq!(verdict_of(&http(&call, 307)).1, Fate::Refused);
}

#[test]
fn a_code_may_be_a_numeric_text_and_only_an_object_is_an_answer() {
    let call = call_to(&["user:a"], Results::Each);
    assert_eq!(answer(&call, &json!({"code": "200"})).outcomes[0].status(), Status::Accepted);
    for garbage in [json!([200]), json!("200"), json!(200), json!({}), json!({"code": 200.5}), json!(null)] {
        assert_eq!(verdict_of(&answer(&call, &garbage)).0, ErrorCode::BadVendorReply, "{garbage}");
    }
}

#[test]
fn a_refused_signature_is_signed_again_and_a_bad_parameter_is_not() {
    let call = room_call(1);
    let signature = answer(&call, &json!({"desc": "bad http header", "code": 414}));
    assert_eq!(verdict_of(&signature), (ErrorCode::Unauthorized, Fate::Refused, true, Signal::Resign));
    let parameter = answer(&call, &json!({"desc": "msgContents size exceeded", "code": 414}));
    assert_eq!(verdict_of(&parameter), (ErrorCode::InvalidMessage, Fate::Refused, false, Signal::None));
}

#[test]
fn a_call_spoilt_by_one_message_is_halved() {
    let bad = json!({"desc": "msgContents size exceeded", "code": 414});
    assert_eq!(answer(&room_call(2), &bad).signal, Signal::Bisect);
    let users = call_to(&["user:a", "user:b"], Results::Fast);
    assert_eq!(answer(&users, &bad).signal, Signal::None);
    assert_eq!(answer(&users, &json!({"desc": "toAccids is bad", "code": 414})).signal, Signal::Bisect);
    assert_eq!(answer(&room_call(2), &json!({"code": 403})).signal, Signal::Bisect);
    assert_eq!(answer(&room_call(2), &json!({"code": 403, "desc": "app is forbidden"})).signal, Signal::None);
}

#[test]
fn a_call_that_succeeded_may_hold_only_failures() {
    let verdict =
        answer(&room_call(2), &json!({"code": 200, "success": [], "fail": [{"m0": "x"}, {"m1": "y"}]}));
    for outcome in &verdict.outcomes {
        let failure = outcome.failure().unwrap();
        assert_eq!((failure.code, failure.fate), (ErrorCode::VendorError, Fate::Refused));
        assert!(!failure.retryable);
    }
    assert_eq!(verdict.outcomes[1].failure().unwrap().vendor_message.as_deref(), Some("y"));
}

#[test]
fn results_are_matched_by_id_and_never_by_position() {
    let body =
        json!({"code": 200, "success": [{"other": {}}, {"m1": {"time": "7"}}], "fail": [{"m2": "no"}]});
    let verdict = answer(&room_call(3), &body);
    let statuses: Vec<_> = verdict.outcomes.iter().map(Outcome::status).collect();
    assert_eq!(statuses, [Status::Unknown, Status::Accepted, Status::Rejected]);
    let both = json!({"code": 200, "success": [{"m0": {}}], "fail": [{"m0": "no"}]});
    assert_eq!(answer(&room_call(1), &both).outcomes[0].status(), Status::Unknown);
}

#[test]
fn a_client_id_twice_in_one_call_is_refused() {
    let one = CallMessage::first(message(
        &json!({"to": "room:1", "client_id": "m", "content": {"type": "text", "text": "x"}}),
    ));
    let call = Call { class: "room", results: Results::Each, messages: vec![one.clone(), one] };
    let error = adapter().encode(&call, &build::seal()).unwrap_err();
    assert!(error.to_string().contains("client_id=m"), "{error}");
}

#[test]
fn a_success_record_of_strings_is_read() {
    let record = json!({"msgid_client": "m0", "time": "1668566975724", "type": "0", "roomId": "72"});
    let verdict = answer(&room_call(1), &json!({"code": 200, "success": [{"m0": record}]}));
    let receipt = receipt(&verdict.outcomes[0]);
    assert_eq!(receipt.client_id, Some(ClientId::Own));
    assert_eq!(receipt.time_ms, Some(1_668_566_975_724));
    assert_eq!(Value::Object(receipt.data.clone()), record);
    assert_eq!(receipt.message_id, None);
}

#[test]
fn a_resend_keeps_its_id_and_says_so() {
    let (first, second) = (list(&room_call(1)), list(&again(room_call(1))));
    assert_eq!((&first[0]["resendFlag"], &second[0]["resendFlag"]), (&json!(0), &json!(1)));
    assert_eq!(first[0]["msgId"], second[0]["msgId"]);
    let mut retried = room_call(1);
    retried.messages[0].attempt = 2;
    assert_eq!(list(&retried)[0]["resendFlag"], 0);
}

#[test]
fn the_resend_text_means_already_there_only_where_we_may_have_sent_it() {
    let body = json!({"code": 200, "fail": [{"m0": "parameter resendFlag should be used for RESEND!"}], "success": []});
    let first = answer(&room_call(1), &body);
    assert_eq!(first.outcomes[0].failure().unwrap().code, ErrorCode::Duplicate);
    assert_eq!(first.outcomes[0].status(), Status::Rejected);
    let second = answer(&again(room_call(1)), &body);
    assert_eq!(receipt(&second.outcomes[0]).client_id, Some(ClientId::Own));
}

#[test]
fn a_repeated_request_is_a_yes_only_in_rooms_and_after_an_unknown() {
    for code in [417, 431] {
        let body = json!({"code": code, "desc": "duplicate"});
        assert_eq!(answer(&room_call(1), &body).outcomes[0].status(), Status::Rejected);
        assert_eq!(answer(&again(room_call(1)), &body).outcomes[0].status(), Status::Accepted);
        let user = call_to(&["user:a"], Results::Each);
        assert_eq!(answer(&user, &body).outcomes[0].status(), Status::Rejected);
        assert_eq!(answer(&again(user), &body).outcomes[0].status(), Status::Unknown);
    }
}

#[test]
fn switches_that_read_backwards_are_turned() {
    let stored = room_call(1);
    assert_eq!(field(&stored, "skipHistory"), None);
    let body = json!({"to": "room:1", "content": {"type": "text", "text": "x"}, "options": {"store": false}});
    let unstored = build::call(&*adapter(), &[message(&body)], Results::Each);
    assert_eq!(field(&unstored, "skipHistory").as_deref(), Some("1"));
    let user = call_to(&["user:a"], Results::Each);
    assert_eq!(field(&user, "option").as_deref(), Some(r#"{"sendersync":false}"#));
}

#[test]
fn an_abandon_ratio_is_sent_only_when_wanted() {
    assert_eq!(field(&room_call(1), "abandonRatio"), None);
    let text = json!({"type": "text", "text": "x"});
    let both = json!({"to": "room:1", "content": text,
                      "extensions": {"netease": {"abandonRatio": 0, "highPriority": true}}});
    assert_eq!(refused_at(&both), (ErrorCode::InvalidMessage, "/extensions/netease/abandonRatio".into()));
}

#[test]
fn messages_share_a_call_by_room_sender_and_flags() {
    let text = json!({"type": "text", "text": "x"});
    let slot = |more: Value| {
        let mut body = json!({"to": "room:1", "content": text});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        adapter().slot(&message(&body), Results::Each)
    };
    let plain = slot(json!({}));
    assert_eq!((plain.class, plain.max, plain.repeats), ("room", 10, true));
    for same in [
        json!({"content": {"type": "notice", "text": "y"}}),
        json!({"from": "s"}),
        json!({"extensions": {"netease": {"subType": 3, "locX": 1.5, "resendFlag": 1}}}),
        json!({"extensions": {"openim": {"ex": "x"}}}),
        json!({"options": {"priority": "high"}}),
    ] {
        assert_eq!(slot(same.clone()).key, plain.key, "{same}");
    }
    for other in [
        json!({"to": "room:2"}),
        json!({"from": "t"}),
        json!({"options": {"store": false}}),
        json!({"options": {"audience": {"users": ["a"]}}}),
        json!({"extensions": {"netease": {"notifyTargetTags": "{\"tag\":\"a\"}"}}}),
    ] {
        assert_ne!(slot(other.clone()).key, plain.key, "{other}");
    }
}

#[test]
fn users_share_a_call_by_content_sender_and_options() {
    let slot = |body: Value, results| adapter().slot(&message(&body), results);
    let text = |to: &str, text: &str| json!({"to": to, "content": {"type": "text", "text": text}});
    let fast = slot(text("user:a", "x"), Results::Fast);
    assert_eq!((fast.class, fast.max, fast.repeats), ("user_batch", 500, false));
    assert_eq!(fast.key, slot(text("user:b", "x"), Results::Fast).key);
    assert_ne!(fast.key, slot(text("user:b", "y"), Results::Fast).key);
    let each = slot(text("user:a", "x"), Results::Each);
    assert_eq!((each.class, each.max), ("single", 1));
    assert_eq!(slot(text("group:1", "x"), Results::Fast).class, "single");
    let rendered = |name: &str| {
        json!({"to": format!("user:{name}"), "vars": {"n": name},
               "content": {"type": "text", "text": "hi $n$", "template": true}})
    };
    let own = slot(rendered("a"), Results::Fast);
    assert_eq!((own.class, own.max), ("single", 1), "a text of one's own gains nothing from a shared call");
}

#[test]
fn a_rate_penalty_freezes_the_class_and_fails_no_message() {
    let body = json!({"code": 416, "desc": "limit"});
    for (to, results, class, seconds) in [
        ("room:1", Results::Each, "room", 10),
        ("user:a", Results::Each, "single", 10),
        ("group:a", Results::Fast, "single", 10),
        ("user:a", Results::Fast, "user_batch", 60),
        ("everyone", Results::Each, "broadcast", 60),
    ] {
        let frozen = Signal::Freeze(class, Duration::from_secs(seconds));
        let verdict = answer(&call_to(&[to], results), &body);
        assert_eq!(verdict_of(&verdict), (ErrorCode::RateLimited, Fate::Refused, true, frozen));
    }
    let reply = Reply { status: 429, retry_after: Some(Duration::from_secs(3)), body: Vec::new() };
    let verdict = adapter().decode(&room_call(1), &reply);
    assert_eq!(verdict.signal, Signal::Freeze("room", Duration::from_secs(3)));
}

#[test]
fn rooms_are_paced_one_by_one() {
    let adapter = adapter();
    let room = adapter.profile().class("room").unwrap();
    let per_second = |rate: Option<interline_core::profile::Rate>| rate.map(|rate| (rate.count, rate.per));
    assert_eq!(per_second(room.per_recipient), Some((20, Duration::from_secs(1))));
    assert_eq!(per_second(room.messages), Some((1000, Duration::from_secs(1))));
}

#[test]
fn only_room_messages_are_recognised_when_they_come_again() {
    let adapter = adapter();
    let dedupe = adapter.profile().dedupe;
    assert_eq!(dedupe.window_ms("room"), 60_000);
    assert!(["single", "user_batch", "broadcast"].iter().all(|class| dedupe.window_ms(class) == 0));
    let never = adapter_with(json!({"resend_window": "0s"}));
    assert_eq!(never.profile().dedupe, Dedupe::Never);
}

#[test]
fn a_server_that_gave_up_leaves_the_messages_unknown() {
    for code in [408, 500, 503, 508, 509, 514, 999, -1, 0, 201, 777, 13_008, 60_000] {
        let verdict = answer(&room_call(2), &json!({"code": code, "desc": "busy"}));
        assert_eq!(verdict_of(&verdict).1, Fate::Unknown, "{code}");
    }
}

#[test]
fn each_listed_code_has_its_own_meaning() {
    for (code, expected, passes) in [
        (301, ErrorCode::Forbidden, false),
        (302, ErrorCode::Unauthorized, false),
        (315, ErrorCode::Forbidden, false),
        (404, ErrorCode::RecipientNotFound, false),
        (405, ErrorCode::TooLarge, false),
        (422, ErrorCode::SenderInvalid, false),
        (423, ErrorCode::Muted, false),
        (802, ErrorCode::Forbidden, false),
        (804, ErrorCode::Forbidden, false),
        (812, ErrorCode::Muted, false),
        (815, ErrorCode::RecipientRefused, false),
        (998, ErrorCode::VendorError, false),
        (13_001, ErrorCode::VendorUnavailable, true),
        (13_002, ErrorCode::RecipientRefused, false),
        (13_003, ErrorCode::Forbidden, false),
        (13_004, ErrorCode::Muted, false),
        (13_005, ErrorCode::Moderated, false),
        (13_009, ErrorCode::VendorError, false),
    ] {
        let verdict = answer(&room_call(1), &json!({"code": code, "desc": "words"}));
        assert_eq!(verdict_of(&verdict), (expected, Fate::Refused, passes, Signal::None), "{code}");
        let failure = verdict.outcomes[0].failure().unwrap();
        assert_eq!(failure.vendor_code, Some(code.to_string()));
        assert_eq!(failure.vendor_message.as_deref(), Some("words"));
    }
}

#[test]
fn a_used_up_high_priority_quota_passes() {
    let body = json!({"to": "room:1", "content": {"type": "text", "text": "x"},
        "extensions": {"netease": {"highPriority": true, "forbiddenIfHighPriorityMsgFreq": 1}}});
    let call = build::call(&*adapter(), &[message(&body)], Results::Each);
    let asked = verdict_of(&answer(&call, &json!({"code": 403})));
    assert_eq!(asked, (ErrorCode::RateLimited, Fate::Refused, true, Signal::None));
    let plain = verdict_of(&answer(&room_call(1), &json!({"code": 403})));
    assert_eq!(plain, (ErrorCode::Forbidden, Fate::Refused, false, Signal::None));
}

#[test]
fn every_attempt_is_signed_afresh_with_the_time_in_seconds() {
    let header = |seal: &Seal<'_>, name: &str| {
        let request = adapter().encode(&room_call(1), seal).unwrap();
        request.headers.into_iter().find(|header| header.name == name).unwrap()
    };
    let later = Seal { now_ms: 1_700_000_001_999, nonce: "n", token: None };
    assert_eq!(header(&build::seal(), "CurTime").value, "1700000000");
    assert_eq!(header(&later, "CurTime").value, "1700000001");
    assert_eq!(header(&later, "Nonce").value, "n");
    let (first, second) = (header(&build::seal(), "CheckSum"), header(&later, "CheckSum"));
    assert!(first.secret && second.secret && first.value != second.value);
}

#[test]
fn a_room_id_is_a_64_bit_integer_and_stays_exact() {
    let call = call_to(&["room:9223372036854775807"], Results::Each);
    assert_eq!(field(&call, "roomid").as_deref(), Some("9223372036854775807"));
    let body = json!({"to": "room:lobby", "content": {"type": "text", "text": "x"}});
    assert_eq!(refused_at(&body), (ErrorCode::InvalidMessage, "/to".into()));
    let unchecked = call_to(&["room:lobby"], Results::Each);
    assert!(adapter().encode(&unchecked, &build::seal()).is_err());
}

#[test]
fn an_id_of_63_bits_stays_exact() {
    let call = call_to(&["user:a"], Results::Each);
    let exact = answer(&call, &json!({"code": 200, "data": {"msgid": 9_223_372_036_854_775_807_i64}}));
    assert_eq!(receipt(&exact.outcomes[0]).message_id.as_deref(), Some("9223372036854775807"));
    let text = br#"{"code":200,"data":{"msgid":99999999999999999999}}"#.to_vec();
    let rounded = adapter().decode(&call, &Reply { status: 200, retry_after: None, body: text });
    assert_eq!(receipt(&rounded.outcomes[0]).message_id, None);
}

#[test]
fn an_unknown_sender_surfaces_the_vendors_words() {
    let verdict = answer(&room_call(1), &json!({"code": 404, "desc": "ghost not register"}));
    let failure = verdict.outcomes[0].failure().unwrap();
    assert_eq!(failure.vendor_code.as_deref(), Some("404"));
    assert_eq!(failure.vendor_message.as_deref(), Some("ghost not register"));
}

#[test]
fn an_unregistered_account_is_told_from_its_neighbours() {
    let call = call_to(&["user:Bob", "user:bob", "user:Eve"], Results::Fast);
    let verdict = answer(&call, &json!({"code": 200, "unregister": "[\"bob\",\"eve\"]", "timetag": 5}));
    let statuses: Vec<_> = verdict.outcomes.iter().map(Outcome::status).collect();
    assert_eq!(statuses, [Status::Accepted, Status::Rejected, Status::Rejected]);
}
