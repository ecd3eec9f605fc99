//! What migrations hear of the messages that a request hands over, and of none that only a plan looks at.

use std::sync::Arc;

use interline_core::migration::Phase;
use interline_core::options::Results;

use super::{Shadow, Shown};
use crate::direct::Prepared;
use crate::engine::Engine;
use crate::intake::Routed;

/// Messages that are shown at once, at most.
const AT_ONCE: usize = 512;

/// The messages of one batch, for the migrations that have a say in them.
#[derive(Debug)]
pub(crate) struct Taking {
    batch: Arc<str>,
    shown: Vec<Shown>,
}

impl Taking {
    /// Nothing of this batch yet.
    pub(crate) fn of(batch_id: &str) -> Self {
        Self { batch: batch_id.into(), shown: Vec::new() }
    }

    /// Hears of a message that can be sent; `results` is what the batch defaults to.
    pub(crate) fn hear(&mut self, routed: &Routed<'_>, results: Results) {
        let Some(migration) = routed.migration else { return };
        migration.taken(&routed.provider.settings.name);
        if migration.phase() == Phase::Shadow {
            self.shown.push(Shown {
                migration: Arc::clone(migration),
                message: Arc::clone(&routed.message),
                results: routed.message.results(results),
                batch: Arc::clone(&self.batch),
            });
        }
    }

    /// Passes on what was heard so far, where it is much.
    pub(crate) fn tell_some(&mut self, shadow: &Shadow) {
        if self.shown.len() >= AT_ONCE {
            self.tell(shadow);
        }
    }

    /// Passes on what was heard: the messages were taken.
    pub(crate) fn tell(&mut self, shadow: &Shadow) {
        shadow.show(std::mem::take(&mut self.shown));
    }
}

impl Engine {
    /// Tells migrations of the messages of a send that leaves, or was stored.
    pub(crate) fn tell_of(&self, prepared: &Prepared<'_>, batch_id: &str) {
        let mut taking = Taking::of(batch_id);
        for index in prepared.members.iter().flat_map(|(_, members)| members) {
            if let Some(Ok(routed)) = prepared.routed.get(*index) {
                taking.hear(routed, prepared.results);
            }
        }
        taking.tell(&self.inner.shadow);
    }
}
