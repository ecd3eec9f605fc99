//! A façade behind the adapter: what only a façade answers, and the members of a payload that it keeps.

use interline_core::adapter::{Call, Reply, Signal};
use interline_core::error::{ErrorCode, Fate};
use interline_core::options::Results;
use interline_core::outcome::{Outcome, Status};
use interline_testkit::build;
use interline_wukongim::VENDOR;
use serde_json::{Value, json};

const DIALECTS: [&str; 4] = ["published", "v1", "v2", "v3"];
const NOT_SENT: &str = "服务繁忙，消息未发送，请稍后重试！(expired: too late)";
const UNCERTAIN: &str = "发送结果未知，消息可能已送达！(timeout: no answer)";

/// A call of two messages to one group, or to two persons.
fn call(dialect: &str, results: Results, client_ids: [&str; 2]) -> Call {
    let to = if dialect == "published" { ["group:g", "group:g"] } else { ["user:u1", "user:u2"] };
    let message = |at: usize| json!({"to": to[at], "client_id": client_ids[at]});
    let (_, messages) = build::batch(&json!({"from": "a", "content": {"type": "text", "text": "hi"},
        "messages": [message(0), message(1)]}));
    build::call(&*build::adapter(&VENDOR, dialect, &json!({})), &messages, results)
}

fn decoded(dialect: &str, call: &Call, reply: &Reply) -> (Vec<Outcome>, Signal) {
    let verdict = build::adapter(&VENDOR, dialect, &json!({})).decode(call, reply);
    (verdict.outcomes, verdict.signal)
}

#[test]
fn a_503_refuses_only_where_it_says_that_nothing_was_sent() {
    for dialect in DIALECTS {
        let message =
            build::message(&json!({"to": "user:u", "from": "a", "content": {"type": "text", "text": "hi"}}));
        let call = build::call(&*build::adapter(&VENDOR, dialect, &json!({})), &[message], Results::Each);
        let said = decoded(dialect, &call, &build::reply(503, &json!({"msg": NOT_SENT, "status": 503}))).0;
        let failure = said[0].failure().unwrap();
        let seen = (failure.fate, failure.code, failure.retryable);
        assert_eq!(seen, (Fate::Refused, ErrorCode::VendorUnavailable, true), "{dialect}");
        for other in
            [json!({"msg": "busy", "status": 503}), json!({"msg": NOT_SENT, "status": 500}), json!(null)]
        {
            let said = decoded(dialect, &call, &build::reply(503, &other)).0;
            assert_eq!(said[0].status(), Status::Unknown, "{dialect} {other}");
        }
    }
}

#[test]
fn a_reason_may_say_that_nobody_can_tell() {
    for dialect in ["v1", "v2"] {
        let call = call(dialect, Results::Fast, ["n1", "n2"]);
        let answer = json!({"fail_uids": ["u2", "u1"], "reason": [UNCERTAIN, NOT_SENT]});
        let said = decoded(dialect, &call, &build::reply(200, &answer)).0;
        assert_eq!(said[0].failure().unwrap().code, ErrorCode::VendorUnavailable);
        assert!(said[0].failure().unwrap().retryable);
        assert_eq!(said[1].status(), Status::Unknown);
    }
}

#[test]
fn an_error_that_lists_every_message_is_read_one_by_one() {
    let call = call("published", Results::Each, ["n1", "n2"]);
    let taken = json!({"message_id": 7, "message_seq": 1, "client_msg_no": "n1"});
    let not = json!({"message_id": 0, "message_seq": 0, "client_msg_no": "n2", "reason": 25, "msg": "no"});
    let listed = |data: Value| build::reply(500, &json!({"msg": "1/2", "status": 500, "data": data}));
    let (said, signal) = decoded("published", &call, &listed(json!([taken, not])));
    assert_eq!(
        (said[0].status(), said[1].status(), signal),
        (Status::Accepted, Status::Rejected, Signal::None)
    );
    assert_eq!(said[1].failure().unwrap().code, ErrorCode::Muted);
    // A list that does not say it of each in its place says nothing.
    for data in
        [json!([not, taken]), json!([taken]), json!([taken, null]), json!([taken, {"client_msg_no": "n2"}])]
    {
        let (said, _) = decoded("published", &call, &listed(data.clone()));
        assert!(said.iter().all(|outcome| outcome.status() == Status::Unknown), "{data}");
    }
}

#[test]
fn a_list_does_not_tell_two_messages_of_one_name_apart() {
    let call = call("published", Results::Each, ["n1", "n1"]);
    let taken = json!({"message_id": 7, "client_msg_no": "n1"});
    let not = json!({"message_id": 0, "client_msg_no": "n1", "reason": 25});
    let reply = build::reply(500, &json!({"status": 500, "data": [taken, not]}));
    let (said, _) = decoded("published", &call, &reply);
    assert!(said.iter().all(|outcome| outcome.status() == Status::Unknown));
}

#[test]
fn members_of_a_payload_are_part_of_what_a_fan_out_says_once() {
    let adapter = build::adapter(&VENDOR, "v2", &json!({"default_sender": "a"}));
    let slot = |payload: Value| {
        let content = json!({"type": "text", "text": "hi"});
        let own = json!({"wukongim": {"payload": payload}});
        adapter.slot(
            &build::message(&json!({"to": "user:u", "content": content, "extensions": own})),
            Results::Fast,
        )
    };
    assert_eq!(slot(json!({"x": 1})).key, slot(json!({"x": 1})).key);
    assert_ne!(slot(json!({"x": 1})).key, slot(json!({"x": 2})).key);
    assert_ne!(slot(json!({"x": 1})).key, slot(json!({})).key);
    assert_eq!(slot(json!({"x": 1})).class, "sendbatch");
}

#[test]
fn members_of_a_payload_count_and_are_not_put_over_raw_ones() {
    let adapter = build::adapter(&VENDOR, "v2", &json!({"default_sender": "a"}));
    let refusal = |content: Value, payload: Value| {
        let own = json!({"wukongim": {"payload": payload}});
        let message = build::message(&json!({"to": "user:u", "content": content, "extensions": own}));
        let refusal = adapter.check(&message, Results::Each).unwrap_err();
        (refusal.code, refusal.errors[0].path.clone())
    };
    let path = "/extensions/wukongim/payload".to_owned();
    let raw = json!({"type": "raw", "vendor": "wukongim", "body": {}});
    assert_eq!(refusal(raw, json!({"x": 1})), (ErrorCode::InvalidMessage, path.clone()));
    let text = json!({"type": "text", "text": "hi"});
    for wrong in [json!([1]), json!(""), json!(7)] {
        assert_eq!(refusal(text.clone(), wrong), (ErrorCode::InvalidMessage, path.clone()));
    }
    assert_eq!(refusal(text.clone(), json!("x".repeat(33_000))).0, ErrorCode::TooLarge);
    let long = json!({"x": "x".repeat(33_000)});
    assert_eq!(refusal(text, long), (ErrorCode::TooLarge, "/content".to_owned()));
}
