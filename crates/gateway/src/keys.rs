//! Keys of apps. A key reads `il_<id>_<secret>`; only its SHA-256 is kept. A key that is presented is
//! hashed and compared with every stored hash in constant time, so that time tells nothing.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
use interline_engine::Caller;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::admission::Admission;
use crate::config::{Auth, Config, OPEN_APP, Scope, Scopes};
use crate::problem::Problem;

/// A key that was just made. The key itself is shown once and kept nowhere.
#[derive(Clone)]
pub struct NewKey {
    /// What the app presents.
    pub key: String,
    /// What the configuration holds, in hex.
    pub sha256: String,
    /// The lines for the configuration.
    pub config: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// Makes a key for an app.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new(app: &str) -> Result<NewKey, getrandom::Error> {
    let mut random = [0_u8; 36];
    getrandom::fill(&mut random)?;
    let (id, secret) = random.split_at(4);
    let key = format!("il_{}_{}", hex::encode(id), hex::encode(secret));
    let sha256 = hex::encode(digest(&key));
    let config = format!(
        "[[apps]]\nname = {}\nkey_sha256 = \"{sha256}\"\nmay = [\"send\", \"read\"]",
        serde_json::Value::from(app)
    );
    Ok(NewKey { key, sha256, config })
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The hash of a key: what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyHash(pub(crate) [u8; 32]);

impl KeyHash {
    pub(crate) fn of(key: &str) -> Self {
        Self(digest(key))
    }
}

/// An app that may ask.
#[derive(Debug)]
pub(crate) struct Known {
    /// As the engine knows it.
    pub(crate) caller: Caller,
    /// How much it may hand over.
    pub(crate) admission: Option<Arc<Admission>>,
    keys: Vec<[u8; 32]>,
    may: Scopes,
}

impl Known {
    /// Whether it may see what belongs to an app.
    pub(crate) fn may_read(&self, app: &str) -> bool {
        *self.caller.app == *app || self.may.has(Scope::Admin)
    }

    /// What it may do.
    pub(crate) const fn may(&self) -> Scopes {
        self.may
    }

    /// Whether it may see what belongs to every app.
    pub(crate) fn reads_all(&self) -> bool {
        self.may.has(Scope::Admin)
    }
}

/// Everybody who may ask.
#[derive(Debug)]
pub(crate) struct Keys {
    open: Option<Arc<Known>>,
    apps: Vec<Arc<Known>>,
}

impl Keys {
    /// Everybody who may ask by a configuration. What an app has handed over so far counts on.
    pub(crate) fn of(config: &Config, before: Option<&Self>) -> Self {
        let known = |name: &Arc<str>, keys: &[[u8; 32]], may: Scopes, limit: Option<u32>| {
            Arc::new(Known {
                caller: Caller { app: Arc::clone(name), broadcast: may.has(Scope::Broadcast) },
                admission: limit.map(|limit| {
                    let known = before.and_then(|before| before.app(name));
                    let spent = known.and_then(|known| known.admission.as_deref());
                    match known.and_then(|known| known.admission.as_ref()) {
                        Some(same) if same.is_per_second(limit) => Arc::clone(same),
                        Some(_) | None => Arc::new(Admission::following(spent, limit)),
                    }
                }),
                keys: keys.to_vec(),
                may,
            })
        };
        let open =
            (config.server.auth == Auth::Off).then(|| known(&Arc::from(OPEN_APP), &[], Scopes::ALL, None));
        let apps =
            config.apps.iter().map(|app| known(&app.name, &app.keys, app.may, app.messages_per_second));
        Self { open, apps: apps.collect() }
    }

    fn app(&self, name: &str) -> Option<&Arc<Known>> {
        self.apps.iter().find(|app| *app.caller.app == *name)
    }

    /// The app of this name, for what asks on its behalf. One that nobody has a key of may send and no more.
    pub(crate) fn on_behalf_of(&self, name: &Arc<str>) -> Arc<Known> {
        let open = self.open.as_ref().filter(|open| open.caller.app == *name);
        open.or_else(|| self.app(name)).map(Arc::clone).unwrap_or_else(|| {
            let caller = Caller { app: Arc::clone(name), broadcast: false };
            Arc::new(Known {
                caller,
                admission: None,
                keys: Vec::new(),
                may: Scopes::default().with(Scope::Send),
            })
        })
    }

    /// Who asks, by key or by the session of one, if they may do what `scope` says.
    pub(crate) fn authorise(
        &self,
        headers: &HeaderMap,
        session: impl FnOnce() -> Option<KeyHash>,
        scope: Scope,
    ) -> Result<Arc<Known>, Problem> {
        if let Some(open) = self.open(headers)? {
            return Ok(open);
        }
        // A key that is given on purpose goes before what a browser sends by itself.
        let session = if headers.contains_key(AUTHORIZATION) { None } else { session() };
        let app = match session {
            Some(key) => self.holding(&key).ok_or_else(|| Problem::unauthorized(NO_KEY))?,
            None => self.bearer(headers)?,
        };
        if !app.may.has(scope) {
            let detail = format!(
                "the app {} may not do this: it needs the scope {:?} (`may` in its [[apps]])",
                app.caller.app,
                scope.as_str()
            );
            return Err(Problem::forbidden(detail));
        }
        Ok(app)
    }

