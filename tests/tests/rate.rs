//! A minute against a server that counts every second that slides and blocks for ten seconds who exceeds
//! it: the contract is used up and never exceeded, in calls that are full.
//! `INTERLINE_MEASURE=1`, on a machine that does nothing else, asks for 95 % of the calls; half otherwise. How
//! full they are depends on no neighbour.

use std::collections::BTreeMap;
use std::time::Duration;

use interline_tests::{Place, Stage, config, eventually, holds_within, share_of};
use interline_twins::{Fault, FaultKind, TwinsConfig};
use serde_json::{Value, json};

/// What the vendor allows, and what is made of it at least.
const CALLS_A_SECOND: u64 = 100;
const LEAST_CALLS_A_SECOND: u64 = 95;
const LEAST_MESSAGES_A_CALL: f64 = 9.5;

const MINUTE_MS: u64 = 60_000;
const ROOMS: u64 = 100;
const BATCHES: u64 = 8;
const BATCH: u64 = 8_000;

fn batch(number: u64) -> Value {
    let messages: Vec<Value> = (0..BATCH)
        .map(
            |message| json!({"to": format!("room:{}", 1_000 + message % ROOMS), "id": format!("m{message}")}),
        )
        .collect();
    json!({"content": {"type": "text", "text": format!("goal {number}")}, "messages": messages})
}

#[test]
fn a_minute_at_the_contract_meets_no_penalty() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    // How long the disk takes is not what is tested here.
    let provider = config::netease("ne", &stage.netease().url(), "[providers.ne.limits]\nin_flight = 64\n");
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "ne")));
    let server = place.serve();
    for number in 0..BATCHES {
        server.post("/v1/batches", &batch(number)).of(202);
    }
    eventually("a first call", Duration::from_secs(10), || (stage.netease().calls() > 0).then_some(()));
    // Nothing is asked meanwhile: who looks on takes part in the load.
    holds_within(Duration::from_millis(MINUTE_MS + 500), || false);
    let log = server.log();
    drop(server);
    let received = stage.netease().received();

    let mut calls: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for message in &received.messages {
        calls.entry(message.call).or_insert((message.at_ms, 0)).1 += 1;
    }
    let begins = calls.values().map(|(at_ms, _)| *at_ms).min().unwrap_or_default();
    let minute: Vec<(u64, u64)> =
        calls.values().copied().filter(|(at, _)| *at < begins + MINUTE_MS).collect();
    let made = minute.len() as u64;
    let messages: u64 = minute.iter().map(|(_, messages)| messages).sum();
    let a_call = messages as f64 / made as f64;
    eprintln!(
        "{made} calls in a minute ({:.1} a second), {messages} messages ({a_call:.2} a call), most in a second: {}",
        made as f64 / 60.0,
        fullest_second(&minute),
    );
    // A call that is refused leaves no message, and so a gap in the numbers of the calls.
    assert_eq!(calls.len() as u64, calls.keys().max().copied().unwrap_or_default(), "a call was refused");
    assert!(!log.contains("asks for a pause"), "{log}");
    let least = share_of((LEAST_CALLS_A_SECOND * 60) as f64);
    assert!(made as f64 >= least, "{made} calls of {}", CALLS_A_SECOND * 60);
    assert!(a_call >= LEAST_MESSAGES_A_CALL, "{a_call:.2} messages a call");
}

/// The vendor refuses one call for ten seconds. What has a slot by then does not use it.
#[test]
fn a_penalty_is_waited_out_and_fails_nothing() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    stage.netease().set_fault(Fault::new(FaultKind::Code).value(416).times(1).after(20));
    let provider = config::netease("ne", &stage.netease().url(), "");
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "ne")));
    let server = place.serve();
    let messages: Vec<Value> =
        (0..800).map(|number| json!({"to": format!("room:{}", 1 + number % 80)})).collect();
    let batch = json!({"content": {"type": "text", "text": "goal"}, "messages": messages});
    let accepted = server.post("/v1/batches", &batch).of(202);
    let id = accepted["id"].as_str().unwrap_or_default();
    let settled = server.settled(id, Duration::from_secs(40));
    assert_eq!(settled["counts"]["accepted"], 800, "{settled}");
    let tried_twice = |result: &Value| result["attempts"].as_array().is_some_and(|tries| tries.len() == 2);
    assert_eq!(server.results(id).into_iter().filter(tried_twice).count(), 10, "one call was refused");

    let mut at: Vec<u64> = stage.netease().received().messages.iter().map(|message| message.at_ms).collect();
    at.sort_unstable();
    let pause = at.iter().zip(at.iter().skip(1)).map(|(one, next)| next - one).max().unwrap_or_default();
    assert!((9_500..12_000).contains(&pause), "a pause of {pause} ms");
    let before = at.iter().filter(|time| **time < at[0] + 5_000).count();
    assert!(before < 350, "{before} messages went before the penalty was known");
}

fn fullest_second(calls: &[(u64, u64)]) -> usize {
    let mut times: Vec<u64> = calls.iter().map(|(at_ms, _)| *at_ms).collect();
    times.sort_unstable();
    let inside = |from: usize| times.partition_point(|at| *at < times[from] + 1_000) - from;
    (0..times.len()).map(inside).max().unwrap_or_default()
}
