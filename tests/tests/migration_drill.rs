//! A drill: under load everybody is moved to a new vendor, step by step, and that vendor begins to fail. The
//! migration goes back by itself, nothing is lost or doubled, and nobody is moved more than there and back.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interline_tests::{
    Audit, Caller, Heard, Load, Place, Request, Server, Troupe, Way, config, eventually, holds_within,
};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

/// Messages in a second.
const RATE: u64 = 500;
/// Messages of one request.
const MESSAGES: u64 = 10;
/// The pause between the requests of one caller.
const PACE: Duration = Duration::from_millis(175);
/// Recipients of one caller.
const RECIPIENTS: u64 = 50;
/// Within how long everything is back.
const BACK: Duration = Duration::from_secs(2);
/// Callers that hand over so much, each request taking a fifth of a second with the pause after it.
const CALLERS: u64 = RATE * 200 / (1_000 * MESSAGES);

/// How long the load runs: a minute where nothing else runs, else as long as the drill needs.
fn length() -> Duration {
    let whole = std::env::var_os("INTERLINE_MEASURE").is_some();
    Duration::from_secs(if whole { 60 } else { 20 })
}

/// Each caller has recipients of its own, so that what one of them gets is handed over in one order.
fn body(caller: u64, number: u64) -> Value {
    let messages: Vec<Value> = (0..MESSAGES)
        .map(|at| {
            let recipient = (number / CALLERS * MESSAGES + at) % RECIPIENTS;
            json!({"id": format!("m{at}"), "to": format!("user:c{caller}.{recipient}"),
                "content": {"type": "text", "text": format!("text {number}.{at}")}})
        })
        .collect();
    json!({"from": "shop", "messages": messages})
}

