//! What every adapter must keep, held against this one.

use interline_pigeon::VENDOR;
use interline_testkit::conformance::{Samples, run};
use interline_testkit::schema;
use interline_testkit::strategy::reply::CLIENT_ID;
use serde_json::json;

#[test]
fn the_laws_of_adapters_hold() {
    let settings = json!({"api_key": "canary-key", "default_sender": "system"});
    let extensions = [json!({"express": true}), json!({"express": "yes"})];
    let replies = [json!({"letters": [{"ref": CLIENT_ID, "id": "p-1"}]})];
    run(&VENDOR, &settings, Samples { extensions: &extensions, replies: &replies });
}

#[test]
fn the_schema_has_the_members_that_the_reader_allows() {
    schema::matches_reader(&VENDOR);
}
