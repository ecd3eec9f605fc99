//! Callbacks, seen by receivers of every kind: well, away, slow, unwilling, redirecting, private, and with a
//! certificate that nobody vouches for. Signatures are checked by the samples of the guide, in the languages of
//! those who receive.

#![cfg(test)]

mod guide;
mod receiver;
mod set;
mod trouble;
mod turns;

use std::collections::BTreeSet;
use std::time::Duration;

use interline_tests::{Contract, Place, eventually};
use interline_twins::{Fault, FaultKind};
use serde_json::json;

use guide::verified;
use receiver::{Hook, Receiver, ok};
use set::{Set, accepted, app, batch, receiver};

const SOON: Duration = Duration::from_secs(30);
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "a plain secret that is long enough";
const LOCAL: &str = "allow_private = [\"127.0.0.0/8\"]\n";

#[test]
fn a_settled_batch_is_told_once_and_signed_with_each_secret() {
    let set = Set::new(LOCAL, &[NEW, OLD]);
    let hooks = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    let id = accepted(&client, &batch(&hooks.url(), false, 3));
    let hook = hooks.gets(1).remove(0);
    let told = hook.json();
    assert_eq!((hook.kind().as_str(), &told["data"]["id"]), ("batch.settled", &json!(id)));
    assert_eq!(told["data"]["counts"], client.get(&format!("/v1/batches/{id}")).of(200)["counts"]);
    assert_eq!(told["data"]["links"]["messages"], json!(format!("/v1/batches/{id}/messages")));
    assert_eq!(hook.headers["content-type"], "application/json");
    let wrong = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(verified(&[(OLD, &hook), (NEW, &hook), (wrong, &hook)], false), [true, true, false]);
    assert_eq!(verified(&[(OLD, &hook), (NEW, &hook)], true), [false, false]);

    let shown = receiver(&client, "it is delivered", |one| one["delivered"] == 1);
    assert_eq!((&shown["state"], &shown["waiting"]), (&json!("active"), &json!(0)), "{shown}");
    assert_eq!(shown["last"]["answer"], "answered 200");
    for place in [shown.to_string(), server.log()] {
        assert!(!place.contains("canary"), "nothing of a query, a content or a body is shown: {place}");
    }
    assert!(server.log().contains("127.0.0.1"), "the host is");
    for secret in [NEW, OLD] {
        assert!(!server.log().contains(secret));
    }
    assert_eq!(hooks.hooks().len(), 1);
}

#[test]
fn each_message_is_told_in_pages_and_what_was_unknown_is_told_when_it_is_known() {
    let set = Set::new(LOCAL, &[OLD]);
    let hooks = Receiver::start(|_| ok());
    let (_server, client) = set.serve();
    let id = accepted(&client, &batch(&hooks.url(), true, 250));
    let all = eventually("the batch is told", SOON, || {
        let all = hooks.hooks();
        all.iter().any(|hook| hook.kind() == "batch.settled").then_some(all)
    });
    let mut told = BTreeSet::new();
    for hook in all.iter().filter(|hook| hook.kind() == "messages.settled") {
        let data = hook.json()["data"].clone();
        let messages = data["messages"].as_array().expect("messages").clone();
        assert!(!messages.is_empty() && messages.len() <= 100, "{}", messages.len());
        assert_eq!(data["batch_id"], json!(id));
        for message in messages {
            assert_eq!(message["status"], "accepted");
            assert!(told.insert(message["id"].to_string()), "told twice: {message}");
        }
    }
    assert_eq!(told.len(), 250);
    let ids: BTreeSet<&str> = all.iter().map(Hook::id).collect();
    assert_eq!(ids.len(), all.len(), "each event has an id of its own");

    // A call that answers after its caller's time: unknown first, then known.
    let before = all.len();
    set.stage.wukongim().set_fault(Fault::new(FaultKind::Slow).times(1).value(4_000));
    let sent = client.post("/v1/send?timeout=1", &batch(&hooks.url(), true, 1)).of(200);
    assert_eq!(sent["results"][0]["status"], "unknown", "{sent}");
    let all = hooks.gets(before + 3);
    let kinds: Vec<String> = all[before..].iter().map(Hook::kind).collect();
    assert_eq!(kinds.last().map(String::as_str), Some("messages.revised"), "{kinds:?}");
    let revised = all.last().expect("a callback").json();
    assert_eq!(revised["data"]["messages"][0]["status"], "accepted", "{revised}");

    let contract = Contract::of(&client);
    for hook in all {
        let schema = if hook.kind() == "batch.settled" { "BatchEvent" } else { "MessagesEvent" };
        assert_eq!(contract.wrong(schema, &hook.json()), Vec::<String>::new(), "{}", hook.kind());
    }
}

