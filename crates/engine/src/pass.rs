//! Requests that are passed on to a provider's server as they are, under its own credentials: what a façade
//! does not serve itself. One try; nothing is read into them and nothing is recorded.

use std::sync::Arc;

use bytes::Bytes;
use interline_core::adapter::Seal;
use interline_core::error::{ErrorCode, Failure};

use crate::clock;
use crate::engine::Engine;

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
    pub async fn pass(&self, provider: &str, mut passing: Passing<'_>) -> Result<Passed, Failure> {
        let Some(provider) = self.book().providers.get(provider).map(Arc::clone) else {
            let detail = format!("there is no provider {provider}");
            return Err(Failure::not_sent(ErrorCode::VendorUnavailable, detail));
        };
        let adapter = provider.assumed();
        let token = provider.token.get(&*adapter, &provider.transport).await?;
        let nonce = clock::nonce();
        let seal = Seal { now_ms: clock::now_ms(), nonce: &nonce, token: token.as_deref() };
        let credentials = adapter.credentials(&seal);
        let own = |name: &str| credentials.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        passing.headers.retain(|(name, _)| !own(name));
        provider.transport.pass(passing, credentials, provider.timeout()).await
    }
}
