//! `interline batch` and `interline provider` as a person at a terminal, or a script, uses them to look at
//! work that is under way and to steer it: what is printed, what it does, and the exit code.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::time::{Duration, Instant};

use interline_tests::{Place, Ran, Server, Stage, config, eventually, in_seconds, refuse};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);

fn open() -> (Stage, Place, Server) {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "v2"));
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    (stage, place, server)
}

/// Runs the command against the server; nobody looks at a terminal here.
#[track_caller]
fn run(place: &Place, server: &Server, arguments: &[&str]) -> Ran {
    let url = server.client().url();
    let ran = place.run(&[arguments, &["--server", &url]].concat());
    assert!(!ran.said().contains('\u{1b}'), "colours where nobody looks at a terminal: {}", ran.said());
    ran
}

/// The same, for a command that has to do what it was asked.
#[track_caller]
fn done(place: &Place, server: &Server, arguments: &[&str]) -> Ran {
    let ran = run(place, server, arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.said());
    ran
}

/// Its result as JSON.
#[track_caller]
fn read(place: &Place, server: &Server, arguments: &[&str]) -> Value {
    let ran = done(place, server, &[arguments, &["--json"]].concat());
    serde_json::from_str(&ran.out).expect("JSON")
}

/// The same, for a command that has to refuse; it says what to do next.
#[track_caller]
fn refused(place: &Place, server: &Server, arguments: &[&str], next: &str) -> Ran {
    let ran = run(place, server, arguments);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.said());
    assert!(ran.err.starts_with("error: ") && ran.err.contains("→ "), "{}", ran.err);
    assert!(ran.err.contains(next), "{next:?} is missing: {}", ran.err);
    ran
}

fn users(count: usize) -> Value {
    let message = |number| json!({"id": format!("m{number}"), "to": format!("user:u{number}")});
    let messages: Vec<_> = (0..count).map(message).collect();
    json!({"content": {"type": "text", "text": "hi"}, "messages": messages})
}

#[track_caller]
fn stored(server: &Server, body: &Value) -> String {
    let taken = server.post("/v1/batches", body).of(202);
    taken["id"].as_str().expect("an id").to_owned()
}

/// A batch that waits for an hour to come.
fn later(server: &Server, count: usize) -> String {
    let mut body = users(count);
    body["send_at"] = in_seconds(3_600).into();
    stored(server, &body)
}

/// A room that the vendor does not know, and one that it does.
fn half_refused(server: &Server) -> String {
    let body = json!({"content": {"type": "text", "text": "hi"}, "messages": [
        {"id": "bad", "to": "room:404404"}, {"id": "good", "to": "room:7"}]});
    let id = stored(server, &body);
    server.settled(&id, SECONDS);
    id
}

#[test]
fn watch_tells_how_far_it_is_and_ends_when_the_batch_is_settled() {
    let (stage, place, server) = open();
    stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(2_500));
    let id = stored(&server, &users(20));
    let began = Instant::now();
    let ran = done(&place, &server, &["batch", "watch", &id]);
    let seconds = began.elapsed().as_secs() as usize;
    assert!(ran.out.contains("20 accepted · 20 messages in"), "{}", ran.said());
    let told: Vec<_> = ran.err.lines().filter(|line| line.starts_with("sending ")).collect();
    assert!((1..=seconds).contains(&told.len()), "one line a second: {}", ran.err);
    assert!(told.iter().all(|line| line.contains("/20 ")), "{told:?}");
}

#[test]
fn watch_exits_1_when_not_all_was_accepted_and_says_what_failed() {
    let (_stage, place, server) = open();
    let id = half_refused(&server);
    let ran = run(&place, &server, &["batch", "watch", &id]);
    assert_eq!(ran.code, 1, "{}", ran.said());
    for word in ["1 accepted, 1 rejected", "recipient_not_found", " bad"] {
        assert!(ran.out.contains(word), "{word} is missing: {}", ran.said());
    }
}

