//! Façades through the real binary: an app that speaks a vendor's wire format asks Interline, which may be
//! killed, slow or told to store first, and no message is ever sent twice.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use interline_tests::{Answer, Client, Place, Server, Stage, config, eventually};
use interline_twins::{Fault, FaultKind, TwinsConfig};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);

/// An `IMKit` façade in front of an `IMKit` provider; `more` are further keys of it.
fn config_of(url: &str, more: &str) -> String {
    config::imkit("kit", url, "[providers.kit.limits]\ntimeout = \"30s\"\n")
        + &config::route("all", "", "kit")
        + &format!("[[facades]]\nname = \"legacy\"\nvendor = \"imkit\"\napi_key = \"app-key\"\n{more}\n")
}

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().unlimited())
}

/// What an app of `IMKit` sends.
fn texts(to: &[&str], text: &str) -> Value {
    let paras: Vec<Value> = to.iter().map(|to| json!({"receiver": to})).collect();
    json!({"message": text, "messageType": "text", "sender": "shop", "push": true, "paras": paras})
}

fn app(client: &Client) -> Client {
    client.with("im-api-key", "app-key")
}

fn send(server: &Server, text: &str) -> Answer {
    app(server).post("/messages/batch", &texts(&["alice"], text))
}

#[track_caller]
fn repeated(answer: &Answer) -> bool {
    answer.header("interline-repeated") == Some("true")
}

#[test]
fn a_repeat_after_kill_nine_is_answered_and_not_sent() {
    let stage = stage();
    let place = Place::new(&config_of(&stage.imkit().url(), ""));
    let server = place.serve();
    let first = send(&server, "hi");
    assert_eq!((first.status, repeated(&first)), (200, false), "{}", first.text());
    server.kill();
    let server = place.serve();
    let again = send(&server, "hi");
    assert_eq!((again.status, repeated(&again)), (200, true), "{}", again.text());
    assert_eq!(stage.imkit().total(), 1);
}

#[test]
fn killed_at_any_write_the_repeat_sends_nothing_twice() {
    let stage = stage();
    let place = Place::new(&config_of(&stage.imkit().url(), "")).debug_build();
    let boundaries = [
        "begin_direct.before_commit",
        "begin_direct.after_commit",
        "call.before_write",
        "call.after_reply",
        "record_direct.before_commit",
        "record_direct.after_commit",
    ];
    for boundary in boundaries {
        let before = stage.imkit().total();
        let mut server =
            place.try_serve(&[("INTERLINE_CRASH_AT", &format!("{boundary}:1"))]).expect("it starts");
        let body = texts(&["alice"], boundary).to_string();
        let broken = app(&server).ask("POST", "/messages/batch", "application/json", body.as_bytes());
        assert!(broken.is_err(), "{boundary}: {broken:?}");
        eventually(boundary, SECONDS, || server.ended());
        let arrived = stage.imkit().total() - before;
        let server = place.serve();
        let again = send(&server, boundary);
        let now = stage.imkit().total() - before;
        match boundary {
            // Nothing was written down: it is a new request.
            "begin_direct.before_commit" => {
                assert_eq!((again.status, repeated(&again), now), (200, false, 1), "{}", again.text());
            }
            // What became of it was written down.
            "record_direct.after_commit" => {
                assert_eq!((again.status, repeated(&again), now), (200, true, 1), "{}", again.text());
            }
            // Nobody can know.
            _ => {
                assert!(
                    again.status >= 500 && repeated(&again),
                    "{boundary}: {} {}",
                    again.status,
                    again.text()
                );
                assert_eq!(now, arrived, "{boundary}: something left");
            }
        }
    }
}

#[test]
fn a_vendor_that_hangs_is_not_waited_for_and_its_late_answer_counts() {
    let stage = stage();
    let place = Place::new(&config_of(&stage.imkit().url(), "answer_within = \"1s\""));
    let server = place.serve();
    stage.imkit().set_fault(Fault::new(FaultKind::Slow).value(3_000).times(1));
    let began = Instant::now();
    let unknown = send(&server, "hi");
    let took = began.elapsed();
    assert!(unknown.status >= 500, "{} {}", unknown.status, unknown.text());
    assert!((Duration::from_millis(900)..Duration::from_millis(2_500)).contains(&took), "{took:?}");
    let doubt = send(&server, "hi");
    assert!(doubt.status >= 500 && repeated(&doubt), "{} {}", doubt.status, doubt.text());
    let known =
        eventually("the late answer", SECONDS, || Some(send(&server, "hi")).filter(|one| one.status == 200));
    assert!(repeated(&known), "{}", known.text());
    assert_eq!((stage.imkit().total(), stage.imkit().calls()), (1, 1));

    stage.imkit().set_fault(Fault::new(FaultKind::Hang));
    for _ in 0..3 {
        assert!(send(&server, "lost").status >= 500);
    }
    assert_eq!(stage.imkit().calls(), 2, "one call for three requests");
}

#[test]
fn what_is_stored_is_answered_at_once_and_outlives_a_kill() {
    let stage = stage();
    let place = Place::new(&config_of(&stage.imkit().url(), "mode = \"durable\""));
    let server = place.serve();
    server.post("/v1/providers/kit/pause", &json!({})).of(200);
    let stored = send(&server, "hi");
    assert_eq!((stored.status, repeated(&stored)), (200, false), "{}", stored.text());
    let again = send(&server, "hi");
    assert_eq!((again.status, repeated(&again)), (200, true), "{}", again.text());
    server.kill();
    let server = place.serve();
    server.post("/v1/providers/kit/resume", &json!({})).of(200);
    eventually("it arrives", SECONDS, || (stage.imkit().total() == 1).then_some(()));
    let later = send(&server, "hi");
    assert_eq!((later.status, repeated(&later)), (200, true), "{}", later.text());
    assert_eq!((stage.imkit().total(), server.batches()), (1, 1));
}

