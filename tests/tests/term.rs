//! Asks a busy server to terminate. It finishes what is under way, within its deadline, and ends with
//! success; the rest stays in the ledger and is sent after the next start. A vendor that hangs holds up
//! nobody for longer than the deadline, and what it has in hand is the only thing that is in doubt.

use std::collections::HashSet;
use std::io::Result;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use interline_tests::{
    Answer, Audit, Caller, Heard, Load, Place, Request, Server, Troupe, Way, config, eventually, holds_within,
};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

/// How long a server may take to end, and what else may happen on a busy machine.
const DEADLINE: Duration = Duration::from_secs(12);
const SLACK: Duration = Duration::from_secs(3);
/// Calls of a provider under way at once.
const IN_FLIGHT: u64 = 4;

fn message(id: &str, to: &str) -> Value {
    json!({"id": id, "to": to, "content": {"type": "text", "text": format!("text {id}")}})
}

/// A few messages for each of the two providers.
fn mixed(number: u64, count: u64) -> Value {
    let one = |at: u64| {
        let to = if at.is_multiple_of(2) {
            format!("user:array-{number}.{at}")
        } else {
            format!("user:one-{number}.{at}")
        };
        let mut message = message(&format!("m{at}"), &to);
        message["content"]["text"] = json!(format!("text {number}.{at}"));
        message
    };
    json!({"from": "shop", "messages": (0..count).map(one).collect::<Vec<_>>()})
}

fn callers() -> Vec<Caller> {
    vec![
        Caller::new(Way::Batch, false, 40, |number| mixed(number, 60)),
        Caller::new(Way::Lines, true, 60, |number| mixed(number, 100)),
        Caller::new(Way::Direct, false, 10, |number| mixed(number, 2)),
        Caller::new(Way::Direct, false, 10, |number| mixed(number, 4)),
        Caller::new(Way::Direct, true, 10, |number| mixed(number, 2)),
    ]
}

/// An array at a time, and one at a time. Neither can be asked what became of a message.
fn place(troupe: &mut Troupe, timeout: &str) -> Place {
    let limits = |name| {
        format!(
            "[providers.{name}.limits]\nin_flight = {IN_FLIGHT}\ntimeout = \"{timeout}\"\nsendbatch = {{ messages_per_call = 10 }}"
        )
    };
    let array = troupe.add("array", Vendor::WuKongIm, "published");
    let one = troupe.add("one", Vendor::WuKongIm, "v1");
    Place::new(
        &[
            config::wukongim("array", &array, "published", &limits("array")),
            config::wukongim("one", &one, "v1", &limits("one")),
            config::route("array", "id = \"array-*\"", "array"),
            config::route("one", "", "one"),
        ]
        .concat(),
    )
}

/// Waits until a server that was asked to terminate has ended with success; tells how long it took.
#[track_caller]
fn ends(server: &mut Server) -> Duration {
    let asked = Instant::now();
    server.terminate();
    let ended = eventually("it ends", DEADLINE + SLACK, || server.ended());
    assert_eq!(ended.code(), Some(0), "{ended}: {}", server.log());
    asked.elapsed()
}

fn settle(server: &Server, requests: &[Request], troupe: &Troupe) -> Audit {
    for request in requests {
        if let Heard::Stored(id) = &request.heard {
            server.settled(id, Duration::from_secs(60));
        }
    }
    Audit::of(requests, &troupe.received(), |id| server.results(id))
}

#[test]
fn a_busy_server_that_is_terminated_leaves_nothing_in_doubt_and_loses_nothing() {
    let mut troupe = Troupe::new();
    let place = place(&mut troupe, "10s");
    for (_, twin) in troupe.all() {
        twin.set_fault(Fault::new(FaultKind::Slow).value(200));
    }
    let load = Load::start(&callers());
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut server = place.serve();
        load.ask(&server);
        // A moment of work, with calls under way at the end of it.
        holds_within(Duration::from_millis(1_500), || false);
        eventually("calls are under way", Duration::from_secs(5), || (troupe.open_calls() > 4).then_some(()));
        load.pause();
        took.push(ends(&mut server));
        assert_eq!(troupe.open_calls(), 0, "it left calls behind");
    }
    let server = place.serve();
    load.ask(&server);
    troupe.clear_faults();
    let requests = load.finish();
    let audit = settle(&server, &requests, &troupe);
    eprintln!("ended after {took:.2?}; {} requests; {audit}", requests.len());
    assert!(audit.is_clean(), "{audit}");
    assert_eq!(audit.outcome("unknown"), 0, "nothing hung, and yet something is in doubt: {audit}");
    for request in &requests {
        let Heard::Sent(results) = &request.heard else { continue };
        for result in results.iter().filter(|result| result["status"] != "accepted") {
            assert_eq!(result["error"]["fate"], "not_sent", "{result}");
        }
    }
    let quick = Duration::from_secs(5);
    assert!(took.iter().all(|took| *took < quick), "answers take 0.2 s, and ending took {took:?}");
    let direct = requests.iter().filter(|request| request.way == Way::Direct);
    let answered = direct.clone().filter(|request| matches!(request.heard, Heard::Sent(_))).count();
    assert!(answered * 10 > direct.count() * 8, "most callers hear something");
}