#[test]
fn watch_in_json_is_a_snapshot_a_line_and_the_last_one_is_settled() {
    let (stage, place, server) = open();
    stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(600));
    let id = stored(&server, &users(3));
    let ran = done(&place, &server, &["batch", "watch", &id, "--json"]);
    let snapshots: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(snapshots.len() >= 2, "{}", ran.out);
    assert!(snapshots.iter().all(|batch| batch["id"] == id.as_str()));
    let last = snapshots.last().expect("a snapshot");
    assert_eq!((&last["state"], &last["counts"]["accepted"]), (&json!("settled"), &json!(3)));
    assert_eq!(ran.err, "");
}

#[test]
fn watch_goes_on_when_the_server_comes_back() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let place = Place::new(&config::four(&stage)).variable("INTERLINE_SERVER__LISTEN", &port.to_string());
    let mut server = place.serve();
    let mut body = users(2);
    body["send_at"] = in_seconds(4).into();
    let id = stored(&server, &body);
    let ran = std::thread::scope(|scope| {
        let watching =
            scope.spawn(|| place.run(&["batch", "watch", &id, "--server", &format!("http://{port}")]));
        eventually("it is watched", SECONDS, || {
            let metrics = server.get("/metrics").text();
            metrics.lines().any(|line| line.contains("/events\"") && !line.ends_with(" 0")).then_some(())
        });
        server.terminate();
        eventually("it has ended", SECONDS, || server.ended());
        // Something else is there for a moment, so that it is seen to be away.
        let other = std::net::TcpListener::bind(port).expect("the port is free again");
        other.set_nonblocking(true).expect("a listener that does not wait");
        eventually("it is asked again", SECONDS, || other.accept().ok());
        drop(other);
        let server = place.serve();
        let ran = watching.join().expect("it ends");
        drop(server);
        ran
    });
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(ran.err.matches("asking again until it is back").count(), 1, "{}", ran.err);
    assert!(ran.out.contains("2 accepted"), "{}", ran.said());
}

#[test]
fn a_batch_that_is_not_there_is_refused_by_every_verb() {
    let (_stage, place, server) = open();
    for verb in ["show", "messages", "watch", "cancel", "pause", "resume", "redrive"] {
        let ran = refused(&place, &server, &["batch", verb, "bat_none"], "interline batch list");
        assert!(ran.err.contains("batch"), "{}", ran.err);
    }
}

#[test]
fn a_paused_batch_waits_until_it_is_resumed() {
    let (stage, place, server) = open();
    let mut body = users(5);
    body["send_at"] = in_seconds(1).into();
    let id = stored(&server, &body);
    let paused = done(&place, &server, &["batch", "pause", &id]);
    assert!(paused.out.starts_with(&format!("{id}  paused\n")), "{}", paused.said());
    assert!(paused.err.contains(&format!("interline batch resume {id}")), "{}", paused.err);
    // Another one that is due at the same time goes out meanwhile.
    let other = stored(&server, &body);
    server.settled(&other, SECONDS);
    assert_eq!((stage.total(), server.batch(&id)["counts"]["queued"].clone()), (5, json!(5)));
    let resumed = done(&place, &server, &["batch", "resume", &id]);
    assert!(resumed.err.contains(&format!("interline batch watch {id}")), "{}", resumed.err);
    assert_eq!(done(&place, &server, &["batch", "watch", &id]).code, 0);
    assert_eq!(stage.total(), 10);
}

#[test]
fn a_watched_batch_that_is_paused_says_how_to_let_it_go() {
    let (_stage, place, server) = open();
    let id = later(&server, 2);
    done(&place, &server, &["batch", "pause", &id]);
    let ran = std::thread::scope(|scope| {
        let watching = scope.spawn(|| run(&place, &server, &["batch", "watch", &id]));
        eventually("it is watched", SECONDS, || {
            let metrics = server.get("/metrics").text();
            metrics.lines().any(|line| line.contains("/events\"") && !line.ends_with(" 0")).then_some(())
        });
        done(&place, &server, &["batch", "cancel", &id]);
        watching.join().expect("it ends")
    });
    assert_eq!(ran.code, 1, "{}", ran.said());
    assert!(
        ran.err.contains(&format!("it is paused; `interline batch resume {id} --server ")),
        "{}",
        ran.err
    );
    assert!(ran.out.contains("2 cancelled"), "{}", ran.said());
}

