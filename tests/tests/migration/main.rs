//! Migrations through the real binary: an old vendor, a new one, and a route that is moved between them.

mod copies;
mod lasting;
mod ramp;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use interline_tests::{HeldLedger, Place, Server, Troupe, config, eventually, holds_within, refuse};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
/// Within how long everything is back.
const BACK: Duration = Duration::from_secs(2);

/// An old vendor, a new one, and a route that a migration moves.
fn stage(more: &str) -> (Troupe, Place) {
    let mut troupe = Troupe::new();
    let old = troupe.add("old", Vendor::WuKongIm, "v2");
    let new = troupe.add("new", Vendor::OpenIm, "v3.8.3");
    let place = Place::new(&format!(
        "{}{}{}{}[migrations.move]\nroute = \"all\"\nfrom = \"old\"\nto = \"new\"\n{more}\n",
        config::wukongim("old", &old, "v2", ""),
        config::openim("new", &new, "v3.8.3", ""),
        config::route("rooms", "to = \"room\"", "old"),
        config::route("all", "", "old"),
    ));
    (troupe, place)
}

#[track_caller]
fn order(server: &Server, verb: &str, body: &Value) -> Value {
    server.post(&format!("/v1/migrations/move/{verb}"), body).of(200)
}

fn ramp(server: &Server, percent: u8) {
    order(server, "start", &json!({}));
    order(server, "set", &json!({"percent": percent}));
}

fn report(server: &Server) -> Value {
    server.get("/v1/migrations/move/report").of(200)
}

fn batch(users: impl Iterator<Item = usize>, text: &str) -> Value {
    let messages: Vec<Value> = users.map(|at| json!({"to": format!("user:u{at}")})).collect();
    json!({"content": {"type": "text", "text": text}, "messages": messages})
}

/// Stores a batch and gives its id.
#[track_caller]
fn stored(server: &Server, body: &Value) -> String {
    let answer = server.post("/v1/batches", body).of(202);
    answer["id"].as_str().map(str::to_owned).unwrap_or_default()
}

/// Who got this text at a vendor.
fn who(troupe: &Troupe, twin: &str, text: &str) -> BTreeSet<String> {
    let received = troupe.twin(twin).received().messages;
    received.into_iter().filter(|message| message.text == text).map(|message| message.to).collect()
}

/// How many messages of this text reached a vendor.
fn how_many(troupe: &Troupe, twin: &str, text: &str) -> usize {
    troupe.twin(twin).received().messages.iter().filter(|message| message.text == text).count()
}
