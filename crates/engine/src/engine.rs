//! The public face: batches in, results out. A [`Engine`] is a cheap handle on the lanes, the ledger
//! and the book of providers and routes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use interline_core::breaker::State;
use interline_core::error::{Error, ErrorKind};
use interline_core::id;
use interline_core::message::Head;
use interline_core::options::Priority;
use interline_core::outcome::Status;
use interline_core::pack::Parcel;
use interline_ledger::{IdempotencyKey, Ledger, NewBatch, NewCallback, NewParcel, QueueStatus, Waiting};
use sha2::{Digest as _, Sha256};
use tokio::sync::{broadcast, oneshot};

use crate::callback::{self, Courier};
use crate::clock;
use crate::denied::Denied;
use crate::lane::{Event, LaneHandle, Lanes, Surroundings};
use crate::metrics::{Metrics, ProviderLabels};
use crate::migration::{self, Migrations, Shadow};
use crate::provider::Book;
use crate::reload::{self, Changes};
use crate::room::Room;
use crate::settings::EngineSettings;
use crate::shelf::Shelf;
use crate::trace;
use crate::view::{ClassView, ProviderView};

/// How long an idempotency key is kept, in milliseconds.
const KEY_LASTS_MS: i64 = 24 * 60 * 60 * 1000;
/// When a caller may ask again for the answer of a request that is still running.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A cheap handle on everything that runs.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) book: Arc<Shelf<Book>>,
    pub(crate) ledger: Ledger,
    pub(crate) lanes: Arc<Shelf<Lanes>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) announce: broadcast::Sender<String>,
    pub(crate) direct_ids: AtomicU64,
    pub(crate) room: Arc<Room>,
    pub(crate) shadow: Shadow,
    pub(crate) changes: Changes,
    pub(crate) courier: Arc<Courier>,
}

