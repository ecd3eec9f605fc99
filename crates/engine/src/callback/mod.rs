//! Tells apps what became of their batches. What is to be told stands in the ledger from the moment on that it
//! is true; here it is looked for, made into signed requests and offered until the receiver takes it. A receiver
//! sees each event at least once, under an id that is always the same.
//!
//! Each endpoint has a task of its own while there is something for it, so that none waits for another.

mod body;
mod guard;
mod metrics;
mod schedule;
mod send;
mod settings;
mod sign;
mod view;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use interline_ledger::{Attempt, Attempted, ErrorKind, Event, Taken};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) use metrics::CallbackMetrics;
pub use settings::{CallbackSettings, Secret};
pub use view::{CallbackView, LastView};

use crate::clock;
use crate::engine::{Engine, Inner};
use guard::Lookup;
use send::{Came, Post, Sender};

/// How often it is looked for something to tell when nothing says that there is.
const POLL: Duration = Duration::from_secs(1);
/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Attempts under way to one endpoint; one that fails gets one at a time.
const IN_FLIGHT: usize = 8;
/// Attempts under way in all.
const ALL_IN_FLIGHT: usize = 256;
/// Endpoints that are looked for at once.
const ENDPOINTS: usize = 256;
/// How often waiting events are counted for the metrics.
const COUNT: Duration = Duration::from_secs(10);
/// How long the ledger is left alone when it cannot take something.
const AGAIN: Duration = Duration::from_millis(500);

