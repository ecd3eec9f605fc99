//! `interline send` as people and scripts use it: tables as they come out of spreadsheets, files that are not what
//! they should be, how far it is, and what an interrupt leaves.

#![expect(clippy::panic, reason = "a broken expectation ends the test")]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use interline_tests::{Place, Ran, Server, Stage, binary, config, deaf, eventually, holds_within};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::Value;

const SECONDS: Duration = Duration::from_secs(20);
const HI: [&str; 2] = ["--text", "Hi $name$"];
const ONE: &[u8] = br#"{"content":{"type":"text","text":"hi"},"messages":[{"to":"user:a"}]}"#;

fn open() -> (Stage, Place, Server) {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "v2"));
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let place = place.variable("INTERLINE_SERVER", &server.client().url());
    (stage, place, server)
}

#[track_caller]
fn accepted(place: &Place, arguments: &[&str], input: &[u8]) -> Ran {
    let ran = place.run_with(&[&["send"], arguments].concat(), input);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.said());
    ran
}

/// Refused, with the words that say why, and what to do next.
#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.said());
    assert!(ran.err.starts_with("error: ") && ran.err.contains("\n  → "), "{}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is missing: {}", ran.err);
    }
}

#[test]
fn tables_are_read_as_spreadsheets_write_them() {
    let (stage, place, _server) = open();
    let table =
        "\u{feff}\"to\",name\r\nuser:a,Ann\r\n\r\nuser:b,\"B, \"\"Bob\"\"\"\r\nuser:c,\"two\nlines\"\r\n\r\n";
    let file = place.write("people.csv", table.as_bytes()).display().to_string();
    accepted(&place, &[&[file.as_str()], &HI[..]].concat(), b"");
    // The same through a pipe, where the format is told by the first bytes.
    accepted(&place, &[&["-"], &HI[..]].concat(), table.as_bytes());
    let received = stage.wukongim().received();
    let mut texts: Vec<&str> = received.messages.iter().map(|message| message.text.as_str()).collect();
    texts.sort_unstable();
    let each = ["Hi Ann", "Hi B, \"Bob\"", "Hi two\nlines"];
    assert_eq!(texts, each.map(|text| [text; 2]).concat());
}

#[test]
fn what_is_no_table_says_why_and_what_to_do() {
    let (stage, place, server) = open();
    for (name, bytes, words) in [
        ("no-to.csv", &b"recipient,name\nuser:a,A\n"[..], &["no-to.csv:1", "no column `to`"][..]),
        ("twice.csv", b"to,name,name\nuser:a,A,B\n", &["`name` stands twice", "a name of its own"]),
        ("semicolons.csv", b"to;name\nuser:a;A\n", &["semicolons.csv:1", "between commas"]),
        ("rows.csv", b"to,name\n", &["columns and no rows", "a row for each message"]),
        ("empty.csv", b"", &["empty.csv is empty"]),
        ("latin.csv", b"to,name\nuser:a,Ren\xe9\n", &["latin.csv:2", "save it as UTF-8"]),
        ("utf16.csv", b"\xff\xfet\0o\0\n\0", &["utf16.csv:1", "save it as UTF-8"]),
    ] {
        place.write(name, bytes);
        refused(&place.run(&[&["send", name], &HI[..]].concat()), words);
        refused(&place.run(&[&["plan", name], &HI[..]].concat()), words);
    }
    place.write("latin.json", b"{\"content\":\"\xe9\"}");
    refused(&place.run(&["send", "latin.json"]), &["latin.json", "save it as UTF-8"]);
    refused(&place.run(&["send", "nowhere.json"]), &["nowhere.json", "standard input"]);
    refused(&place.run(&["send", "."]), &["cannot read .", "standard input"]);
    refused(&place.run(&["send", "-"]), &["standard input is empty"]);
    assert_eq!((server.batches(), stage.total()), (0, 0));
}

#[test]
fn options_that_would_be_ignored_are_refused() {
    let (_stage, place, server) = open();
    place.write("one.json", ONE);
    for (verb, option) in [("send", "--text"), ("send", "--head"), ("plan", "--from")] {
        refused(&place.run(&[verb, "one.json", option, "one.json"]), &[option, "for CSV", "JSON"]);
    }
    assert_eq!(server.batches(), 0);
}

#[test]
fn idempotency_keys_that_cannot_be_used_say_so() {
    let (_stage, place, server) = open();
    place.write("one.json", ONE);
    place.write("other.json", &String::from_utf8_lossy(ONE).replace("user:a", "user:b").into_bytes());
    refused(&place.run(&["send", "one.json", "--idempotency-key", "a\nb"]), &["idempotency key", "one line"]);
    let first = accepted(&place, &["one.json", "--idempotency-key", "k"], b"");
    let again = accepted(&place, &["one.json", "--idempotency-key", "k"], b"");
    assert!(!first.err.contains("taken earlier") && again.err.contains("taken earlier"), "{}", again.err);
    refused(
        &place.run(&["send", "other.json", "--idempotency-key", "k"]),
        &["idempotency_mismatch", "another --idempotency-key"],
    );
    assert_eq!(server.batches(), 1);
}

#[test]
fn a_server_of_something_else_is_no_interline_server() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::empty().variable("INTERLINE_SERVER", &stage.wukongim().url());
    place.write("one.json", ONE);
    refused(&place.run(&["send", "one.json"]), &["no Interline server"]);
    refused(&place.run(&["batch", "list"]), &["no Interline server"]);
}

