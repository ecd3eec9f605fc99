//! One attempt: a POST to a receiver, and what its answer means. Redirects are not followed, proxies of the
//! environment not used, and of the answer's body a few kilobytes are read and nothing is kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use ipnet::IpNet;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, StatusCode, Url};
use rustls::CertificateError;

use super::guard::{self, Guarded, Lookup, Refused};
use super::settings::CallbackSettings;
use crate::transport;

/// How much of an answer is read so that its connection can be used again.
const READ: usize = 4 * 1024;
/// How long a connection may be idle. Each receiver has its own, and there may be very many receivers.
const IDLE: Duration = Duration::from_secs(5);

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Came {
    /// Whether the receiver took it.
    pub(super) delivered: bool,
    /// What came of it, for people: a status, or what went wrong. Nothing of a body.
    pub(super) answer: String,
    /// The same for metrics.
    pub(super) result: &'static str,
    /// For how long the receiver asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Whether it says that it wants nothing more.
    pub(super) gone: bool,
}

impl Came {
    pub(super) fn failed(result: &'static str, answer: impl Into<String>) -> Self {
        Self { delivered: false, answer: answer.into(), result, retry_after: None, gone: false }
    }
}

/// A callback that is ready to go.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) url: String,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: Vec<u8>,
}

/// Sends callbacks under one set of rules.
pub(super) struct Sender {
    client: Client,
    allowed: Arc<[IpNet]>,
    timeout: Duration,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Sender {
    /// None where the system gives no client.
    pub(super) fn new(settings: &CallbackSettings, lookup: Lookup) -> Option<Self> {
        let allowed: Arc<[IpNet]> = settings.allow_private.as_slice().into();
        let client = Client::builder()
            .tls_backend_preconfigured(transport::tls().ok()?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(Guarded { lookup, allowed: Arc::clone(&allowed) }))
            .pool_idle_timeout(IDLE)
            .build()
            .ok()?;
        Some(Self { client, allowed, timeout: settings.timeout })
    }

    /// Whether these settings ask for the same.
    pub(super) fn fits(&self, settings: &CallbackSettings) -> bool {
        *self.allowed == *settings.allow_private && self.timeout == settings.timeout
    }

    /// Makes the attempt.
    pub(super) async fn post(&self, post: Post) -> Came {
        let Ok(url) = Url::parse(&post.url) else { return Came::failed("invalid", "the URL cannot be used") };
        if let Err(refused) = guard::check_url(&url, &self.allowed) {
            return Came::failed("private", refused.to_string());
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("Interline/", env!("CARGO_PKG_VERSION"))));
        headers.insert("webhook-timestamp", HeaderValue::from(post.timestamp));
        for (name, value) in [("webhook-id", &post.id), ("webhook-signature", &post.signature)] {
            let Ok(value) = HeaderValue::from_str(value) else {
                return Came::failed("invalid", "the request cannot be written");
            };
            headers.insert(name, value);
        }
        let request = self.client.post(url).headers(headers).body(post.body).timeout(self.timeout);
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => self.not_answered(&error),
        }
    }

    fn not_answered(&self, error: &reqwest::Error) -> Came {
        if let Some(refused) = cause::<Refused>(error) {
            return Came::failed("private", refused.to_string());
        }
        if let Some(tls) = cause::<rustls::Error>(error) {
            return Came::failed("tls", tls_words(tls));
        }
        if error.is_timeout() {
            let seconds = self.timeout.as_secs_f64();
            return Came::failed("timeout", format!("no answer within {seconds:.1} s"));
        }
        if error.is_connect() {
            // The last cause names no address: the resolver's and the system's words.
            return Came::failed("connection", "no connection could be made");
        }
        Came::failed("connection", "the connection ended before the answer")
    }
}

/// What an answer means.
async fn answered(response: reqwest::Response) -> Came {
    let status = response.status();
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(wait);
    let mut chunks = response.bytes_stream();
    let mut read = 0;
    while read < READ {
        let Some(Ok(chunk)) = chunks.next().await else { break };
        read += chunk.len();
    }
    let answer = format!("answered {}", status.as_u16());
    if status.is_success() {
        return Came { delivered: true, answer, result: "delivered", retry_after: None, gone: false };
    }
    let answer =
        if status.is_redirection() { format!("{answer}; redirects are not followed") } else { answer };
    let result = if status.is_redirection() { "redirect" } else { "refused" };
    Came { retry_after, gone: status == StatusCode::GONE, ..Came::failed(result, answer) }
}

/// Reads `Retry-After`: seconds, or a date.
fn wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let wait = date.timestamp().as_millisecond().saturating_sub(crate::clock::now_ms());
    Some(Duration::from_millis(wait.max(0).unsigned_abs()))
}

