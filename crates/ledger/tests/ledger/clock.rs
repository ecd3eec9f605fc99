//! A wall clock that jumps an hour forward or back: work comes early or late, and never twice or not at all.

use interline_ledger::{Accepted, Held, IdempotencyKey, NewBatch, Settled, Status};

use crate::builders::{Bench, LEASE, batch, key, parcel, places, settled};

const HOUR: i64 = 60 * 60 * 1000;
/// Some time of day.
const NOON: i64 = 1_800_000_000_000;

#[tokio::test]
async fn holder_that_renews_after_a_jump_forward_keeps_what_it_holds() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 2, 1).await;
    let held: Vec<_> = bench.claim(NOON, 2).await.iter().map(|parcel| parcel.claim).collect();
    bench.begin(held[0], &[0]).await.unwrap();
    // Whoever renews before it claims, as lanes do, finds nothing of its own.
    let later = NOON + HOUR;
    assert_eq!(bench.ledger.renew(held.clone(), later + LEASE).await.unwrap(), [Held::Yes; 2]);
    assert!(bench.claim(later, 9).await.is_empty());
    assert!(bench.begin(held[1], &[0]).await.is_some());
    let all = held.iter().map(|claim| settled(*claim, &[Status::Accepted])).collect();
    assert_eq!(bench.ledger.settle(all, later).await.unwrap().held, [true, true]);
    assert_eq!(bench.batch("b").await.counts.accepted, 2);
}

#[tokio::test]
async fn parcel_seized_after_a_jump_forward_is_sent_by_one_holder_alone() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 2).await;
    let old = bench.claim_one(NOON).await.claim;
    let sending = bench.begin(old, &[0]).await.unwrap();
    // The same process claims again, and did not renew.
    let new = bench.claim_one(NOON + HOUR).await;
    assert_eq!(new.interrupted.iter().map(|row| row.id).collect::<Vec<_>>(), [sending]);
    assert_eq!(bench.begin(old, &[1]).await, None, "the old holder sends nothing more");
    let late = Settled { sending: vec![sending], ..settled(old, &[Status::Accepted, Status::Queued]) };
    assert_eq!(bench.ledger.settle(vec![late], NOON + HOUR).await.unwrap().held, [false]);
    // The new one knows that message 0 may have left.
    let end = Settled { sending: vec![sending], ..settled(new.claim, &[Status::Unknown, Status::Accepted]) };
    assert_eq!(bench.ledger.settle(vec![end], NOON + HOUR).await.unwrap().batches_settled, ["b"]);
    let counts = bench.batch("b").await.counts;
    assert_eq!((counts.accepted, counts.unknown, counts.total), (1, 1, 2));
}

#[tokio::test]
async fn work_goes_on_after_a_jump_back() {
    let bench = Bench::new().await;
    bench.accept(batch("before"), 2, 1).await;
    let held = bench.claim_one(NOON).await.claim;
    let earlier = NOON - HOUR;
    bench.accept(batch("after"), 1, 1).await;
    assert_eq!(places(&bench.claim(earlier, 9).await), [("before", 1), ("after", 0)]);
    // What is held stays held, and a lease that now ends an hour later does no harm.
    assert_eq!(bench.ledger.renew(vec![held], earlier + LEASE).await.unwrap(), [Held::Yes]);
    assert!(bench.ledger.release(held, earlier + 400).await.unwrap());
    assert!(bench.claim(earlier + 399, 9).await.is_empty());
    assert_eq!(places(&bench.claim(earlier + 400, 9).await), [("before", 0)]);
}

#[tokio::test]
async fn pause_that_began_before_a_jump_back_lasts_longer_and_ends() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    let held = bench.claim_one(NOON).await.claim;
    bench.ledger.release(held, NOON + 400).await.unwrap();
    assert!(bench.claim(NOON - HOUR + 400, 9).await.is_empty());
    assert_eq!(bench.ledger.next_due_ms("p").await.unwrap(), Some(NOON + 400));
    assert_eq!(bench.claim(NOON + 400, 9).await.len(), 1);
}

#[tokio::test]
async fn crash_after_a_jump_back_leaves_nothing_held_by_the_dead() {
    let mut bench = Bench::new().await;
    bench.accept(batch("b"), 2, 1).await;
    let held = bench.claim(NOON, 2).await;
    bench.begin(held[0].claim, &[0]).await.unwrap();
    bench.restart().await;
    // An hour before the lease began, and yet it is over.
    let again = bench.claim(NOON - HOUR, 9).await;
    assert_eq!(again.iter().map(|parcel| parcel.interrupted.len()).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn schedule_follows_the_wall_clock_both_ways() {
    let bench = Bench::new().await;
    bench.accept(NewBatch { send_at_ms: Some(NOON), created_ms: NOON - HOUR, ..batch("b") }, 2, 1).await;
    assert!(bench.claim(NOON - 1, 9).await.is_empty());
    let early = bench.claim_one(NOON + 1).await.claim;
    // Back again: what was begun is held, the rest may go, because its time had come.
    assert!(bench.begin(early, &[0]).await.is_some());
    assert!(bench.claim(NOON - HOUR, 9).await.is_empty(), "a parcel's own time is looked at as well");
    assert_eq!(places(&bench.claim(NOON, 9).await), [("b", 1)]);
}

#[tokio::test]
async fn key_answers_for_its_day_whichever_way_the_clock_jumps() {
    let bench = Bench::new().await;
    let key = |now_ms: i64| IdempotencyKey { now_ms, expires_ms: now_ms + 24 * HOUR, ..key("k", b"x") };
    let accept =
        |id: &str, now_ms: i64| bench.ledger.accept(batch(id), vec![parcel(0, 1)], Some(key(now_ms)));
    assert_eq!(accept("first", NOON).await.unwrap(), Accepted::Stored);
    for now_ms in [NOON - HOUR, NOON, NOON + HOUR, NOON + 23 * HOUR] {
        bench.ledger.prune_keys(now_ms).await.unwrap();
        let replay = Accepted::Replay { batch_id: "first".to_owned(), answer: None };
        assert_eq!(accept("second", now_ms).await.unwrap(), replay);
    }
    assert_eq!(accept("second", NOON + 24 * HOUR).await.unwrap(), Accepted::Stored);
}

#[tokio::test]
async fn retention_after_a_jump_takes_only_what_settled_and_has_no_key() {
    let bench = Bench::new().await;
    let keyed = IdempotencyKey { now_ms: NOON, expires_ms: NOON + 24 * HOUR, ..key("k", b"x") };
    bench.ledger.accept(batch("keyed"), vec![parcel(0, 1)], Some(keyed)).await.unwrap();
    bench.accept(batch("plain"), 1, 1).await;
    bench.accept(batch("open"), 1, 1).await;
    for held in bench.claim(NOON, 2).await {
        bench.ledger.settle(vec![settled(held.claim, &[Status::Accepted])], NOON).await.unwrap();
    }
    // A retention of half an hour, seen from an hour before and an hour after.
    for (now_ms, pruned) in [(NOON - HOUR, 0), (NOON + HOUR, 1), (NOON + HOUR, 0)] {
        assert_eq!(bench.ledger.prune(now_ms - HOUR / 2, now_ms, 9).await.unwrap(), pruned);
    }
    assert!(bench.ledger.batch("keyed").await.unwrap().is_some());
    assert!(bench.ledger.batch("open").await.unwrap().is_some());
}
