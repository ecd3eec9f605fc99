//! How what a façade hands over is written down before its first byte leaves, where the ledger is slow or fails:
//! the caller is answered in time all the same. What was written too late is taken back, and what a ledger that
//! failed has written after all is found by its id.

use std::sync::Arc;

use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Status;
use interline_core::record::{CallRecord, Note};
use interline_ledger::{
    Accepted as Stored, DirectResult, Error, ErrorKind, NewBatch, NewParcel, ParcelQuery, StoredParcel,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clock;
use crate::denied::Denied;
use crate::direct::OFFER_AGAIN;
use crate::engine::{ASK_AGAIN, Engine};

/// How often a ledger that failed is asked what it has.
const ASKED: usize = 120;
/// Parcels that are read at once.
const PARCELS: usize = 16;

impl Engine {
    /// Writes a send with marks down. What is not by this time is not sent.
    pub(crate) async fn begin_by(
        &self,
        until: Instant,
        row: &NewBatch,
        parcels: Vec<NewParcel>,
    ) -> Result<Stored, Denied> {
        let (tell, told) = oneshot::channel();
        let (engine, row) = (self.clone(), row.clone());
        tokio::spawn(async move {
            let begun = engine.inner.ledger.begin_marked(row.clone(), parcels).await;
            let begun = engine.what_stands(&row.id, begun).await;
            if let Err(Ok(Stored::Stored)) = tell.send(begun) {
                engine.has_come(Vec::new(), &row);
                engine.take_back(row).await;
            }
        });
        told_by(until, told).await?.ok_or(Denied::Busy { retry_after: ASK_AGAIN })
    }

    /// Stores a batch with marks. `None`: it is not known by this time; what is stored later is sent, and a repeat
    /// is told so.
    pub(crate) async fn store_by(
        &self,
        until: Instant,
        row: &NewBatch,
        parcels: Vec<NewParcel>,
    ) -> Result<Option<Stored>, Denied> {
        let (tell, told) = oneshot::channel();
        let (engine, row) = (self.clone(), row.clone());
        tokio::spawn(async move {
            let waiting = parcels.iter().map(waiting).collect();
            let stored = engine.inner.ledger.accept(row.clone(), parcels, None).await;
            let stored = engine.what_stands(&row.id, stored).await;
            if let Err(Ok(Stored::Stored)) = tell.send(stored) {
                engine.has_come(waiting, &row);
            }
        });
        told_by(until, told).await
    }

    /// Tells the lanes of what was stored when nobody waited for it any more.
    fn has_come(&self, own: Vec<(String, u64)>, row: &NewBatch) {
        let copies = row.copies.iter().flat_map(|copy| &copy.parcels).map(waiting);
        for (provider, messages) in own.into_iter().chain(copies) {
            self.inner.room.fill(messages);
            self.wake([provider]);
        }
    }

    /// What the ledger has of a batch, whatever it said: a commit that failed may have happened.
    async fn what_stands(&self, id: &str, said: Result<Stored, Error>) -> Result<Stored, Error> {
        let error = match said {
            Ok(Stored::Marked(marked)) if marked.iter().any(|marked| marked.place.batch_id == id) => {
                return Ok(Stored::Stored);
            }
            Ok(said) => return Ok(said),
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported) {
            return Err(error);
        }
        for _ in 0..ASKED {
            match self.inner.ledger.batch(id).await {
                Ok(Some(_)) => return Ok(Stored::Stored),
                Ok(None) => return Err(error),
                Err(_) => tokio::time::sleep(OFFER_AGAIN).await,
            }
        }
        Err(error)
    }

    /// Ends a send that was written down when its caller had been told already that it would not be sent.
    async fn take_back(&self, row: NewBatch) {
        let (mut parcels, mut after_seq) = (Vec::new(), None);
        loop {
            let ask = ParcelQuery { after_seq, limit: PARCELS, status: None };
            let Ok(found) = self.inner.ledger.parcels_of(&row.id, ask).await else { break };
            let Some(last) = found.last() else { break };
            after_seq = Some(last.seq);
            parcels.extend(found.iter().map(taken_back));
        }
        let done = DirectResult { batch: row, parcels, calls: 0, now_ms: clock::now_ms(), answer: None };
        drop(self.keep_recording(done).await);
    }
}

/// What was told by this time, if anything.
async fn told_by(
    until: Instant,
    mut told: oneshot::Receiver<Result<Stored, Error>>,
) -> Result<Option<Stored>, Denied> {
    if let Ok(Ok(said)) = tokio::time::timeout_at(until, &mut told).await {
        return Ok(Some(said?));
    }
    // It may have been told in this moment.
    told.close();
    Ok(told.try_recv().ok().transpose()?)
}

/// What of a parcel waits for whom.
fn waiting(parcel: &NewParcel) -> (String, u64) {
    let open = parcel.states.iter().filter(|state| !state.is_final()).count();
    (parcel.provider.clone(), open as u64)
}

/// A parcel of which nothing was sent.
fn taken_back(parcel: &StoredParcel) -> NewParcel {
    let failure = Failure::not_sent(ErrorCode::VendorUnavailable, "it was written down too late to be sent");
    let mut states = parcel.states.clone();
    let mut notes = Vec::new();
    for (position, state) in (0u16..).zip(&mut states).filter(|(_, state)| !state.is_final()) {
        *state = Status::Rejected;
        let failure = Some(Box::new(failure.clone()));
        notes.push(Note { position, status: *state, failure, ..Note::default() });
    }
    let nobody: Arc<str> = "".into();
    let record = CallRecord::decision(Arc::clone(&nobody), nobody, clock::now_ms(), notes);
    NewParcel {
        seq: parcel.seq,
        provider: parcel.provider.clone(),
        first_index: parcel.first_index,
        states,
        record: Some(record.to_bytes()),
        ..NewParcel::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use interline_core::route::Routes;
    use interline_ledger::{Ledger, NewMark};

    use super::*;
    use crate::settings::{Delivery, EngineSettings};

    async fn engine() -> Engine {
        let settings = EngineSettings {
            providers: Vec::new(),
            routes: Routes::new(Vec::new()),
            migrations: Vec::new(),
            delivery: Delivery::default(),
            vendors: Vec::new(),
            max_batch_messages: 10,
            callbacks: crate::callback::CallbackSettings::default(),
        };
        Engine::start(settings, Ledger::open("sqlite::memory:").await.unwrap()).await.unwrap()
    }

    fn send(key: Option<u8>) -> (NewBatch, Vec<NewParcel>) {
        let created_ms = clock::now_ms();
        let mark =
            |key: u8| NewMark { key: [key; 16], expires_ms: created_ms + 60_000, ..NewMark::default() };
        let row = NewBatch {
            id: crate::engine::new_batch_id(created_ms),
            created_ms,
            head: b"{}".to_vec(),
            marks: key.map(mark).into_iter().collect(),
            ..NewBatch::default()
        };
        let parcel = NewParcel {
            states: vec![Status::Sending],
            body: b"interline parcel 1 each\n".to_vec(),
            ..NewParcel::default()
        };
        (row, vec![parcel])
    }

    /// A time that is over whatever the resolution of timers: nothing can be told by then.
    fn past() -> Instant {
        Instant::now().checked_sub(Duration::from_secs(1)).unwrap()
    }

    #[tokio::test]
    async fn what_a_ledger_that_failed_has_written_after_all_is_begun() {
        let engine = engine().await;
        // A commit that failed and happened is tried again: then its marks are taken, or its id is.
        for key in [Some(1), None] {
            let (row, parcels) = send(key);
            engine.inner.ledger.begin_marked(row.clone(), parcels.clone()).await.unwrap();
            let until = Instant::now() + Duration::from_secs(5);
            assert_eq!(engine.begin_by(until, &row, parcels).await.unwrap(), Stored::Stored);
        }
        let (row, parcels) = send(Some(1));
        let until = Instant::now() + Duration::from_secs(5);
        let other = engine.begin_by(until, &row, parcels).await.unwrap();
        assert!(matches!(other, Stored::Marked(_)), "{other:?}");
    }

    #[tokio::test]
    async fn what_is_stored_too_late_is_not_said_to_be_unsent() {
        let engine = engine().await;
        let (row, mut parcels) = send(Some(1));
        parcels.iter_mut().for_each(|parcel| parcel.states = vec![Status::Queued]);
        assert_eq!(engine.store_by(past(), &row, parcels).await.unwrap(), None);
        while engine.inner.ledger.batch(&row.id).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_written_down_too_late_is_taken_back() {
        let engine = engine().await;
        let mut news = engine.inner.announce.subscribe();
        let (row, parcels) = send(Some(1));
        let late = engine.begin_by(past(), &row, parcels).await;
        assert!(matches!(late, Err(Denied::Busy { .. })), "{late:?}");
        assert_eq!(news.recv().await.unwrap(), row.id);
        let batch = engine.inner.ledger.batch(&row.id).await.unwrap().unwrap();
        assert_eq!((batch.counts.rejected, batch.settled_ms.is_some()), (1, true));
    }
}
