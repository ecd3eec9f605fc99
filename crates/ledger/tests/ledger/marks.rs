//! Marks: a repeat of a message is recognised by what its caller would recognise it by, and a mark belongs to
//! one message at a time.

use interline_ledger::{
    Accepted, Along, DirectResult, Marked, NewBatch, NewMark, NewParcel, Place, Status, TakenFrom,
};

use crate::builders::{Bench, batch, parcel};

fn place(batch_id: &str, index: u32) -> Place {
    Place { batch_id: batch_id.to_owned(), index }
}

/// A batch whose messages have these marks, which last until 100.
fn marked(id: &str, marks: &[u8]) -> NewBatch {
    let mark = |(index, key): (u32, &u8)| NewMark {
        key: [*key; 16],
        index,
        expires_ms: 100,
        from: TakenFrom::Nobody,
    };
    NewBatch { marks: (0..).zip(marks).map(mark).collect(), ..batch(id) }
}

fn sending(count: usize) -> Vec<NewParcel> {
    vec![NewParcel { states: vec![Status::Sending; count], ..parcel(0, 0) }]
}

fn taken(key: u8, batch_id: &str, index: u32) -> Marked {
    Marked { key: [key; 16], place: place(batch_id, index) }
}

async fn begin(bench: &Bench, batch: NewBatch) -> Accepted {
    let count = batch.marks.len();
    bench.ledger.begin_marked(batch, sending(count)).await.unwrap()
}

#[tokio::test]
async fn marked_message_is_stored_once_however_it_comes() {
    let bench = Bench::new().await;
    assert_eq!(begin(&bench, marked("a", &[1, 2])).await, Accepted::Stored);
    let again = begin(&bench, marked("b", &[3, 2])).await;
    assert_eq!(again, Accepted::Marked(vec![taken(2, "a", 1)]));
    let queued = bench.ledger.accept(marked("c", &[1]), vec![parcel(0, 1)], None).await.unwrap();
    assert_eq!(queued, Accepted::Marked(vec![taken(1, "a", 0)]));
    for id in ["b", "c"] {
        assert!(bench.ledger.batch(id).await.unwrap().is_none(), "{id} was stored");
    }
    let found = bench.ledger.marked(vec![[3; 16], [1; 16]], 5).await.unwrap();
    assert_eq!(found, [taken(1, "a", 0)]);
}

#[tokio::test]
async fn of_batches_in_one_commit_the_first_takes_the_mark() {
    let bench = Bench::new().await;
    let accept = |id| bench.ledger.accept(marked(id, &[1]), vec![parcel(0, 1)], None);
    let plain = bench.ledger.accept(batch("plain"), vec![parcel(0, 1)], None);
    // Polled together, they share a group.
    let (first, plain, second) = tokio::join!(accept("a"), plain, accept("b"));
    assert_eq!((first.unwrap(), plain.unwrap()), (Accepted::Stored, Accepted::Stored));
    assert_eq!(second.unwrap(), Accepted::Marked(vec![taken(1, "a", 0)]));
}

#[tokio::test]
async fn mark_is_taken_over_from_the_message_that_is_named_and_from_no_other() {
    let bench = Bench::new().await;
    begin(&bench, marked("a", &[1])).await;
    let mut next = marked("b", &[1]);
    next.marks[0].from = TakenFrom::Message(place("a", 0));
    assert_eq!(begin(&bench, next).await, Accepted::Stored);
    // Who looked at the first one, too, comes too late.
    let mut late = marked("c", &[1]);
    late.marks[0].from = TakenFrom::Message(place("a", 0));
    assert_eq!(begin(&bench, late).await, Accepted::Marked(vec![taken(1, "b", 0)]));
}

#[tokio::test]
async fn mark_counts_until_it_expires_and_keeps_its_batch_as_long() {
    let bench = Bench::new().await;
    begin(&bench, marked("a", &[1])).await;
    let parcels = vec![NewParcel { states: vec![Status::Accepted], ..parcel(0, 0) }];
    let done =
        DirectResult { batch: marked("a", &[1]), parcels, calls: 1, now_ms: 10, ..DirectResult::default() };
    bench.ledger.record_direct(done).await.unwrap();
    assert_eq!(bench.ledger.prune(50, 99, 9).await.unwrap(), 0);
    assert_eq!(bench.ledger.prune_marks(99).await.unwrap(), 0);
    let late = NewBatch { created_ms: 100, ..marked("b", &[1]) };
    assert_eq!(begin(&bench, late).await, Accepted::Stored);
    assert_eq!(bench.ledger.prune(50, 100, 9).await.unwrap(), 1);
    assert_eq!(bench.ledger.prune_marks(100).await.unwrap(), 1);
}

#[tokio::test]
async fn mark_outlives_a_crash_and_its_message_is_unknown_then() {
    let mut bench = Bench::new().await;
    begin(&bench, marked("a", &[1])).await;
    bench.restart().await;
    assert_eq!(begin(&bench, marked("b", &[1])).await, Accepted::Marked(vec![taken(1, "a", 0)]));
    assert_eq!(bench.batch("a").await.counts.unknown, 1);
}

#[tokio::test]
async fn posted_end_of_a_marked_send_completes_it_among_others() {
    let bench = Bench::new().await;
    begin(&bench, marked("d", &[1])).await;
    let end = |batch| {
        let parcels = vec![NewParcel { states: vec![Status::Accepted], ..parcel(0, 0) }];
        bench.ledger.post_direct(DirectResult { batch, parcels, calls: 1, ..DirectResult::default() })
    };
    for batch in [batch("a"), marked("d", &[1]), batch("e")] {
        end(batch).await.unwrap();
    }
    for id in ["a", "d", "e"] {
        assert_eq!(bench.batch(id).await.counts.accepted, 1);
    }
}

#[tokio::test]
async fn name_belongs_to_the_newest_message_and_keeps_nothing_from_being_stored() {
    let bench = Bench::new().await;
    for id in ["a", "b"] {
        let mut named = marked(id, &[9]);
        named.marks[0].from = TakenFrom::Anybody;
        assert_eq!(begin(&bench, named).await, Accepted::Stored);
        assert_eq!(bench.ledger.marked(vec![[9; 16]], 5).await.unwrap(), [taken(9, id, 0)]);
    }
}

#[tokio::test]
async fn marks_of_messages_that_are_sent_again_go_with_them() {
    let bench = Bench::new().await;
    begin(&bench, marked("a", &[1, 2])).await;
    bench.ledger.stage(NewBatch { redriven_from: Some("a".to_owned()), ..batch("b") }).await.unwrap();
    bench.ledger.stage_parcels("b", vec![parcel(0, 1)]).await.unwrap();
    let along = Along { copies: Vec::new(), again: vec![1] };
    assert_eq!(bench.ledger.publish_all("b", along, 6, None).await.unwrap(), Accepted::Stored);
    let again = begin(&bench, marked("c", &[1, 2])).await;
    assert_eq!(again, Accepted::Marked(vec![taken(1, "a", 0), taken(2, "b", 1)]));
}
