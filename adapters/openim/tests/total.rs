//! Laws of reading replies: whatever comes, every message has exactly one outcome, nothing panics, and
//! acceptance needs the server's word.

use std::sync::Arc;

use interline_core::adapter::{Adapter, Call, Reply};
use interline_core::options::Results;
use interline_core::outcome::Outcome;
use interline_openim::VENDOR;
use interline_testkit::build;
use proptest::prelude::*;
use serde_json::{Value, json};

fn calls(dialect: &str) -> (Arc<dyn Adapter>, Vec<Call>) {
    let settings = json!({"secret": "s", "default_sender": "system", "everyone": true});
    let adapter = build::adapter(&VENDOR, dialect, &settings);
    let content = json!({"type": "text", "text": "hi"});
    let bodies = [
        (Results::Fast, json!([{"to": "user:u1"}, {"to": "user:u2"}, {"to": "user:u3"}])),
        (Results::Each, json!([{"to": "user:u1"}])),
        (Results::Each, json!([{"to": "group:g1"}])),
        (Results::Each, json!([{"to": "everyone"}])),
    ];
    let calls = bodies
        .into_iter()
        .map(|(results, messages)| {
            let (_, messages) = build::batch(&json!({"content": content, "messages": messages}));
            build::call(&*adapter, &messages, results)
        })
        .collect();
    (adapter, calls)
}

/// JSON near enough to the vendor's to get past its first checks.
fn near_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9]{0,4}".prop_map(Value::from),
        prop_oneof!["u1", "u2", "u3"].prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("errCode"),
        Just("errMsg"),
        Just("errDlt"),
        Just("data"),
        Just("results"),
        Just("failedUserIDs"),
        Just("serverMsgID"),
        Just("clientMsgID"),
        Just("sendTime"),
        Just("recvID"),
        Just("modify"),
        Just("token"),
        Just("expireTimeSeconds"),
        Just("status"),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop_oneof![Just(0), 1..17_i64, 1000..1600_i64, any::<i64>()];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        near_json().prop_map(|value| value.to_string().into_bytes()),
        (codes, near_json())
            .prop_map(|(code, data)| json!({"errCode": code, "data": data}).to_string().into_bytes()),
    ]
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200), Just(400), Just(429), any::<u16>()]
}

proptest! {
    #[test]
    fn any_reply_is_one_outcome_a_message(status in status(), body in body(), dialect in 0..3_usize) {
        let (adapter, calls) = calls(VENDOR.dialects[dialect]);
        let reply = Reply { status, retry_after: None, body };
        for call in &calls {
            let verdict = adapter.decode(call, &reply);
            prop_assert_eq!(verdict.outcomes.len(), call.messages.len());
            for outcome in &verdict.outcomes {
                let accepted = matches!(outcome, Outcome::Accepted(_));
                let code = serde_json::from_slice::<Value>(&reply.body)
                    .ok()
                    .and_then(|body| body.get("errCode").and_then(Value::as_i64));
                prop_assert!(!accepted || ((200..300).contains(&status) && code == Some(0)));
            }
        }
    }

    #[test]
    fn own_exchanges_read_anything(status in status(), body in body()) {
        let (adapter, calls) = calls("v3.8.3");
        let reply = Reply { status, retry_after: None, body };
        let login = adapter.login(&build::seal()).unwrap();
        let message = &calls[1].messages[0].message;
        let sent = interline_core::adapter::Sent { message, recipient_id: "u1", class: "send" };
        let lookup = adapter.lookup(&sent, &build::seal()).unwrap();
        let read = ((login.read)(&reply).is_ok(), (lookup.read)(&reply).is_ok());
        prop_assert!((200..300).contains(&status) || read == (false, false));
        let replies = [Some(reply), None, None];
        let known = (VENDOR.recognise)(&replies);
        prop_assert!(known.is_none_or(|known| VENDOR.dialects.contains(&known)));
    }

    #[test]
    fn a_batch_names_each_recipient_once_in_order(count in 1..40_usize) {
        let (adapter, _) = calls("main");
        let messages: Vec<_> = (0..count).map(|n| json!({"to": format!("user:{n}")})).collect();
        let (_, messages) = build::batch(&json!({"content": {"type": "text", "text": "hi"}, "messages": messages}));
        let call = build::call(&*adapter, &messages, Results::Fast);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let wanted: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        prop_assert_eq!(&body["recvIDs"], &json!(wanted));
    }
}
