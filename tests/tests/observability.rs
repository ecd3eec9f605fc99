//! The dashboard and the alert rules under docs/observability name only metrics and labels that a server which has
//! worked really shows, and every alert says what to do.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use interline_tests::{Place, Server, Stage, config, eventually};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use serde_json::{Value, json};

/// Labels and metrics that Prometheus adds itself.
const PROMETHEUS: [&str; 3] = ["job", "instance", "le"];
const SECONDS: Duration = Duration::from_secs(20);

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/observability");
    std::fs::read_to_string(folder.join(name)).expect(name)
}

/// Names of metrics with the labels that they have, as `/metrics` shows them.
type Shown = BTreeMap<String, BTreeSet<String>>;

fn shown(server: &Server) -> Shown {
    let text = server.get("/metrics").text();
    assert!(text.ends_with("# EOF\n"), "an exposition ends");
    let mut shown = Shown::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
        let labels = shown.entry(name.to_owned()).or_default();
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once("} "));
        let pairs = inside.into_iter().flat_map(|(inside, _)| inside.split("\","));
        labels.extend(pairs.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
    }
    shown
}

/// A server in whose life everything happened that is counted.
fn worked(stage: &Stage) -> Server {
    let more = [
        config::netease("ne", &stage.netease().url(), ""),
        config::wukongim("wk", &stage.wukongim().url(), "published", ""),
        // Nobody listens there.
        config::imkit("dead", "http://127.0.0.1:9", ""),
        config::route("rooms", "to = \"room\"", "ne"),
        config::route("dead", "id = \"dead-*\"", "dead\"\nfallback = [\"wk\"]\n#"),
        config::route("rest", "", "wk"),
        "[migrations.move]\nroute = \"rest\"\nfrom = \"wk\"\nto = \"ne\"\n".to_owned(),
    ];
    let server = Place::new(&more.concat()).serve();
    let message = |to: &str| json!({"messages": [{"to": to, "content": {"type": "text", "text": "hi"}}]});
    server.post("/v1/send", &message("user:alice")).of(200);
    server.post("/v1/send", &message("user:dead-bob")).of(200);
    stage.netease().set_fault(Fault::new(FaultKind::Code).value(987).times(1));
    server.post("/v1/send", &message("room:1")).of(200);
    let mut busy = Fault::new(FaultKind::Status).value(429).times(1);
    busy.retry_after = Some(1);
    stage.wukongim().set_fault(busy);
    let id =
        server.post("/v1/batches", &message("user:carol")).of(202)["id"].as_str().expect("an id").to_owned();
    server.settled(&id, SECONDS);
    server.post("/v1/migrations/move/start", &json!({})).of(200);
    server.post("/v1/send", &message("user:alice")).of(200);
    server.post("/v1/migrations/move/set", &json!({"percent": 100})).of(200);
    server.post("/v1/send", &message("user:alice")).of(200);
    eventually("the shadow was counted", SECONDS, || {
        shown(&server).contains_key("interline_migration_shadowed_messages_total").then_some(())
    });
    server
}

/// Everything that a query names: a metric and labels of it.
fn named(expr: &Expr, found: &mut Vec<(String, Vec<String>)>) {
    let select = |selector: &VectorSelector, found: &mut Vec<_>| {
        let Matchers { matchers, .. } = &selector.matchers;
        let names = matchers.iter().filter(|one| !matches!(one.op, MatchOp::Equal) || one.name != "__name__");
        found.push((selector.name.clone().expect("a metric"), names.map(|one| one.name.clone()).collect()));
    };
    match expr {
        Expr::VectorSelector(selector) => select(selector, found),
        Expr::MatrixSelector(matrix) => select(&matrix.vs, found),
        Expr::Subquery(inner) => named(&inner.expr, found),
        Expr::Paren(inner) => named(&inner.expr, found),
        Expr::Unary(inner) => named(&inner.expr, found),
        Expr::Call(call) => call.args.args.iter().for_each(|argument| named(argument, found)),
        Expr::Aggregate(aggregate) => {
            let first = found.len();
            named(&aggregate.expr, found);
            // What is grouped by is a label of what is grouped.
            if let Some(LabelModifier::Include(labels)) = &aggregate.modifier {
                found
                    .iter_mut()
                    .skip(first)
                    .for_each(|(_, names)| names.extend(labels.labels.iter().cloned()));
            }
        }
        Expr::Binary(binary) => {
            let first = found.len();
            named(&binary.lhs, found);
            named(&binary.rhs, found);
            let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
            if let Some(LabelModifier::Include(labels)) = matching {
                found
                    .iter_mut()
                    .skip(first)
                    .for_each(|(_, names)| names.extend(labels.labels.iter().cloned()));
            }
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

#[track_caller]
fn holds(query: &str, shown: &Shown) {
    let written = query.replace("$__rate_interval", "5m").replace("$provider", ".*");
    let expr = parser::parse(&written).unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut found = Vec::new();
    named(&expr, &mut found);
    assert!(!found.is_empty(), "{query} asks for nothing");
    for (metric, labels) in found {
        if metric == "up" {
            continue;
        }
        let known = shown.get(&metric).unwrap_or_else(|| panic!("no metric {metric}, in: {query}"));
        for label in labels.iter().filter(|label| !PROMETHEUS.contains(&label.as_str())) {
            assert!(known.contains(label), "{metric} has no label {label} but {known:?}, in: {query}");
        }
    }
}

/// All `expr` of a dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| queries(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_and_the_rules_name_only_what_is_shown() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let server = worked(&stage);
    let shown = shown(&server);
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).expect("JSON");
    let mut asked = Vec::new();
    queries(&dashboard, &mut asked);
    assert!(asked.len() > 30, "{}", asked.len());
    let rules = file("alerts.yaml");
    let expr = |line: &str| line.trim().strip_prefix("expr: ").map(str::to_owned);
    let alerts: Vec<String> = rules.lines().filter_map(expr).collect();
    assert!(alerts.len() > 20, "{}", alerts.len());
    asked.iter().chain(&alerts).for_each(|query| holds(query, &shown));
}

#[test]
fn every_alert_says_what_happened_and_what_to_do() {
    let rules = file("alerts.yaml");
    let alerts: Vec<&str> = rules.split("      - alert: ").skip(1).collect();
    for alert in &alerts {
        let name = alert.lines().next().unwrap_or_default();
        for part in ["expr: ", "severity: ", "summary: \"", "action: \""] {
            assert_eq!(alert.matches(part).count(), 1, "{name}: {part}");
        }
    }
    let names: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert.lines().next()).collect();
    assert_eq!(names.len(), alerts.len(), "each has a name of its own");
}

