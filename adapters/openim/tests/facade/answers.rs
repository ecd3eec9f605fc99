//! What the answers say: ids, null lists, and a code for everything that can happen.

use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use serde_json::{Value, json};

use super::{BATCH, NOTIFY, NOW_MS, SEND, error, failed, post, read, single, success, told, two, with};

fn refused(code: ErrorCode) -> Failure {
    Failure::refused(code, "why")
}

fn unknown() -> Failure {
    Failure::unknown(ErrorCode::Timeout, "no answer came")
}

#[test]
fn ids_are_interlines_own_where_another_vendor_delivered() {
    let accepted = |status| told(0x1234_5678_9abc_def0, status, "wukongim");
    for status in [Status::Accepted, Status::Queued] {
        let (http, body) = post(SEND, &single()).rendered(&[accepted(status)]);
        let data = &body["data"];
        assert_eq!((http, &data["serverMsgID"]), (200, &json!("0000000000000000123456789abcdef0")));
        assert_eq!(data["clientMsgID"].as_str().map(str::len), Some(32));
        assert_eq!(data["sendTime"], NOW_MS);
        assert_eq!(data.get("modify"), None);
        let again = post(SEND, &single()).rendered(&[accepted(status)]);
        assert_eq!(again.1, body, "a repeat gets the same ids");
    }
}

#[test]
fn ids_are_the_vendors_where_it_delivered() {
    let mut at_home = told(1, Status::Accepted, "openim");
    at_home.result.vendor_message_id = Some("s1".into());
    at_home.result.vendor_client_id = Some("c1".into());
    at_home.result.vendor_time_ms = Some(1_719_800_000_123);
    at_home.result.vendor_data.insert("modify".to_owned(), json!({"content": "x"}));
    let data = json!({"serverMsgID": "s1", "clientMsgID": "c1", "sendTime": 1_719_800_000_123_i64, "modify": {"content": "x"}});
    assert_eq!(post(SEND, &single()).rendered(&[at_home]), (200, success(&data)));
}

#[test]
fn a_time_that_was_asked_for_is_told() {
    let body = with(single(), "sendTime", json!(1_600_000_000_000_i64));
    let (_, answer) = post(SEND, &body).rendered(&[told(1, Status::Accepted, "imkit")]);
    assert_eq!(answer["data"]["sendTime"], 1_600_000_000_000_i64);
}

#[test]
fn all_of_a_batch_share_one_client_id() {
    let (_, body) = post(BATCH, &two())
        .rendered(&[told(1, Status::Accepted, "imkit"), told(2, Status::Accepted, "imkit")]);
    let results = body["data"]["results"].as_array().unwrap();
    assert_eq!(results[0]["clientMsgID"], results[1]["clientMsgID"]);
    assert_ne!(results[0]["serverMsgID"], results[1]["serverMsgID"]);
    assert_eq!((&results[0]["recvID"], &results[1]["recvID"]), (&json!("u1"), &json!("u2")));
    assert_eq!(body["data"]["failedUserIDs"], Value::Null);
}

#[test]
fn who_failed_is_listed_without_a_reason() {
    let no = || failed(2, Status::Rejected, refused(ErrorCode::Muted));
    let (http, body) = post(BATCH, &two()).rendered(&[told(1, Status::Accepted, "imkit"), no()]);
    assert_eq!((http, &body["data"]["failedUserIDs"]), (200, &json!(["u2"])));
    let (http, body) = post(BATCH, &two()).rendered(&[no(), no()]);
    assert_eq!((http, body), (200, success(&json!({"results": null, "failedUserIDs": ["u1", "u2"]}))));
}

