//! Receivers that are not well, and what becomes of what is to be told.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use interline_tests::eventually;
use serde_json::json;

use crate::guide::verified;
use crate::receiver::{Hook, Receiver, Reply, Tls, ok, status};
use crate::set::{Set, accepted, app, batch, receiver};
use crate::{LOCAL, OLD, SOON};

#[test]
fn what_goes_wrong_is_told_by_its_kind_and_nothing_is_followed() {
    let other = Receiver::start(|_| ok());
    let location = other.url();
    let redirecting =
        Receiver::start(move |_| status(&format!("307 Temporary Redirect\r\nlocation: {location}")));
    let hidden = TcpListener::bind("127.0.0.2:0").expect("another address of loopback");
    let port = hidden.local_addr().expect("an address").port();
    let tls = Tls::start();
    let cases = [
        (redirecting.url(), "answered 307; redirects are not followed"),
        (format!("http://127.0.0.2:{port}/"), "private address"),
        (format!("http://[::ffff:127.0.0.2]:{port}/"), "private address"),
        (format!("http://[64:ff9b::7f00:2]:{port}/"), "private address"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "private address"),
        ("http://168.63.129.16/machine".to_owned(), "private address"),
        (format!("https://127.0.0.1:{}/", tls.port), "an issuer that is not trusted"),
        (format!("https://{}/", other.addr), "no connection could be made"),
        ("http://nowhere.invalid/".to_owned(), "no connection could be made"),
    ];
    // Each case has an app of its own, which sees its own receiver alone.
    let (lines, keys): (Vec<String>, Vec<String>) =
        (0..cases.len()).map(|case| app(&format!("app{case}"), "[\"send\", \"read\"]", &[OLD])).unzip();
    let settings = "allow_private = [\"::ffff:127.0.0.1/128\"]\nretries = [\"1h\"]\n";
    let set = Set::with(settings, &[OLD], &lines.concat());
    let (server, _) = set.serve();
    for ((url, said), key) in cases.iter().zip(&keys) {
        let client = server.client().key(key);
        accepted(&client, &batch(url, false, 1));
        let shown = receiver(&client, &format!("{url}: {said}"), |one| one["last"].is_object());
        let answer = shown["last"]["answer"].as_str().unwrap_or_default();
        assert!(answer.contains(said), "{url}: {answer}");
    }
    assert_eq!(redirecting.hooks().len(), 1, "who may be asked was");
    assert_eq!(other.hooks().len(), 0, "nobody followed");
    hidden.set_nonblocking(true).expect("a socket");
    assert!(hidden.accept().is_err(), "nobody came there");
}

#[test]
fn who_says_nothing_is_waited_for_as_long_as_it_is_allowed() {
    let set = Set::new(&format!("{LOCAL}timeout = \"1s\"\nretries = [\"1h\"]\n"), &[OLD]);
    let silent = Receiver::start(|_| Reply::Silence);
    let (_server, client) = set.serve();
    accepted(&client, &batch(&silent.url(), false, 1));
    let shown = receiver(&client, "it is not waited for", |one| one["last"].is_object());
    assert_eq!(shown["last"]["answer"], "no answer within 1.0 s", "{shown}");
    assert_eq!(silent.gets(1).len(), 1);
}