/// A caller who waits for one message; gives the answer, and when the waiting was over.
fn waits(server: &Server, id: &str) -> JoinHandle<(Result<Answer>, Instant)> {
    let client = server.client().clone();
    let body = json!({"from": "shop", "messages": [message(id, &format!("user:one-{id}"))]}).to_string();
    std::thread::spawn(move || {
        let answer = client.ask("POST", "/v1/send?timeout=60", "application/json", body.as_bytes());
        (answer, Instant::now())
    })
}

#[test]
fn a_vendor_that_hangs_does_not_hold_up_the_end() {
    let mut troupe = Troupe::new();
    let place = place(&mut troupe, "120s");
    troupe.twin("one").set_fault(Fault::new(FaultKind::Hang));
    let mut server = place.serve();
    let under_way = waits(&server, "under-way");
    eventually("it hangs", Duration::from_secs(10), || (troupe.open_calls() == 1).then_some(()));
    let hung: Vec<Value> = (0..40).map(|at| message(&format!("m{at}"), &format!("user:one-{at}"))).collect();
    let stored = server.post("/v1/batches", &json!({"from": "shop", "messages": hung})).of(202);
    let stored = stored["id"].as_str().expect("an id").to_owned();
    eventually("every call hangs", Duration::from_secs(10), || {
        (troupe.open_calls() == IN_FLIGHT).then_some(())
    });
    let waiting = waits(&server, "waiting");
    let good: Vec<Value> =
        (0..40).map(|at| message(&format!("g{at}"), &format!("user:array-{at}"))).collect();
    let fine = server.post("/v1/batches", &json!({"from": "shop", "messages": good})).of(202);
    server.settled(fine["id"].as_str().expect("an id"), Duration::from_secs(10));
    eventually("the second caller waits in the lane", Duration::from_secs(10), || {
        let lanes = server.get("/v1/providers").of(200);
        let one = lanes["providers"].as_array()?.iter().find(|lane| lane["name"] == "one")?.clone();
        (one["waiting"].as_u64()? > 40 - IN_FLIGHT).then_some(())
    });

    let asked = Instant::now();
    let took = ends(&mut server);
    assert!(took < DEADLINE + SLACK, "ending took {took:?}");
    // Whose message had left may be told that nobody knows, or nothing; whose had not is told that.
    for (caller, fate) in [(under_way, "unknown"), (waiting, "not_sent")] {
        let (answer, heard_at) = caller.join().expect("the caller ends");
        assert!(heard_at.duration_since(asked) < DEADLINE + SLACK, "a caller was left waiting");
        match answer {
            Ok(answer) => {
                let answer = answer.of(200);
                assert_eq!(answer["results"][0]["error"]["fate"], fate, "{answer}");
            }
            Err(error) => assert_eq!(fate, "unknown", "a caller whose message had not left: {error}"),
        }
    }
    let in_hand = troupe.twin("one").received();
    let in_hand: HashSet<&str> = in_hand.messages.iter().map(|message| message.to.as_str()).collect();
    assert_eq!(in_hand.len() as u64, IN_FLIGHT, "{in_hand:?}");

    troupe.clear_faults();
    let server = place.serve();
    let batch = server.settled(&stored, Duration::from_secs(30));
    for result in server.results(&stored) {
        let to = result["to"].as_str().unwrap_or_default();
        match result["status"].as_str() {
            Some("unknown") => assert!(in_hand.contains(to), "it had not left: {result}"),
            Some("accepted") => assert!(!in_hand.contains(to), "nobody answered for it: {result}"),
            _ => panic!("neither sent nor in doubt: {result}"),
        }
    }
    assert_eq!(batch["counts"]["unknown"], IN_FLIGHT - 1, "{batch}");
    assert_eq!(troupe.twin("one").total(), 41, "each arrived once");
    eprintln!("ended after {took:.2?} with {IN_FLIGHT} calls that hung: {}", batch["counts"]);
}
