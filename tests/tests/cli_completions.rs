//! What `interline completions` prints is loaded by real shells and completes commands, options and names. The
//! shells that a machine lacks are installed by `scripts/test`.

#![expect(clippy::panic, reason = "a broken expectation ends the test")]

use std::path::Path;
use std::process::Command;

use interline_tests::{Place, Stage, binary, config, deaf};
use interline_twins::TwinsConfig;
use serde_json::json;

/// Runs a script in a shell that finds `interline` on its path; what it printed.
#[track_caller]
fn shell(name: &str, arguments: &[&str], folder: &Path, script: &str, variables: &[(&str, &str)]) -> String {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap_or_else(|error| panic!("{error}"));
    let link = bin.join("interline");
    if !link.exists() {
        std::os::unix::fs::symlink(binary(), &link).unwrap_or_else(|error| panic!("{error}"));
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(name);
    deaf(&mut command).args(arguments).arg(script).env("PATH", path).current_dir(folder);
    command.envs(variables.iter().copied());
    let ran = command
        .output()
        .unwrap_or_else(|error| panic!("{name} is missing ({error}): apt-get install {name}"));
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name}: {said}");
    said
}

/// What bash offers behind a line; it hands over the words broken at `=` and `:`, and puts what it is offered behind
/// the last break.
#[track_caller]
fn bash(place: &Place, line: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let broken = |word: &str| word.replace('=', " = ").replace(':', " : ");
    let mut words: Vec<String> = broken(line).split_whitespace().map(|word| format!("'{word}'")).collect();
    if line.ends_with(' ') {
        words.push("''".to_owned());
    }
    let script = format!(
        "source <(interline completions bash); COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; \
         COMP_WORDS=({}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
         $(complete -p interline | sed 's/.*-F //; s/ .*//') interline \
         \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" ")
    );
    let said = shell("bash", &["--norc", "-c"], &place.path(""), &script, variables);
    said.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_shell_gets_a_script() {
    let place = Place::empty();
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = place.run(&["completions", name]);
        assert_eq!(ran.code, 0, "{}", ran.said());
        assert!(
            ran.out.contains("interline") && ran.out.contains("_INTERLINE_COMPLETE"),
            "{name}: {}",
            ran.out
        );
    }
    let ran = place.run(&["completions", "tcsh"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("bash, zsh, fish, powershell, elvish"), "{}", ran.err);
}

#[test]
fn bash_completes_commands_options_and_states() {
    let place = Place::empty();
    assert_eq!(bash(&place, "interline ledger ", &[])[..3], ["status", "migrate", "copy"]);
    assert_eq!(bash(&place, "interline ba", &[]), ["batch"]);
    assert_eq!(bash(&place, "interline b", &[]), ["batch", "bench"]);
    assert_eq!(bash(&place, "interline   --json  batch  li", &[]), ["list"]);
    let states = bash(&place, "interline batch list --state ", &[]);
    assert!(states.contains(&"sending".to_owned()) && states.contains(&"paused".to_owned()), "{states:?}");
}

#[test]
fn bash_completes_words_with_breaks_in_them() {
    let place = Place::empty();
    assert_eq!(bash(&place, "interline batch list --state=se", &[]), ["sending", "settled"]);
    assert_eq!(bash(&place, "interline twins --dialect wuk", &[]).len(), 4);
    for line in ["interline twins --dialect wukongim=v", "interline twins --dialect=wukongim=v"] {
        assert_eq!(bash(&place, line, &[]), ["v2", "v1", "v3"], "{line}");
    }
    assert_eq!(bash(&place, "interline twins --dialect wukongim=", &[]).len(), 4);
    assert_eq!(bash(&place, "interline batch list --server http://127.0.0.1:8", &[]), [""; 0]);
}

#[test]
fn bash_completes_names_of_the_configuration_and_batches_of_the_server() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let place = Place::new(&config::four(&stage));
    assert_eq!(bash(&place, "interline provider show ", &[])[..4], ["kit", "ne", "oim", "wk"]);
    let file = place.path("config.toml").display().to_string();
    assert_eq!(bash(&place, &format!("interline --config {file} provider pause w"), &[]), ["wk"]);
    let server = place.serve();
    let body = json!({"content": {"type": "text", "text": "hi"}, "messages": [{"to": "user:a"}]});
    let id = server.post("/v1/batches", &body).of(202)["id"].as_str().unwrap_or_default().to_owned();
    let url = server.client().url();
    assert_eq!(bash(&place, "interline batch watch ", &[("INTERLINE_SERVER", &url)])[0], id);
    assert_eq!(bash(&place, &format!("interline batch watch --server {url} bat_"), &[]), [id]);
    // Nobody there: nothing is offered, and nothing is said.
    drop(server);
    let offered = bash(&place, "interline batch watch bat_", &[("INTERLINE_SERVER", &url)]);
    assert_eq!(offered, [""; 0]);
}

#[test]
fn zsh_loads_its_script() {
    let place = Place::empty();
    let script = "autoload -U compinit && compinit -u -d ./dump && source <(interline completions zsh) && \
                  print ${_comps[interline]}";
    let said = shell("zsh", &["-f", "-c"], &place.path(""), script, &[]);
    assert!(said.contains("interline"), "{said}");
}

#[test]
fn fish_completes_with_descriptions() {
    let place = Place::empty();
    let script = "interline completions fish | source; complete -C 'interline ledger '";
    let home = place.path("").display().to_string();
    let said = shell("fish", &["--no-config", "-c"], &place.path(""), script, &[("HOME", &home)]);
    assert!(said.contains("status\tWhat is in it"), "{said}");
}
