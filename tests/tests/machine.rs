//! What scripts/test asks of the machine: named in one line where it is too old, and no less than what is locked asks
//! for itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

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

/// The numbers of a version in their order, what is left out or stands for any as 0, and how many were given.
fn version(text: &str) -> ([u32; 3], usize) {
    let given: Vec<u32> = text.split('.').map_while(|number| number.parse().ok()).collect();
    (std::array::from_fn(|place| given.get(place).copied().unwrap_or(0)), given.len())
}

/// Whether one of the alternatives lets this version through: `>=20`, `^14.15 || >=16`, `>= 6 <22`, `20.x`, `*`.
fn admits(engines: &str, found: &str) -> bool {
    let (found, _) = version(found);
    let within = |bound: &str| {
        let digits = bound.trim_start_matches(['<', '>', '=', '^', '~']);
        let (wanted, given) = version(digits);
        let same = |numbers: usize| found >= wanted && found[..numbers] == wanted[..numbers];
        match bound.strip_suffix(digits) {
            Some(">=") => found >= wanted,
            Some(">") => found > wanted,
            Some("<=") => found <= wanted,
            Some("<") => found < wanted,
            Some("^") => same(1),
            Some("~") => same(given.min(2)),
            Some("" | "=") => same(given),
            _ => panic!("what is {engines}?"),
        }
    };
    engines.split("||").any(|one| {
        // A relation may stand apart from its version.
        let one = one.replace("= ", "=").replace("> ", ">").replace("< ", "<");
        one.split_whitespace().all(within)
    })
}

#[test]
fn what_is_locked_runs_on_the_oldest_node_that_is_let_through() {
    let asked = read("tests/console/package.json");
    let asked =
        asked["engines"]["node"].as_str().and_then(|asked| asked.strip_prefix(">=")).expect("engines");
    let mut seen = 0;
    for lock in ["tests/console/package-lock.json", "tests/clients/package-lock.json"] {
        let lock = read(lock);
        for (name, package) in lock["packages"].as_object().expect("packages") {
            let Some(engines) = package["engines"]["node"].as_str() else { continue };
            seen += 1;
            assert!(admits(engines, asked), "{name} asks for {engines}, and {asked} is let through");
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn what_a_package_asks_of_node_is_read_as_npm_reads_it() {
    for (engines, found, admitted) in [
        (">=18.17.0", "18.17", true),
        (">=18.17.0", "18.16.9", false),
        ("^14 || ^16", "20", false),
        ("^14.15 || >=16", "20", true),
        ("^18.18.0 || ^20.9.0 || >=21.1.0", "20.8", false),
        (">= 6 <20", "20", false),
        ("~20.1", "20.2", false),
        ("20.x", "20.4.1", true),
        ("20 || 22", "21", false),
        ("*", "20", true),
    ] {
        assert_eq!(admits(engines, found), admitted, "{found} for {engines}");
    }
}

#[test]
fn a_machine_that_is_too_old_is_told_so_in_one_line() {
    let cases = [
        ("cargo", "cargo 1.60.0 (x)", 1, "Rust 1.95 or newer is needed, found 1.60.0"),
        ("python3", "Python 3.9.2", 1, "Python 3.11 or newer is needed, found 3.9.2"),
        ("node", "v18.19.0", 1, "and npm cannot install one"),
        ("node", "v18.19.0", 0, "and the one that npm installed does not run"),
    ];
    for (tool, version, npm, said) in cases {
        let place = Place::empty();
        let script = |name: &str, text: &str| {
            let path = place.write(name, format!("#!/bin/sh\n{text}\n").as_bytes());
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path, mode).expect("it may run");
        };
        script(tool, &format!("echo '{version}'"));
        // Nobody is offline for this, and nothing is installed by it.
        script("npm", &format!("exit {npm}"));
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
