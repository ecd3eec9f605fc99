//! Replies: what each answer proves, and what it does not.

use super::*;

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
    assert_eq!(receipt.client_id, Some(ClientId::Other("c".into())));
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
            Outcome::Accepted(receipt) => {
                (receipt.message_id.as_deref(), receipt.client_id.as_ref().map(|id| id.text("")))
            }
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
fn a_type_of_the_main_line_that_is_not_known_there_asks_for_the_dialect() {
    let detail = "unsupported content type, contentType=118";
    for (dialect, signal) in [("main", Signal::WrongDialect), ("v3.8.3", Signal::None)] {
        let (adapter, call) = single_call(dialect, json!({}));
        assert_eq!(adapter.decode(&call, &error(1001, detail)).signal, signal);
    }
}

#[test]
fn who_failed_is_matched_by_the_id_that_was_sent() {
    let (adapter, call) = batch_call("main", &["v1", "u2"]);
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
