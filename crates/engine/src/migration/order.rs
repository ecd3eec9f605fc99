//! What people order. A change is on disk before it is in force; only going back does not wait for a disk
//! that fails.

use std::sync::Arc;
use std::time::Duration;

use interline_core::migration::{Order, Phase};

use super::{Migration, MigrationReport, MigrationView, stored};
use crate::clock;
use crate::denied::Denied;
use crate::engine::Engine;

/// How long going back waits for the ledger.
const LEDGER: Duration = Duration::from_secs(1);

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
        let turn = migration.changing.lock().await;
        let (before, name) = (migration.state(), &migration.settings.name);
        let refused = |said: String| Denied::Conflict(format!("the migration {name}: {said}"));
        let state = before.after(order, why, clock::now_ms()).map_err(refused)?;
        if state == *before {
            return Ok(());
        }
        if matches!(order, Order::Start { .. }) {
            migration.count_anew();
        }
        let remembered = self.inner.ledger.remember(migration.fact(stored::bytes(migration, &state)));
        if state.phase == Phase::RolledBack {
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
        } else {
            remembered.await?;
        }
        tracing::info!(migration = %name, phase = state.phase.as_str(), percent = state.percent, "the migration changes");
        migration.turn_to(state);
        drop(turn);
        self.reroute().await;
        Ok(())
    }

    /// Has what waits in the lanes go where it belongs now.
    pub(super) async fn reroute(&self) {
        self.revise(|_| {}).await;
    }
}
