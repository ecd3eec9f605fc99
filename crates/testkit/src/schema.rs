//! Holds the schema of a vendor's extensions against the reader of its adapter, by asking the reader: it names
//! what is allowed where it finds what is not.

use std::collections::BTreeSet;

use interline_core::adapter::{Adapter, Settings, Vendor};
use interline_core::error::FieldError;
use interline_core::options::Results;
use serde_json::{Map, Value, json};

use crate::build;

/// A member that no reader knows.
const NOBODYS: &str = "nobodys";

/// The adapter of the vendor's first dialect; settings that cannot be missing are stood in for.
fn adapter(vendor: &Vendor) -> std::sync::Arc<dyn Adapter> {
    let mut settings = Settings::new();
    loop {
        let dialect = vendor.dialects.first().expect("a dialect");
        let errors = match (vendor.build)(&settings, dialect) {
            Ok(adapter) => return adapter,
            Err(errors) => errors,
        };
        let before = settings.len();
        let keys = errors.iter().map(|error| error.path.trim_start_matches('/').to_owned());
        settings.extend(keys.map(|key| (key, Value::from("0".repeat(32)))));
        assert!(settings.len() > before, "{}: {errors:?}", vendor.name);
    }
}

/// What the adapter says of a message with these extensions.
fn errors(vendor: &Vendor, own: &Value) -> Vec<FieldError> {
    let extensions: Map<String, Value> = [(vendor.name.to_owned(), own.clone())].into_iter().collect();
    let message = build::message(&json!({
        "to": "user:u", "from": "s", "content": { "type": "text", "text": "hi" }, "extensions": extensions,
    }));
    adapter(vendor).check(&message, Results::Each).map_or_else(|refusal| refusal.errors, |_| Vec::new())
}

/// The members that a reader allows, by what it says of one that it does not know.
///
/// # Panics
/// When it says nothing of it.
#[must_use]
pub fn allowed(errors: &[FieldError], at: &str) -> BTreeSet<String> {
    let path = format!("{at}/{NOBODYS}");
    let error = errors.iter().find(|error| error.path == path);
    let error = error.unwrap_or_else(|| panic!("nothing is said of {path}: {errors:?}"));
    let (_, words) = error.detail.split_once("allowed: ").expect("what is allowed is listed");
    words.split(", ").map(str::to_owned).collect()
}

/// The members that a schema has.
fn members(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().expect("an object's schema").keys().cloned().collect()
}

/// The schema of a vendor's extensions has the members that its adapter allows, and its ranges.
///
/// # Panics
/// When they differ.
pub fn matches_reader(vendor: &Vendor) {
    let schema = (vendor.extensions)();
    let at = format!("/extensions/{}", vendor.name);
    assert_eq!(members(&schema), allowed(&errors(vendor, &json!({ NOBODYS: 1 })), &at), "{at}");
    for (name, member) in schema["properties"].as_object().expect("an object's schema") {
        let path = format!("{at}/{name}");
        if !member["properties"].is_null() {
            let found = errors(vendor, &json!({ name: { NOBODYS: 1 } }));
            assert_eq!(members(member), allowed(&found, &path), "{path}");
        }
        let (Some(least), Some(most)) = (member["minimum"].as_i64(), member["maximum"].as_i64()) else {
            continue;
        };
        for (number, fits) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let found = errors(vendor, &json!({ name: number }));
            // What fits the range may still not go with the content.
            let outside = |error: &FieldError| error.path == path && error.detail.contains("expected");
            assert_eq!(!found.iter().any(outside), fits, "{path} = {number}: {found:?}");
        }
    }
}
