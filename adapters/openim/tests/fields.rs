//! The README's field table against the published page: each field of the page has a row, each home is
//! a real one, and what a request can carry is exercised through its home.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

use std::collections::{BTreeMap, BTreeSet};

use interline_core::adapter::Request;
use interline_core::options::Results;
use interline_openim::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

const README: &str = include_str!("../README.md");

/// Every field that the published page names.
const PAGE: [&str; 24] = [
    "header operationID",
    "header token",
    "sendID",
    "recvIDs",
    "senderNickname",
    "senderFaceURL",
    "senderPlatformID",
    "content",
    "content.text",
    "contentType",
    "sessionType",
    "isOnlineOnly",
    "notOfflinePush",
    "offlinePushInfo",
    "offlinePushInfo.title",
    "offlinePushInfo.desc",
    "offlinePushInfo.ex",
    "offlinePushInfo.iOSPushSound",
    "offlinePushInfo.iOSBadgeCount",
    "isSendAll",
    "errCode",
    "errMsg",
    "errDlt",
    "data",
];

/// Where a field may be at home.
const HOMES: [&str; 34] = [
    "client_id",
    "to",
    "from.id",
    "from.name",
    "from.avatar_url",
    "from.platform",
    "content",
    "content.type",
    "content.text",
    "content.ext",
    "content.mentions",
    "options.online_only",
    "options.push",
    "options.push.enabled",
    "options.push.title",
    "options.push.body",
    "options.push.ext",
    "options.push.sound",
    "options.push.badge",
    "extensions.openim.content",
    "extensions.openim.contentType",
    "extensions.openim.sessionType",
    "extensions.openim.notification",
    "extensions.openim.ex",
    "extensions.openim.sendTime",
    "extensions.openim.operationID",
    "result.status",
    "result.error.code",
    "result.error.vendor_code",
    "result.error.vendor_message",
    "result.vendor_message_id",
    "result.vendor_client_id",
    "result.vendor_time_ms",
    "result.vendor_data",
];

/// Names in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn table() -> BTreeMap<String, Vec<String>> {
    let (_, rows) = README.split_once("| vendor field | home |\n|---|---|\n").unwrap();
    rows.lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split(" | ");
            let (field, homes) = (cells.next().unwrap(), cells.next().unwrap());
            assert!(cells.next().is_none(), "{line}");
            let name = names(field).concat();
            let name = if field.trim().starts_with("header") { format!("header {name}") } else { name };
            (name, names(homes))
        })
        .collect()
}

