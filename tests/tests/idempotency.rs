//! One key stands for one request of one app: whatever happens in between, the second never sends anything,
//! and a key that stood for nothing is free.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::thread;
use std::time::Duration;

use interline_tests::{Answer, Client, Place, Server, Stage, config, eventually, in_seconds};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);
const BOTH: [&str; 2] = ["/v1/batches", "/v1/send"];

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited())
}

fn config_of(stage: &Stage) -> String {
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    provider + &config::route("all", "", "wk")
}

fn open(stage: &Stage) -> (Place, Server) {
    let place = Place::new(&config_of(stage));
    let server = place.serve();
    (place, server)
}

fn keyed(client: &Client, key: &str) -> Client {
    client.with("idempotency-key", key)
}

fn messages(count: usize) -> Value {
    let message = |number| json!({"id": format!("m{number}"), "to": format!("user:u{number}")});
    let messages: Vec<_> = (0..count).map(message).collect();
    json!({"content": {"type": "text", "text": "hi"}, "messages": messages})
}

#[track_caller]
fn id_of(answer: &Answer) -> String {
    answer.json()["id"].as_str().expect("an id").to_owned()
}

/// The answer is a good one, and that of an earlier request, or not.
#[track_caller]
fn answered(answer: &Answer, replayed: bool) -> String {
    assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
    let told = answer.header("idempotency-replayed");
    assert_eq!(told, replayed.then_some("true"), "{}", answer.text());
    id_of(answer)
}

#[track_caller]
fn problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.of(status)["code"], code, "{}", answer.text());
}

#[test]
fn a_refused_request_does_not_use_its_key_up() {
    let stage = stage();
    let (_place, server) = open(&stage);
    for path in BOTH {
        let client = keyed(&server, path);
        let mut wrong = messages(2);
        wrong["messages"][1]["to"] = json!("nobody");
        problem(&client.post(path, &wrong), 400, "invalid_body");
        answered(&client.post(path, &messages(2)), false);
        answered(&client.post(path, &messages(2)), true);
    }
    let client = keyed(&server, "lines");
    let head = "{\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n";
    let (wrong, right) = (format!("{head}{{\"to\":\"x\"}}\n"), format!("{head}{{\"to\":\"user:a\"}}\n"));
    problem(&client.post_lines("/v1/batches", wrong.as_bytes()), 400, "invalid_body");
    let first = answered(&client.post_lines("/v1/batches", right.as_bytes()), false);
    assert_eq!(answered(&client.post_lines("/v1/batches", right.as_bytes()), true), first);
}

#[test]
fn what_was_taken_is_replayed_though_it_would_be_refused_now() {
    let stage = stage();
    let (place, server) = open(&stage);
    let mut soon = messages(1);
    soon["expires_at"] = json!(in_seconds(2));
    let soon_id = answered(&keyed(&server, "soon").post("/v1/batches", &soon), false);
    let mut routed = messages(1);
    routed["route"] = json!("all");
    let first: Vec<_> =
        BOTH.iter().map(|path| answered(&keyed(&server, path).post(path, &routed), false)).collect();
    for id in first.iter().chain([&soon_id]) {
        server.settled(id, SECONDS);
    }
    let before = stage.total();
    drop(server);
    let config = std::fs::read_to_string(place.path("config.toml")).expect("a configuration");
    place.write("config.toml", config.replace("\"all\"", "\"every\"").as_bytes());
    let server = place.serve();
    for (path, id) in BOTH.iter().zip(&first) {
        assert_eq!(server.post(path, &routed).status, 400, "the route is gone");
        assert_eq!(&answered(&keyed(&server, path).post(path, &routed), true), id, "{path}");
        routed["messages"][0]["to"] = json!("user:other");
        problem(&keyed(&server, path).post(path, &routed), 409, "idempotency_mismatch");
        routed["messages"][0]["to"] = json!("user:u0");
    }
    assert_eq!(stage.total(), before, "nothing was sent again");
    eventually("it is too late", SECONDS, || (server.post("/v1/batches", &soon).status == 400).then_some(()));
    assert_eq!(answered(&keyed(&server, "soon").post("/v1/batches", &soon), true), soon_id);
}

