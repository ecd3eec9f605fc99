//! `interline bench`: the same load four ways, in one run on one machine.
//!
//! Directly to the vendor's twin, through a plain forwarder, through `/v1/send`, through `/v1/batches`.
//! Twin, forwarder and gateway are processes of their own; their processor time stands beside the
//! rates. The numbers compare within one run and say nothing about another machine.

pub(crate) mod child;
mod cpu;
pub(crate) mod forwarder;
mod load;
mod report;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::args::{self, Bench, Common};
use crate::client::Client;
use crate::output::{Failed, json as print_json, note};
use child::Running;
use load::{Load, Tally, Target};
use report::{Case, Spent, Way};

const TEXT: &str = "Hi Alice, order 1700 has shipped";
/// How long the queue may take to empty after the last batch was taken.
const DRAINING: Duration = Duration::from_secs(60);

/// Who takes part.
struct Field {
    twin: Running,
    forwarder: Running,
    gateway: Running,
    api: Client,
    control: Client,
    _directory: tempfile::TempDir,
}

/// Runs the verb.
pub(crate) async fn run(args: &Bench, common: &Common) -> Result<ExitCode, Failed> {
    let field = Field::start(args).await?;
    let same = bodies(args, api_body);
    let mut cases = Vec::new();
    let ways = [
        (&report::DIRECT, &field.twin, "/message/sendbatch", bodies(args, vendor_body)),
        (&report::FORWARDER, &field.forwarder, "/send", same.clone()),
        (&report::SEND, &field.gateway, "/v1/send?timeout=30", same.clone()),
    ];
    for (way, server, path, bodies) in ways {
        note(format!("{}: {} s …", way.0, args.seconds));
        let target = Target { authority: authority(&server.url), path, bodies };
        cases.push(field.measured(way, &target, args).await?);
    }
    note(format!("/v1/batches: {} s …", args.seconds));
    let target = Target { authority: authority(&field.gateway.url), path: "/v1/batches", bodies: same };
    cases.extend(field.queued(&target, args).await?);
    if common.json {
        print_json(&report::as_json(args, &cases))?;
    } else {
        report::written(args, &cases);
    }
    Ok(ExitCode::from(u8::from(cases.iter().any(Case::is_broken))))
}

impl Field {
    async fn start(args: &Bench) -> Result<Self, Failed> {
        let trouble = |error: &dyn std::fmt::Display| Failed::new(format!("cannot set up the run: {error}"));
        let twin = Running::start(&["bench-twin"]).await?;
        let forwarder = Running::start(&["bench-forwarder", &twin.url]).await?;
        let directory = tempfile::tempdir().map_err(|error| trouble(&error))?;
        let config = directory.path().join("config.toml");
        let ledger = directory.path().join("interline.db");
        let text = config_text(&ledger.display().to_string(), &twin.url, args.connections);
        std::fs::write(&config, text).map_err(|error| trouble(&error))?;
        let gateway = Running::gateway(&config).await?;
        let client = |url: &str| Client::new(&args::Target { server: Some(url.to_owned()), key: None });
        let (api, control) = (client(&gateway.url)?, client(&twin.url)?);
        Ok(Self { twin, forwarder, gateway, api, control, _directory: directory })
    }

    fn cpu(&self) -> Option<Spent> {
        Some(Spent {
            twin: self.twin.cpu()?,
            forwarder: self.forwarder.cpu()?,
            gateway: self.gateway.cpu()?,
            load: cpu::used(std::process::id())?,
        })
    }

    /// Messages that the twin has taken.
    async fn arrived(&self) -> Result<u64, Failed> {
        let counts = self.control.get("/_twin/received?summary=1").await?.value()?;
        Ok(counts["total"].as_u64().unwrap_or_default())
    }

    async fn measured(&self, way: &Way, target: &Target, args: &Bench) -> Result<Case, Failed> {
        let load = Load::warmed(target, warming(args)).await?;
        let (before, arrived) = (self.cpu(), self.arrived().await?);
        let tally = load.measured(Duration::from_secs(args.seconds)).await;
        let spent = self.cpu().zip(before).map(|(after, before)| after - before);
        let arrived = self.arrived().await? - arrived;
        Ok(Case::of(way, args, tally, spent).arrived(arrived))
    }

    /// The queue has two rates: what it takes, and what it has settled when it is empty again.
    async fn queued(&self, target: &Target, args: &Bench) -> Result<[Case; 2], Failed> {
        let load = Load::warmed(target, warming(args)).await?;
        self.drained().await?;
        let (before, arrived, begun) = (self.cpu(), self.arrived().await?, Instant::now());
        let tally = load.measured(Duration::from_secs(args.seconds)).await;
        let taking = self.cpu().zip(before).map(|(after, before)| after - before);
        self.drained().await?;
        let took = begun.elapsed();
        let spent = self.cpu().zip(before).map(|(after, before)| after - before);
        let arrived = self.arrived().await? - arrived;
        let settled = Tally { good: arrived / args.messages, took, ..Tally::default() };
        Ok([
            Case::of(&report::TAKEN, args, tally, taking).arrived(arrived),
            Case::of(&report::SETTLED, args, settled, spent).arrived(arrived),
        ])
    }

    /// Waits until no batch is under way.
    async fn drained(&self) -> Result<(), Failed> {
        let begun = Instant::now();
        while begun.elapsed() < DRAINING {
            let mut under_way = false;
            for state in ["queued", "sending"] {
                let page = self.api.get(&format!("/v1/batches?state={state}&limit=1")).await?.value()?;
                under_way |= page["batches"].as_array().is_some_and(|batches| !batches.is_empty());
            }
            if !under_way {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Failed::new(format!("the queue is not empty after {} s", DRAINING.as_secs())).partly())
    }
}

fn warming(args: &Bench) -> Duration {
    Duration::from_millis(args.seconds.saturating_mul(100).min(1000))
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

fn bodies(args: &Bench, of: fn(u64, u64) -> Value) -> Vec<Bytes> {
    (0..args.connections).map(|connection| Bytes::from(of(connection, args.messages).to_string())).collect()
}

/// What Interline and the forwarder take.
fn api_body(connection: u64, messages: u64) -> Value {
    let message = |number| json!({"id": format!("m{number}"), "to": format!("user:u{connection}-{number}")});
    let messages: Vec<Value> = (0..messages).map(message).collect();
    json!({"from": "shop", "content": {"type": "text", "text": TEXT}, "messages": messages})
}

/// What the vendor takes.
fn vendor_body(connection: u64, messages: u64) -> Value {
    let payload = STANDARD.encode(json!({"type": 1, "content": TEXT}).to_string());
    let message = |number| {
        json!({
            "header": {"no_persist": 0, "red_dot": 1, "sync_once": 0}, "from_uid": "shop",
            "channel_id": format!("u{connection}-{number}"), "channel_type": 1,
            "client_msg_no": format!("m{number}"), "payload": payload,
        })
    };
    (0..messages).map(message).collect()
}

fn config_text(ledger: &str, twin: &str, connections: u64) -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:0"
auth = "off"

[ledger]
url = "sqlite:{ledger}"

[providers.wk]
vendor = "wukongim"
base_url = "{twin}"
dialect = "published"

[providers.wk.limits]
in_flight = {connections}
timeout = "30s"

[[routes]]
name = "all"
provider = "wk"
"#
    )
}
