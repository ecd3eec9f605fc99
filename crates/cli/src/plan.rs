//! `interline plan`: which provider takes each message and the exact requests that would be made.
//!
//! Asks a server where one was named; else plans here, from the configuration, with a ledger in memory.
//! Nothing is sent either way, except the harmless probes that tell a dialect.

mod explain;

use std::process::ExitCode;
use std::time::Duration;

use interline_engine::{Caller, Denied, Engine};
use interline_gateway::config::OPEN_APP;
use interline_ledger::Ledger;
use serde::Deserialize;
use serde_json::Value;

use crate::args::{Common, Plan};
use crate::client::Client;
use crate::output::{
    BAD, BOLD, DIM, Failed, ODD, Rows, cell, clipped, count, faint_cell, grouped, json, line, note, paint,
};
use crate::send::source::Source;
use crate::send::whole_body;
use crate::serve;

/// Most messages of a plan.
const MOST: usize = 10_000;
/// How long dialects may take to be told apart.
const PROBING: Duration = Duration::from_millis(1500);
/// Longest body that is shown without `--explain`.
const BODY: usize = 400;
/// Rows and calls shown without `--explain`.
const SHOWN: usize = 12;

/// A plan, as the API writes it.
#[derive(Debug, Deserialize)]
struct Planned {
    messages: Vec<Message>,
    calls: Vec<Call>,
    totals: Totals,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Debug, Deserialize)]
struct Message {
    id: String,
    to: String,
    route: Option<String>,
    provider: Option<String>,
    dialect: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    not_taken: Vec<NotTaken>,
    #[serde(default)]
    losses: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct NotTaken {
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    why: String,
}

#[derive(Debug, Deserialize)]
struct Call {
    provider: String,
    quota_class: String,
    messages: Vec<String>,
    request: Request,
    curl: String,
}

#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body: Value,
}

#[derive(Debug, Deserialize)]
struct Totals {
    messages: u64,
    calls: u64,
    seconds_at_contract: f64,
}

#[derive(Debug, Deserialize)]
struct Wrong {
    path: String,
    #[serde(default)]
    code: String,
    detail: String,
}

/// Runs the verb.
pub(crate) async fn run(args: &Plan, common: &Common) -> Result<ExitCode, Failed> {
    let mut source = Source::of(&args.input)?;
    let body = whole_body(&mut source, &args.input, MOST)?;
    // A configuration that was named is meant, whatever the environment says of servers.
    let asks = args.target.server.is_some() || common.config.is_none() && args.target.server().is_some();
    let plan = if asks {
        Client::new(&args.target)?.post("/v1/plan", body).await?.value()?
    } else {
        here(&body, common).await?
    };
    let exit = if plan["errors"].as_array().is_none_or(Vec::is_empty) { 0 } else { 1 };
    if common.json {
        json(&plan)?;
        return Ok(ExitCode::from(exit));
    }
    let plan: Planned = serde_json::from_value(plan)
        .map_err(|error| Failed::new(format!("cannot read the plan: {error}")))?;
    written(&plan, args.explain);
    Ok(ExitCode::from(exit))
}

