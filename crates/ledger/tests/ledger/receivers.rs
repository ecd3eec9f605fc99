//! Receivers of callbacks: who is due, what an attempt leads to, what is told again, who is forgotten.

use std::collections::BTreeMap;

use interline_ledger::{Attempted, NewBatch, NewCallback, Status, Underway};

use crate::builders::{Bench, batch};
use crate::callbacks::{DAY, failed, told};

/// A settled batch of an app that tells this receiver.
async fn settled(bench: &Bench, app: &str, id: &str) {
    let callback = Some(NewCallback { url: format!("https://example.com/{id}"), each: false });
    bench.accept(NewBatch { app: app.to_owned(), callback, ..batch(id) }, 1, 1).await;
    bench.settle(10, &[Status::Accepted]).await;
}

/// Settled batches that tell the same receiver.
async fn ready(bench: &Bench, ids: &[&str]) {
    for id in ids {
        bench.accept(told(id, false), 1, 1).await;
        bench.settle(10, &[Status::Accepted]).await;
    }
}

/// The receiver wants nothing more.
fn gone() -> Attempted {
    Attempted::Failed {
        retry_ms: Some(10),
        hold_ms: (0, 0),
        wait_until_ms: None,
        disable: Some("gone".to_owned()),
        disable_after_ms: DAY,
    }
}

fn held(retry_ms: i64, hold_ms: (i64, i64)) -> Attempted {
    Attempted::Failed {
        retry_ms: Some(retry_ms),
        hold_ms,
        wait_until_ms: None,
        disable: None,
        disable_after_ms: 9 * DAY,
    }
}

#[tokio::test]
async fn many_receivers_of_one_app_do_not_stand_before_those_of_another() {
    let bench = Bench::new().await;
    for id in ["a1", "a2", "a3", "a4", "a5"] {
        settled(&bench, "bank", id).await;
    }
    settled(&bench, "shop", "b1").await;
    assert_eq!(bench.due(10).await, [1, 2, 3, 6], "three of each app at most");
    // Whoever was asked longest ago comes first.
    let event = bench.take(10).await.remove(0);
    bench.end(&event, 20, failed(Some(20))).await;
    assert_eq!(bench.due(20).await, [2, 3, 4, 6]);
    let apps = vec!["bank".to_owned()];
    assert_eq!(bench.due_but(20, Underway { apps, ..Underway::default() }).await, [6]);
    let endpoints = vec![2, 3];
    assert_eq!(bench.due_but(20, Underway { endpoints, ..Underway::default() }).await, [4, 5, 1, 6]);
}

#[tokio::test]
async fn who_is_being_told_all_that_there_is_is_not_due() {
    let bench = Bench::new().await;
    ready(&bench, &["a"]).await;
    let first = bench.take(10).await.remove(0);
    let underway = || Underway { events: vec![(1, first.id)], ..Underway::default() };
    assert_eq!((bench.due(99).await, bench.due_but(99, underway()).await), (vec![1], vec![]));
    bench.accept(told("b", false), 1, 1).await;
    bench.settle(20, &[Status::Accepted]).await;
    assert_eq!(bench.due_but(20, underway()).await, [1]);
    let events = bench.ledger.take_events(1, 20, 2, vec![first.id]).await.unwrap().unwrap().events;
    assert_eq!((events.len(), &*events[0].batch_id), (1, "b"));
    // While it fails it gets one at a time.
    bench.end(&events[0], 30, failed(Some(30))).await;
    assert_eq!((bench.due(30).await, bench.due_but(30, underway()).await), (vec![1], vec![]));
    bench.end(&first, 40, failed(Some(DAY))).await;
    assert_eq!(bench.due(40).await, [1]);
}

#[tokio::test]
async fn what_comes_up_for_a_receiver_that_asked_for_time_waits() {
    let bench = Bench::new().await;
    ready(&bench, &["a", "c"]).await;
    let events = bench.take(10).await;
    let asked = Attempted::Failed {
        retry_ms: Some(20),
        hold_ms: (0, 0),
        wait_until_ms: Some(500),
        disable: None,
        disable_after_ms: DAY,
    };
    bench.end(&events[0], 10, asked).await;
    // What it takes meanwhile was on its way already.
    bench.end(&events[1], 20, Attempted::Delivered).await;
    bench.accept(told("b", false), 1, 1).await;
    bench.settle(30, &[Status::Accepted]).await;
    assert_eq!((bench.due(499).await, bench.due(500).await), (vec![], vec![1]));
}

#[tokio::test]
async fn a_person_ends_the_pause_of_a_receiver() {
    let bench = Bench::new().await;
    ready(&bench, &["a", "b", "c"]).await;
    for event in bench.take(10).await {
        bench.end(&event, 10, held(DAY, (DAY, DAY))).await;
    }
    assert_eq!((bench.due(20).await, bench.take(20).await), (vec![], vec![]));
    assert!(bench.ledger.enable_endpoint(1, 20).await.unwrap());
    assert_eq!((bench.due(20).await, bench.take(20).await.len()), (vec![1], 3));
}

