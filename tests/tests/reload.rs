//! The configuration is read again while everything runs: under load, while a vendor is away, with providers
//! that come, change and go. What is wrong leaves everything as it was.

use std::process::Command;
use std::time::{Duration, Instant};

use interline_tests::{
    Audit, Caller, Heard, Load, Place, Request, Server, Stage, Way, config, eventually, holds_within, refuse,
    users,
};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const RELOADS: u64 = 200;
/// How much more memory may be held at the end than after three quarters, of a hundred.
const GROWTH: u64 = 125;

fn url(stage: &Stage, vendor: Vendor) -> String {
    stage.of(vendor).url()
}

fn reload(server: &Server) -> Value {
    server.post("/v1/config/reload", &json!({})).of(200)
}

/// Whether every provider's breaker is closed.
fn all_closed(server: &Server) -> bool {
    let view = server.get("/v1/providers").of(200);
    view["providers"].as_array().is_some_and(|all| all.iter().all(|one| one["breaker"] == "closed"))
}

fn rooms(number: u64, count: u64) -> Value {
    let message = |at| {
        json!({"id": format!("m{at}"), "to": format!("room:{}", 1_000 + at),
            "content": {"type": "text", "text": format!("goal {number}.{at}")}})
    };
    json!({"from": "shop", "messages": (0..count).map(message).collect::<Vec<_>>()})
}

fn callers() -> Vec<Caller> {
    vec![
        // More than a hundred calls a second, and never more than they hold: what waits at the end is soon gone.
        Caller::new(Way::Batch, false, 100, |number| rooms(number, 40)),
        Caller::new(Way::Direct, false, 60, |number| rooms(number, 10)),
        Caller::new(Way::Batch, false, 150, |number| users(number, 20)),
        Caller::new(Way::Lines, true, 300, |number| users(number, 20)),
        Caller::new(Way::Direct, false, 100, |number| users(number, 3)),
    ]
}

/// The configuration of a round: limits, weights and credentials' neighbours change, a provider comes and goes,
/// and the contract with NetEase is another one now and then, never above what the vendor counts.
fn round(stage: &Stage, number: u64) -> String {
    let limits = format!(
        "[providers.ne.limits]\nin_flight = {}\ntimeout = \"{}s\"\nroom = {{ calls_per_second = {} }}\n",
        16 + number % 8,
        5 + number % 3,
        if number % 5 == 4 { 80 } else { 100 }
    );
    let wk =
        |name: &str, more: &str| config::wukongim(name, &url(stage, Vendor::WuKongIm), "published", more);
    let mut text = config::netease("ne", &url(stage, Vendor::NetEase), &limits);
    let in_flight = 8 + number % 4;
    text.push_str(&wk("wk", &format!("[providers.wk.limits]\nin_flight = {in_flight}\ntimeout = \"4s\"\n")));
    text.push_str(&wk("wk-2", "[providers.wk-2.limits]\ntimeout = \"4s\"\n"));
    if number.is_multiple_of(2) {
        text.push_str(&config::openim("oim", &url(stage, Vendor::OpenIm), "auto", ""));
        text.push_str(&config::route("open", "id = \"oim-*\"", "oim"));
    }
    text.push_str(&config::route("rooms", "to = \"room\"", "ne"));
    let weight = 20 + number % 4 * 10;
    text.push_str(&format!(
        "[[routes]]\nname = \"rest\"\nsplit = {{ wk = {weight}, wk-2 = {} }}\n",
        100 - weight
    ));
    text
}

fn hang_up(server: &Server) {
    let signal = format!("kill -HUP {}", server.id());
    let sent = Command::new("sh").args(["-c", &signal]).status();
    assert!(sent.is_ok_and(|status| status.success()), "{signal}");
}

