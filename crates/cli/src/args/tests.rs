//! What is accepted on the command line, and what is not.

use super::*;
use clap::CommandFactory as _;

fn parsed(line: &str) -> Cli {
    Cli::try_parse_from(line.split(' ')).unwrap()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn config_and_json_stand_before_or_after_the_verb() {
    for line in ["interline --config a.toml --json check", "interline check --json --config a.toml"] {
        let cli = parsed(line);
        assert_eq!(cli.common.config.as_deref(), Some(std::path::Path::new("a.toml")), "{line}");
        assert!(cli.common.json, "{line}");
    }
}

#[test]
fn the_last_of_wait_and_no_wait_counts() {
    let waits = |line| match parsed(line).verb {
        Verb::Send(send) => !send.no_wait,
        other => panic!("{other:?}"),
    };
    assert!(waits("interline send a.json"));
    assert!(!waits("interline send a.json --no-wait"));
    assert!(waits("interline send a.json --no-wait --wait"));
}

#[test]
fn direct_cannot_leave_early() {
    assert!(Cli::try_parse_from("interline send a.json --direct --no-wait".split(' ')).is_err());
}

#[test]
fn standard_input_is_a_file_named_dash() {
    match parsed("interline plan - --format csv --text hi").verb {
        Verb::Plan(plan) => assert_eq!(plan.input.file.as_os_str(), "-"),
        other => panic!("{other:?}"),
    }
}
