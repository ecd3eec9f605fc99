//! Another configuration while everything runs. All of it is built and checked before anything is swapped;
//! then the book is swapped whole and the lanes are told. Lanes go on with their queues, calls and limits;
//! one whose provider is gone hands over what waits and ends when nobody can give it anything any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use interline_core::error::{Error, ErrorKind};
use interline_core::route::Routes;
use interline_ledger::Ledger;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clock;
use crate::engine::{Engine, Inner};
use crate::lane::{Beginning, Event, Lane, Lanes, Surroundings};
use crate::metrics::ProviderLabels;
use crate::pace::Pace;
use crate::provider::Book;
use crate::settings::EngineSettings;
use crate::steer::PAUSE;

/// How often it is looked whether a lane that goes away may end.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked whether the times of routes changed: they are told in minutes.
const TIMES: Duration = Duration::from_secs(1);
/// How long a lane that is idle may take to end.
const ENDS: Duration = Duration::from_secs(10);
/// How long the use of a contract is remembered whose provider is gone: longer than any period.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Providers that are new.
    pub added: Vec<Arc<str>>,
    /// Providers that are configured otherwise.
    pub changed: Vec<Arc<str>>,
    /// Providers that are gone.
    pub removed: Vec<Arc<str>>,
}

/// What a lane used of its contracts, and when it ended.
type Legacy = (Instant, Vec<Pace>);

/// What changes of the configuration need to remember.
#[derive(Debug)]
pub(crate) struct Changes {
    /// One change at a time.
    one: tokio::sync::Mutex<()>,
    around: Surroundings,
    /// Books that somebody may still hold.
    past: Mutex<Vec<Weak<Book>>>,
    /// What was used of contracts whose lane has ended.
    legacies: Mutex<BTreeMap<Arc<str>, Legacy>>,
}

impl Changes {
    pub(crate) fn new(around: Surroundings) -> Self {
        Self {
            one: tokio::sync::Mutex::default(),
            around,
            past: Mutex::default(),
            legacies: Mutex::default(),
        }
    }

    /// Starts the lane of a provider; one that was paused still is.
    fn start(&self, book: &Book, name: &Arc<str>, paused: &[String]) -> Option<crate::lane::LaneHandle> {
        let provider = book.providers.get(name)?;
        let paused = paused.iter().any(|other| **other == **name);
        if paused {
            tracing::warn!(provider = %name, "the provider is paused; its messages wait until it is resumed");
        }
        let mut legacies = self.legacies.lock().unwrap_or_else(PoisonError::into_inner);
        legacies.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        let paces = legacies.remove(name).map(|(_, paces)| paces).unwrap_or_default();
        Some(Lane::start(Arc::clone(provider), self.around.clone(), Beginning { paused, paces }))
    }

    /// Starts a lane for each provider.
    pub(crate) fn start_all(&self, book: &Book, paused: &[String]) -> Lanes {
        let started = book.providers.keys().filter_map(|name| {
            let lane = self.start(book, name, paused)?;
            Some((Arc::clone(name), lane))
        });
        started.collect()
    }

    /// Whether somebody may still route to a provider by an older book.
    fn is_remembered(&self, name: &str) -> bool {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.retain(|book| book.strong_count() > 0);
        past.iter().filter_map(Weak::upgrade).any(|book| book.providers.contains_key(name))
    }
}

/// The providers that are paused.
pub(crate) async fn paused(ledger: &Ledger) -> Result<Vec<String>, interline_ledger::Error> {
    Ok(ledger.facts(PAUSE).await?.into_iter().map(|fact| fact.name).collect())
}

/// Speaks what the servers of new providers were found to speak, where that is to be found out. What a provider
/// that was there before speaks, its lane finds out.
pub(crate) async fn recall_dialects(
    book: &Book,
    before: Option<&Book>,
    ledger: &Ledger,
) -> Result<(), interline_ledger::Error> {
    let known = |name: &str| before.is_some_and(|before| before.providers.contains_key(name));
    for fact in ledger.facts("dialect").await?.into_iter().filter(|fact| !known(&fact.name)) {
        let unknown =
            |provider: &&Arc<crate::provider::Provider>| provider.is_auto() && provider.adapter().is_none();
        let Some(provider) = book.providers.get(fact.name.as_str()).filter(unknown) else { continue };
        let dialect = std::str::from_utf8(&fact.value).unwrap_or_default();
        if let Err(error) = provider.speak(dialect) {
            tracing::warn!(provider = fact.name, error = %error, "the remembered dialect is not usable; asking the server");
        }
    }
    Ok(())
}

