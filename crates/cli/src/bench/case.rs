//! One way of sending and what its rounds came to.
//!
//! A machine is never alone: what else runs on it takes from a case for as long as it lasts. Cases are
//! therefore compared round by round, with neighbours in time, and the middle of those ratios is what
//! counts; totals are told beside it.

use std::ops::{Add, Sub};
use std::time::Duration;

use super::load::Tally;

/// Processor time of each process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) twin: Duration,
    pub(crate) forwarder: Duration,
    pub(crate) gateway: Duration,
    pub(crate) load: Duration,
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            twin: self.twin.saturating_sub(before.twin),
            forwarder: self.forwarder.saturating_sub(before.forwarder),
            gateway: self.gateway.saturating_sub(before.gateway),
            load: self.load.saturating_sub(before.load),
        }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            twin: self.twin + more.twin,
            forwarder: self.forwarder + more.forwarder,
            gateway: self.gateway + more.gateway,
            load: self.load + more.load,
        }
    }
}

/// The processor time of one process among those of all.
pub(crate) type Of = fn(&Spent) -> Duration;

/// A way of sending: its name, and the processes that its messages go through.
pub(crate) type Way = (&'static str, &'static [&'static str]);

pub(crate) const DIRECT: Way = ("direct", &["twin"]);
pub(crate) const FORWARDER: Way = ("plain forwarder", &["twin", "forwarder"]);
pub(crate) const SEND: Way = ("/v1/send", &["twin", "gateway"]);
/// Sending goes on meanwhile, so that no processor time belongs to the taking alone.
pub(crate) const TAKEN: Way = ("/v1/batches, taken", &[]);
pub(crate) const SETTLED: Way = ("/v1/batches, settled", &["twin", "gateway"]);

/// What one round of a case came to.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) tally: Tally,
    pub(crate) spent: Option<Spent>,
    /// Messages that the twin counted meanwhile.
    pub(crate) arrived: u64,
}

/// One way of sending, measured: the sum of its rounds, and the rate of each.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The processes that the messages went through.
    pub(crate) through: &'static [&'static str],
    pub(crate) tally: Tally,
    pub(crate) arrived: u64,
    /// Messages a second, round by round.
    pub(crate) rates: Vec<f64>,
    per_request: u64,
    spent: Option<Spent>,
    /// In some round less arrived than was answered.
    short: bool,
}

impl Case {
    /// A case whose requests carry so many messages; no rounds yet.
    pub(crate) fn new(way: Way, per_request: u64) -> Self {
        let (name, through) = way;
        let (tally, rates) = (Tally::default(), Vec::new());
        Self { name, through, tally, arrived: 0, rates, per_request, spent: None, short: false }
    }

    /// Adds a round.
    pub(crate) fn add(&mut self, round: Round) {
        let messages = round.tally.good * self.per_request;
        self.rates.push(rate(messages, round.tally.took));
        self.short |= round.arrived < messages;
        self.arrived += round.arrived;
        self.spent = match self.spent {
            None => round.spent,
            Some(spent) => round.spent.map(|more| spent + more),
        };
        self.tally.add(round.tally);
    }

    /// Messages that were answered with success.
    pub(crate) const fn messages(&self) -> u64 {
        self.tally.good * self.per_request
    }

    /// Messages a second over all rounds.
    pub(crate) fn per_second(&self) -> f64 {
        rate(self.messages(), self.tally.took)
    }

    /// Whether it measured nothing, or less arrived than was answered.
    pub(crate) fn is_broken(&self) -> bool {
        self.messages() == 0 || self.short
    }

    /// Processor time a message, in microseconds.
    pub(crate) fn each(&self, of: Of) -> Option<f64> {
        let spent = of(self.spent.as_ref()?);
        #[expect(clippy::cast_precision_loss, reason = "counts of one short run")]
        let messages = self.messages().max(1) as f64;
        Some(spent.as_secs_f64() * 1e6 / messages)
    }

    /// How it stands to another case, round by round; none if no round of the other measured anything.
    pub(crate) fn beside(&self, other: &Self) -> Option<Ratio> {
        let pairs = self.rates.iter().zip(&other.rates).filter(|(_, base)| **base > 0.0);
        let ratios: Vec<f64> = pairs.map(|(rate, base)| rate / base).collect();
        let median = median(&ratios)?;
        let away: Vec<f64> = ratios.iter().map(|ratio| (ratio - median).abs()).collect();
        Some(Ratio { median, half_within: self::median(&away)? })
    }
}

/// The rounds' ratios of two cases: the one in the middle, and how near half of them are to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) half_within: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of one short run")]
fn rate(messages: u64, took: Duration) -> f64 {
    messages as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of one second with a message a request.
    fn case(rates: &[u64]) -> Case {
        let mut case = Case::new(SEND, 1);
        for rate in rates {
            let tally = Tally { good: *rate, took: Duration::from_secs(1), ..Tally::default() };
            case.add(Round { tally, spent: None, arrived: *rate });
        }
        case
    }

    #[test]
    fn a_neighbour_that_slows_whole_rounds_changes_no_ratio() {
        let (quiet, noisy) = (case(&[200, 200, 200, 200]), case(&[100, 100, 100, 100]));
        assert_eq!(quiet.beside(&noisy), Some(Ratio { median: 2.0, half_within: 0.0 }));
        let (mine, base) = (case(&[200, 80, 20, 200]), case(&[100, 40, 10, 100]));
        assert_eq!(mine.beside(&base), Some(Ratio { median: 2.0, half_within: 0.0 }));
    }

    #[test]
    fn one_odd_round_does_not_move_the_middle() {
        let (mine, base) = (case(&[90, 100, 5, 110, 100]), case(&[100; 5]));
        let ratio = mine.beside(&base).unwrap();
        assert!((ratio.median - 1.0).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.half_within - 0.1).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn nothing_to_compare_with_is_no_ratio() {
        assert_eq!(case(&[10]).beside(&case(&[])), None);
        assert_eq!(case(&[10]).beside(&case(&[0])), None);
    }

    #[test]
    fn totals_weigh_every_round_by_its_time() {
        let mut whole = case(&[300]);
        let tally = Tally { good: 0, took: Duration::from_secs(2), ..Tally::default() };
        whole.add(Round { tally, spent: None, arrived: 0 });
        assert!((whole.per_second() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn answers_without_arrivals_are_broken_in_whatever_round() {
        assert!(!case(&[10, 10]).is_broken());
        let mut short = case(&[10, 10]);
        let tally = Tally { good: 10, took: Duration::from_secs(1), ..Tally::default() };
        short.add(Round { tally, spent: None, arrived: 9 });
        short.add(Round { tally: Tally::default(), spent: None, arrived: 20 });
        assert!(short.is_broken());
        assert!(case(&[0]).is_broken());
    }
}
