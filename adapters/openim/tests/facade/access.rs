//! Who may ask: the order of the checks, tokens, and what is said to whom.

use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Asking, Incoming};
use interline_openim::FACADE;
use serde_json::{Value, json};

use super::{BATCH, NOTIFY, Request, SEND, STATUS, TOKEN, error, post, read, single, token, two, without};

const DAY_MS: i64 = 86_400_000;

fn login(secret: &str, user: &str) -> Request {
    post(TOKEN, &json!({"secret": secret, "userID": user})).header("token", None)
}

#[test]
fn the_trace_id_is_asked_for_before_anything_else() {
    for path in [SEND, BATCH, NOTIFY, TOKEN, STATUS] {
        for bare in [None, Some("")] {
            let request = post(path, &json!([])).header("operationid", bare).header("token", None);
            let wanted = (200, error(1001, "ArgsError", "header must have operationID"));
            assert_eq!(request.answered(), wanted, "{path}");
        }
    }
}

#[test]
fn the_token_is_asked_for_before_the_body_is_read() {
    for path in [SEND, BATCH, NOTIFY, STATUS] {
        let request = post(path, &json!([])).header("token", None);
        assert_eq!(request.answered(), (200, error(1001, "ArgsError", "header must have token")), "{path}");
    }
}

#[test]
fn a_token_lasts_ninety_days_and_is_told_as_a_duration() {
    let (status, body) = login("sesame", "boss").answered();
    assert_eq!((status, &body["data"]["expireTimeSeconds"]), (200, &json!(7_776_000)));
    let mut request = post(SEND, &single());
    request.now_ms += 90 * DAY_MS - 1_000;
    request.asked();
    request.now_ms += 1_000;
    assert_eq!(request.answered(), (200, error(1501, "TokenExpiredError", "token is expired")));
    request.now_ms -= 91 * DAY_MS;
    assert_eq!(request.answered(), (200, error(1504, "TokenNotValidYetError", "token is not valid yet")));
}

#[test]
fn what_is_no_token_and_what_was_not_signed_here_are_told_apart() {
    let good = token();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let malformed = ["x", "Bearer x", "a.b", "a.b.c", "e30.e30.e30", &format!("{signed}.***")];
    for token in malformed {
        let (status, body) = post(SEND, &single()).header("token", Some(token)).answered();
        assert_eq!((status, &body["errCode"]), (200, &json!(1503)), "{token}");
    }
    let forged = [format!("{signed}."), format!("{signed}.{}", "A".repeat(signature.len()))];
    for token in forged {
        let (status, body) = post(SEND, &single()).header("token", Some(&token)).answered();
        assert_eq!(
            (status, body),
            (200, error(1505, "TokenUnknownError", "signature is invalid")),
            "{token}"
        );
    }
}

#[test]
fn a_token_without_a_signing_method_or_an_end_is_no_token() {
    use base64::Engine as _;
    let encode = |part: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part.to_string());
    let claims = |end: Value| encode(json!({"UserID": "boss", "exp": end}));
    let unsigned = format!("{}.{}.", encode(json!({"alg": "none"})), claims(json!(9_999_999_999_i64)));
    let endless = format!("{}.{}.AAAA", encode(json!({"alg": "HS256"})), claims(Value::Null));
    for (token, code) in [(unsigned, 1505), (endless, 1503)] {
        let (_, body) = post(SEND, &single()).header("token", Some(&token)).answered();
        assert_eq!(body["errCode"], code);
    }
}

#[test]
fn a_wrong_secret_and_a_wrong_administrator_get_no_token() {
    assert_eq!(login("", "").answered(), (200, error(1001, "ArgsError", "userID is empty")));
    assert_eq!(login("wrong", "boss").answered(), (200, error(1002, "NoPermissionError", "secret invalid")));
    assert_eq!(login("sesame", "u1").answered(), (200, error(1001, "ArgsError", "userID is error.")));
    let mut broken = login("sesame", "boss");
    broken.incoming.body = br#"{"secret":7}"#.to_vec();
    let (status, body) = broken.answered();
    assert_eq!((status, &body["errCode"]), (200, &json!(1001)), "off the paths that send this is no 400");
}

