//! What the new provider would make of a message: the same check and the same bytes as if it were sent, and
//! what it would lose beside what the old one loses. Found causes are few, whatever the traffic.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, Call, CallMessage, Loss, Seal};
use crate::error::{ErrorCode, Refusal};
use crate::ids::Ids;
use crate::message::Message;
use crate::options::Results;

/// Causes that are told apart; what else is refused is only counted.
const CAUSES: usize = 50;
/// Longest text of a cause, in characters.
const DETAIL: usize = 300;

/// What the new provider would make of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Why it would refuse it: code, path in the message, and the words.
    pub refused: Option<(ErrorCode, String, String)>,
    /// What it would lose.
    pub lost_at_to: Vec<Loss>,
    /// What the old one loses.
    pub lost_at_from: Vec<Loss>,
}

/// A provider's adapter, and how ids of apps become ids there.
pub type Taker<'t> = (&'t dyn Adapter, &'t Ids);

/// Checks and encodes a message as the new provider would get it, by its ids there, and sends nothing.
#[must_use]
pub fn compare(
    message: &Arc<Message>,
    results: Results,
    (from, to): (Taker<'_>, Taker<'_>),
    seal: &Seal<'_>,
) -> Comparison {
    let checked = |(adapter, ids): Taker<'_>| {
        let there = ids.map(message)?.unwrap_or_else(|| Arc::clone(message));
        let losses = adapter.check(&there, results)?;
        Ok::<_, Refusal>((there, losses))
    };
    let lost_at_from = checked(from).map(|(_, losses)| losses).unwrap_or_default();
    match checked(to) {
        Err(refusal) => {
            let (path, detail) =
                refusal.errors.into_iter().next().map(|error| (error.path, error.detail)).unwrap_or_default();
            Comparison { refused: Some((refusal.code, path, detail)), lost_at_to: Vec::new(), lost_at_from }
        }
        Ok((there, lost_at_to)) => {
            let class = to.0.slot(&there, results).class;
            let call = Call { class, results, messages: vec![CallMessage::first(there)] };
            let refused = to.0.encode(&call, seal).err();
            let refused = refused.map(|error| (ErrorCode::Internal, String::new(), error.to_string()));
            Comparison { refused, lost_at_to, lost_at_from }
        }
    }
}

/// A message that shows a cause.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Its batch.
    pub batch: String,
    /// Its id there.
    pub message: String,
}

/// Why messages would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The code that their results would carry.
    pub code: ErrorCode,
    /// Where in the message it stands; empty for all of it.
    pub path: String,
    /// What the first of them was told.
    pub detail: String,
    /// How many they are.
    pub count: u64,
    /// The first of them.
    pub sample: Sample,
}

/// Who would lose a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LossCount {
    /// Messages that lose it at the old provider.
    #[serde(default)]
    pub from: u64,
    /// Messages that would lose it at the new one.
    #[serde(default)]
    pub to: u64,
    /// Messages that would lose it at the new one alone.
    #[serde(default)]
    pub only_to: u64,
    /// Messages that lose it at the old one alone.
    #[serde(default)]
    pub only_from: u64,
}

/// All that was found in shadow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Finding {
    /// Messages that were compared.
    #[serde(default)]
    pub messages: u64,
    /// Of these, those that would be refused.
    #[serde(default)]
    pub refused: u64,
    /// Of these, those that would go with losses.
    #[serde(default)]
    pub with_losses: u64,
    /// Messages that were not compared, as too many came at once.
    #[serde(default)]
    pub skipped: u64,
    /// Why messages would be refused, in the order found.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// Messages that would be refused for yet other causes.
    #[serde(default)]
    pub other_causes: u64,
    /// Who would lose what, by the canonical field.
    #[serde(default)]
    pub losses: BTreeMap<String, LossCount>,
}

impl Finding {
    /// Counts one message.
    pub fn add(&mut self, found: Comparison, sample: impl FnOnce() -> Sample) {
        let Comparison { refused, lost_at_to, lost_at_from } = found;
        self.messages += 1;
        self.with_losses += u64::from(refused.is_none() && !lost_at_to.is_empty());
        for loss in &lost_at_from {
            let count = self.loss(loss);
            count.from += 1;
            // What is refused loses nothing: it would not be there at all.
            count.only_from += u64::from(refused.is_none() && !lost_at_to.contains(loss));
        }
        for loss in &lost_at_to {
            let count = self.loss(loss);
            count.to += 1;
            count.only_to += u64::from(!lost_at_from.contains(loss));
        }
        let Some((code, path, detail)) = refused else { return };
        self.refused += 1;
        let room = self.causes.len() < CAUSES;
        match self.causes.iter_mut().find(|cause| cause.code == code && cause.path == path) {
            Some(cause) => cause.count += 1,
            None if room => {
                let detail = detail.chars().take(DETAIL).collect();
                self.causes.push(Cause { code, path, detail, count: 1, sample: sample() });
            }
            None => self.other_causes += 1,
        }
    }

    fn loss(&mut self, loss: &str) -> &mut LossCount {
        self.losses.entry(loss.to_owned()).or_default()
    }
}