#[test]
fn every_field_of_the_page_has_a_home() {
    let table = table();
    let missing: Vec<_> = PAGE.into_iter().filter(|field| !table.contains_key(*field)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let settings: BTreeSet<_> = VENDOR.settings.iter().map(|key| format!("setting.{key}")).collect();
    for (field, homes) in &table {
        assert!(!homes.is_empty(), "{field} has no home");
        for home in homes {
            assert!(HOMES.contains(&home.as_str()) || settings.contains(home), "{field}: {home} is no home");
        }
    }
    for home in HOMES.map(str::to_owned).iter().chain(&settings) {
        assert!(table.values().flatten().any(|named| named == home), "{home} is nobody's home");
    }
}

/// A message with one thing said, and the field of the request in which it must show.
fn exercised() -> Vec<(&'static str, Value, Value)> {
    let push = |own: Value| json!({"options": {"push": own}});
    let openim = |own: Value| json!({"extensions": {"openim": own}});
    let notification = json!({"notificationName": "n", "notificationType": 1});
    vec![
        ("header operationID", openim(json!({"operationID": "op"})), json!("op")),
        ("header token", json!({}), json!("test-token")),
        ("sendID", json!({"from": {"id": "boss"}}), json!("boss")),
        ("sendID", json!({}), json!("system")),
        ("recvIDs", json!({"to": "user:u7"}), json!(["u7"])),
        ("groupID", json!({"to": "group:g7"}), json!("g7")),
        ("senderNickname", json!({"from": {"id": "b", "name": "Bo"}}), json!("Bo")),
        ("senderFaceURL", json!({"from": {"id": "b", "avatar_url": "u"}}), json!("u")),
        ("senderPlatformID", json!({"from": {"id": "b", "platform": "ipad"}}), json!(9)),
        ("content", json!({}), json!({"content": "hi"})),
        (
            "content",
            openim(json!({"contentType": 101, "content": {"content": "own", "mine": 1}})),
            json!({"content": "own", "mine": 1}),
        ),
        ("contentType", json!({"content": {"type": "custom", "data": {}}}), json!(110)),
        ("sessionType", json!({"to": "group:g7"}), json!(3)),
        ("sessionType", openim(json!({"notification": notification})), json!(4)),
        ("isOnlineOnly", json!({"options": {"online_only": true}}), json!(true)),
        ("notOfflinePush", push(json!({"enabled": false})), json!(true)),
        ("offlinePushInfo", push(json!({"title": "t"})), json!({"title": "t"})),
        ("offlinePushInfo.title", push(json!({"title": "t"})), json!("t")),
        ("offlinePushInfo.desc", push(json!({"body": "b"})), json!("b")),
        ("offlinePushInfo.ex", push(json!({"ext": "e"})), json!("e")),
        ("offlinePushInfo.iOSPushSound", push(json!({"sound": "s"})), json!("s")),
        ("offlinePushInfo.iOSBadgeCount", push(json!({"badge": true})), json!(true)),
        ("isSendAll", json!({"to": "everyone"}), json!(true)),
        ("ex", json!({"content": {"type": "text", "text": "hi", "ext": "x"}}), json!("x")),
        ("ex", openim(json!({"ex": "x"})), json!("x")),
        ("sendTime", openim(json!({"sendTime": 1_700_000_000_000_i64})), json!(1_700_000_000_000_i64)),
        (
            "content.atUserList",
            json!({"to": "group:g7", "content": {"type": "text", "text": "hi", "mentions": {"users": ["a"]}}}),
            json!(["a"]),
        ),
    ]
}

fn request(own: &Value, dialect: &str) -> Request {
    let settings = json!({"secret": "s", "default_sender": "system", "everyone": true});
    let adapter = build::adapter(&VENDOR, dialect, &settings);
    let mut body = json!({"to": "user:u1", "content": {"type": "text", "text": "hi"}});
    for (key, value) in own.as_object().unwrap() {
        body[key] = value.clone();
    }
    let message = build::message(&body);
    adapter.check(&message, Results::Fast).unwrap_or_else(|refusal| panic!("{own}: {refusal:?}"));
    let call = build::call(&*adapter, &[message], Results::Fast);
    adapter.encode(&call, &build::seal()).unwrap()
}

fn found(field: &str, request: &Request) -> Value {
    if let Some(name) = field.strip_prefix("header ") {
        let header = request.headers.iter().find(|header| header.name == name);
        return header.map_or(Value::Null, |header| json!(header.value));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body.pointer(&format!("/{}", field.replace('.', "/"))).cloned().unwrap_or(Value::Null)
}

#[test]
fn every_request_field_shows_what_its_home_says() {
    let exercised = exercised();
    for (field, own, wanted) in &exercised {
        assert_eq!(&found(field, &request(own, "main")), wanted, "{field} from {own}");
    }
    let covered: BTreeSet<_> = exercised.iter().map(|(field, ..)| *field).collect();
    let replies = ["errCode", "errMsg", "errDlt", "data", "content.text"];
    for field in PAGE.iter().filter(|field| !replies.contains(field)) {
        assert!(covered.contains(field), "{field} is not exercised");
    }
}

#[test]
fn the_page_writes_its_text_into_a_text() {
    let request = request(&json!({}), "published");
    assert_eq!(found("content.text", &request), json!("{\"content\":\"hi\"}"));
    assert_eq!(request.path, "/msg/batch_send_msg");
}
