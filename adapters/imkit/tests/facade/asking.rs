//! Who may ask: the platform key in either header, and nobody else where a key is configured.

use interline_core::adapter::Settings;
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::Asking;
use interline_imkit::FACADE;
use serde_json::{Value, json};

use super::{BATCH, NOW_MS, incoming, read, settings};

fn admitted(settings: &Settings, headers: &[(&str, &str)]) -> Result<(), (u16, Value)> {
    let request = incoming(BATCH, headers, "{}");
    let asking = Asking { settings, request: &request, now_ms: NOW_MS, nonce: "0" };
    (FACADE.admit)(&asking).map_err(|answer| (answer.status, read(&answer)))
}

#[test]
fn the_key_is_taken_in_the_documented_header_and_in_the_librarys() {
    for headers in [
        &[("im-api-key", "sesame")][..],
        &[("api_key", "sesame")],
        &[("api_key", "old"), ("im-api-key", "sesame")],
        &[("im-api-key", "old"), ("api_key", "sesame")],
    ] {
        assert_eq!(admitted(&settings(), headers), Ok(()));
    }
}

#[test]
fn a_wrong_or_missing_key_is_401_with_the_nested_error() {
    let (status, body) = admitted(&settings(), &[("im-api-key", "Sesame")]).unwrap_err();
    assert_eq!((status, &body["RC"], &body["RM"]), (401, &json!(401), &json!("Unauthorized")));
    assert_eq!(body["error"]["code"], "INVALID_API_KEY");
    assert!(body["error"]["message"].is_string());
    let (status, body) = admitted(&settings(), &[]).unwrap_err();
    assert_eq!((status, &body["error"]["code"]), (401, &json!("MISSING_API_KEY")));
}

#[test]
fn an_end_users_request_is_403_so_that_its_client_does_not_log_in_again() {
    for headers in [
        &[("im-client-key", "c"), ("im-authorization", "t")][..],
        &[("client_key", "c"), ("im-authorization", "t")],
        &[("authorization", "t"), ("client_key", "c")],
    ] {
        let (status, body) = admitted(&settings(), headers).unwrap_err();
        assert_eq!((status, &body["error"]["code"]), (403, &json!("INSUFFICIENT_PERMISSIONS")));
    }
}

#[test]
fn without_a_configured_key_anybody_may_ask() {
    assert_eq!(admitted(&Settings::new(), &[]), Ok(()));
    assert_eq!(admitted(&Settings::new(), &[("im-api-key", "any")]), Ok(()));
}

#[test]
fn requests_are_known_by_their_headers_whatever_the_key() {
    let ours = |headers: &[(&str, &str)]| (FACADE.is_ours)(&incoming("/rooms", headers, ""));
    assert!(ours(&[("im-api-key", "wrong")]) && ours(&[("api_key", "")]) && ours(&[("im-client-key", "c")]));
    assert!(!ours(&[]) && !ours(&[("authorization", "Bearer x")]) && !ours(&[("token", "x")]));
}

#[test]
fn what_could_not_be_served_is_answered_in_the_vendors_shape() {
    let answer = (FACADE.fail)(&Failure::not_sent(ErrorCode::TooLarge, "too long"));
    assert_eq!(
        (answer.status, read(&answer)),
        (
            413,
            json!({"RC": 413, "RM": "Payload Too Large",
                     "error": {"code": "PAYLOAD_TOO_LARGE", "message": "too long"}})
        )
    );
    let answer = (FACADE.fail)(&Failure::not_sent(ErrorCode::VendorUnavailable, "closing"));
    assert_eq!(answer.status, 429);
}