fn callers() -> Vec<Caller> {
    let compose: [fn(u64) -> Value; CALLERS as usize] = [
        |number| body(0, number),
        |number| body(1, number),
        |number| body(2, number),
        |number| body(3, number),
        |number| body(4, number),
        |number| body(5, number),
        |number| body(6, number),
        |number| body(7, number),
        |number| body(8, number),
        |number| body(9, number),
    ];
    let ways = [
        (Way::Batch, false),
        (Way::Direct, false),
        (Way::Lines, true),
        (Way::Direct, true),
        (Way::Batch, true),
    ];
    let with = ways.into_iter().cycle().zip(compose);
    with.map(|((way, keyed), compose)| Caller { way, keyed, pace: PACE, compose }).collect()
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn order(server: &Server, verb: &str, body: &Value) {
    server.post(&format!("/v1/migrations/move/{verb}"), body).of(200);
}

fn report(server: &Server) -> Value {
    server.get("/v1/migrations/move/report").of(200)
}

fn wait(length: Duration) {
    holds_within(length, || false);
}

/// Waits until everything is settled and gives what became of each message, by request.
fn outcomes(server: &Server, requests: &[Request]) -> Vec<HashMap<String, Value>> {
    let of = |request: &Request| -> Vec<Value> {
        match &request.heard {
            Heard::Stored(id) => {
                server.settled(id, Duration::from_secs(60));
                server.results(id)
            }
            Heard::Sent(results) => results.clone(),
            Heard::Nothing | Heard::Refused(_) => Vec::new(),
        }
    };
    let named = |results: Vec<Value>| {
        results
            .into_iter()
            .map(|result| (result["id"].as_str().unwrap_or_default().to_owned(), result))
            .collect()
    };
    requests.iter().map(|request| named(of(request))).collect()
}

/// How often each recipient was moved, in the order in which its messages were handed over.
fn flips(requests: &[Request], outcomes: &[HashMap<String, Value>]) -> BTreeMap<String, usize> {
    let mut in_order: Vec<(&Request, &HashMap<String, Value>)> = requests.iter().zip(outcomes).collect();
    in_order.sort_by_key(|(request, _)| request.at);
    let mut last: HashMap<&str, String> = HashMap::new();
    let mut flips: BTreeMap<String, usize> = BTreeMap::new();
    for (request, results) in in_order {
        for handed in &request.messages {
            let provider = results.get(&handed.id).and_then(|result| result["provider"].as_str());
            let Some(provider) = provider else { continue };
            let before = last.insert(&handed.to, provider.to_owned());
            let moved = before.is_some_and(|before| before != provider);
            *flips.entry(handed.to.clone()).or_default() += usize::from(moved);
        }
    }
    flips
}

#[test]
fn a_vendor_that_fails_half_way_is_left_within_two_seconds_and_nothing_is_lost() {
    let mut troupe = Troupe::new();
    let old = troupe.add("old", Vendor::WuKongIm, "v2");
    let new = troupe.add("new", Vendor::OpenIm, "v3.8.3");
    let place = Place::new(&format!(
        "{}{}{}[migrations.move]\nroute = \"all\"\nfrom = \"old\"\nto = \"new\"\n\
         gates = {{ rejected_percent = 2, unknown_percent = 0.5, p95 = \"2s\", min_messages = 100 }}\n",
        config::wukongim("old", &old, "v2", "[providers.old.limits]\nin_flight = 32\n"),
        config::openim("new", &new, "v3.8.3", "[providers.new.limits]\nin_flight = 32\n"),
        config::route("all", "", "old"),
    ));
    let server = place.serve();
    let load = Load::start(&callers());
    load.ask(&server);
    let began = Instant::now();
    let step = length() / 10;
    wait(step);
    order(&server, "start", &json!({}));
    for percent in [5, 25, 100] {
        wait(step);
        order(&server, "set", &json!({"percent": percent}));
    }
    let half = length() / 2;
    wait(half.saturating_sub(began.elapsed()));

    // The messages arrive, and nobody is told: the worst that can happen to who would send them again.
    troupe.twin("new").set_fault(Fault { probability: Some(0.5), ..Fault::new(FaultKind::CloseAfterRead) });
    let failing = Instant::now();
    let tripped = eventually("the gate trips", Duration::from_secs(10), || {
        (report(&server)["phase"] == "rolled_back").then(|| failing.elapsed())
    });
    let back_ms = now_ms();
    wait(length().saturating_sub(began.elapsed()));
    let requests = load.finish();
    let took = began.elapsed();

    let outcomes = outcomes(&server, &requests);
    let received = troupe.received();
    let audit = Audit::of(&requests, &received, |id| server.results(id));
    let last_ms = |name: &str| {
        let of = received.iter().filter(|(twin, _)| *twin == name).flat_map(|(_, all)| &all.messages);
        of.map(|message| message.at_ms).max().unwrap_or_default()
    };
    let flips = flips(&requests, &outcomes);
    let most = flips.values().max().copied().unwrap_or_default();
    let moved = flips.values().filter(|flips| **flips > 0).count();
    let handed: usize = requests.iter().map(|request| request.messages.len()).sum();
    let report = report(&server);
    eprintln!("{report:#}");
    eprintln!(
        "{handed} messages in {took:.1?}; the gate tripped {tripped:.2?} after the first failure; the last message \
         reached the new vendor {} ms after that; {moved} of {} recipients were moved, none more than {most} times",
        i128::from(last_ms("new")) - i128::from(back_ms),
        flips.len()
    );
    eprintln!("{audit}");

    assert!(audit.is_clean(), "{audit}");
    assert!(last_ms("new") <= back_ms + u64::try_from(BACK.as_millis()).unwrap_or(0), "traffic went on");
    assert!(last_ms("old") > back_ms, "nothing came back");
    assert!(most <= 2, "somebody was moved {most} times: {flips:?}");
    assert!(moved * 10 > flips.len() * 9, "only {moved} of {} were moved", flips.len());
    let why = report["history"][0]["why"].as_str().unwrap_or_default();
    assert!(why.contains("allowed"), "it went back for no reason: {report}");
    for outcome in audit.outcomes.keys() {
        assert!(["accepted", "rejected", "unknown"].contains(&outcome.as_str()), "{audit}");
    }
    let accepted = audit.outcome("accepted") as usize;
    assert!(accepted * 10 > handed * 9, "too many failed: {audit}");
}