/// The runbook's line of each alert: what it means at three in the morning, and the first thing to do.
#[test]
fn every_alert_stands_in_the_runbook_and_the_other_way_round() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let lines = manual.lines().filter_map(|line| line.strip_prefix("| `Interline")?.split_once("` | "));
    let runbook: BTreeMap<String, &str> =
        lines.map(|(name, line)| (format!("Interline{name}"), line)).collect();
    let rules = file("alerts.yaml");
    let alerts: BTreeSet<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    assert_eq!(runbook.keys().cloned().collect::<BTreeSet<_>>(), alerts);
    for (name, line) in runbook {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        assert!(cells.len() == 2 && cells.iter().all(|cell| cell.len() > 20), "{name}: {line}");
    }
}

/// An opening that is over before anybody looks shows in no gauge, and is counted all the same.
#[test]
fn openings_between_two_looks_are_counted() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let more =
        config::wukongim("wk", &stage.wukongim().url(), "published", "") + &config::route("all", "", "wk");
    let server = Place::new(&more).serve();
    let send = |to: &str| {
        let body = json!({"messages": [{"to": to, "content": {"type": "text", "text": "hi"}}]});
        server.post("/v1/send", &body).of(200)
    };
    // Five calls without an answer open it; while it restarts one is enough.
    for (number, silent) in [5, 1].into_iter().enumerate() {
        stage.wukongim().set_fault(Fault::new(FaultKind::Status).value(503).times(silent));
        (0..silent).for_each(|at| drop(send(&format!("user:silent-{number}-{at}"))));
        let sent = send(&format!("user:well-{number}"));
        assert_eq!(sent["counts"]["accepted"], 1, "{sent}");
    }
    let text = server.get("/metrics").text();
    assert!(text.contains("interline_breaker_openings_total{provider=\"wk\"} 2\n"), "{text}");
    for state in ["open", "half_open"] {
        let gauge = format!("interline_breaker_state{{provider=\"wk\",state=\"{state}\"}} 0\n");
        assert!(text.contains(&gauge), "{state}: {text}");
    }
}

#[test]
fn a_vendor_that_asks_for_pauses_again_and_again_is_told_of_once_and_counted_each_time() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let more =
        config::wukongim("wk", &stage.wukongim().url(), "published", "") + &config::route("all", "", "wk");
    let server = Place::new(&more).serve();
    let mut busy = Fault::new(FaultKind::Status).value(429).times(3);
    busy.retry_after = Some(1);
    stage.wukongim().set_fault(busy);
    let body = json!({"messages": [{"to": "user:a", "content": {"type": "text", "text": "hi"}}]});
    assert_eq!(server.post("/v1/send", &body).of(200)["counts"]["accepted"], 1);
    assert_eq!(server.log().matches("the vendor asks for a pause").count(), 1, "{}", server.log());
    let counted = "interline_vendor_pauses_total{provider=\"wk\",class=\"sendbatch\"} 3\n";
    let text = server.get("/metrics").text();
    assert!(text.contains(counted), "{text}");
}

#[test]
fn own_overhead_is_counted_apart_from_a_slow_vendor() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let more =
        config::wukongim("wk", &stage.wukongim().url(), "published", "") + &config::route("all", "", "wk");
    let server = Place::new(&more).serve();
    stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(800));
    let body = json!({"messages": [{"to": "user:a", "content": {"type": "text", "text": "hi"}}]});
    server.post("/v1/send", &body).of(200);
    let text = server.get("/metrics").text();
    let value = |start: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(start)).expect(start);
        line.trim().parse().expect("a number")
    };
    assert_eq!(value("interline_request_overhead_seconds_count{way=\"direct\"}"), 1.0);
    let own = value("interline_request_overhead_seconds_sum{way=\"direct\"}");
    assert!((0.0..0.5).contains(&own), "{own}");
    assert!(value("interline_call_overhead_seconds_sum{provider=\"wk\"}") < 0.5);
    assert!(value("interline_vendor_call_seconds_sum{provider=\"wk\"}") >= 0.8);
}
