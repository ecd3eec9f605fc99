//! What replies mean, one rule a test: who is told what, and what the engine is asked to do.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, Reply, Signal, Verdict};
use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_imkit::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

fn adapter() -> Arc<dyn Adapter> {
    build::adapter(&VENDOR, "v1", &json!({"api_key": "sesame-key"}))
}

fn call(recipients: &[&str], results: &str) -> Call {
    let messages: Vec<Value> = recipients.iter().map(|to| json!({ "to": to })).collect();
    let content = json!({"type": "text", "text": "hi"});
    let options = json!({"results": results});
    let body = json!({"from": "system", "content": content, "options": options, "messages": messages});
    build::call(&*adapter(), &build::batch(&body).1, Results::Fast)
}

fn batch() -> Call {
    call(&["user:a", "group:g", "user:b"], "fast")
}

fn decode(call: &Call, status: u16, body: &Value) -> Verdict {
    let verdict = adapter().decode(call, &build::reply(status, body));
    assert_eq!(verdict.outcomes.len(), call.messages.len());
    verdict
}

fn failure(verdict: &Verdict) -> &Failure {
    assert!(verdict.outcomes.iter().all(|outcome| *outcome == verdict.outcomes[0]));
    verdict.outcomes[0].failure().unwrap()
}

fn judged(verdict: &Verdict) -> (ErrorCode, Fate, bool, Signal) {
    let failure = failure(verdict);
    (failure.code, failure.fate, failure.retryable, verdict.signal)
}

fn nested(rc: u16, code: &str) -> Value {
    json!({"RC": rc, "RM": "words", "error": {"code": code, "message": "more words"}})
}

#[test]
fn accepted_is_a_queued_task_and_names_no_message() {
    let reply = json!({"RC": 0, "RM": "OK", "result": {"batchID": "batch-1", "count": 3}});
    for outcome in decode(&batch(), 200, &reply).outcomes {
        let Outcome::Accepted(receipt) = outcome else { panic!("not accepted") };
        assert_eq!((receipt.batch_id.as_deref(), receipt.message_id), (Some("batch-1"), None));
        assert_eq!(receipt.data["count"], json!(3));
    }
}

#[test]
fn each_call_is_a_task_of_its_own() {
    let id = |name: &str| {
        let reply = json!({"RC": 0, "RM": "OK", "result": {"batchID": name, "count": 3}});
        match decode(&batch(), 200, &reply).outcomes.remove(0) {
            Outcome::Accepted(receipt) => receipt.batch_id.unwrap(),
            Outcome::Rejected(_) | Outcome::Unknown(_) => panic!("not accepted"),
        }
    };
    assert_eq!((&*id("t1"), &*id("t2")), ("t1", "t2"));
}

#[test]
fn ids_are_kept_with_all_of_their_digits() {
    let body = br#"{"RC":0,"RM":"OK","result":{"batchID":98765432109876543210987,"count":3}}"#;
    let verdict = adapter().decode(&batch(), &Reply { status: 200, retry_after: None, body: body.to_vec() });
    let Outcome::Accepted(receipt) = &verdict.outcomes[0] else { panic!("not accepted") };
    assert_eq!(receipt.batch_id.as_deref(), Some("98765432109876543210987"));
}

#[test]
fn a_count_below_the_recipients_leaves_all_unknown() {
    let reply = json!({"RC": 0, "RM": "OK", "result": {"batchID": "batch-1", "count": 2}});
    let verdict = decode(&batch(), 200, &reply);
    assert_eq!(judged(&verdict), (ErrorCode::BadVendorReply, Fate::Unknown, false, Signal::None));
    assert!(failure(&verdict).message.contains("batch-1 for 2 of 3"));
    let more = json!({"RC": 0, "RM": "OK", "result": {"batchID": "batch-1", "count": 50}});
    assert!(matches!(decode(&batch(), 200, &more).outcomes[0], Outcome::Accepted(_)));
}

