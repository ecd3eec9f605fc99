//! Starting twins and holding them: one, or all four.
//!
//! A twin serves on the caller's tokio runtime and stops when it is dropped or shut down.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::call::Emulation;
use crate::clock::Clock;
use crate::fault::{Fault, Faults, Rack};
use crate::imkit::ImKit;
use crate::netease::NetEase;
use crate::openim::OpenIm;
use crate::received::{Log, Received};
use crate::server::{self, Gate, Shared};
use crate::vendor::Vendor;
use crate::wukongim::WuKongIm;

/// How the four twins start.
#[derive(Debug, Clone)]
pub struct TwinsConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// N: the twins listen on N+1 to N+4, in the order of [`Vendor::ALL`]; 0: on free ports.
    pub port_base: u16,
    /// Dialects by vendor; a vendor without one speaks its default.
    pub dialects: BTreeMap<Vendor, String>,
    /// WuKongIM's manager token; without one its API is open.
    pub wukongim_token: Option<String>,
    /// Vendors whose documented rate limits are enforced; NetEase alone by default.
    pub enforce_limits: Vec<Vendor>,
    /// Faults that are armed from the start.
    pub faults: Faults,
    /// How many received messages each twin keeps; more are counted only.
    pub keep: usize,
}

impl Default for TwinsConfig {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_base: 9500,
            dialects: BTreeMap::new(),
            wukongim_token: None,
            enforce_limits: vec![Vendor::NetEase],
            faults: Faults::default(),
            keep: usize::MAX,
        }
    }
}

impl TwinsConfig {
    /// The default configuration on free ports: what tests want.
    pub fn ephemeral() -> Self {
        Self { port_base: 0, ..Self::default() }
    }

    /// Sets the dialect of one vendor.
    #[must_use]
    pub fn dialect(mut self, vendor: Vendor, dialect: &str) -> Self {
        self.dialects.insert(vendor, dialect.to_owned());
        self
    }

    /// Switches off all rate limits, for load runs.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.enforce_limits.clear();
        self
    }

    fn addr(&self, vendor: Vendor) -> io::Result<SocketAddr> {
        if self.port_base == 0 {
            return Ok(SocketAddr::new(self.host, 0));
        }
        let port = self.port_base.checked_add(vendor.port_offset());
        let port =
            port.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "port base is too high"))?;
        Ok(SocketAddr::new(self.host, port))
    }

    fn emulation(&self, vendor: Vendor) -> Box<dyn Emulation> {
        let limited = self.enforce_limits.contains(&vendor);
        match vendor {
            Vendor::WuKongIm => Box::new(WuKongIm::new(self.wukongim_token.clone())),
            Vendor::OpenIm => Box::new(OpenIm::new()),
            Vendor::ImKit => Box::new(ImKit::new(limited)),
            Vendor::NetEase => Box::new(NetEase::new(limited)),
        }
    }

    async fn start(&self, vendor: Vendor, addr: SocketAddr) -> io::Result<Twin> {
        let wanted = self.dialects.get(&vendor).map_or("", String::as_str);
        let Some(dialect) = vendor.dialect_index(wanted) else {
            let known = vendor.dialects().join(", ");
            let why = format!("{vendor} has no dialect \"{wanted}\", expected one of {known}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let listener = TcpListener::bind(addr).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {addr} for {vendor}: {error}"))
        })?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            vendor,
            emulation: self.emulation(vendor),
            dialect: AtomicUsize::new(dialect),
            log: Log::keeping(self.keep),
            open: AtomicU64::new(0),
            rack: Rack::new(),
            clock: Clock::default(),
            gate: watch::Sender::new(Gate::Open),
            listening: AtomicBool::new(true),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        for fault in self.faults.of(vendor) {
            shared.arm(fault.clone());
        }
        let accepting = tokio::spawn(server::accept(Arc::clone(&shared), listener, addr));
        Ok(Twin { shared, addr, accepting: Some(accepting) })
    }
}