/// A cause of an error by its type. I/O errors hold theirs where `source` does not look.
fn cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the list is another crate's and grows; the rest has one sentence"
)]
fn tls_words(error: &rustls::Error) -> &'static str {
    let rustls::Error::InvalidCertificate(certificate) = error else { return "the TLS handshake failed" };
    match certificate {
        CertificateError::UnknownIssuer => "its TLS certificate is from an issuer that is not trusted",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its TLS certificate is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its TLS certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its TLS certificate is not valid yet"
        }
        _ => "its TLS certificate is not valid, or it vouches for itself",
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A name that means the next of these at each look; how often it was looked up.
    fn changing(meanings: Vec<Vec<&'static str>>) -> (Lookup, Arc<AtomicUsize>) {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&looks);
        let lookup: Lookup = Arc::new(move |_| {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            let meaning = meanings.get(look.min(meanings.len() - 1)).cloned().unwrap_or_default();
            Box::pin(async move {
                Ok(meaning.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect::<Vec<_>>())
            })
        });
        (lookup, counted)
    }

    /// Answers every connection once with a status, and counts them.
    async fn receiver(address: &str, answer: &'static str) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut read = [0; 4096];
                drop(stream.read(&mut read).await);
                let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                drop(stream.write_all(text.as_bytes()).await);
            }
        });
        (port, count)
    }

    fn sender(allowed: &[&str], lookup: Lookup) -> Sender {
        let settings = CallbackSettings {
            allow_private: allowed.iter().map(|net| net.parse().unwrap()).collect(),
            timeout: Duration::from_secs(5),
            ..CallbackSettings::default()
        };
        Sender::new(&settings, lookup).unwrap()
    }

    fn post(url: String) -> Post {
        Post {
            url,
            id: "bat_1_1".to_owned(),
            timestamp: 1,
            signature: "v1,x".to_owned(),
            body: b"{}".to_vec(),
        }
    }

    #[tokio::test]
    async fn a_name_that_means_something_else_a_moment_later_gains_nothing() {
        let (good, asked) = receiver("127.0.0.1:0", "200 OK").await;
        let (secret, reached) = receiver(&format!("127.0.0.2:{good}"), "200 OK").await;
        assert_eq!(good, secret);
        let (lookup, looks) = changing(vec![vec!["127.0.0.1"], vec!["127.0.0.2"]]);
        let sender = sender(&["127.0.0.1/32"], lookup);
        let url = format!("http://hooks.example.com:{good}/");
        assert!(sender.post(post(url.clone())).await.delivered);
        let second = sender.post(post(url)).await;
        assert_eq!((second.delivered, second.result), (false, "private"), "{second:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(reached.load(Ordering::SeqCst), 0, "nothing was asked there");
        assert_eq!(
            looks.load(Ordering::SeqCst),
            2,
            "each connection goes to what was looked up and checked for it"
        );
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_is_enough() {
        let (port, reached) = receiver("127.0.0.1:0", "200 OK").await;
        let (lookup, _) = changing(vec![vec!["8.8.8.8", "127.0.0.1"]]);
        let came = sender(&[], lookup).post(post(format!("http://hooks.example.com:{port}/"))).await;
        assert_eq!((came.result, reached.load(Ordering::SeqCst)), ("private", 0), "{came:?}");
    }

    #[tokio::test]
    async fn addresses_in_urls_are_checked_in_every_form() {
        let (port, reached) = receiver("127.0.0.1:0", "200 OK").await;
        let (lookup, _) = changing(vec![vec!["8.8.8.8"]]);
        let guarded = sender(&[], lookup);
        for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "[::1]", "[64:ff9b::7f00:1]"]
        {
            let came = guarded.post(post(format!("http://{host}:{port}/"))).await;
            assert_eq!(came.result, "private", "{host}: {came:?}");
        }
        assert_eq!(reached.load(Ordering::SeqCst), 0);
        let (lookup, _) = changing(vec![vec!["8.8.8.8"]]);
        let open = sender(&["127.0.0.0/8"], lookup);
        assert!(open.post(post(format!("http://127.0.0.1:{port}/"))).await.delivered);
    }

    #[tokio::test]
    async fn only_a_yes_is_a_yes() {
        for (answer, result, gone) in [
            ("200 OK", "delivered", false),
            ("204 No Content", "delivered", false),
            ("301 Moved\r\nlocation: http://127.0.0.1:1/", "redirect", false),
            ("307 Temporary\r\nlocation: http://127.0.0.1:1/", "redirect", false),
            ("400 Bad Request", "refused", false),
            ("410 Gone", "refused", true),
            ("500 Oops", "refused", false),
        ] {
            let (port, asked) = receiver("127.0.0.1:0", answer).await;
            let sender = sender(&["127.0.0.0/8"], guard::system());
            let came = sender.post(post(format!("http://127.0.0.1:{port}/"))).await;
            assert_eq!(
                (came.result, came.gone, came.delivered),
                (result, gone, result == "delivered"),
                "{answer}"
            );
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{answer}: nobody follows or repeats");
        }
    }

    #[test]
    fn waits_are_read_in_both_forms() {
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }
}
