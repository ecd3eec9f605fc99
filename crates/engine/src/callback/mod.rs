//! Tells apps what became of their batches. What is to be told stands in the ledger from the moment on that it
//! is true; here it is looked for, made into signed requests and offered until the receiver takes it. A receiver
//! sees each event at least once, under an id that is always the same.
//!
//! One task looks for endpoints that are due and gives them slots; with those, events are taken from the ledger and
//! each is told by a task of its own. Nobody waits for a slot, so there are never more tasks than slots.

mod attempt;
mod body;
mod guard;
mod metrics;
mod schedule;
mod send;
mod settings;
mod sign;
mod slots;
mod view;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use metrics::CallbackMetrics;
pub use settings::{CallbackSettings, Secret};
pub use view::{CallbackView, LastView};

use crate::clock;
use crate::engine::Inner;
use guard::Lookup;
use send::Sender;
use slots::Slots;

/// How often it is looked for something to tell when nothing says that there is.
const POLL: Duration = Duration::from_secs(1);
/// The shortest pause between two looks.
const BREATH: Duration = Duration::from_millis(10);
/// How long news of batches gather: they come in crowds.
const GATHER: Duration = Duration::from_millis(40);
/// Most endpoints of one app that one look finds.
const ENDPOINTS: usize = 256;
/// How often waiting events are counted for the metrics.
const COUNT: Duration = Duration::from_secs(10);
/// How long the ledger is left alone when it cannot take something.
const AGAIN: Duration = Duration::from_millis(500);

/// Delivers callbacks.
pub(crate) struct Courier {
    wake: Notify,
    stopping: AtomicBool,
    slots: Slots,
    lookup: Lookup,
    sender: Mutex<Option<Arc<Sender>>>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Default for Courier {
    fn default() -> Self {
        Self {
            wake: Notify::new(),
            stopping: AtomicBool::new(false),
            slots: Slots::default(),
            lookup: guard::system(),
            sender: Mutex::default(),
        }
    }
}

impl Courier {
    /// Has it look for something to tell.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Begins no more attempts and waits for those under way. What is not told then is told after the next start.
    pub(crate) async fn stop(&self, within: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake();
        let until = Instant::now() + within;
        while !self.slots.are_free() && Instant::now() < until {
            tokio::time::sleep(BREATH).await;
        }
    }

    /// What sends under these settings. Connections are kept as long as they do not change.
    fn sender(&self, settings: &CallbackSettings) -> Option<Arc<Sender>> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fitting) = sender.as_ref().filter(|sender| sender.fits(settings)) {
            return Some(Arc::clone(fitting));
        }
        let new = Arc::new(Sender::new(settings, Arc::clone(&self.lookup))?);
        *sender = Some(Arc::clone(&new));
        Some(new)
    }
}

/// Looks for endpoints that are due, until the engine is gone.
pub(crate) async fn run(inner: Weak<Inner>) {
    let Some(first) = inner.upgrade() else { return };
    let mut news = first.announce.subscribe();
    drop(first);
    let mut counted: Option<Instant> = None;
    loop {
        let Some(strong) = inner.upgrade() else { return };
        if strong.courier.is_stopping() {
            return;
        }
        let look = look(&strong).await;
        if counted.is_none_or(|last| last.elapsed() >= COUNT) {
            counted = Some(Instant::now());
            count(&strong).await;
        }
        let wait = look.unwrap_or(POLL).clamp(BREATH, POLL);
        let courier = Arc::clone(&strong.courier);
        // Nobody who is waited for keeps the engine.
        drop(strong);
        let woken = async {
            tokio::select! {
                () = courier.wake.notified() => {}
                // Whatever settled may be told; so may what was missed.
                _ = news.recv() => drop(tokio::time::timeout(GATHER, courier.wake.notified()).await),
            }
        };
        drop(tokio::time::timeout(wait, woken).await);
        tokio::time::sleep(BREATH).await;
    }
}

/// Gives slots to endpoints that are due; answers when to look again.
async fn look(inner: &Arc<Inner>) -> Option<Duration> {
    let now_ms = clock::now_ms();
    let courier = &inner.courier;
    let due = match inner.ledger.due_endpoints(now_ms, ENDPOINTS, courier.slots.underway()).await {
        Ok(due) => due,
        Err(error) => {
            tracing::debug!(%error, "callbacks cannot be looked for now");
            return None;
        }
    };
    for turn in Slots::allot(courier, &due.due) {
        tokio::spawn(attempt::take(Arc::clone(inner), turn));
    }
    let wait_ms = due.next_ms?.saturating_sub(now_ms);
    Some(Duration::from_millis(wait_ms.max(0).unsigned_abs()))
}

async fn count(inner: &Inner) {
    if let Ok((disabled, waiting)) = inner.ledger.count_callbacks().await {
        let metrics = &inner.metrics.callbacks;
        metrics.disabled.set(i64::try_from(disabled).unwrap_or(i64::MAX));
        metrics.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