#[test]
fn a_cancelled_batch_sends_nothing_and_stays_cancelled() {
    let (stage, place, server) = open();
    let id = later(&server, 300);
    let ran = done(&place, &server, &["batch", "cancel", &id]);
    assert!(ran.out.contains("300 cancelled"), "{}", ran.said());
    assert_eq!(stage.total(), 0);
    done(&place, &server, &["batch", "cancel", &id]);
    for verb in ["pause", "resume"] {
        refused(&place, &server, &["batch", verb, &id], &format!("interline batch show {id}"));
    }
}

#[test]
fn a_redrive_is_a_new_batch_of_what_failed_and_prints_its_id() {
    let (stage, place, server) = open();
    let id = half_refused(&server);
    let before = stage.total();
    let ran = done(&place, &server, &["batch", "redrive", &id, "--status", "rejected,unknown"]);
    let new = ran.out.trim_end();
    assert!(new.starts_with("bat_") && new != id && !new.contains('\n'), "the id alone: {}", ran.said());
    assert!(ran.err.contains(&format!("{new}  1 message of {id}")), "{}", ran.err);
    assert_eq!(server.settled(new, SECONDS)["counts"]["total"], 1);
    let shown = done(&place, &server, &["batch", "show", new]);
    assert!(shown.out.contains(&format!("again of  {id}")), "{}", shown.out);
    assert_eq!(server.results(new)[0]["to"], "room:404404");
    assert!(stage.total() <= before + 1, "what was accepted is not sent again");
}

