//! What is found out while nothing moves: messages that were taken are shown to the new provider's adapter,
//! beside the callers' path and in bounded memory. What comes faster than that is skipped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use interline_core::adapter::Seal;
use interline_core::error::ErrorCode;
use interline_core::message::Message;
use interline_core::migration::{Comparison, Sample, compare};
use interline_core::options::{OnLoss, Results};
use tokio::sync::mpsc;

use super::Migration;
use crate::clock;
use crate::intake::forbidding;
use crate::provider::Book;
use crate::shelf::Shelf;

/// Messages that may wait to be looked at.
const MOST: usize = 16_384;
/// Messages that are looked at before others get their turn.
const AT_ONCE: usize = 64;
/// What stands for a nonce and a token.
const NOTHING: &str = "00000000000000000000000000000000";

/// A message that was taken while its route's migration is in shadow.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) migration: Arc<Migration>,
    pub(crate) message: Arc<Message>,
    pub(crate) results: Results,
    pub(crate) on_loss: OnLoss,
    pub(crate) batch: Arc<str>,
}

/// The way to who looks at them.
#[derive(Debug)]
pub(crate) struct Shadow {
    queue: mpsc::UnboundedSender<Vec<Shown>>,
    waiting: Arc<AtomicUsize>,
}

impl Shadow {
    /// Starts the task that looks; it ends with the last handle.
    pub(crate) fn start(book: Arc<Shelf<Book>>) -> Self {
        let (queue, shown) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(look(book, shown, Arc::clone(&waiting)));
        Self { queue, waiting }
    }

    /// Shows messages; those for which there is no room are skipped.
    pub(crate) fn show(&self, mut shown: Vec<Shown>) {
        if shown.is_empty() {
            return;
        }
        let before = self.waiting.fetch_add(shown.len(), Ordering::Relaxed);
        let room = MOST.saturating_sub(before).min(shown.len());
        let skipped = shown.split_off(room);
        self.waiting.fetch_sub(skipped.len(), Ordering::Relaxed);
        for one in &skipped {
            one.migration.skipped();
        }
        if !shown.is_empty() {
            // Who looks ends with the engine alone.
            drop(self.queue.send(shown));
        }
    }
}

impl Migration {
    fn skipped(&self) {
        self.counts().shadow.skipped += 1;
        self.counters.shadowed("skipped");
        self.unwritten.store(true, Ordering::Relaxed);
    }
}

async fn look(
    book: Arc<Shelf<Book>>,
    mut queue: mpsc::UnboundedReceiver<Vec<Shown>>,
    waiting: Arc<AtomicUsize>,
) {
    while let Some(shown) = queue.recv().await {
        let mut shown = shown.into_iter().peekable();
        while shown.peek().is_some() {
            let book = book.now();
            for one in shown.by_ref().take(AT_ONCE) {
                look_at(&book, &one);
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
        }
    }
}

fn look_at(book: &Book, one: &Shown) {
    let Shown { migration, message, results, on_loss, batch } = one;
    let provider = |name: &Arc<str>| {
        let provider = book.providers.get(name)?;
        Some((provider.assumed(), &provider.settings.ids))
    };
    let (from, to) = (provider(&migration.settings.from), provider(&migration.settings.to));
    let (Some((from, ids_from)), Some((to, ids_to))) = (from, to) else {
        migration.skipped();
        return;
    };
    let seal = Seal { now_ms: clock::now_ms(), nonce: NOTHING, token: Some(NOTHING) };
    let found = compare(message, *results, ((&*from, ids_from), (&*to, ids_to)), &seal);
    let found = judged(found, *on_loss, &migration.settings.to);
    migration.counters.shadowed(match &found {
        found if found.refused.is_some() => "refused",
        found if !found.lost_at_to.is_empty() => "losses",
        _ => "clean",
    });
    let sample = || Sample { batch: batch.to_string(), message: message.id.to_string() };
    migration.counts().shadow.add(found, sample);
    migration.unwritten.store(true, Ordering::Relaxed);
}

/// What would be lost, where that forbids sending, is a refusal.
fn judged(mut found: Comparison, on_loss: OnLoss, to: &str) -> Comparison {
    if found.refused.is_none()
        && let Some(detail) = forbidding(&found.lost_at_to, on_loss, to)
    {
        found.refused = Some((ErrorCode::Unsupported, String::new(), detail));
        found.lost_at_to.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_forbid_sending_are_refusals() {
        let found = |losses: &[&'static str], on_loss| {
            let found = Comparison { lost_at_to: losses.to_vec(), ..Comparison::default() };
            let found = judged(found, on_loss, "new");
            (found.refused.map(|(code, _, detail)| (code, detail)), found.lost_at_to.len())
        };
        assert_eq!(found(&["ttl"], OnLoss::Degrade), (None, 1));
        assert_eq!(found(&[], OnLoss::Reject), (None, 0));
        let (refused, losses) = found(&["ttl"], OnLoss::Reject);
        assert_eq!(refused, Some((ErrorCode::Unsupported, "new cannot express ttl".to_owned())));
        assert_eq!(losses, 0);
        assert!(found(&["audience"], OnLoss::Degrade).0.is_some());
    }
}
