//! Twins by name, as many as a test wants, each of its own vendor and dialect. They live in the test's
//! process, which outlives every server that it kills.

use std::net::{Ipv4Addr, SocketAddr};

use interline_twins::{Received, Twin, TwinsConfig, Vendor};
use tokio::runtime::Runtime;

/// The twins, and the runtime that they serve on.
#[derive(Debug)]
pub struct Troupe {
    twins: Vec<(String, Twin)>,
    runtime: Runtime,
}

impl Default for Troupe {
    fn default() -> Self {
        Self::new()
    }
}

impl Troupe {
    /// No twins yet.
    ///
    /// # Panics
    /// When there is no runtime to be had.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { twins: Vec::new(), runtime: runtime.expect("a runtime") }
    }

    /// Starts a twin without rate limits, of which it tells the URL. An empty dialect is the default.
    ///
    /// # Panics
    /// When it does not start.
    pub fn add(&mut self, name: &str, vendor: Vendor, dialect: &str) -> String {
        let config = TwinsConfig::ephemeral().dialect(vendor, dialect).unlimited();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let twin = self.runtime.block_on(Twin::start_with(&config, vendor, addr)).expect("the twin starts");
        let url = twin.url();
        self.twins.push((name.to_owned(), twin));
        url
    }

    /// A twin.
    ///
    /// # Panics
    /// When there is none of that name.
    #[track_caller]
    pub fn twin(&self, name: &str) -> &Twin {
        let found = self.twins.iter().find(|(known, _)| known == name);
        found.map(|(_, twin)| twin).expect("a twin of that name")
    }

    /// All of them, with their names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Twin)> {
        self.twins.iter().map(|(name, twin)| (name.as_str(), twin))
    }

    /// How many calls were read by any twin and have no answer yet.
    pub fn open_calls(&self) -> u64 {
        self.twins.iter().map(|(_, twin)| twin.open_calls()).sum()
    }

    /// Drops all faults; what arrived stays known.
    pub fn clear_faults(&self) {
        self.twins.iter().for_each(|(_, twin)| twin.clear_faults());
    }

    /// What arrived where.
    pub fn received(&self) -> Vec<(&str, Received)> {
        self.all().map(|(name, twin)| (name, twin.received())).collect()
    }
}
