//! Migrations at run time: which of a route's messages turn to the new provider, what both providers answer,
//! and the changes that people and gates make. The ledger remembers phase and counts; what decides about a
//! message is one number in memory, so that a change is in force for everybody at once.

mod copied;
mod keep;
mod mirror;
mod order;
mod settings;
mod shadow;
mod stored;
mod taking;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interline_core::error::{Error, ErrorCode, ErrorKind, Failure, Fate};
use interline_core::message::Message;
use interline_core::migration::{self, Answered, Cohort, Finding, Gates, Phase, Side, State, Tally, Window};
use interline_core::outcome::Outcome;
use interline_core::route::{Detour, Route, Routes, Turn};
use interline_ledger::Ledger;

pub use settings::MigrationSettings;
pub use view::{
    CauseView, CohortView, GatesView, LossView, MigrationReport, MigrationView, ShadowView, SideView,
    SidesView, StepView, WindowView,
};

pub(crate) use copied::made_for;
use keep::CohortFile;
pub(crate) use keep::keep;
pub(crate) use mirror::Copies;
pub(crate) use shadow::{Shadow, Shown};
pub(crate) use taking::Taking;

use crate::clock;
use crate::metrics::{Metrics, MigrationCounters};
use crate::shelf::Shelf;

/// The kind of fact that a migration is.
const KIND: &str = "migration";
/// What stands before a migration's name where copies are forced to: no route has such a name.
const COPIES: &str = "mirror:";

/// All migrations.
#[derive(Debug, Default)]
pub(crate) struct Migrations {
    by_name: BTreeMap<Arc<str>, Arc<Migration>>,
    by_route: HashMap<Arc<str>, Arc<Migration>>,
}

/// One migration.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) settings: MigrationSettings,
    seed: u64,
    /// Phase and percent in one number: what decides about each message.
    dial: AtomicU16,
    state: Shelf<State>,
    bounds: Shelf<Bounds>,
    counts: Mutex<Counts>,
    counters: MigrationCounters,
    /// Whether the new provider's server is not there, by its breaker.
    unreachable: AtomicBool,
    /// Whether something was counted that the ledger does not have.
    unwritten: AtomicBool,
    /// One change at a time, and none while the ledger is written. Going back waits for nobody.
    changing: tokio::sync::Mutex<()>,
}

/// What a reload may change of a migration under way.
#[derive(Debug)]
struct Bounds {
    gates: Gates,
    cohort: Option<Arc<CohortFile>>,
}

impl Bounds {
    fn of(settings: &MigrationSettings) -> Result<Self, Error> {
        let open = |path| CohortFile::open(path).map(Arc::new);
        let cohort = settings.cohort.clone().map(open).transpose().map_err(|why| {
            Error::new(ErrorKind::Config, "cannot read the cohort of a migration")
                .with("migration", &settings.name)
                .because(why)
        })?;
        Ok(Self { gates: settings.gates, cohort })
    }

    /// The same where others were before: a cohort whose file is the same goes on, and is read again when the
    /// file is whole.
    fn after(mut self, before: &Self) -> Self {
        if let (Some(new), Some(old)) = (&self.cohort, &before.cohort)
            && new.name() == old.name()
        {
            self.cohort = Some(Arc::clone(old));
        }
        self
    }
}

/// What was counted since the migration was started.
#[derive(Debug, Default)]
struct Counts {
    from: Tally,
    to: Tally,
    shadow: Finding,
    /// What the new provider answered since the last change.
    window: Window,
}

impl Migrations {
    /// The configured migrations, each as the ledger remembers it.
    ///
    /// # Errors
    /// The ledger's, and cohorts that cannot be read.
    pub(crate) async fn load(
        settings: Vec<MigrationSettings>,
        ledger: &Ledger,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let unreadable = |error| Error::new(ErrorKind::Config, "cannot read the ledger").because(error);
        let facts = ledger.facts(KIND).await.map_err(unreadable)?;
        let mut all = Vec::with_capacity(settings.len());
        for settings in settings {
            let fact = facts.iter().find(|fact| *fact.name == *settings.name);
            let (state, counts) =
                fact.and_then(|fact| stored::read(&fact.value, &settings)).unwrap_or_default();
            all.push(Arc::new(Migration::new(settings, state, counts, metrics)?));
        }
        Ok(Self::of(all))
    }

