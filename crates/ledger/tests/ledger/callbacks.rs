//! Callbacks: what is to be told is known from the commit on that makes it true, and is told once to its end.

use std::collections::BTreeMap;

use interline_ledger::{
    Attempt, Attempted, Ended, Event, EventKind, NewBatch, NewCallback, NewParcel, ParcelQuery, Revision,
    Status, Taken, Underway,
};

use crate::builders::{Bench, batch, parcel, request, settled};

const URL: &str = "https://example.com/hook";
pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn told(id: &str, each: bool) -> NewBatch {
    NewBatch { callback: Some(NewCallback { url: URL.to_owned(), each }), ..batch(id) }
}

impl Bench {
    pub(crate) async fn take(&self, now_ms: i64) -> Vec<Event> {
        self.taken(now_ms).await.map(|taken| taken.events).unwrap_or_default()
    }

    pub(crate) async fn taken(&self, now_ms: i64) -> Option<Taken> {
        self.ledger.take_events(1, now_ms, 99, Vec::new()).await.unwrap()
    }

    pub(crate) async fn end(&self, event: &Event, now_ms: i64, came_of: Attempted) -> Ended {
        self.end_at(1, event, now_ms, came_of).await
    }

    pub(crate) async fn end_at(
        &self,
        endpoint: i64,
        event: &Event,
        now_ms: i64,
        came_of: Attempted,
    ) -> Ended {
        let (answer, replays) = ("answered".to_owned(), event.replays);
        let attempt = Attempt { event: event.id, replays, endpoint, now_ms, answer, came_of };
        self.ledger.end_attempt(attempt).await.unwrap()
    }

    pub(crate) async fn deliver(&self, now_ms: i64) -> Vec<Event> {
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

    pub(crate) async fn settle(&self, now_ms: i64, states: &[Status]) {
        let claim = self.claim_one(now_ms).await.claim;
        self.ledger.settle(vec![settled(claim, states)], now_ms).await.unwrap();
    }

    pub(crate) async fn due(&self, now_ms: i64) -> Vec<i64> {
        self.due_but(now_ms, Underway::default()).await
    }

    pub(crate) async fn due_but(&self, now_ms: i64, underway: Underway) -> Vec<i64> {
        let found = self.ledger.due_endpoints(now_ms, 3, underway).await.unwrap();
        found.due.into_iter().map(|endpoint| endpoint.id).collect()
    }
}

pub(crate) fn failed(retry_ms: Option<i64>) -> Attempted {
    Attempted::Failed { retry_ms, hold_ms: (0, 0), wait_until_ms: None, disable: None, disable_after_ms: DAY }
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
    assert!(bench.ledger.revise(revision, 2_000).await.unwrap());
    let revised = bench.deliver(2_000).await;
    assert_eq!(
        (kinds(&revised), revised[0].items.clone()),
        (vec![EventKind::MessagesRevised], vec![(0, vec![7])])
    );
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
