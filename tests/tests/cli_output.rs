//! How the command speaks: to people at a terminal, to programs, to pipes that close, and to somebody who presses
//! Ctrl-C. And that it tells nobody's key.

#![expect(clippy::panic, reason = "a broken expectation ends the test")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use interline_tests::{Place, Ran, Server, Stage, binary, config, eventually, in_seconds};
use interline_twins::TwinsConfig;
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);
const NOWHERE: &str = "http://127.0.0.1:9";

fn open() -> (Stage, Place, Server) {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    (stage, place, server)
}

/// A batch that waits for an hour, to recipients with wide names.
fn wide(server: &Server) -> String {
    let users: Vec<Value> = (0..40)
        .map(|n| json!({"id": format!("第{n}封🎉"), "to": format!("user:爱丽丝-{n}-住在很远很远很远很远的地方")}))
        .collect();
    let body =
        json!({"content": {"type": "text", "text": "hi"}, "send_at": in_seconds(3_600), "messages": users});
    server.post("/v1/batches", &body).of(202)["id"].as_str().unwrap_or_default().to_owned()
}

/// The one JSON object that a command with `--json` wrote about its failure.
#[track_caller]
fn failure(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.said());
    let lines: Vec<&str> = ran.err.lines().collect();
    let [line] = lines[..] else { panic!("not one line: {}", ran.err) };
    let told: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(told["error"]["exit"], 2, "{told}");
    told["error"].clone()
}

#[test]
fn what_goes_wrong_is_json_for_programs() {
    let (_stage, place, server) = open();
    let url = server.client().url();
    for (arguments, code, status) in [
        (&["batch", "show", "bat_none", "--server", &url, "--json"][..], "not_found", json!(404)),
        (&["batch", "list", "--server", NOWHERE, "--json"], "unreachable", Value::Null),
        (&["batch", "shwo", "--json"], "usage", Value::Null),
        (&["--json", "send"], "usage", Value::Null),
        (&["send", "nowhere.json", "--json"], "failed", Value::Null),
        (&["check", "--json", "--config", "nowhere.toml"], "failed", Value::Null),
        (&["ledger", "status", "--json", "--ledger", "nowhere.db"], "ledger", Value::Null),
    ] {
        let told = failure(&place.run(arguments));
        assert_eq!((&told["code"], &told["status"]), (&json!(code), &status), "{arguments:?}: {told:#}");
        assert!(told["message"].as_str().is_some_and(|said| !said.is_empty()), "{told:#}");
    }
    let bad =
        place.write("bad.json", br#"{"messages":[{"to":"nobody"}],"content":{"type":"text","text":"x"}}"#);
    let told = failure(&place.run(&["send", &bad.display().to_string(), "--server", &url, "--json"]));
    assert_eq!(told["errors"][0]["path"], "/messages/0/to", "{told:#}");
}

#[test]
fn errors_say_which_server_was_tried_and_how_to_go_on() {
    let place = Place::empty();
    let ran = place.run(&["batch", "list", "--server", NOWHERE]);
    for word in [NOWHERE, "interline serve", "INTERLINE_SERVER"] {
        assert!(ran.err.contains(word), "{word} is missing: {}", ran.err);
    }
}

#[test]
fn server_and_key_come_from_the_environment_and_a_key_is_never_shown() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let made = Place::empty().run(&["keys", "new", "shop", "--json"]);
    let made: Value = serde_json::from_str(&made.out).unwrap_or_default();
    let (key, lines) =
        (made["key"].as_str().unwrap_or_default(), made["config"].as_str().unwrap_or_default());
    let place = Place::with("auth = \"keys\"", &format!("{}\n{lines}\n", config::four(&stage)));
    let server = place.serve();
    let place = place.variable("INTERLINE_SERVER", &server.client().url()).variable("INTERLINE_KEY", key);
    let secret = key.rsplit('_').next().unwrap_or_default();
    assert!(secret.len() > 20, "{key}");
    assert_eq!(place.run(&["batch", "list"]).code, 0);
    for arguments in [
        &["batch", "list"][..],
        &["batch", "list", "--json"],
        &["batch", "list", "--help"],
        &["batch", "list", "--key"],
        &["batch", "cancel", "bat_x"],
        &["provider", "pause", "wk"],
        &["keys", "list"],
        &["keys", "list", "--json"],
        &["check", "--diff"],
    ] {
        let said = place.run(arguments).said();
        assert!(!said.contains(secret), "{arguments:?}: {said}");
    }
    let listed: Value = serde_json::from_str(&place.run(&["keys", "list", "--json"]).out).unwrap_or_default();
    assert_eq!(listed["apps"][0]["app"], "shop", "{listed:#}");
    assert_eq!(listed["apps"][0]["may"], json!(["send", "read"]), "{listed:#}");
    assert_eq!(listed["apps"][0]["fingerprints"][0], made["fingerprint"], "{listed:#}");
    let text = place.run(&["keys", "list"]).out;
    assert!(text.contains("shop  ") && text.contains("send, read"), "{text}");
    let other = place.variable("INTERLINE_KEY", "il_00000000_no");
    let ran = other.run(&["batch", "list"]);
    assert!(ran.code == 2 && ran.err.contains("--key or INTERLINE_KEY"), "{}", ran.said());
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let (_stage, place, server) = open();
    wide(&server);
    let script = "\"$0\" batch list --server \"$1\" --json | head -n 1; echo \"${PIPESTATUS[0]}\"; \
                  \"$0\" --help | true; \"$0\" completions bash | true";
    let mut command = Command::new("bash");
    command.args(["-c", script]).arg(binary()).arg(server.client().url()).current_dir(place.path(""));
    let ran = command.output().unwrap_or_else(|error| panic!("{error}"));
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(out.starts_with("{\n"), "{out}");
    assert_eq!(err, "", "nothing is said of it");
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let (_stage, place, server) = open();
    wide(&server);
    let url = server.client().url();
    let list = ["batch", "list", "--server", &url];
    assert!(!place.run(&list).out.contains('\u{1b}'));
    let place = place.variable("CLICOLOR_FORCE", "1");
    assert!(place.run(&list).out.contains("\u{1b}["));
    assert!(place.run(&["batch", "show", "x", "--server", &url]).err.contains("\u{1b}["));
    let place = place.variable("CLICOLOR_FORCE", "0").variable("NO_COLOR", "1");
    assert!(!on_terminal(&place, (90, ""), &list).contains("\u{1b}[3"), "no colours on a terminal");
}

