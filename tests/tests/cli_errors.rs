//! What the command says when it cannot do what was asked, for whatever reason: exit code 2, why, and what to do next;
//! and the same as one line of JSON. And whom it takes a setting from.

#![expect(clippy::panic, reason = "a broken expectation ends the test")]

use std::io::BufReader;
use std::process::{Command, Stdio};

use interline_tests::{Place, Ran, Server, Stage, binary, config, deaf};
use interline_twins::TwinsConfig;
use serde_json::{Value, json};

const NOWHERE: &str = "http://127.0.0.1:9";
const ONE: &[u8] = br#"{"content":{"type":"text","text":"hi"},"messages":[{"to":"user:a"}]}"#;

fn open() -> (Stage, Place, Server) {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    (stage, place, server)
}

/// The command fails in words that say what to do next, and as one line of JSON.
#[track_caller]
fn fails(place: &Place, arguments: &[&str], words: &[&str]) {
    let ran = place.run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.said());
    assert!(ran.err.starts_with("error: ") && ran.err.contains("\n  → "), "{arguments:?}: {}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "{arguments:?}: {word:?} is missing: {}", ran.err);
    }
    for asked in [[arguments, &["--json"]].concat(), [&["--json"], arguments].concat()] {
        let ran = place.run(&asked);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{asked:?}: {}", ran.said());
        let told: Value =
            serde_json::from_str(&ran.err).unwrap_or_else(|error| panic!("{error}: {}", ran.err));
        let next = told["error"]["next"].as_array().map_or(0, Vec::len);
        assert!(next > 0 && told["error"]["exit"] == 2, "{asked:?}: {told:#}");
    }
}

#[test]
fn every_verb_that_asks_a_server_says_what_to_do_without_one() {
    let place = Place::empty().variable("INTERLINE_SERVER", NOWHERE);
    place.write("one.json", ONE);
    for arguments in [
        &["send", "one.json"][..],
        &["send", "one.json", "--direct"],
        &["plan", "one.json"],
        &["batch", "list"],
        &["batch", "show", "bat_x"],
        &["batch", "messages", "bat_x"],
        &["batch", "watch", "bat_x"],
        &["batch", "cancel", "bat_x"],
        &["batch", "pause", "bat_x"],
        &["batch", "resume", "bat_x"],
        &["batch", "redrive", "bat_x"],
        &["provider", "list"],
        &["provider", "show", "wk"],
        &["provider", "pause", "wk"],
        &["provider", "resume", "wk"],
        &["provider", "probe", "wk"],
        &["migration", "list"],
        &["migration", "start", "m"],
        &["migration", "set", "m", "25"],
        &["migration", "rollback", "m"],
        &["migration", "finish", "m"],
        &["migration", "report", "m"],
    ] {
        fails(&place, arguments, &[NOWHERE, "interline serve", "INTERLINE_SERVER"]);
    }
}

#[test]
fn every_verb_that_reads_the_configuration_says_what_is_wrong_with_it() {
    let place = Place::empty();
    place.write("one.json", ONE);
    place.write("broken.toml", b"[server\n");
    place.write("wrong.toml", b"[sever]\nlisten = 1\n");
    for verb in [
        &["check"][..],
        &["check", "--diff"],
        &["plan", "one.json"],
        &["test"],
        &["serve"],
        &["keys", "list"],
    ] {
        fails(&place, verb, &["config.toml", "no such file", "--config"]);
        fails(&place, &[verb, &["--config", "broken.toml"]].concat(), &["broken.toml", "TOML"]);
        fails(
            &place,
            &[verb, &["--config", "wrong.toml"]].concat(),
            &["sever: unknown key", "interline check"],
        );
    }
    let ran = place.run(&["check", "--json", "--config", "wrong.toml"]);
    let told: Value = serde_json::from_str(&ran.err).unwrap_or_default();
    let paths: Vec<&str> = told["error"]["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["path"].as_str())
        .collect();
    assert!(paths.contains(&"sever") && paths.contains(&"providers"), "{told:#}");
}

#[test]
fn what_looks_after_the_ledger_needs_no_more_of_the_configuration() {
    let (_stage, place, server) = open();
    drop(server);
    let ledger = place.path("interline.db").display().to_string();
    place.write("short.toml", format!("[ledger]\nurl = \"sqlite:{ledger}\"\n").as_bytes());
    place.write("wrong.toml", format!("[ledger]\nurl = \"sqlite:{ledger}\"\n[sever]\n").as_bytes());
    for name in ["short.toml", "wrong.toml"] {
        let ran = place.run(&["ledger", "status", "--config", name]);
        assert_eq!(ran.code, 0, "{}", ran.said());
        assert!(ran.out.contains("interline.db"), "{}", ran.out);
    }
    place.write("odd.toml", b"[ledger]\nur = \"sqlite:x.db\"\n");
    fails(&place, &["ledger", "status", "--config", "odd.toml"], &["ledger.ur", "--ledger"]);
    fails(&place, &["ledger", "status", "--config", "none.toml"], &["none.toml", "--ledger"]);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let place = Place::empty();
    for (arguments, words) in [
        (&["keys", "new", ""][..], &["no name for an app", "1 to 64"][..]),
        (&["keys", "new", "my shop"], &["\"my shop\"", "1 to 64"]),
        (&["twins", "--dialect", "wk=v3"], &["openim", "wukongim=v3"]),
        (&["twins", "--faults", "nowhere.json"], &["nowhere.json", "faults by vendor"]),
        (&["batch", "list", "--server", "localhost:8400"], &["http://HOST:PORT"]),
    ] {
        fails(&place, arguments, words);
    }
    for arguments in [&["batch", "show", ""][..], &["provider", "show", ""], &["migration", "report", ""]] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{}", ran.said());
        assert!(ran.err.contains("a value is required"), "{}", ran.err);
    }
    let ran = place.run(&["--json"]);
    let told: Value = serde_json::from_str(&ran.err).unwrap_or_default();
    assert_eq!(told["error"]["code"], "usage", "{}", ran.said());
    assert!(!ran.err.contains("bench-twin"), "commands that are nobody's to type: {}", ran.err);
}

