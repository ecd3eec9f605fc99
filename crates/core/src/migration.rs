//! Moving the traffic of a route from one provider to another, in phases: who is on which side, and which
//! change is allowed when. A recipient's side depends on its own point alone, so that a growing share never
//! moves anybody back. What was answered is judged in `gate`, what would be lost in `shadow`.

mod cohort;
mod gate;
mod shadow;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use cohort::Cohort;
pub use gate::{Answered, Gates, Histogram, Tally, Tripped, WINDOW_SECONDS, Window};
pub use shadow::{Cause, Comparison, Finding, LossCount, Sample, Taker, compare};

use crate::recipient::{Recipient, RecipientKind};

/// Points that recipients are spread over; a percent is a hundred of them.
const POINTS: u64 = 10_000;
/// Changes that are remembered.
const HISTORY: usize = 50;
/// How long a request may take from its batch's time until its messages are copied, milliseconds.
const READING: i64 = 60_000;

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It was never begun: everything goes where the route says.
    #[default]
    Off,
    /// Nothing moves; what the new provider would make of the traffic is found out.
    Shadow,
    /// A share of the recipients is at the new provider.
    Ramp,
    /// Everything goes to both.
    Both,
    /// Everything is at the new provider.
    Done,
    /// Everything is back.
    RolledBack,
}

impl Phase {
    /// All phases, in the order of a migration.
    pub const ALL: [Self; 6] =
        [Self::Off, Self::Shadow, Self::Ramp, Self::Both, Self::Done, Self::RolledBack];

    /// The phase as people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Ramp => "ramp",
            Self::Both => "both",
            Self::Done => "done",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Whether the new provider is given, or shown, any of the traffic.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Shadow | Self::Ramp | Self::Both | Self::Done)
    }

    /// Whether the new provider's answers are judged by the gates.
    #[must_use]
    pub const fn is_judged(self) -> bool {
        matches!(self, Self::Ramp | Self::Both)
    }
}

/// One of the two providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that the route names.
    From,
    /// The one that the traffic moves to.
    To,
}

/// What people ask of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Begin, with `shadow`, or with `both` where that is asked for.
    Start {
        /// Whether to begin with both.
        both: bool,
    },
    /// Move so many percent of the recipients.
    Ramp(u8),
    /// Deliver to both.
    Both,
    /// Move what is left, for good.
    Finish,
    /// Move everything back.
    Rollback,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// The phase from then on.
    pub phase: Phase,
    /// The percent from then on.
    pub percent: u8,
    /// Why, where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Where a migration stands, and how it came there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The phase.
    pub phase: Phase,
    /// How many percent of the recipients are at the new provider.
    pub percent: u8,
    /// Since when phase and percent are these, Unix milliseconds; 0 while it was never begun.
    pub since_ms: i64,
    /// The last changes, the oldest first.
    #[serde(default)]
    pub history: Vec<Step>,
}

impl State {
    /// The state after an order; the same state where nothing changes by it. `why` is for changes that nobody
    /// asked for.
    ///
    /// # Errors
    /// Why it is not allowed now, and what is.
    pub fn after(&self, order: Order, why: Option<&str>, now_ms: i64) -> Result<Self, String> {
        let (phase, percent) = self.next(order)?;
        if (phase, percent) == (self.phase, self.percent) {
            return Ok(self.clone());
        }
        let mut history = self.history.clone();
        let excess = (history.len() + 1).saturating_sub(HISTORY);
        history.drain(..excess);
        history.push(Step { at_ms: now_ms, phase, percent, why: why.map(str::to_owned) });
        Ok(Self { phase, percent, since_ms: now_ms, history })
    }

    /// The same state, from this time on: the last change counts from when it is in force.
    #[must_use]
    pub fn from_now(mut self, now_ms: i64) -> Self {
        self.since_ms = now_ms;
        if let Some(step) = self.history.last_mut() {
            step.at_ms = now_ms;
        }
        self
    }

    /// Whether what was taken then may be on its way to both. It holds for a little before as well: a body
    /// may have been read for a while when everything began to go to both.
    #[must_use]
    pub fn was_both(&self, at_ms: i64) -> bool {
        let ends = self.history.iter().skip(1).map(|step| step.at_ms).chain([i64::MAX]);
        let mut both = self.history.iter().zip(ends).filter(|(step, _)| step.phase == Phase::Both);
        both.any(|(step, end)| (step.at_ms.saturating_sub(READING)..=end).contains(&at_ms))
    }

    fn next(&self, order: Order) -> Result<(Phase, u8), String> {
        use Phase::{Both, Done, Off, Ramp, RolledBack, Shadow};
        const NOT_BEGUN: &str = "it is not under way; start it first";
        const DONE: &str = "it is done; roll it back to move anything again";
        let said = |text: &str| Err(text.to_owned());
        match (order, self.phase) {
            (Order::Start { both }, Off | RolledBack) => Ok((if both { Both } else { Shadow }, 0)),
            (Order::Start { .. }, Done) => said(DONE),
            (Order::Start { .. }, Shadow | Ramp | Both) => Err(format!(
                "it is under way already, in {}; set a percent, or roll it back to start anew",
                self.phase.as_str()
            )),
            (Order::Ramp(percent), Shadow | Ramp | Both) if percent <= 100 => Ok((Ramp, percent)),
            (Order::Ramp(percent), Shadow | Ramp | Both) => {
                Err(format!("{percent} is more than 100 percent"))
            }
            (Order::Both, Shadow | Ramp | Both) => Ok((Both, 0)),
            (Order::Ramp(_) | Order::Both | Order::Finish, Off | RolledBack) => said(NOT_BEGUN),
            (Order::Ramp(_) | Order::Both, Done) => said(DONE),
            (Order::Finish, Shadow) => {
                said("nothing has moved yet; set percents up to 100 first, and finish then")
            }
            (Order::Finish, Ramp) if self.percent < 100 => {
                Err(format!("{} percent have moved; set 100 percent first, and finish then", self.percent))
            }
            (Order::Finish, Ramp | Both | Done) => Ok((Done, 100)),
            (Order::Rollback, Off) => said("it was never started; there is nothing to roll back"),
            (Order::Rollback, Shadow | Ramp | Both | Done | RolledBack) => Ok((RolledBack, 0)),
        }
    }
}

/// Where a recipient stands among all: below `percent` × 100 it is moved. Migrations spread them differently.
#[must_use]
pub fn point(seed: u64, recipient: u64) -> u16 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&recipient.to_le_bytes(), seed);
    u16::try_from(hash % POINTS).unwrap_or(u16::MAX)
}

/// What spreads the recipients of the migration of this name.
#[must_use]
pub fn seed(migration: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(migration.as_bytes())
}

/// The side of a recipient. While recipients are moved one by one, `everyone` is nobody's share and stays; with
/// a cohort the percent counts within it.
#[must_use]
pub fn side((phase, percent): (Phase, u8), seed: u64, to: &Recipient, cohort: Option<&Cohort>) -> Side {
    match phase {
        Phase::Off | Phase::Shadow | Phase::Both | Phase::RolledBack => Side::From,
        Phase::Done => Side::To,
        Phase::Ramp => {
            let counts = to.kind() != RecipientKind::Everyone
                && cohort.is_none_or(|cohort| cohort.holds(to.fingerprint()));
            let moved = u32::from(point(seed, to.fingerprint())) < u32::from(percent) * 100;
            if counts && moved { Side::To } else { Side::From }
        }
    }
}
