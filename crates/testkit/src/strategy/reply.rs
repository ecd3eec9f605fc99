//! proptest strategies for replies. A vendor's own sample replies say which names and values are near
//! to its truth: they are shuffled, changed and cut off, beside plain noise.

use interline_core::adapter::CallMessage;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::any_json;

/// The body of a reply; strings [`CLIENT_ID`] and [`RECIPIENT`] become the first message's own.
#[derive(Debug, Clone)]
pub enum Body {
    /// Noise.
    Bytes(Vec<u8>),
    /// JSON.
    Json(Value),
    /// JSON that breaks off before its end.
    Torn(Value, Index),
}

/// Stands for the client id of the first message in sample replies.
pub const CLIENT_ID: &str = "$client_id";

/// Stands for the recipient's id of the first message in sample replies.
pub const RECIPIENT: &str = "$recipient";

impl Body {
    /// The body as it answers a call with this first message.
    #[must_use]
    pub fn bytes(&self, first: &CallMessage) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Json(value) => fill(value, first).to_string().into_bytes(),
            Self::Torn(value, end) => {
                let mut bytes = fill(value, first).to_string().into_bytes();
                bytes.truncate(end.index(bytes.len()));
                bytes
            }
        }
    }
}

fn fill(value: &Value, first: &CallMessage) -> Value {
    match value {
        Value::String(text) if text == CLIENT_ID => Value::from(&*first.message.client_id),
        Value::String(text) if text == RECIPIENT => Value::from(first.recipient_id()),
        Value::Array(items) => items.iter().map(|item| fill(item, first)).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, item)| (key.clone(), fill(item, first))).collect()
        }
        other => other.clone(),
    }
}

/// Bodies that break off: no sample is whole before its last byte.
pub fn torn(samples: &[Value]) -> BoxedStrategy<Body> {
    (select(samples.to_vec()), any::<Index>()).prop_map(|(sample, end)| Body::Torn(sample, end)).boxed()
}

/// Noise, JSON near to the samples, and samples that break off.
pub fn body(samples: &[Value]) -> BoxedStrategy<Body> {
    let (mut keys, mut leaves) = (vec!["x".to_owned()], vec![json!(CLIENT_ID), json!(RECIPIENT)]);
    for sample in samples {
        collect(sample, &mut keys, &mut leaves);
    }
    let leaf = prop_oneof![3 => select(leaves), 1 => any_json()];
    let keys = select(keys);
    let near = leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((keys.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    });
    let near = near.boxed();
    let changed =
        (select(samples.to_vec()), any::<Index>(), near.clone()).prop_map(|(mut sample, at, new)| {
            if let Some(fields) = sample.as_object_mut().filter(|fields| !fields.is_empty()) {
                let at = at.index(fields.len());
                fields.values_mut().nth(at).into_iter().for_each(|field| *field = new.clone());
            }
            sample
        });
    prop_oneof![
        1 => vec(any::<u8>(), 0..64).prop_map(Body::Bytes),
        3 => near.prop_map(Body::Json),
        3 => changed.prop_map(Body::Json),
        1 => torn(samples),
    ]
    .boxed()
}

fn collect(value: &Value, keys: &mut Vec<String>, leaves: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys, leaves)),
        Value::Object(members) => members.iter().for_each(|(key, item)| {
            keys.push(key.clone());
            collect(item, keys, leaves);
        }),
        leaf => leaves.push(leaf.clone()),
    }
}

/// An HTTP status, the usual ones more often.
pub fn status() -> BoxedStrategy<u16> {
    prop_oneof![4 => Just(200), 2 => 400..430_u16, 1 => 500..505_u16, 1 => any::<u16>()].boxed()
}