#[test]
fn a_port_that_is_taken_says_what_to_change() {
    let (_stage, place, server) = open();
    let addr = server.client().url().replace("http://", "");
    let place = place.variable("INTERLINE_SERVER__LISTEN", &addr).variable("INTERLINE_LOG", "off");
    // Another ledger, as that of the running server is in use.
    let place = place.variable("INTERLINE_LEDGER__URL", "sqlite:other.db");
    fails(&place, &["serve"], &["cannot listen on", &addr, "server.listen"]);
}

#[test]
fn a_refused_parameter_is_told_once() {
    let (_stage, place, server) = open();
    let url = server.client().url();
    let ran = place.run(&["batch", "list", "--limit", "0", "--server", &url]);
    assert_eq!((ran.code, ran.err.matches("is not allowed").count()), (2, 1), "{}", ran.err);
    fails(&place, &["batch", "list", "--cursor", "zzz", "--server", &url], &["without --cursor"]);
    let both = ["batch", "list", "--limit", "0", "--cursor", "zzz", "--server", &url];
    let ran = place.run(&both);
    assert!(
        ran.err.contains("limit") && !ran.err.contains("--cursor"),
        "the cursor is not to blame: {}",
        ran.err
    );
}

#[test]
fn variables_that_are_empty_are_none() {
    let (_stage, place, server) = open();
    let url = server.client().url();
    let place = ["INTERLINE_CONFIG", "INTERLINE_KEY", "INTERLINE_SERVER"]
        .into_iter()
        .fold(place, |place, name| place.variable(name, ""));
    for arguments in [&["check"][..], &["batch", "list", "--server", &url]] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.said());
    }
    let said = place.run(&["batch", "show", "bat_x"]).err;
    assert!(said.contains("http://127.0.0.1:8400"), "{said}");
}

#[test]
fn a_plan_of_a_configuration_that_was_named_asks_no_server() {
    let (_stage, place, server) = open();
    let place = place.variable("INTERLINE_SERVER", NOWHERE);
    place.write("one.json", ONE);
    assert_eq!(place.run(&["plan", "one.json"]).code, 2);
    let here = place.run(&["plan", "one.json", "--config", "config.toml"]);
    assert_eq!(here.code, 0, "{}", here.said());
    let url = server.client().url();
    let there = place.run(&["plan", "one.json", "--config", "nowhere.toml", "--server", &url]);
    assert_eq!(there.code, 0, "{}", there.said());
}

/// Its result as one JSON value.
#[track_caller]
fn read(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.said());
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

#[test]
fn what_needs_nobody_speaks_json_too() {
    let (_stage, place, _server) = open();
    assert!(read(&place.run(&["--json", "check"]))["file"].is_string());
    assert!(read(&place.run(&["check", "--probe", "--json"]))["probes"].is_array());
    assert_eq!(read(&place.run(&["keys", "new", "shop", "--json"]))["app"], "shop");
    assert!(read(&place.run(&["keys", "list", "--json"]))["apps"].is_array());
    assert_eq!(read(&place.run(&["ledger", "migrate", "--json"]))["migrated"], json!(false));
    let script = read(&place.run(&["completions", "zsh", "--json"]));
    assert_eq!(script["shell"], "zsh");
    assert!(script["script"].as_str().is_some_and(|script| script.contains("compdef")), "{script}");
}

#[test]
fn a_server_says_where_it_is_in_json_too() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::new(&config::four(&stage));
    let mut command = Command::new(binary());
    deaf(&mut command).args(["serve", "--json"]).current_dir(place.path("")).env("INTERLINE_LOG", "off");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    let out = child.stdout.take().unwrap_or_else(|| panic!("its standard output"));
    let told = serde_json::Deserializer::from_reader(BufReader::new(out)).into_iter::<Value>().next();
    child.kill().ok();
    child.wait().ok();
    let told = told.and_then(Result::ok).unwrap_or_default();
    assert!(told["url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{told}");
    assert_eq!(told["auth"], "off");
}
