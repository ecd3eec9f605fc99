//! Reads `[console]`: whether it is served, and how long who signed in stays so.

use std::time::Duration;

use super::file::Table;

/// The console and its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Console {
    /// Whether `/console` and sessions are there.
    pub enabled: bool,
    /// How long a session lasts.
    pub session: Duration,
}

impl Default for Console {
    fn default() -> Self {
        Self { enabled: true, session: Duration::from_secs(12 * 60 * 60) }
    }
}

pub(super) fn console(root: &Table<'_>) -> Console {
    const MINUTE: Duration = Duration::from_secs(60);
    const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);
    let default = Console::default();
    let Some(table) = super::section(root, "console") else { return default };
    let console = Console {
        enabled: table.switch("enabled").unwrap_or(default.enabled),
        session: table.duration("session", MINUTE..=MONTH).unwrap_or(default.session),
    };
    table.done();
    console
}
