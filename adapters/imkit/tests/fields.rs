//! Every field of the published page has a home, and the home is real: the README's table is read,
//! its names are checked, and each home of a request field is set to see the vendor's field change.

#![expect(clippy::expect_used, reason = "a helper that fails is a test that fails")]

use std::collections::BTreeMap;

use interline_core::options::Results;
use interline_imkit::VENDOR;
use interline_testkit::build;
use serde_json::{Map, Value, json};

/// The batch page, request and response; `extra` stands in its notes.
const PUBLISHED: [&str; 14] = [
    "IM-API-KEY",
    "Content-Type",
    "message",
    "messageType",
    "sender",
    "push",
    "skipTotalBadge",
    "paras",
    "paras[].receiver",
    "paras[].room",
    "paras[].$pattern$",
    "extra",
    "RC",
    "RM",
];
const PUBLISHED_RESULT: [&str; 2] = ["result.batchID", "result.count"];

/// Homes, as the API of Interline names them.
const HOMES: [&str; 27] = [
    "setting `api_key`",
    "setting `default_sender`",
    "constant",
    "rest of the quota class",
    "content.text",
    "content.data",
    "content.kind",
    "content.type",
    "content.ext",
    "content.mentions.users",
    "extensions.imkit.messageType",
    "extensions.imkit.skipTotalBadge",
    "extensions.imkit.extra",
    "extensions.imkit.body",
    "from.id",
    "options.push.enabled",
    "options.online_only",
    "messages",
    "to",
    "vars",
    "status",
    "error.vendor_code",
    "error.vendor_message",
    "vendor_batch_id",
    "vendor_message_id",
    "vendor_time_ms",
    "vendor_data.",
];

/// A change to a message that must show in the vendor's body.
#[derive(serde::Deserialize)]
struct Exercised {
    field: String,
    home: String,
    change: Map<String, Value>,
    pointer: String,
    expected: Value,
}

fn table() -> BTreeMap<String, Vec<String>> {
    let readme = include_str!("../README.md");
    let (_, rows) = readme.split_once("| vendor field | home |\n|---|---|\n").expect("the table is there");
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split(" | ");
        let field = cells.next().unwrap_or_default().trim().trim_matches('`').to_owned();
        let homes = cells.next().unwrap_or_default().trim();
        let home = |home: &str| match home.strip_prefix('`').and_then(|home| home.strip_suffix('`')) {
            Some(name) => name.to_owned(),
            None => home.to_owned(),
        };
        (field, homes.split(", ").map(home).collect())
    };
    rows.lines().take_while(|line| line.starts_with('|')).map(row).collect()
}

#[test]
fn every_published_field_has_a_home() {
    let table = table();
    for field in PUBLISHED.iter().chain(&PUBLISHED_RESULT) {
        assert!(table.contains_key(*field), "{field} has no home");
    }
}

#[test]
fn every_home_is_a_name_of_the_api() {
    for (field, homes) in table() {
        assert!(!homes.is_empty(), "{field}");
        for home in homes {
            let known =
                HOMES.iter().any(|name| *name == home || (name.ends_with('.') && home.starts_with(name)));
            assert!(known, "{field}: {home:?} is no home");
        }
    }
}

#[test]
fn setting_a_home_sets_the_vendors_field() {
    let base = json!({"to": "user:u", "from": "s", "content": {"type": "text", "text": "t"}});
    let exercised: Vec<Exercised> = serde_json::from_str(include_str!("homes.json")).unwrap();
    let adapter = build::adapter(&VENDOR, "v1", &json!({"api_key": "k", "default_sender": "set"}));
    let table = table();
    for Exercised { field, home, change, pointer, expected } in exercised {
        assert!(table[&field].contains(&home), "{field} is not said to live in {home}");
        let mut body = base.as_object().expect("an object").clone();
        body.extend(change);
        let message = build::message(&Value::Object(body));
        adapter.check(&message, Results::Fast).unwrap();
        let call = build::call(&*adapter, &[message], Results::Fast);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent.pointer(&pointer), Some(&expected), "{field} from {home}");
    }
}
