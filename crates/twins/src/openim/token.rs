//! Tokens: shaped like a JWT and signed in the twin's own way.
//!
//! Up to v3.8.3 any signed, unexpired token holds. The main line stores administrators' tokens, and
//! each new one retires those before it after five minutes: two callers that log in for themselves
//! throw each other out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::reply::Failure;

/// 90 days; callers are told a duration, not a date.
pub(crate) const LIFETIME_S: u64 = 7_776_000;
const GRACE_MS: u64 = 300_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "UserID")]
    user: String,
    #[serde(rename = "PlatformID")]
    platform: i64,
    exp: u64,
    nbf: u64,
    iat: u64,
    /// Tells tokens of one second apart.
    jti: u64,
}

#[derive(Debug, Default)]
struct Known {
    issued: u64,
    /// By token: when it ends, if a newer one has retired it.
    live: HashMap<String, Option<u64>>,
}

/// The tokens that this server gave out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: Mutex<Known>,
}

impl Tokens {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for an administrator; retires the earlier ones.
    pub(crate) fn issue(&self, user: &str, platform: i64, now_ms: u64) -> String {
        let mut known = self.known();
        known.issued += 1;
        let token = sign(user, platform, (now_ms, known.issued));
        known.live.retain(|_, ends| ends.is_none_or(|ends| ends > now_ms));
        for ends in known.live.values_mut() {
            ends.get_or_insert(now_ms + GRACE_MS);
        }
        known.live.insert(token.clone(), None);
        token
    }

    /// A token for an ordinary user; it retires nobody.
    pub(crate) fn issue_user(&self, user: &str, platform: i64, now_ms: u64) -> String {
        let mut known = self.known();
        known.issued += 1;
        let token = sign(user, platform, (now_ms, known.issued));
        known.live.insert(token.clone(), Some(u64::MAX));
        token
    }

    /// Whose token this is.
    pub(crate) fn owner(&self, token: &str, now_ms: u64, stored: bool) -> Result<String, Failure> {
        let malformed = || Failure::new(1503, "token is malformed");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (_, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| malformed())?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| malformed())?;
        if signature != signature_of(signed) {
            return Err(Failure::new(1505, "signature is invalid"));
        }
        if claims.exp <= now_ms / 1000 {
            return Err(Failure::new(1501, "token expired"));
        }
        if claims.nbf > now_ms / 1000 {
            return Err(Failure::new(1504, "token not valid yet"));
        }
        if stored {
            let ends = self.known().live.get(token).copied();
            let Some(ends) = ends else { return Err(Failure::new(1507, "token not exist")) };
            if ends.is_some_and(|ends| ends <= now_ms) {
                return Err(Failure::new(1507, "token not exist"));
            }
        }
        Ok(claims.user)
    }
}

fn sign(user: &str, platform: i64, (now_ms, jti): (u64, u64)) -> String {
    let iat = now_ms / 1000;
    let nbf = iat.saturating_sub(300);
    let claims = Claims { user: user.to_owned(), platform, exp: iat + LIFETIME_S, nbf, iat, jti };
    let claims = serde_json::to_vec(&claims).unwrap_or_default();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = signature_of(&signed);
    format!("{signed}.{signature}")
}

fn signature_of(signed: &str) -> String {
    let digest = Sha1::new().chain_update(super::SECRET).chain_update(signed).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn a_stored_token_ends_five_minutes_after_the_next_one() {
        let tokens = Tokens::default();
        let first = tokens.issue("imAdmin", 10, NOW);
        tokens.issue("imAdmin", 10, NOW + 1000);
        assert!(tokens.owner(&first, NOW + 300_000, true).is_ok());
        assert_eq!(tokens.owner(&first, NOW + 301_000, true).unwrap_err().code, 1507);
        assert!(tokens.owner(&first, NOW + 301_000, false).is_ok(), "nothing is stored before main");
    }

    #[test]
    fn a_token_expires_after_its_lifetime() {
        let tokens = Tokens::default();
        let token = tokens.issue("imAdmin", 10, NOW);
        assert_eq!(tokens.owner(&token, NOW + LIFETIME_S * 1000, false).unwrap_err().code, 1501);
    }

    #[test]
    fn what_was_not_signed_here_is_no_token() {
        let tokens = Tokens::default();
        let token = tokens.issue("imAdmin", 10, NOW);
        assert_eq!(tokens.owner("Bearer x", NOW, false).unwrap_err().code, 1503);
        let forged = format!("{token}x");
        assert_eq!(tokens.owner(&forged, NOW, false).unwrap_err().code, 1505);
    }
}
