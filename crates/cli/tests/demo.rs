//! The demo through the real binary: everything is up, every message ends as the scenario says.

use std::process::Command;

#[test]
fn the_demo_ends_as_its_scenario_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_interline")).args(["demo", "--once"]).output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{told}");
    for expected in
        ["recipient_not_found", "404", "unknown", "connection_lost", "80 messages in 7 vendor calls"]
    {
        assert!(said.contains(expected), "{expected} is missing in\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "colour where nobody looks at a terminal");
    assert!(said.lines().all(|line| line.chars().count() <= 100), "too wide:\n{said}");
}

#[test]
fn a_table_with_a_bad_row_is_named_and_nothing_is_asked_of_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let people = directory.path().join("people.csv");
    std::fs::write(&people, "to,name\nuser:a,Ann\nuser:b\n").unwrap();
    // Nobody listens there: a request would be another error.
    let arguments =
        ["send", people.to_str().unwrap(), "--text", "Hi $name$", "--server", "http://127.0.0.1:1"];
    let output = Command::new(env!("CARGO_BIN_EXE_interline")).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("people.csv:3: 1 fields where the first line has 2"), "{told}");
}

#[test]
fn usage_errors_exit_with_2() {
    for arguments in
        [vec!["send"], vec!["send", "x.json", "--nope"], vec!["batch", "list", "--server", "nowhere"]]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_interline")).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
