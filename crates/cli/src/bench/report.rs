//! What a run of the bench came to: rates beside the rate of the plain forwarder, and processor time
//! a message of each process.

use std::ops::Sub;
use std::time::Duration;

use serde_json::{Value, json};

use super::load::Tally;
use crate::args::Bench;
use crate::output::{BAD, BOLD, DIM, Rows, cell, faint_cell, grouped, line, paint};

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

/// A way of sending: its name, and the processes that its messages go through.
pub(crate) type Way = (&'static str, &'static [&'static str]);

pub(crate) const DIRECT: Way = ("direct", &["twin"]);
pub(crate) const FORWARDER: Way = ("plain forwarder", &["twin", "forwarder"]);
pub(crate) const SEND: Way = ("/v1/send", &["twin", "gateway"]);
/// Sending goes on meanwhile, so that no processor time belongs to the taking alone.
pub(crate) const TAKEN: Way = ("/v1/batches, taken", &[]);
pub(crate) const SETTLED: Way = ("/v1/batches, settled", &["twin", "gateway"]);

/// One way of sending, measured.
#[derive(Debug)]
pub(crate) struct Case {
    name: &'static str,
    /// The processes that the messages went through.
    through: &'static [&'static str],
    messages: u64,
    per_second: f64,
    tally: Tally,
    spent: Option<Spent>,
    arrived: Option<u64>,
}

impl Case {
    #[expect(clippy::cast_precision_loss, reason = "counts of one short run")]
    pub(crate) fn of(way: &Way, args: &Bench, tally: Tally, spent: Option<Spent>) -> Self {
        let messages = tally.good * args.messages;
        let per_second = messages as f64 / tally.took.as_secs_f64().max(f64::MIN_POSITIVE);
        Self { name: way.0, through: way.1, messages, per_second, tally, spent, arrived: None }
    }

    /// Adds what the twin counted meanwhile.
    pub(crate) const fn arrived(mut self, arrived: u64) -> Self {
        self.arrived = Some(arrived);
        self
    }

    /// Whether it measured nothing, or less arrived than was answered.
    pub(crate) fn is_broken(&self) -> bool {
        self.messages == 0 || self.arrived.is_some_and(|arrived| arrived < self.messages)
    }

    /// Processor time a message, in microseconds.
    fn each(&self, of: Of) -> Option<f64> {
        let spent = of(self.spent.as_ref()?);
        #[expect(clippy::cast_precision_loss, reason = "counts of one short run")]
        let messages = self.messages.max(1) as f64;
        Some(spent.as_secs_f64() * 1e6 / messages)
    }
}

/// The processor time of one process among those of all.
type Of = fn(&Spent) -> Duration;

const PROCESSES: [(&str, Of); 4] = [
    ("twin", |spent| spent.twin),
    ("forwarder", |spent| spent.forwarder),
    ("gateway", |spent| spent.gateway),
    ("load", |spent| spent.load),
];

/// The run for programs.
pub(crate) fn as_json(args: &Bench, cases: &[Case]) -> Value {
    let case = |case: &Case| {
        let cpu: serde_json::Map<String, Value> =
            PROCESSES.iter().map(|(name, of)| ((*name).to_owned(), json!(case.each(*of)))).collect();
        json!({
            "name": case.name,
            "messages": case.messages,
            "messages_per_second": case.per_second,
            "requests": case.tally.good,
            "failed_requests": case.tally.bad,
            "trouble": case.tally.trouble,
            "arrived": case.arrived,
            "p50_ms": case.tally.percentile(0.5),
            "p99_ms": case.tally.percentile(0.99),
            "cpu_us_per_message": cpu,
        })
    };
    json!({
        "seconds": args.seconds,
        "connections": args.connections,
        "messages_per_request": args.messages,
        "cases": cases.iter().map(case).collect::<Vec<_>>(),
    })
}

/// The run for people.
pub(crate) fn written(args: &Bench, cases: &[Case]) {
    let (connections, messages) = (args.connections, args.messages);
    line("");
    line(format!(
        "{}  {messages} messages a request, {connections} connections, {} s a case",
        paint(BOLD, "interline bench"),
        args.seconds
    ));
    line("");
    rates(cases).show();
    for case in cases {
        if let Some(trouble) = &case.tally.trouble {
            line(format!(
                "{} {}: {} requests failed, first {trouble}",
                paint(BAD, "✗"),
                case.name,
                case.tally.bad
            ));
        }
    }
    line("");
    for said in [
        "direct: bodies encoded beforehand. taken: stored durably and answered 202; settled: all of them sent.",
        "µs: processor time a message. All on this machine, in this run; compare within it only.",
    ] {
        line(paint(DIM, said));
    }
}

fn rates(cases: &[Case]) -> Rows {
    let mut rows = Rows::new(&[
        "",
        "messages/s",
        "÷ forwarder",
        "p50 ms",
        "p99 ms",
        "twin µs",
        "forwarder µs",
        "gateway µs",
    ])
    .right(1..8)
    .shed([5, 6, 7, 3, 4]);
    let base = cases.get(1).map_or(f64::NAN, |case| case.per_second);
    for case in cases {
        let measured = !case.tally.latencies.is_empty();
        let latency =
            |share| if measured { format!("{:.1}", case.tally.percentile(share)) } else { String::new() };
        let cpu = |(name, of): (&str, Of)| match case.each(of) {
            Some(micros) if case.through.contains(&name) => format!("{micros:.1}"),
            Some(_) | None => String::new(),
        };
        let [twin, forwarder, gateway, _] = PROCESSES;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is small and positive"
        )]
        let rate = grouped(case.per_second as u64);
        rows.add([
            cell(case.name),
            cell(rate).bold(),
            cell(format!("{:.2}", case.per_second / base)),
            faint_cell(latency(0.5)),
            faint_cell(latency(0.99)),
            faint_cell(cpu(twin)),
            cell(cpu(forwarder)),
            cell(cpu(gateway)),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Bench {
        Bench { seconds: 2, connections: 64, messages: 100 }
    }

    fn tally(good: u64) -> Tally {
        Tally { good, took: Duration::from_secs(2), latencies: vec![1500, 2500], ..Tally::default() }
    }

    fn spent(gateway: u64) -> Spent {
        let (twin, forwarder) = (Duration::from_millis(500), Duration::from_millis(800));
        Spent { twin, forwarder, gateway: Duration::from_millis(gateway), load: Duration::ZERO }
    }

    #[test]
    fn rates_stand_beside_the_forwarders() {
        let cases = [
            Case::of(&DIRECT, &args(), tally(4000), Some(spent(0))),
            Case::of(&FORWARDER, &args(), tally(1000), Some(spent(0))),
            Case::of(&SEND, &args(), tally(1500), None),
        ];
        insta::assert_snapshot!(rates(&cases).plain(100));
    }

    #[test]
    fn answers_without_arrivals_are_broken() {
        let case = |arrived| Case::of(&SEND, &args(), tally(10), None).arrived(arrived);
        assert!(!case(1000).is_broken());
        assert!(case(999).is_broken());
        assert!(Case::of(&SEND, &args(), tally(0), None).is_broken());
    }
}
