//! Kills the server with SIGKILL and starts it again on the same ledger, then counts at the twin what
//! arrived. Nothing is ever sent twice, and what may have left is said to be unknown.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::fmt::Write as _;
use std::time::Duration;

use interline_tests::{Place, Stage, arrived_once, config, eventually, refuse};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

/// Messages that the published page recommends for one call.
const PER_CALL: u64 = 100;
const IN_FLIGHT: u64 = 4;

fn published() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited())
}

fn place(stage: &Stage) -> Place {
    let limits = format!("[providers.wk.limits]\nin_flight = {IN_FLIGHT}");
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", &limits);
    Place::new(&format!("{provider}{}", config::route("all", "", "wk")))
}

fn lines(messages: u64) -> String {
    let mut lines = String::from("{\"from\":\"shop\"}\n");
    for number in 0..messages {
        writeln!(
            lines,
            "{{\"id\":\"m{number}\",\"to\":\"user:u{number}\",\"content\":{{\"type\":\"text\",\"text\":\"order {number}\"}}}}"
        )
        .expect("a String takes everything");
    }
    lines
}

fn id(accepted: &Value) -> String {
    accepted["id"].as_str().expect("a batch has an id").to_owned()
}

/// Every message has one final outcome, everything accepted arrived, and nothing arrived twice.
#[track_caller]
fn honest(server: &interline_tests::Server, stage: &Stage, batch: &Value) {
    let received = stage.wukongim().received();
    let arrived = arrived_once(&received);
    let results = server.results(batch["id"].as_str().expect("an id"));
    let counts = &batch["counts"];
    assert_eq!(results.len() as u64, counts["total"].as_u64().unwrap_or(0), "a result for each message");
    let mut unknown = 0;
    for result in &results {
        let number = result["id"].as_str().unwrap_or_default().trim_start_matches('m');
        let text = format!("order {number}");
        let here = arrived.contains(&(result["to"].as_str().unwrap_or_default(), text.as_str()));
        match result["status"].as_str() {
            Some("accepted") => assert!(here, "accepted and never arrived: {result}"),
            Some("unknown") => unknown += 1,
            _ => panic!("neither accepted nor unknown: {result}"),
        }
    }
    let accepted = counts["accepted"].as_u64().unwrap_or(0);
    assert_eq!(counts["unknown"], unknown, "{counts}");
    assert_eq!(accepted + unknown, results.len() as u64, "{counts}");
    assert!(
        received.total >= accepted && received.total <= accepted + unknown,
        "{counts} {}",
        received.total
    );
}

#[test]
fn a_killed_server_goes_on_and_sends_nothing_twice() {
    const MESSAGES: u64 = 100_000;
    let stage = published();
    let place = place(&stage);
    let mut server = place.serve();
    let id = id(&server.post_lines("/v1/batches", lines(MESSAGES).as_bytes()).of(202));
    for percent in [20, 60] {
        eventually(&format!("{percent} % arrived"), Duration::from_secs(60), || {
            (stage.wukongim().total() >= MESSAGES * percent / 100).then_some(())
        });
        server.kill();
        assert!(stage.wukongim().total() < MESSAGES, "killed too late to tell anything");
        server = place.serve();
    }
    let batch = server.settled(&id, Duration::from_secs(60));
    honest(&server, &stage, &batch);
    let unknown = batch["counts"]["unknown"].as_u64().unwrap_or(u64::MAX);
    // What was under way at each of the kills.
    assert!(unknown <= 2 * IN_FLIGHT * PER_CALL, "{unknown} unknown after two kills");
    eprintln!("killed twice: {}", batch["counts"]);
}

#[test]
fn killed_around_a_first_call_nothing_is_lost_or_doubled() {
    const MESSAGES: u64 = 400;
    let stage = published();
    let place = place(&stage);
    for round in 0..6 {
        stage.reset();
        let server = place.serve();
        let id = id(&server.post_lines("/v1/batches", lines(MESSAGES).as_bytes()).of(202));
        // Round 0 dies with the answer in hand, later ones a call further each.
        eventually("calls were read", Duration::from_secs(10), || {
            (stage.wukongim().calls() >= round.min(MESSAGES / PER_CALL)).then_some(())
        });
        server.kill();
        let server = place.serve();
        let batch = server.settled(&id, Duration::from_secs(30));
        honest(&server, &stage, &batch);
    }
}

