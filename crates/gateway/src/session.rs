//! Sessions of browsers: a key of an app is exchanged for a cookie, so that no script ever holds the key.
//! Only hashes are kept, in memory: a session ends with its time, with its key, or with the process. What a
//! browser sends by itself proves nothing, so a request that changes something has to show that the console
//! made it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};

use crate::keys::KeyHash;
use crate::problem::Problem;

/// The cookie's name.
const NAME: &str = "interline_session";

/// Who changes something by cookie says so with this header: no other site's page can, unasked.
const CONSOLE: HeaderName = HeaderName::from_static("interline-console");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Sessions of one key at once; one more ends the oldest.
const MOST_OF_A_KEY: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    key: KeyHash,
    begun: u64,
    until_ms: i64,
}

/// All sessions, by the hash of what the cookie holds.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Held>);

#[derive(Default)]
struct Held {
    begun: u64,
    all: HashMap<[u8; 32], Session>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a session for a key; what the cookie is to hold.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn begin(&self, key: KeyHash, until_ms: i64, now_ms: i64) -> Result<String, getrandom::Error> {
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random)?;
        let token = hex::encode(random);
        self.change(|held| {
            held.all.retain(|_, session| session.until_ms > now_ms);
            let own = held.all.iter().filter(|(_, session)| session.key == key);
            if own.clone().count() >= MOST_OF_A_KEY
                && let Some(oldest) = own.min_by_key(|(_, session)| session.begun).map(|(hash, _)| *hash)
            {
                held.all.remove(&oldest);
            }
            held.begun += 1;
            held.all.insert(hash(&token), Session { key, begun: held.begun, until_ms });
        });
        Ok(token)
    }

    /// The key whose session the request's cookie is, and until when.
    pub(crate) fn of(&self, headers: &HeaderMap, now_ms: i64) -> Option<(KeyHash, i64)> {
        cookies(headers).find_map(|token| {
            let session = self.change(|held| held.all.get(&hash(token)).copied())?;
            (session.until_ms > now_ms).then_some((session.key, session.until_ms))
        })
    }

    /// Ends the session of the request's cookie.
    pub(crate) fn end(&self, headers: &HeaderMap) {
        for token in cookies(headers) {
            self.change(|held| held.all.remove(&hash(token)));
        }
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// What cookies of our name hold; a browser may send several.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, token)| token)
}

/// What a browser's cookies say to others: all but ours. None where nothing is left.
pub(crate) fn cookies_of_others(value: &[u8]) -> Option<Vec<u8>> {
    let pairs = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let others: Vec<&[u8]> = pairs.filter(|pair| !pair.is_empty() && !is_ours(pair)).collect();
    (!others.is_empty()).then(|| others.join(&b"; "[..]))
}

/// Whether a `Set-Cookie` is of our cookie: nobody else begins or ends a session.
pub(crate) fn sets_ours(value: &[u8]) -> bool {
    // A cookie without a name comes back as its value alone, which may look like one of ours.
    is_ours(value.trim_ascii_start().strip_prefix(b"=").unwrap_or(value))
}

fn is_ours(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.trim_ascii() == NAME.as_bytes()
}