#[test]
fn two_hundred_reloads_under_load_and_an_outage_cost_nobody_anything() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published"));
    let place = Place::new(&round(&stage, 0));
    let server = place.serve();
    let load = Load::start(&callers());
    load.ask(&server);
    holds_within(Duration::from_secs(1), || false);
    let (mut early, began) = (0, Instant::now());
    for number in 1..=RELOADS {
        place.reconfigure(&round(&stage, number));
        if number % 10 == 0 {
            hang_up(&server);
        }
        reload(&server);
        match number {
            60 => refuse(stage.wukongim(), 3_000),
            120 => {
                // It is to hit calls of every kind, not one after the other that tries whether the server is back.
                eventually("the first outage is over", SOON, || all_closed(&server).then_some(()));
                stage.wukongim().set_fault(Fault::new(FaultKind::Hang).times(10));
            }
            _ => {}
        }
        // With what the outages had held up.
        if number == RELOADS * 3 / 4 {
            early = server.peak_kib();
        }
        holds_within(Duration::from_millis(60), || false);
    }
    let took = began.elapsed();
    let late = server.peak_kib();
    let requests = load.finish();
    let audit = settle(&server, &requests, &stage);
    let lanes = eventually("lanes of providers that are gone end", SOON, || {
        let lanes = server.metric("interline_lanes");
        (lanes == 3 + (RELOADS + 1) % 2).then_some(lanes)
    });
    let log = server.log();
    eprintln!(
        "{RELOADS} reloads in {took:.1?}, {} requests, {audit}; {early} KiB early, {late} KiB late, {lanes} lanes",
        requests.len()
    );
    let refused = requests.iter().filter(|one| matches!(one.heard, Heard::Nothing | Heard::Refused(_)));
    assert_eq!(refused.count(), 0, "a request failed");
    assert!(audit.is_clean(), "{audit}");
    let fine = ["accepted", "unknown"];
    assert!(audit.outcomes.keys().all(|one| fine.contains(&one.as_str())), "a message failed: {audit}");
    assert!(!log.contains("asks for a pause"), "a limit was forgotten: {log}");
    assert!(server.metric("interline_config_reloads_total{result=\"done\"}") >= RELOADS);
    assert_eq!(server.metric("interline_config_reloads_total{result=\"refused\"}"), 0, "{log}");
    assert!(late <= early * GROWTH / 100, "{early} KiB after three quarters, {late} KiB at the end");
}

fn settle(server: &Server, requests: &[Request], stage: &Stage) -> Audit {
    for request in requests {
        if let Heard::Stored(id) = &request.heard {
            server.settled(id, Duration::from_secs(60));
        }
    }
    let received: Vec<_> = ["wukongim", "openim", "imkit", "netease"]
        .into_iter()
        .zip(stage.all())
        .map(|(name, twin)| (name, twin.received()))
        .collect();
    Audit::of(requests, &received, |id| server.results(id))
}

/// A provider that waits for its server, and one that stands by.
fn two(stage: &Stage, first: &str, target: &str) -> String {
    let first = config::wukongim("wk", &url(stage, Vendor::WuKongIm), "published", first);
    let second = config::openim("oim", &url(stage, Vendor::OpenIm), "v3.8.3", "");
    format!("{first}{second}{}", config::route("all", "", target))
}

#[test]
fn a_provider_for_which_messages_wait_goes_only_when_it_is_said_where_they_go() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"));
    let place = Place::new(&two(&stage, "", "wk"));
    let server = place.serve();
    refuse(stage.wukongim(), 600_000);
    let accepted = server.post("/v1/batches", &users(1, 300)).of(202);
    let id = accepted["id"].as_str().unwrap_or_default();

    let only = config::openim("oim", &url(&stage, Vendor::OpenIm), "v3.8.3", "");
    place.reconfigure(&format!("{only}{}", config::route("all", "", "oim")));
    let refused = server.post("/v1/config/reload", &json!({})).of(422);
    assert_eq!(refused["code"], "invalid_config", "{refused}");
    let detail = refused["errors"][0]["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("300 messages") && detail.contains("drain_to"), "{detail}");
    assert!(server.get("/v1/config").text().contains("\"wk\""), "everything is as it was");

    place.reconfigure(&two(&stage, "drain_to = \"oim\"", "wk"));
    let reloaded = reload(&server);
    assert_eq!(reloaded["changed"], json!([]), "{reloaded}");
    let settled = server.settled(id, SOON);
    assert_eq!(settled["counts"]["accepted"], 300, "{settled}");
    assert_eq!(stage.openim().total(), 300);
    let draining = server.get("/v1/providers").text();
    assert!(draining.contains("\"draining\""), "{draining}");
    let direct = server.post("/v1/send", &users(2, 5)).of(200);
    assert_eq!(direct["counts"]["accepted"], 5, "{direct}");

    place.reconfigure(&format!("{only}{}", config::route("all", "", "oim")));
    assert_eq!(reload(&server)["removed"], json!(["wk"]));
    eventually("its lane ends", SOON, || (server.metric("interline_lanes") == 1).then_some(()));
}