#[test]
fn a_redrive_can_choose_messages_patch_them_and_wait() {
    let (stage, place, server) = open();
    stage.wukongim().set_fault(Fault::new(FaultKind::Status).value(400).times(3));
    let id = stored(&server, &users(3));
    let failed = server.settled(&id, SECONDS);
    assert_eq!(failed["counts"]["accepted"], 0, "{failed}");
    let patch = place.write("patch.json", br#"{"content": {"type": "text", "text": "once more"}}"#);
    let patch = format!("@{}", patch.display());
    let which = ["--message", "m0", "--message", "m2", "--patch", &patch, "--wait"];
    let ran = done(&place, &server, &[&["batch", "redrive", &id], &which[..]].concat());
    assert!(ran.out.contains("2 accepted · 2 messages"), "{}", ran.said());
    let received = stage.wukongim().received();
    let texts: Vec<_> = received.messages.iter().filter(|message| message.text == "once more").collect();
    assert_eq!(texts.len(), 2, "{received:?}");
    let ran =
        run(&place, &server, &["batch", "redrive", &half_refused(&server), "--status", "rejected", "--wait"]);
    assert_eq!(ran.code, 1, "what is refused again: {}", ran.said());
}

#[test]
fn a_redrive_that_cannot_be_read_does_nothing() {
    let (_stage, place, server) = open();
    let id = half_refused(&server);
    for (patch, next) in [("{broken", "--patch '{"), ("[1]", "--patch '{"), ("@nowhere.json", "name a file")]
    {
        refused(&place, &server, &["batch", "redrive", &id, "--status", "rejected", "--patch", patch], next);
    }
    let ran = run(&place, &server, &["batch", "redrive", &id, "--status", "accepted"]);
    assert_eq!(ran.code, 2, "{}", ran.said());
    assert_eq!(server.batches(), 1);
}

#[test]
fn lists_fit_80_columns_and_say_what_keeps_a_provider_from_sending() {
    let (stage, place, server) = open();
    let ran = done(&place, &server, &["provider", "list"]);
    let names: Vec<_> = ran.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(["kit", "ne", "oim", "wk"].iter().all(|name| names.contains(name)), "{}", ran.out);
    assert!(!ran.out.contains('!'), "nothing is wrong: {}", ran.out);
    refuse(stage.wukongim(), 30_000);
    stored(&server, &users(3));
    let ran = eventually("the breaker is open", SECONDS, || {
        let ran = done(&place, &server, &["provider", "list"]);
        ran.out.contains("! wk gets no calls: ").then_some(ran)
    });
    let row = ran.out.lines().find(|line| line.starts_with("wk ")).expect("its row");
    assert!(row.contains(" open "), "{}", ran.out);
    let batches = done(&place, &server, &["batch", "list"]).out;
    for line in ran.out.lines().take_while(|line| !line.is_empty()).chain(batches.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn one_provider_is_shown_with_its_limits() {
    let (_stage, place, server) = open();
    let ran = done(&place, &server, &["provider", "show", "ne"]);
    for word in ["ne  ready", "netease", "closed", "room", "user_batch", "120/min"] {
        assert!(ran.out.contains(word), "{word} is missing: {}", ran.out);
    }
    let told = read(&place, &server, &["provider", "show", "ne"]);
    let all = read(&place, &server, &["provider", "list"]);
    assert_eq!(all, server.get("/v1/providers").of(200), "--json is what the API says");
    assert!(all["providers"].as_array().is_some_and(|all| all.contains(&told)), "{told}");
}

#[test]
fn a_provider_that_is_not_there_is_refused_by_every_verb() {
    let (_stage, place, server) = open();
    let ran = refused(&place, &server, &["provider", "show", "other"], "kit, ne, oim, wk");
    assert!(ran.err.contains("there is no provider \"other\""), "{}", ran.err);
    for verb in ["pause", "resume", "probe"] {
        refused(&place, &server, &["provider", verb, "other"], "interline provider list");
    }
}

#[test]
fn a_paused_provider_gets_nothing_until_it_is_resumed() {
    let (stage, place, server) = open();
    let ran = done(&place, &server, &["provider", "pause", "wk"]);
    assert_eq!(ran.out, "wk  paused  0 calls under way\n", "{}", ran.said());
    assert!(ran.err.contains("interline provider resume wk"), "{}", ran.err);
    let held = stored(&server, &users(3));
    let other =
        stored(&server, &json!({"content": {"type": "text", "text": "hi"}, "messages": [{"to": "room:7"}]}));
    server.settled(&other, SECONDS);
    assert_eq!(stage.wukongim().total(), 0);
    let listed = done(&place, &server, &["provider", "list"]);
    assert!(listed.out.contains("! wk is paused: `interline provider resume wk --server "), "{}", listed.out);
    let told = read(&place, &server, &["provider", "resume", "wk"]);
    assert_eq!((&told["name"], &told["state"]), (&json!("wk"), &json!("ready")));
    assert_eq!(done(&place, &server, &["batch", "watch", &held]).code, 0);
    assert_eq!(stage.wukongim().total(), 3);
}

#[test]
fn a_probe_says_whether_the_server_answers_and_what_it_speaks() {
    let (stage, place, server) = open();
    let ran = done(&place, &server, &["provider", "probe", "wk"]);
    assert_eq!(ran.out, "wk  answers, speaks v2\n", "{}", ran.said());
    assert_eq!(stage.total(), 0, "nobody is sent anything");
    let told = read(&place, &server, &["provider", "probe", "wk"]);
    assert_eq!(told, json!({"provider": "wk", "reachable": true, "dialect": "v2"}));
    refuse(stage.openim(), 30_000);
    let began = Instant::now();
    let ran = run(&place, &server, &["provider", "probe", "oim"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "oim  no answer\n"), "{}", ran.said());
    assert!(ran.err.contains("interline provider show oim"), "{}", ran.err);
    assert!(began.elapsed() < SECONDS);
}

#[test]
fn steering_with_no_key_says_how_to_give_one() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::with("auth = \"keys\"", &config::four(&stage));
    let server = place.serve();
    for arguments in [["batch", "cancel", "bat_x"], ["provider", "pause", "wk"], ["batch", "watch", "bat_x"]]
    {
        refused(&place, &server, &arguments, "--key or INTERLINE_KEY");
    }
    refused(&place, &server, &["provider", "list"], "--key or INTERLINE_KEY");
}