#[test]
fn a_receiver_that_was_away_gets_everything_also_over_a_kill() {
    let set = Set::new(
        &format!(
            "{LOCAL}retries = [\"100ms\", \"200ms\", \"400ms\", \"1s\", \"1s\", \"1s\", \"5s\", \"5s\", \"5s\"]\n"
        ),
        &[OLD],
    );
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = port.local_addr().expect("an address");
    drop(port);
    let url = format!("http://{addr}/hook");
    let (server, client) = set.serve();
    let ids: BTreeSet<String> = (0..5).map(|_| accepted(&client, &batch(&url, false, 2))).collect();
    let failing = receiver(&client, "it fails", |one| one["failures"].as_u64() >= Some(2));
    assert_eq!(
        (&failing["state"], &failing["last"]["answer"]),
        (&json!("failing"), &json!("no connection could be made"))
    );
    server.kill();
    let hooks = Receiver::on(TcpListener::bind(addr).expect("the port is free again"), |_| ok());
    let (_server, client) = set.serve();
    let told = hooks.gets(5);
    let found: BTreeSet<String> =
        told.iter().map(|hook| hook.json()["data"]["id"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(found, ids);
    assert_eq!(verified(&told.iter().map(|hook| (OLD, hook)).collect::<Vec<_>>(), false), [true; 5]);
    let well = receiver(&client, "it is well", |one| one["delivered"] == 5);
    assert_eq!(
        (&well["state"], &well["failures"], &well["waiting"]),
        (&json!("active"), &json!(0), &json!(0)),
        "{well}"
    );
}

#[test]
fn who_wants_nothing_more_is_left_alone_until_somebody_enables_it() {
    let set = Set::new(LOCAL, &[OLD]);
    let hooks = Receiver::start(|_| status("410 Gone"));
    let (server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is disabled", |one| one["state"] == "disabled");
    assert!(shown["disabled_because"].as_str().is_some_and(|why| why.contains("410")), "{shown}");
    let id = shown["id"].as_str().expect("an id").to_owned();
    let second = accepted(&client, &batch(&hooks.url(), false, 1));
    eventually("it is settled", SOON, || {
        let found = client.get(&format!("/v1/batches/{second}")).of(200);
        (found["state"] == "settled").then_some(())
    });
    let span = json!({"since": "2020-01-01T00:00:00Z"});
    assert_eq!(client.post(&format!("/v1/callbacks/{id}/replay"), &span).status, 409);
    assert_eq!(hooks.hooks().len(), 1);
    hooks.now_answers(|_| ok());
    let enabled = client.post_text(&format!("/v1/callbacks/{id}/enable"), "").of(200);
    assert_eq!(enabled["state"], "active", "{enabled}");
    let told = hooks.gets(3);
    assert!(server.log().contains("is disabled"));
    // And all of it once more.
    assert_eq!(client.post(&format!("/v1/callbacks/{id}/replay"), &span).of(202)["events"], 2);
    let again = hooks.gets(5);
    let ids = |hooks: &[Hook]| hooks.iter().map(|hook| hook.id().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&told[1..]), ids(&again[3..]));
    let none = json!({"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"});
    assert_eq!(client.post(&format!("/v1/callbacks/{id}/replay"), &none).of(202)["events"], 0);
}

#[test]
fn who_only_fails_for_long_is_disabled() {
    let pauses = "\"100ms\", ".repeat(15);
    let set = Set::new(
        &format!("{LOCAL}disable_after = \"1s\"\nretries = [{}]\n", pauses.trim_end_matches(", ")),
        &[OLD],
    );
    let hooks = Receiver::start(|_| status("500 Internal Server Error"));
    let (_server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is disabled", |one| one["state"] == "disabled");
    assert!(shown["disabled_because"].as_str().is_some_and(|why| why.contains("too long")), "{shown}");
    let metrics = client.get("/metrics").text();
    assert!(metrics.contains("interline_callback_attempts_total{result=\"refused\"}"), "{metrics}");
}

#[test]
fn events_that_nobody_takes_are_given_up_and_can_be_replayed() {
    let set = Set::new(&format!("{LOCAL}retries = [\"50ms\"]\n"), &[OLD]);
    let hooks = Receiver::start(|_| status("503 Service Unavailable"));
    let (_server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is given up", |one| one["given_up"] == 1);
    assert_eq!(hooks.hooks().len(), 2);
    hooks.now_answers(|_| ok());
    let id = shown["id"].as_str().expect("an id");
    assert_eq!(
        client.post(&format!("/v1/callbacks/{id}/replay"), &json!({"since": "2020-01-01T00:00:00Z"})).of(202)
            ["events"],
        1
    );
    let told = hooks.gets(3);
    assert_eq!(told[0].id(), told[2].id());
}

#[test]
fn who_asks_for_time_gets_it() {
    let set = Set::new(&format!("{LOCAL}retries = [\"10ms\", \"10ms\"]\n"), &[OLD]);
    let mut asked = 0;
    let hooks = Receiver::start(move |_| {
        asked += 1;
        if asked == 1 { status("429 Too Many Requests\r\nretry-after: 10") } else { ok() }
    });
    let (_server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    hooks.gets(1);
    let shown = receiver(&client, "it waits", |one| !one["paused_until"].is_null());
    assert_eq!(shown["state"], "failing");
    let told = hooks.gets(2);
    assert!(told[1].at - told[0].at >= Duration::from_millis(9_900), "{:?}", told[1].at - told[0].at);
}