    fn of(all: Vec<Arc<Migration>>) -> Self {
        let by_route = all.iter().map(|one| (Arc::clone(&one.settings.route), Arc::clone(one))).collect();
        let by_name = all.into_iter().map(|one| (Arc::clone(&one.settings.name), one)).collect();
        Self { by_name, by_route }
    }

    /// Tells of migrations that the ledger remembers and the configuration no longer has, and forgets those that
    /// are over: written down again, they begin anew.
    pub(crate) async fn look_for_lost(&self, routes: &Routes, ledger: &Ledger) {
        let facts = ledger.facts(KIND).await.unwrap_or_default();
        for fact in facts.iter().filter(|fact| !self.by_name.contains_key(&*fact.name)) {
            if let Some(lost) = stored::lost(&fact.value, routes) {
                tracing::error!(
                    migration = fact.name,
                    phase = lost.phase.as_str(),
                    route = lost.route,
                    "a migration is no longer in the configuration, and its route still leads to {}: what it had \
                     moved goes back there; write it down again to go on as it stood",
                    lost.from
                );
                continue;
            }
            if let Err(error) = ledger.forget(KIND, &fact.name).await {
                tracing::warn!(migration = fact.name, %error, "a migration that is over could not be forgotten");
            }
        }
    }

    /// The migrations of a new configuration: what is the same goes on as it stands.
    ///
    /// # Errors
    /// One that is under way is left out, or leads elsewhere now; unless it is done and its route no longer leads
    /// to where it came from.
    pub(crate) async fn renewed(
        &self,
        (settings, routes): (Vec<MigrationSettings>, &Routes),
        ledger: &Ledger,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        for (name, old) in self.by_name.iter().filter(|(_, old)| old.phase().is_under_way()) {
            let kept = settings.iter().any(|new| new.name == *name && new.leads_as(&old.settings));
            let over =
                old.phase() == Phase::Done && !leads_to(routes, &old.settings.route, &old.settings.from);
            if !kept && !over {
                let detail = format!(
                    "the migration {name} is in phase {}; roll it back, or finish it and have its route lead to {} \
                     alone, before it is left out or changed",
                    old.phase().as_str(),
                    old.settings.to
                );
                return Err(Error::new(ErrorKind::Config, detail));
            }
        }
        let goes_on = |new: &MigrationSettings| {
            self.by_name.get(&new.name).is_some_and(|old| new.leads_as(&old.settings))
        };
        let (same, new): (Vec<_>, Vec<_>) = settings.into_iter().partition(goes_on);
        let mut all: Vec<Arc<Migration>> =
            Self::load(new, ledger, metrics).await?.by_name.into_values().collect();
        let mut adopted = Vec::with_capacity(same.len());
        for new in &same {
            let Some(old) = self.by_name.get(&new.name) else { continue };
            adopted.push((Arc::clone(old), Bounds::of(new)?.after(&old.bounds.now())));
        }
        // From here on nothing can fail.
        for (old, bounds) in adopted {
            old.bounds.swap(Arc::new(bounds));
            all.push(old);
        }
        let renewed = Self::of(all);
        renewed.look_for_lost(routes, ledger).await;
        Ok(renewed)
    }

    /// The migration of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Migration>> {
        self.by_name.get(name)
    }

    /// The migration that has a say in what the route chose this provider for.
    pub(crate) fn of_choice(&self, route: &str, picked: &str) -> Option<&Arc<Migration>> {
        self.by_route.get(route).filter(|migration| *migration.settings.from == *picked)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Migration>> {
        self.by_name.values()
    }
}

impl Detour for Migrations {
    fn turn<'d>(&'d self, route: &Route, provider: &str, message: &Message) -> Option<Turn<'d>> {
        let migration = self.of_choice(&route.name, provider)?;
        let settings = &migration.settings;
        (migration.side(message) == Side::To)
            .then(|| Turn { provider: &settings.to, migration: &settings.name })
    }
}

impl Migration {
    fn new(
        settings: MigrationSettings,
        state: State,
        counts: Counts,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let bounds = Bounds::of(&settings)?;
        Ok(Self {
            seed: migration::seed(&settings.name),
            dial: AtomicU16::new(dial(&state)),
            state: Shelf::new(state),
            bounds: Shelf::new(bounds),
            counts: Mutex::new(counts),
            counters: metrics.of_migration(&settings.name),
            unreachable: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            changing: tokio::sync::Mutex::default(),
            settings,
        })
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.now()
    }

    /// Its phase.
    pub(crate) fn phase(&self) -> Phase {
        self.setting().0
    }

