//! Callbacks: what is to be told is known from the commit on that makes it true, is told once to its end, and is
//! forgotten with its batch.

use std::collections::BTreeMap;

use interline_ledger::{
    Attempt, Attempted, Event, EventKind, NewBatch, NewCallback, NewParcel, ParcelQuery, Revision, Status,
    Taken,
};

use crate::builders::{Bench, batch, parcel, request, settled};

const URL: &str = "https://example.com/hook";
const DAY: i64 = 86_400_000;

fn told(id: &str, each: bool) -> NewBatch {
    NewBatch { callback: Some(NewCallback { url: URL.to_owned(), each }), ..batch(id) }
}

impl Bench {
    async fn take(&self, now_ms: i64) -> Vec<Event> {
        self.taken(now_ms).await.map(|taken| taken.events).unwrap_or_default()
    }

    async fn taken(&self, now_ms: i64) -> Option<Taken> {
        self.ledger.take_events(1, now_ms, 99, Vec::new()).await.unwrap()
    }

    async fn end(&self, event: &Event, now_ms: i64, came_of: Attempted) -> bool {
        let attempt =
            Attempt { event: event.id, endpoint: 1, now_ms, answer: "answered".to_owned(), came_of };
        self.ledger.end_attempt(attempt).await.unwrap()
    }

    async fn deliver(&self, now_ms: i64) -> Vec<Event> {
        let mut all = Vec::new();
        loop {
            let events = self.take(now_ms).await;
            if events.is_empty() {
                return all;
            }
            for event in &events {
                self.end(event, now_ms, Attempted::Delivered).await;
            }
            all.extend(events);
        }
    }

    async fn settle(&self, now_ms: i64, states: &[Status]) {
        let claim = self.claim_one(now_ms).await.claim;
        self.ledger.settle(vec![settled(claim, states)], now_ms).await.unwrap();
    }

    async fn due(&self, now_ms: i64) -> Vec<i64> {
        self.ledger.due_endpoints(now_ms, 9).await.unwrap().due
    }
}