impl Engine {
    /// Goes on under another configuration. Messages that have not left are routed again; calls under way
    /// end as they began; limits count on.
    ///
    /// # Errors
    /// Why the configuration cannot be used; everything is as it was then.
    pub async fn reload(&self, mut settings: EngineSettings) -> Result<Reloaded, Error> {
        let changes = &self.inner.changes;
        let _one = changes.one.lock().await;
        let (before, ledger) = (self.book(), &self.inner.ledger);
        let migrations = std::mem::take(&mut settings.migrations);
        let mut book = Book::new(settings, Some(&before))?;
        self.refuse_orphans(&before, &book).await?;
        let asked = (migrations, &*book.routes);
        let migrations = before.migrations.renewed(asked, ledger, &self.inner.metrics).await?;
        book.migrations = Arc::new(migrations);
        // A ledger that cannot be read now keeps nobody from anything: the servers are asked.
        let recalled = recall_dialects(&book, Some(&before), ledger).await;
        let paused = paused(ledger).await;
        if let Err(error) = recalled.and(paused.as_ref().map(|_| ()).map_err(Clone::clone)) {
            tracing::warn!(error = %error, "what the ledger remembers of new providers could not be read");
        }
        for (name, _) in book.providers.iter().filter(|(_, provider)| provider.is_moved()) {
            if let Err(error) = ledger.forget("dialect", name).await {
                tracing::warn!(provider = %name, error = %error, "what the server before spoke could not be forgotten");
            }
        }
        let reloaded = self.swap(book, &paused.unwrap_or_default());
        for name in &reloaded.removed {
            tokio::spawn(retire(Arc::downgrade(&self.inner), Arc::clone(name)));
        }
        Ok(reloaded)
    }

    /// Changes what is in force at run time, as a migration does. Messages that have not left are routed again.
    pub(crate) async fn revise(&self, change: impl FnOnce(&mut Book)) {
        let _one = self.inner.changes.one.lock().await;
        let mut book = Book::clone(&self.book());
        change(&mut book);
        self.put(book);
        self.tell_all();
    }

    /// Refuses a book that lacks a provider for which messages wait, and says nowhere where they go.
    async fn refuse_orphans(&self, before: &Book, book: &Book) -> Result<(), Error> {
        let gone =
            |name: &str| !book.providers.contains_key(name) && book.routes.drains().get(name).is_none();
        if !before.providers.keys().any(|name| gone(name)) {
            return Ok(());
        }
        let unreadable = |error| {
            Error::new(ErrorKind::Config, "cannot tell whether messages wait for a provider that is left out")
                .because(error)
        };
        let queues = self.inner.ledger.status().await.map_err(unreadable)?.queues;
        // What waited for nobody before is no fault of this configuration.
        let queue = queues.iter().find(|queue| {
            queue.messages > 0 && before.providers.contains_key(&*queue.provider) && gone(&queue.provider)
        });
        let Some(queue) = queue else { return Ok(()) };
        let (name, messages) = (&queue.provider, queue.messages);
        let detail = format!(
            "{messages} messages wait for the provider {name}, which is left out; keep it until they are sent, or \
             write drain_to = \"ANOTHER\" in [providers.{name}] to have another one send them"
        );
        Err(Error::new(ErrorKind::Config, detail))
    }

    /// Puts a book in force. Nothing of this can fail.
    fn swap(&self, book: Book, paused: &[String]) -> Reloaded {
        let (before, changes) = (self.book(), &self.inner.changes);
        let mut reloaded = Reloaded::default();
        for (name, provider) in &book.providers {
            match before.providers.get(name) {
                None => reloaded.added.push(Arc::clone(name)),
                Some(old) if !Arc::ptr_eq(old, provider) => reloaded.changed.push(Arc::clone(name)),
                Some(_) => {}
            }
        }
        let gone = before.providers.keys().filter(|name| !book.providers.contains_key(*name));
        reloaded.removed.extend(gone.cloned());
        for names in [&mut reloaded.added, &mut reloaded.changed, &mut reloaded.removed] {
            names.sort_unstable();
        }
        let book = self.put(book);
        let mut lanes = Lanes::clone(&self.lanes());
        for name in &reloaded.added {
            // A lane that was about to end goes on instead.
            if !lanes.contains_key(name)
                && let Some(lane) = changes.start(&book, name, paused)
            {
                lanes.insert(Arc::clone(name), lane);
            }
        }
        let lanes = Arc::new(lanes);
        self.inner.lanes.swap(Arc::clone(&lanes));
        let tell = |name: &Arc<str>, event: Event| {
            if let Some(lane) = lanes.get(name) {
                // A lane that has stopped hears of nothing any more.
                drop(lane.events.send(event));
            }
        };
        for name in reloaded.added.iter().chain(&reloaded.changed) {
            if let Some(provider) = book.providers.get(name) {
                tell(name, Event::Provider(Arc::clone(provider)));
            }
        }
        reloaded.added.iter().for_each(|name| tell(name, Event::Gone(false)));
        for name in &reloaded.removed {
            tell(name, Event::Gone(true));
        }
        self.tell_all();
        reloaded
    }

