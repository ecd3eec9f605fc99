//! Holds what callers were told against what arrived at the vendors. It finds and does not judge: a test
//! says what it wanted, and one of them wants the audit to find something.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use interline_twins::Received;
use serde_json::Value;

use crate::load::{Handed, Heard, Request};

/// Findings of one kind that are told word by word; the rest are counted.
const TOLD: usize = 10;

/// What does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// Accepted, and at no vendor.
    Lost,
    /// At a vendor more often than the guarantee allows.
    Doubled,
    /// Without a final outcome.
    Unsettled,
    /// Said to be refused or not sent, and at a vendor all the same.
    Denied,
    /// Taken by Interline, and it knows nothing of it any more.
    Forgotten,
    /// At a vendor, and nobody handed it over.
    Invented,
    /// Two different messages under one client id.
    Mixed,
}

/// What an audit found.
#[derive(Debug, Default)]
pub struct Audit {
    breaches: BTreeMap<Breach, Vec<String>>,
    /// Messages by outcome; those of requests without an answer are `unanswered`.
    pub outcomes: BTreeMap<String, u64>,
    /// Unknown messages that did arrive.
    pub unknown_arrived: u64,
    /// Messages that arrived twice, announced as possible duplicates.
    pub announced: u64,
}

impl Audit {
    /// Whether everything fits.
    pub fn is_clean(&self) -> bool {
        self.breaches.is_empty()
    }

    /// How many of a kind were found.
    pub fn count(&self, breach: Breach) -> usize {
        self.breaches.get(&breach).map_or(0, Vec::len)
    }

    /// How many messages have an outcome.
    pub fn outcome(&self, name: &str) -> u64 {
        self.outcomes.get(name).copied().unwrap_or(0)
    }

    fn found(&mut self, breach: Breach, what: String) {
        self.breaches.entry(breach).or_default().push(what);
    }

    /// Compares requests with what arrived. `results` gives the results of a stored batch.
    pub fn of<'r>(
        requests: &'r [Request],
        received: &'r [(&str, Received)],
        results: impl Fn(&str) -> Vec<Value>,
    ) -> Self {
        let mut audit = Self::default();
        let mut arrived = Arrived::of(received, &mut audit);
        for request in requests {
            match &request.heard {
                Heard::Nothing => request.messages.iter().for_each(|handed| {
                    let times = arrived.times(handed);
                    *audit.outcomes.entry("unanswered".to_owned()).or_default() += 1;
                    if times > 1 && !handed.at_least_once {
                        audit.found(Breach::Doubled, format!("{times} times, unanswered: {handed:?}"));
                    }
                }),
                Heard::Refused(status) => request.messages.iter().for_each(|handed| {
                    *audit.outcomes.entry(format!("refused with {status}")).or_default() += 1;
                    if arrived.times(handed) > 0 {
                        audit.found(Breach::Denied, format!("refused with {status}: {handed:?}"));
                    }
                }),
                Heard::Stored(id) => audit.told(request, &results(id), &mut arrived),
                Heard::Sent(results) => audit.told(request, results, &mut arrived),
            }
        }
        for (to, text) in arrived.rest() {
            audit.found(Breach::Invented, format!("{to}: {text}"));
        }
        audit
    }

    fn told<'r>(&mut self, request: &'r Request, results: &[Value], arrived: &mut Arrived<'r>) {
        // By recipient too: who gives an id twice has one of them refused.
        let named = results.iter().map(|result| ((result["id"].as_str(), result["to"].as_str()), result));
        let named: HashMap<_, &Value> = named.collect();
        for handed in &request.messages {
            let times = arrived.times(handed);
            let Some(result) = named.get(&(Some(handed.id.as_str()), Some(handed.to.as_str()))) else {
                self.found(Breach::Forgotten, format!("{:?} {:?} {handed:?}", request.way, request.heard));
                continue;
            };
            let status = result["status"].as_str().unwrap_or_default();
            *self.outcomes.entry(status.to_owned()).or_default() += 1;
            let way = request.way;
            match status {
                "accepted" if times == 0 => self.found(Breach::Lost, format!("{way:?} {result}")),
                "accepted" => {}
                "unknown" => self.unknown_arrived += u64::from(times > 0),
                "rejected" | "expired" | "cancelled" if times > 0 => {
                    self.found(Breach::Denied, format!("{way:?}, {times} times: {result}"));
                }
                "rejected" | "expired" | "cancelled" => {}
                _ => self.found(Breach::Unsettled, format!("{way:?} {result}")),
            }
            let announced = handed.at_least_once && result["may_be_duplicate"] == true;
            match times {
                0 | 1 => {}
                _ if announced => self.announced += 1,
                _ => {
                    let asked = if handed.at_least_once { "at_least_once" } else { "at_most_once" };
                    self.found(Breach::Doubled, format!("{way:?}, {asked}, {times} times: {result}"));
                }
            }
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages: {:?}; unknown ones that arrived: {}", self.outcomes, self.unknown_arrived)?;
        write!(f, "; announced duplicates: {}", self.announced)?;
        for (breach, found) in &self.breaches {
            write!(f, "\n{breach:?}: {}", found.len())?;
            for what in found.iter().take(TOLD) {
                write!(f, "\n  {what}")?;
            }
        }
        Ok(())
    }
}

/// What arrived, by recipient and text.
struct Arrived<'r>(HashMap<(&'r str, &'r str), (u64, bool)>);

impl<'r> Arrived<'r> {
    fn of(received: &'r [(&str, Received)], audit: &mut Audit) -> Self {
        let mut arrived: HashMap<(&str, &str), (u64, bool)> = HashMap::new();
        for (twin, received) in received {
            let mut ids: HashMap<&str, (&str, &str)> = HashMap::new();
            for message in &received.messages {
                let named = (message.to.as_str(), message.text.as_str());
                arrived.entry(named).or_default().0 += 1;
                // OpenIM's is the id of the call.
                let id = message.client_id.as_deref().filter(|_| !twin.starts_with("oim"));
                let other = id.and_then(|id| ids.insert(id, named)).filter(|other| *other != named);
                if let Some(other) = other {
                    audit.found(Breach::Mixed, format!("{twin}: {id:?} for {named:?} and {other:?}"));
                }
            }
        }
        Self(arrived)
    }

    fn times(&mut self, handed: &'r Handed) -> u64 {
        let found = self.0.get_mut(&(handed.to.as_str(), handed.text.as_str()));
        found.map_or(0, |(times, seen)| {
            *seen = true;
            *times
        })
    }

    fn rest(&self) -> impl Iterator<Item = (&'r str, &'r str)> {
        self.0.iter().filter(|(_, (_, seen))| !seen).map(|(named, _)| *named)
    }
}
