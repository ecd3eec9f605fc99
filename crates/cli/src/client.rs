//! The HTTP client of the client commands: one server, one key.
//!
//! A request that never reached the server and one whose answer got lost are different errors here,
//! because only the second may have done something.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use crate::api::{Field, Problem};
use crate::args::{DEFAULT_SERVER, Target};
use crate::output::Failed;

/// Why a body could not be read to its end.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A request's body, whole or streamed.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Most wrong fields that an error lists.
const FIELDS_SHOWN: usize = 20;

/// A server and who asks it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Body>,
    base: String,
    key: Option<HeaderValue>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// No answer came.
#[derive(Debug)]
pub(crate) enum Silence {
    /// Nothing reached the server.
    Unreached(String),
    /// The connection ended after the request began: it may have been done.
    Lost(String),
}

async fn read(response: Response<Incoming>) -> Result<Answer, Silence> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| Silence::Lost(reasons(&error)))?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// A path with those parts of the query that were given.
pub(crate) fn path(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut text = path.to_owned();
    for (name, value) in query {
        let Some(value) = value else { continue };
        text.push(if text.contains('?') { '&' } else { '?' });
        text.push_str(name);
        text.push('=');
        text.push_str(&encoded(value));
    }
    text
}

/// Percent-encodes what is no unreserved character of a URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

/// A body that is there already.
pub(crate) fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

impl Client {
    /// A client of the server that was named, here or in the environment, else of the default one.
    pub(crate) fn new(target: &Target) -> Result<Self, Failed> {
        let server = target.server();
        Self::at(server.as_deref().unwrap_or(DEFAULT_SERVER), target.key().as_deref())
    }

    /// A client of this server, with this key.
    pub(crate) fn at(server: &str, key: Option<&str>) -> Result<Self, Failed> {
        let base = server.trim_end_matches('/').to_owned();
        let wrong = |why: &str| {
            Failed::new(format!("cannot use {base:?} as the server: {why}"))
                .next("write it as http://HOST:PORT or https://HOST, with --server or INTERLINE_SERVER")
        };
        let uri: Uri = base.parse().map_err(|error| wrong(&format!("{error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(wrong("it is no http:// or https:// URL"));
        }
        let key = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let mut key = key.transpose().map_err(|_| {
            Failed::new("cannot use the key: it holds characters that no header can carry")
                .next("copy it again; a key reads il_<id>_<secret>")
        })?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        let pool =
            Pool::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(5)).build(connector()?);
        Ok(Self { pool, base, key })
    }

    /// The server's address, for messages.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What to type next, for the same server.
    pub(crate) fn hint(&self, command: &str) -> String {
        if self.base == DEFAULT_SERVER {
            return format!("`interline {command}`");
        }
        format!("`interline {command} --server {}`", self.base)
    }

    /// Sends one request and reads its answer, whatever the status.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Body,
    ) -> Result<Answer, Silence> {
        read(self.request(method, path, headers, body).await?).await
    }

    /// Asks for a stream; an answer that is no success is read whole.
    pub(crate) async fn open(&self, path: &str) -> Result<Result<Incoming, Answer>, Silence> {
        let response = self.request(Method::GET, path, &[], whole("")).await?;
        if response.status().is_success() {
            return Ok(Ok(response.into_body()));
        }
        read(response).await.map(Err)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Body,
    ) -> Result<Response<Incoming>, Silence> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(USER_AGENT, concat!("interline/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let request = request.body(body).map_err(|error| Silence::Unreached(error.to_string()))?;
        self.pool.request(request).await.map_err(|error| {
            let why = reasons(&error);
            if error.is_connect() { Silence::Unreached(why) } else { Silence::Lost(why) }
        })
    }

    /// Reads a resource.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failed> {
        let answer = self.ask(Method::GET, path, &[], whole("")).await;
        self.good(answer.map_err(|silence| self.silent(&silence))?)
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Answer, Failed> {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        let answer = self.ask(Method::POST, path, &headers, whole(body)).await;
        self.good(answer.map_err(|silence| self.silent(&silence))?)
    }

    /// The answer if it is a success, else what it says is wrong.
    pub(crate) fn good(&self, answer: Answer) -> Result<Answer, Failed> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(refused(&answer, &self.base))
    }

    /// What to say when nothing came back.
    pub(crate) fn silent(&self, silence: &Silence) -> Failed {
        match silence {
            Silence::Unreached(why) => Failed::new(format!("cannot reach {}: {why}", self.base)).code("unreachable").next(
                "is it running? start it with `interline serve`, or name another with --server or INTERLINE_SERVER",
            ),
            Silence::Lost(why) => Failed::new(format!("lost the connection to {}: {why}", self.base))
                .code("connection_lost")
                .next(format!("see what it did with {}", self.hint("batch list"))),
        }
    }
}

