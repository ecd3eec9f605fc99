//! Callbacks as the API shows and steers them.

use interline_core::record::{rfc3339, time_text};
use interline_ledger::Endpoint;
use serde::{Serialize, Serializer};

use crate::clock;
use crate::denied::Denied;
use crate::engine::Engine;
use crate::view::Page;

/// A receiver as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct CallbackView {
    pub id: String,
    pub app: String,
    /// What follows a question mark is left out.
    pub url: String,
    /// `active`, `failing` or `disabled`.
    pub state: &'static str,
    #[serde(rename = "since", serialize_with = "rfc3339")]
    pub created_ms: i64,
    /// Failures since the last success.
    pub failures: u64,
    #[serde(rename = "failing_since", serialize_with = "optional_time")]
    pub failing_since_ms: Option<i64>,
    #[serde(rename = "disabled_at", serialize_with = "optional_time")]
    pub disabled_ms: Option<i64>,
    pub disabled_because: Option<String>,
    /// Left alone until then.
    #[serde(rename = "paused_until", serialize_with = "optional_time")]
    pub not_before_ms: Option<i64>,
    pub last: Option<LastView>,
    /// Events that were delivered, that were given up, and that wait.
    pub delivered: u64,
    pub given_up: u64,
    pub waiting: u64,
}

/// What came of the last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct LastView {
    pub at: String,
    pub answer: String,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn optional_time<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => rfc3339(ms, serializer),
        None => serializer.serialize_none(),
    }
}

fn number(id: &str) -> Option<i64> {
    let number = id.strip_prefix("cb_")?;
    number.parse().ok().filter(|found: &i64| *found > 0 && found.to_string() == number)
}

fn view(endpoint: Endpoint) -> CallbackView {
    let Endpoint { url, disabled_ms, failing_since_ms, .. } = endpoint;
    let state = match (disabled_ms, failing_since_ms) {
        (Some(_), _) => "disabled",
        (None, Some(_)) => "failing",
        (None, None) => "active",
    };
    let last = endpoint.last_ms.zip(endpoint.last_answer);
    CallbackView {
        id: format!("cb_{}", endpoint.id),
        app: endpoint.app,
        url: url.split_once('?').map_or_else(|| url.clone(), |(place, _)| format!("{place}?…")),
        state,
        created_ms: endpoint.created_ms,
        failures: endpoint.failures,
        failing_since_ms,
        disabled_ms,
        disabled_because: endpoint.disabled_why,
        not_before_ms: Some(endpoint.not_before_ms).filter(|until| *until > clock::now_ms()),
        last: last.map(|(at, answer)| LastView { at: time_text(at), answer }),
        delivered: endpoint.delivered,
        given_up: endpoint.given_up,
        waiting: endpoint.waiting,
    }
}

impl Engine {
    /// The receivers of one app's callbacks, or of all, the oldest first.
    ///
    /// # Errors
    /// A wrong cursor, or the ledger's.
    pub async fn callbacks(
        &self,
        app: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<CallbackView>, Denied> {
        let after = cursor.map(|cursor| number(cursor).ok_or(Denied::Cursor)).transpose()?.unwrap_or(0);
        let found = self.inner.ledger.endpoints(app, after, limit).await?;
        let full = found.len() >= limit;
        let next_cursor = found.last().filter(|_| full).map(|last| format!("cb_{}", last.id));
        Ok(Page { items: found.into_iter().map(view).collect(), next_cursor })
    }

    /// One receiver.
    ///
    /// # Errors
    /// `NoCallback`, or the ledger's.
    pub async fn callback(&self, id: &str) -> Result<CallbackView, Denied> {
        let none = || Denied::NoCallback(id.to_owned());
        let number = number(id).ok_or_else(none)?;
        self.inner.ledger.endpoint(number).await?.map(view).ok_or_else(none)
    }

    /// Tells a receiver again that was disabled, or is left alone because it fails; what waits goes at once.
    ///
    /// # Errors
    /// `NoCallback`, or the ledger's.
    pub async fn enable_callback(&self, id: &str) -> Result<CallbackView, Denied> {
        let number = number(id).ok_or_else(|| Denied::NoCallback(id.to_owned()))?;
        if !self.inner.ledger.enable_endpoint(number, clock::now_ms()).await? {
            return Err(Denied::NoCallback(id.to_owned()));
        }
        tracing::info!(callback.id = id, "a receiver of callbacks is enabled");
        self.inner.courier.wake();
        self.callback(id).await
    }

    /// Tells a receiver again what it was told, or was to be told, in a span of time (Unix milliseconds, both
    /// included): the same events under the same ids. Answers how many.
    ///
    /// # Errors
    /// `NoCallback`; `Conflict` while it is disabled; the ledger's.
    pub async fn replay_callback(&self, id: &str, span: (i64, i64)) -> Result<u64, Denied> {
        let found = self.callback(id).await?;
        if found.disabled_ms.is_some() {
            return Err(Denied::Conflict(format!("{id} is disabled; enable it first")));
        }
        let number = number(id).ok_or_else(|| Denied::NoCallback(id.to_owned()))?;
        let events = self.inner.ledger.replay_endpoint(number, span, clock::now_ms()).await?;
        tracing::info!(callback.id = id, events, "events are told again");
        self.inner.courier.wake();
        Ok(events)
    }
}
