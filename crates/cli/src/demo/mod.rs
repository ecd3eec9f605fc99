//! `interline demo`: four emulated vendors, the gateway, and one batch that reaches all of them.
//!
//! Everything is on loopback and in a temporary directory; the batch goes through the same HTTP API
//! that an app uses, and the twins' own counts stand beside the results.

mod scenario;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use interline_gateway::{Server, config};
use interline_twins::{Twins, TwinsConfig, Vendor};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::api::{BatchAnswer, ResultAnswer, ResultPage};
use crate::args::{Common, Demo};
use crate::client::Client;
use crate::output::{BAD, BOLD, DIM, Failed, GOOD, LINK, ODD, count, json as print_json, line, note, paint};
use crate::serve;
use table::Share;

/// How long the batch may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the gateway may take to stop; its ledger is thrown away anyway.
const LEAVING: Duration = Duration::from_secs(1);
const GATEWAY: &str = "127.0.0.1:8400";

/// What runs while the demo is up.
struct Stage {
    twins: Twins,
    url: String,
    client: Client,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
    _directory: TempDir,
}

/// What came of the batch.
struct Played {
    batch: BatchAnswer,
    results: Vec<ResultAnswer>,
    shares: Vec<Share>,
    odd: Vec<String>,
}

/// Runs the verb.
pub(crate) async fn run(args: &Demo, common: &Common) -> Result<ExitCode, Failed> {
    let stage = raised().await?;
    if !common.json {
        opening(&stage);
    }
    let played = play(&stage).await?;
    if common.json {
        print_json(
            &json!({"batch": played.batch.id, "counts": played.batch.counts, "deviations": played.odd,
            "server": stage.url}),
        )?;
    } else {
        closing(&played);
    }
    for odd in &played.odd {
        note(format!("{} not as the scenario says: {odd}", paint(BAD, "✗")));
    }
    if !args.once {
        what_next(&stage.url, &played.batch.id);
        serve::interrupted().await;
    }
    let Stage { twins, stop, serving, .. } = stage;
    stop.send(()).ok();
    tokio::time::timeout(LEAVING, serving).await.ok();
    twins.shutdown().await;
    Ok(ExitCode::from(u8::from(!played.odd.is_empty())))
}

/// Starts the twins and the gateway, on the usual ports where they are free.
async fn raised() -> Result<Stage, Failed> {
    let trouble = |what: &str, error: &dyn std::fmt::Display| Failed::new(format!("cannot {what}: {error}"));
    let speaking = |config: TwinsConfig| config.dialect(Vendor::WuKongIm, "published");
    let twins = match Twins::start(speaking(TwinsConfig::default())).await {
        Ok(twins) => twins,
        Err(_) => Twins::start(speaking(TwinsConfig::ephemeral()))
            .await
            .map_err(|error| trouble("start the twins", &error))?,
    };
    let (vendor, fault) = scenario::fault();
    twins.of(vendor).set_fault(fault);
    let directory = tempfile::tempdir().map_err(|error| trouble("make a temporary directory", &error))?;
    let ledger = directory.path().join("interline.db");
    let text = scenario::config(GATEWAY, &ledger.display().to_string(), |vendor| twins.of(vendor).url());
    let file = directory.path().join("config.toml");
    std::fs::write(&file, text).map_err(|error| trouble("write the demo's configuration", &error))?;
    let mut config = config::load_alone(&file).map_err(|errors| serve::wrong(&errors))?;
    let server = match serve::bound(config.clone(), false).await {
        Ok(server) => server,
        Err(_) => {
            config.server.listen.set_port(0);
            serve::bound(config, false).await?
        }
    };
    let url = format!("http://{}", server.local_addr());
    let client = Client::at(&url, None)?;
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(async move { served(server, stopped).await });
    Ok(Stage { twins, url, client, stop, serving, _directory: directory })
}

async fn served(server: Server, stopped: oneshot::Receiver<()>) {
    let stopped = async {
        stopped.await.ok();
    };
    server.run(stopped).await;
}

fn opening(stage: &Stage) {
    line("");
    line(format!("{}  one batch, four vendors, one kind of result", paint(BOLD, "interline demo")));
    line("");
    for twin in stage.twins.all() {
        let name = format!("{:<10}", twin.vendor().name());
        let url = paint(LINK, format!("{:<32}", twin.url()));
        line(format!("  {name} {url} {}", paint(DIM, format!("twin, speaks {}", twin.dialect()))));
    }
    line(format!("  {} {}", paint(BOLD, format!("{:<10}", "interline")), paint(LINK, &stage.url)));
    line("");
}

