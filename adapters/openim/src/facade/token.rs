//! Administrators' tokens: the server's own JWTs (HS256 over its secret), so that nothing is stored and a
//! token which a real server with the same secret gave out goes on being good.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use interline_core::adapter::Settings;
use interline_core::facade::{Answer, Asking, Served};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::bind::{Fields, Mismatch};
use super::reply::{refused, success};
use super::{ADMIN_USER_ID, SECRET};
use crate::settings::ADMIN;

/// Ninety days: callers are told a duration, not a date.
const LASTS_S: i64 = 7_776_000;
/// How long before its making a token is good, for clocks that differ.
const EARLIER_S: i64 = 300;
/// The platform that administrators log in from.
const ADMIN_PLATFORM: i64 = 10;

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// What is looked at; a token without an end is none.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "UserID")]
    user: String,
    exp: f64,
    #[serde(default)]
    nbf: f64,
}

/// Who asks, where credentials are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The administrator.
    Admin,
    /// Another user of the same server.
    Other,
}

/// Whether anybody may ask.
pub(super) fn is_open(settings: &Settings) -> bool {
    settings.get(SECRET).is_none_or(Value::is_null)
}

fn setting<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    settings.get(key).and_then(Value::as_str)
}

fn admin(settings: &Settings) -> &str {
    setting(settings, ADMIN_USER_ID).unwrap_or(ADMIN)
}

/// `/auth/get_admin_token`.
pub(super) fn endpoint(asking: &Asking<'_>, _operation_id: &str) -> Result<Served, Answer> {
    let user = login(asking)?;
    let secret = setting(asking.settings, SECRET).unwrap_or_default();
    let token = issue(secret, &user, asking.now_ms).ok_or_else(|| refused(500, "cannot sign a token"))?;
    Ok(Served::Answer(success(&json!({"token": token, "expireTimeSeconds": LASTS_S}))))
}

/// Who may have a token. Off the paths that send, a body that does not bind is answered under HTTP 200.
pub(super) fn login(asking: &Asking<'_>) -> Result<String, Answer> {
    let body = String::from_utf8_lossy(&asking.request.body);
    let unbound = |Mismatch(text)| refused(1001, &text);
    let fields = Fields::read(&body, "GetAdminTokenReq").map_err(unbound)?;
    let (secret, user) = (fields.text("secret").map_err(unbound)?, fields.text("userID").map_err(unbound)?);
    if user.is_empty() {
        return Err(refused(1001, "userID is empty"));
    }
    let Some(own) = setting(asking.settings, SECRET) else { return Ok(user) };
    if !bool::from(secret.as_bytes().ct_eq(own.as_bytes())) {
        return Err(refused(1002, "secret invalid"));
    }
    if user != admin(asking.settings) {
        return Err(refused(1001, "userID is error."));
    }
    Ok(user)
}

/// Whose token the request carries.
pub(super) fn caller(asking: &Asking<'_>) -> Result<Caller, Answer> {
    let token = asking.request.header("token").filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| refused(1001, "header must have token"))?;
    let secret = setting(asking.settings, SECRET).unwrap_or_default();
    let user = owner(secret, token, asking.now_ms).map_err(|(code, detail)| refused(code, detail))?;
    Ok(if user == admin(asking.settings) { Caller::Admin } else { Caller::Other })
}

fn signer(secret: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.as_bytes()).ok()
}

fn issue(secret: &str, user: &str, now_ms: i64) -> Option<String> {
    let now = now_ms.div_euclid(1_000);
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let claims = json!({
        "UserID": user, "PlatformID": ADMIN_PLATFORM,
        "exp": now + LASTS_S, "nbf": now - EARLIER_S, "iat": now,
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let mut signer = signer(secret)?;
    signer.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signer.finalize().into_bytes());
    Some(format!("{signed}.{signature}"))
}

/// The user whose token it is, or the server's code and words. Times are looked at before the signature, as
/// its library does: a forged token that is too old is told that it is too old.
fn owner(secret: &str, token: &str, now_ms: i64) -> Result<String, (i64, &'static str)> {
    const MALFORMED: (i64, &str) = (1503, "token is malformed");
    let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
    let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
    let header: Header = part(header).ok_or(MALFORMED)?;
    let claims: Claims = part(claims).ok_or(MALFORMED)?;
    let now = now_ms.div_euclid(1_000) as f64;
    if now >= claims.exp {
        return Err((1501, "token is expired"));
    }
    if now < claims.nbf {
        return Err((1504, "token is not valid yet"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| MALFORMED)?;
    let genuine = header.alg == "HS256"
        && signer(secret).is_some_and(|mut signer| {
            signer.update(signed.as_bytes());
            signer.verify_slice(&signature).is_ok()
        });
    if genuine { Ok(claims.user) } else { Err((1505, "signature is invalid")) }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