    /// Who everybody is where no keys are asked for; an error where somebody else's page may be asking.
    pub(crate) fn open(&self, headers: &HeaderMap) -> Result<Option<Arc<Known>>, Problem> {
        match &self.open {
            Some(_) if !asks_this_machine(headers) => Err(Problem::foreign_host()),
            open => Ok(open.clone()),
        }
    }

    /// Whose key the request carries.
    pub(crate) fn bearer(&self, headers: &HeaderMap) -> Result<Arc<Known>, Problem> {
        let header = headers.get(AUTHORIZATION).ok_or_else(|| Problem::unauthorized(NO_KEY))?;
        let key = header.to_str().ok().and_then(bearer).ok_or_else(|| Problem::unauthorized(NO_KEY))?;
        self.holding(&KeyHash::of(key)).ok_or_else(|| Problem::unauthorized("the key is not known"))
    }

    /// Whose key has this hash. Every stored one is looked at, each in the same time.
    pub(crate) fn holding(&self, key: &KeyHash) -> Option<Arc<Known>> {
        let mut found = None;
        for app in &self.apps {
            for stored in &app.keys {
                if bool::from(stored.ct_eq(&key.0)) {
                    found = Some(app);
                }
            }
        }
        found.map(Arc::clone)
    }
}

const NO_KEY: &str = "give a key: `Authorization: Bearer il_…`";

fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// Without keys a web page must not be able to send by way of its reader's browser: the request has to
/// name this machine as its host, and a page that asks has to come from it.
pub(crate) fn asks_this_machine(headers: &HeaderMap) -> bool {
    let local = |authority: &str| {
        let authority = authority.parse::<http::uri::Authority>().ok();
        authority.is_some_and(|authority| {
            let host = authority.host().trim_start_matches('[').trim_end_matches(']');
            let address = host.parse::<std::net::IpAddr>();
            host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
        })
    };
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default());
    if text(HOST).is_some_and(|host| !local(host)) {
        return false;
    }
    let origin = text(http::header::ORIGIN);
    origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, authority)| local(authority)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::App;

    fn keys(may: Scopes, key: &str) -> Keys {
        let app = App {
            name: "shop".into(),
            keys: vec![digest("il_other"), digest(key)],
            may,
            messages_per_second: None,
            callback_secrets: Vec::new(),
        };
        let known = Known {
            caller: Caller { app: app.name.clone(), broadcast: false },
            admission: None,
            keys: app.keys,
            may: app.may,
        };
        Keys { open: None, apps: vec![Arc::new(known)] }
    }

    fn bearing(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())])
    }

    #[test]
    fn a_new_key_is_known_by_its_hash() {
        let new = new("shop").unwrap();
        assert!(new.key.starts_with("il_") && new.key.split('_').count() == 3);
        assert!(new.config.contains(&new.sha256) && !new.config.contains(&new.key));
        let keys = keys(Scopes::ALL, &new.key);
        let known = keys.authorise(&bearing(&format!("Bearer {}", new.key)), || None, Scope::Admin).unwrap();
        assert_eq!(&*known.caller.app, "shop");
    }

    #[test]
    fn unknown_keys_and_missing_scopes_are_told_apart() {
        let keys = keys(Scopes::default().with(Scope::Read), "il_a_b");
        let status =
            |headers: &HeaderMap, scope| keys.authorise(headers, || None, scope).unwrap_err().status();
        assert_eq!(status(&HeaderMap::new(), Scope::Read), 401);
        assert_eq!(status(&bearing("Bearer il_a_c"), Scope::Read), 401);
        assert_eq!(status(&bearing("Basic il_a_b"), Scope::Read), 401);
        assert_eq!(status(&bearing("Bearer il_a_b"), Scope::Send), 403);
        assert!(keys.authorise(&bearing("bearer il_a_b"), || None, Scope::Read).is_ok());
    }

    #[test]
    fn without_keys_only_this_machine_is_answered() {
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, text)| (name.parse().unwrap(), text.parse().unwrap())).collect()
        };
        assert!(asks_this_machine(&headers(&[("host", "127.0.0.1:8400")])));
        assert!(asks_this_machine(&headers(&[("host", "[::1]:8400"), ("origin", "http://localhost:8400")])));
        assert!(!asks_this_machine(&headers(&[("host", "rebound.example:8400")])));
        assert!(!asks_this_machine(&headers(&[("host", "localhost"), ("origin", "https://page.example")])));
        assert!(!asks_this_machine(&headers(&[("host", "localhost"), ("origin", "null")])));
    }
}
