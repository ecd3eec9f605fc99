//! Twins: in the test's own process, or as a process of their own where memory is measured.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Child, Stdio};
use std::time::Duration;

use interline_twins::{Fault, FaultKind, Received, Twin, Twins, TwinsConfig};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::place::Place;
use crate::wait::eventually;

/// Within how long the connections of a server that goes away end.
const SHUT: Duration = Duration::from_secs(10);

/// The four twins on a runtime of their own.
#[derive(Debug)]
pub struct Stage {
    twins: Twins,
    _runtime: Runtime,
}

impl Stage {
    /// Starts the twins.
    ///
    /// # Panics
    /// When they cannot be started.
    pub fn start(config: TwinsConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let twins = runtime.block_on(Twins::start(config)).expect("the twins start");
        Self { twins, _runtime: runtime }
    }

    /// How many sending calls all twins have read.
    pub fn calls(&self) -> u64 {
        self.twins.all().iter().map(|twin| twin.calls()).sum()
    }

    /// How many messages all twins have received.
    pub fn total(&self) -> u64 {
        self.twins.all().iter().map(|twin| twin.total()).sum()
    }
}

impl Deref for Stage {
    type Target = Twins;

    fn deref(&self) -> &Twins {
        &self.twins
    }
}

/// Takes a server away for so many milliseconds: nobody listens, and nobody has a connection left.
///
/// # Panics
/// When its connections do not end.
#[track_caller]
pub fn refuse(twin: &Twin, ms: i64) {
    twin.set_fault(Fault::new(FaultKind::Refuse).value(ms));
    shut(twin);
}

/// Waits until a port that refuses is shut.
///
/// # Panics
/// When its connections do not end.
#[track_caller]
pub fn shut(twin: &Twin) {
    eventually("the port is shut", SHUT, || twin.is_shut().then_some(()));
}

/// The recipients and texts that arrived, each of them once.
///
/// # Panics
/// When one arrived twice.
#[track_caller]
pub fn arrived_once(received: &Received) -> HashSet<(&str, &str)> {
    let mut seen = HashSet::with_capacity(received.messages.len());
    for message in &received.messages {
        let new = seen.insert((message.to.as_str(), message.text.as_str()));
        assert!(new, "arrived twice: {} {}", message.to, message.text);
    }
    seen
}

/// `interline twins` as a process.
#[derive(Debug)]
pub struct TwinProcess {
    child: Child,
    twins: Vec<Value>,
}

impl TwinProcess {
    /// Starts it on free ports with further arguments.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(arguments: &[&str]) -> Self {
        let place = Place::empty();
        let mut command = place.command();
        command.args(["--json", "twins", "--port-base", "0"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("an output that is read");
        let first = serde_json::Deserializer::from_reader(stdout).into_iter::<Vec<Value>>().next();
        let twins = first.and_then(Result::ok).expect("the twins say where they are");
        Self { child, twins }
    }

    /// The base URL of a vendor's twin.
    ///
    /// # Panics
    /// When there is no such vendor.
    pub fn url(&self, vendor: &str) -> String {
        let twin = self.twins.iter().find(|twin| twin["vendor"] == vendor);
        twin.and_then(|twin| twin["url"].as_str()).expect("a twin of that vendor").to_owned()
    }

    /// Messages and calls that a vendor's twin has received.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn counts(&self, vendor: &str) -> (u64, u64) {
        let counts = self.client(vendor).get("/_twin/received?summary=1").of(200);
        (counts["total"].as_u64().unwrap_or(0), counts["calls"].as_u64().unwrap_or(0))
    }

    /// What a vendor's twin has kept of what it received.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn received(&self, vendor: &str) -> Received {
        serde_json::from_value(self.client(vendor).get("/_twin/received").of(200)).expect("a log")
    }

    fn client(&self, vendor: &str) -> Client {
        let url = self.url(vendor);
        let addr = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        Client::new(addr.parse::<SocketAddr>().expect("the twin's address"))
    }
}

impl Drop for TwinProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
