//! How a run of the bench is told: rates beside the rate of the plain forwarder, and processor time
//! a message of each process.

use serde_json::{Value, json};

use super::case::{Case, Of, Ratio};
use super::{ROUND, rounds};
use crate::args::Bench;
use crate::output::{BAD, BOLD, DIM, Rows, cell, faint_cell, grouped, line, paint};

const PROCESSES: [(&str, Of); 4] = [
    ("twin", |spent| spent.twin),
    ("forwarder", |spent| spent.forwarder),
    ("gateway", |spent| spent.gateway),
    ("load", |spent| spent.load),
];

/// The run for programs.
pub(crate) fn as_json(args: &Bench, cases: &[Case]) -> Value {
    let base = cases.get(1);
    let case = |case: &Case| {
        let ratio = base.and_then(|base| case.beside(base));
        let cpu: serde_json::Map<String, Value> =
            PROCESSES.iter().map(|(name, of)| ((*name).to_owned(), json!(case.each(*of)))).collect();
        json!({
            "name": case.name,
            "messages": case.messages(),
            "messages_per_second": case.per_second(),
            "rounds_messages_per_second": case.rates,
            "to_forwarder": ratio.map(|Ratio { median, half_within }| {
                json!({"median": median, "half_within": half_within})
            }),
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
        "rounds": rounds(args),
        "round_seconds": ROUND.as_secs_f64(),
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
        "{}  {messages} messages a request, {connections} connections, {} s a case in {} rounds",
        paint(BOLD, "interline bench"),
        args.seconds,
        rounds(args)
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
        "÷ forwarder: the rounds' ratio in the middle, ± what half of the rounds are within. The rest: all rounds.",
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
    let base = cases.get(1);
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
        let rate = grouped(case.per_second() as u64);
        rows.add([
            cell(case.name),
            cell(rate).bold(),
            cell(base.and_then(|base| beside(case, base)).unwrap_or_default()),
            faint_cell(latency(0.5)),
            faint_cell(latency(0.99)),
            faint_cell(cpu(twin)),
            cell(cpu(forwarder)),
            cell(cpu(gateway)),
        ]);
    }
    rows
}

fn beside(case: &Case, base: &Case) -> Option<String> {
    let Ratio { median, half_within } = case.beside(base)?;
    if std::ptr::eq(case, base) {
        return Some(format!("{median:.2}      "));
    }
    Some(format!("{median:.2} ±{half_within:.2}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::case::{DIRECT, FORWARDER, Round, SEND, Spent, TAKEN, Way};
    use crate::bench::load::Tally;

    /// Two rounds of a second, with requests of 100 messages.
    fn case(way: Way, good: [u64; 2]) -> Case {
        let mut case = Case::new(way, 100);
        let (twin, forwarder) = (Duration::from_millis(500), Duration::from_millis(800));
        let spent = Spent { twin, forwarder, gateway: Duration::from_millis(600), load: Duration::ZERO };
        for good in good {
            let (took, latencies) = (Duration::from_secs(1), vec![1500, 2500]);
            let tally = Tally { good, took, latencies, ..Tally::default() };
            case.add(Round { tally, spent: Some(spent), arrived: good * 100 });
        }
        case
    }

    fn cases() -> [Case; 4] {
        [
            case(DIRECT, [24_000, 16_000]),
            case(FORWARDER, [1000, 1000]),
            case(SEND, [1040, 960]),
            case(TAKEN, [0, 10]),
        ]
    }

    #[test]
    fn rates_stand_beside_the_forwarders() {
        let table = rates(&cases()).plain(100);
        assert!(table.lines().all(|line| line.chars().count() <= 100));
        insta::assert_snapshot!(table);
    }

    #[test]
    fn programs_get_the_ratio_with_what_half_of_the_rounds_are_within() {
        let args = Bench { seconds: 1, connections: 64, messages: 100 };
        let run = as_json(&args, &cases());
        assert_eq!((&run["rounds"], &run["round_seconds"]), (&json!(2), &json!(0.5)));
        let sent = &run["cases"][2];
        assert_eq!(sent["rounds_messages_per_second"], json!([104_000.0, 96_000.0]));
        let near = |value: &Value, what: f64| (value.as_f64().unwrap() - what).abs() < 1e-9;
        assert!(near(&sent["to_forwarder"]["median"], 1.0), "{sent}");
        assert!(near(&sent["to_forwarder"]["half_within"], 0.04), "{sent}");
    }
}