/// Delivers callbacks.
pub(crate) struct Courier {
    wake: Notify,
    stopping: AtomicBool,
    /// Endpoints that have a task.
    running: Mutex<HashSet<i64>>,
    slots: Semaphore,
    lookup: Lookup,
    sender: Mutex<Option<Arc<Sender>>>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Default for Courier {
    fn default() -> Self {
        Self {
            wake: Notify::new(),
            stopping: AtomicBool::new(false),
            running: Mutex::default(),
            slots: Semaphore::new(ALL_IN_FLIGHT),
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
        self.stopping.load(Ordering::Relaxed)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins no more attempts and waits for those under way. What is not told then is told after the next start.
    pub(crate) async fn stop(&self, within: Duration) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake();
        let until = Instant::now() + within;
        while !self.running().is_empty() && Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
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
        let wait = look.unwrap_or(POLL).clamp(PAUSE, POLL);
        let courier = Arc::clone(&strong.courier);
        // Nobody who is waited for keeps the engine.
        drop(strong);
        let woken = async {
            tokio::select! {
                () = courier.wake.notified() => {}
                // Whatever settled may be told; so may what was missed.
                _ = news.recv() => {}
            }
        };
        drop(tokio::time::timeout(wait, woken).await);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Starts a task for each endpoint that is due; answers when to look again.
async fn look(inner: &Arc<Inner>) -> Option<Duration> {
    let now_ms = clock::now_ms();
    let most = ENDPOINTS + inner.courier.running().len();
    let due = match inner.ledger.due_endpoints(now_ms, most).await {
        Ok(due) => due,
        Err(error) => {
            tracing::debug!(%error, "callbacks cannot be looked for now");
            return None;
        }
    };
    for endpoint in due.due {
        let mut running = inner.courier.running();
        if running.len() >= ENDPOINTS {
            // The next one that ends has it looked at again.
            return None;
        }
        if running.insert(endpoint) {
            tokio::spawn(serve(Arc::clone(inner), endpoint));
        }
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

/// Tells an endpoint all that there is for it now.
async fn serve(inner: Arc<Inner>, endpoint: i64) {
    let mut attempts: JoinSet<i64> = JoinSet::new();
    let mut busy: Vec<i64> = Vec::new();
    while !inner.courier.is_stopping() {
        let taken = inner.ledger.take_events(endpoint, clock::now_ms(), IN_FLIGHT, busy.clone()).await;
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(%error, "events cannot be read now");
                tokio::time::sleep(AGAIN).await;
                break;
            }
        };
        if let Some(Taken { app, url, events }) = taken {
            for event in events {
                busy.push(event.id);
                attempts.spawn(attempt(Arc::clone(&inner), (endpoint, app.clone(), url.clone()), event));
            }
        }
        if busy.is_empty() {
            break;
        }
        // What comes up meanwhile does not wait for the slowest.
        match tokio::time::timeout(AGAIN, attempts.join_next()).await {
            Ok(Some(Ok(event))) => busy.retain(|other| *other != event),
            // One that ended early is never told apart: what is left of them ends, and all is looked at anew.
            Ok(Some(Err(_)) | None) => break,
            Err(_) => {}
        }
    }
    while let Some(ended) = attempts.join_next().await {
        if ended.is_err() {
            tracing::error!("an attempt to deliver a callback ended early");
        }
    }
    if let Err(error) = inner.ledger.rest_endpoint(endpoint).await {
        tracing::debug!(%error, "when a callback is due cannot be noted now");
    }
    inner.courier.running().remove(&endpoint);
    inner.courier.wake();
}

/// Makes one attempt and records what came of it.
async fn attempt(inner: Arc<Inner>, (endpoint, app, url): (i64, String, String), event: Event) -> i64 {
    let id = event.id;
    let engine = Engine { inner: Arc::clone(&inner) };
    let Ok(_slot) = inner.courier.slots.acquire().await else { return id };
    let settings = Arc::clone(&engine.book().callbacks);
    let began = Instant::now();
    let came = tell(&engine, &settings, (&app, &url), &event).await;
    let Some(came) = came else { return id };
    inner.metrics.callbacks.attempted(came.result, began.elapsed().as_secs_f64());
    let now_ms = clock::now_ms();
    let next = schedule::next(&settings.retries, event.step, came.retry_after, clock::chance());
    let at = |pause: Duration| now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    // What is refused for good is not given up: it waits until somebody enables the endpoint.
    let retry_ms = next.retry.map(at).or_else(|| came.gone.then_some(now_ms));
    let gave_up = !came.delivered && retry_ms.is_none();
    let came_of = if came.delivered {
        Attempted::Delivered
    } else {
        Attempted::Failed {
            retry_ms,
            hold_ms: at(next.hold),
            wait_until_ms: next.wait.map(at),
            disable: came.gone.then(|| format!("{}: it wants nothing more", came.answer)),
            disable_after_ms: i64::try_from(settings.disable_after.as_millis()).unwrap_or(i64::MAX),
        }
    };
    let answer = came.answer.clone();
    let done = Attempt { event: id, endpoint, now_ms, answer, came_of };
    let disabled = record(&inner, done).await;
    say(&app, &url, &event, &came, (gave_up, disabled));
    if gave_up {
        inner.metrics.callbacks.gave_up();
    }
    id
}

/// Signs an event and sends it; none when it cannot be read now.
async fn tell(
    engine: &Engine,
    settings: &CallbackSettings,
    (app, url): (&str, &str),
    event: &Event,
) -> Option<Came> {
    let Some(secrets) = settings.secrets.get(app).filter(|secrets| !secrets.is_empty()) else {
        return Some(Came::failed("unsigned", "not sent: the app has no callback_secrets any more"));
    };
    let body = match engine.event_body(event).await {
        Ok(Some(body)) => body,
        // Its batch was pruned, and the event with it.
        Ok(None) => return None,
        Err(error) => {
            tracing::warn!(%error, batch.id = event.batch_id, "an event cannot be read now");
            tokio::time::sleep(AGAIN).await;
            return None;
        }
    };
    let Some(sender) = engine.inner.courier.sender(settings) else {
        return Some(Came::failed("invalid", "not sent: no connections can be prepared"));
    };
    let (id, timestamp) = (body::id(event), clock::now_ms() / 1_000);
    let signature = sign::signatures(secrets, &id, timestamp, &body);
    Some(sender.post(Post { url: url.to_owned(), id, timestamp, signature, body }).await)
}

/// Records an attempt, as soon as the ledger can. One that cannot be recorded is made again.
async fn record(inner: &Inner, done: Attempt) -> bool {
    loop {
        match inner.ledger.end_attempt(done.clone()).await {
            Ok(disabled) => return disabled,
            Err(error) if error.kind() == ErrorKind::Corrupt || inner.courier.is_stopping() => {
                tracing::error!(%error, "what came of a callback cannot be recorded; it will be sent again");
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "what came of a callback cannot be recorded now");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Logs what an operator should know. Of the URL only the host is told: the rest may hold secrets.
fn say(app: &str, url: &str, event: &Event, came: &Came, (gave_up, disabled): (bool, bool)) {
    let parsed = reqwest::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    let (answer, kind, attempt) = (&came.answer, body::kind(event.kind), event.attempts.saturating_add(1));
    let batch = &event.batch_id;
    if disabled {
        tracing::warn!(app, host, answer, "a receiver of callbacks is disabled; enable it once it is well");
    }
    if gave_up {
        tracing::warn!(app, host, batch.id = batch, kind, attempt, answer, "a callback is given up");
    } else if came.delivered {
        tracing::debug!(app, host, batch.id = batch, kind, attempt, answer, "a callback was delivered");
    } else {
        tracing::info!(
            app,
            host,
            batch.id = batch,
            kind,
            attempt,
            answer,
            "a callback failed and will be tried again"
        );
    }
}
