//! Providers that are taken out of the configuration and put back while messages are under way: nothing is
//! lost, nothing arrives twice, and no lane stays behind.

use std::time::Duration;

use interline_tests::{
    Audit, Caller, Heard, Load, Place, Server, Stage, Way, config, eventually, holds_within, users,
};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const ROUNDS: u64 = 60;

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"))
}

fn provider(stage: &Stage, name: &str, more: &str) -> String {
    match name {
        "wk" => config::wukongim("wk", &stage.wukongim().url(), "published", more),
        _ => config::openim("oim", &stage.openim().url(), "v3.8.3", more),
    }
}

/// One of them alone; what waits for the other one is its own.
fn only(stage: &Stage, name: &str, other: &str) -> String {
    let gone = format!("[providers.{other}]\ndrain_to = \"{name}\"\n");
    format!("{}{gone}{}", provider(stage, name, ""), config::route("all", "", name))
}

#[track_caller]
fn reload(place: &Place, server: &Server, config: &str) -> Value {
    place.reconfigure(config);
    server.post("/v1/config/reload", &json!({})).of(200)
}

fn callers() -> Vec<Caller> {
    vec![
        Caller::new(Way::Batch, false, 80, |number| users(number, 30)),
        Caller::new(Way::Lines, true, 150, |number| users(number, 30)),
        Caller::new(Way::Direct, false, 40, |number| users(number, 3)),
        Caller::new(Way::Direct, true, 60, |number| users(number, 3)),
        Caller::new(Way::Paused, false, 200, |number| users(number, 20)),
    ]
}

#[test]
fn providers_that_come_and_go_under_load_lose_nothing_and_double_nothing() {
    let stage = stage();
    let place = Place::new(&only(&stage, "wk", "oim"));
    for twin in stage.all() {
        // With it calls are under way whenever a provider goes.
        twin.set_fault(Fault::new(FaultKind::Slow).value(120));
    }
    let server = place.serve();
    let load = Load::start(&callers());
    load.ask(&server);
    for number in 0..ROUNDS {
        let (stays, goes) = if number.is_multiple_of(2) { ("oim", "wk") } else { ("wk", "oim") };
        let reloaded = reload(&place, &server, &only(&stage, stays, goes));
        assert_eq!((&reloaded["added"], &reloaded["removed"]), (&json!([stays]), &json!([goes])));
        holds_within(Duration::from_millis(20 + number * 37 % 300), || false);
    }
    let requests = load.finish();
    for request in &requests {
        if let Heard::Stored(id) = &request.heard {
            server.settled(id, SOON);
        }
    }
    let received = [("wk", stage.wukongim().received()), ("oim", stage.openim().received())];
    let audit = Audit::of(&requests, &received, |id| server.results(id));
    eprintln!("{} requests, {audit}", requests.len());
    let failed = requests.iter().filter(|one| matches!(one.heard, Heard::Nothing | Heard::Refused(_)));
    assert_eq!(failed.count(), 0, "a request failed");
    assert!(audit.is_clean(), "{audit}");
    assert!(audit.outcomes.keys().all(|one| one == "accepted"), "{audit}");
    eventually("no lane stays behind", SOON, || (server.metric("interline_lanes") == 1).then_some(()));
}

