//! `interline test`: the tests of a configuration, played without a server, a network or a secret. What it
//! says of calls and outcomes is what really happens.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use interline_tests::{Place, Ran, Stage, config, refuse};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

const NOWHERE: &str = "http://127.0.0.1:1";
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.toml");

/// Rooms at `ne` with `wk` behind it, campaigns at `kit`, the rest at `wk`.
fn rules() -> String {
    [
        config::wukongim("wk", NOWHERE, "published", ""),
        config::netease("ne", NOWHERE, "everyone = false"),
        config::imkit("kit", NOWHERE, ""),
        config::route("rooms", "to = \"room\"", "ne"),
        "fallback = [\"wk\"]\n".to_owned(),
        config::route("campaigns", "label = { campaign = \"*\" }", "kit"),
        config::route("rest", "", "wk"),
    ]
    .concat()
}

fn case(name: &str, keys: &str, expect: &str) -> String {
    format!("[[tests]]\nname = \"{name}\"\n{keys}\nexpect = {{ {expect} }}\n")
}

const ROOM: &str = "message = { to = \"room:1\", text = \"hi\" }";

/// Runs one test over the rules.
fn played(keys: &str, expect: &str) -> Ran {
    Place::new(&format!("{}{}", rules(), case("it", keys, expect))).run(&["test"])
}

#[track_caller]
fn passes(keys: &str, expect: &str) {
    let ran = played(keys, expect);
    assert_eq!(ran.code, 0, "{keys} expects {expect}: {}", ran.said());
    assert!(ran.out.contains("✓ it") && ran.out.contains("1 test passed"), "{}", ran.out);
}

/// The test fails, and says so at this key.
#[track_caller]
fn fails(keys: &str, expect: &str, key: &str, says: &[&str]) {
    let ran = played(keys, expect);
    assert_eq!(ran.code, 1, "{keys} expects {expect}: {}", ran.said());
    let path = format!("tests[0].{key}");
    for part in [&["✗ it", path.as_str(), "expected", "found", "1 of 1 test failed"][..], says].concat() {
        assert!(ran.out.contains(part), "{part} is missing: {}", ran.out);
    }
}

/// The configuration is refused, naming the key.
#[track_caller]
fn refused(keys: &str, expect: &str, key: &str, says: &str) {
    let ran = played(keys, expect);
    assert_eq!(ran.code, 2, "{keys} expects {expect}: {}", ran.said());
    assert!(ran.err.contains(&format!("config.toml: tests[0].{key}: ")), "{}", ran.err);
    assert!(ran.err.contains(says), "{says} is missing: {}", ran.err);
}

