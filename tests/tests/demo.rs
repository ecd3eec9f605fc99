//! `interline demo --once`: the command of the README, as a script runs it.

use interline_tests::Place;
use serde_json::Value;

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