impl Engine {
    /// Starts a lane for each provider. Work that the ledger holds goes on at once.
    ///
    /// # Errors
    /// `config` when a provider's settings cannot work.
    pub async fn start(mut settings: EngineSettings, ledger: Ledger) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::new());
        metrics.gauges.follow(&ledger);
        let migrations = std::mem::take(&mut settings.migrations);
        let mut book = Book::new(settings, None)?;
        book.migrations = Arc::new(Migrations::load(migrations, &ledger, &metrics).await?);
        book.migrations.look_for_lost(&book.routes, &ledger).await;
        let shelf = Arc::new(Shelf::new(book));
        let book = shelf.now();
        let unreadable = |error| Error::new(ErrorKind::Config, "cannot read the ledger").because(error);
        reload::recall_dialects(&book, None, &ledger).await.map_err(unreadable)?;
        let queues = ledger.status().await.map_err(unreadable)?.queues;
        drain_unknown(&book, &ledger, &queues).await.map_err(unreadable)?;
        let (announce, _) = broadcast::channel(1024);
        let around = Surroundings {
            book: Arc::clone(&shelf),
            ledger: ledger.clone(),
            metrics: Arc::clone(&metrics),
            announce: announce.clone(),
            peers: Arc::new(Shelf::new(Lanes::new())),
        };
        let paused = reload::paused(&ledger).await.map_err(unreadable)?;
        let peers = Arc::clone(&around.peers);
        let changes = Changes::new(around);
        peers.swap(Arc::new(changes.start_all(&book, &paused)));
        let direct_ids = AtomicU64::new(0);
        let room = Arc::new(Room::of(&queues));
        let shadow = Shadow::start(Arc::clone(&shelf));
        let courier = Arc::<Courier>::default();
        let inner = Inner {
            book: shelf,
            ledger,
            lanes: peers,
            metrics,
            announce,
            direct_ids,
            room,
            shadow,
            changes,
            courier,
        };
        let inner = Arc::new(inner);
        tokio::spawn(migration::keep(Arc::downgrade(&inner)));
        tokio::spawn(reload::follow_times(Arc::downgrade(&inner)));
        tokio::spawn(callback::run(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// The providers and routes in force: one snapshot for all of a request.
    pub(crate) fn book(&self) -> Arc<Book> {
        self.inner.book.now()
    }

    /// The lanes as they stand.
    pub(crate) fn lanes(&self) -> Arc<Lanes> {
        self.inner.lanes.now()
    }

    /// The providers and how they are doing.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderView> {
        let (book, lanes) = (self.book(), self.lanes());
        let mut views = Vec::new();
        for (name, lane) in &*lanes {
            let Some(provider) = book.providers.get(name) else { continue };
            let seen = lane.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let adapter = provider.adapter();
            let profile = provider.assumed();
            let profile = profile.profile();
            let classes = provider
                .paces(profile)
                .into_iter()
                .map(|pace| ClassView {
                    name: pace.class.to_owned(),
                    calls: pace.calls,
                    messages: pace.messages,
                    messages_per_call: pace.messages_per_call as u64,
                    frozen_until: seen
                        .frozen
                        .get(pace.class)
                        .map(|at| interline_core::record::time_text(*at)),
                })
                .collect();
            views.push(ProviderView {
                name: name.to_string(),
                vendor: provider.settings.vendor.name.to_owned(),
                base_url: provider.settings.base_url.clone(),
                dialect_setting: provider.settings.dialect.clone().unwrap_or_else(|| "auto".to_owned()),
                dialect: adapter.as_ref().map(|adapter| adapter.profile().dialect.to_owned()),
                state: match (seen.paused, &adapter) {
                    _ if seen.draining => "draining",
                    (true, _) => "paused",
                    (false, Some(_)) => "ready",
                    (false, None) => "waiting",
                },
                breaker: breaker_name(seen.breaker),
                breaker_until: match seen.breaker {
                    State::Open { until_ms } => Some(interline_core::record::time_text(until_ms)),
                    State::Closed | State::HalfOpen | State::Restarting => None,
                },
                trouble: seen.trouble,
                waiting: seen.waiting as u64,
                in_flight: seen.in_flight as u64,
                in_flight_limit: provider.in_flight() as u64,
                timeout_ms: u64::try_from(provider.timeout().as_millis()).unwrap_or(u64::MAX),
                classes,
                accepted_means: adapter.map(|adapter| adapter.profile().accepted_means),
            });
        }
        views
    }

    /// Asks a provider's server which dialect it speaks, with requests that reach nobody; none when no
    /// probe was answered in a known way.
    pub async fn probe(&self, name: &str) -> Option<&'static str> {
        let provider = Arc::clone(self.book().providers.get(name)?);
        provider.probe().await
    }

    /// The Prometheus exposition.
    #[must_use]
    pub async fn metrics(&self) -> String {
        let now_ms = clock::now_ms();
        let waiting = self.inner.ledger.waiting(now_ms).await;
        if waiting.is_err() {
            self.inner.metrics.gauges.unreadable();
        }
        self.show(&waiting.unwrap_or_default(), now_ms)
    }

    /// Sets what is looked at and not counted, and writes everything down.
    fn show(&self, waiting: &[Waiting], now_ms: i64) -> String {
        let metrics = &self.inner.metrics;
        let _showing = metrics.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let gauges = &metrics.gauges;
        gauges.clear();
        metrics.waiting.clear();
        metrics.in_flight.clear();
        gauges.queue(self.inner.ledger.queued_commands());
        self.providers().iter().for_each(|view| gauges.lane(view));
        for (name, lane) in &*self.lanes() {
            let due = waiting.iter().find(|due| due.provider == **name);
            let seen = lane.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let labels = ProviderLabels { provider: Arc::clone(name) };
            let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            self.inner.metrics.waiting.get_or_create(&labels).set(whole(seen.waiting));
            self.inner.metrics.in_flight.get_or_create(&labels).set(whole(seen.in_flight));
            gauges.waiting(name, due, seen.oldest_ms, now_ms);
        }
        for migration in self.book().migrations.all() {
            let state = migration.state();
            self.inner.metrics.migration(&migration.settings.name, state.phase, state.percent);
        }
        let lanes = i64::try_from(self.lanes().len()).unwrap_or(i64::MAX);
        self.inner.metrics.lanes.set(lanes);
        self.inner.metrics.text()
    }

    /// Whether the ledger answers and every lane runs.
    ///
    /// # Errors
    /// What is not ready, for an operator.
    pub async fn ready(&self) -> Result<(), String> {
        if let Err(error) = self.inner.ledger.ready().await {
            return Err(format!("the ledger cannot take batches now: {error}"));
        }
        let book = self.book();
        let stopped = |(name, lane): &(&Arc<str>, &LaneHandle)| {
            book.providers.contains_key(*name) && lane.events.is_closed()
        };
        match self.lanes().iter().find(stopped) {
            Some((name, _)) => Err(format!("the lane of {name} has stopped")),
            None => Ok(()),
        }
    }

    /// The ledger, for retention and status.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Stops claiming, finishes the calls under way, gives the rest back. What is still under way after
    /// `within` will be found as *unknown* at the next start.
    pub async fn stop(&self, within: Duration) {
        let mut stopped = Vec::new();
        for lane in self.lanes().values() {
            let (done, stop) = oneshot::channel();
            if lane.events.send(Event::Stop(done)).is_ok() {
                stopped.push(stop);
            }
        }
        let all = futures_util::future::join_all(stopped);
        let told = self.inner.courier.stop(within);
        let (stopped, ()) = tokio::join!(tokio::time::timeout(within, all), told);
        if stopped.is_err() {
            tracing::warn!("calls were still under way at the deadline; their messages will be unknown");
        }
        self.write_migrations().await;
    }

    /// Stops and closes the ledger.
    pub async fn shutdown(&self, within: Duration) {
        self.stop(within).await;
        self.inner.ledger.close().await;
    }

    /// Waits until the batch is settled, or the time is over; true when it is settled.
    ///
    /// # Errors
    /// `NotFound`, or the ledger's.
    pub async fn settled(&self, batch_id: &str, within: Duration) -> Result<bool, Denied> {
        let mut news = self.inner.announce.subscribe();
        let until = tokio::time::Instant::now() + within;
        loop {
            let batch = self.inner.ledger.batch(batch_id).await?.ok_or(Denied::NotFound)?;
            // One that was cancelled may still have calls under way.
            if batch.settled_ms.is_some() {
                return Ok(true);
            }
            loop {
                match tokio::time::timeout_at(until, news.recv()).await {
                    Err(_) => return Ok(false),
                    Ok(Ok(id)) if id != batch_id => {}
                    // Settled, or so much news that some was missed: look again.
                    Ok(Ok(_) | Err(_)) => break,
                }
            }
        }
    }

    pub(crate) fn wake(&self, providers: impl IntoIterator<Item = impl AsRef<str>>) {
        let lanes = self.lanes();
        for provider in providers {
            if let Some(lane) = lanes.get(provider.as_ref()) {
                // A lane that has stopped leaves the work to the next start.
                drop(lane.events.send(Event::Wake));
            }
        }
    }

    pub(crate) fn next_direct_id(&self) -> u64 {
        self.inner.direct_ids.fetch_add(1, Ordering::Relaxed)
    }
}