#[test]
fn the_shipped_tests_pass() {
    let ran = Place::empty().run(&["test", "--config", SHIPPED]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(!ran.said().contains('\u{1b}'), "colours where nobody looks at a terminal: {}", ran.said());
}

#[test]
fn a_broken_rule_fails_with_the_names_of_test_and_route() {
    let shipped = std::fs::read_to_string(SHIPPED).expect("the shipped file");
    let right = "when = { to = \"room\" }\nprovider = \"ne\"\nfallback = [\"wk-main\"]";
    assert!(shipped.contains(right), "the rule that is broken here");
    let place = Place::empty();
    place.write(
        "config.toml",
        shipped.replace(right, "when = { to = \"room\" }\nprovider = \"kit\"").as_bytes(),
    );
    let ran = place.run(&["test"]);
    assert_eq!(ran.code, 1, "{}", ran.said());
    let told = [
        "✗ rooms go to NetEase",
        "tests[0].expect.provider",
        "expected ne",
        "found    kit (room:1",
        "the route rooms",
    ];
    for part in told {
        assert!(ran.out.contains(part), "{part} is missing: {}", ran.out);
    }
    assert!(ran.out.contains("✓ a campaign goes to IMKit"), "the others are run too: {}", ran.out);
}

#[test]
fn each_expectation_passes_and_fails() {
    for (keys, right, wrong, key) in [
        (ROOM, "provider = \"ne\"", "provider = \"wk\"", "provider"),
        (ROOM, "provider = [\"ne\", \"wk\"]", "provider = [\"wk\", \"kit\"]", "provider"),
        (ROOM, "provider = { ne = 1 }", "provider = { ne = 1, wk = 1 }", "provider"),
        (ROOM, "route = \"rooms\"", "route = \"rest\"", "route"),
        (ROOM, "status = \"accepted\"", "status = \"rejected\"", "status"),
        (ROOM, "fallback = [\"wk\"]", "fallback = []", "fallback"),
        (ROOM, "tried = [\"ne\"]", "tried = [\"ne\", \"wk\"]", "tried"),
        (ROOM, "losses = []", "losses = [\"ttl\"]", "losses"),
        (ROOM, "calls = 1", "calls = 2", "calls"),
        (ROOM, "calls_at_most = 1", "calls_at_most = 0", "calls_at_most"),
        (ROOM, "seconds_at_most = 1", "seconds_at_least = 0.5", "seconds_at_least"),
        (
            "message = { to = \"everyone\", text = \"hi\" }",
            "error = \"invalid_message\"",
            "error = \"muted\"",
            "error",
        ),
    ] {
        if key != "error" {
            passes(keys, right);
        }
        fails(keys, wrong, &format!("expect.{key}"), &[]);
    }
    fails(ROOM, "seconds_at_most = 0.5, provider = \"wk\"", "expect.provider", &["rooms is the first"]);
    let late = format!("{ROOM}\ncount = 100");
    fails(&late, "seconds_at_most = 1", "expect.seconds_at_most", &["ne room: 10 calls with 100 messages"]);
}

#[test]
fn each_key_of_a_test_decides() {
    // Which messages.
    passes(
        "message = { to = \"user:u{n}\", text = \"hi\" }\ncount = 30",
        "provider = { wk = 30 }, calls = 1",
    );
    let several = "messages = [{ to = \"room:1\", text = \"a\" }, { to = \"user:1\", content = { type = \"notice\", text = \"b\" } }]";
    passes(several, "provider = { ne = 1, wk = 1 }, route = [\"rooms\", \"rest\"]");
    passes(
        &format!("{ROOM}\nbatch = {{ route = \"rest\", from = \"shop\" }}"),
        "provider = \"wk\", route = \"rest\"",
    );
    passes(&format!("{ROOM}\nbatch = {{ options = {{ ttl = \"1h\" }} }}"), "losses = [\"ttl\"]");
    passes(
        &format!("{ROOM}\nbatch = {{ options = {{ ttl = \"1h\" }}, on_loss = \"reject\" }}"),
        "status = \"rejected\", error = \"unsupported\", provider = {}, calls = 0",
    );
    passes(
        "message = { to = \"user:1\", text = \"hi\", labels = { campaign = \"a\" } }",
        "provider = \"kit\", fallback = []",
    );
    // What goes wrong.
    passes(&format!("{ROOM}\ndown = [\"ne\"]"), "provider = \"wk\", tried = [\"ne\", \"wk\"], calls = 1");
    passes(&format!("{ROOM}\nbusy = \"ne\""), "provider = \"wk\", status = \"accepted\", calls = 2");
    passes(
        &format!("{ROOM}\nsilent = \"ne\""),
        "provider = \"ne\", status = \"unknown\", error = \"timeout\"",
    );
    let nowhere = format!("{ROOM}\ndown = [\"ne\", \"wk\"]");
    passes(
        &nowhere,
        "status = \"expired\", error = \"expired\", seconds_at_least = 86400, seconds_at_most = 86401",
    );
    passes(&format!("{ROOM}\ncount = 20\nanswers_in = \"2s\""), "seconds_at_least = 4, calls = 2");
}

#[test]
fn the_apps_and_the_time_of_a_test_decide() {
    let night = [
        config::wukongim("wk", NOWHERE, "published", ""),
        config::netease("ne", NOWHERE, "everyone = true"),
        config::route("night", "between = \"22:00-06:00\", not = { app = \"ops\" }", "ne"),
        config::route("rest", "", "wk"),
    ]
    .concat();
    let app = |name: &str, digit: &str, may: &str| {
        let key = digit.repeat(64);
        format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{key}\"\nmay = [{may}]\n")
    };
    let apps = [
        app("shop", "a", "\"send\""),
        app("ops", "b", "\"send\""),
        app("boss", "c", "\"send\", \"broadcast\""),
    ]
    .concat();
    let user = "message = { to = \"user:1\", text = \"hi\" }";
    let all = "message = { to = \"everyone\", text = \"hi\" }";
    let at = "at = \"2026-12-01T22:00:00Z\"";
    let cases = [
        case("noon", user, "route = \"rest\""),
        case("night", &format!("{user}\n{at}"), "route = \"night\""),
        case("ops", &format!("{user}\n{at}\napp = \"ops\""), "route = \"rest\""),
        case("may not", &format!("{all}\n{at}"), "error = \"forbidden\""),
        case("may", &format!("{all}\n{at}\napp = \"boss\""), "status = \"accepted\", provider = \"ne\""),
    ]
    .concat();
    let text = format!("{apps}{night}{cases}");
    let ran = Place::with("auth = \"keys\"", &text).run(&["test"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(ran.out.contains("5 tests passed"), "{}", ran.out);
}

#[test]
fn a_test_that_cannot_be_read_is_refused_with_file_and_key() {
    refused(ROOM, "providr = \"ne\"", "expect.providr", "allowed here: provider, route");
    refused(&format!("{ROOM}\ntimes = 3"), "calls = 1", "times", "allowed here: name");
    refused("message = { too = \"room:1\" }", "calls = 1", "message.too", "allowed here: to");
    refused(&format!("{ROOM}\nbatch = {{ text = \"a\" }}"), "calls = 1", "batch.text", "allowed here: from");
    refused(ROOM, "", "expect", "expects nothing");
    refused("", "calls = 1", "message", "required");
    refused(ROOM, "status = \"sent\"", "expect.status", "allowed: accepted");
    refused(ROOM, "error = \"oops\"", "expect.error", "allowed: invalid_message");
    refused(ROOM, "seconds_at_most = \"3s\"", "expect.seconds_at_most", "number of seconds");
    refused(&format!("{ROOM}\nat = \"tonight\""), "calls = 1", "at", "is no time");
    refused(&format!("{ROOM}\ncount = 50001"), "calls = 1", "count", "50000");
    refused(&format!("{ROOM}\ndown = \"ne\"\nbusy = \"ne\""), "calls = 1", "busy", "already");
    refused(
        &format!("{ROOM}\nmessages = [{{ to = \"room:1\" }}]"),
        "calls = 1",
        "messages",
        "one of the two",
    );
    let both = "message = { to = \"room:1\", text = \"a\", content = { type = \"text\", text = \"b\" } }";
    refused(both, "calls = 1", "message.text", "one of the two");
}

#[test]
fn a_test_that_names_what_is_not_there_fails_and_keeps_no_server_from_starting() {
    for (keys, expect, key) in [
        (&*format!("{ROOM}\ndown = \"wk-old\""), "calls = 1", "down"),
        (&*format!("{ROOM}\napp = \"shop\""), "calls = 1", "app"),
        (ROOM, "provider = \"wk-old\"", "expect.provider"),
        (ROOM, "route = \"old\"", "expect.route"),
        (ROOM, "fallback = [\"wk-old\"]", "expect.fallback"),
    ] {
        fails(keys, expect, key, &["of the configuration"]);
    }
    let place = Place::new(&format!("{}{}", rules(), case("it", ROOM, "provider = \"wk-old\"")));
    place.serve();
    let check = place.run(&["check"]);
    assert_eq!(check.code, 0, "{}", check.said());
    assert!(check.out.contains("! the test \"it\" names the provider \"wk-old\""), "{}", check.out);
}

#[test]
fn a_bad_message_is_what_a_test_may_expect() {
    let bad = "message = { to = \"chat:1\", text = \"hi\" }";
    passes(bad, "status = \"rejected\", error = \"invalid_message\", provider = {}");
    fails(bad, "provider = \"ne\"", "expect.provider", &["/messages/0/to", "chat"]);
}

#[test]
fn no_secret_and_no_server_is_needed() {
    let secretive = rules().replace("\"twin-app-secret\"", "\"env:NO_SUCH_SECRET\"");
    let facade = "[[facades]]\nname = \"kit\"\nvendor = \"imkit\"\napi_key = \"env:NO_SUCH_SECRET\"\n";
    let place = Place::new(&format!("{secretive}{facade}{}", case("it", ROOM, "provider = \"ne\"")));
    assert_eq!(place.run(&["test"]).code, 0);
    let check = place.run(&["check"]);
    assert_eq!(check.code, 2, "sending needs it: {}", check.said());
}

#[test]
fn tests_are_chosen_by_words_of_their_names() {
    let three =
        ["rooms by day", "rooms by night", "users"].map(|name| case(name, ROOM, "calls = 1")).concat();
    let place = Place::new(&format!("{}{three}", rules()));
    let ran = place.run(&["test", "rooms"]);
    assert!(ran.code == 0 && ran.out.contains("2 tests passed"), "{}", ran.said());
    let ran = place.run(&["test", "night", "users"]);
    assert!(ran.out.contains("2 tests passed") && !ran.out.contains("by day"), "{}", ran.out);
    let ran = place.run(&["test", "groups"]);
    assert_eq!(ran.code, 2, "{}", ran.said());
    assert!(ran.err.contains("\"groups\"") && ran.err.contains("rooms by night"), "{}", ran.err);
    let ran = Place::new(&rules()).run(&["test"]);
    assert_eq!(ran.code, 2, "nothing to run is no success: {}", ran.said());
    assert!(ran.err.contains("[[tests]]"), "{}", ran.err);
}

#[test]
fn json_tells_each_test_and_what_differs() {
    let two = [case("good", ROOM, "calls = 1"), case("bad", ROOM, "provider = \"wk\", calls = 1")].concat();
    let ran = Place::new(&format!("{}{two}", rules())).run(&["test", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.said());
    let told: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&told["passed"], &told["failed"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!(told["tests"][0]["passed"], true, "{told}");
    let differs = &told["tests"][1]["differences"];
    assert_eq!(differs.as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(differs[0]["path"], "tests[1].expect.provider", "{told}");
    assert_eq!((&differs[0]["expected"], &differs[0]["found"]), (&json!("wk"), &json!("ne (room:1)")));
}

/// The calls, statuses and providers of a rehearsal.
fn rehearsed(place: &Place) -> Value {
    let ran = place.run(&["test", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).expect("JSON");
    told["tests"][0].clone()
}

#[test]
fn what_is_rehearsed_is_what_is_sent() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let rules = |more: &str| {
        format!(
            "{}[[routes]]\nname = \"late\"\nprovider = \"ne\"\nfallback = [\"wk\"]\n{more}",
            config::four(&stage)
        )
    };
    let keys =
        "message = { to = \"user:u{n}\", text = \"hi\" }\ncount = 250\ndialect = { wk = \"published\" }";
    let place = Place::new(&rules(&case("it", keys, "status = \"accepted\"")));
    let messages: Vec<Value> = (1..=250).map(|number| json!({"to": format!("user:u{number}")})).collect();
    let body = json!({"content": {"type": "text", "text": "hi"}, "messages": messages});
    let server = place.serve();
    let sent = server.post("/v1/send", &body).of(200);
    assert_eq!(sent["counts"]["accepted"], 250, "{sent}");
    assert_eq!(rehearsed(&place)["calls"], sent["counts"]["calls"], "{sent}");

    refuse(stage.netease(), 60_000);
    let body =
        json!({"route": "late", "messages": [{"to": "room:7", "content": {"type": "text", "text": "hi"}}]});
    let sent = server.post("/v1/send", &body).of(200);
    let expect = "provider = \"wk\", tried = [\"ne\", \"wk\"], status = \"accepted\"";
    let keys = "message = { to = \"room:7\", text = \"hi\" }\nbatch = { route = \"late\" }\ndown = \"ne\"";
    let tried: Vec<&Value> = sent["results"][0]["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|one| &one["provider"])
        .collect();
    assert_eq!(
        (tried, &sent["results"][0]["status"]),
        (vec![&json!("ne"), &json!("wk")], &json!("accepted")),
        "{sent}"
    );
    assert_eq!(rehearsed(&Place::new(&rules(&case("it", keys, expect))))["passed"], true);
}