    /// Phase and percent.
    fn setting(&self) -> (Phase, u8) {
        let [phase, percent] = self.dial.load(Ordering::Acquire).to_be_bytes();
        (Phase::ALL.get(usize::from(phase)).copied().unwrap_or_default(), percent)
    }

    /// The side that takes a message.
    fn side(&self, message: &Message) -> Side {
        let setting = self.setting();
        let cohort = if setting.0 == Phase::Ramp { self.cohort() } else { None };
        migration::side(setting, self.seed, &message.to, cohort.as_deref())
    }

    /// The provider that takes a message now.
    pub(crate) fn taker(&self, message: &Message) -> &Arc<str> {
        match self.side(message) {
            Side::From => &self.settings.from,
            Side::To => &self.settings.to,
        }
    }

    /// Puts the state that `next` makes of the present one in force, if it makes one; returns it.
    fn turn<E>(
        &self,
        next: impl FnOnce(&Arc<State>) -> Result<Option<State>, E>,
    ) -> Result<Option<Arc<State>>, E> {
        // Whoever counts waits for it, so that nothing is counted in between.
        let mut counts = self.counts();
        let Some(state) = next(&self.state())? else { return Ok(None) };
        let state = Arc::new(state.from_now(clock::now_ms()));
        self.state.swap(Arc::clone(&state));
        counts.window.clear();
        self.dial.store(dial(&state), Ordering::Release);
        self.unwritten.store(true, Ordering::Relaxed);
        Ok(Some(state))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to count anew.
    fn count_anew(&self) {
        *self.counts() = Counts::default();
    }

    /// Counts what an attempt at one of the two providers came to; `first` is the message's first.
    pub(crate) fn answered(&self, provider: &str, outcome: &Outcome, took_ms: u32, first: bool) {
        let side = match provider {
            name if *name == *self.settings.to => Side::To,
            name if *name == *self.settings.from => Side::From,
            _ => return,
        };
        if self.phase() == Phase::Off {
            return;
        }
        let answered = match outcome {
            Outcome::Accepted(_) => Answered::Accepted,
            Outcome::Rejected(_) => Answered::Rejected,
            Outcome::Unknown(_) => Answered::Unknown,
        };
        let took_ms = (!outcome.failure().is_some_and(never_reached)).then_some(took_ms);
        let mut counts = self.counts();
        match side {
            Side::From => counts.from.add(answered, took_ms, first),
            Side::To => {
                counts.to.add(answered, took_ms, first);
                counts.window.add(clock::now_ms(), answered, took_ms);
            }
        }
        drop(counts);
        self.counters.answered(side, answered);
        self.unwritten.store(true, Ordering::Relaxed);
    }

    /// Whether a message for this provider is one for the new provider, whose server is not there.
    fn misses(&self, provider: &str) -> bool {
        *provider == *self.settings.to && self.unreachable.load(Ordering::Relaxed)
    }

    /// Tells that messages were taken for the new provider, whose server is not there. No call is made then that
    /// could fail, so this is what the gates see.
    fn missed(&self, count: u32) {
        let (now_ms, mut counts) = (clock::now_ms(), self.counts());
        for _ in 0..count {
            counts.window.add(now_ms, Answered::Rejected, None);
        }
    }

    /// Whether what was taken then was copied.
    fn copied(&self, at_ms: i64) -> bool {
        let state = self.state();
        let step = state.history.iter().rev().find(|step| step.at_ms <= at_ms);
        step.is_some_and(|step| step.phase == Phase::Both)
    }

    fn cohort(&self) -> Option<Arc<Cohort>> {
        self.bounds.now().cohort.as_ref().map(|cohort| cohort.now())
    }
}

/// Whether a route may choose a provider.
fn leads_to(routes: &Routes, route: &str, provider: &str) -> bool {
    let route = routes.all().iter().find(|known| *known.name == *route);
    route.is_some_and(|route| route.target.providers().any(|target| **target == *provider))
}

/// Whether no server was there to answer.
fn never_reached(failure: &Failure) -> bool {
    failure.fate == Fate::NotSent && failure.code == ErrorCode::VendorUnavailable
}

/// Phase and percent of a state in one number.
fn dial(state: &State) -> u16 {
    let phase = Phase::ALL.iter().position(|phase| *phase == state.phase).unwrap_or_default();
    u16::from_be_bytes([u8::try_from(phase).unwrap_or_default(), state.percent])
}
