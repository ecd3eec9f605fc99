//! Writing an array copies what neighbours share; that never shows.

use interline_core::options::Results;
use interline_testkit::build;
use interline_wukongim::VENDOR;
use proptest::prelude::*;
use serde_json::{Value, json};

fn message() -> impl Strategy<Value = Value> {
    let to = prop_oneof![Just("user:a"), Just("user:b"), Just("group:a"), Just("room:\"a\"")];
    let own = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"from": "zoe"})),
        1 => Just(json!({"options": {"badge": false}})),
        1 => Just(json!({"options": {"ttl": "90s"}})),
        1 => Just(json!({"extensions": {"wukongim": {"stream_no": "s"}}})),
        1 => Just(json!({"extensions": {"wukongim": {"channel_type": 5, "sync_once": 1}}})),
        1 => Just(json!({"content": {"type": "text", "text": "own, longer than the shared one"}})),
        1 => Just(json!({"content": {"type": "command", "name": "x"}})),
        1 => Just(json!({"content": {"type": "text", "text": "$n$", "template": true}, "vars": {"n": "Ann"}})),
    ];
    (to, own).prop_map(|(to, mut message)| {
        message["to"] = json!(to);
        message
    })
}

proptest! {
    #[test]
    fn an_array_is_its_elements_one_by_one(messages in proptest::collection::vec(message(), 1..12)) {
        let adapter = build::adapter(&VENDOR, "published", &json!({"default_sender": "system"}));
        let batch = json!({"content": {"type": "text", "text": "hi"}, "messages": messages});
        let (_, messages) = build::batch(&batch);
        let body = |messages: &[_]| {
            let call = build::call(&*adapter, messages, Results::Each);
            let body = adapter.encode(&call, &build::seal()).map(|request| request.body);
            String::from_utf8(body.unwrap_or_default()).unwrap_or_default()
        };
        let singles: Vec<String> = messages
            .iter()
            .map(|message| body(std::slice::from_ref(message)).trim_matches(['[', ']']).to_owned())
            .collect();
        prop_assert_eq!(body(&messages), format!("[{}]", singles.join(",")));
    }
}
