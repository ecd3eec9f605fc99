//! `interline check`: what it warns of, and how it compares a file with what a server has in force.

use interline_tests::{Place, Ran, config};
use serde_json::{Value, json};

const NOWHERE: &str = "http://127.0.0.1:1";

/// Four providers that answer nothing.
fn providers() -> String {
    [
        config::wukongim("wk", NOWHERE, "published", ""),
        config::openim("oim", "http://127.0.0.1:2", "main", ""),
        config::imkit("kit", "http://127.0.0.1:3", ""),
        config::netease("ne", "http://127.0.0.1:4", ""),
    ]
    .concat()
}

/// The warnings of routes over those providers; each provider is in use.
fn warnings(routes: &[&str]) -> Vec<String> {
    let used = ["wk", "oim", "kit", "ne"]
        .map(|name| config::route(&format!("used-{name}"), &format!("id = \"{name}-?\""), name));
    let routes: String = routes
        .iter()
        .zip('a'..)
        .map(|(route, name)| format!("[[routes]]\nname = \"{name}\"\n{route}\n"))
        .collect();
    let ran = Place::new(&format!("{}{}{routes}", providers(), used.concat())).run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let warnings = ran.out.lines().filter_map(|line| line.strip_prefix("! "));
    warnings.map(str::to_owned).collect()
}

#[track_caller]
fn warned(routes: &[&str], says: &[&str]) {
    let found = warnings(routes);
    assert_eq!(found.len(), says.len(), "{routes:?}: {found:#?}");
    for (warning, says) in found.iter().zip(says) {
        assert!(warning.contains(says), "{says:?} is missing: {warning}");
    }
}

#[test]
fn a_route_that_never_gets_a_message_is_told() {
    warned(
        &["provider = \"wk\"", "provider = \"ne\""],
        &["the route b takes nothing: a before it takes everything"],
    );
    warned(
        &[
            "when = { to = [\"user\", \"room\"] }\nprovider = \"wk\"",
            "when = { to = \"room\", id = \"7*\" }\nprovider = \"ne\"",
        ],
        &["the route b takes nothing: a before it takes what"],
    );
    warned(
        &[
            "when = { to = \"room\" }\nprovider = \"wk\"",
            "when = { to = \"group\" }\nprovider = \"ne\"",
            "when = { to = [\"room\", \"group\"], content = \"text\" }\nprovider = \"kit\"",
        ],
        &["the route c takes nothing: a, b before it take what"],
    );
    warned(
        &[
            "when = { id = \"vip-*\" }\nprovider = \"wk\"",
            "when = { id = [\"vip-7\", \"vip-a*\"] }\nprovider = \"ne\"",
        ],
        &["the route b takes nothing"],
    );
    warned(
        &[
            "when = { not = { to = \"room\" } }\nprovider = \"wk\"",
            "when = { to = \"user\" }\nprovider = \"ne\"",
        ],
        &["the route b takes nothing"],
    );
    warned(
        &[
            "when = { label = { tier = \"*\" } }\nprovider = \"wk\"",
            "when = { label = { tier = \"gold\" } }\nprovider = \"ne\"",
        ],
        &["the route b takes nothing"],
    );
}

#[test]
fn conditions_that_exclude_each_other_are_told() {
    for when in [
        "to = \"user\", not = { to = [\"user\", \"group\"] }",
        "id = \"vip-1\", not = { id = \"vip-*\" }",
        "content = \"text\", not = { content = \"text\" }",
        "to = \"everyone\", id = \"7\"",
    ] {
        warned(&[&format!("when = {{ {when} }}\nprovider = \"ne\"")], &["its conditions exclude each other"]);
    }
}

#[test]
fn what_may_still_get_a_message_is_not_warned_of() {
    warned(
        &[
            "when = { to = \"room\", between = \"22:00-06:00\" }\nprovider = \"wk\"",
            "when = { to = \"room\", id = \"7*\" }\nprovider = \"ne\"",
            "when = { to = \"room\", id = \"*7\" }\nprovider = \"ne\"",
            "when = { to = \"room\", from = \"shop\" }\nprovider = \"ne\"",
            "when = { to = \"room\", label = { tier = \"*\" } }\nprovider = \"ne\"",
            "when = { to = \"room\", content = \"text\", not = { id = \"8\" } }\nprovider = \"ne\"",
            "when = { to = \"room\" }\nprovider = \"wk\"",
            "provider = \"wk\"",
        ],
        &[],
    );
}

