//! Laws: whatever the vendor's substitution does that its page does not say, people read what the
//! caller wrote; and any reply at all gives one outcome a message.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;

use interline_core::adapter::{Adapter, Reply};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::outcome::{Outcome, Status};
use interline_imkit::VENDOR;
use interline_testkit::build;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn adapter(fold: bool) -> Arc<dyn Adapter> {
    build::adapter(&VENDOR, "v1", &json!({"api_key": "k", "fold": fold}))
}

type Way = fn(&str, &Map<String, Value>) -> String;

/// Ways in which a server may put values in, all of them within the published words.
const WAYS: [Way; 5] =
    [every_by_key, every_by_key_backwards, first_as_regex_replacement, by_pattern, by_pattern_blanking];

fn value<'m>(values: &'m Map<String, Value>, key: &str) -> Option<&'m str> {
    values.get(key).and_then(Value::as_str)
}

fn every_by_key(text: &str, values: &Map<String, Value>) -> String {
    values.keys().fold(text.to_owned(), |text, key| text.replace(key, value(values, key).unwrap()))
}

fn every_by_key_backwards(text: &str, values: &Map<String, Value>) -> String {
    values.keys().rev().fold(text.to_owned(), |text, key| text.replace(key, value(values, key).unwrap()))
}

/// The first occurrence alone, an empty value taken for none, `$$` and `$&` of a value obeyed.
fn first_as_regex_replacement(text: &str, values: &Map<String, Value>) -> String {
    let mut text = text.to_owned();
    for key in values.keys() {
        let value = value(values, key).unwrap();
        if !value.is_empty() {
            text = text.replacen(key, &value.replace("$$", "$").replace("$&", key), 1);
        }
    }
    text
}

fn escaped(values: &Map<String, Value>) -> Map<String, Value> {
    let escape = |value: &Value| {
        let quoted = value.to_string();
        json!(quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap())
    };
    values.iter().map(|(key, value)| (key.clone(), escape(value))).collect()
}

fn by_pattern(text: &str, values: &Map<String, Value>) -> String {
    each_embraced(text, |found| value(values, found).unwrap_or(found).to_owned())
}

fn by_pattern_blanking(text: &str, values: &Map<String, Value>) -> String {
    // A call without values is not substituted: that much must be hoped for.
    if values.is_empty() {
        return text.to_owned();
    }
    each_embraced(text, |found| value(values, found).unwrap_or_default().to_owned())
}

/// Replaces what `/\$[^$]+\$/g` matches.
fn each_embraced(text: &str, replace: impl Fn(&str) -> String) -> String {
    let mut parts = text.split('$').peekable();
    let mut done = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        if part.is_empty() || parts.peek().is_none() {
            done = done + "$" + part;
        } else {
            done += &replace(&format!("${part}$"));
            done += parts.next().unwrap_or_default();
        }
    }
    done
}

/// Sends the messages in the calls that their slots allow and reads them as each server would.
fn assert_people_read_what_was_written(messages: &[Arc<Message>], adapter: &dyn Adapter) {
    let mut calls: Vec<(_, Vec<Arc<Message>>)> = Vec::new();
    for message in messages {
        if adapter.check(message, Results::Fast).is_err() {
            assert_eq!(message.rendered().readable(), Some(""), "only an empty message is refused");
            continue;
        }
        let key = adapter.slot(message, Results::Fast).key;
        match calls.iter_mut().find(|(known, _)| *known == key) {
            Some((_, call)) => call.push(Arc::clone(message)),
            None => calls.push((key, vec![Arc::clone(message)])),
        }
    }
    for (_, messages) in calls {
        let call = build::call(adapter, &messages, Results::Fast);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let paras = body["paras"].as_array().unwrap();
        assert_eq!(paras.len(), messages.len());
        for (message, para) in messages.iter().zip(paras) {
            let mut values = para.as_object().unwrap().clone();
            assert_eq!(values.remove("receiver").unwrap(), json!(message.to.id()));
            let rendered = message.rendered();
            for way in WAYS {
                let read = way(body["message"].as_str().unwrap(), &values);
                assert_eq!(read, rendered.readable().unwrap(), "{body}");
                // A server may know that `extra` is JSON.
                for values in [values.clone(), escaped(&values)] {
                    let extra = body.get("extra").map(|extra| way(extra.as_str().unwrap(), &values));
                    assert_eq!(extra, rendered.ext.as_ref().map(|ext| ext.to_text()), "{body}");
                }
            }
        }
    }
}

