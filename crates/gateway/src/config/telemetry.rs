//! `[log]` and `[telemetry]`: what is written down of the work, and where traces go. The gateway only reads
//! them; who runs the process sets both up before anything else, so a change needs a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::file::Table;
use super::{secrets, section};

/// `[log]`: the lines on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Their form.
    pub format: LogFormat,
    /// Which are written: a level, or levels by target.
    pub level: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word that the configuration uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}

/// `[telemetry]`: traces over OTLP. Without an endpoint there are none.
#[derive(Clone, PartialEq)]
pub struct Telemetry {
    /// The collector's base URL; spans go to `/v1/traces` below it.
    pub otlp_endpoint: Option<String>,
    /// The part of the traces that begin here which is kept, 0 to 1. What a caller began follows the caller.
    pub sample: f64,
    /// Headers of each export, secrets looked up.
    pub headers: BTreeMap<String, String>,
    /// Spans that may wait for an export; more are dropped.
    pub queue: usize,
    /// How long one export may take.
    pub timeout: Duration,
    written: BTreeMap<String, String>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { otlp_endpoint, sample, queue, timeout, .. } = self;
        f.debug_struct("Telemetry")
            .field("otlp_endpoint", otlp_endpoint)
            .field("sample", sample)
            .field("queue", queue)
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// The headers as people may see them.
    pub(super) fn shown_headers(&self) -> BTreeMap<&str, String> {
        self.written.iter().map(|(name, text)| (name.as_str(), secrets::shown(text))).collect()
    }
}

pub(super) fn log(root: &Table<'_>) -> Option<Log> {
    let table = section(root, "log")?;
    let formats = [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
    let format = table.one_of("format", &formats).unwrap_or(LogFormat::Pretty);
    let level = table.string("level").unwrap_or_else(|| "info".to_owned());
    table.done();
    Some(Log { format, level })
}

pub(super) fn telemetry(root: &Table<'_>) -> Option<Telemetry> {
    let table = section(root, "telemetry")?;
    let otlp_endpoint = table.string("otlp_endpoint");
    let at = otlp_endpoint.as_deref().map(url::Url::parse);
    if at.is_some_and(|url| !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()))
    {
        let detail = "is no address of a collector; write http://HOST:4318 or https://HOST";
        table.wrong("otlp_endpoint", detail);
    }
    let sample = table.number("sample", 0.0..=1.0).unwrap_or(1.0);
    let queue = table.whole("queue", 64..=1_000_000).unwrap_or(4_096);
    let seconds = Duration::from_millis(100)..=Duration::from_secs(60);
    let timeout = table.duration("timeout", seconds).unwrap_or(Duration::from_secs(5));
    let (mut headers, mut written) = (BTreeMap::new(), BTreeMap::new());
    if table.get("headers").is_some()
        && let Some(given) = table.table("headers")
    {
        for name in given.keys() {
            if http::HeaderName::try_from(name).is_err() {
                given.wrong(name, "is no name of a header");
            }
            let Some(text) = given.string(name) else { continue };
            match secrets::look_up(&text, root.source()) {
                Ok(value) if http::HeaderValue::try_from(&value).is_ok() => {
                    headers.insert(name.to_owned(), value);
                }
                Ok(_) => given.wrong(name, "holds characters that no header may hold"),
                Err(why) => given.wrong(name, why),
            }
            written.insert(name.to_owned(), text);
        }
        given.done();
    }
    table.done();
    Some(Telemetry { otlp_endpoint, sample, headers, queue, timeout, written })
}
