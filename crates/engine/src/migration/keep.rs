//! What happens by itself: gates are judged four times a second, counts are written every second, and a
//! cohort's file is read again when it changed.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use interline_core::breaker;
use interline_core::migration::{Cohort, Order};
use interline_ledger::{Fact, Ledger};
use tokio::time::MissedTickBehavior;

use super::{KIND, Migration, stored};
use crate::clock;
use crate::engine::{Engine, Inner};
use crate::shelf::Shelf;

/// How often gates are judged.
const JUDGE: Duration = Duration::from_millis(250);
/// How many of these pass between two writes.
const WRITE_EVERY: u32 = 4;

/// A file's length and time of change.
type Stamp = (u64, Option<SystemTime>);

/// A cohort, and the file that it is read from.
#[derive(Debug)]
pub(super) struct CohortFile {
    path: PathBuf,
    read: Mutex<Option<Stamp>>,
    cohort: Shelf<Cohort>,
}

impl CohortFile {
    /// Reads a file.
    pub(super) fn open(path: PathBuf) -> Result<Self, String> {
        let (stamp, cohort) = read(&path)?;
        Ok(Self { path, read: Mutex::new(Some(stamp)), cohort: Shelf::new(cohort) })
    }

    /// The file, as it was configured.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Who is in it.
    pub(super) fn now(&self) -> Arc<Cohort> {
        self.cohort.now()
    }

    /// Reads the file again if it changed; one that cannot be read leaves the cohort as it is. True when there
    /// is another cohort now.
    fn refresh(&self) -> bool {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path).ok();
        if stamp == *known {
            return false;
        }
        // Told once for each state of the file.
        *known = stamp;
        match read(&self.path) {
            Ok((stamp, cohort)) => {
                tracing::info!(recipients = cohort.len(), "the cohort of a migration was read again");
                *known = Some(stamp);
                let same = *self.cohort.now() == cohort;
                self.cohort.swap(Arc::new(cohort));
                !same
            }
            Err(why) => {
                tracing::warn!(%why, "the cohort of a migration changed and cannot be read; it stays as it was");
                false
            }
        }
    }
}

fn stamp(path: &PathBuf) -> Result<Stamp, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn read(path: &PathBuf) -> Result<(Stamp, Cohort), String> {
    let stamp = stamp(path)?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cohort = Cohort::read(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok((stamp, cohort))
}

impl Migration {
    /// Writes what was counted since the last time. What the ledger cannot take is offered again.
    pub(super) async fn write(&self, ledger: &Ledger) {
        if !self.unwritten.swap(false, Ordering::Relaxed) {
            return;
        }
        let _turn = self.changing.lock().await;
        let state = self.state();
        if let Err(error) = ledger.remember(self.fact(stored::bytes(self, &state))).await {
            self.unwritten.store(true, Ordering::Relaxed);
            tracing::warn!(migration = %self.settings.name, %error, "the counts of a migration could not be written; they are offered again");
        }
    }

    pub(super) fn fact(&self, value: Vec<u8>) -> Fact {
        let (kind, name) = (KIND.to_owned(), self.settings.name.to_string());
        Fact { kind, name, value, changed_ms: clock::now_ms() }
    }
}

/// Keeps the migrations of an engine as long as it is there.
pub(crate) async fn keep(inner: Weak<Inner>) {
    let mut ticks = tokio::time::interval(JUDGE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0u32;
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let engine = Engine { inner };
        turn = turn.wrapping_add(1);
        let book = engine.book();
        for migration in book.migrations.all() {
            engine.judge(migration).await;
            if turn.is_multiple_of(WRITE_EVERY) {
                engine.refresh_cohort(migration).await;
                migration.write(&engine.inner.ledger).await;
            }
        }
    }
}

impl Engine {
    /// Rolls a migration back whose gates trip.
    async fn judge(&self, migration: &Arc<Migration>) {
        let lanes = self.lanes();
        let away = lanes.get(&migration.settings.to).is_some_and(|lane| {
            let view = lane.view.lock().unwrap_or_else(PoisonError::into_inner);
            matches!(view.breaker, breaker::State::Open { .. })
        });
        migration.unreachable.store(away, Ordering::Relaxed);
        if !migration.phase().is_judged() {
            return;
        }
        let seen = migration.counts().window.sum(clock::now_ms());
        let Some(tripped) = migration.bounds.now().gates.tripped(&seen) else { return };
        let why = tripped.to_string();
        tracing::error!(migration = %migration.settings.name, why, "a gate trips; the migration rolls itself back");
        if let Err(error) = self.change(migration, Order::Rollback, Some(&why)).await {
            tracing::error!(migration = %migration.settings.name, %error, "the migration cannot be rolled back");
        }
    }

    /// Reads a cohort again where its file changed, away from those who must not wait for a disk.
    async fn refresh_cohort(&self, migration: &Arc<Migration>) {
        let bounds = migration.bounds.now();
        if bounds.cohort.is_none() {
            return;
        }
        let refresh = move || bounds.cohort.as_ref().is_some_and(CohortFile::refresh);
        let refreshed = tokio::task::spawn_blocking(refresh).await;
        if refreshed.unwrap_or(false) {
            self.reroute().await;
        }
    }

    /// Writes what migrations counted.
    pub(crate) async fn write_migrations(&self) {
        for migration in self.book().migrations.all() {
            migration.write(&self.inner.ledger).await;
        }
    }
}