#[test]
fn a_login_belongs_to_the_facade_with_its_secret() {
    let request = login("sesame", "boss");
    let asking =
        |settings| Asking { settings, request: &request.incoming, now_ms: request.now_ms, nonce: "" };
    let mut other = request.settings.clone();
    other.insert("secret".to_owned(), json!("another"));
    assert!((FACADE.admit)(&asking(&request.settings)).is_ok());
    assert!((FACADE.admit)(&asking(&other)).is_err());
}

#[test]
fn the_administrator_is_the_servers_default_unless_named() {
    let mut request = login("sesame", "imAdmin");
    request.settings.remove("admin_user_id");
    assert_eq!(request.answered().1["errCode"], 0);
}

/// A token of the same secret for somebody else.
fn strange(path: &str, body: &Value) -> Request {
    let mut other = login("sesame", "u9");
    other.settings.insert("admin_user_id".to_owned(), json!("u9"));
    let (_, answer) = other.answered();
    post(path, body).header("token", answer["data"]["token"].as_str())
}

#[test]
fn a_bad_body_wins_over_a_token_that_is_not_the_administrators() {
    let only = error(1002, "NoPermissionError", "only app manager can send message");
    assert_eq!(strange(SEND, &single()).answered(), (200, only.clone()));
    assert_eq!(strange(BATCH, &two()).answered(), (200, only.clone()));
    assert_eq!(strange(SEND, &without(single(), "sendID")).answered().0, 400);
    let elsewhere = strange("/user/user_register", &json!({}));
    assert_eq!(elsewhere.answered(), (200, only), "what is passed on is signed as the administrator");
}

#[test]
fn anybody_may_ask_where_no_credentials_are_configured() {
    let mut request = post(SEND, &single()).header("token", None);
    request.settings.clear();
    request.asked();
    let mut login = login("whatever", "anyone");
    login.settings.clear();
    assert_eq!(login.answered().1["errCode"], 0, "apps that fetch a token get one");
    let request = request.header("operationid", None);
    assert_eq!(request.answered().1["errDlt"], "header must have operationID");
}

#[test]
fn wrong_credentials_are_named_all_at_once() {
    let paths = |settings: &Value| {
        let errors = (FACADE.check)(settings.as_object().unwrap());
        errors.into_iter().map(|error| error.path).collect::<Vec<_>>()
    };
    assert!(paths(&json!({})).is_empty() && paths(&json!({"secret": "s"})).is_empty());
    assert_eq!(paths(&json!({"admin_user_id": 7, "secret": ""})), ["/admin_user_id", "/secret"]);
    assert_eq!(paths(&json!({"admin_user_id": "boss"})), ["/secret"]);
}

#[test]
fn a_request_is_known_by_its_trace_id() {
    let of =
        |name: &str| Incoming { headers: vec![(name.to_owned(), "x".to_owned())], ..Incoming::default() };
    assert!((FACADE.is_ours)(&of("operationid")) && !(FACADE.is_ours)(&of("token")));
}

#[test]
fn a_request_that_cannot_be_served_is_answered_in_the_envelope() {
    let of = |code| read(&(FACADE.fail)(&Failure::not_sent(code, "why")));
    assert_eq!(of(ErrorCode::TooLarge), (413, error(1001, "ArgsError", "why")));
    assert_eq!(of(ErrorCode::InvalidMessage), (400, error(1001, "ArgsError", "why")));
    let (status, body) = of(ErrorCode::VendorUnavailable);
    assert_eq!((status, &body["errCode"]), (429, &json!(429)));
}

#[test]
fn a_path_that_is_not_served_is_an_error_to_callers_that_look_at_the_code_alone() {
    let answer = (FACADE.absent)("nobody serves it");
    let (status, body) = read(&answer);
    assert_eq!((status, &body["errCode"], &body["errDlt"]), (404, &json!(1001), &json!("nobody serves it")));
}
