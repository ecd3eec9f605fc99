//! Decoding is total: whatever comes back, every message gets exactly one outcome and nothing panics.

use interline_core::adapter::{Finding, Reply, Sent};
use interline_core::error::Fate;
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_testkit::build;
use interline_wukongim::VENDOR;
use proptest::prelude::*;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        prop_oneof![Just("m0"), Just("m1"), Just("u0"), Just("u1"), Just(""), Just("频道")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            Just("data"),
            Just("status"),
            Just("reason"),
            Just("message_id"),
            Just("message_seq"),
            Just("client_msg_no"),
            Just("fail_uids"),
            Just("msg"),
            Just("error"),
            Just("message"),
            Just("x"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..5)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..64),
        6 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => (value(), 0..40usize).prop_map(|(value, cut)| {
            let mut bytes = value.to_string().into_bytes();
            bytes.truncate(cut);
            bytes
        }),
    ]
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![4 => Just(200u16), 4 => 400..506u16, 1 => any::<u16>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_message_gets_one_outcome_whatever_comes_back(
        dialect in prop_oneof![Just("published"), Just("v1"), Just("v2"), Just("v3")],
        fast: bool,
        count in 1..4usize,
        status in status(),
        body in body(),
    ) {
        let adapter = build::adapter(&VENDOR, dialect, &json!({}));
        let results = if fast { Results::Fast } else { Results::Each };
        let texts: Vec<Value> =
            (0..count).map(|n| json!({"to": format!("user:u{n}"), "client_id": format!("m{n}")})).collect();
        let batch = json!({"from": "a", "content": {"type": "text", "text": "hi"}, "messages": texts});
        let (_, messages) = build::batch(&batch);
        let most = adapter.slot(messages.first().unwrap(), results).max;
        let call = build::call(&*adapter, messages.get(..count.min(most)).unwrap(), results);
        let reply = Reply { status, retry_after: None, body };
        let verdict = adapter.decode(&call, &reply);
        prop_assert_eq!(verdict.outcomes.len(), call.messages.len());
        for outcome in &verdict.outcomes {
            match outcome {
                Outcome::Accepted(_) => prop_assert!((200..300).contains(&status)),
                Outcome::Rejected(failure) => prop_assert_ne!(failure.fate, Fate::Unknown),
                Outcome::Unknown(failure) => prop_assert_eq!(failure.fate, Fate::Unknown),
            }
        }
    }

    #[test]
    fn a_lookup_reads_whatever_comes_back(status in status(), body in body()) {
        let adapter = build::adapter(&VENDOR, "v2", &json!({"default_sender": "a"}));
        let message = build::message(&json!({"to": "user:b", "content": {"type": "text", "text": "hi"}}));
        let sent = Sent { message: &message, recipient_id: "b", class: "send" };
        let exchange = adapter.lookup(&sent, &build::seal()).unwrap();
        let finding = (exchange.read)(&Reply { status, retry_after: None, body }).unwrap();
        if status != 200 {
            prop_assert_eq!(finding, Finding::CannotTell);
        }
    }

    #[test]
    fn recognising_never_panics(replies in proptest::collection::vec(
        proptest::option::of((status(), body()).prop_map(|(status, body)| Reply { status, retry_after: None, body })), 0..6)) {
        let dialect = (VENDOR.recognise)(&replies);
        prop_assert!(dialect.is_none_or(|dialect| VENDOR.dialects.contains(&dialect)));
    }
}
