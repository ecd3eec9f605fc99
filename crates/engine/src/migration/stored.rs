//! A migration as the ledger remembers it: one fact of JSON, small and bounded.

use interline_core::migration::{Finding, Phase, State, Tally, Window};
use serde::{Deserialize, Serialize};

use super::{Counts, Migration, MigrationSettings};

/// What is written. Readers take what is missing as empty.
#[derive(Serialize, Deserialize)]
struct Stored {
    route: String,
    from: String,
    to: String,
    state: State,
    #[serde(default)]
    at_from: Tally,
    #[serde(default)]
    at_to: Tally,
    #[serde(default)]
    shadow: Finding,
}

/// What was remembered of the migration, unless that was another one of the same name.
pub(super) fn read(bytes: &[u8], settings: &MigrationSettings) -> Option<(State, Counts)> {
    let stored: Stored = match serde_json::from_slice(bytes) {
        Ok(stored) => stored,
        Err(error) => {
            tracing::error!(migration = %settings.name, %error, "what the ledger remembers of the migration cannot be read; it stands at off");
            return None;
        }
    };
    let same =
        *stored.route == *settings.route && *stored.from == *settings.from && *stored.to == *settings.to;
    if !same {
        tracing::warn!(migration = %settings.name, "the ledger remembers a migration of this name that led elsewhere; this one stands at off");
        return None;
    }
    let counts =
        Counts { from: stored.at_from, to: stored.at_to, shadow: stored.shadow, window: Window::default() };
    Some((stored.state, counts))
}

/// The phase that is remembered.
pub(super) fn phase(bytes: &[u8]) -> Phase {
    serde_json::from_slice(bytes).map(|stored: Stored| stored.state.phase).unwrap_or_default()
}

/// What is to be remembered, with this state.
pub(super) fn bytes(migration: &Migration, state: &State) -> Vec<u8> {
    let counts = migration.counts();
    let stored = Stored {
        route: migration.settings.route.to_string(),
        from: migration.settings.from.to_string(),
        to: migration.settings.to.to_string(),
        state: state.clone(),
        at_from: counts.from.clone(),
        at_to: counts.to.clone(),
        shadow: counts.shadow.clone(),
    };
    drop(counts);
    // All keys are texts and all numbers are finite, so that this cannot fail.
    serde_json::to_vec(&stored).unwrap_or_default()
}
