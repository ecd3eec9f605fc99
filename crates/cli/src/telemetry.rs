//! Traces over OTLP: what collects spans, hands them to a collector in the background, and forgets what the
//! collector does not take. Nothing that sends ever waits for it.

mod queue;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use interline_gateway::config::Telemetry;
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::output::Failed;

/// How long the last spans may take at the end.
const END: Duration = Duration::from_secs(3);
/// Where a collector takes spans, below its base URL.
const PATH: &str = "/v1/traces";

/// What runs while traces are on; handed over at the end by [`Traces::end`].
#[derive(Debug)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

/// Begins to trace where the configuration names a collector.
pub(crate) fn start(config: &Telemetry) -> Result<Traces, Failed> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(Traces(None)) };
    let broken = |error: &dyn fmt::Display| Failed::new(format!("cannot prepare telemetry: {error}"));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new(config.timeout).map_err(|error| broken(&error))?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(address(endpoint))
        .with_timeout(config.timeout)
        .with_headers(config.headers.clone().into_iter().collect())
        .build()
        .map_err(|error| broken(&error))?;
    let provider = SdkTracerProvider::builder()
        .with_span_processor(queue::Queue::before(exporter, config.queue))
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample))))
        .with_resource(resource())
        .build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(provider.clone());
    interline_engine::trace::start();
    tracing::info!(sample = config.sample, "traces are exported");
    Ok(Traces(Some(provider)))
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "interline"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", format!("{}", std::process::id())),
        ])
        .build()
}

/// Where spans go: below the base URL, unless the endpoint names the path itself.
fn address(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

impl Traces {
    /// Hands over what is left, as far as that is quick.
    pub(crate) async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ending = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(END));
        if !matches!(ending.await, Ok(Ok(()))) {
            tracing::debug!("the last spans were not taken");
        }
    }
}

/// The way to the collector. The exporter's thread has no runtime, so requests run on the program's own.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    state: Arc<State>,
}

/// Whether the collector takes spans: told when it changes, and not at every export.
#[derive(Debug, Default)]
struct State {
    refuses: AtomicBool,
    lost: AtomicU64,
}

impl State {
    fn heard(&self, trouble: Option<&str>) {
        match (trouble, self.refuses.swap(trouble.is_some(), Ordering::Relaxed)) {
            (Some(why), false) => {
                tracing::warn!(why, "the collector does not take spans; they are dropped until it does");
            }
            (None, true) => {
                let exports = self.lost.swap(0, Ordering::Relaxed);
                tracing::info!(exports, "the collector takes spans again; so many exports were dropped");
            }
            (Some(_), true) | (None, false) => {}
        }
        self.lost.fetch_add(u64::from(trouble.is_some()), Ordering::Relaxed);
    }
}

impl Collector {
    fn new(timeout: Duration) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(timeout)
            .build()
            .map_err(|error| error.without_url().to_string())?;
        Ok(Self { client, runtime: Handle::current(), state: Arc::default() })
    }
}

fn tls() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, state) = (self.client.clone(), Arc::clone(&self.state));
        let exporting = self.runtime.spawn(async move {
            let answer = export(&client, request).await;
            match &answer {
                Ok(response) if response.status().is_success() => state.heard(None),
                Ok(response) => state.heard(Some(response.status().as_str())),
                Err(why) => state.heard(Some(why)),
            }
            answer
        });
        Ok(exporting.await??)
    }
}

async fn export(client: &reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let (parts, body) = request.into_parts();
    let asked = client.post(parts.uri.to_string()).headers(parts.headers).body(body);
    let told = |error: reqwest::Error| innermost(&error.without_url());
    let answered = asked.send().await.map_err(told)?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answered.status();
    *response.body_mut() = answered.bytes().await.map_err(told)?;
    Ok(response)
}

/// The last cause; what is before it repeats where the request went.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_below_the_base_url_unless_the_path_is_named() {
        assert_eq!(address("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(address("https://c.example/otlp/"), "https://c.example/otlp/v1/traces");
        assert_eq!(address("http://c.example/v1/traces"), "http://c.example/v1/traces");
    }
}