fn failed(retry_ms: Option<i64>) -> Attempted {
    Attempted::Failed { retry_ms, hold_ms: 0, wait_until_ms: None, disable: None, disable_after_ms: DAY }
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn batch_without_a_callback_is_told_to_nobody() {
    let bench = Bench::new().await;
    bench.accept(batch("b"), 1, 1).await;
    bench.settle(10, &[Status::Accepted]).await;
    assert_eq!(bench.due(99).await, [0_i64; 0]);
    assert_eq!(bench.ledger.endpoints(None, 0, 9).await.unwrap(), []);
}

#[tokio::test]
async fn settled_batch_is_told_until_it_is_delivered_and_not_again() {
    let mut bench = Bench::new().await;
    bench.accept(told("b", false), 1, 2).await;
    assert_eq!((bench.due(5).await, bench.take(5).await), (vec![], vec![]));
    bench.settle(10, &[Status::Accepted, Status::Rejected]).await;
    bench.restart().await;
    assert_eq!(bench.due(10).await, [1]);
    let events = bench.take(10).await;
    assert_eq!(
        (kinds(&events), events[0].sequence, events[0].created_ms),
        (vec![EventKind::BatchSettled], 1, 10)
    );
    bench.restart().await;
    let again = bench.take(20).await;
    assert_eq!(again, events, "what nobody took is the same event still");
    bench.end(&again[0], 20, Attempted::Delivered).await;
    bench.restart().await;
    assert_eq!((bench.take(30).await, bench.due(30).await), (vec![], vec![]));
    let endpoint = bench.ledger.endpoint(1).await.unwrap().unwrap();
    assert_eq!((endpoint.delivered, endpoint.waiting, endpoint.failures), (1, 0, 0));
}

#[tokio::test]
async fn failures_are_tried_again_in_their_time_and_given_up_in_the_end() {
    let bench = Bench::new().await;
    bench.accept(told("b", false), 1, 1).await;
    bench.settle(10, &[Status::Accepted]).await;
    let event = bench.take(10).await.remove(0);
    bench.end(&event, 10, failed(Some(50))).await;
    assert_eq!((bench.take(49).await, bench.due(49).await), (vec![], vec![]));
    assert_eq!(bench.due(50).await, [1]);
    let again = bench.take(50).await.remove(0);
    assert_eq!((again.id, again.attempts, again.step), (event.id, 1, 1));
    bench.end(&again, 50, failed(None)).await;
    assert_eq!(bench.take(DAY).await, []);
    let endpoint = bench.ledger.endpoint(1).await.unwrap().unwrap();
    assert_eq!((endpoint.given_up, endpoint.failures, endpoint.failing_since_ms), (1, 2, Some(10)));
    assert_eq!(bench.ledger.replay_endpoint(1, (10, 10), 60).await.unwrap(), 1);
    assert_eq!(bench.take(60).await[0].sequence, event.sequence);
    assert_eq!(bench.ledger.replay_endpoint(1, (11, DAY), 60).await.unwrap(), 0);
}

#[tokio::test]
async fn endpoint_that_fails_again_and_again_is_left_alone_and_goes_on_at_once_when_it_is_well() {
    let bench = Bench::new().await;
    for id in ["a", "b", "c", "d"] {
        bench.accept(told(id, false), 1, 1).await;
        bench.settle(10, &[Status::Accepted]).await;
    }
    for now in [10, 20, 30] {
        let events = bench.take(now).await;
        if now > 10 {
            assert_eq!(events.len(), 1, "one at a time while it fails");
        }
        let came_of = Attempted::Failed {
            retry_ms: Some(DAY),
            hold_ms: now + 100,
            wait_until_ms: None,
            disable: None,
            disable_after_ms: DAY,
        };
        bench.end(&events[0], now, came_of).await;
    }
    assert_eq!((bench.taken(129).await, bench.due(129).await), (None, vec![]));
    let probe = bench.take(130).await.remove(0);
    bench.end(&probe, 130, Attempted::Delivered).await;
    assert_eq!(bench.take(130).await.len(), 3, "the others do not wait for their time");
}

#[tokio::test]
async fn endpoint_is_disabled_after_failing_for_long_or_when_it_says_so() {
    let bench = Bench::new().await;
    for (id, disable, now) in [("a", None, DAY + 10), ("b", Some("gone".to_owned()), DAY + 20)] {
        bench.accept(told(id, false), 1, 1).await;
        bench.settle(10, &[Status::Accepted]).await;
        let event = bench.take(DAY).await.remove(0);
        if disable.is_none() {
            assert!(!bench.end(&event, 10, failed(Some(20))).await);
        }
        let came_of = Attempted::Failed {
            retry_ms: Some(now),
            hold_ms: 0,
            wait_until_ms: None,
            disable,
            disable_after_ms: DAY,
        };
        assert!(bench.end(&event, now, came_of).await, "{id}");
        assert_eq!((bench.taken(9 * DAY).await, bench.due(9 * DAY).await), (None, vec![]));
        assert!(bench.ledger.enable_endpoint(1, now).await.unwrap());
        assert_eq!(bench.deliver(now).await.len(), 1);
    }
    assert!(!bench.ledger.enable_endpoint(7, 1).await.unwrap());
}

#[tokio::test]
async fn each_message_is_told_once_as_it_settles_and_again_when_it_is_revised() {
    let bench = Bench::new().await;
    bench.accept(told("b", true), 3, 100).await;
    let mut states = vec![Status::Queued; 100];
    states[7] = Status::Unknown;
    bench.settle(1_000, &states).await;
    let first = bench.deliver(1_000).await;
    assert_eq!(
        (kinds(&first), first[0].items.clone()),
        (vec![EventKind::MessagesSettled], vec![(0, vec![7])])
    );
    let claims = bench.ledger.claim(request(1_100, 9)).await.unwrap();
    for claimed in claims {
        let states = vec![Status::Accepted; 100];
        bench.ledger.settle(vec![settled(claimed.claim, &states)], 1_100).await.unwrap();
    }
    let rest = bench.deliver(1_100).await;
    let messages: usize = rest.iter().flat_map(|event| &event.items).map(|(_, places)| places.len()).sum();
    assert!(
        rest.iter().all(|event| event.items.iter().map(|(_, places)| places.len()).sum::<usize>() <= 100)
    );
    assert!(messages >= 200, "{messages}");
    let parcel = bench
        .ledger
        .parcels_of("b", ParcelQuery { limit: 1, ..ParcelQuery::default() })
        .await
        .unwrap()
        .remove(0);
    let revision =
        Revision { parcel: parcel.parcel, changes: vec![(7, Status::Accepted)], record: Vec::new() };
    if bench.ledger.revise(revision, 2_000).await.unwrap() {
        assert_eq!(kinds(&bench.deliver(2_000).await), [EventKind::MessagesRevised]);
    }
}

#[tokio::test]
async fn an_upload_tells_nothing_before_it_is_published_and_nothing_is_left_of_a_discarded_one() {
    let bench = Bench::new().await;
    let refused = |seq| NewParcel { states: vec![Status::Rejected], ..parcel(seq, 1) };
    for id in ["kept", "dropped"] {
        bench.ledger.stage(told(id, true)).await.unwrap();
        bench.ledger.stage_parcels(id, vec![refused(0)]).await.unwrap();
    }
    assert_eq!((bench.take(9).await, bench.due(9).await), (vec![], vec![]));
    bench.ledger.discard("dropped").await.unwrap();
    bench.ledger.publish("kept", 10, None).await.unwrap();
    let events = bench.deliver(10).await;
    assert_eq!(kinds(&events), [EventKind::MessagesSettled, EventKind::BatchSettled]);
    assert!(events.iter().all(|event| event.batch_id == "kept"));
}

#[tokio::test]
async fn what_is_not_told_yet_is_not_pruned_unless_its_receiver_is_disabled() {
    let bench = Bench::new().await;
    bench.accept(told("b", false), 1, 1).await;
    bench.settle(10, &[Status::Accepted]).await;
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 0);
    let event = bench.take(DAY).await.remove(0);
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 0);
    bench.end(&event, DAY, failed(None)).await;
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 1, "given up, it is told nobody any more");
    bench.accept(told("c", false), 1, 1).await;
    bench.settle(10, &[Status::Accepted]).await;
    let event = bench.take(DAY).await.remove(0);
    let gone = Attempted::Failed {
        retry_ms: Some(1),
        hold_ms: 0,
        wait_until_ms: None,
        disable: Some("gone".to_owned()),
        disable_after_ms: DAY,
    };
    bench.end(&event, DAY, gone).await;
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 1);
    assert_eq!(bench.take(2 * DAY).await, []);
}