#[test]
fn of_requests_at_the_same_time_one_is_taken() {
    let stage = stage();
    let (_place, server) = open(&stage);
    for path in BOTH {
        stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(500).times(1));
        let client = keyed(&server, path);
        let before = stage.total();
        let asking: Vec<_> = (0..8)
            .map(|_| {
                let client = client.clone();
                thread::spawn(move || client.post(path, &messages(3)))
            })
            .collect();
        let answers: Vec<Answer> = asking.into_iter().map(|one| one.join().expect("an answer")).collect();
        let (good, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status != 409);
        let fresh = good.iter().filter(|answer| answer.header("idempotency-replayed").is_none());
        assert_eq!(fresh.count(), 1, "{path}");
        // A batch is answered once it is stored; a direct send keeps the others waiting for its call.
        assert!(path != "/v1/send" || !busy.is_empty(), "nobody met the direct send under way");
        for answer in busy {
            problem(answer, 409, "in_progress");
            assert!(answer.header("retry-after").is_some(), "{path}");
        }
        let ids: Vec<_> = good.iter().map(|answer| id_of(answer)).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{path}: {ids:?}");
        server.settled(&ids[0], SECONDS);
        assert_eq!(stage.total(), before + 3, "{path}");
    }
}

#[test]
fn a_key_outlives_a_kill() {
    let stage = stage();
    let (place, server) = open(&stage);
    let first: Vec<_> =
        BOTH.iter().map(|path| answered(&keyed(&server, path).post(path, &messages(2)), false)).collect();
    for id in &first {
        server.settled(id, SECONDS);
    }
    server.kill();
    let server = place.serve();
    for (path, id) in BOTH.iter().zip(&first) {
        let again = keyed(&server, path).post(path, &messages(2));
        assert_eq!(&answered(&again, true), id);
        assert_eq!(again.json()["counts"]["accepted"], 2, "{}", again.text());
        problem(&keyed(&server, path).post(path, &messages(1)), 409, "idempotency_mismatch");
    }
    assert_eq!(stage.total(), 4);
}

#[test]
fn apps_do_not_meet_under_one_key() {
    let stage = stage();
    let makes = Place::empty();
    let app = |name: &str| {
        let ran = makes.run(&["--json", "keys", "new", name]);
        let new: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
        let sha256 = new["key_sha256"].as_str().or(new["sha256"].as_str()).expect("a hash").to_owned();
        let lines = format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{sha256}\"\n");
        (lines, new["key"].as_str().expect("a key").to_owned())
    };
    let ((shop, shop_key), (bank, bank_key)) = (app("shop"), app("bank"));
    let place = Place::with("auth = \"keys\"", &format!("{shop}{bank}{}", config_of(&stage)));
    let server = place.serve();
    for path in BOTH {
        let (shop, bank) = (keyed(&server.key(&shop_key), path), keyed(&server.key(&bank_key), path));
        let of_shop = answered(&shop.post(path, &messages(1)), false);
        let of_bank = answered(&bank.post(path, &messages(2)), false);
        assert_ne!(of_shop, of_bank);
        assert_eq!(answered(&shop.post(path, &messages(1)), true), of_shop);
        assert_eq!(answered(&bank.post(path, &messages(2)), true), of_bank);
    }
}

#[test]
fn a_replay_of_a_permissive_batch_names_what_was_refused() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = messages(3);
    batch["validation"] = json!("permissive");
    batch["messages"][1]["to"] = json!("nobody");
    let client = keyed(&server, "p");
    let first = client.post("/v1/batches", &batch).of(202);
    assert_eq!(first["errors"][0]["path"], "/messages/1/to", "{first}");
    let again = client.post("/v1/batches", &batch);
    answered(&again, true);
    assert_eq!(again.json()["errors"], first["errors"]);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let long = "k".repeat(256);
    for key in ["", "schlüssel", &long] {
        for path in BOTH {
            let refused = keyed(&server, key).post(path, &messages(1));
            problem(&refused, 400, "invalid_parameter");
            assert!(refused.text().contains("Idempotency-Key"), "{}", refused.text());
        }
    }
    let twice = keyed(&keyed(&server, "a"), "b").post("/v1/send", &messages(1));
    problem(&twice, 400, "invalid_parameter");
    assert_eq!(stage.total(), 0);
}
