//! Who goes next: apps in turns, and the batches of an app in turns.

use std::collections::BTreeMap;

use interline_ledger::{ClaimedParcel, NewBatch};

use crate::builders::{Bench, batch};

fn of(app: &str, id: &str) -> NewBatch {
    NewBatch { app: app.to_owned(), ..batch(id) }
}

fn apps(parcels: &[ClaimedParcel]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for parcel in parcels {
        *counts.entry(parcel.batch.app.as_str()).or_default() += 1;
    }
    counts
}

async fn next(bench: &Bench, parcels: usize) -> Vec<String> {
    let mut order = Vec::new();
    for _ in 0..parcels {
        order.push(bench.claim_one(10).await.batch.id.clone());
    }
    order
}

#[tokio::test]
async fn an_app_gains_nothing_by_splitting_its_work_into_many_batches() {
    let bench = Bench::new().await;
    for n in 0..30 {
        bench.accept(of("many", &format!("m{n}")), 2, 1).await;
    }
    bench.accept(of("one", "whole"), 60, 1).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(bench.claim(10, 8).await);
    }
    assert_eq!(apps(&all), BTreeMap::from([("many", 20), ("one", 20)]));
    let order = next(&bench, 10).await;
    assert_eq!(order.iter().filter(|id| *id == "whole").count(), 5, "{order:?}");
}

#[tokio::test]
async fn batches_of_an_app_take_turns_in_the_place_of_their_app() {
    let bench = Bench::new().await;
    bench.accept(of("shop", "a"), 6, 1).await;
    bench.accept(of("shop", "b"), 6, 1).await;
    bench.accept(of("bank", "c"), 6, 1).await;
    // What comes later stands behind the first.
    let order = next(&bench, 10).await;
    assert_eq!(order, ["c", "a", "c", "a", "c", "b", "c", "a", "c", "b"]);
}

#[tokio::test]
async fn room_that_an_app_does_not_need_goes_to_the_others() {
    let bench = Bench::new().await;
    bench.accept(of("small", "s"), 1, 1).await;
    bench.accept(of("large", "l"), 50, 1).await;
    assert_eq!(apps(&bench.claim(10, 9).await), BTreeMap::from([("small", 1), ("large", 8)]));
}

#[tokio::test]
async fn an_app_that_was_away_has_saved_up_nothing() {
    let bench = Bench::new().await;
    bench.accept(of("early", "first"), 1, 1).await;
    assert_eq!(next(&bench, 1).await, ["first"]);
    bench.accept(of("busy", "long"), 300, 1).await;
    bench.claim(10, 200).await;
    bench.accept(of("early", "again"), 50, 1).await;
    let order = next(&bench, 20).await;
    assert_eq!(order.iter().filter(|id| *id == "again").count(), 10, "{order:?}");
}

#[tokio::test]
async fn an_app_that_was_alone_for_long_does_not_wait_for_it_afterwards() {
    let bench = Bench::new().await;
    bench.accept(of("busy", "long"), 300, 1).await;
    assert_eq!(bench.claim(10, 999).await.len(), 300);
    // Nobody is left in the round when the other comes.
    assert!(bench.claim(10, 1).await.is_empty());
    bench.accept(of("new", "other"), 50, 1).await;
    next(&bench, 2).await;
    bench.accept(of("busy", "next"), 50, 1).await;
    let order = next(&bench, 20).await;
    assert_eq!(order.iter().filter(|id| *id == "next").count(), 10, "{order:?}");
}

#[tokio::test]
async fn a_batch_that_comes_late_waits_for_no_other_of_its_app_to_end() {
    let bench = Bench::new().await;
    bench.accept(batch("large"), 400, 1).await;
    bench.claim(10, 200).await;
    bench.accept(batch("late"), 5, 1).await;
    let order = next(&bench, 12).await;
    assert!(order.iter().filter(|id| *id == "late").count() == 5, "{order:?}");
}

#[tokio::test]
async fn a_higher_priority_of_one_app_goes_before_the_turn_of_another() {
    let bench = Bench::new().await;
    bench.accept(of("bank", "normal"), 4, 1).await;
    bench.accept(NewBatch { priority: 1, ..of("shop", "urgent") }, 4, 1).await;
    bench.accept(NewBatch { priority: 1, ..of("post", "urgent too") }, 2, 1).await;
    let order = next(&bench, 10).await;
    assert_eq!(order.iter().position(|id| id == "normal"), Some(6), "{order:?}");
}

#[tokio::test]
async fn turns_outlive_a_restart_and_nothing_is_left_out_of_the_round() {
    let mut bench = Bench::new().await;
    bench.accept(of("shop", "a"), 3, 1).await;
    bench.accept(of("bank", "b"), 3, 1).await;
    bench.claim(10, 6).await;
    assert!(bench.claim(10, 1).await.is_empty());
    bench.restart().await;
    assert_eq!(apps(&bench.claim(10, 9).await), BTreeMap::from([("bank", 3), ("shop", 3)]));
}

#[tokio::test]
async fn a_paused_batch_leaves_its_turn_to_the_others() {
    let bench = Bench::new().await;
    for n in 0..40 {
        bench.accept(of("shop", &format!("p{n}")), 1, 1).await;
        bench.ledger.pause_batch(&format!("p{n}"), 5).await.unwrap();
    }
    bench.accept(of("shop", "open"), 2, 1).await;
    bench.accept(of("bank", "other"), 2, 1).await;
    assert_eq!(bench.claim(10, 9).await.len(), 4);
    bench.ledger.resume_batch("p7", 6).await.unwrap();
    assert_eq!(next(&bench, 1).await, ["p7"]);
}
