//! A migration as the ledger remembers it: one fact of JSON, small and bounded.

use interline_core::migration::{Finding, Phase, State, Tally, Window};
use interline_core::route::Routes;
use serde::{Deserialize, Serialize};

use super::{Counts, Migration, MigrationSettings, leads_to};

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

/// A migration that is remembered, and whose messages go back without it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) phase: Phase,
    pub(super) route: String,
    pub(super) from: String,
}

/// What of a migration that is no longer configured is not over by these routes.
pub(super) fn lost(bytes: &[u8], routes: &Routes) -> Option<Lost> {
    let Stored { route, from, state, .. } = serde_json::from_slice(bytes).ok()?;
    let phase = state.phase;
    let over = phase == Phase::Done && !leads_to(routes, &route, &from);
    (phase.is_under_way() && !over).then_some(Lost { phase, route, from })
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

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::route::{Route, Target, When};

    fn routes(to: &str) -> Routes {
        let (when, target) = (When::default(), Target::Provider(to.into()));
        Routes::new(vec![Route {
            name: "all".into(),
            when,
            target,
            fallback: None,
            on_loss: None,
            guarantee: None,
        }])
    }

    #[test]
    fn a_migration_that_is_done_is_over_only_once_its_route_no_longer_leads_back() {
        let fact = |phase: &str| {
            let state = format!(r#"{{"phase":"{phase}","percent":100,"since_ms":1}}"#);
            format!(r#"{{"route":"all","from":"old","to":"new","state":{state}}}"#)
        };
        let lost = |phase: &str, to: &str| lost(fact(phase).as_bytes(), &routes(to)).map(|lost| lost.phase);
        assert_eq!(lost("done", "old"), Some(Phase::Done));
        assert_eq!(lost("done", "new"), None);
        assert_eq!(lost("ramp", "new"), Some(Phase::Ramp));
        assert_eq!((lost("rolled_back", "old"), lost("off", "old")), (None, None));
    }
}