#[test]
fn what_was_answered_with_202_is_sent_after_a_kill() {
    const MESSAGES: u64 = 300;
    let stage = published();
    let place = place(&stage);
    let server = place.serve();
    // While the vendor's port is closed nothing can leave.
    refuse(stage.wukongim(), 60_000);
    let id = id(&server.post_lines("/v1/batches", lines(MESSAGES).as_bytes()).of(202));
    server.kill();
    assert_eq!(stage.wukongim().total(), 0);
    stage.wukongim().reset();
    let server = place.serve();
    let batch = server.settled(&id, Duration::from_secs(60));
    assert_eq!(batch["counts"]["accepted"], MESSAGES, "{batch}");
    honest(&server, &stage, &batch);
}

#[test]
fn an_upload_that_the_kill_cut_off_is_never_sent() {
    let stage = published();
    let place = place(&stage);
    let server = place.serve();
    let mut upload = server.upload("/v1/batches").expect("a connection");
    upload.write(lines(20_000).as_bytes()).expect("a server that reads");
    eventually("a part of it is staged", Duration::from_secs(30), || {
        let batches = server.get("/v1/batches?state=receiving").of(200);
        batches["batches"].as_array().is_some_and(|batches| !batches.is_empty()).then_some(())
    });
    server.kill();
    drop(upload);
    let server = place.serve();
    eventually("the next start discards it", Duration::from_secs(30), || {
        (server.batches() == 0).then_some(())
    });
    // A lane that works: what comes afterwards arrives, and nothing else does.
    let one = json!({"messages": [{"to": "user:a", "content": {"type": "text", "text": "after"}}]});
    let sent = server.post("/v1/send", &one).of(200);
    assert_eq!(sent["counts"]["accepted"], 1, "{sent}");
    assert_eq!(stage.wukongim().total(), 1);
}

#[test]
fn an_upload_whose_sender_goes_away_is_never_sent() {
    let stage = published();
    let place = place(&stage);
    let server = place.serve();
    let mut upload = server.upload("/v1/batches").expect("a connection");
    upload.write(lines(5_000).as_bytes()).expect("a server that reads");
    drop(upload);
    let one = json!({"messages": [{"to": "user:a", "content": {"type": "text", "text": "after"}}]});
    server.post("/v1/send", &one).of(200);
    eventually("only the second is left", Duration::from_secs(30), || (server.batches() == 1).then_some(()));
    assert_eq!(stage.wukongim().total(), 1);
}

#[test]
fn a_direct_send_under_a_key_is_unknown_after_a_kill() {
    let stage = published();
    let place = place(&stage);
    let server = place.serve();
    stage.wukongim().set_fault(Fault::new(FaultKind::Hang));
    let body = json!({"messages": [{"id": "a", "to": "user:a", "content": {"type": "text", "text": "hi"}}]});
    let client = server.client().with("idempotency-key", "once");
    let asking = {
        let (client, body) = (client.clone(), body.to_string());
        std::thread::spawn(move || client.ask("POST", "/v1/send", "application/json", body.as_bytes()))
    };
    eventually("the call was read", Duration::from_secs(10), || {
        (stage.wukongim().calls() == 1).then_some(())
    });
    server.kill();
    assert!(asking.join().expect("the thread ends").is_err(), "a killed server answers nothing");
    stage.wukongim().reset();
    let server = place.serve();
    let replayed = server.with("idempotency-key", "once").post("/v1/send", &body);
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"), "{}", replayed.text());
    let replayed = replayed.of(200);
    assert_eq!(replayed["results"][0]["status"], "unknown", "{replayed}");
    assert_eq!(stage.wukongim().calls(), 0, "a replay sends nothing");
}