#[test]
fn who_may_have_been_reached_is_in_neither_list() {
    let perhaps = || failed(2, Status::Unknown, unknown());
    let (_, body) = post(BATCH, &two()).rendered(&[told(1, Status::Accepted, "imkit"), perhaps()]);
    assert_eq!(body["data"]["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["data"]["failedUserIDs"], Value::Null);
    let (_, body) =
        post(BATCH, &two()).rendered(&[failed(1, Status::Rejected, refused(ErrorCode::Muted)), perhaps()]);
    assert_eq!(body["data"], json!({"results": null, "failedUserIDs": ["u1"]}));
    let all = post(BATCH, &two()).rendered(&[perhaps(), perhaps()]);
    assert_eq!(all, (200, error(500, "ServerInternalError", "no answer came")));
}

#[test]
fn a_batch_that_was_withdrawn_whole_is_busy_and_a_part_of_one_failed() {
    let late = || failed(1, Status::Expired, Failure::not_sent(ErrorCode::Expired, "too late"));
    let (http, body) = post(BATCH, &two()).rendered(&[late(), late()]);
    assert_eq!((http, &body["errCode"]), (429, &json!(429)));
    let (_, body) = post(BATCH, &two()).rendered(&[told(1, Status::Accepted, "imkit"), late()]);
    assert_eq!(body["data"]["failedUserIDs"], json!(["u2"]));
}

#[test]
fn a_batch_that_an_outage_stopped_is_busy_and_fails_nobody() {
    for failure in [
        Failure::not_sent(ErrorCode::VendorUnavailable, "no server"),
        Failure::refused(ErrorCode::RateLimited, "slower").for_now(),
    ] {
        let down = || failed(1, Status::Rejected, failure.clone());
        let (http, body) = post(BATCH, &two()).rendered(&[down(), down()]);
        assert_eq!((http, &body["errCode"]), (429, &json!(429)), "{body}");
        let (_, body) = post(BATCH, &two()).rendered(&[down(), told(2, Status::Accepted, "imkit")]);
        assert_eq!(body["data"]["failedUserIDs"], json!(["u1"]));
    }
}

#[test]
fn who_was_not_sent_to_does_not_make_a_lost_batch_a_success() {
    let body = with(two(), "recvIDs", json!(["", "u1"]));
    let (_, answer) = post(BATCH, &body).rendered(&[failed(1, Status::Unknown, unknown())]);
    assert_eq!(answer["errCode"], 500, "{answer}");
    let (_, answer) = post(BATCH, &body).rendered(&[told(1, Status::Accepted, "imkit")]);
    assert_eq!(answer["data"]["failedUserIDs"], json!([""]));
}

#[test]
fn everyone_is_told_of_in_one_entry_without_a_name() {
    let body = with(two(), "isSendAll", json!(true));
    let mut at_home = told(1, Status::Accepted, "openim");
    at_home.result.vendor_data =
        json!({"reached": 7, "failed": 1, "failedUserIDs": ["u9"]}).as_object().unwrap().clone();
    let (_, answer) = post(BATCH, &body).rendered(&[at_home]);
    assert_eq!(answer["data"]["results"][0]["recvID"], "");
    assert_eq!(answer["data"]["failedUserIDs"], json!(["u9"]));
    let no = failed(1, Status::Rejected, refused(ErrorCode::Forbidden));
    assert_eq!(post(BATCH, &body).rendered(&[no]), (200, error(1002, "NoPermissionError", "why")));
}

/// The README's table.
const CODES: [(ErrorCode, u16, i64, &str); 21] = [
    (ErrorCode::InvalidMessage, 200, 1001, "ArgsError"),
    (ErrorCode::Unsupported, 200, 1001, "ArgsError"),
    (ErrorCode::NotRoutable, 200, 1001, "ArgsError"),
    (ErrorCode::TooLarge, 200, 1001, "ArgsError"),
    (ErrorCode::VendorError, 200, 1001, "ArgsError"),
    (ErrorCode::Forbidden, 200, 1002, "NoPermissionError"),
    (ErrorCode::Duplicate, 200, 1003, "DuplicateKeyError"),
    (ErrorCode::RecipientNotFound, 200, 1004, "RecordNotFoundError"),
    (ErrorCode::SenderInvalid, 200, 1101, "UserIDNotFoundError"),
    (ErrorCode::RecipientRefused, 200, 1302, "BlockedByPeer"),
    (ErrorCode::Muted, 200, 1402, "MutedInGroup"),
    (ErrorCode::Moderated, 200, 80_000, "CallbackError"),
    (ErrorCode::Unauthorized, 200, 90_004, "NetworkError"),
    (ErrorCode::Internal, 200, 90_004, "NetworkError"),
    (ErrorCode::RateLimited, 429, 429, "too many requests, please try again later"),
    (ErrorCode::VendorUnavailable, 429, 429, "too many requests, please try again later"),
    (ErrorCode::Timeout, 429, 429, "too many requests, please try again later"),
    (ErrorCode::ConnectionLost, 429, 429, "too many requests, please try again later"),
    (ErrorCode::BadVendorReply, 429, 429, "too many requests, please try again later"),
    (ErrorCode::Expired, 429, 429, "too many requests, please try again later"),
    (ErrorCode::Cancelled, 429, 429, "too many requests, please try again later"),
];

#[test]
fn every_code_has_its_answer_and_an_unknown_one_is_500() {
    assert!(ErrorCode::ALL.iter().all(|code| CODES.iter().any(|(known, ..)| known == code)));
    let commands = json!({"key": "k", "data": "", "sendUserID": "boss", "recvUserID": "u1"});
    for (code, http, number, name) in CODES {
        let wanted = (http, error(number, name, "why"));
        for (path, body) in [(SEND, single()), (NOTIFY, commands.clone())] {
            let rejected = failed(1, Status::Rejected, refused(code));
            assert_eq!(post(path, &body).rendered(&[rejected]), wanted, "{code}");
            let perhaps = failed(1, Status::Unknown, Failure::unknown(code, "why"));
            assert_eq!(
                post(path, &body).rendered(&[perhaps]),
                (200, error(500, "ServerInternalError", "why"))
            );
        }
        let nothing = post(BATCH, &two()).refused(&Failure::not_sent(code, "why"));
        assert_eq!(read(&nothing), wanted, "{code}");
        let waits = nothing.headers.iter().any(|(name, value)| *name == "Retry-After" && value == "1");
        assert_eq!(waits, http == 429, "{code}");
    }
}

#[test]
fn the_readme_has_the_same_table() {
    let readme = include_str!("../../README.md");
    for (code, http, number, _) in CODES {
        let start = format!("| {http} | {number} | ");
        let named = |row: &str| row.starts_with(&start) && row.contains(&format!("`{code}`"));
        assert!(readme.lines().any(named), "no row for {code}");
    }
}

#[test]
fn the_vendors_own_words_are_passed_on_where_it_refused() {
    let said = |code: i64, words: &str| {
        let mut told = failed(1, Status::Rejected, refused(ErrorCode::RecipientNotFound).vendor(code, words));
        told.result.vendor = Some("openim".into());
        post(SEND, &single()).rendered(&[told]).1
    };
    assert_eq!(said(1204, "DismissedAlreadyError"), error(1204, "DismissedAlreadyError", ""));
    assert_eq!(
        said(1004, "RecordNotFoundError: user not found"),
        error(1004, "RecordNotFoundError", "user not found")
    );
    assert_eq!(said(20_001, "bad words"), error(20_001, "bad words", ""));
    assert_eq!(said(1001, "ArgsError: header must have token"), error(1004, "RecordNotFoundError", "why"));
    assert_eq!(
        said(1501, "TokenExpiredError"),
        error(1004, "RecordNotFoundError", "why"),
        "no token of the caller's"
    );
    let mut elsewhere = failed(1, Status::Rejected, refused(ErrorCode::Muted).vendor(1204, "other meaning"));
    elsewhere.result.vendor = Some("netease".into());
    assert_eq!(post(SEND, &single()).rendered(&[elsewhere]).1["errCode"], 1402);
}
