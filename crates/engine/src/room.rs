//! How much may wait in the ledger. Who comes when it is full is told so at once, with nothing stored: a
//! queue that grows for ever keeps no promise.

use std::time::Duration;

use interline_ledger::Ledger;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::denied::Denied;
use crate::engine::Engine;

/// Messages that may wait in the ledger before batches are turned away.
const MOST_WAITING: u64 = 10_000_000;
/// How long a count is good for; what is taken meanwhile is added to it.
const FRESH: Duration = Duration::from_secs(1);
/// When who was turned away may come again.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// The bound, and how many messages wait as far as known.
#[derive(Debug)]
pub(crate) struct Room {
    most: u64,
    filled: std::sync::atomic::AtomicU64,
    counted: Mutex<Option<(Instant, u64)>>,
}

impl Default for Room {
    fn default() -> Self {
        Self::for_messages(MOST_WAITING)
    }
}

impl Room {
    fn for_messages(most: u64) -> Self {
        Self { most, filled: 0.into(), counted: Mutex::default() }
    }

    /// Counts what was stored since the ledger was asked.
    pub(crate) fn fill(&self, messages: u64) {
        self.filled.fetch_add(messages, std::sync::atomic::Ordering::Relaxed);
    }

    /// Refuses when as much waits as may. A single batch may go over the bound, the next one waits.
    async fn refuse_when_full(&self, ledger: &Ledger) -> Result<(), Denied> {
        // Whoever comes while one asks has the answer of that one.
        let mut counted = self.counted.lock().await;
        let known = counted.filter(|(at, _)| at.elapsed() < FRESH);
        let waiting = match known {
            Some((_, waiting)) => waiting,
            None => {
                self.filled.store(0, std::sync::atomic::Ordering::Relaxed);
                let waiting = ledger.status().await?.queues.iter().map(|queue| queue.messages).sum();
                *counted = Some((Instant::now(), waiting));
                waiting
            }
        };
        let filled = self.filled.load(std::sync::atomic::Ordering::Relaxed);
        if waiting.saturating_add(filled) >= self.most {
            return Err(Denied::Busy { retry_after: COME_AGAIN });
        }
        Ok(())
    }
}

impl Engine {
    /// Refuses batches while the ledger holds as many messages as it may.
    pub(crate) async fn refuse_when_crowded(&self) -> Result<(), Denied> {
        self.inner.room.refuse_when_full(&self.inner.ledger).await
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
        let room = Room::for_messages(5);
        store(&ledger, "a", 4).await;
        room.refuse_when_full(&ledger).await.unwrap();
        store(&ledger, "b", 7).await;
        room.fill(7);
        // Within the second, too.
        let denied = room.refuse_when_full(&ledger).await.unwrap_err();
        assert!(matches!(denied, Denied::Busy { retry_after } if !retry_after.is_zero()));
        ledger.cancel_batch("b", 1).await.unwrap();
        *room.counted.lock().await = None;
        room.refuse_when_full(&ledger).await.unwrap();
    }
}