#[test]
fn only_what_is_new_of_a_request_is_sent_and_what_failed_for_sure_is_sent_anew() {
    let stage = stage();
    let place = Place::new(&config_of(&stage.imkit().url(), "answer_within = \"1s\""));
    let server = place.serve();
    stage.imkit().set_fault(Fault::new(FaultKind::Status).value(404).undelivered());
    let busy = send(&server, "hi");
    assert!(busy.status >= 400, "{} {}", busy.status, busy.text());
    stage.imkit().clear_faults();
    let sent = send(&server, "hi");
    assert_eq!((sent.status, repeated(&sent)), (200, false), "{}", sent.text());
    assert_eq!(stage.imkit().total(), 1);
}

/// A server that answers every request alike; gives the heads that it read.
fn listener() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let addr = listener.local_addr().expect("its address");
    let (heads, read) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = vec![0; 65_536];
            let mut all = Vec::new();
            while !all.ends_with(b"!end") {
                match stream.read(&mut bytes) {
                    Ok(count) if count > 0 => all.extend_from_slice(&bytes[..count]),
                    Ok(_) | Err(_) => break,
                }
            }
            let answer = "HTTP/1.1 207 X\r\ncontent-type: text/plain\r\nx-own: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfine";
            stream.write_all(answer.as_bytes()).ok();
            if heads.send(String::from_utf8_lossy(&all).into_owned()).is_err() {
                return;
            }
        }
    });
    (addr, read)
}

#[test]
fn other_paths_are_passed_on_under_the_providers_credentials() {
    let (addr, heads) = listener();
    let place = Place::new(&config_of(&format!("http://{addr}/base"), "passthrough = \"kit\""));
    let server = place.serve();
    let app = app(&server).with("x-extra", "kept");
    let passed = app.ask("PUT", "/groups/7?full=1", "text/plain", b"what?!end").expect("an answer");
    assert_eq!((passed.status, passed.text().as_str()), (207, "fine"));
    assert_eq!((passed.header("x-own"), passed.header("interline-provider")), (Some("1"), Some("kit")));
    let request = heads.recv_timeout(SECONDS).expect("a request");
    let lower = request.to_ascii_lowercase();
    assert!(request.starts_with("PUT /base/groups/7?full=1 HTTP/1.1"), "{request}");
    assert!(lower.contains("x-extra: kept") && lower.contains("content-type: text/plain"), "{request}");
    assert!(request.contains("twin-imkit-key") && !request.contains("app-key"), "{request}");
    assert!(request.ends_with("what?!end"), "{request}");

    let stranger =
        server.with("im-api-key", "wrong").ask("PUT", "/groups/7", "text/plain", b"!end").expect("an answer");
    assert!(stranger.status >= 400 && stranger.header("x-own").is_none(), "{}", stranger.text());
    assert!(heads.recv_timeout(Duration::from_millis(200)).is_err(), "it was passed on");
}

#[test]
fn a_path_that_nobody_serves_is_named() {
    let stage = stage();
    let ne = "[[facades]]\nname = \"ne\"\nvendor = \"netease\"\napp_key = \"k\"\napp_secret = \"s\"\n";
    let server = Place::new(&config_of(&stage.imkit().url(), ne)).serve();
    let named = app(&server).post("/groups", &json!({})).of(404);
    let words = named["error"]["message"].as_str().expect("the vendor's words");
    assert!(words.contains("POST /groups") && words.contains("passthrough"), "{words}");
    let newer = server.post("/im/v2/messages", &json!({})).of(404);
    assert!(newer["desc"].as_str().is_some_and(|words| words.contains("/im/v2/messages")), "{newer}");
    assert_eq!(server.post("/nowhere", &json!({})).of(404)["code"], "not_found");
}

#[test]
fn the_shipped_facades_are_served() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config.toml")).expect("a file");
    let place = Place::empty();
    place.write("config.toml", text.replace("127.0.0.1:8400", "127.0.0.1:0").as_bytes());
    let server = place.serve();
    assert_eq!(server.get("/health").status, 200, "WuKongIM's callers ask for it");
    let shown = server.get("/v1/config").of(200);
    let names: Vec<_> =
        shown["facades"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["legacy-wk", "legacy-oim", "legacy-kit", "legacy-ne"]);
    assert!(!shown["facades"].to_string().contains("openIM123"), "{shown}");
}

#[test]
fn a_reload_changes_facades_and_keeps_what_is_remembered() {
    let stage = stage();
    let place = Place::new(&config_of(&stage.imkit().url(), ""));
    let server = place.serve();
    assert_eq!(send(&server, "hi").status, 200);
    let text = std::fs::read_to_string(place.path("config.toml")).expect("a configuration");
    let changed = text.replace("\"app-key\"", "\"app-key-2\"");
    place.write("config.toml", changed.as_bytes());
    assert_eq!(server.post("/v1/config/reload", &json!({})).status, 200);
    assert!(send(&server, "hi").status >= 400, "the old key");
    let again = server.with("im-api-key", "app-key-2").post("/messages/batch", &texts(&["alice"], "hi"));
    assert_eq!((again.status, repeated(&again)), (200, true), "{}", again.text());
    place.write("config.toml", format!("{changed}listen = \"127.0.0.1:1\"\n").as_bytes());
    let refused = server.post("/v1/config/reload", &json!({}));
    assert!(refused.text().contains("cannot change while the server runs"), "{}", refused.text());
    assert_eq!(stage.imkit().total(), 1);
}
