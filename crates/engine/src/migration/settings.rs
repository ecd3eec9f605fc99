//! What the engine is told of a migration.

use std::path::PathBuf;
use std::sync::Arc;

use interline_core::migration::Gates;

/// `[migrations.NAME]`, checked: its route exists and leads to `from`, `to` exists and is another one.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationSettings {
    /// Its name.
    pub name: Arc<str>,
    /// Whose messages it moves; of one route there is one migration.
    pub route: Arc<str>,
    /// The provider that the route chooses.
    pub from: Arc<str>,
    /// The provider that the messages move to.
    pub to: Arc<str>,
    /// When it rolls itself back.
    pub gates: Gates,
    /// The file with who may be moved; none is everybody.
    pub cohort: Option<PathBuf>,
}

impl MigrationSettings {
    /// Whether both move the same messages between the same providers.
    pub(crate) fn leads_as(&self, other: &Self) -> bool {
        self.route == other.route && self.from == other.from && self.to == other.to
    }
}
