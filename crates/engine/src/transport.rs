//! The one place that puts requests on the wire. Redirects, retries and proxies of the HTTP client are
//! off, replies are bounded, and every error is sorted by the only question that matters: can the
//! vendor have got it?

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt as _;
use interline_core::adapter::{Header, Reply, Request};
use interline_core::error::{Error, ErrorCode, ErrorKind, Failure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::pass::{Passed, Passing};

/// Longest reply that is read; a longer one cannot be told from garbage.
const MAX_REPLY: usize = 16 * 1024 * 1024;
/// Idle connections end before servers end them: a reused one that dies looks like an unknown.
const IDLE: Duration = Duration::from_secs(15);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections to one provider.
#[derive(Clone)]
pub(crate) struct Transport {
    client: reqwest::Client,
    base_url: String,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

pub(crate) fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = rustls::crypto::ring::default_provider();
    Ok(rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

impl Transport {
    /// Connections to the server at `base_url`.
    pub(crate) fn new(base_url: &str) -> Result<Self, Error> {
        let broken =
            || Error::new(ErrorKind::Config, "cannot prepare connections").with("base_url", base_url);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls().map_err(|error| broken().because(error))?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| broken().because(error.without_url()))?;
        Ok(Self { client, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    /// The full address of a request.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Sends a request and reads its whole reply.
    ///
    /// # Errors
    /// A failure whose fate says whether the vendor can have got the request.
    pub(crate) async fn send(&self, request: Request, timeout: Duration) -> Result<Reply, Failure> {
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        write_headers(&mut headers, &request.headers)?;
        let method = if request.method == "GET" { reqwest::Method::GET } else { reqwest::Method::POST };
        let sending = self
            .client
            .request(method, self.url(&request.path))
            .headers(headers)
            .body(request.body)
            .timeout(timeout)
            .send()
            .await;
        let response = sending.map_err(|error| failure(&error, timeout))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let body = whole(response, timeout).await?;
        Ok(Reply { status, retry_after, body })
    }

    /// Passes a request on as it is, these headers added, and reads its whole reply.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub(crate) async fn pass(
        &self,
        passing: Passing<'_>,
        more: Vec<Header>,
        timeout: Duration,
    ) -> Result<Passed, Failure> {
        let mut headers = HeaderMap::with_capacity(passing.headers.len() + more.len());
        for (name, value) in passing.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        write_headers(&mut headers, &more)?;
        let Ok(method) = reqwest::Method::from_bytes(passing.method.as_bytes()) else {
            return Err(Failure::not_sent(ErrorCode::InvalidMessage, "the method is none").for_good());
        };
        let request = self.client.request(method, self.url(passing.path)).headers(headers).body(passing.body);
        let response = request.timeout(timeout).send().await.map_err(|error| failure(&error, timeout))?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        Ok(Passed { status, headers, body: whole(response, timeout).await? })
    }
}

fn write_headers(headers: &mut HeaderMap, given: &[Header]) -> Result<(), Failure> {
    for header in given {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&header.value)) else {
            let detail = format!("the header {} holds characters that no header may hold", header.name);
            return Err(Failure::not_sent(ErrorCode::InvalidMessage, detail).for_good());
        };
        headers.insert(name, value);
    }
    Ok(())
}

/// A whole body, bounded.
async fn whole(response: reqwest::Response, timeout: Duration) -> Result<Vec<u8>, Failure> {
    let told = response.content_length();
    let told = told.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX).min(MAX_REPLY));
    let mut body = Vec::with_capacity(told);
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| failure(&error, timeout))?;
        if body.len() + chunk.len() > MAX_REPLY {
            let detail = format!("the reply has more than {MAX_REPLY} bytes");
            return Err(Failure::unknown(ErrorCode::BadVendorReply, detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Sorts an error of the client. Only what surely happened before the first byte is `not_sent`.
fn failure(error: &reqwest::Error, timeout: Duration) -> Failure {
    if error.is_builder() {
        return Failure::not_sent(ErrorCode::Internal, "the request cannot be written").for_good();
    }
    if error.is_connect() {
        let what =
            if error.is_timeout() { "the connection took too long to be made" } else { "no connection" };
        return Failure::not_sent(ErrorCode::VendorUnavailable, format!("{what}: {}", innermost(error)));
    }
    if error.is_timeout() {
        return Failure::unknown(ErrorCode::Timeout, format!("no whole answer within {}", seconds(timeout)));
    }
    Failure::unknown(
        ErrorCode::ConnectionLost,
        format!("the connection ended before the answer: {}", innermost(error)),
    )
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// The last cause: the outer ones repeat the address, which may hold what nobody should read.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::addr_eq(cause, error) { "the client gave no reason".to_owned() } else { cause.to_string() }
}