impl Answer {
    /// Reads the body.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failed::new(format!("cannot read the server's answer: {error}"))
                .next("is it an Interline server, and of this version? try `curl -s <server>/readyz`")
        })
    }

    /// The body as any JSON.
    pub(crate) fn value(&self) -> Result<serde_json::Value, Failed> {
        self.read()
    }

    /// A header, if it's there and readable.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER.as_str())?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// What the server says is wrong.
    pub(crate) fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Problem {
            detail: Some(String::from_utf8_lossy(&self.body).chars().take(200).collect()),
            ..Problem::default()
        })
    }
}

fn refused(answer: &Answer, base: &str) -> Failed {
    let problem = answer.problem();
    let ours = problem.code.is_some();
    let code = problem.code.or(problem.title).unwrap_or_else(|| answer.status.to_string());
    let detail = problem.detail.filter(|detail| !detail.is_empty());
    let strange = !ours || detail.as_deref().is_none_or(|detail| detail.starts_with("there is nothing at "));
    let told = |field: &&Field| detail.as_deref().is_none_or(|told| !told.contains(&field.detail));
    let listed: Vec<&Field> = problem.errors.iter().filter(told).collect();
    let mut said = match &detail {
        Some(detail) => format!("{base} refused it ({code}): {detail}"),
        None => format!("{base} refused it ({code})"),
    };
    for field in listed.iter().take(FIELDS_SHOWN) {
        let path = if field.path.is_empty() { "/" } else { field.path.trim_end() };
        said.push_str(&format!("\n  {path}: {}", field.detail));
    }
    let total = problem.total.unwrap_or(problem.errors.len() as u64);
    if total > FIELDS_SHOWN as u64 {
        said.push_str(&format!("\n  … {} errors in all", crate::output::grouped(total)));
    }
    let fields =
        problem.errors.iter().map(|field| serde_json::json!({"path": field.path, "detail": field.detail}));
    let failed = Failed::new(said).code(code.clone()).of(answer.status.as_u16()).errors(fields.collect());
    match (answer.status.as_u16(), answer.retry_after()) {
        // The request itself is unknown there; one for a thing that is not there says which.
        (404, _) if strange => failed.next("that server is older than this command, or no Interline server"),
        (405, _) => failed.next("that server is older than this command, or no Interline server"),
        (300..=399, _) => failed.next("is that the address of an Interline server? it sends on to another"),
        (409, _) if code == "idempotency_mismatch" => {
            failed.next("take another --idempotency-key for another batch, or none")
        }
        (401, _) => {
            failed.next("give the app's key with --key or INTERLINE_KEY; `interline keys new NAME` makes one")
        }
        (403, _) => failed.next("add what is missing to the app's `may` in the configuration"),
        (429 | 503, Some(wait)) => failed.next(format!("try again in {} s", wait.as_secs())),
        (400, _) if code == "invalid_parameter" => failed.next("nothing was done; correct it and ask again"),
        (400 | 413 | 422, _) => failed.next("nothing was sent; correct it and send it again"),
        (500.., _) => failed.next("the server's log says more"),
        _ => failed,
    }
}

fn connector() -> Result<HttpsConnector<HttpConnector>, Failed> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failed::new(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(Duration::from_secs(10)));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}

/// What lies behind an error: the layers above it only say that something failed.
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(reason) = last.source() {
        last = reason;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_scheme_is_refused_with_the_form_to_write() {
        for server in ["localhost:8400", "ftp://x", "8400"] {
            let failed = Client::at(server, None).unwrap_err();
            assert!(failed.text().contains("http://HOST:PORT"), "{server}: {}", failed.text());
        }
    }

    #[test]
    fn a_slash_at_the_end_of_the_server_makes_no_difference() {
        assert_eq!(Client::at("https://im.example/", None).unwrap().base(), "https://im.example");
    }

    #[test]
    fn a_query_holds_what_was_given_and_is_encoded() {
        let asked = path("/v1/batches", &[("state", None), ("app", Some("my shop")), ("limit", Some("20"))]);
        assert_eq!(asked, "/v1/batches?app=my%20shop&limit=20");
    }

    #[test]
    fn wrong_fields_are_listed_with_their_paths() {
        let body = r#"{"code":"invalid","detail":"the body is invalid","errors":[{"path":"/messages/3/to","detail":"x"}]}"#;
        let answer =
            Answer { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body: Bytes::from(body) };
        let text = refused(&answer, "http://s").text();
        assert!(text.contains("/messages/3/to: x") && text.contains("nothing was sent"), "{text}");
    }
}
