//! Every field of the vendor's page has a home: the README's table is read, its homes are checked to
//! be real, and each field of a request is reached from its home.

#![expect(clippy::panic, reason = "a test that is wrong should stop")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::options::Results;
use interline_core::outcome::{ClientId, Outcome};
use interline_testkit::build;
use interline_wukongim::VENDOR;
use serde_json::{Value, json};

/// The page's fields: its parameters, what only its samples show (`tag_key`), and its answer.
const PAGE: [&str; 17] = [
    "[].payload",
    "[].from_uid",
    "[].channel_id",
    "[].channel_type",
    "[].header",
    "[].header.no_persist",
    "[].header.red_dot",
    "[].header.sync_once",
    "[].client_msg_no",
    "[].stream_no",
    "[].expire",
    "[].subscribers",
    "[].subscribers[]",
    "[].tag_key",
    "response [].message_id",
    "response [].message_seq",
    "response [].client_msg_no",
];

/// Homes that are there: fields of a message, of a result, and of this vendor's extensions.
const HOMES: [&str; 20] = [
    "to",
    "from.id",
    "content",
    "client_id",
    "options",
    "options.store",
    "options.badge",
    "options.ttl",
    "options.audience",
    "options.audience.users",
    "extensions.wukongim.sync_once",
    "extensions.wukongim.channel_type",
    "extensions.wukongim.stream_no",
    "extensions.wukongim.tag_key",
    "status",
    "vendor_message_id",
    "vendor_client_id",
    "vendor_seq",
    "error.vendor_code",
    "error.vendor_message",
];

/// The rows of all tables with the head `vendor field | home`.
fn table() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for line in include_str!("../README.md").lines() {
        if line == "| vendor field | home |" {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            let cells: Vec<String> = line
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.replace('`', "").trim().to_owned())
                .collect();
            let [field, home] = &*cells else { panic!("not two cells: {line}") };
            assert!(rows.insert(field.clone(), home.clone()).is_none(), "twice: {field}");
        }
    }
    rows
}

#[test]
fn every_field_of_the_page_has_a_home() {
    let table = table();
    for field in PAGE {
        assert!(table.contains_key(field), "{field} is not in the README");
    }
    let page = table.iter().filter(|(field, _)| field.contains("[].")).count();
    assert_eq!(page, PAGE.len(), "the README names fields that the page does not have");
}

#[test]
fn every_home_is_real() {
    for (field, home) in table() {
        assert!(HOMES.contains(&&*home), "{field}: {home}");
    }
}

/// A message that says something at every home, one at a time, and what becomes of it.
fn examples() -> Vec<(&'static str, Value, &'static str, Value)> {
    vec![
        (
            "[].payload",
            json!({"content": {"type": "text", "text": "x"}}),
            "/payload",
            json!(STANDARD.encode(r#"{"type":1,"content":"x"}"#)),
        ),
        ("[].from_uid", json!({"from": {"id": "x"}}), "/from_uid", json!("x")),
        ("[].channel_id", json!({"to": "group:x"}), "/channel_id", json!("x")),
        (
            "[].channel_type",
            json!({"extensions": {"wukongim": {"channel_type": 5}}}),
            "/channel_type",
            json!(5),
        ),
        ("[].header", json!({}), "/header", json!({"no_persist": 0, "red_dot": 1, "sync_once": 0})),
        ("[].header.no_persist", json!({"options": {"store": false}}), "/header/no_persist", json!(1)),
        ("[].header.red_dot", json!({"options": {"badge": false}}), "/header/red_dot", json!(0)),
        (
            "[].header.sync_once",
            json!({"extensions": {"wukongim": {"sync_once": 1}}}),
            "/header/sync_once",
            json!(1),
        ),
        ("[].client_msg_no", json!({"client_id": "x"}), "/client_msg_no", json!("x")),
        ("[].stream_no", json!({"extensions": {"wukongim": {"stream_no": "x"}}}), "/stream_no", json!("x")),
        ("[].expire", json!({"options": {"ttl": "7s"}}), "/expire", json!(7)),
        ("[].subscribers", json!({"options": {"audience": {"users": ["x"]}}}), "/subscribers", json!(["x"])),
        (
            "[].subscribers[]",
            json!({"options": {"audience": {"users": ["x", "y"]}}}),
            "/subscribers/1",
            json!("y"),
        ),
        ("[].tag_key", json!({"extensions": {"wukongim": {"tag_key": "x"}}}), "/tag_key", json!("x")),
    ]
}

#[test]
fn every_field_of_a_request_is_reached_from_its_home() {
    let table = table();
    let adapter = build::adapter(&VENDOR, "published", &json!({"default_sender": "a"}));
    let examples = examples();
    let asked: Vec<&str> = PAGE.into_iter().filter(|field| !field.starts_with("response")).collect();
    assert_eq!(examples.iter().map(|(field, ..)| *field).collect::<Vec<_>>(), asked);
    for (field, mut message, pointer, becomes) in examples {
        let home = format!("/{}", table[field].replace('.', "/"));
        assert!(field == "[].header" || message.pointer(&home).is_some(), "{field} is not set at {home}");
        let object = message.as_object_mut().unwrap();
        object.entry("to").or_insert(json!("group:g"));
        object.entry("content").or_insert(json!({"type": "text", "text": "hi"}));
        let message = build::message(&message);
        assert_eq!(adapter.check(&message, Results::Each).unwrap(), Vec::<&str>::new(), "{field}");
        let call = build::call(&*adapter, &[message], Results::Each);
        let body: Value =
            serde_json::from_slice(&adapter.encode(&call, &build::seal()).unwrap().body).unwrap();
        assert_eq!(body[0].pointer(pointer), Some(&becomes), "{field}");
    }
}

#[test]
fn every_field_of_an_answer_reaches_the_result() {
    let adapter = build::adapter(&VENDOR, "published", &json!({"default_sender": "a"}));
    let message = build::message(
        &json!({"to": "group:g", "client_id": "c", "content": {"type": "text", "text": "hi"}}),
    );
    let call = build::call(&*adapter, &[message], Results::Each);
    let reply =
        build::reply(200, &json!([{"message_id": 123_456_789, "message_seq": 1001, "client_msg_no": "c"}]));
    let verdict = adapter.decode(&call, &reply);
    let Outcome::Accepted(receipt) = verdict.outcomes.first().unwrap() else { panic!("{verdict:?}") };
    assert_eq!(receipt.message_id.as_deref(), Some("123456789"));
    assert_eq!(receipt.seq.as_deref(), Some("1001"));
    assert_eq!(receipt.client_id, Some(ClientId::Own));
}
