//! What scripts/test asks of the machine: named in one line where it is too old, and no less than what is locked asks
//! for itself.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use interline_tests::Place;
use serde_json::Value;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(home().join(path)).expect(path);
    serde_json::from_str(&text).expect("JSON")
}

/// The first number of `>=20`, `>=18.17.0`, `^14.15 || >=16`: the oldest that each will do.
fn least(engines: &str) -> u32 {
    let numbers = engines.split("||").filter_map(|one| {
        let digits = one.trim().trim_start_matches(['>', '=', '^', '~', ' ']);
        digits.split(['.', ' ']).next()?.parse().ok()
    });
    numbers.min().expect("a version of Node.js")
}

#[test]
fn what_is_locked_runs_on_the_oldest_node_that_is_let_through() {
    let asked = read("tests/console/package.json")["engines"]["node"].as_str().map(least).expect("engines");
    let mut seen = 0;
    for lock in ["tests/console/package-lock.json", "tests/clients/package-lock.json"] {
        let lock = read(lock);
        for (name, package) in lock["packages"].as_object().expect("packages") {
            let Some(engines) = package["engines"]["node"].as_str() else { continue };
            seen += 1;
            assert!(least(engines) <= asked, "{name} asks for {engines}, and {asked} is let through");
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_machine_that_is_too_old_is_told_so_in_one_line() {
    let cases = [
        ("cargo", "cargo 1.60.0 (x)", "Rust 1.95 or newer is needed, found 1.60.0"),
        ("python3", "Python 3.9.2", "Python 3.11 or newer is needed, found 3.9.2"),
        ("node", "v18.19.0", "and npm cannot install one"),
    ];
    for (tool, version, said) in cases {
        let place = Place::empty();
        let script = |name: &str, text: &str| {
            let path = place.write(name, format!("#!/bin/sh\n{text}\n").as_bytes());
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path, mode).expect("it may run");
        };
        script(tool, &format!("echo '{version}'"));
        // Nobody is offline for this, and nothing is installed by it.
        script("npm", "exit 1");
        let folder = place.path("");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        let own = place.path("own");
        std::fs::create_dir_all(own.join("scripts")).expect("a folder");
        for file in
            ["scripts/versions", "Cargo.toml", "tests/clients/requirements.txt", "tests/console/package.json"]
        {
            std::fs::create_dir_all(own.join(file).parent().expect("a folder")).expect("a folder");
            std::fs::copy(home().join(file), own.join(file)).expect(file);
        }
        let ran = Command::new(own.join("scripts/versions")).env("PATH", path).output().expect("it runs");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success(), "{tool}: {told}");
        let last = told.lines().last().unwrap_or_default();
        assert!(last.starts_with("scripts/test: ") && last.contains(said), "{tool}: {told}");
    }
}
