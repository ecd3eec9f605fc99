//! A vendor's token, fetched once and shared: callers that find none wait for the one that fetches it.
//! It is renewed before it ends and dropped when the vendor says that it is no longer good.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Exchange, Seal, Token};
use interline_core::error::{ErrorCode, Failure};
use tokio::sync::Mutex;

use crate::clock;
use crate::provider::Provider;

/// A token is renewed so long before its end, or at the half of a short life.
const MARGIN_MS: i64 = 5 * 60 * 1000;
/// Those who waited for a failed attempt share its failure for so long.
const FAILURE_HOLDS_MS: i64 = 1_000;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The token of one provider.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    held: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Held>,
    /// The last failure, for those who waited for the same attempt, and until when it holds.
    failed: Option<(i64, Failure)>,
}

struct Held {
    secret: Arc<str>,
    renew_at_ms: i64,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("secret", &"***").field("renew_at_ms", &self.renew_at_ms).finish()
    }
}

impl TokenCache {
    /// The token, fetched if need be; none where the adapter wants none.
    ///
    /// # Errors
    /// `not_sent`: without a token nothing is sent.
    pub(crate) async fn get(
        &self,
        adapter: &dyn Adapter,
        provider: &Provider,
    ) -> Result<Option<Arc<str>>, Failure> {
        let nonce = clock::nonce();
        let seal = Seal { now_ms: clock::now_ms(), nonce: &nonce, token: None };
        let Some(exchange) = adapter.login(&seal) else { return Ok(None) };
        let mut state = self.held.lock().await;
        if let Some(held) = state.token.as_ref().filter(|held| held.renew_at_ms > seal.now_ms) {
            return Ok(Some(Arc::clone(&held.secret)));
        }
        if let Some((_, failure)) = state.failed.as_ref().filter(|(until_ms, _)| *until_ms > seal.now_ms) {
            return Err(failure.clone());
        }
        let fetched = fetch(exchange, provider).await;
        let now_ms = clock::now_ms();
        match fetched {
            Ok(token) => {
                let lasts_ms = i64::try_from(token.lasts.as_millis()).unwrap_or(i64::MAX);
                let secret: Arc<str> = token.secret.into();
                let renew_at_ms = now_ms.saturating_add(lasts_ms - MARGIN_MS.min(lasts_ms / 2));
                *state =
                    State { token: Some(Held { secret: Arc::clone(&secret), renew_at_ms }), failed: None };
                Ok(Some(secret))
            }
            Err(failure) => {
                state.failed = Some((now_ms + FAILURE_HOLDS_MS, failure.clone()));
                Err(failure)
            }
        }
    }

    /// Forgets the token, unless another one was fetched meanwhile.
    pub(crate) async fn drop_token(&self, used: &str) {
        let mut state = self.held.lock().await;
        if state.token.as_ref().is_some_and(|held| &*held.secret == used) {
            state.token = None;
        }
    }
}

async fn fetch(exchange: Exchange<Token>, provider: &Provider) -> Result<Token, Failure> {
    let reply = provider.exchange("login", exchange.request, TIMEOUT).await.map_err(|failure| {
        Failure::not_sent(ErrorCode::VendorUnavailable, format!("cannot fetch a token: {}", failure.message))
    })?;
    (exchange.read)(&reply).map_err(|error| {
        Failure::not_sent(ErrorCode::Unauthorized, format!("the vendor gave no token: {error}"))
    })
}
