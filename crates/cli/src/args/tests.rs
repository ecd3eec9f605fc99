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

/// The help of every command that is not hidden, as it is printed on 100 columns.
fn reference() -> String {
    fn put(command: &mut clap::Command, path: &str, all: &mut String) {
        let depth = path.split(' ').count();
        let help = command.clone().term_width(100).bin_name(path).render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let marks = "#".repeat(depth + 1);
        if depth > 1 {
            all.push_str(&format!("{marks} `{path}`\n\n"));
        }
        all.push_str(&format!("```text\n{}\n```\n\n", help.join("\n").trim_end()));
        let shown = |command: &&mut clap::Command| !command.is_hide_set() && command.get_name() != "help";
        for below in command.get_subcommands_mut().filter(shown) {
            let path = format!("{path} {}", below.get_name());
            put(below, &path, all);
        }
    }
    let mut all = String::new();
    let mut command = Cli::command().term_width(100);
    command.build();
    put(&mut command, "interline", &mut all);
    all
}

#[test]
fn the_reference_is_what_help_says() {
    const FROM: &str = "<!-- commands: written by `BLESS=1 cargo test -p interline reference` -->\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CLI.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, written) = text.split_once(FROM).expect("the marker in docs/CLI.md");
    let wanted = format!("\n{}\n", reference().trim_end());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{head}{FROM}{wanted}")).unwrap();
        return;
    }
    assert!(
        written == wanted,
        "docs/CLI.md is not what --help says: BLESS=1 cargo test -p interline reference"
    );
}

#[test]
fn every_command_that_can_be_typed_has_a_line_of_help() {
    fn look(command: &clap::Command) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            assert!(below.get_about().is_some(), "{}", below.get_name());
            for option in below.get_arguments() {
                assert!(option.get_help().is_some(), "{} {}", below.get_name(), option.get_id());
            }
            look(below);
        }
    }
    look(&Cli::command());
}

#[test]
fn keys_in_the_environment_show_in_no_help() {
    let help = Cli::command().render_long_help().to_string();
    assert!(!help.contains("env: INTERLINE_KEY="), "{help}");
}
