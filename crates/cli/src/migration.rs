//! `interline migration`: moving a route's traffic from one provider to another, step by step, and back. The
//! report is one page: what would be refused or lost, what both providers answered, and what was done.

use std::process::ExitCode;

use anstyle::Style;
use serde_json::json as object;

use crate::api::{MigrationAnswer, MigrationPage, ReportAnswer, SeenAnswer, SideAnswer};
use crate::args::{Common, Migration, MigrationVerb, OneMigration, Target};
use crate::client::{Answer, Client, encoded};
use crate::output::{
    BAD, BOLD, Cell, DIM, Failed, GOOD, ODD, Rows, cell, count, faint_cell, fields, grouped, json, line,
    note, paint, state_cell, status_style,
};

/// Runs the verb.
pub(crate) async fn run(args: &Migration, common: &Common) -> Result<ExitCode, Failed> {
    match &args.verb {
        MigrationVerb::List { target } => list(target, common).await,
        MigrationVerb::Start { one, both } => {
            let body = if *both { object!({"phase": "both"}) } else { object!({}) };
            order(one, "start", &body, common).await
        }
        MigrationVerb::Set { name, percent, both, target } => {
            let one = OneMigration { name: name.clone(), target: target.clone() };
            let body = if *both { object!({"phase": "both"}) } else { object!({"percent": percent}) };
            order(&one, "set", &body, common).await
        }
        MigrationVerb::Rollback(one) => order(one, "rollback", &object!({}), common).await,
        MigrationVerb::Finish(one) => order(one, "finish", &object!({}), common).await,
        MigrationVerb::Report(one) => report(one, common).await,
    }
}

