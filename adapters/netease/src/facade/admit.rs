//! The four signed headers, verified. The vendor tells nobody which of them was wrong, and has one answer for
//! all: the code of a bad parameter. Nonces may repeat, as they do in the vendor's own sample.

use interline_core::adapter::Settings;
use interline_core::error::FieldError;
use interline_core::facade::{Answer, Asking, Incoming};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::form::{Refused, decimal};
use crate::sign::checksum;

pub(super) const APP_KEY: &str = "app_key";
pub(super) const APP_SECRET: &str = "app_secret";
/// Nobody signs the question whether the server is there.
pub(super) const LIVENESS: &str = "/health/liveness.action";
/// Longest nonce, in characters.
const NONCE: usize = 128;
/// How far `CurTime` may be from now, in seconds. The vendor speaks of signatures that grow old; clocks that
/// run ahead are granted as much.
const VALIDITY_S: u64 = 300;

/// Both credentials, or none.
pub(super) fn check(settings: &Settings) -> Vec<FieldError> {
    if settings.is_empty() {
        return Vec::new();
    }
    [APP_KEY, APP_SECRET]
        .into_iter()
        .filter_map(|key| {
            let detail = match settings.get(key) {
                None => "required beside the other one; or leave both out",
                Some(Value::String(text)) if text.is_empty() => "must not be empty",
                Some(Value::String(text)) if key == APP_KEY && !visible(text) => {
                    "expected visible ASCII: it is sent as a header"
                }
                Some(Value::String(_)) => return None,
                Some(_) => "expected a string",
            };
            Some(FieldError::new(format!("/{key}"), detail))
        })
        .collect()
}

fn visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the signature is right, fresh and of this app.
pub(super) fn admit(asking: &Asking<'_>) -> Result<(), Answer> {
    if asking.settings.is_empty() || asking.request.path == LIVENESS || signed(asking).unwrap_or(false) {
        return Ok(());
    }
    Err(Refused::parameter("bad http header").answer())
}

/// None where a header or a setting is missing.
fn signed(asking: &Asking<'_>) -> Option<bool> {
    let setting = |key| asking.settings.get(key).and_then(Value::as_str);
    let (key, secret) = (setting(APP_KEY)?, setting(APP_SECRET)?);
    let header = |name| asking.request.header(name);
    let (nonce, cur_time) = (header("nonce")?, header("curtime")?);
    if nonce.chars().count() > NONCE || !fresh(cur_time, asking.now_ms) {
        return Some(false);
    }
    // The headers are hashed as they stand. Both are compared whatever the first one says.
    let named = key.as_bytes().ct_eq(header("appkey")?.as_bytes());
    let sealed = checksum(secret, nonce, cur_time).as_bytes().ct_eq(header("checksum")?.as_bytes());
    Some(bool::from(named & sealed))
}

fn fresh(cur_time: &str, now_ms: i64) -> bool {
    let now = now_ms.div_euclid(1000);
    !cur_time.is_empty() && decimal(cur_time).is_some_and(|then| now.abs_diff(then) <= VALIDITY_S)
}

/// Whether the request is one of this vendor's: by its headers, or by how its paths are written.
pub(super) fn is_ours(request: &Incoming) -> bool {
    let signed = request.header("appkey").is_some() && request.header("checksum").is_some();
    signed || request.path.ends_with(".action") || request.path.starts_with("/im/v2")
}
