//! What the configuration in force means for requests: who may ask, how much they may hand over, and what
//! is shown of it. A reload builds it anew and swaps it whole; a request takes one snapshot.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;

use crate::api;
use crate::body::Limits;
use crate::config::{Config, Console};
use crate::facades::Facades;
use crate::keys::Keys;

/// All of it, as one snapshot.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) keys: Keys,
    pub(crate) facades: Facades,
    pub(crate) limits: Limits,
    /// How long settled batches are kept.
    pub(crate) retention: Duration,
    pub(crate) console: Console,
    /// What `GET /v1/config` answers.
    pub(crate) config: Bytes,
    /// What `GET /v1/routes` answers.
    pub(crate) routes: Bytes,
    /// What `GET /v1/vendors` answers.
    pub(crate) vendors: Bytes,
}

impl Standing {
    /// What a configuration means. How much apps have handed over so far counts on.
    pub(crate) fn of(config: &Config, before: Option<&Self>) -> Self {
        let text = |value: serde_json::Value| Bytes::from(value.to_string());
        let keys = Keys::of(config, before.map(|before| &before.keys));
        Self {
            facades: Facades::of(config, &keys),
            keys,
            limits: Limits { max_body_mb: config.server.max_body_mb, max_line_kb: config.server.max_line_kb },
            retention: config.ledger.retention,
            console: config.console,
            config: text(config.shown()),
            routes: text(serde_json::json!({ "routes": config.shown_routes() })),
            vendors: before.map_or_else(|| text(api::capabilities(config)), |before| before.vendors.clone()),
        }
    }
}

/// Where what is in force stands.
#[derive(Debug)]
pub(crate) struct Stand(RwLock<Arc<Standing>>);

impl Stand {
    pub(crate) fn new(standing: Standing) -> Self {
        Self(RwLock::new(Arc::new(standing)))
    }

    /// What is in force now.
    pub(crate) fn now(&self) -> Arc<Standing> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts something else in force.
    pub(crate) fn put(&self, standing: Standing) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }
}