#[test]
fn what_waits_for_a_provider_that_is_long_gone_goes_where_drain_to_says() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"));
    let place = Place::new(&two(&stage, "", "wk"));
    let server = place.serve();
    refuse(stage.wukongim(), 600_000);
    let accepted = server.post("/v1/batches", &users(1, 50)).of(202);
    let id = accepted["id"].as_str().unwrap_or_default().to_owned();
    server.kill();
    let only = config::openim("oim", &url(&stage, Vendor::OpenIm), "v3.8.3", "");
    place.reconfigure(&format!(
        "{only}[providers.wk]\ndrain_to = \"oim\"\n{}",
        config::route("all", "", "oim")
    ));
    let server = place.serve();
    let settled = server.settled(&id, SOON);
    assert_eq!(settled["counts"]["accepted"], 50, "{settled}");
    assert_eq!(stage.openim().total(), 50);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_and_changes_nothing() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"));
    let place = Place::new(&two(&stage, "", "wk"));
    let server = place.serve();
    let before = server.get("/v1/routes").text();
    let good = std::fs::read_to_string(place.path("config.toml")).unwrap_or_default();
    for (wrong, key) in [
        (good.replace("provider = \"wk\"", "provider = \"gone\""), "routes[0].provider"),
        (good.replace("127.0.0.1:0", "127.0.0.1:1"), "server.listen"),
        (good.replace("interline.db", "other.db"), "ledger.url"),
        (good.replace("[server]", "[sever]"), "sever"),
    ] {
        place.write("config.toml", wrong.as_bytes());
        let refused = server.post("/v1/config/reload", &json!({})).of(422);
        let paths = refused["errors"].as_array().into_iter().flatten().map(|error| error["path"].clone());
        assert!(paths.collect::<Vec<_>>().contains(&json!(key)), "{key}: {refused}");
    }
    place.write("config.toml", b"[server\n");
    server.post("/v1/config/reload", &json!({})).of(422);
    assert_eq!(server.get("/v1/routes").text(), before);
    assert_eq!(server.post("/v1/send", &users(1, 1)).of(200)["counts"]["accepted"], 1);
    assert_eq!(server.metric("interline_config_reloads_total{result=\"refused\"}"), 5);
}

#[test]
fn a_changed_file_and_a_signal_are_heard() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"));
    let place = Place::new(&two(&stage, "", "wk"));
    let server = place.serve();
    let goes_to = |provider: &'static str| {
        eventually("the new routes are in force", SOON, || {
            server.get("/v1/routes").text().contains(&format!("\"provider\":\"{provider}\"")).then_some(())
        });
    };
    place.reconfigure(&two(&stage, "", "oim"));
    goes_to("oim");
    assert_eq!(server.post("/v1/send", &users(1, 2)).of(200)["counts"]["accepted"], 2);
    assert_eq!((stage.openim().total(), stage.wukongim().total()), (2, 0));
    place.reconfigure(&two(&stage, "", "wk"));
    hang_up(&server);
    goes_to("wk");
}

#[test]
fn keys_and_rates_of_apps_change_and_what_was_handed_over_counts_on() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"));
    let makes = Place::empty();
    let [(old_key, old_hash), (new_key, new_hash)] = [0, 1].map(|_| {
        let new: Value =
            serde_json::from_str(&makes.run(&["--json", "keys", "new", "shop"]).out).unwrap_or_default();
        let text = |name: &str| new[name].as_str().unwrap_or_default().to_owned();
        (text("key"), text("key_sha256"))
    });
    let apps = |hash: &str, rate: u32| {
        format!(
            "[[apps]]\nname = \"shop\"\nkey_sha256 = \"{hash}\"\nmay = [\"send\", \"read\", \"admin\"]\n\
             messages_per_second = {rate}\n"
        )
    };
    let rest = two(&stage, "", "wk");
    let text = |hash, rate| format!("{rest}{}", apps(hash, rate));
    let place = Place::with("", &text(&old_hash, 10));
    let server = place.serve();
    let (old, new) = (server.key(&old_key), server.key(&new_key));
    old.post("/v1/send", &users(1, 1_000)).of(200);
    old.post("/v1/send", &users(2, 1)).of(429);
    place.reconfigure(&text(&new_hash, 20));
    old.post("/v1/config/reload", &json!({})).of(200);
    old.post("/v1/send", &users(3, 1)).of(401);
    new.post("/v1/send", &users(3, 1)).of(429);
    new.get("/v1/config").of(200);
}
