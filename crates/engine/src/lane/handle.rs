//! A lane seen from outside: what it is told, what may be seen of it, and what it needs to begin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use interline_core::breaker;
use interline_ledger::{Held, Ledger};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::parcel::HeldParcel;
use super::{Lanes, call, claim, loan, lookup};
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::provider::{Book, Provider};
use crate::shelf::Shelf;

/// What a lane is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// Send this now; its caller waits.
    Direct(Box<HeldParcel>),
    /// The caller of a direct parcel stopped waiting.
    Withdraw(u64),
    /// The ledger may have work.
    Wake,
    /// Parcels came from the ledger, opened; none when it could not be asked.
    Claimed(Option<Box<claim::Claimed>>),
    /// What the ledger held was given to whom the provider drains to.
    Drained,
    /// Leases were renewed, or not.
    Renewed(Vec<(u32, Held)>),
    /// Batches were paused, resumed or cancelled: look at once.
    Recheck,
    /// Make no call until told otherwise.
    Pause(bool),
    /// Another lane lends a parcel.
    Lent(Box<HeldParcel>),
    /// Another lane reports of what was lent to it.
    Returned(Box<loan::Returned>),
    /// Another lane wants back what it lent of a parcel.
    Recall {
        /// Its provider.
        provider: Arc<str>,
        /// Its key of the parcel.
        key: u32,
        /// Whether what is under way is given up as unknown.
        at_once: bool,
    },
    /// A vendor answered what became of a message.
    Answered(Box<lookup::Answer>),
    /// A call came back.
    Arrived(Box<call::Arrival>),
    /// So many calls are over and written.
    Over(usize),
    /// When the ledger has work next, Unix milliseconds.
    NextDue(Option<i64>),
    /// The dialect is known, or still not.
    Probed(Arc<Provider>, Option<&'static str>),
    /// The provider as it is configured now.
    Provider(Arc<Provider>),
    /// The configuration or a migration changed: route again what has not left.
    Reroute,
    /// Another account stands under this provider's name now.
    Replaced(Arc<str>),
    /// Whether the provider is gone from the configuration.
    Gone(bool),
    /// Claim nothing more, finish what is under way, then answer.
    Stop(oneshot::Sender<()>),
}

/// What people may see of a lane.
#[derive(Debug, Clone)]
pub(crate) struct LaneView {
    pub(crate) waiting: usize,
    pub(crate) in_flight: usize,
    /// Since when the oldest message waits, Unix milliseconds.
    pub(crate) oldest_ms: Option<i64>,
    pub(crate) trouble: Option<String>,
    pub(crate) frozen: BTreeMap<&'static str, i64>,
    pub(crate) breaker: breaker::State,
    pub(crate) paused: bool,
    /// Whether it takes what other lanes lend.
    pub(crate) willing: bool,
    /// Whether what waits goes to another provider.
    pub(crate) draining: bool,
}

impl LaneView {
    pub(super) const fn new(paused: bool) -> Self {
        Self {
            waiting: 0,
            in_flight: 0,
            oldest_ms: None,
            trouble: None,
            frozen: BTreeMap::new(),
            breaker: breaker::State::Closed,
            paused,
            willing: false,
            draining: false,
        }
    }
}

/// The engine's end of a lane.
#[derive(Debug, Clone)]
pub(crate) struct LaneHandle {
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) view: Arc<Mutex<LaneView>>,
    /// What the lane leaves behind when it ends: what was used of its limits.
    pub(crate) legacy: Arc<Mutex<Vec<Pace>>>,
}

/// How a lane begins.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// Whether it makes no call until it is told to.
    pub(crate) paused: bool,
    /// What an earlier lane of the provider used of its limits.
    pub(crate) paces: Vec<Pace>,
}

/// What every lane needs of its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) book: Arc<Shelf<Book>>,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) announce: broadcast::Sender<String>,
    pub(crate) peers: Arc<Shelf<Lanes>>,
}