async fn list(target: &Target, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(target)?;
    let answer = client.get("/v1/migrations").await?;
    if common.json {
        json(&answer.value()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let page: MigrationPage = answer.read()?;
    if page.migrations.is_empty() {
        note("no migrations; add one to the configuration as [migrations.NAME]");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows =
        Rows::new(&["migration", "route", "from", "to", "phase", "percent", "since"]).right([5]).shed([6, 1]);
    for one in &page.migrations {
        rows.add([
            cell(&one.name),
            cell(&one.route),
            cell(&one.from),
            cell(&one.to),
            phase_cell(&one.phase),
            cell(format!("{} %", one.percent)),
            one.since.as_deref().map_or_else(|| faint_cell("never"), |since| cell(at(since))),
        ]);
    }
    rows.show();
    Ok(ExitCode::SUCCESS)
}

async fn asked(client: &Client, one: &OneMigration, verb: &str, body: String) -> Result<Answer, Failed> {
    let path = format!("/v1/migrations/{}/{verb}", encoded(&one.name));
    let answer = if verb == "report" { client.get(&path).await } else { client.post(&path, body).await };
    answer.map_err(|failed| {
        failed.or_next(|| format!("{} shows where migrations stand", client.hint("migration list")))
    })
}

/// Orders something of a migration and says where it stands then, and what comes next.
async fn order(
    one: &OneMigration,
    verb: &str,
    body: &serde_json::Value,
    common: &Common,
) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let answer = asked(&client, one, verb, body.to_string()).await?;
    if common.json {
        json(&answer.value()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let migration: MigrationAnswer = answer.read()?;
    line(title(&migration));
    let name = &migration.name;
    let hint = |command: String| client.hint(&format!("migration {command}"));
    let (from, to) = (&migration.from, &migration.to);
    note(match (migration.phase.as_str(), migration.percent) {
        ("shadow", _) => format!(
            "nothing moves yet: each message for {from} is also shown to {to}; {} tells what was found",
            hint(format!("report {name}"))
        ),
        ("ramp", 100) => format!(
            "everybody who may move is at {to}; {} ends it, {} goes back",
            hint(format!("finish {name}")),
            hint(format!("rollback {name}"))
        ),
        ("ramp", percent) => format!(
            "{percent} % of the recipients are at {to}, the others at {from}; {} tells how it goes",
            hint(format!("report {name}"))
        ),
        ("both", _) => format!(
            "results are those of {from}; copies go to {to} as batches labelled mirror_of; {} ends it",
            hint(format!("rollback {name}"))
        ),
        ("done", _) => format!(
            "everything of the route goes to {to}; name it in the route, then take the migration out; {} still goes \
             back",
            hint(format!("rollback {name}"))
        ),
        _ => format!("everything is at {from} again; {} begins anew", hint(format!("start {name}"))),
    });
    Ok(ExitCode::SUCCESS)
}

fn title(migration: &MigrationAnswer) -> String {
    let percent = match migration.phase.as_str() {
        "ramp" => format!(" {} %", migration.percent),
        _ => String::new(),
    };
    let phase = paint(status_style(&migration.phase), format!("{}{percent}", migration.phase));
    let ends = paint(DIM, format!("{} → {}, route {}", migration.from, migration.to, migration.route));
    format!("{}  {phase}  {ends}", paint(BOLD, &migration.name))
}

fn phase_cell(phase: &str) -> Cell {
    match phase {
        "off" => faint_cell("off"),
        _ => state_cell(phase, phase),
    }
}

/// A moment as people read it, to the second.
fn at(moment: &str) -> String {
    moment.get(..19).map_or_else(|| moment.to_owned(), |text| format!("{}Z", text.replace('T', " ")))
}

async fn report(one: &OneMigration, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let answer = asked(&client, one, "report", String::new()).await?;
    if common.json {
        json(&answer.value()?)?;
    } else {
        write_report(&answer.read::<ReportAnswer>()?);
    }
    Ok(ExitCode::SUCCESS)
}

fn write_report(report: &ReportAnswer) {
    let migration = &report.migration;
    line(title(migration));
    fields([
        ("since", migration.since.as_deref().map(|since| cell(at(since)))),
        ("gates", Some(cell(gates(migration)))),
        (
            "cohort",
            migration
                .cohort
                .as_ref()
                .map(|cohort| cell(format!("{} of {}", count(cohort.recipients, "recipient"), cohort.file))),
        ),
        ("seen", Some(cell(seen(&report.window)))),
    ]);
    write_sides(report);
    write_shadow(report);
    if report.history.is_empty() {
        return;
    }
    line("");
    let mut rows = Rows::new(&["at", "phase", "percent", "why"]).right([2]).flow([3]);
    for step in &report.history {
        let why = step.why.as_deref();
        rows.add([
            cell(at(&step.at)),
            phase_cell(&step.phase),
            cell(format!("{} %", step.percent)),
            why.map_or_else(|| faint_cell("ordered"), |why| cell(why).styled(ODD)),
        ]);
    }
    rows.show();
}

/// When it goes back by itself, in words.
fn gates(migration: &MigrationAnswer) -> String {
    let gates = &migration.gates;
    let limits = [
        gates.rejected_percent.map(|percent| format!("rejected over {percent} %")),
        gates.unknown_percent.map(|percent| format!("unknown over {percent} %")),
        gates.p95_ms.map(|p95| format!("p95 over {} ms", grouped(p95))),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    if limits.is_empty() {
        return "none: it never goes back by itself".to_owned();
    }
    format!("{}; from {} on", limits.join(", "), count(gates.min_messages, "answer"))
}

/// What the gates see, in words.
fn seen(seen: &SeenAnswer) -> String {
    if seen.answers == 0 {
        return "no answers that count yet".to_owned();
    }
    let p95 = seen.p95_ms.map_or_else(String::new, |p95| format!(", p95 {} ms", grouped(p95)));
    format!(
        "{} in {} s: {} % rejected, {} % unknown{p95}",
        count(seen.answers, "answer"),
        seen.seconds,
        seen.rejected_percent,
        seen.unknown_percent
    )
}

fn write_sides(report: &ReportAnswer) {
    line("");
    let mut rows =
        Rows::new(&["side", "provider", "messages", "accepted", "rejected", "unknown", "p50", "p95"])
            .right(2..8)
            .shed([6, 0]);
    for (name, side) in [("from", &report.sides.from), ("to", &report.sides.to)] {
        rows.add(side_row(name, side));
    }
    rows.show();
}

fn side_row(name: &str, side: &SideAnswer) -> Vec<Cell> {
    let number = |number: u64, color: Style| match number {
        0 => faint_cell("0"),
        number => cell(grouped(number)).styled(color),
    };
    let time = |ms: Option<u64>| ms.map_or_else(|| faint_cell("-"), |ms| cell(format!("{} ms", grouped(ms))));
    vec![
        cell(name),
        cell(&side.provider),
        cell(grouped(side.messages)),
        number(side.accepted, GOOD),
        number(side.rejected, BAD),
        number(side.unknown, ODD),
        time(side.p50_ms),
        time(side.p95_ms),
    ]
}

fn write_shadow(report: &ReportAnswer) {
    let shadow = &report.shadow;
    if shadow.messages + shadow.skipped == 0 {
        return;
    }
    let skipped = match shadow.skipped {
        0 => String::new(),
        skipped => format!(", {} not looked at", grouped(skipped)),
    };
    line("");
    line(format!(
        "{} shown to {}: {} would be refused, {} would lose something{skipped}",
        count(shadow.messages, "message"),
        report.migration.to,
        paint(if shadow.refused > 0 { BAD } else { DIM }, grouped(shadow.refused)),
        grouped(shadow.with_losses)
    ));
    if !shadow.causes.is_empty() {
        line("");
        let mut rows = Rows::new(&["refused", "code", "at", "because", "for example"])
            .right([0])
            .shed([4, 2])
            .flow([3, 4]);
        for cause in &shadow.causes {
            rows.add([
                cell(grouped(cause.count)),
                cell(&cause.code),
                cell(&cause.path),
                cell(cause.detail.as_deref().unwrap_or("for admins")),
                cause.sample.as_ref().map_or_else(
                    || faint_cell("for admins"),
                    |sample| faint_cell(format!("{} in {}", sample.message, sample.batch)),
                ),
            ]);
        }
        rows.show();
        if shadow.other_causes > 0 {
            note(format!("{} would be refused for yet other causes", count(shadow.other_causes, "message")));
        }
    }
    if !shadow.losses.is_empty() {
        let migration = &report.migration;
        line("");
        let (only_to, only_from) =
            (format!("only at {}", migration.to), format!("only at {}", migration.from));
        let mut rows =
            Rows::new(&["lost", &migration.from, &migration.to, &only_to, &only_from]).right(1..5).shed([4]);
        for loss in &shadow.losses {
            rows.add([
                cell(&loss.field),
                cell(grouped(loss.from)),
                cell(grouped(loss.to)),
                if loss.only_to > 0 { cell(grouped(loss.only_to)).styled(ODD) } else { faint_cell("0") },
                cell(grouped(loss.only_from)),
            ]);
        }
        rows.show();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(gates: serde_json::Value) -> MigrationAnswer {
        serde_json::from_value(object!({
            "name": "m", "route": "all", "from": "a", "to": "b", "phase": "ramp", "percent": 25, "gates": gates
        }))
        .unwrap()
    }

    #[test]
    fn gates_are_told_in_words() {
        let all =
            object!({"rejected_percent": 2.0, "unknown_percent": 0.5, "p95_ms": 2000, "min_messages": 100});
        let said = gates(&migration(all));
        assert_eq!(said, "rejected over 2 %, unknown over 0.5 %, p95 over 2,000 ms; from 100 answers on");
        let none = gates(&migration(object!({"min_messages": 100})));
        assert_eq!(none, "none: it never goes back by itself");
    }

    #[test]
    fn moments_are_shown_to_the_second() {
        assert_eq!(at("2026-11-21T08:43:12.123Z"), "2026-11-21 08:43:12Z");
        assert_eq!(at("soon"), "soon");
    }
}
