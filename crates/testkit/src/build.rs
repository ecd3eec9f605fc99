//! Builders: a batch as a caller would write it becomes messages and calls, by the real reader.

use std::sync::Arc;

use interline_core::adapter::{Adapter, Call, CallMessage, Reply, Seal, Settings, Vendor};
use interline_core::message::{Head, Message};
use interline_core::options::Results;
use interline_core::read::{self, Identity, Path, Problems};
use serde_json::Value;

/// The batch id that every test batch has.
pub const BATCH_ID: &str = "bat_00000000000000000000000000000001";

/// The vendors whose extensions test batches may hold; `pigeon` is the worked example of
/// `docs/ADDING-A-VENDOR.md`.
pub const VENDORS: [&str; 5] = ["wukongim", "openim", "imkit", "netease", "pigeon"];

/// Reads a batch. Panics with all errors when it is not valid.
#[must_use]
pub fn batch(body: &Value) -> (Head, Vec<Arc<Message>>) {
    try_batch(body).unwrap_or_else(|problems| panic!("the batch is wrong: {:#?}", problems.errors()))
}

/// Reads a batch, or says what is wrong with it.
///
/// # Errors
/// All errors of the body.
pub fn try_batch(body: &Value) -> Result<(Head, Vec<Arc<Message>>), Problems> {
    let text = body.to_string();
    let identity = Identity { batch_id: BATCH_ID, vendors: &VENDORS };
    let document = read::read_document(&text).expect("test bodies are JSON objects");
    let mut problems = Problems::default();
    let head = read::read_head(&read::head_text(&document), &identity, Path::Root(""), &mut problems);
    let head = head.unwrap_or_default();
    let at = Path::Root("/messages");
    let messages = document.messages.unwrap_or_default();
    let messages: Vec<_> = (0u64..)
        .zip(messages)
        .filter_map(|(index, text)| {
            read::read_message(text, (&head, &identity), index, Path::Index(&at, index), &mut problems)
        })
        .collect();
    if problems.is_empty() { Ok((head, messages)) } else { Err(problems) }
}

/// One message from its own JSON, without a batch around it.
#[must_use]
pub fn message(body: &Value) -> Arc<Message> {
    let (_, mut messages) = batch(&serde_json::json!({ "messages": [body] }));
    messages.remove(0)
}

/// A first call of these messages, in the class that the adapter gives the first one.
#[must_use]
pub fn call(adapter: &dyn Adapter, messages: &[Arc<Message>], results: Results) -> Call {
    let first = messages.first().expect("a call has messages");
    let slot = adapter.slot(first, results);
    for message in messages {
        let own = adapter.slot(message, results);
        assert_eq!((own.class, own.key), (slot.class, slot.key), "{} may not share the call", message.id);
    }
    assert!(messages.len() <= slot.max, "{} messages, {} allowed", messages.len(), slot.max);
    Call { class: slot.class, results, messages: messages.iter().cloned().map(CallMessage::first).collect() }
}

/// The seal of golden cases: 2023-11-14T22:13:20Z and a fixed nonce.
#[must_use]
pub const fn seal() -> Seal<'static> {
    Seal { now_ms: 1_700_000_000_000, nonce: "0123456789abcdef0123456789abcdef", token: Some("test-token") }
}

/// A reply with a JSON body.
#[must_use]
pub fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, retry_after: None, body: body.to_string().into_bytes() }
}

/// The adapter of one dialect, from settings as they stand in a configuration.
#[must_use]
pub fn adapter(vendor: &Vendor, dialect: &str, settings: &Value) -> Arc<dyn Adapter> {
    let settings: Settings = settings.as_object().cloned().unwrap_or_default();
    (vendor.build)(&settings, dialect).unwrap_or_else(|errors| panic!("the settings are wrong: {errors:?}"))
}
