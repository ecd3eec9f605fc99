//! How each of Interline's codes is told, and what requests of many messages are told as a whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

mod support;

use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::Report;
use interline_core::outcome::Status;
use interline_wukongim::FACADE;
use serde_json::json;
use support::{BATCH, SEND, asked, body_of, object, single, told};

/// The statuses of the table in the README, by code.
const TABLE: [(ErrorCode, u16); 21] = [
    (ErrorCode::InvalidMessage, 400),
    (ErrorCode::Unsupported, 400),
    (ErrorCode::NotRoutable, 400),
    (ErrorCode::Unauthorized, 400),
    (ErrorCode::Forbidden, 400),
    (ErrorCode::SenderInvalid, 400),
    (ErrorCode::RecipientNotFound, 400),
    (ErrorCode::RecipientRefused, 400),
    (ErrorCode::Muted, 400),
    (ErrorCode::Moderated, 400),
    (ErrorCode::Duplicate, 400),
    (ErrorCode::TooLarge, 400),
    (ErrorCode::RateLimited, 429),
    (ErrorCode::VendorError, 400),
    (ErrorCode::VendorUnavailable, 503),
    (ErrorCode::Timeout, 503),
    (ErrorCode::ConnectionLost, 503),
    (ErrorCode::BadVendorReply, 503),
    (ErrorCode::Expired, 503),
    (ErrorCode::Cancelled, 503),
    (ErrorCode::Internal, 503),
];

#[test]
fn each_code_has_its_answer() {
    assert_eq!(TABLE.map(|(code, _)| code), ErrorCode::ALL);
    for (code, status) in TABLE {
        let failure = Failure::refused(code, "this is why");
        let (array, list) = (json!([single(&json!({}))]), object(&json!({"subscribers": ["u"]})));
        for (path, body) in [(SEND, single(&json!({}))), (BATCH, array), (BATCH, list)] {
            let rejected = [told(Status::Rejected, Some(failure.clone()))];
            for report in [Ok(&rejected[..]), Err(&failure)] {
                let answer = (asked(path, &body).answer)(&Report { told: report, now_ms: 1, batch_id: "" });
                let shown = body_of(&answer);
                if path == BATCH && body.is_object() && report.is_ok() && status == 400 {
                    assert_eq!((answer.status, &shown["fail_uids"]), (200, &json!(["u"])), "{code}");
                    assert!(shown["reason"][0].as_str().unwrap().contains("this is why"));
                    continue;
                }
                assert_eq!((answer.status, &shown["status"]), (status, &json!(status)), "{code} {path}");
                assert!(
                    shown["msg"].as_str().unwrap().contains(&format!("({code}: this is why)")),
                    "{shown}"
                );
                assert_eq!(shown.as_object().unwrap().len(), 2, "{shown}");
                let waits = answer.headers.iter().any(|(name, _)| *name == "Retry-After");
                assert_eq!(waits, status != 400, "{code}");
            }
        }
    }
}

#[test]
fn what_may_have_arrived_is_neither_a_success_nor_a_no() {
    for code in ErrorCode::ALL {
        let unknown = [told(Status::Unknown, Some(Failure::unknown(code, "nobody can tell")))];
        let list = object(&json!({"subscribers": ["u"]}));
        for (path, body) in [(SEND, single(&json!({}))), (BATCH, json!([single(&json!({}))])), (BATCH, list)]
        {
            let answer = (asked(path, &body).answer)(&Report { told: Ok(&unknown), now_ms: 1, batch_id: "" });
            assert_eq!(answer.status, 500, "{code}");
            assert!(body_of(&answer)["msg"].as_str().unwrap().starts_with("发送结果未知"), "{code}");
        }
    }
}

#[test]
fn a_fan_out_that_nobody_is_known_to_have_got_is_no_success() {
    let no = || told(Status::Rejected, Some(Failure::refused(ErrorCode::Muted, "no")));
    let open = || told(Status::Unknown, Some(Failure::unknown(ErrorCode::Timeout, "open")));
    let taken = || told(Status::Accepted, None);
    for (all, status) in
        [([open(), open()], 500), ([no(), open()], 500), ([taken(), open()], 200), ([no(), no()], 200)]
    {
        let report = Report { told: Ok(&all), now_ms: 1, batch_id: "" };
        let answer = (asked(BATCH, &object(&json!({}))).answer)(&report);
        assert_eq!(answer.status, status, "{}", body_of(&answer));
    }
}

#[test]
fn what_the_vendor_refuses_for_now_may_be_tried_again() {
    let failure = Failure::refused(ErrorCode::VendorError, "a passing error").for_now();
    let rejected = [told(Status::Rejected, Some(failure))];
    let answer =
        (asked(SEND, &single(&json!({}))).answer)(&Report { told: Ok(&rejected), now_ms: 1, batch_id: "" });
    assert_eq!(answer.status, 503);
}

#[test]
fn an_array_of_which_nothing_was_taken_says_whether_to_try_again() {
    let no = || told(Status::Rejected, Some(Failure::refused(ErrorCode::Muted, "no")));
    let fast = || told(Status::Rejected, Some(Failure::refused(ErrorCode::RateLimited, "fast").for_now()));
    let late = || told(Status::Expired, Some(Failure::not_sent(ErrorCode::Expired, "late")));
    let open = || told(Status::Unknown, Some(Failure::unknown(ErrorCode::Timeout, "open")));
    for (all, status) in [
        ([no(), no()], 400),
        ([fast(), fast()], 429),
        ([no(), late()], 503),
        ([fast(), late()], 503),
        ([late(), open()], 500),
        ([no(), open()], 500),
    ] {
        let body = json!([single(&json!({})), single(&json!({"client_msg_no": "n2"}))]);
        let answer = (asked(BATCH, &body).answer)(&Report { told: Ok(&all), now_ms: 1, batch_id: "" });
        let shown = body_of(&answer);
        assert_eq!((answer.status, &shown["status"]), (status, &json!(status)));
        assert_eq!(shown.get("data").is_some(), status != 400, "{shown}");
    }
}

#[test]
fn a_report_that_tells_too_little_is_no_success() {
    for (path, body) in [(SEND, single(&json!({}))), (BATCH, json!([single(&json!({}))]))] {
        let answer = (asked(path, &body).answer)(&Report { told: Ok(&[]), now_ms: 1, batch_id: "" });
        assert_eq!(answer.status, 500);
    }
    let answer =
        (asked(BATCH, &object(&json!({}))).answer)(&Report { told: Ok(&[]), now_ms: 1, batch_id: "" });
    assert_eq!(answer.status, 500);
}

#[test]
fn a_request_that_could_not_be_served_is_told_as_such() {
    let status = |failure: &Failure| (FACADE.fail)(failure).status;
    assert_eq!(status(&Failure::not_sent(ErrorCode::TooLarge, "the body has 99 MB")), 413);
    assert_eq!(status(&Failure::not_sent(ErrorCode::InvalidMessage, "the body broke off")), 400);
    assert_eq!(status(&Failure::not_sent(ErrorCode::VendorUnavailable, "the server is closing")), 503);
}