/// Plans without a server.
async fn here(body: &str, common: &Common) -> Result<Value, Failed> {
    let config = serve::loaded(common)?;
    let settings = config.engine_settings().map_err(|errors| serve::wrong(&errors))?;
    let ledger = Ledger::open("sqlite::memory:").await;
    let ledger = ledger.map_err(|error| Failed::new(format!("cannot open a ledger in memory: {error}")))?;
    let engine = Engine::start(settings, ledger).await.map_err(|error| Failed::new(error.to_string()))?;
    let asked = tokio::time::Instant::now();
    while asked.elapsed() < PROBING && engine.providers().iter().any(|one| one.dialect.is_none()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let caller = Caller { app: OPEN_APP.into(), broadcast: true };
    let planned = engine.plan(&caller, body).await;
    engine.shutdown(Duration::from_millis(100)).await;
    let plan = planned.map_err(|denied| refused(&denied))?;
    serde_json::to_value(plan).map_err(|error| Failed::new(format!("cannot write the plan: {error}")))
}

fn refused(denied: &Denied) -> Failed {
    let (Denied::Invalid(errors) | Denied::NotRoutable(errors) | Denied::Forbidden(errors)) = denied else {
        return Failed::new(denied.to_string());
    };
    let mut said = format!("cannot plan it: {}", count(errors.total as u64, "error"));
    for error in errors.listed.iter().take(20) {
        said.push_str(&format!("\n  {error}"));
    }
    Failed::new(said).next("correct the fields named above")
}

fn written(plan: &Planned, explain: bool) {
    let totals = &plan.totals;
    line(format!(
        "{} in {}{}; nothing was sent",
        paint(BOLD, count(totals.messages, "message")),
        paint(BOLD, count(totals.calls, "vendor call")),
        at_contract(totals.seconds_at_contract),
    ));
    line("");
    if explain {
        plan.messages.iter().for_each(explain::written);
    } else {
        messages(plan);
    }
    for (place, call) in plan.calls.iter().enumerate() {
        if place >= SHOWN && !explain {
            note(format!(
                "… and {} (--explain shows all)",
                count((plan.calls.len() - SHOWN) as u64, "more call")
            ));
            break;
        }
        line("");
        written_call(place + 1, call, explain);
    }
    if !plan.errors.is_empty() {
        line("");
    }
    for wrong in &plan.errors {
        line(format!("{} {} {} {}", paint(BAD, "✗"), wrong.path, paint(BAD, &wrong.code), wrong.detail));
    }
}

/// The messages, a row each.
fn messages(plan: &Planned) {
    let mut rows =
        Rows::new(&["id", "to", "provider", "dialect", "route", "lost"]).shed([3, 4]).cut([0, 1]).flow([5]);
    for message in plan.messages.iter().take(SHOWN) {
        let missing = || "-".to_owned();
        rows.add([
            cell(&message.id),
            cell(&message.to),
            cell(message.provider.clone().unwrap_or_else(missing)),
            faint_cell(message.dialect.as_deref().map_or("unresolved", |dialect| dialect)),
            cell(message.route.clone().unwrap_or_else(missing)),
            cell(message.losses.join(", ")),
        ]);
    }
    rows.show();
    if plan.messages.len() > SHOWN {
        note(format!("… and {}", count((plan.messages.len() - SHOWN) as u64, "more message")));
    }
}

fn written_call(number: usize, call: &Call, explain: bool) {
    let request = &call.request;
    let about = format!(
        "{} · {} · {}",
        call.provider,
        call.quota_class,
        count(call.messages.len() as u64, "message")
    );
    let number = paint(BOLD, format!("{number}."));
    line(format!("{number} {} {}  {}", request.method, request.url, paint(DIM, about)));
    line(format!("   {}", paint(DIM, format!("for {}", clipped(&call.messages.join(", "), 90)))));
    for (name, value) in &request.headers {
        let value = if value.contains("***") { paint(ODD, value) } else { value.clone() };
        line(format!("   {name}: {value}"));
    }
    let body = match &request.body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body if explain => serde_json::to_string_pretty(body).unwrap_or_default(),
        body => body.to_string(),
    };
    let length = body.chars().count();
    let body = if explain { body } else { clipped(&body, BODY) };
    for row in body.lines() {
        line(format!("   {row}"));
    }
    if length > BODY && !explain {
        line(format!(
            "   {}",
            paint(DIM, format!("({} characters; --explain shows all)", grouped(length as u64)))
        ));
    }
    if explain {
        line(format!("   {}", paint(DIM, &call.curl)));
    }
}

fn at_contract(at_contract: f64) -> String {
    if at_contract > 0.0 {
        format!(", {} at the contracts' rates", seconds(at_contract))
    } else {
        String::new()
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_shown_in_milliseconds() {
        assert_eq!((seconds(0.25), seconds(12.34)), ("250 ms".to_owned(), "12.3 s".to_owned()));
    }
}