/// Moves what waits for providers that are gone to where the configuration says.
async fn drain_unknown(
    book: &Book,
    ledger: &Ledger,
    queues: &[QueueStatus],
) -> Result<(), interline_ledger::Error> {
    for queue in queues.iter().filter(|queue| !book.providers.contains_key(&*queue.provider)) {
        let name = Arc::<str>::from(queue.provider.as_str());
        let to = book.routes.end_of(&name);
        if *to == name {
            tracing::error!(
                provider = queue.provider,
                messages = queue.messages,
                "messages wait for a provider that the configuration no longer has; add it again, or give it drain_to, to have them sent"
            );
            continue;
        }
        ledger.drain_provider(&name, to).await?;
        tracing::info!(provider = %name, to = %to, messages = queue.messages, "what waited for a provider that is gone goes to another one");
    }
    Ok(())
}

/// The breaker's state as the API names it.
const fn breaker_name(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open { .. } => "open",
        State::HalfOpen => "half_open",
        State::Restarting => "restarting",
    }
}

/// A fresh batch id.
pub(crate) fn new_batch_id(now_ms: i64) -> String {
    id::batch_id(now_ms, &clock::random())
}

/// The row of a new batch.
pub(crate) fn new_batch(batch_id: &str, app: &str, head: &Head, head_text: &str, now_ms: i64) -> NewBatch {
    let stored = trace::origin().and_then(|origin| origin.store(head_text));
    NewBatch {
        id: batch_id.to_owned(),
        app: app.to_owned(),
        created_ms: now_ms,
        send_at_ms: head.send_at_ms,
        expires_at_ms: head.expires_at_ms,
        priority: match head.options.priority {
            Priority::Low => -1,
            Priority::Normal => 0,
            Priority::High => 1,
        },
        head: stored.unwrap_or_else(|| head_text.to_owned()).into_bytes(),
        labels: head.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        redriven_from: None,
        marks: Vec::new(),
        copies: Arc::default(),
        callback: head
            .callback
            .as_ref()
            .map(|callback| NewCallback { url: callback.url.clone(), each: callback.each }),
    }
}

/// The row of a new parcel, all of its messages queued.
pub(crate) fn new_parcel(seq: u32, parcel: Parcel, send_at_ms: Option<i64>) -> NewParcel {
    NewParcel {
        seq,
        provider: parcel.provider,
        first_index: u32::try_from(parcel.first_index).unwrap_or(u32::MAX),
        states: vec![Status::Queued; parcel.count],
        not_before_ms: send_at_ms.unwrap_or_default(),
        body: parcel.body,
        recipients: parcel.recipients,
        ids: parcel.ids,
        record: None,
    }
}

/// The row of an idempotency key.
pub(crate) fn key_row(app: &str, key: &str, body_hash: Vec<u8>, now_ms: i64) -> IdempotencyKey {
    IdempotencyKey {
        app: app.to_owned(),
        key: key.to_owned(),
        body_hash,
        now_ms,
        expires_ms: now_ms + KEY_LASTS_MS,
        answer: None,
    }
}

/// What an idempotency key is bound to: the body, and which call it was handed to. The answer to a
/// stored batch is none to a direct send.
pub(crate) fn body_hash(call: &str, body: &str) -> Vec<u8> {
    Sha256::new().chain_update(call).chain_update(b":").chain_update(body).finalize().to_vec()
}
