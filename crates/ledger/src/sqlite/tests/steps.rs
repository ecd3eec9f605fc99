//! What a claim costs, counted in steps of SQLite's virtual machine: these do not depend on the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::model::claimed::{Claim, ClaimRequest};
use crate::model::{NewBatch, NewParcel};
use interline_core::outcome::Status;

/// Runs some work and counts its steps.
struct Counted<W>(W);

impl<W: Work> Work for Counted<W> {
    type Answer = (W::Answer, u64);

    async fn run(&self, conn: &mut SqliteConnection) -> Result<Self::Answer> {
        let steps = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&steps);
        conn.lock_handle().await.map_err(failed("cannot count"))?.set_progress_handler(1, move || {
            counter.fetch_add(1, Ordering::Relaxed);
            true
        });
        let answer = self.0.run(conn).await;
        conn.lock_handle().await.map_err(failed("cannot count"))?.remove_progress_handler();
        Ok((answer?, steps.load(Ordering::Relaxed)))
    }
}

async fn claim(store: &Store, now_ms: i64) -> (Vec<Claim>, u64) {
    let request = ClaimRequest {
        provider: "p".to_owned(),
        now_ms,
        lease_until_ms: now_ms + 60_000,
        max_parcels: 8,
        max_bytes: 1 << 20,
    };
    store.write(Counted(ClaimParcels(request))).await.unwrap()
}

async fn accept(store: &Store, batches: std::ops::Range<usize>, form: impl Fn(usize) -> NewBatch) {
    let accept = |n| {
        let batch = NewBatch { id: format!("b{n}"), app: "shop".to_owned(), created_ms: 1, ..form(n) };
        let parcel = |seq| NewParcel {
            seq,
            provider: "p".to_owned(),
            states: vec![Status::Queued],
            ..NewParcel::default()
        };
        store.write(Accept { batch, parcels: vec![parcel(0), parcel(1)], key: None })
    };
    let numbers: Vec<usize> = batches.collect();
    for some in numbers.chunks(500) {
        for stored in futures(some.iter().map(|n| accept(*n))).await {
            stored.unwrap();
        }
    }
}

/// Waits for all of them, polled together so that they share commits.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, answer) in waiting.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let std::task::Poll::Ready(ready) = one.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        match waiting.iter().all(|(_, answer)| answer.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// The steps of the third claim, so that turns have moved.
async fn steps_with(batches: usize, form: impl Fn(usize) -> NewBatch) -> u64 {
    let store = Store::open_in_memory().await.unwrap();
    accept(&store, 0..batches, form).await;
    for now_ms in [1_000, 1_001] {
        assert_eq!(claim(&store, now_ms).await.0.len(), 8);
    }
    let (claims, steps) = claim(&store, 1_002).await;
    assert_eq!(claims.len(), 8);
    steps
}

/// A hundred times the batches may make the trees of the indexes one level deeper, no more.
#[track_caller]
fn assert_flat(few: u64, many: u64) {
    assert!(many <= few + few / 4, "{few} steps with a hundred batches, {many} with ten thousand");
}

#[tokio::test]
async fn claim_costs_the_same_however_many_batches_are_queued() {
    let few = steps_with(100, |_| NewBatch::default()).await;
    let many = steps_with(10_000, |_| NewBatch::default()).await;
    assert_flat(few, many);
}

#[tokio::test]
async fn claim_costs_the_same_however_many_batches_are_scheduled_or_urgent() {
    let form = |n: usize| NewBatch {
        send_at_ms: (n >= 50).then_some(99_999),
        priority: i32::from(n.is_multiple_of(3)),
        ..NewBatch::default()
    };
    assert_flat(steps_with(100, form).await, steps_with(10_000, form).await);
}

#[tokio::test]
async fn claim_costs_the_same_however_many_batches_are_held_already() {
    let mut steps = Vec::new();
    for batches in [100, 2_000] {
        let store = Store::open_in_memory().await.unwrap();
        accept(&store, 0..batches, |_| NewBatch::default()).await;
        for _ in 0..batches / 4 {
            assert_eq!(claim(&store, 1_000).await.0.len(), 8);
        }
        assert!(claim(&store, 1_000).await.0.is_empty());
        accept(&store, batches..batches + 10, |_| NewBatch::default()).await;
        let (claims, needed) = claim(&store, 1_000).await;
        assert_eq!(claims.len(), 8);
        steps.push(needed);
    }
    assert_flat(steps[0], steps[1]);
}

#[tokio::test]
async fn looking_for_the_next_time_walks_over_nothing() {
    let mut steps = Vec::new();
    for batches in [100, 10_000] {
        let store = Store::open_in_memory().await.unwrap();
        accept(&store, 0..batches, |n| NewBatch {
            send_at_ms: Some(5_000 + n as i64),
            ..NewBatch::default()
        })
        .await;
        let (due, needed) = store.write(Counted(NextDue { provider: "p".to_owned() })).await.unwrap();
        assert_eq!(due, Some(5_000));
        steps.push(needed);
    }
    assert_flat(steps[0], steps[1]);
}

#[tokio::test]
async fn status_costs_what_waits_and_not_what_is_over() {
    let mut steps = Vec::new();
    for batches in [100, 10_000] {
        let store = Store::open_in_memory().await.unwrap();
        accept(&store, 0..50, |_| NewBatch::default()).await;
        let over = |n| {
            let parcel = NewParcel { states: vec![Status::Accepted], ..NewParcel::default() };
            let batch = NewBatch { id: format!("over{n}"), ..NewBatch::default() };
            let result =
                crate::DirectResult { batch, parcels: vec![parcel], calls: 1, now_ms: 1, answer: None };
            store.write(RecordDirect(result))
        };
        for some in (0..batches).collect::<Vec<_>>().chunks(500) {
            for stored in futures(some.iter().map(over)).await {
                stored.unwrap();
            }
        }
        let (status, needed) = store.write(Counted(ReadStatus)).await.unwrap();
        assert_eq!((status.batches, status.queues[0].parcels), (batches + 50, 100));
        steps.push(needed);
    }
    assert_flat(steps[0], steps[1]);
}

#[tokio::test]
async fn thousands_that_are_due_at_once_are_made_ready_a_part_at_a_time() {
    let store = Store::open_in_memory().await.unwrap();
    accept(&store, 0..2_000, |_| NewBatch { send_at_ms: Some(500), ..NewBatch::default() }).await;
    let mut claimed = 0;
    for _ in 0..500 {
        let (claims, steps) = claim(&store, 600).await;
        assert_eq!(claims.len(), 8);
        assert!(steps < 60_000, "{steps} steps");
        claimed += claims.len();
    }
    assert_eq!(claimed, 4_000);
}
