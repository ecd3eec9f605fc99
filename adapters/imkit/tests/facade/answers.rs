//! What is answered: success as the vendor writes it, each failure under its code, and a batch of which
//! not everything was taken.

use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Answer, Asked, Told};
use interline_core::outcome::Status;
use serde_json::{Value, json};

use super::{BATCH, SINGLE, answer, asked, read, told};

fn three() -> Asked {
    let paras = json!([{"receiver": "a"}, {"receiver": "b"}, {"room": "c"}]);
    asked(BATCH, &json!({"messageType": "text", "message": "m", "paras": paras}))
}

fn one() -> Asked {
    asked(SINGLE, &json!({"messageType": "text", "message": "hi", "room": "r", "sender": "s"}))
}

fn fared(fates: [(Status, Option<Failure>); 3]) -> Vec<Told> {
    let recipients = ["user:a", "user:b", "group:c"];
    recipients.into_iter().zip(fates).map(|(to, (status, error))| told(to, status, error)).collect()
}

fn refusal(code: ErrorCode) -> Option<Failure> {
    Some(Failure::refused(code, "because"))
}

fn status_and_code(answer: &Answer) -> (u16, String) {
    let body = read(answer);
    assert_eq!(body["RC"], json!(answer.status), "RC is the status of every failure");
    assert!(body["RM"].is_string() && body["error"]["message"].is_string(), "{body}");
    (answer.status, body["error"]["code"].as_str().unwrap().to_owned())
}

#[test]
fn a_batch_that_was_taken_is_a_task_with_a_count() {
    let all = fared([(Status::Accepted, None), (Status::Accepted, None), (Status::Queued, None)]);
    let answer = answer(three(), Ok(&all));
    let result = json!({"batchID": "bat_00000000000000000000000000000001", "count": 3});
    assert_eq!((answer.status, read(&answer)), (200, json!({"RC": 0, "RM": "OK", "result": result})));
}

#[test]
fn the_vendors_own_task_is_named_where_it_is_the_only_one() {
    let mut all = fared([(Status::Accepted, None), (Status::Accepted, None), (Status::Accepted, None)]);
    for told in &mut all {
        told.result.vendor = Some("imkit".into());
        told.result.vendor_batch_id = Some("batch-1".into());
    }
    assert_eq!(read(&answer(three(), Ok(&all)))["result"]["batchID"], "batch-1");
    all[1].result.vendor_batch_id = Some("batch-2".into());
    assert_eq!(read(&answer(three(), Ok(&all)))["result"]["batchID"], "bat_00000000000000000000000000000001");
}

#[test]
fn a_batch_taken_in_part_counts_who_was_taken_and_names_the_others() {
    let some = fared([
        (Status::Accepted, None),
        (Status::Rejected, refusal(ErrorCode::RecipientNotFound)),
        (Status::Unknown, Some(Failure::unknown(ErrorCode::Timeout, "no answer"))),
    ]);
    let answer = answer(three(), Ok(&some));
    assert_eq!(answer.status, 200);
    let body = read(&answer);
    assert_eq!((&body["RC"], &body["result"]["count"]), (&json!(0), &json!(1)));
    assert_eq!(
        body["result"]["failed"],
        json!([{"receiver": "b", "code": "USER_NOT_FOUND", "message": "because"},
               {"room": "c", "code": "OUTCOME_UNKNOWN", "message": "no answer"}])
    );
}

