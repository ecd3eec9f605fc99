//! How values are put in: by key, wherever it stands, once; every other dollar is left alone.

use std::collections::BTreeMap;

use interline_core::content::Body;
use interline_core::message::Message;
use interline_testkit::build;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{BATCH, batch};

/// What people read of each message: text and `extra`.
fn read(body: &Value) -> Vec<(String, Option<String>)> {
    let (_, messages) = build::batch(&batch(BATCH, body));
    messages.iter().map(|message| words(message)).collect()
}

fn words(message: &Message) -> (String, Option<String>) {
    let content = message.rendered();
    let text = match &content.body {
        Body::Custom { data, .. } => data.as_str().unwrap().to_owned(),
        _ => content.readable().unwrap().to_owned(),
    };
    (text, content.ext.as_ref().map(|ext| ext.to_text()))
}

fn texts(message: &str, paras: &Value) -> Vec<String> {
    let body = json!({"messageType": "text", "message": message, "paras": paras});
    read(&body).into_iter().map(|(text, _)| text).collect()
}

#[test]
fn dollars_without_a_value_are_left_alone() {
    let paras = json!([{"receiver": "u", "$name$": "Ann"}]);
    assert_eq!(texts("$name$ owes $5, $$, $other$ and $", &paras), ["Ann owes $5, $$, $other$ and $"]);
    assert_eq!(texts("$5 $$ $x$", &json!([{"receiver": "u"}])), ["$5 $$ $x$"]);
}

#[test]
fn a_key_is_put_in_wherever_it_stands_and_values_are_not_read_again() {
    let paras = json!([{"receiver": "u", "$a$": "$b$", "$b$": "$&$$1"}]);
    assert_eq!(texts("$a$$b$$a$", &paras), ["$b$$&$$1$b$"]);
}

#[test]
fn who_has_no_value_reads_the_placeholder() {
    let paras = json!([{"receiver": "u", "$name$": "Ann"}, {"receiver": "v"}, {"room": "r", "$name$": ""},
                       {"receiver": "w", "$name$": null}]);
    assert_eq!(texts("Hi $name$", &paras), ["Hi Ann", "Hi $name$", "Hi ", "Hi $name$"]);
}

#[test]
fn keys_need_not_be_names_and_numbers_are_values() {
    let paras =
        json!([{"receiver": "u", "$order-no$": 17, "$名$": "安", "$v$": true, "$$": "x", "other": "y"}]);
    assert_eq!(texts("$名$: $order-no$ $v$ $$ other", &paras), ["安: 17 true $$ other"]);
}

#[test]
fn values_go_into_extra_too() {
    let paras = json!([{"receiver": "u", "$a$": "1"}, {"receiver": "v", "$a$": "2"}]);
    let of = |kind: &str, extra: Value| {
        let body = json!({"messageType": kind, "message": "m $$", "extra": extra, "paras": paras});
        read(&body).into_iter().map(|(text, extra)| (text, extra.unwrap())).collect::<Vec<_>>()
    };
    for kind in ["text", "gift"] {
        let pair = |extra: &str| ("m $$".to_owned(), extra.to_owned());
        assert_eq!(of(kind, json!("x$a$$")), [pair("x1$"), pair("x2$")]);
        assert_eq!(
            of(kind, json!({"$a$": ["$a$", 7]})),
            [pair(r#"{"$a$":["1",7]}"#), pair(r#"{"$a$":["2",7]}"#)]
        );
    }
}

#[test]
fn an_extra_that_is_an_object_stays_one_for_the_vendor() {
    let body = json!({"messageType": "text", "message": "m", "extra": {"k": 1}, "paras": [{"room": "r"}]});
    let sent = batch(BATCH, &body);
    assert_eq!(sent["content"]["ext"], json!({"k": 1}));
    assert_eq!(sent["extensions"], json!({"imkit": {"extra": {"k": 1}}}));
}

/// The rule, told another way: at each place the longest key that stands there.
fn put_in(text: &str, values: &BTreeMap<String, String>) -> String {
    if text.is_empty() {
        return String::new();
    }
    let found = values.iter().rev().filter(|(key, _)| text.starts_with(key.as_str()));
    let found = found.max_by_key(|(key, _)| key.len());
    let length = found.map_or_else(|| text.chars().next().unwrap().len_utf8(), |(key, _)| key.len());
    let (here, rest) = text.split_at(length);
    found.map_or(here, |(_, value)| value).to_owned() + &put_in(rest, values)
}

proptest! {
    #[test]
    fn each_recipient_reads_its_own_values(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec!["$a$", "$b$", "$a$b$", "$-$", "$", "$$", " ", "a", "b$", "é"]), 1..8),
        paras in proptest::collection::vec(proptest::collection::btree_map(
            proptest::sample::select(vec!["$a$", "$b$", "$a$b$", "$-$"]), "[ab$]{0,3}", 0..4), 1..4),
        alike: bool,
        kind in proptest::sample::select(vec!["text", "gift"]),
    ) {
        let text = format!(".{}", pieces.concat());
        let paras: Vec<BTreeMap<String, String>> = paras.iter().map(|own| {
            let own = if alike { &paras[0] } else { own };
            own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
        }).collect();
        let entries: Vec<Value> = paras.iter().enumerate().map(|(index, values)| {
            let mut entry: Map<String, Value> =
                values.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            entry.insert("receiver".to_owned(), json!(format!("u{index}")));
            Value::Object(entry)
        }).collect();
        let body = json!({"messageType": kind, "message": text, "extra": text, "paras": entries});
        for ((read, extra), values) in read(&body).into_iter().zip(&paras) {
            let wanted = put_in(&text, values);
            prop_assert_eq!(&read, &wanted);
            prop_assert_eq!(extra, Some(wanted));
        }
    }
}
