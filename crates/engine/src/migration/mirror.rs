//! Copies, while a migration delivers to both: a second batch of the same messages for the new provider, stored
//! in the transaction that stores the first. It is forced to a route that is none, so that it stays where it is
//! and nobody stands in for its provider, whatever becomes of the migration.

use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::error::ErrorCode;
use interline_core::message::Head;
use interline_core::options::{Guarantee, OnLoss, Results};
use interline_core::read::{self, Identity, Path, Problems};
use interline_core::route::Route;
use interline_ledger::{NewBatch, NewCopy};
use serde_json::value::{RawValue, to_raw_value};

use super::Migration;
use super::copied::name_of;
use crate::accept::{Rows, bad_item, item};
use crate::engine;
use crate::intake::{Bad, Routed, forbidding};
use crate::provider::{Book, Provider};
use crate::trace::without_origin;

/// The label that names the batch a copy was made of.
const MIRROR_OF: &str = "mirror_of";

/// The copies of one batch's messages for one provider.
#[derive(Debug)]
pub(crate) struct Copies {
    pub(super) migration: Arc<Migration>,
    provider: Arc<Provider>,
    batch: NewBatch,
    pub(crate) rows: Rows,
    /// Whether the upload that they belong to was begun.
    pub(crate) staged: bool,
}

impl Copies {
    /// No copies yet; none at all where the provider is not there.
    pub(super) fn of(migration: &Arc<Migration>, book: &Book, original: &NewBatch) -> Option<Self> {
        let provider = Arc::clone(book.providers.get(&migration.settings.to)?);
        let route = book.routes.all().iter().find(|route| route.name == migration.settings.route);
        let text = head(original, &name_of(&migration.settings), route);
        let id = engine::new_batch_id(original.created_ms);
        let identity = Identity { batch_id: &id, vendors: &book.vendor_names };
        let head: Head = read::read_head(&text, &identity, Path::Root(""), &mut Problems::default())?;
        let rows = Rows::of(&head, original.created_ms);
        let batch = engine::new_batch(&id, &original.app, &head, &text, original.created_ms);
        Some(Self { migration: Arc::clone(migration), provider, batch, rows, staged: false })
    }

    /// The id of their batch.
    pub(crate) fn id(&self) -> &str {
        &self.batch.id
    }

    /// Their batch, without messages.
    pub(crate) const fn batch(&self) -> &NewBatch {
        &self.batch
    }

    /// Adds the copy of a message; one that the provider cannot take is rejected there.
    pub(super) fn add(&mut self, routed: &Routed<'_>, text: &str, results: Results) {
        let message = &routed.message;
        let name = &self.provider.settings.name;
        let checked = self.provider.check(&*self.provider.assumed(), message, message.results(results));
        let refused = match checked {
            Ok((_, losses)) => forbidding(&losses, routed.terms.on_loss, name)
                .map(|detail| Bad::one(ErrorCode::Unsupported, &Path::Root(""), detail)),
            Err(refusal) => {
                let (code, detail) = (refusal.code, refusal.failure().message);
                Some(Bad::one(code, &Path::Root(""), detail))
            }
        };
        match refused {
            None => self.rows.good(name, item(text, message)),
            Some(bad) => self.rows.bad(bad_item(text, message.index), bad),
        }
    }

    /// All of them, to be stored with the batch that they are copies of.
    pub(crate) fn whole(&mut self) -> NewCopy {
        self.rows.finish();
        NewCopy { batch: self.batch.clone(), parcels: std::mem::take(&mut self.rows.done) }
    }
}

/// The head of a copy: the original's, with what its route says made its own. What is not changed stays as it
/// was written, to the last digit.
fn head(original: &NewBatch, copies: &str, route: Option<&Route>) -> String {
    let mut fields: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&without_origin(std::str::from_utf8(&original.head).unwrap_or("{}")))
            .unwrap_or_default();
    let labels = fields.get("labels").and_then(|labels| serde_json::from_str(labels.get()).ok());
    let mut labels: BTreeMap<String, String> = labels.unwrap_or_default();
    labels.insert(MIRROR_OF.to_owned(), original.id.clone());
    fields.remove("callback");
    let mut set = |key: &str, value: Result<Box<RawValue>, serde_json::Error>| {
        if let Ok(value) = value {
            fields.insert(key.to_owned(), value);
        }
    };
    set("labels", to_raw_value(&labels));
    set("route", to_raw_value(copies));
    let on_loss = route.and_then(|route| route.on_loss).map(|on_loss| match on_loss {
        OnLoss::Degrade => "degrade",
        OnLoss::Reject => "reject",
    });
    let guarantee = route.and_then(|route| route.guarantee).map(|guarantee| match guarantee {
        Guarantee::AtMostOnce => "at_most_once",
        Guarantee::AtLeastOnce => "at_least_once",
    });
    for (key, word) in [("on_loss", on_loss), ("guarantee", guarantee)] {
        let said = fields.get(key).is_some_and(|value| value.get() != "null");
        if let (Some(word), false) = (word, said)
            && let Ok(value) = to_raw_value(word)
        {
            fields.insert(key.to_owned(), value);
        }
    }
    // Text keys over JSON values are JSON.
    serde_json::to_string(&fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(head: &str) -> NewBatch {
        NewBatch { id: "bat_1".to_owned(), head: head.into(), ..NewBatch::default() }
    }

    #[test]
    fn a_copy_says_whose_it_is_and_keeps_the_rest_to_the_last_digit() {
        let text = r#"{"content":{"type":"custom","data":{"n":12345678901234567890123}},"labels":{"a":"b"},
            "callback":{"url":"https://example.com"}}"#;
        let head = head(&original(text), "mirror:m:new", None);
        let value: serde_json::Value = serde_json::from_str(&head).unwrap();
        assert!(head.contains("12345678901234567890123"), "{head}");
        assert_eq!(value["labels"], serde_json::json!({"a": "b", "mirror_of": "bat_1"}));
        assert_eq!(value["route"], "mirror:m:new");
        assert!(value.get("callback").is_none());
    }
}