/// A generator of the kind that needs no crate.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn whatever_happens_each_change_is_told_exactly_once() {
    for seed in 1..=6 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new().await;
        let (parcels, count) = (1 + dice.roll(40) as u32, 1 + dice.roll(40) as usize);
        bench.accept(told("b", true), parcels, count).await;
        let mut told: BTreeMap<(u32, u16), Vec<EventKind>> = BTreeMap::new();
        let mut batch_told = 0;
        let mut hear = |events: Vec<Event>| {
            for event in events {
                batch_told += u32::from(event.kind == EventKind::BatchSettled);
                for (seq, places) in event.items {
                    places.iter().for_each(|place| told.entry((seq, *place)).or_default().push(event.kind));
                }
            }
        };
        let mut now = 1_000;
        loop {
            now += 1 + dice.roll(700) as i64;
            match dice.roll(6) {
                0 => bench.restart().await,
                1 => hear(bench.deliver(now).await),
                2 => {
                    // An attempt that fails changes nothing of what is told.
                    if let Some(event) = bench.take(now).await.first() {
                        bench.end(event, now, failed(Some(now))).await;
                    }
                }
                _ => {}
            }
            let claims = bench.claim(now, 1 + dice.roll(3) as usize).await;
            for claimed in claims {
                let states = claimed
                    .states
                    .iter()
                    .map(|state| match dice.roll(4) {
                        _ if state.is_final() => *state,
                        0 => Status::Queued,
                        1 => Status::Unknown,
                        _ => Status::Accepted,
                    })
                    .collect::<Vec<_>>();
                let mut settled = settled(claimed.claim, &states);
                settled.release_at_ms = Some(now);
                bench.ledger.settle(vec![settled], now).await.unwrap();
            }
            if bench.batch("b").await.settled_ms.is_some() {
                break;
            }
        }
        hear(bench.deliver(now + 1).await);
        let total = parcels as usize * count;
        let all =
            bench.ledger.parcels_of("b", ParcelQuery { limit: 99, ..ParcelQuery::default() }).await.unwrap();
        for parcel in &all {
            let unknown = (0u16..).zip(&parcel.states).filter(|(_, state)| **state == Status::Unknown);
            let changes = unknown.map(|(place, _)| (place, Status::Accepted)).collect();
            let revision = Revision { parcel: parcel.parcel, changes, record: Vec::new() };
            bench.ledger.revise(revision, now + 2).await.unwrap();
        }
        hear(bench.deliver(now + 1_000).await);
        assert_eq!((told.len(), batch_told), (total, 1), "seed {seed}");
        for parcel in all {
            for (place, state) in (0u16..).zip(parcel.states) {
                let wanted: &[EventKind] = if state == Status::Unknown {
                    &[EventKind::MessagesSettled, EventKind::MessagesRevised]
                } else {
                    &[EventKind::MessagesSettled]
                };
                assert_eq!(told[&(parcel.seq, place)], wanted, "seed {seed}");
            }
        }
    }
}