/// Texts that are mostly placeholders and what can go wrong between them.
fn texts() -> impl Strategy<Value = String> {
    let pieces = vec!["$a$", "$b$", "$ab$", "$_$", "$", "$$", " ", "a", "_", "x ", "é", "\""];
    let piece = proptest::sample::select(pieces);
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn contents() -> impl Strategy<Value = (Value, Map<String, Value>)> {
    let ext = prop_oneof![
        4 => Just(None),
        1 => Just(Some(json!("$a$"))),
        1 => texts().prop_map(|text| Some(json!(text))),
        1 => (texts(), texts()).prop_map(|(key, text)| Some(json!({ key: [text] }))),
    ];
    let plain = "[abc ]{1,3}";
    let values = prop_oneof![
        proptest::collection::vec(plain, 8),
        proptest::collection::vec("[abc$& \"\\\\\n]{0,3}", 8),
    ];
    let mode = prop_oneof![2 => Just(json!(true)), 1 => Just(json!("lenient")), 1 => Just(json!(false))];
    let text = prop_oneof![texts(), Just("$a$, $b$".to_owned()), plain.prop_map(String::from)];
    (text, ext, mode, values).prop_map(|(text, ext, mode, values)| {
        let mut content = json!({"type": "text", "text": text, "template": mode});
        if let Some(ext) = ext {
            content["ext"] = ext;
        }
        let vars = vars(&content, &values);
        (content, vars)
    })
}

/// A value for each placeholder; in a lenient template only for every other one.
fn vars(content: &Value, values: &[String]) -> Map<String, Value> {
    if content["template"] == json!(false) {
        return Map::new();
    }
    let plain = build::message(&json!({"to": "user:x", "content": with_template(content, false)}));
    let names = interline_core::template::names(&plain.content, &plain.options.push);
    let lenient = content["template"] == json!("lenient");
    let kept = names.into_iter().enumerate().filter(|(index, _)| !lenient || index % 2 == 0);
    kept.zip(values.iter().cycle()).map(|((_, name), value)| (name.to_owned(), json!(value))).collect()
}

fn with_template(content: &Value, template: bool) -> Value {
    let mut content = content.clone();
    content["template"] = json!(template);
    content
}

fn replies() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        proptest::sample::select(vec![0, 200, 400, 401, 404, 429, 500]).prop_map(|value| json!(value)),
        "ROOM_NOT_FOUND|RATE_LIMIT_EXCEEDED|INVALID_API_KEY|.{0,9}".prop_map(|value| json!(value)),
    ];
    let keys = vec![
        "RC",
        "RM",
        "result",
        "error",
        "message",
        "retryAfter",
        "code",
        "batchID",
        "count",
        "_id",
        "messageTimeMS",
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let key = proptest::sample::select(keys.clone());
        prop_oneof![
            3 => proptest::collection::vec((key, inner.clone()), 0..6)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            1 => proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

fn assert_total(status: u16, body: Vec<u8>) {
    let adapter = adapter(true);
    let one = |to: &str, results: &str| json!({"to": to, "from": "s", "content": {"type": "text", "text": "hi"}, "options": {"results": results}});
    let calls = [
        json!([one("user:a", "fast"), one("group:g", "fast"), one("user:b", "fast")]),
        json!([one("room:r", "each")]),
    ];
    for messages in calls {
        let messages = build::batch(&json!({"messages": messages})).1;
        let call = build::call(&*adapter, &messages, Results::Fast);
        let verdict = adapter.decode(&call, &Reply { status, retry_after: None, body: body.clone() });
        assert_eq!(verdict.outcomes.len(), messages.len());
        for outcome in &verdict.outcomes {
            let expected = match status {
                200..=299 => &[Status::Accepted, Status::Rejected, Status::Unknown][..],
                408 | 499 => &[Status::Unknown],
                400..=499 => &[Status::Rejected],
                _ => &[Status::Unknown],
            };
            assert!(expected.contains(&outcome.status()), "{status}: {outcome:?}");
            let consistent = Outcome::failed;
            assert!(outcome.failure().is_none_or(|failure| consistent(failure.clone()) == *outcome));
        }
    }
}

proptest! {
    #[test]
    fn people_read_what_was_written_however_the_vendor_puts_values_in(
        contents in proptest::collection::vec(contents(), 1..5),
        fold: bool,
    ) {
        let bodies: Vec<Value> = contents
            .into_iter()
            .enumerate()
            .map(|(index, (content, vars))| {
                json!({"to": format!("user:{index}"), "from": "s", "content": content, "vars": vars})
            })
            .collect();
        let (_, messages) = build::batch(&json!({ "messages": bodies }));
        assert_people_read_what_was_written(&messages, &*adapter(fold));
    }

    #[test]
    fn any_bytes_give_one_outcome_a_message(status: u16, body: Vec<u8>) {
        assert_total(status, body);
    }

    #[test]
    fn any_json_gives_one_outcome_a_message(
        status in prop_oneof![Just(200), Just(404), Just(429), 100_u16..600],
        body in replies(),
    ) {
        assert_total(status, body.to_string().into_bytes());
    }
}