/// The cookie of a session, or with no token the one that takes it away.
pub(crate) fn cookie(token: Option<&str>, seconds: u64, headers: &HeaderMap) -> Option<HeaderValue> {
    let (token, seconds) = token.map_or(("", 0), |token| (token, seconds));
    let secure = if came_by_https(headers) { "; Secure" } else { "" };
    let text = format!("{NAME}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).ok()
}

/// TLS ends in front of this server: who does it says so, and so does the page.
fn came_by_https(headers: &HeaderMap) -> bool {
    let forwarded = text(headers, &FORWARDED_PROTO).is_some_and(|proto| {
        proto.split(',').next().is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
    });
    forwarded || text(headers, &ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Whether a page of another origin asks, as far as a browser tells; none where nothing is told.
fn is_foreign(headers: &HeaderMap) -> Option<bool> {
    // Pages cannot set it, and it knows of a TLS in front of us that the names do not show.
    if let Some(site) = text(headers, &FETCH_SITE) {
        return Some(site != "same-origin");
    }
    let origin = text(headers, &ORIGIN)?;
    let origin = origin.split_once("://").and_then(|(_, rest)| rest.parse::<Authority>().ok());
    let host = text(headers, &HOST).and_then(|host| host.parse::<Authority>().ok());
    Some(origin.is_none() || origin != host)
}

/// Refuses what another site's page may have made a browser ask; none where all is well.
pub(crate) fn refuse_foreign(headers: &HeaderMap) -> Result<(), Problem> {
    if is_foreign(headers) == Some(true) {
        return Err(Problem::forbidden("a page of another origin may not sign in or out here"));
    }
    Ok(())
}

/// Whether a request that a browser signed by cookie may change something.
fn refusal(method: &Method, headers: &HeaderMap) -> Option<Problem> {
    if method.is_safe() || headers.contains_key(AUTHORIZATION) || cookies(headers).next().is_none() {
        return None;
    }
    if text(headers, &CONSOLE) == Some("1") && is_foreign(headers) == Some(false) {
        return None;
    }
    Some(Problem::forbidden(
        "by session cookie this takes the header `Interline-Console: 1` and a request of the same origin \
         (`Sec-Fetch-Site` or `Origin`); programs use `Authorization: Bearer`",
    ))
}

/// Stands before every path of the API.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    match refusal(request.method(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyHash = KeyHash([7; 32]);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, text)| (name.parse::<HeaderName>().unwrap(), text.parse().unwrap()))
            .collect()
    }

    fn bearing(token: &str) -> HeaderMap {
        headers(&[("cookie", &format!("a=b; interline_session={token}"))])
    }

    #[test]
    fn a_session_is_known_until_its_time_and_no_longer() {
        let sessions = Sessions::default();
        let token = sessions.begin(KEY, 1_000, 0).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(sessions.of(&bearing(&token), 999), Some((KEY, 1_000)));
        assert_eq!(sessions.of(&bearing(&token), 1_000), None);
        assert_eq!(sessions.of(&bearing(token.get(1..).unwrap()), 0), None);
        assert_eq!(sessions.of(&HeaderMap::new(), 0), None);
    }

    #[test]
    fn an_ended_session_is_not_known() {
        let sessions = Sessions::default();
        let token = sessions.begin(KEY, 1_000, 0).unwrap();
        sessions.end(&bearing(&token));
        assert_eq!(sessions.of(&bearing(&token), 0), None);
    }

    #[test]
    fn sessions_of_a_key_are_bounded_and_the_oldest_goes_first() {
        let sessions = Sessions::default();
        let other = sessions.begin(KeyHash([8; 32]), 1_000, 0).unwrap();
        let tokens: Vec<_> = (0..=MOST_OF_A_KEY).map(|_| sessions.begin(KEY, 1_000, 0).unwrap()).collect();
        assert_eq!(sessions.of(&bearing(&tokens[0]), 0), None);
        assert!(tokens[1..].iter().all(|token| sessions.of(&bearing(token), 0).is_some()));
        assert!(sessions.of(&bearing(&other), 0).is_some(), "another key's stays");
        assert_eq!(sessions.change(|held| held.all.len()), MOST_OF_A_KEY + 1);
        sessions.begin(KEY, 3_000, 2_000).unwrap();
        assert_eq!(sessions.change(|held| held.all.len()), 1, "what is over is not kept");
    }

    #[test]
    fn no_script_reads_the_cookie_and_no_other_site_sends_it() {
        let plain = cookie(Some("t"), 60, &HeaderMap::new()).unwrap();
        assert_eq!(plain, "interline_session=t; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
        for by in [("x-forwarded-proto", "https"), ("origin", "https://console.example")] {
            assert!(cookie(Some("t"), 60, &headers(&[by])).unwrap().to_str().unwrap().ends_with("; Secure"));
        }
        assert!(
            cookie(None, 60, &HeaderMap::new()).unwrap().to_str().unwrap().contains("=; Path=/; Max-Age=0;")
        );
    }

    #[test]
    fn others_get_all_cookies_but_ours_and_set_all_but_ours() {
        let left =
            |text: &str| cookies_of_others(text.as_bytes()).map(|left| String::from_utf8(left).unwrap());
        assert_eq!(left("a=1; interline_session=t; b=2").as_deref(), Some("a=1; b=2"));
        assert_eq!(left("interline_session = t;a=1;interline_session=u").as_deref(), Some("a=1"));
        assert_eq!(left("interline_session=t"), None);
        assert_eq!(left("interline_session"), None);
        assert_eq!(
            left("interline_sessions=1; x=interline_session=t").as_deref(),
            Some("interline_sessions=1; x=interline_session=t")
        );
        for ours in [
            "interline_session=t; Path=/",
            " interline_session =t",
            "=interline_session=t",
            "interline_session",
        ] {
            assert!(sets_ours(ours.as_bytes()), "{ours}");
        }
        assert!(!sets_ours(b"theirs=interline_session; Path=/"));
    }

    #[test]
    fn by_cookie_nothing_changes_unless_the_console_asks() {
        let cookie = ("cookie", "interline_session=t");
        let host = ("host", "ops.example:8400");
        let console = ("interline-console", "1");
        let refused = |method: &Method, pairs: &[(&'static str, &str)]| {
            refusal(method, &headers(pairs)).map(|problem| problem.status())
        };
        let own = ("origin", "http://ops.example:8400");
        assert_eq!(refused(&Method::POST, &[cookie, host, console, own]), None);
        assert_eq!(
            refused(&Method::DELETE, &[cookie, host, console, ("sec-fetch-site", "same-origin")]),
            None
        );
        for (why, pairs) in [
            ("no header of the console", vec![cookie, host, own]),
            ("no word of the browser", vec![cookie, host, console]),
            ("another port", vec![cookie, host, console, ("origin", "http://ops.example:3000")]),
            ("no origin", vec![cookie, host, console, ("origin", "null")]),
            ("a sister site", vec![cookie, host, console, own, ("sec-fetch-site", "same-site")]),
            ("another site", vec![cookie, host, console, ("sec-fetch-site", "cross-site")]),
            ("typed by hand", vec![cookie, host, console, ("sec-fetch-site", "none")]),
        ] {
            assert_eq!(refused(&Method::POST, &pairs), Some(403), "{why}");
            assert_eq!(refused(&Method::GET, &pairs), None, "{why}: reading");
        }
        let bearer = ("authorization", "Bearer il_a_b");
        assert_eq!(refused(&Method::POST, &[cookie, bearer]), None, "a key is given on purpose");
        assert_eq!(refused(&Method::POST, &[host]), None, "without a cookie there is nothing to misuse");
    }
}