#[test]
fn what_was_told_and_not_recorded_is_told_again_under_the_same_id() {
    let mut set = Set::new(LOCAL, &[OLD]);
    let twins = std::mem::replace(&mut set.place, Place::empty());
    set.place = twins.debug_build();
    let hooks = Receiver::start(|_| ok());
    let crash = [("INTERLINE_CRASH_AT", "end_attempt.before_commit:1"), ("INTERLINE_LOG", "warn")];
    let server = set.place.try_serve(&crash).expect("it starts");
    accepted(&server.client().key(&set.key), &batch(&hooks.url(), false, 1));
    hooks.gets(1);
    let mut server = server;
    eventually("it is killed", SOON, || server.ended());
    let (_server, client) = set.serve();
    let told = hooks.gets(2);
    assert_eq!(told[0].id(), told[1].id());
    assert_eq!(told[0].body, told[1].body);
    receiver(&client, "it is delivered", |one| one["delivered"] == 1);
}

#[test]
fn new_secrets_and_new_blocks_count_from_the_next_attempt_on() {
    let pauses = "\"300ms\", ".repeat(19);
    let set = Set::new(&format!("retries = [{}]\n", pauses.trim_end_matches(", ")), &[OLD]);
    let hooks = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    receiver(&client, "it is refused", |one| {
        one["last"]["answer"].as_str().is_some_and(|answer| answer.contains("private"))
    });
    assert_eq!(hooks.hooks().len(), 0);
    // The secret first: a reload may come between the two, and as long as nothing is allowed nothing leaves.
    set.edit(OLD, NEW);
    set.edit("[callbacks]\n", &format!("[callbacks]\n{LOCAL}"));
    // The server looks at its file every second.
    let hook = hooks.gets(1).remove(0);
    drop(server);
    assert_eq!(verified(&[(NEW, &hook), (OLD, &hook)], false), [true, false]);
}

#[test]
fn apps_see_and_steer_their_own_receivers_and_need_something_to_sign_with() {
    let (bank, bank_key) = app("bank", "[\"send\", \"read\"]", &[]);
    let (boss, boss_key) = app("boss", "[\"read\", \"admin\"]", &[]);
    let set = Set::with(LOCAL, &[OLD], &format!("{bank}{boss}"));
    let hooks = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    let (bank, boss) = (server.client().key(&bank_key), server.client().key(&boss_key));
    for path in ["/v1/batches", "/v1/send", "/v1/plan"] {
        let refused = bank.post(path, &batch(&hooks.url(), false, 1)).of(400);
        assert_eq!(refused["errors"][0]["path"], "/callback", "{refused}");
        assert!(refused.to_string().contains("callback_secrets"), "{refused}");
    }
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is delivered", |one| one["delivered"] == 1);
    assert_eq!(bank.get("/v1/callbacks").of(200), json!({"callbacks": [], "next_cursor": null}));
    assert_eq!(boss.get("/v1/callbacks?limit=1").of(200)["callbacks"][0]["id"], shown["id"]);
    let id = shown["id"].as_str().expect("an id");
    for path in [
        format!("/v1/callbacks/{id}/enable"),
        "/v1/callbacks/cb_99/enable".to_owned(),
        "/v1/callbacks/x/enable".to_owned(),
    ] {
        assert_eq!(bank.post_text(&path, "").status, 404, "{path}");
    }
    assert_eq!(boss.post_text(&format!("/v1/callbacks/{id}/enable"), "").status, 200);
    let wrong = client.post(&format!("/v1/callbacks/{id}/replay"), &json!({"until": 5, "all": true})).of(400);
    let paths: Vec<&str> =
        wrong["errors"].as_array().expect("errors").iter().filter_map(|one| one["path"].as_str()).collect();
    assert_eq!(paths.len(), 3, "{wrong}");
    for (callback, path) in [
        (json!({"url": "ftp://a/"}), "/callback/url"),
        (json!({"url": "https://a/", "secret": "x"}), "/callback/secret"),
    ] {
        let mut body = batch("https://a/", false, 1);
        body["callback"] = callback;
        assert_eq!(client.post("/v1/batches", &body).of(400)["errors"][0]["path"], path);
    }
}
