//! What people order. A change is on disk before it is in force; only going back does not wait for a disk
//! that fails.

use std::sync::Arc;
use std::time::Duration;

use interline_core::migration::{Order, State};

use super::{Migration, MigrationReport, MigrationView, stored};
use crate::clock;
use crate::denied::Denied;
use crate::engine::Engine;

/// How long going back waits for the ledger.
const LEDGER: Duration = Duration::from_secs(1);
/// How long the lanes wait to hear of a change from a reload that is under way.
const RELOAD: Duration = Duration::from_millis(100);

impl Engine {
    /// All migrations.
    #[must_use]
    pub fn migrations(&self) -> Vec<MigrationView> {
        self.book().migrations.all().map(|migration| MigrationView::of(migration)).collect()
    }

    /// One migration.
    ///
    /// # Errors
    /// `NoMigration`.
    pub fn migration(&self, name: &str) -> Result<MigrationView, Denied> {
        Ok(MigrationView::of(&*self.migration_named(name)?))
    }

    /// What one migration found, moved and saw.
    ///
    /// # Errors
    /// `NoMigration`.
    pub fn migration_report(&self, name: &str) -> Result<MigrationReport, Denied> {
        Ok(MigrationReport::of(&*self.migration_named(name)?))
    }

    /// Does what is ordered of a migration, and shows where it stands then.
    ///
    /// # Errors
    /// `NoMigration`; `Conflict` where its phase does not allow it; the ledger's.
    pub async fn order_migration(&self, name: &str, order: Order) -> Result<MigrationView, Denied> {
        let migration = self.migration_named(name)?;
        self.change(&migration, order, None).await?;
        Ok(MigrationView::of(&migration))
    }

    fn migration_named(&self, name: &str) -> Result<Arc<Migration>, Denied> {
        let book = self.book();
        book.migrations.named(name).cloned().ok_or_else(|| Denied::NoMigration(name.to_owned()))
    }

    /// Changes a migration: on disk, in memory, and with what waits in the lanes.
    pub(super) async fn change(
        &self,
        migration: &Arc<Migration>,
        order: Order,
        why: Option<&str>,
    ) -> Result<(), Denied> {
        if order == Order::Rollback {
            return self.go_back(migration, why).await;
        }
        let turn = migration.changing.lock().await;
        let (before, name) = (migration.state(), &migration.settings.name);
        let state = migration.after(&before, order, why)?;
        if state == *before {
            return Ok(());
        }
        if matches!(order, Order::Start { .. }) {
            migration.count_anew();
        }
        self.inner.ledger.remember(migration.fact(stored::bytes(migration, &state))).await?;
        // Going back did not wait for the ledger, and is newer.
        let newer = || Denied::Conflict(format!("the migration {name}: it was rolled back meanwhile"));
        let turned = migration.turn(|now| match Arc::ptr_eq(now, &before) {
            true => Ok(Some(state)),
            false => Err(newer()),
        });
        drop(turn);
        self.turned(migration, turned?).await;
        Ok(())
    }

    /// Goes back: in force first, and on disk as soon as that is possible.
    async fn go_back(&self, migration: &Arc<Migration>, why: Option<&str>) -> Result<(), Denied> {
        let turned = migration.turn(|now| {
            let state = migration.after(now, Order::Rollback, why)?;
            Ok::<_, Denied>((state != **now).then_some(state))
        })?;
        let Some(state) = turned else { return Ok(()) };
        let name = &migration.settings.name;
        self.turned(migration, Some(Arc::clone(&state))).await;
        let remembered = self.inner.ledger.remember(migration.fact(stored::bytes(migration, &state)));
        match tokio::time::timeout(LEDGER, remembered).await {
            Ok(Ok(())) => {}
            // The counts are written every second, and the state with them.
            Ok(Err(error)) => {
                tracing::error!(migration = %name, %error, "going back is not written down yet")
            }
            Err(_) => {
                tracing::error!(migration = %name, "going back is not written down yet: the ledger is slow")
            }
        }
        Ok(())
    }

    /// Has what waits follow a change that is in force.
    async fn turned(&self, migration: &Migration, state: Option<Arc<State>>) {
        let Some(state) = state else { return };
        tracing::info!(migration = %migration.settings.name, phase = state.phase.as_str(), percent = state.percent, "the migration changes");
        self.reroute().await;
    }

    /// Has what waits in the lanes go where it belongs now. A reload that waits for the ledger keeps nobody.
    pub(super) async fn reroute(&self) {
        if tokio::time::timeout(RELOAD, self.revise(|_| {})).await.is_ok() {
            return;
        }
        self.tell_all();
        let engine = self.clone();
        tokio::spawn(async move { engine.revise(|_| {}).await });
    }
}

impl Migration {
    /// The state after an order.
    fn after(&self, state: &State, order: Order, why: Option<&str>) -> Result<State, Denied> {
        let refused = |said: String| {
            let name = &self.settings.name;
            Denied::Conflict(format!("the migration {name}: {said}"))
        };
        state.after(order, why, clock::now_ms()).map_err(refused)
    }
}