#[test]
fn a_fallback_that_never_stands_in_is_told() {
    warned(
        &["when = { to = \"everyone\" }\nprovider = \"oim\"\nfallback = [\"ne\"]"],
        &["takes messages to everyone, and oim refuses them", "the fallback of the route a never stands in"],
    );
    let reject =
        "when = { content = \"markdown\" }\non_loss = \"reject\"\nprovider = \"oim\"\nfallback = [\"wk\"]";
    warned(&[reject], &["the fallback wk of the route a never stands in: it sends markdown with losses"]);
    let place = Place::new(&format!(
        "{}{}{}fallback = [\"b\"]\n",
        config::wukongim("a", NOWHERE, "published", ""),
        config::wukongim("b", NOWHERE, "published", ""),
        config::route("all", "", "a")
    ));
    let ran = place.run(&["check"]);
    assert!(ran.out.contains("the fallback b of the route all is at the same server as a"), "{}", ran.said());
}

#[test]
fn a_split_of_one_is_told() {
    warned(&["split = { wk = 5 }"], &["the split of the route a has one share: write provider = \"wk\""]);
}

#[test]
fn a_migration_or_a_facade_that_cannot_work_is_told() {
    let rooms = "when = { to = \"room\" }\nprovider = \"ne\"\n[migrations.m]\nroute = \"a\"\nfrom = \"ne\"\nto = \"oim\"";
    warned(&[rooms], &["the migration m moves messages to room, and oim refuses them"]);
    let facade =
        |name: &str, more: &str| format!("[[facades]]\nname = \"{name}\"\nvendor = \"wukongim\"\n{more}\n");
    let route = "when = { to = \"group\" }\nprovider = \"ne\"\n";
    let open = format!("{route}{}{}", facade("open", ""), facade("mine", "token = \"a\""));
    warned(&[&open], &["the façade mine serves nobody: open before it asks for no credentials"]);
    let twice =
        [facade("one", "token = \"a\""), facade("two", "token = \"a\""), facade("three", "token = \"b\"")];
    let twice = format!("{route}{}", twice.concat());
    warned(&[&twice], &["the façade two serves nobody: one before it has the same ones"]);
}

/// Compares a file with the running server.
fn compared(place: &Place, url: &str, text: &str, more: &[&str]) -> Ran {
    place.write("other.toml", text.as_bytes());
    place.run(&[&["check", "--diff", "--config", "other.toml", "--server", url], more].concat())
}

#[test]
fn a_file_is_compared_with_what_is_in_force() {
    let routes = [
        config::route("rooms", "to = \"room\"", "ne"),
        config::route("campaigns", "label = { campaign = \"*\" }", "kit"),
        config::route("some", "id = \"7*\"", "oim"),
        config::route("rest", "", "wk"),
    ];
    let place = Place::new(&format!("{}{}", providers(), routes.concat()));
    let server = place.serve();
    let url = server.client().url();
    let text = std::fs::read_to_string(place.path("config.toml")).expect("the file in force");
    let same = compared(&place, &url, &text, &[]);
    assert_eq!((same.code, same.err.as_str()), (0, ""), "{}", same.said());

    let other = text
        .replace("http://127.0.0.1:4", "http://127.0.0.1:5")
        .replace("app_secret = \"twin-app-secret\"", "app_secret = \"env:NETEASE_SECRET\"")
        .replace(&routes[2], "")
        .replace(&routes[0], &format!("{}fallback = [\"wk\", \"oim\"]\n", routes[0]));
    let place = place.variable("NETEASE_SECRET", "whatever");
    let differs = compared(&place, &url, &other, &[]);
    assert_eq!(differs.code, 1, "{}", differs.said());
    for row in [
        "~ providers.ne.base_url = \"http://127.0.0.1:4\" → \"http://127.0.0.1:5\"",
        "~ providers.ne.app_secret = \"***\" → \"env:NETEASE_SECRET\"",
        "+ routes.rooms.fallback = [\"wk\",\"oim\"]",
        "- routes.some.provider = \"oim\"",
        "~ routes (order) = rooms, campaigns, some, rest → rooms, campaigns, rest",
    ] {
        assert!(differs.out.contains(row), "{row} is missing: {}", differs.out);
    }
    for secret in config::SECRETS {
        assert!(!differs.said().contains(secret), "{secret}: {}", differs.said());
    }
    assert!(!differs.said().contains("whatever"), "{}", differs.said());
    let told: Value = serde_json::from_str(&compared(&place, &url, &other, &["--json"]).out).expect("JSON");
    let change =
        told["changes"].as_array().expect("changes").iter().find(|one| one["key"] == "providers.ne.base_url");
    let wanted = json!({"key": "providers.ne.base_url", "server": "\"http://127.0.0.1:4\"", "file": "\"http://127.0.0.1:5\""});
    assert_eq!(change, Some(&wanted), "{told}");

    drop(server);
    let alone = compared(&place, &url, &text, &[]);
    assert_eq!(alone.code, 2, "{}", alone.said());
    assert!(alone.err.contains("is it running?"), "{}", alone.err);
}
