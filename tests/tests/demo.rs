//! `interline demo --once`: the command of the README, as a script runs it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use interline_tests::{Client, Place, binary};
use serde_json::Value;

/// A demo that stays up, until the test ends.
struct Staying(Child);

impl Drop for Staying {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn the_demo_ends_well_and_shows_its_scenario() {
    let ran = Place::empty().run(&["demo", "--once"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let vendors = ["wukongim", "openim", "imkit", "netease"];
    let outcomes = ["accepted", "rejected", "recipient_not_found", "unknown", "connection_lost"];
    let planner = ["order-1", "more", "calls", "arrived"];
    for word in vendors.into_iter().chain(outcomes).chain(planner) {
        assert!(ran.out.contains(word), "{word} is missing:\n{}", ran.out);
    }
    assert!(!ran.said().contains('\u{1b}'), "colours where nobody looks at a terminal");
}

#[test]
fn the_demo_leaves_alone_what_is_meant_for_a_server() {
    let place = Place::empty();
    let ledger = place.path("mine.db");
    let place = place
        .variable("INTERLINE_LEDGER__URL", &format!("sqlite:{}", ledger.display()))
        .variable("INTERLINE_SERVER__AUTH", "keys");
    let ran = place.run(&["demo", "--once"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(!ledger.exists(), "the demo wrote into a ledger that is not its own");
}

#[test]
fn the_demo_speaks_json() {
    let ran = Place::empty().run(&["demo", "--once", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let said: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(said["deviations"], serde_json::json!([]));
    assert_eq!((&said["counts"]["rejected"], &said["counts"]["unknown"]), (&1.into(), &1.into()), "{said}");
}

#[test]
fn what_the_demo_prints_to_look_at_is_there() {
    let demo = Command::new(binary()).arg("demo").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut demo = Staying(demo.expect("the program"));
    let out = BufReader::new(demo.0.stdout.take().expect("its output"));
    let said = out.lines().map_while(Result::ok).take_while(|line| !line.contains("Ctrl-C"));
    let said: Vec<String> = said.collect();
    for (what, path) in
        [("console", "/console/"), ("API", "/v1/batches"), ("its page", "/docs"), ("metrics", "/metrics")]
    {
        let line = said.iter().find(|line| line.trim_start().starts_with(what) && line.ends_with(path));
        let url = line.and_then(|line| line.split_once("http://")).map(|(_, url)| url.trim_end_matches(path));
        let url = url.unwrap_or_else(|| panic!("no address of {what}: {said:#?}"));
        let answer = Client::new(url.parse().expect("an address")).get(path);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    }
}
