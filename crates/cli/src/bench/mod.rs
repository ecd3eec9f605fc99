//! `interline bench`: the same load four ways, in one run on one machine.
//!
//! Directly to the vendor's twin, through a plain forwarder, through `/v1/send`, through `/v1/batches`.
//! They take turns in short rounds, each round beginning with another of them, so that whatever else
//! the machine does falls on all alike. Twin, forwarder and gateway are processes of their own; their
//! processor time stands beside the rates. The numbers compare within one run and say nothing about another
//! machine.

mod case;
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

use crate::args::{Bench, Common};
use crate::client::Client;
use crate::output::{Failed, json as print_json, note};
use case::{Case, Round, Spent, Way};
use child::Running;
use load::{Load, Tally, Target};

const TEXT: &str = "Hi Alice, order 1700 has shipped";
/// How long each way is measured in a round.
const ROUND: Duration = Duration::from_millis(500);
/// How long it sends beforehand without being counted.
const WARMING: Duration = Duration::from_millis(100);
/// How long the queue may take to empty after the last batch was taken.
const DRAINING: Duration = Duration::from_secs(60);
/// How often a run tells how far it is, at most.
const TOLD: usize = 10;

/// Who takes part.
struct Field {
    twin: Running,
    forwarder: Running,
    gateway: Running,
    api: Client,
    control: Client,
    _directory: tempfile::TempDir,
}

/// A way to send, and the cases that are told of it.
struct Entrant {
    target: Target,
    /// One, or for the queue two: what it takes, and what it has settled when it is empty again.
    cases: Vec<Case>,
}

/// Runs the verb.
pub(crate) async fn run(args: &Bench, common: &Common) -> Result<ExitCode, Failed> {
    let field = Field::start(args).await?;
    let mut entrants = field.entrants(args);
    let rounds = rounds(args);
    for round in 0..rounds {
        if round % rounds.div_ceil(TOLD) == 0 {
            note(format!("round {} of {rounds} …", round + 1));
        }
        for turn in 0..entrants.len() {
            let place = (round + turn) % entrants.len();
            let entrant = &mut entrants[place];
            let came = match entrant.cases.len() {
                1 => vec![field.measured(&entrant.target).await?],
                _ => field.queued(&entrant.target, args).await?.into(),
            };
            for (case, round) in entrant.cases.iter_mut().zip(came) {
                case.add(round);
            }
        }
    }
    let cases: Vec<Case> = entrants.into_iter().flat_map(|entrant| entrant.cases).collect();
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
        let client = |url: &str| Client::at(url, None);
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

    /// In the order of the table; the forwarder is what the others are compared with.
    fn entrants(&self, args: &Bench) -> Vec<Entrant> {
        let same = bodies(args, api_body);
        let entrant = |server: &Running, path, bodies, ways: &[Way]| Entrant {
            target: Target { authority: authority(&server.url), path, bodies },
            cases: ways.iter().map(|way| Case::new(*way, args.messages)).collect(),
        };
        vec![
            entrant(&self.twin, "/message/sendbatch", bodies(args, vendor_body), &[case::DIRECT]),
            entrant(&self.forwarder, "/send", same.clone(), &[case::FORWARDER]),
            entrant(&self.gateway, "/v1/send?timeout=30", same.clone(), &[case::SEND]),
            entrant(&self.gateway, "/v1/batches", same, &[case::TAKEN, case::SETTLED]),
        ]
    }

    async fn measured(&self, target: &Target) -> Result<Round, Failed> {
        let load = Load::warmed(target, WARMING).await?;
        let (before, arrived) = (self.cpu(), self.arrived().await?);
        let tally = load.measured(ROUND).await;
        let spent = self.cpu().zip(before).map(|(after, before)| after - before);
        Ok(Round { tally, spent, arrived: self.arrived().await? - arrived })
    }

    /// The queue has two rates: what it takes, and what it has settled when it is empty again.
    async fn queued(&self, target: &Target, args: &Bench) -> Result<[Round; 2], Failed> {
        let load = Load::warmed(target, WARMING).await?;
        self.drained().await?;
        let (before, arrived, begun) = (self.cpu(), self.arrived().await?, Instant::now());
        let tally = load.measured(ROUND).await;
        let taking = self.cpu().zip(before).map(|(after, before)| after - before);
        self.drained().await?;
        let took = begun.elapsed();
        let spent = self.cpu().zip(before).map(|(after, before)| after - before);
        let arrived = self.arrived().await? - arrived;
        let settled = Tally { good: arrived / args.messages, took, ..Tally::default() };
        Ok([Round { tally, spent: taking, arrived }, Round { tally: settled, spent, arrived }])
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

/// How many rounds make the seconds that were asked for.
fn rounds(args: &Bench) -> usize {
    let rounds = Duration::from_secs(args.seconds).as_millis() / ROUND.as_millis();
    usize::try_from(rounds).unwrap_or(usize::MAX)
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
