//! Reads the README's field tables: every field of the published page stands there, each home is a
//! real field of the canonical model, and each is exercised here once.

#![expect(clippy::unwrap_used, reason = "a wrong test should stop")]

use std::collections::{BTreeMap, BTreeSet};

use interline_core::options::Results;
use interline_core::outcome::{ClientId, Outcome};
use interline_netease::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

const README: &str = include_str!("../README.md");

/// The page's request and response, and the coordinates that its newer edition adds.
const PUBLISHED: [&str; 46] = [
    "AppKey",
    "Nonce",
    "CurTime",
    "CheckSum",
    "roomid",
    "msgList",
    "msgList[].msgId",
    "msgList[].msgType",
    "msgList[].attach",
    "msgList[].ext",
    "msgList[].subType",
    "msgList[].resendFlag",
    "msgList[].locX",
    "msgList[].locY",
    "msgList[].locZ",
    "fromAccid",
    "ignoreMute",
    "skipHistory",
    "route",
    "abandonRatio",
    "highPriority",
    "needHighPriorityMsgResend",
    "useYidun",
    "yidunAntiCheating",
    "yidunAntiSpamExt",
    "bid",
    "antispam",
    "notifyTargetTags",
    "antispamCustom",
    "env",
    "chatMsgPriority",
    "forbiddenIfHighPriorityMsgFreq",
    "code",
    "desc",
    "success",
    "fail",
    "success[].msgid_client",
    "success[].time",
    "success[].ext",
    "success[].fromNick",
    "success[].fromAccount",
    "success[].fromClientType",
    "success[].attach",
    "success[].type",
    "success[].highPriorityFlag",
    "success[].roomId",
];

const CANONICAL: [&str; 13] = [
    "to",
    "messages",
    "client_id",
    "content",
    "content.type",
    "content.ext",
    "from.id",
    "options.store",
    "status",
    "vendor_client_id",
    "vendor_time_ms",
    "error.vendor_code",
    "error.vendor_message",
];

/// The tables' rows: a vendor field and the homes that its cell names.
fn table() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for line in README.lines() {
        if line == "| vendor field | home |" {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let homes = cells[1].split('`').skip(1).step_by(2).collect();
            rows.insert(cells[0].trim_matches('`'), homes);
        }
    }
    rows
}

/// A message that says everything the room call can say.
fn everything(content: &Value, high: &Value) -> Value {
    let mut netease = json!({
        "ignoreMute": true, "needHighPriorityMsgResend": false, "forbiddenIfHighPriorityMsgFreq": 1,
        "chatMsgPriority": 1, "notifyTargetTags": "{\"tag\":\"a\"}", "route": 1, "useYidun": 0,
        "yidunAntiCheating": {}, "yidunAntiSpamExt": {}, "bid": "b", "antispam": true,
        "antispamCustom": {"type": 1, "data": "d"}, "env": "e", "subType": 1, "resendFlag": 1,
        "locX": 1, "locY": 2, "locZ": 3, "msgType": 100
    });
    netease.as_object_mut().unwrap().extend(high.as_object().unwrap().clone());
    json!({"to": "room:1", "from": "s", "client_id": "m", "content": content,
           "options": {"store": false}, "extensions": {"netease": netease}})
}

#[test]
fn every_published_field_has_a_home() {
    let rows = table();
    let found: BTreeSet<_> = rows.keys().copied().collect();
    assert_eq!(found, PUBLISHED.into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn every_home_is_real() {
    let adapter = build::adapter(&VENDOR, "v1", &json!({"app_key": "k", "app_secret": "s"}));
    for (field, homes) in table() {
        let made = ["Nonce", "CurTime"].contains(&field);
        assert!(made || !homes.is_empty(), "{field} has no home");
        for home in homes {
            if let Some(key) = home.strip_prefix("settings.") {
                assert!(VENDOR.settings.contains(&key), "{home}");
            } else if let Some(key) = home.strip_prefix("extensions.netease.") {
                // A value of no type at all: a field that exists complains of the type, not of the name.
                let body = json!({"to": "room:1", "from": "s", "content": {"type": "text", "text": "x"},
                                  "extensions": {"netease": {key: [[]]}}});
                let refusal = adapter.check(&build::message(&body), Results::Each).unwrap_err();
                assert!(refusal.errors.iter().all(|error| !error.detail.contains("unknown field")), "{home}");
            } else if !home.starts_with("vendor_data.") {
                assert!(CANONICAL.contains(&home), "{field}: {home}");
            }
        }
    }
}

#[test]
fn every_request_field_is_sent() {
    let adapter = build::adapter(&VENDOR, "v1", &json!({"app_key": "k", "app_secret": "s"}));
    let mut sent = BTreeSet::new();
    for high in [json!({"highPriority": true}), json!({"abandonRatio": 1})] {
        let content = json!({"type": "custom", "data": {}, "ext": "e"});
        let message = build::message(&everything(&content, &high));
        assert_eq!(adapter.check(&message, Results::Each).unwrap(), [""; 0]);
        let call = build::call(&*adapter, &[message], Results::Each);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        sent.extend(request.headers.iter().map(|header| header.name.to_owned()));
        for (key, value) in form_urlencoded::parse(&request.body) {
            if key == "msgList" {
                let list: Value = serde_json::from_str(&value).unwrap();
                sent.extend(list[0].as_object().unwrap().keys().map(|name| format!("msgList[].{name}")));
            }
            sent.insert(key.into_owned());
        }
    }
    sent.remove("Content-Type");
    let request_fields = PUBLISHED.iter().take_while(|field| **field != "code");
    assert_eq!(sent, request_fields.map(|field| (*field).to_owned()).collect());
}

#[test]
fn every_response_field_is_kept() {
    let adapter = build::adapter(&VENDOR, "v1", &json!({"app_key": "k", "app_secret": "s"}));
    let body =
        json!({"to": "room:1", "from": "s", "client_id": "m", "content": {"type": "text", "text": "x"}});
    let call = build::call(&*adapter, &[build::message(&body)], Results::Each);
    let inner = PUBLISHED.iter().filter_map(|field| field.strip_prefix("success[]."));
    let record: serde_json::Map<_, _> = inner.map(|field| (field.to_owned(), json!("7"))).collect();
    let verdict =
        adapter.decode(&call, &build::reply(200, &json!({"code": 200, "success": [{"m": record}]})));
    let Outcome::Accepted(receipt) = &verdict.outcomes[0] else { panic!("{verdict:?}") };
    assert_eq!((&receipt.client_id, receipt.time_ms), (&Some(ClientId::Other("7".into())), Some(7)));
    for (field, homes) in table().into_iter().filter(|(field, _)| field.starts_with("success[].")) {
        let kept = homes.iter().find_map(|home| home.strip_prefix("vendor_data.")).unwrap();
        assert!(receipt.data.contains_key(kept), "{field}");
    }
    let refused = adapter.decode(&call, &build::reply(200, &json!({"code": 419, "desc": "d"})));
    let failure = refused.outcomes[0].failure().unwrap();
    assert_eq!((failure.vendor_code.as_deref(), failure.vendor_message.as_deref()), (Some("419"), Some("d")));
}
