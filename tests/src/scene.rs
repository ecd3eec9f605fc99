//! Two accounts under one roof, for what people do to batches: who got what, and how answers are read.

use std::collections::BTreeMap;

use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::config;
use crate::place::Place;
use crate::server::Server;
use crate::troupe::Troupe;

/// Calls under way at once at each of the two.
pub const IN_FLIGHT: u64 = 4;

/// Two accounts at WuKongIM and a route to each; what has no label `to` goes to `one`.
#[derive(Debug)]
pub struct Scene {
    /// The two servers, `one` and `two`.
    pub troupe: Troupe,
    /// Where the program runs.
    pub place: Place,
}

/// Their configuration.
pub fn config_of(troupe: &mut Troupe) -> String {
    let mut text = String::new();
    for name in ["one", "two"] {
        let url = troupe.add(name, Vendor::WuKongIm, "published");
        // A message a call, so that something waits while calls are slow.
        let limits = format!(
            "[providers.{name}.limits]\nin_flight = {IN_FLIGHT}\ntimeout = \"3s\"\n\
             [providers.{name}.limits.sendbatch]\nmessages_per_call = 1"
        );
        text += &config::wukongim(name, &url, "published", &limits);
    }
    text + &config::route("to-two", "label = { to = \"two\" }", "two") + &config::route("to-one", "", "one")
}

impl Scene {
    /// Both accounts, and nothing running yet.
    #[expect(clippy::new_without_default, reason = "it starts servers")]
    pub fn new() -> Self {
        let mut troupe = Troupe::new();
        let place = Place::new(&config_of(&mut troupe));
        Self { troupe, place }
    }

    /// Who got what, by text.
    pub fn arrived(&self, twin: &str) -> BTreeMap<String, usize> {
        let mut arrived = BTreeMap::new();
        for entry in self.troupe.twin(twin).received().messages {
            *arrived.entry(format!("{} {}", entry.to, entry.text)).or_default() += 1;
        }
        arrived
    }

    /// How many messages arrived.
    pub fn total(&self, twin: &str) -> u64 {
        self.troupe.twin(twin).total()
    }

    /// Lets every answer come so late.
    pub fn hold(&self, twin: &str, milliseconds: i64) {
        self.troupe.twin(twin).set_fault(Fault::new(FaultKind::Slow).value(milliseconds));
    }
}

/// Messages with contents of their own: a call each.
pub fn batch_of(count: usize) -> Value {
    let message = |n| {
        let content = json!({"type": "text", "text": format!("order {n}")});
        json!({"id": format!("m{n}"), "to": format!("user:u{n}"), "content": content})
    };
    json!({"messages": (0..count).map(message).collect::<Vec<_>>()})
}

/// The id in an answer.
///
/// # Panics
/// When there is none.
#[track_caller]
pub fn id_of(answer: &Answer) -> String {
    let id = answer.json()["id"].as_str().map(str::to_owned);
    id.unwrap_or_else(|| panic!("no id: {}", answer.text()))
}

/// Hands a batch over; its id.
///
/// # Panics
/// When it is not taken.
#[track_caller]
pub fn accept(server: &Server, batch: &Value) -> String {
    let answer = server.post("/v1/batches", batch);
    assert_eq!(answer.status, 202, "{}", answer.text());
    id_of(&answer)
}

/// Pauses, resumes or cancels a batch; what it is then.
///
/// # Panics
/// When it is refused, or told otherwise when asked.
#[track_caller]
pub fn steer(server: &Server, id: &str, verb: &str) -> Value {
    let batch = server.post_text(&format!("/v1/batches/{id}/{verb}"), "").of(200);
    assert_eq!(
        batch,
        server.batch(id).as_object().map_or(batch.clone(), |now| {
            // Counts go on meanwhile; what the batch is stays.
            let mut now = now.clone();
            for moving in ["counts", "state", "settled_at"] {
                now.insert(moving.to_owned(), batch[moving].clone());
            }
            Value::Object(now)
        })
    );
    batch
}

/// That an answer is a refusal, by its status, its code and a word of what it says.
///
/// # Panics
/// When it is another.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, code: &str, says: &str) {
    let problem = answer.of(status);
    assert_eq!(problem["code"], code, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{problem}");
}

/// Results by their messages' ids.
pub fn by_id(results: Vec<Value>) -> BTreeMap<String, Value> {
    let id = |result: &Value| result["id"].as_str().unwrap_or_default().to_owned();
    results.into_iter().map(|result| (id(&result), result)).collect()
}
