//! Laws: decoding is total and yields one outcome a message, whatever arrives; what encoding wrote can
//! be read back.

use std::sync::Arc;

use interline_core::adapter::{Adapter, Call, Reply};
use interline_core::error::Fate;
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_netease::VENDOR;
use interline_testkit::build;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn adapter() -> Arc<dyn Adapter> {
    let settings = json!({"app_key": "k", "app_secret": "s", "default_sender": "s", "everyone": true});
    build::adapter(&VENDOR, "v1", &settings)
}

fn calls() -> Vec<Call> {
    let text = json!({"type": "text", "text": "x"});
    let call = |recipients: &[&str], results| {
        let messages: Vec<Value> = recipients
            .iter()
            .enumerate()
            .map(|(index, to)| json!({"to": to, "client_id": format!("m{index}"), "content": text}))
            .collect();
        let (_, messages) = build::batch(&json!({"messages": messages}));
        let mut call = build::call(&*adapter(), &messages, results);
        call.messages.iter_mut().skip(1).for_each(|one| one.prior_unknown = true);
        call
    };
    vec![
        call(&["room:1", "room:1", "room:1"], Results::Each),
        call(&["user:m0", "user:m1", "user:m2"], Results::Fast),
        call(&["user:m0"], Results::Each),
        call(&["group:m0"], Results::Each),
        call(&["everyone"], Results::Each),
    ]
}

/// Every call gets one outcome a message, and each outcome says what its fate says.
fn total(reply: &Reply) {
    let adapter = adapter();
    for call in calls() {
        let verdict = adapter.decode(&call, reply);
        assert_eq!(verdict.outcomes.len(), call.messages.len());
        for outcome in verdict.outcomes {
            match outcome {
                Outcome::Accepted(_) => {}
                Outcome::Rejected(failure) => assert_ne!(failure.fate, Fate::Unknown),
                Outcome::Unknown(failure) => assert_eq!(failure.fate, Fate::Unknown),
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![200, 403, 404, 414, 416, 417, 431, 500, 803, 999, 13_001])
            .prop_map(Value::from),
        "[a-z0-9\\[\\]{}\":]{0,12}".prop_map(Value::from),
        Just(json!("parameter resendFlag should be used for RESEND!")),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let keys = prop::sample::select(vec![
            "code",
            "desc",
            "success",
            "fail",
            "m0",
            "m1",
            "m2",
            "data",
            "msg",
            "msgid",
            "msgid_client",
            "time",
            "timetag",
            "unregister",
            "msgids",
            "antispam",
            "broadcastId",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keys, inner.clone()), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
            inner.prop_map(|value| Value::String(value.to_string())),
        ]
    })
}

fn any_status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200), 0..=600u16, any::<u16>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_yield_one_outcome_a_message(status in any_status(), body: Vec<u8>) {
        total(&Reply { status, retry_after: None, body });
    }

    #[test]
    fn any_json_yields_one_outcome_a_message(status in any_status(), body in any_json()) {
        total(&build::reply(status, &body));
    }

    #[test]
    fn any_accepting_answer_yields_one_outcome_a_message(
        members in prop::collection::vec((
            prop::sample::select(vec!["success", "fail", "data", "unregister", "msgids", "timetag", "msg"]),
            any_json(),
        ), 0..6),
    ) {
        let mut body: Map<String, Value> =
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        body.insert("code".into(), json!(200));
        total(&build::reply(200, &Value::Object(body)));
    }

    #[test]
    fn any_text_arrives_as_it_was(text in "\\PC{1,64}", ext in "\\PC{0,32}", sender in "\\PC{1,8}") {
        let body = json!({"to": "room:1", "from": sender, "client_id": "m",
                          "content": {"type": "text", "text": text, "ext": ext}});
        let call = build::call(&*adapter(), &[build::message(&body)], Results::Each);
        let request = adapter().encode(&call, &build::seal()).unwrap();
        let form: Vec<_> = form_urlencoded::parse(&request.body).into_owned().collect();
        let list: Value = serde_json::from_str(&form[1].1).unwrap();
        prop_assert_eq!(&list[0]["attach"], &json!(text));
        prop_assert_eq!(&list[0]["ext"], &json!(ext));
        prop_assert_eq!(&form[2], &("fromAccid".to_owned(), sender));
    }
}