#[test]
fn what_is_paused_or_still_being_uploaded_is_not_left_behind() {
    let stage = stage();
    let place = Place::new(&only(&stage, "wk", "oim"));
    let server = place.serve();
    let later = json!({"from": "shop", "send_at": "2100-01-01T00:00:00Z",
        "content": {"type": "text", "text": "later"}, "messages": [{"to": "user:later"}]});
    let scheduled = server.post("/v1/batches", &later).of(202)["id"].as_str().unwrap_or_default().to_owned();
    let provider = |verb: &str| server.post(&format!("/v1/providers/wk/{verb}"), &json!({})).of(200);
    provider("pause");
    let paused =
        server.post("/v1/batches", &users(1, 40)).of(202)["id"].as_str().unwrap_or_default().to_owned();
    server.post(&format!("/v1/batches/{paused}/pause"), &json!({})).of(200);
    let mut upload = server.upload("/v1/batches").expect("the server takes uploads");
    let head = "{\"from\":\"shop\",\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n";
    let line = |number: u32| format!("{{\"to\":\"user:n{number}\"}}\n");
    let first: String = (0..5_000).map(line).collect();
    assert!(upload.write(format!("{head}{first}").as_bytes()).is_ok());

    assert_eq!(reload(&place, &server, &only(&stage, "oim", "wk"))["removed"], json!(["wk"]));
    let rest: String = (5_000..6_000).map(line).collect();
    assert!(upload.write(rest.as_bytes()).is_ok());
    let answer = upload.finish().map(|answer| answer.of(202)).unwrap_or_default();
    let uploaded = answer["id"].as_str().unwrap_or_default();
    assert_eq!(server.settled(uploaded, SOON)["counts"]["accepted"], 6_000);
    eventually("the lane of the other one ends", SOON, || {
        (server.metric("interline_lanes") == 1).then_some(())
    });
    assert_eq!(server.batch(&paused)["state"], "paused");
    server.post(&format!("/v1/batches/{paused}/resume"), &json!({})).of(200);
    assert_eq!(server.settled(&paused, SOON)["counts"]["accepted"], 40);
    assert_eq!(server.batch(&scheduled)["state"], "scheduled");
    assert_eq!((stage.openim().total(), stage.wukongim().total()), (6_040, 0));
    // Only now is nothing left that remembers it.
    let text = format!("{}{}", provider_of(&stage), config::route("all", "", "oim"));
    assert_eq!(reload(&place, &server, &text)["removed"], json!([]));
}

fn provider_of(stage: &Stage) -> String {
    provider(stage, "oim", "")
}

/// The vendor counts every second that slides and blocks for ten seconds who exceeds it.
#[test]
fn a_contract_is_no_fresh_one_because_its_provider_was_away() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published"));
    let ne = config::netease("ne", &stage.netease().url(), "[providers.ne.limits]\nin_flight = 64\n");
    let wk = provider(&stage, "wk", "");
    let with = format!(
        "{ne}{wk}{}{}",
        config::route("rooms", "to = \"room\"", "ne"),
        config::route("all", "", "wk")
    );
    let without = format!("{wk}{}", config::route("all", "", "wk"));
    let place = Place::new(&with);
    let server = place.serve();
    let rooms = |number: u64| {
        let message = |at: u64| {
            json!({"id": format!("m{at}"), "to": format!("room:{}", 1 + at),
                "content": {"type": "text", "text": format!("goal {number}.{at}")}})
        };
        json!({"from": "shop", "messages": (0..60).map(message).collect::<Vec<_>>()})
    };
    let caller = Caller { way: Way::Direct, keyed: false, pace: Duration::from_millis(1), compose: rooms };
    let load = Load::start(&vec![caller; 8]);
    load.ask(&server);
    for number in 0..24 {
        holds_within(Duration::from_millis(150 + number * 31 % 200), || false);
        reload(&place, &server, if number.is_multiple_of(2) { &without } else { &with });
    }
    holds_within(Duration::from_secs(1), || false);
    let requests = load.finish();
    let received = [("ne", stage.netease().received()), ("wk", stage.wukongim().received())];
    let audit = Audit::of(&requests, &received, |id| server.results(id));
    let calls: std::collections::BTreeSet<u64> =
        stage.netease().received().messages.iter().map(|message| message.call).collect();
    eprintln!("{} calls, {} requests, {audit}", calls.len(), requests.len());
    assert!(audit.is_clean(), "{audit}");
    assert!(audit.outcomes.keys().all(|one| one == "accepted"), "{audit}");
    assert!(!server.log().contains("asks for a pause"), "{}", server.log());
    assert!(calls.len() > 200, "{} calls are no load", calls.len());
}
