//! Who may ask: the checksum vectors, and each way to be wrong.

use interline_core::adapter::Settings;
use interline_core::facade::{Asking, Incoming, Served};
use interline_netease::{FACADE, VENDOR};
use interline_testkit::build;
use serde_json::{Value, json};

use super::shown;

fn settings(secret: &str) -> Settings {
    let settings = json!({"app_key": "key", "app_secret": secret});
    settings.as_object().unwrap().clone()
}

fn admitted(secret: &str, headers: [(&str, &str); 4], now_s: i64) -> Result<(), Value> {
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let request = Incoming { headers, ..Incoming::default() };
    let asking =
        Asking { settings: &settings(secret), request: &request, now_ms: now_s * 1000 + 999, nonce: "n" };
    (FACADE.admit)(&asking).map_err(|answer| shown(&answer))
}

fn signed<'h>(nonce: &'h str, cur_time: &'h str, checksum: &'h str) -> [(&'h str, &'h str); 4] {
    [("appkey", "key"), ("nonce", nonce), ("curtime", cur_time), ("checksum", checksum)]
}

const SUM: &str = "f3fbbb54875520655c064c49e14365cfacfd8cbf";
const SECRET: &str = "0123456789ab";

#[test]
fn a_right_checksum_is_admitted() {
    let long = "a".repeat(128);
    let vectors = [
        (SECRET, "12345", "1443592222", SUM),
        (SECRET, "4tgggergigwow323t23t", "1443592222", "2b3c3ba113c760606d5830e4d807ad8490040efd"),
        (
            "go-secret-0001",
            "0123456789abcdef0123456789abcdef",
            "1700000000",
            "1dd998c7a7698e475121c8bc38e826d4b79689e6",
        ),
        (SECRET, &long, "1767225600", "fc905f43e794daff2a8908452b4a24ec7bb19983"),
        (SECRET, "", "1767225600", "63be6512f71afdb109e14cf77f60c3517e72e2fb"),
    ];
    for (secret, nonce, cur_time, sum) in vectors {
        let now = cur_time.parse().unwrap();
        assert_eq!(admitted(secret, signed(nonce, cur_time, sum), now), Ok(()));
        // The same again: nonces may repeat.
        assert_eq!(admitted(secret, signed(nonce, cur_time, sum), now), Ok(()));
    }
}

#[test]
fn whatever_is_wrong_with_the_headers_is_told_alike() {
    let refused = Err(json!({"code": 414, "desc": "bad http header"}));
    let now = 1_443_592_222;
    let long = "a".repeat(129);
    for headers in [
        signed("12346", "1443592222", SUM),
        signed("12345", "1443592223", SUM),
        signed("12345", "1443592222", "f3fb"),
        signed("12345", "1443592222", ""),
        signed("12345", "1443592222", &SUM.to_uppercase()),
        signed("12345", " 1443592222", SUM),
        signed("12345", "", SUM),
        signed("12345", "now", SUM),
        signed(&long, "1443592222", SUM),
        [("appkey", "other"), ("nonce", "12345"), ("curtime", "1443592222"), ("checksum", SUM)],
        [("appkey", ""), ("nonce", "12345"), ("curtime", "1443592222"), ("checksum", SUM)],
        [("x", "key"), ("nonce", "12345"), ("curtime", "1443592222"), ("checksum", SUM)],
        [("appkey", "key"), ("x", "12345"), ("curtime", "1443592222"), ("checksum", SUM)],
        [("appkey", "key"), ("nonce", "12345"), ("x", "1443592222"), ("checksum", SUM)],
        [("appkey", "key"), ("nonce", "12345"), ("curtime", "1443592222"), ("x", SUM)],
    ] {
        assert_eq!(admitted(SECRET, headers, now), refused, "{headers:?}");
    }
    assert_eq!(admitted("another", signed("12345", "1443592222", SUM), now), refused);
}

#[test]
fn credentials_for_other_paths_are_admitted() {
    let adapter = build::adapter(&VENDOR, "v1", &json!({"app_key": "key", "app_secret": SECRET}));
    let headers = adapter.credentials(&build::seal());
    assert!(headers.iter().all(|header| header.secret == (header.name == "CheckSum")));
    let lower = headers.into_iter().map(|header| (header.name.to_lowercase(), header.value)).collect();
    let request = Incoming { headers: lower, ..Incoming::default() };
    let now_ms = build::seal().now_ms;
    let asking = Asking { settings: &settings(SECRET), request: &request, now_ms, nonce: "n" };
    assert!((FACADE.admit)(&asking).is_ok());
}

#[test]
fn whether_it_is_there_may_be_asked_by_anybody_and_unsigned() {
    let path = "/health/liveness.action";
    let request = Incoming { path: path.to_owned(), method: "GET".to_owned(), ..Incoming::default() };
    let settings = settings(SECRET);
    let asking = Asking { settings: &settings, request: &request, now_ms: 1, nonce: "n" };
    assert_eq!((FACADE.admit)(&asking), Ok(()));
    let endpoint = FACADE.endpoints.iter().find(|own| own.path == path).unwrap();
    assert_eq!(endpoint.method, "GET");
    let Served::Answer(answer) = (endpoint.serve)(&asking) else { panic!("nothing is sent") };
    assert_eq!((answer.status, shown(&answer)), (200, json!({"code": 200})));
}

#[test]
fn a_signature_holds_for_five_minutes_and_clocks_may_run_ahead_as_far() {
    let at = |now: i64| admitted(SECRET, signed("12345", "1443592222", SUM), now).is_ok();
    assert!(at(1_443_592_222 + 300) && at(1_443_592_222 - 300));
    assert!(!at(1_443_592_222 + 301) && !at(1_443_592_222 - 301));
}

#[test]
fn without_credentials_anybody_may_ask() {
    let request = Incoming::default();
    let asking = Asking { settings: &Settings::new(), request: &request, now_ms: 0, nonce: "n" };
    assert!((FACADE.admit)(&asking).is_ok());
}

#[test]
fn credentials_come_together() {
    let wrong = |settings: Value| -> Vec<String> {
        let errors = (FACADE.check)(settings.as_object().unwrap());
        errors.into_iter().map(|error| error.path).collect()
    };
    assert!(wrong(json!({})).is_empty());
    assert!(wrong(json!({"app_key": "k", "app_secret": "s"})).is_empty());
    assert_eq!(wrong(json!({"app_key": "k"})), ["/app_secret"]);
    assert_eq!(wrong(json!({"app_secret": "s"})), ["/app_key"]);
    assert_eq!(wrong(json!({"app_key": "", "app_secret": 7})), ["/app_key", "/app_secret"]);
    assert_eq!(wrong(json!({"app_key": "a b", "app_secret": "s"})), ["/app_key"]);
}

#[test]
fn requests_of_the_vendor_are_known_by_headers_or_path() {
    let ours = |path: &str, headers: &[&str]| {
        let headers = headers.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        (FACADE.is_ours)(&Incoming { path: path.to_owned(), headers, ..Incoming::default() })
    };
    assert!(ours("/user/create.action", &[]) && ours("/im/v2/chatrooms/messages", &[]));
    assert!(ours("/anything", &["appkey", "nonce", "curtime", "checksum"]));
    assert!(!ours("/message/send", &["token"]) && !ours("/messages", &["appkey"]));
}