#[test]
fn the_single_send_answers_with_id_and_milliseconds() {
    let stored = json!({"_id": "58bf", "sender": "system", "messageTimeMS": 1_488_949_021_290_i64});
    let verdict = decode(&call(&["room:r"], "each"), 200, &json!({"RC": 0, "RM": "OK", "result": stored}));
    let Outcome::Accepted(receipt) = &verdict.outcomes[0] else { panic!("not accepted") };
    assert_eq!((receipt.message_id.as_deref(), receipt.time_ms), (Some("58bf"), Some(1_488_949_021_290)));
}

#[test]
fn both_error_shapes_are_read() {
    let flat = json!({"error": "INVALID_API_KEY", "message": "more words"});
    for reply in [nested(401, "INVALID_API_KEY"), flat] {
        let verdict = decode(&batch(), 401, &reply);
        assert_eq!(judged(&verdict), (ErrorCode::Unauthorized, Fate::Refused, false, Signal::None));
        let failure = failure(&verdict);
        assert_eq!(failure.vendor_code.as_deref(), Some("INVALID_API_KEY"));
        assert_eq!(failure.vendor_message.as_deref(), Some("more words"));
    }
}

#[test]
fn both_spellings_of_the_missing_permission_are_known() {
    for code in ["INSUFFICIENT_PERMISSION", "INSUFFICIENT_PERMISSIONS"] {
        let verdict = decode(&batch(), 403, &nested(403, code));
        assert_eq!(judged(&verdict), (ErrorCode::Forbidden, Fate::Refused, false, Signal::None));
    }
}

#[test]
fn a_key_that_the_vendor_quotes_is_masked() {
    let reply = json!({"error": "INVALID_API_KEY", "message": "no such key: sesame-key"});
    let verdict = decode(&batch(), 401, &reply);
    assert_eq!(failure(&verdict).vendor_message.as_deref(), Some("no such key: ***"));
}

#[test]
fn the_table_of_codes_is_the_readmes() {
    let readme = include_str!("../README.md");
    let (_, table) = readme.split_once("| status | `error.code` | code | fate | retry | beside |").unwrap();
    let mut rows = 0;
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [_, status, codes, code, fate, retry, beside, _] = &cells[..] else { panic!("{line}") };
        for named in codes.split(", ") {
            let status: u16 = status.parse().unwrap();
            let body = if named == "none" { json!("not the vendor's JSON") } else { nested(status, named) };
            let verdict = decode(&batch(), status, &body);
            let failure = failure(&verdict);
            assert_eq!(failure.code.as_str(), code, "{line}");
            assert_eq!(json!(failure.fate), json!(fate), "{line}");
            assert_eq!(failure.retryable, retry == "yes", "{line}");
            let signal = match beside.as_str() {
                "halve" => Signal::Bisect,
                "rest" => Signal::Freeze("batch", Duration::from_secs(60)),
                _ => Signal::None,
            };
            assert_eq!(verdict.signal, signal, "{line}");
            rows += 1;
        }
    }
    assert!(rows > 20, "only {rows} rows");
}

#[test]
fn a_call_refused_for_one_recipient_is_halved_until_the_one_is_alone() {
    let codes = [
        (404, "USER_NOT_FOUND"),
        (404, "CLIENT_NOT_FOUND"),
        (404, "ROOM_NOT_FOUND"),
        (403, "NOT_ROOM_MEMBER"),
    ];
    for (status, code) in codes {
        let many = decode(&batch(), status, &nested(status, code));
        assert_eq!((failure(&many).fate, many.signal), (Fate::Refused, Signal::Bisect), "{code}");
        let one = decode(&call(&["user:a"], "fast"), status, &nested(status, code));
        assert_eq!((failure(&one).fate, one.signal), (Fate::Refused, Signal::None), "{code}");
    }
    let one = decode(&call(&["user:a"], "fast"), 404, &nested(404, "USER_NOT_FOUND"));
    assert_eq!(failure(&one).code, ErrorCode::RecipientNotFound);
}