    fn put(&self, book: Book) -> Arc<Book> {
        let book = Arc::new(book);
        let before = self.inner.book.swap(Arc::clone(&book));
        let mut past = self.inner.changes.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.retain(|book| book.strong_count() > 0);
        past.push(Arc::downgrade(&before));
        book
    }

    /// Has every lane route again what it holds.
    pub(crate) fn tell_all(&self) {
        for lane in self.lanes().values() {
            // A lane that has stopped has nothing to route any more.
            drop(lane.events.send(Event::Reroute));
        }
    }

    /// Whether nothing of a provider that is gone is left, and nothing can come.
    async fn is_over(&self, name: &str) -> bool {
        if self.inner.changes.is_remembered(name) {
            return false;
        }
        let busy = self.lanes().get(name).is_some_and(|lane| {
            let view = lane.view.lock().unwrap_or_else(PoisonError::into_inner);
            view.waiting > 0 || view.in_flight > 0
        });
        // The dear question comes last.
        if busy || !self.inner.ledger.next_due_ms(name).await.is_ok_and(|due| due.is_none()) {
            return false;
        }
        // Also what is paused.
        let status = self.inner.ledger.status().await;
        status.is_ok_and(|status| status.queues.iter().all(|queue| *queue.provider != *name))
    }

    /// Ends the lane of a provider that is gone, if it may end; false to look again.
    async fn end_lane(&self, name: &Arc<str>) -> bool {
        if self.book().providers.contains_key(name) {
            return true;
        }
        if !self.is_over(name).await {
            return false;
        }
        let changes = &self.inner.changes;
        let _one = changes.one.lock().await;
        if self.book().providers.contains_key(name) {
            return true;
        }
        let Some(lane) = self.lanes().get(name).cloned() else { return true };
        let (done, ended) = oneshot::channel();
        // One that has stopped already needs no telling.
        drop(lane.events.send(Event::Stop(done)));
        if tokio::time::timeout(ENDS, ended).await.is_err() {
            tracing::warn!(provider = %name, "the lane of a provider that is gone is slow to end");
        }
        let mut lanes = Lanes::clone(&self.lanes());
        lanes.remove(name);
        self.inner.lanes.swap(Arc::new(lanes));
        let paces = std::mem::take(&mut *lane.legacy.lock().unwrap_or_else(PoisonError::into_inner));
        let mut legacies = changes.legacies.lock().unwrap_or_else(PoisonError::into_inner);
        legacies.insert(Arc::clone(name), (Instant::now(), paces));
        let labels = ProviderLabels { provider: Arc::clone(name) };
        self.inner.metrics.waiting.remove(&labels);
        self.inner.metrics.in_flight.remove(&labels);
        tracing::info!(provider = %name, "the provider is gone");
        true
    }
}

/// Has what waits routed again whenever the time is over, or has come, that a route names.
pub(crate) async fn follow_times(inner: Weak<Inner>) {
    let mut last: Option<(Weak<Routes>, Vec<bool>)> = None;
    loop {
        tokio::time::sleep(TIMES).await;
        let Some(inner) = inner.upgrade() else { return };
        let routes = Arc::clone(&inner.book.now().routes);
        let times = routes.times(clock::now_ms());
        let changed = last.as_ref().is_some_and(|(of, before)| {
            // Other routes were told of when they came into force.
            of.as_ptr() == Arc::as_ptr(&routes) && *before != times
        });
        if changed {
            (Engine { inner }).revise(|_| {}).await;
        }
        last = Some((Arc::downgrade(&routes), times));
    }
}

/// Ends the lane of a provider that is gone, as soon as it may end.
async fn retire(inner: Weak<Inner>, name: Arc<str>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        if (Engine { inner }).end_lane(&name).await {
            return;
        }
    }
}