/// Holds everything for WuKongIM back, or lets it go.
#[track_caller]
fn hold(server: &Server, verb: &str) {
    server.post_text(&format!("/v1/providers/wk/{verb}"), "").of(200);
}

/// What the command shows on a terminal of 60 columns, of a batch that waits until one of these was shown.
#[track_caller]
fn on_terminal(place: &Place, server: &Server, kind: &str, (line, awaited): (&str, &[&str])) -> String {
    let line = format!("stty cols 60 rows 24; '{}' {line}", binary().display());
    let mut command = Command::new("script");
    deaf(&mut command).args(["-qec", &line, "/dev/null"]).current_dir(place.path("")).stdin(Stdio::null());
    // Where this is set a dumb terminal is taken for a log that shows colours.
    command.env_remove("CI");
    command.envs(place.variables().iter().cloned()).env("TERM", kind).stdout(Stdio::piped());
    hold(server, "pause");
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("script is missing ({error}): apt-get install bsdutils"));
    let mut out = child.stdout.take().unwrap_or_else(|| panic!("its standard output"));
    let (mut shown, mut piece) = (Vec::new(), [0; 1024]);
    let mut held = true;
    loop {
        let text = String::from_utf8_lossy(&shown).into_owned();
        if held && awaited.iter().any(|awaited| text.contains(awaited)) {
            hold(server, "resume");
            held = false;
        }
        match out.read(&mut piece).unwrap_or_else(|error| panic!("{error}: {text}")) {
            0 => {
                child.wait().ok();
                return text;
            }
            read => shown.extend_from_slice(&piece[..read]),
        }
    }
}

#[test]
fn a_terminal_gets_a_bar_and_one_that_cannot_draw_gets_lines() {
    let (_stage, place, server) = open();
    place.write("one.json", ONE);
    let drawn = on_terminal(&place, &server, "xterm", ("send one.json", &["━", "╌"]));
    assert!(drawn.contains("━") || drawn.contains("╌"), "{drawn}");
    let line = "sending 0/1 queued\r\n";
    let written = on_terminal(&place, &server, "dumb", ("send one.json", &[line]));
    assert!(written.contains(line), "{written}");
    assert!(!written.contains('\u{1b}') && !written.contains("━"), "{written}");
}

/// Begins to send what comes, and presses Ctrl-C once that is `when`; what it said.
fn interrupted(place: &Place, server: &Server, input: &[u8], ends: bool) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    deaf(&mut command).args(["send", "-", "--format", "ndjson", "--server", &server.client().url()]);
    command.current_dir(place.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}"));
    let mut stdin = child.stdin.take();
    if let Some(open) = &mut stdin {
        open.write_all(input).and_then(|()| open.flush()).unwrap_or_else(|error| panic!("{error}"));
    }
    if ends {
        drop(stdin.take());
    }
    let begun = || server.get("/v1/batches").of(200)["batches"].as_array().is_some_and(|all| !all.is_empty());
    assert!(holds_within(SECONDS, begun), "nothing reached the server");
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(sent.is_ok_and(|sent| sent.success()));
    let ended = eventually("it ends", SECONDS, || child.try_wait().ok().flatten());
    drop(stdin);
    let said = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    (ended.code(), String::from_utf8_lossy(&said.stderr).into_owned())
}

#[test]
fn an_interrupt_says_whether_anything_was_stored() {
    let (stage, place, server) = open();
    let mut lines = b"{\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n".to_vec();
    for number in 0..40_000 {
        lines.extend(format!("{{\"to\":\"user:u{number}\"}}\n").into_bytes());
    }
    let (code, said) = interrupted(&place, &server, &lines, false);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("nothing of it is sent"), "{said}");
    let forgotten = || server.batches() == 0;
    assert!(holds_within(SECONDS, forgotten), "half a batch is kept");
    assert_eq!(stage.total(), 0);
    hold(&server, "pause");
    let few = b"{\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n{\"to\":\"user:a\"}\n";
    let (code, said) = interrupted(&place, &server, few, true);
    assert_eq!(code, Some(130), "{said}");
    let page = server.get("/v1/batches").of(200);
    let id = page["batches"][0]["id"].as_str().unwrap_or_default();
    assert!(said.contains(id) || said.contains("may have been stored"), "{said}");
    assert!(said.contains(&format!("batch watch {id}")) || said.contains("batch list"), "{said}");
    hold(&server, "resume");
    server.settled(id, SECONDS);
}

#[test]
fn results_for_programs_are_json_whatever_was_sent() {
    let (_stage, place, _server) = open();
    place.write("one.json", ONE);
    place.write("one.ndjson", b"{\"content\":{\"type\":\"text\",\"text\":\"hi\"}}\n{\"to\":\"user:a\"}\n");
    place.write("one.csv", b"to,name\nuser:a,Ann\n");
    for arguments in [
        &["--json", "send", "one.json"][..],
        &["send", "--json", "one.ndjson", "--no-wait"],
        &["send", "one.csv", "--text", "Hi $name$", "--json"],
        &["send", "one.csv", "--text", "Hi $name$", "--json", "--direct"],
        &["--json", "plan", "one.json"],
        &["plan", "one.ndjson", "--json", "--explain"],
    ] {
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}: {}", ran.said());
        let told: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out));
        assert!(told.is_object(), "{told}");
    }
}