#[test]
fn an_unknown_user_in_a_call_for_rooms_is_the_sender() {
    for (recipients, results) in [(&["room:1", "room:2"][..], "fast"), (&["group:1"], "each")] {
        let verdict = decode(&call(recipients, results), 404, &nested(404, "CLIENT_NOT_FOUND"));
        assert_eq!(judged(&verdict), (ErrorCode::SenderInvalid, Fate::Refused, false, Signal::None));
    }
}

#[test]
fn a_rate_limit_rests_the_class_as_long_as_asked() {
    let limited = |rest: Value| json!({"error": "RATE_LIMIT_EXCEEDED", "message": "m", "retryAfter": rest});
    for (rest, seconds) in [
        (json!(7), 7),
        (json!("8"), 8),
        (json!(0.2), 1),
        (json!(0), 1),
        (json!(null), 60),
        (json!("soon"), 60),
        (json!(-5), 60),
        (json!(1e300), 3_600),
    ] {
        let verdict = decode(&batch(), 429, &limited(rest.clone()));
        let signal = Signal::Freeze("batch", Duration::from_secs(seconds));
        assert_eq!(judged(&verdict), (ErrorCode::RateLimited, Fate::Refused, true, signal), "{rest}");
    }
    let header = Reply { status: 429, retry_after: Some(Duration::from_secs(9)), body: Vec::new() };
    let verdict = adapter().decode(&call(&["room:r"], "each"), &header);
    assert_eq!(verdict.signal, Signal::Freeze("send", Duration::from_secs(9)));
}

#[test]
fn an_error_inside_a_200_is_judged_by_what_is_known_of_it() {
    let known = decode(&batch(), 200, &nested(404, "ROOM_NOT_FOUND"));
    assert_eq!((failure(&known).fate, known.signal), (Fate::Refused, Signal::Bisect));
    let by_rc = decode(&batch(), 200, &json!({"RC": 401, "RM": "Unauthorized"}));
    assert_eq!((failure(&by_rc).fate, failure(&by_rc).code), (Fate::Refused, ErrorCode::Unauthorized));
    for reply in [json!({"RC": 7, "RM": "?"}), json!({"RC": 500, "RM": "?"}), json!({"RC": -1})] {
        let verdict = decode(&batch(), 200, &reply);
        assert_eq!((failure(&verdict).fate, failure(&verdict).code), (Fate::Unknown, ErrorCode::VendorError));
    }
}

#[test]
fn a_2xx_that_cannot_be_read_is_unknown() {
    for reply in [
        json!(null),
        json!([]),
        json!("OK"),
        json!({}),
        json!({"RC": null, "result": {}}),
        json!({"RC": "zero", "result": {"batchID": "b"}}),
        json!({"RC": 0, "error": "INVALID_API_KEY"}),
    ] {
        let verdict = decode(&batch(), 200, &reply);
        assert_eq!(
            judged(&verdict),
            (ErrorCode::BadVendorReply, Fate::Unknown, false, Signal::None),
            "{reply}"
        );
    }
}

#[test]
fn a_task_without_rc_is_a_task() {
    let verdict = decode(&batch(), 200, &json!({"result": {"batchID": "b", "count": 3}}));
    assert!(matches!(verdict.outcomes[0], Outcome::Accepted(_)));
}

#[test]
fn a_server_error_is_unknown_whatever_it_says() {
    for status in [500, 502, 503, 504, 599] {
        for reply in [json!(null), nested(status, "ROOM_NOT_FOUND"), json!({"RC": 0})] {
            assert_eq!(failure(&decode(&batch(), status, &reply)).fate, Fate::Unknown, "{status} {reply}");
        }
    }
}

#[test]
fn a_missing_route_has_sent_nothing() {
    let html = Reply { status: 404, retry_after: None, body: b"<html>nginx</html>".to_vec() };
    let verdict = adapter().decode(&batch(), &html);
    assert_eq!(judged(&verdict), (ErrorCode::VendorError, Fate::NotSent, true, Signal::None));
    assert!(failure(&verdict).message.contains("base_url"));
}