/// One running twin.
#[derive(Debug)]
pub struct Twin {
    shared: Arc<Shared>,
    addr: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl Twin {
    /// Starts one twin; an empty `dialect` is the vendor's default.
    ///
    /// # Errors
    /// If the address is taken or the vendor has no such dialect.
    pub async fn start(vendor: Vendor, dialect: &str, addr: SocketAddr) -> io::Result<Self> {
        TwinsConfig::default().dialect(vendor, dialect).start(vendor, addr).await
    }

    /// Starts one twin with a configuration of its own (the ports in it are not used).
    ///
    /// # Errors
    /// As [`Twin::start`].
    pub async fn start_with(config: &TwinsConfig, vendor: Vendor, addr: SocketAddr) -> io::Result<Self> {
        config.start(vendor, addr).await
    }

    /// Which vendor this is.
    pub fn vendor(&self) -> Vendor {
        self.shared.vendor
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The base URL, as a client of that vendor is configured with it (NetEase: with `/nimserver`).
    pub fn url(&self) -> String {
        let prefix = if self.vendor() == Vendor::NetEase { "/nimserver" } else { "" };
        format!("http://{}{prefix}", self.addr)
    }

    /// The URL of a control endpoint, for example `received`.
    pub fn control_url(&self, control: &str) -> String {
        format!("http://{}/_twin/{control}", self.addr)
    }

    /// What arrived since the last reset.
    pub fn received(&self) -> Received {
        self.shared.log.snapshot()
    }

    /// How many messages arrived, without copying them.
    pub fn total(&self) -> u64 {
        self.shared.log.counts().0
    }

    /// How many sending calls were read.
    pub fn calls(&self) -> u64 {
        self.shared.log.counts().1
    }

    /// How many sending calls were read and have no answer yet.
    pub fn open_calls(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Arms a fault.
    pub fn set_fault(&self, fault: Fault) {
        self.shared.arm(fault);
    }

    /// Whether a port that refuses does so by now: nobody listens, and no connection waits for a request.
    pub fn is_shut(&self) -> bool {
        self.shared.is_shut()
    }

    /// Drops all faults and opens a refusing port again; what arrived stays known. A call that hangs
    /// already gets no answer any more.
    pub fn clear_faults(&self) {
        self.shared.disarm();
    }

    /// Clears the log, the faults and the vendor's state, and opens a refusing port again.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// The dialect it speaks now.
    pub fn dialect(&self) -> &'static str {
        self.shared.dialect()
    }

    /// Switches the dialect; false if the vendor has none of that name.
    pub fn speak(&self, dialect: &str) -> bool {
        self.shared.speak(dialect)
    }

    /// Moves the twin's clock forward: tokens expire, rate windows and penalties pass.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Closes the port and every connection, and waits until the port is free.
    pub async fn shutdown(mut self) {
        self.shared.gate.send_replace(Gate::Closed);
        if let Some(accepting) = self.accepting.take() {
            accepting.await.ok();
        }
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.shared.gate.send_replace(Gate::Closed);
    }
}

/// The four twins.
#[derive(Debug)]
pub struct Twins {
    wukongim: Twin,
    openim: Twin,
    imkit: Twin,
    netease: Twin,
}

impl Twins {
    /// Starts all four.
    ///
    /// # Errors
    /// If a port is taken or a dialect is unknown; those already started stop again.
    pub async fn start(config: TwinsConfig) -> io::Result<Self> {
        Ok(Self {
            wukongim: config.start(Vendor::WuKongIm, config.addr(Vendor::WuKongIm)?).await?,
            openim: config.start(Vendor::OpenIm, config.addr(Vendor::OpenIm)?).await?,
            imkit: config.start(Vendor::ImKit, config.addr(Vendor::ImKit)?).await?,
            netease: config.start(Vendor::NetEase, config.addr(Vendor::NetEase)?).await?,
        })
    }

    /// The WuKongIM twin.
    pub fn wukongim(&self) -> &Twin {
        &self.wukongim
    }

    /// The OpenIM twin.
    pub fn openim(&self) -> &Twin {
        &self.openim
    }

    /// The IMKit twin.
    pub fn imkit(&self) -> &Twin {
        &self.imkit
    }

    /// The NetEase twin.
    pub fn netease(&self) -> &Twin {
        &self.netease
    }

    /// The twin of a vendor.
    pub fn of(&self, vendor: Vendor) -> &Twin {
        match vendor {
            Vendor::WuKongIm => &self.wukongim,
            Vendor::OpenIm => &self.openim,
            Vendor::ImKit => &self.imkit,
            Vendor::NetEase => &self.netease,
        }
    }

    /// All four, in the order of their ports.
    pub fn all(&self) -> [&Twin; 4] {
        Vendor::ALL.map(|vendor| self.of(vendor))
    }

    /// Resets all four.
    pub fn reset(&self) {
        for twin in self.all() {
            twin.reset();
        }
    }

    /// Closes all ports and connections.
    pub async fn shutdown(self) {
        self.wukongim.shutdown().await;
        self.openim.shutdown().await;
        self.imkit.shutdown().await;
        self.netease.shutdown().await;
    }
}
