//! Requests that are passed on to a provider's server as they are, under its own credentials: what a façade
//! does not serve itself. One try, and one more where the server took nothing but offence at the token; nothing is
//! read into them and nothing is recorded.

use std::sync::Arc;

use bytes::Bytes;
use interline_core::adapter::{Adapter, Reply, Seal};
use interline_core::error::{ErrorCode, Failure};

use crate::clock;
use crate::engine::Engine;
use crate::provider::Provider;
use crate::trace::ExchangeSpan;

/// A request to be passed on.
#[derive(Debug, Clone)]
pub struct Passing<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query, below the provider's base URL.
    pub path: &'a str,
    /// End-to-end headers, names in lower case.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The body.
    pub body: Bytes,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The status.
    pub status: u16,
    /// All headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Engine {
    /// Passes a request on, with the provider's credentials in the place of its caller's.
    ///
    /// # Errors
    /// A failure whose fate says whether the server can have got the request.
    pub async fn pass(&self, provider: &str, passing: Passing<'_>) -> Result<Passed, Failure> {
        let Some(provider) = self.book().providers.get(provider).map(Arc::clone) else {
            let detail = format!("there is no provider {provider}");
            return Err(Failure::not_sent(ErrorCode::VendorUnavailable, detail));
        };
        let adapter = provider.assumed();
        let token = provider.token.get(&*adapter, &provider).await?;
        let passed = once(&provider, &*adapter, passing.clone(), token.as_deref()).await?;
        let Some(used) = token else { return Ok(passed) };
        let reply = Reply { status: passed.status, retry_after: None, body: passed.body };
        if !adapter.refuses_token(&reply) {
            return Ok(Passed { body: reply.body, ..passed });
        }
        provider.token.drop_token(&used).await;
        let token = provider.token.get(&*adapter, &provider).await?;
        once(&provider, &*adapter, passing, token.as_deref()).await
    }

    /// Whether there is a route of this name now.
    #[must_use]
    pub fn has_route(&self, name: &str) -> bool {
        self.book().routes.all().iter().any(|route| *route.name == *name)
    }
}

/// Passes a request on under this token.
async fn once(
    provider: &Provider,
    adapter: &dyn Adapter,
    mut passing: Passing<'_>,
    token: Option<&str>,
) -> Result<Passed, Failure> {
    let nonce = clock::nonce();
    let mut headers = adapter.credentials(&Seal { now_ms: clock::now_ms(), nonce: &nonce, token });
    let settings = &provider.settings;
    // A trace goes on below the span of this request, and not beside it.
    let span = ExchangeSpan::begin("pass", (&settings.name, settings.vendor.name), &mut headers);
    let own = |name: &str| headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    passing.headers.retain(|(name, _)| !own(name));
    let passed = provider.transport.pass(passing, headers, provider.timeout()).await;
    span.into_iter().for_each(|span| span.end(passed.as_ref().map(|passed| passed.status)));
    passed
}
