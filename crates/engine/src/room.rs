//! How much may wait in the ledger. Who comes when it is full is told so at once, with nothing stored: a
//! queue that grows for ever keeps no promise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interline_ledger::{Ledger, QueueStatus};
use tokio::time::Instant;

use crate::denied::Denied;
use crate::engine::Engine;

/// Messages that may wait in the ledger before batches are turned away.
const MOST_WAITING: u64 = 10_000_000;
/// How long a count is good for at least; what is taken meanwhile is added to it.
const FRESH: Duration = Duration::from_secs(1);
/// Counting takes longer the more batches wait: it is to take a small share of the time only.
const REST: u32 = 20;
/// When who was turned away may come again.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// The bound, and how many messages wait as far as known.
#[derive(Debug)]
pub(crate) struct Room {
    most: u64,
    waiting: AtomicU64,
    counting: AtomicBool,
    fresh_until: Mutex<Instant>,
}

impl Room {
    /// Begins with what the ledger said at the start.
    pub(crate) fn of(queues: &[QueueStatus]) -> Self {
        Self::new(MOST_WAITING, waiting(queues))
    }

    fn new(most: u64, waiting: u64) -> Self {
        let fresh_until = Mutex::new(Instant::now() + FRESH);
        Self { most, waiting: waiting.into(), counting: AtomicBool::new(false), fresh_until }
    }

    /// Adds what was stored since the last count.
    pub(crate) fn fill(&self, messages: u64) {
        self.waiting.fetch_add(messages, Ordering::Relaxed);
    }

    /// Refuses when as much waits as may. A single batch may go over the bound, the next one waits.
    fn refuse_when_full(&self) -> Result<(), Denied> {
        if self.waiting.load(Ordering::Relaxed) >= self.most {
            return Err(Denied::Busy { retry_after: COME_AGAIN });
        }
        Ok(())
    }

    /// Whether it is time to count and nobody does.
    fn is_stale(&self) -> bool {
        let fresh_until = *self.fresh_until.lock().unwrap_or_else(PoisonError::into_inner);
        fresh_until <= Instant::now() && !self.counting.swap(true, Ordering::AcqRel)
    }

    /// Counts anew. What is stored while it counts is in the count or added to it, perhaps both.
    async fn count(&self, ledger: &Ledger) {
        let (began, before) = (Instant::now(), self.waiting.load(Ordering::Relaxed));
        match ledger.status().await {
            Ok(status) => {
                let counted = waiting(&status.queues);
                let anew = |now: u64| Some(now.saturating_sub(before).saturating_add(counted));
                // The closure always gives a number.
                self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, anew).unwrap_or_default();
            }
            // Whoever stores something hears of it, too.
            Err(error) => tracing::warn!(%error, "what waits in the ledger cannot be counted"),
        }
        let rest = (began.elapsed() * REST).max(FRESH);
        *self.fresh_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + rest;
        self.counting.store(false, Ordering::Release);
    }
}

fn waiting(queues: &[QueueStatus]) -> u64 {
    queues.iter().map(|queue| queue.messages).sum()
}

impl Engine {
    /// Refuses batches while the ledger holds as many messages as it may. Nobody waits for a count: the one
    /// before is good enough meanwhile.
    pub(crate) fn refuse_when_crowded(&self) -> Result<(), Denied> {
        let room = &self.inner.room;
        if room.is_stale() {
            let (room, ledger) = (Arc::clone(room), self.inner.ledger.clone());
            tokio::spawn(async move { room.count(&ledger).await });
        }
        room.refuse_when_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::outcome::Status;
    use interline_ledger::{NewBatch, NewParcel};

    async fn store(ledger: &Ledger, id: &str, messages: usize) {
        let parcel = NewParcel {
            provider: "p".to_owned(),
            states: vec![Status::Queued; messages],
            ..NewParcel::default()
        };
        let batch = NewBatch { id: id.to_owned(), ..NewBatch::default() };
        ledger.accept(batch, vec![parcel], None).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_turns_away_until_it_has_room() {
        let ledger = Ledger::open("sqlite::memory:").await.unwrap();
        let room = Room::new(5, 0);
        store(&ledger, "a", 4).await;
        room.count(&ledger).await;
        room.refuse_when_full().unwrap();
        store(&ledger, "b", 7).await;
        room.fill(7);
        // Before anybody counts, too.
        let denied = room.refuse_when_full().unwrap_err();
        assert!(matches!(denied, Denied::Busy { retry_after } if !retry_after.is_zero()));
        room.count(&ledger).await;
        assert!(room.refuse_when_full().is_err());
        ledger.cancel_batch("b", 1).await.unwrap();
        room.count(&ledger).await;
        room.refuse_when_full().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_counts_and_not_all_the_time() {
        let ledger = Ledger::open("sqlite::memory:").await.unwrap();
        let room = Room::new(5, 9);
        assert!(!room.is_stale());
        tokio::time::advance(FRESH).await;
        assert!(room.is_stale() && !room.is_stale());
        room.count(&ledger).await;
        room.refuse_when_full().unwrap();
        assert!(!room.is_stale());
    }
}
