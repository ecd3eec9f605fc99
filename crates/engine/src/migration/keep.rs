//! What happens by itself: gates are judged four times a second; beside that, so that a slow disk keeps nobody from
//! going back, counts are written every second, and a cohort's file is read again when it changed.

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
/// How often counts are written and files looked at.
const WRITE: Duration = Duration::from_secs(1);
/// How long a write may take before orders go first; it is offered again.
const LEDGER: Duration = Duration::from_secs(2);

/// A file's length and time of change.
type Stamp = (u64, Option<SystemTime>);

/// A cohort, and the file that it is read from.
#[derive(Debug)]
pub(super) struct CohortFile {
    path: PathBuf,
    seen: Mutex<Seen>,
    cohort: Shelf<Cohort>,
}

/// What was seen of a file.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When it was last read, or found to be unreadable.
    read: Option<Stamp>,
    /// When it was last looked at.
    looked: Option<Stamp>,
}

impl CohortFile {
    /// Reads a file.
    pub(super) fn open(path: PathBuf) -> Result<Self, String> {
        let stamp = stamp(&path)?;
        let cohort = read(&path)?;
        let seen = Seen { read: Some(stamp), looked: Some(stamp) };
        Ok(Self { path, seen: Mutex::new(seen), cohort: Shelf::new(cohort) })
    }

    /// The file, as it was configured.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Who is in it.
    pub(super) fn now(&self) -> Arc<Cohort> {
        self.cohort.now()
    }

    /// Reads the file again if it changed and two looks find it the same: one that is being written is not whole.
    /// One that cannot be read, or names nobody, leaves the cohort as it is. True when there is another cohort now.
    fn refresh(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path).ok();
        if std::mem::replace(&mut seen.looked, now) != now || now == seen.read {
            return false;
        }
        // Told once for each state of the file.
        seen.read = now;
        match read(&self.path) {
            Ok(_) if stamp(&self.path).ok() != now => {
                // It is being written after all.
                seen.read = None;
                false
            }
            Ok(cohort) if cohort.is_empty() => {
                tracing::warn!(path = %self.path.display(), "the cohort of a migration names nobody now; it stays as it was");
                false
            }
            Ok(cohort) => {
                tracing::info!(recipients = cohort.len(), "the cohort of a migration was read again");
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

fn read(path: &PathBuf) -> Result<Cohort, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Cohort::read(&text).map_err(|why| format!("{}: {why}", path.display()))
}

impl Migration {
    /// Writes what was counted since the last time. What the ledger cannot take is offered again.
    pub(super) async fn write(&self, ledger: &Ledger) {
        if !self.unwritten.swap(false, Ordering::Relaxed) {
            return;
        }
        let _turn = self.changing.lock().await;
        let state = self.state();
        let remembered = ledger.remember(self.fact(stored::bytes(self, &state)));
        let error = match tokio::time::timeout(LEDGER, remembered).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the ledger is slow".to_owned(),
        };
        self.unwritten.store(true, Ordering::Relaxed);
        tracing::warn!(migration = %self.settings.name, error, "the counts of a migration could not be written; they are offered again");
    }

    pub(super) fn fact(&self, value: Vec<u8>) -> Fact {
        let (kind, name) = (KIND.to_owned(), self.settings.name.to_string());
        Fact { kind, name, value, changed_ms: clock::now_ms() }
    }
}

/// Keeps the migrations of an engine as long as it is there.
pub(crate) async fn keep(inner: Weak<Inner>) {
    tokio::spawn(write(inner.clone()));
    let mut ticks = every(JUDGE);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let engine = Engine { inner };
        for migration in engine.book().migrations.all() {
            engine.judge(migration).await;
        }
    }
}

/// What takes its time: the ledger, and files.
async fn write(inner: Weak<Inner>) {
    let mut ticks = every(WRITE);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let engine = Engine { inner };
        for migration in engine.book().migrations.all() {
            engine.refresh_cohort(migration).await;
            migration.write(&engine.inner.ledger).await;
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
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
        let refresh = move || bounds.cohort.as_ref().is_some_and(|cohort| cohort.refresh());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Rewrites a file and looks at it, so many times.
    fn looked(file: &CohortFile, text: &str, looks: usize) -> usize {
        std::fs::write(&file.path, text).unwrap();
        (0..looks).for_each(|_| {
            file.refresh();
        });
        file.now().len()
    }

    #[test]
    fn a_cohort_that_is_being_written_moves_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("moved.csv");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        let file = CohortFile::open(path).unwrap();
        assert_eq!(looked(&file, "", 1), 3);
        assert_eq!(looked(&file, "a\n", 1), 3);
        assert_eq!(looked(&file, "a\nb\n", 1), 3, "it was read while it grew");
        assert_eq!(looked(&file, "a\nb\nc\nd\n", 2), 4);
        assert_eq!(looked(&file, "", 3), 4, "an empty file moved everybody back");
        assert_eq!(looked(&file, "user:\n", 3), 4);
        assert_eq!(looked(&file, "a\nb\n", 2), 2);
    }
}