#[test]
fn a_batch_is_refused_only_when_nothing_can_have_arrived() {
    let no = || (Status::Rejected, refusal(ErrorCode::Moderated));
    let open = (Status::Unknown, Some(Failure::unknown(ErrorCode::ConnectionLost, "cut off")));
    let busy = (Status::Expired, None);
    let of = |fates| status_and_code(&answer(three(), Ok(&fared(fates))));
    assert_eq!(of([no(), no(), open]), (504, "OUTCOME_UNKNOWN".to_owned()));
    assert_eq!(of([no(), busy, no()]), (429, "RATE_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(
        of([no(), no(), (Status::Rejected, refusal(ErrorCode::Forbidden))]),
        (400, "INVALID_BODY".to_owned())
    );
}

#[test]
fn each_code_has_its_own_answer() {
    let of = |failure: Failure| {
        let single =
            status_and_code(&answer(one(), Ok(&[told("group:r", Status::Rejected, Some(failure.clone()))])));
        let batch = status_and_code(&answer(three(), Err(&failure)));
        (single, batch)
    };
    for (code, status, for_room, for_user) in [
        (ErrorCode::InvalidMessage, 400, "INVALID_BODY", "INVALID_BODY"),
        (ErrorCode::Unsupported, 400, "INVALID_BODY", "INVALID_BODY"),
        (ErrorCode::NotRoutable, 403, "INSUFFICIENT_PERMISSIONS", "INSUFFICIENT_PERMISSIONS"),
        (ErrorCode::Unauthorized, 403, "INSUFFICIENT_PERMISSIONS", "INSUFFICIENT_PERMISSIONS"),
        (ErrorCode::Forbidden, 403, "INSUFFICIENT_PERMISSIONS", "INSUFFICIENT_PERMISSIONS"),
        (ErrorCode::SenderInvalid, 404, "USER_NOT_FOUND", "USER_NOT_FOUND"),
        (ErrorCode::RecipientNotFound, 404, "ROOM_NOT_FOUND", "USER_NOT_FOUND"),
        (ErrorCode::RecipientRefused, 403, "NOT_ROOM_MEMBER", "INSUFFICIENT_PERMISSIONS"),
        (ErrorCode::Muted, 403, "NOT_ROOM_MEMBER", "INSUFFICIENT_PERMISSIONS"),
        (ErrorCode::Moderated, 400, "INVALID_BODY", "INVALID_BODY"),
        (ErrorCode::Duplicate, 409, "MESSAGE_ALREADY_SENT", "MESSAGE_ALREADY_SENT"),
        (ErrorCode::TooLarge, 413, "PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE"),
        (ErrorCode::RateLimited, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::VendorError, 409, "MESSAGE_REFUSED", "MESSAGE_REFUSED"),
        (ErrorCode::VendorUnavailable, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::Timeout, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::ConnectionLost, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::BadVendorReply, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::Expired, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::Cancelled, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
        (ErrorCode::Internal, 429, "RATE_LIMIT_EXCEEDED", "RATE_LIMIT_EXCEEDED"),
    ] {
        let wanted = ((status, for_room.to_owned()), (status, for_user.to_owned()));
        assert_eq!(of(Failure::refused(code, "because")), wanted, "{code}");
    }
    assert_eq!(of(Failure::refused(ErrorCode::VendorError, "later").for_now()).0.0, 429);
}

#[test]
fn who_is_told_to_wait_is_told_how_long() {
    let answer = answer(three(), Err(&Failure::not_sent(ErrorCode::RateLimited, "full")));
    let body = read(&answer);
    assert_eq!(answer.headers, [("Retry-After", body["retryAfter"].to_string())]);
    assert!(body["retryAfter"].as_u64().unwrap() > 0);
}

#[test]
fn a_single_message_is_answered_with_the_message() {
    let mut sent = told("group:r", Status::Accepted, None);
    let elsewhere = read(&answer(one(), Ok(std::slice::from_ref(&sent))));
    assert_eq!(
        elsewhere,
        json!({"RC": 0, "RM": "OK", "result": {
            "_id": "000000000123456789abcdef", "room": "r", "message": "hi", "messageType": "text", "sender": "s",
            "appID": "interline", "messageTimeMS": 1_700_000_000_000_u64, "updatedAtMS": 1_700_000_000_000_u64,
            "createdAtMS": 1_700_000_000_000_u64}})
    );
    sent.result.vendor = Some("imkit".into());
    sent.result.vendor_message_id = Some("58bf8f1dc3b24c04d19d9add".into());
    sent.result.vendor_time_ms = Some(1_488_949_021_290);
    sent.result.vendor_data = json!({"appID": "SampleApp", "createdAtMS": 1_488_949_021_291_u64})
        .as_object()
        .cloned()
        .unwrap_or_default();
    let at_home = read(&answer(one(), Ok(&[sent])));
    let result = &at_home["result"];
    let shown: Vec<&Value> =
        ["_id", "appID", "messageTimeMS", "createdAtMS"].iter().map(|key| &result[*key]).collect();
    assert_eq!(
        shown,
        [
            &json!("58bf8f1dc3b24c04d19d9add"),
            &json!("SampleApp"),
            &json!(1_488_949_021_290_u64),
            &json!(1_488_949_021_291_u64)
        ]
    );
}

#[test]
fn a_single_message_of_which_nobody_knows_is_no_success_and_no_refusal() {
    let unknown = Failure::unknown(ErrorCode::ConnectionLost, "cut off");
    let lost = told("group:r", Status::Unknown, Some(unknown));
    assert_eq!(status_and_code(&answer(one(), Ok(&[lost]))), (504, "OUTCOME_UNKNOWN".to_owned()));
    let late = told("group:r", Status::Sending, None);
    assert_eq!(status_and_code(&answer(one(), Ok(&[late]))).0, 504);
    let withdrawn =
        told("group:r", Status::Expired, Some(Failure::not_sent(ErrorCode::Expired, "late").for_good()));
    assert_eq!(status_and_code(&answer(one(), Ok(&[withdrawn]))).0, 429);
}
