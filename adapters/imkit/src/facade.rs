//! The vendor's two sending calls, served: who asks, and what is served where. Requests are read in
//! `request`, what they say in `words`, answers are written in `answer`. The one thing to know: 401 makes
//! the vendor's clients log in and ask again, so it is said of the key alone, never of what lies behind.

mod answer;
mod request;
mod words;

use std::time::Duration;

use interline_core::adapter::Settings;
use interline_core::error::FieldError;
use interline_core::facade::{Answer, Asking, Endpoint, Facade, Incoming};
use serde_json::Value;

use crate::extensions::VENDOR;

/// The vendor's API, as Interline serves it.
pub static FACADE: Facade = Facade {
    vendor: VENDOR,
    credentials: &["api_key"],
    prefix: "",
    answer_within: Duration::from_secs(8),
    queues: true,
    endpoints: &[
        Endpoint { method: "POST", path: "/messages/batch", serve: request::batch },
        Endpoint { method: "POST", path: "/messages", serve: request::single },
    ],
    broadcasts: &[],
    check,
    admit,
    is_ours,
    fail: answer::failed,
    absent,
};

fn absent(words: &str) -> Answer {
    answer::problem(404, "NOT_FOUND", words)
}

/// Headers of the platform key: the documented one, and the one that the vendor's Node library sends.
const KEYS: [&str; 2] = ["im-api-key", "api_key"];

/// Headers of an end user's request.
const USERS: [&str; 4] = ["im-authorization", "authorization", "im-client-key", "client_key"];

fn check(settings: &Settings) -> Vec<FieldError> {
    let detail = match settings.get("api_key") {
        None if settings.is_empty() => return Vec::new(),
        Some(Value::String(key)) if key.is_empty() => "must not be empty",
        Some(Value::String(key)) if key.bytes().all(|byte| byte.is_ascii_graphic()) => return Vec::new(),
        Some(Value::String(_)) => "may hold only visible ASCII characters",
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            "required, as a string: the platform key that apps send"
        }
    };
    vec![FieldError::new("/api_key", detail)]
}

fn admit(asking: &Asking<'_>) -> Result<(), Answer> {
    let Some(key) = asking.settings.get("api_key").and_then(Value::as_str) else { return Ok(()) };
    let given: Vec<&str> = KEYS.iter().filter_map(|name| asking.request.header(name)).collect();
    // Both headers may stand there: the right key in either will do.
    if given.iter().fold(false, |known, given| known | same(given, key)) {
        return Ok(());
    }
    if !given.is_empty() {
        return Err(answer::problem(401, "INVALID_API_KEY", "The provided API key is invalid or expired"));
    }
    if USERS.iter().any(|name| asking.request.header(name).is_some()) {
        let words = "This call needs the platform key; a user's token does not do";
        return Err(answer::problem(403, "INSUFFICIENT_PERMISSIONS", words));
    }
    Err(answer::problem(401, "MISSING_API_KEY", "The header IM-API-KEY is missing"))
}

/// Compares in a time that depends on the length of what was given alone.
fn same(given: &str, key: &str) -> bool {
    let differ = given
        .bytes()
        .zip(key.bytes().cycle())
        .fold(u8::from(given.len() != key.len()), |differ, (one, other)| differ | (one ^ other));
    std::hint::black_box(differ) == 0
}

fn is_ours(request: &Incoming) -> bool {
    let plain = |name: &&&str| **name != "authorization";
    KEYS.iter().chain(USERS.iter().filter(plain)).any(|name| request.header(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_only_when_they_are() {
        assert!(same("sesame", "sesame"));
        for given in ["", "sesam", "sesame2", "sesamE", "sesamesesame"] {
            assert!(!same(given, "sesame"), "{given}");
        }
    }

    #[test]
    fn credentials_are_checked_when_there_are_any() {
        let wrong = |settings: Value| check(settings.as_object().unwrap()).len();
        assert_eq!(wrong(serde_json::json!({})), 0);
        assert_eq!(wrong(serde_json::json!({"api_key": "k"})), 0);
        for key in [serde_json::json!(""), serde_json::json!("a b"), serde_json::json!(7)] {
            assert_eq!(wrong(serde_json::json!({ "api_key": key })), 1);
        }
    }
}