/// Sends the batch, draws what arrives, and compares the results with the scenario.
async fn play(stage: &Stage) -> Result<Played, Failed> {
    ready(stage).await?;
    let answer = stage.client.post("/v1/batches", scenario::batch().to_string()).await?;
    let taken: BatchAnswer = answer.read()?;
    let path = format!("/v1/batches/{}", taken.id);
    let mut bars = Bars::new();
    let begun = tokio::time::Instant::now();
    let batch = loop {
        bars.draw(&stage.twins);
        let batch: BatchAnswer = stage.client.get(&path).await?.read()?;
        if batch.is_over() {
            bars.draw(&stage.twins);
            break batch;
        }
        if begun.elapsed() > PATIENCE {
            return Err(
                Failed::new(format!("the batch is not settled after {} s", PATIENCE.as_secs())).partly()
            );
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    let page: ResultPage = stage.client.get(&format!("{path}/messages?limit=1000")).await?.read()?;
    let twins = &stage.twins;
    let counted = |vendor: Vendor| (twins.of(vendor).total(), twins.of(vendor).calls());
    let odd = scenario::deviations(&page.messages, counted);
    let shares = twins.all().map(|twin| Share {
        vendor: twin.vendor(),
        dialect: twin.dialect(),
        sent: scenario::messages_at(twin.vendor()),
        arrived: twin.total(),
        calls: twin.calls(),
    });
    Ok(Played { batch, results: page.messages, shares: shares.to_vec(), odd })
}

/// Waits a moment until the dialects are known, so that the picture is the same each time.
async fn ready(stage: &Stage) -> Result<(), Failed> {
    for _ in 0..100 {
        let providers = stage.client.get("/v1/providers").await?.value()?;
        let known = providers["providers"].as_array().is_some_and(|providers| {
            !providers.is_empty() && providers.iter().all(|one| !one["dialect"].is_null())
        });
        if known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A bar a vendor, on a terminal only.
struct Bars {
    all: indicatif::MultiProgress,
    bars: Vec<(Vendor, indicatif::ProgressBar)>,
}

impl Bars {
    fn new() -> Self {
        let all = indicatif::MultiProgress::new();
        let style = indicatif::ProgressStyle::with_template(
            "  {prefix:<9} {bar:40.cyan/dim} {pos:>3} of {len} arrived",
        )
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar())
        .progress_chars("━━╌");
        let bar = |vendor: Vendor| {
            let bar = indicatif::ProgressBar::new(scenario::messages_at(vendor)).with_style(style.clone());
            bar.set_prefix(vendor.name());
            (vendor, all.add(bar))
        };
        let bars = Vendor::ALL.into_iter().map(bar).collect();
        Self { all, bars }
    }

    fn draw(&mut self, twins: &Twins) {
        for (vendor, bar) in &self.bars {
            bar.set_position(twins.of(*vendor).total());
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for (_, bar) in &self.bars {
            bar.abandon();
        }
        drop(std::mem::take(&mut self.all));
    }
}

fn closing(played: &Played) {
    line("");
    table::folded(&played.results).show_narrow();
    line("");
    table::shares(&played.shares).show_narrow();
    line("");
    let calls: u64 = played.shares.iter().map(|share| share.calls).sum();
    let total = played.batch.counts.total;
    line(format!(
        "{} in {}, where one call for each would be {total}: {} saved.",
        paint(BOLD, count(total, "message")),
        paint(GOOD.bold(), count(calls, "vendor call")),
        count(total.saturating_sub(calls), "call"),
    ));
    let of = |id: &str| played.results.iter().find(|result| result.id == id);
    if let Some(refused) = of(scenario::REFUSED) {
        let vendor = refused.vendor.as_deref().unwrap_or_default();
        line(format!(
            "{} {}: {vendor} said no; its own code and words stand beside ours.",
            paint(BAD, "●"),
            refused.id
        ));
    }
    if let Some(lost) = of(scenario::LOST) {
        let vendor = lost.vendor.as_deref().unwrap_or_default();
        line(format!(
            "{} {}: {vendor} took the request and its answer got lost. Nobody can know, so it is unknown,\n  \
             and nothing is sent twice: the twin has it once.",
            paint(ODD, "●"),
            lost.id
        ));
    }
}

/// Addresses and commands that work as they stand, from here.
fn what_next(url: &str, batch: &str) {
    let command = command();
    line("");
    let places =
        [("console", "/console/"), ("API", "/v1/batches"), ("its page", "/docs"), ("metrics", "/metrics")];
    for (what, path) in places {
        line(format!("  {what:<9} {}", paint(LINK, format!("{url}{path}"))));
    }
    line("");
    line("Try, in another terminal:");
    line(format!("  {command} batch messages {batch} --status unknown --server {url}"));
    let example = "examples/welcome.json";
    if std::path::Path::new(example).is_file() {
        line(format!("  {command} plan {example} --server {url}"));
    } else {
        line(format!("  {command} batch list --server {url}"));
    }
    line(format!(
        "  curl -s {url}/v1/send -H 'content-type: application/json' \\\n    \
         -d '{{\"from\":\"shop\",\"messages\":[{{\"to\":\"user:alice\",\"content\":{{\"type\":\"text\",\"text\":\"hi\"}}}}]}}'"
    ));
    line("");
    line(paint(DIM, "Ctrl-C ends it; nothing is kept."));
}

/// How this program is called from here: by its name where the shell finds it, else by its path.
fn command() -> String {
    let Ok(program) = std::env::current_exe() else { return "interline".to_owned() };
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("interline") == program));
    if on_path {
        return "interline".to_owned();
    }
    let here = std::env::current_dir().ok();
    let near = here.as_deref().and_then(|here| program.strip_prefix(here).ok()).unwrap_or(&program);
    near.display().to_string()
}