/// What a terminal of so many columns is sent, with a variable; one of 0 does not know how wide it is.
fn on_terminal(place: &Place, (columns, variable): (usize, &str), arguments: &[&str]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let (rows, program) = (columns.min(24), binary());
    let line =
        format!("stty cols {columns} rows {rows}; {variable} '{}' {}", program.display(), words.join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(place.path("")).stdin(Stdio::null());
    command.envs(place.variables().iter().cloned()).env("TERM", "xterm-256color");
    let ran = command
        .output()
        .unwrap_or_else(|error| panic!("script is missing ({error}): apt-get install bsdutils"));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Columns of a line without its styles; these characters are two wide.
fn columns(line: &str) -> usize {
    let mut plain = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            for end in rest.by_ref() {
                if end.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
        .trim_end()
        .chars()
        .map(|c| if matches!(c, '\u{2e80}'..='\u{ffef}' | '\u{1f300}'..='\u{1faff}') { 2 } else { 1 })
        .sum()
}

#[test]
fn tables_fit_terminals_whatever_stands_in_them() {
    let (_stage, place, server) = open();
    let id = wide(&server);
    let url = server.client().url();
    for (terminal, said, width) in
        [(60, "", 60), (80, "", 80), (120, "", 120), (0, "", 80), (120, "COLUMNS=60", 60)]
    {
        for arguments in [
            &["batch", "messages", &id, "--limit", "20"][..],
            &["batch", "list"],
            &["batch", "show", &id],
            &["provider", "list"],
            &["provider", "show", "ne"],
            &["migration", "list"],
            &["ledger", "status"],
        ] {
            let server = if arguments[0] == "ledger" { &[][..] } else { &["--server", &url] };
            let text = on_terminal(&place, (terminal, said), &[arguments, server].concat());
            let table = text
                .lines()
                .take_while(|line| !line.contains("there are") && !line.starts_with("no migrations"));
            for line in table {
                assert!(columns(line) <= width, "{width} columns, {arguments:?}: {line:?}");
            }
            if arguments[..2] == ["batch", "list"] {
                assert!(text.contains(&id), "ids stay whole: {text}");
            }
        }
    }
}

#[test]
fn an_interrupt_ends_the_command_and_says_what_goes_on() {
    let (_stage, place, server) = open();
    let id = wide(&server);
    let url = server.client().url();
    let mut command = Command::new(binary());
    command.args(["batch", "watch", &id, "--server", &url]).current_dir(place.path(""));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    let mut err = BufReader::new(child.stderr.take().unwrap_or_else(|| panic!("its standard error")));
    let mut first = String::new();
    err.read_line(&mut first).unwrap_or_else(|error| panic!("{error}"));
    assert!(first.contains(&id), "{first}");
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(sent.is_ok_and(|sent| sent.success()));
    let ended = eventually("it ends", SECONDS, || child.try_wait().ok().flatten());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ended.code(), Some(130), "{rest}");
    for word in ["goes on at", &format!("batch watch {id}"), &format!("batch cancel {id}")] {
        assert!(rest.contains(word), "{word:?} is missing: {rest}");
    }
    assert_eq!(server.batch(&id)["state"], "scheduled", "it is still there");
}