#[tokio::test]
async fn a_receiver_that_is_known_uses_up_no_number() {
    let bench = Bench::new().await;
    for id in ["a", "b", "c"] {
        bench.accept(told(id, false), 1, 1).await;
    }
    settled(&bench, "shop", "other").await;
    let ids: Vec<i64> =
        bench.ledger.endpoints(None, 0, 9).await.unwrap().iter().map(|endpoint| endpoint.id).collect();
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn whoever_fails_is_left_alone_for_as_long_as_it_fails_already() {
    let bench = Bench::new().await;
    ready(&bench, &["a", "b", "c", "d", "e", "f", "g", "h"]).await;
    // Many that fail at once count as one.
    for event in bench.take(1_000).await.drain(..5) {
        bench.end(&event, 1_000, held(DAY, (100, 3_000))).await;
    }
    let mut asked = Vec::new();
    for now in (1_000..12_000).step_by(50) {
        if let Some(event) = bench.take(now).await.pop() {
            asked.push(now);
            bench.end(&event, now, held(now, (100, 3_000))).await;
        }
    }
    assert_eq!(asked, [1_100, 1_200, 1_400, 1_800, 2_600, 4_200, 7_200, 10_200]);
}

#[tokio::test]
async fn a_replay_outlives_the_attempt_that_it_came_in_between() {
    for came_of in [failed(None), failed(Some(DAY)), Attempted::Delivered] {
        let bench = Bench::new().await;
        ready(&bench, &["a"]).await;
        let event = bench.take(10).await.remove(0);
        assert_eq!(bench.ledger.replay_endpoint(1, (0, DAY), 20).await.unwrap(), 1);
        let ended = bench.end(&event, 30, came_of.clone()).await;
        assert!(!ended.given_up, "{came_of:?}");
        let again = bench.take(30).await;
        assert_eq!(again.iter().map(|again| again.id).collect::<Vec<_>>(), [event.id], "{came_of:?}");
        assert_eq!((again[0].attempts, again[0].step), (1, 0), "{came_of:?}");
        assert_eq!(bench.ledger.endpoint(1).await.unwrap().unwrap().given_up, 0);
        bench.end(&again[0], 40, Attempted::Delivered).await;
        assert_eq!(bench.take(DAY).await, []);
        assert_eq!(bench.ledger.endpoint(1).await.unwrap().unwrap().waiting, 0);
    }
}

#[tokio::test]
async fn what_waits_is_counted_whether_it_is_written_out_or_not() {
    let bench = Bench::new().await;
    ready(&bench, &["a", "b"]).await;
    assert_eq!(bench.ledger.count_callbacks().await.unwrap(), (0, 2), "nothing of it is an event yet");
    let events = bench.take(10).await;
    assert_eq!(bench.ledger.count_callbacks().await.unwrap(), (0, 2));
    bench.end(&events[0], 10, gone()).await;
    assert_eq!(bench.ledger.count_callbacks().await.unwrap(), (1, 2));
}

#[tokio::test]
async fn receivers_that_no_batch_names_are_forgotten_however_they_did() {
    let bench = Bench::new().await;
    for came_of in [Attempted::Delivered, failed(None), gone()] {
        let id = bench.ledger.endpoints(None, 0, 9).await.unwrap().len();
        settled(&bench, "shop", &format!("b{id}")).await;
        let endpoint = i64::try_from(id).unwrap() + 1;
        let event =
            bench.ledger.take_events(endpoint, 20, 1, Vec::new()).await.unwrap().unwrap().events.remove(0);
        bench.end_at(endpoint, &event, 20, came_of).await;
    }
    let known = async || bench.ledger.endpoints(None, 0, 9).await.unwrap().len();
    assert_eq!(bench.ledger.prune(11, 11, 9).await.unwrap(), 3);
    assert_eq!(known().await, 3, "it is seen for a while how they did");
    assert_eq!((bench.ledger.prune(20, 20, 9).await.unwrap(), known().await), (0, 3));
    assert_eq!((bench.ledger.prune(21, 21, 9).await.unwrap(), known().await), (0, 0));
}

#[tokio::test]
async fn failures_are_tried_again_in_their_time_and_given_up_in_the_end() {
    let bench = Bench::new().await;
    ready(&bench, &["b"]).await;
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
async fn what_waits_for_an_endpoint_that_was_away_is_tried_at_once_and_loses_no_retry_by_that() {
    for (away, tried) in [(299_999, 0), (300_000, 3)] {
        let bench = Bench::new().await;
        ready(&bench, &["a", "b", "c", "d"]).await;
        for now in [10, 20, 30] {
            let events = bench.take(now).await;
            if now > 10 {
                assert_eq!(events.len(), 1, "one at a time while it fails");
            }
            bench.end(&events[0], now, held(DAY, (100, 100))).await;
        }
        assert_eq!((bench.taken(129).await.is_some(), bench.due(129).await), (false, vec![]));
        let back = 10 + away;
        let probe = bench.take(back).await.remove(0);
        bench.end(&probe, back, Attempted::Delivered).await;
        let early = bench.take(back).await;
        assert_eq!(early.len(), tried, "away for {away} ms");
        // What fails then is due when it was, also if it had no retry left.
        for (event, came_of) in early.iter().zip([failed(Some(back)), failed(None), Attempted::Delivered]) {
            assert!(!bench.end(event, back, came_of).await.given_up);
        }
        assert_eq!(bench.take(DAY - 1).await, []);
        let steps: Vec<_> = bench.take(DAY).await.iter().map(|event| (event.attempts, event.step)).collect();
        assert_eq!(steps, if tried > 0 { vec![(2, 1); 2] } else { vec![(1, 1); 3] });
    }
}

/// A receiver that takes one batch every so often and refuses three others always. Answers how often each of
/// those was tried until the last was given up, and how long that took.
async fn refused(between_ms: i64, pauses: &[i64]) -> (Vec<u32>, i64) {
    let bench = Bench::new().await;
    ready(&bench, &["a", "b", "c"]).await;
    let (mut tried, mut good) = (BTreeMap::<String, u32>::new(), 0);
    let mut now = 1_000;
    loop {
        while now >= good * between_ms {
            good += 1;
            bench.accept(told(&format!("good {good}"), false), 1, 1).await;
            bench.settle(now, &[Status::Accepted]).await;
        }
        for event in bench.take(now).await {
            let came_of = if event.batch_id.starts_with("good") {
                Attempted::Delivered
            } else {
                *tried.entry(event.batch_id.clone()).or_default() += 1;
                let retry_ms = pauses.get(event.step as usize).map(|pause| now + pause);
                let hold_ms = (pauses[0], 300_000);
                Attempted::Failed {
                    retry_ms,
                    hold_ms,
                    wait_until_ms: None,
                    disable: None,
                    disable_after_ms: 9 * DAY,
                }
            };
            bench.end(&event, now, came_of).await;
        }
        if bench.ledger.endpoint(1).await.unwrap().unwrap().given_up == 3 {
            assert!(bench.ledger.prune(now + 1, now + 1, 99).await.unwrap() >= 3, "nothing keeps them");
            return (tried.into_values().collect(), now);
        }
        assert!(now < DAY, "not given up: {tried:?}");
        now += 5_000;
    }
}

#[tokio::test]
async fn what_is_refused_is_given_up_however_much_goes_well_in_between() {
    let pauses = [5_000, 60_000, 300_000, 1_200_000];
    let all: i64 = pauses.iter().sum();
    let (tried, took) = refused(60_000, &pauses).await;
    assert_eq!(tried, [5, 5, 5], "who takes something every minute was not away");
    assert!(took < all + 120_000, "{took}");
    // Where nothing else goes well for long, it may have been away: one attempt more each time.
    let (tried, took) = refused(400_000, &pauses).await;
    assert!(tried.iter().all(|times| (5..=9).contains(times)), "{tried:?}");
    assert!(tried.iter().sum::<u32>() > 15 && took < 2 * all, "{tried:?} in {took}");
}

#[tokio::test]
async fn endpoint_is_disabled_after_failing_for_long_or_when_it_says_so() {
    let bench = Bench::new().await;
    for (id, disable, now) in [("a", None, DAY + 10), ("b", Some("gone".to_owned()), DAY + 20)] {
        bench.accept(told(id, false), 1, 1).await;
        bench.settle(10, &[Status::Accepted]).await;
        let event = bench.take(DAY).await.remove(0);
        if disable.is_none() {
            assert!(!bench.end(&event, 10, failed(Some(20))).await.disabled);
        }
        let came_of = Attempted::Failed {
            retry_ms: Some(now),
            hold_ms: (0, 0),
            wait_until_ms: None,
            disable,
            disable_after_ms: DAY,
        };
        assert!(bench.end(&event, now, came_of).await.disabled, "{id}");
        assert_eq!((bench.taken(9 * DAY).await.is_some(), bench.due(9 * DAY).await), (false, vec![]));
        assert!(bench.ledger.enable_endpoint(1, now).await.unwrap());
        assert_eq!(bench.deliver(now).await.len(), 1);
    }
    assert!(!bench.ledger.enable_endpoint(7, 1).await.unwrap());
}

#[tokio::test]
async fn what_is_not_told_yet_is_not_pruned_unless_its_receiver_is_disabled() {
    let bench = Bench::new().await;
    ready(&bench, &["b"]).await;
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 0);
    let event = bench.take(DAY).await.remove(0);
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 0);
    bench.end(&event, DAY, failed(None)).await;
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 1, "given up, it is told nobody any more");
    ready(&bench, &["c"]).await;
    let event = bench.take(DAY).await.remove(0);
    bench.end(&event, DAY, gone()).await;
    assert_eq!(bench.ledger.prune(DAY, DAY, 9).await.unwrap(), 1);
    assert_eq!(bench.take(2 * DAY).await, []);
}
