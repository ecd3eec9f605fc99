//! What a shell is offered: names of the configuration, and batches that the server has. Whatever goes wrong
//! here offers nothing and says nothing: somebody is typing.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use interline_gateway::config::{self, Config};
use interline_twins::Vendor;

use crate::api::BatchPage;
use crate::args::Target;
use crate::client::Client;
use crate::output::{age, count, tame};

/// How long somebody who presses a key may be kept waiting.
const PATIENCE: Duration = Duration::from_millis(500);

/// The batches that the server had last.
pub(crate) fn batches(typed: &OsStr) -> Vec<CompletionCandidate> {
    let page = newest().unwrap_or(BatchPage { batches: Vec::new(), next_cursor: None });
    let now = jiff::Timestamp::now();
    let offered = page.batches.into_iter().map(|batch| {
        let age = batch.created_at.as_deref().map_or_else(String::new, |time| age(time, now));
        let help = format!("{}, {}, {age}", batch.state, count(batch.counts.total, "message"));
        (batch.id, Some(help))
    });
    matching(typed, offered.collect())
}

/// The providers of the configuration.
pub(crate) fn providers(typed: &OsStr) -> Vec<CompletionCandidate> {
    named(typed, |config| {
        config.providers.iter().map(|one| (one.name.to_string(), Some(one.vendor.name.to_owned()))).collect()
    })
}

/// The migrations of the configuration.
pub(crate) fn migrations(typed: &OsStr) -> Vec<CompletionCandidate> {
    named(typed, |config| config.migrations.iter().map(|one| (one.name.to_string(), None)).collect())
}

/// The apps of the configuration.
pub(crate) fn apps(typed: &OsStr) -> Vec<CompletionCandidate> {
    named(typed, |config| config.apps.iter().map(|one| (one.name.to_string(), None)).collect())
}

/// The tests of the configuration.
pub(crate) fn tests(typed: &OsStr) -> Vec<CompletionCandidate> {
    named(typed, |config| config.tests.iter().map(|one| (one.name.clone(), None)).collect())
}

/// What each twin can speak.
pub(crate) fn dialects(typed: &OsStr) -> Vec<CompletionCandidate> {
    let each = |vendor: Vendor| vendor.dialects().iter().map(move |dialect| format!("{vendor}={dialect}"));
    let all = Vendor::ALL.into_iter().flat_map(each).map(|choice| (choice, None));
    matching(typed, all.collect())
}

fn named(
    typed: &OsStr,
    names: impl Fn(&Config) -> Vec<(String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let file = option("--config").map(PathBuf::from);
    config::load(file.as_deref()).map_or_else(|_| Vec::new(), |config| matching(typed, names(&config)))
}

fn matching(typed: &OsStr, offered: Vec<(String, Option<String>)>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = offered.into_iter().filter(|(value, _)| value.starts_with(&*typed));
    fitting
        .map(|(value, help)| CompletionCandidate::new(value).help(help.map(|help| tame(&help).into())))
        .collect()
}

/// The value of an option in the line that is being typed.
fn option(name: &str) -> Option<String> {
    let words: Vec<String> = std::env::args().collect();
    words.iter().zip(words.iter().skip(1)).find_map(|(word, next)| {
        if word == name {
            return Some(next.clone());
        }
        word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    })
}

fn newest() -> Option<BatchPage> {
    let target = Target { server: option("--server"), key: option("--key") };
    let client = Client::new(&target).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let asked = async { tokio::time::timeout(PATIENCE, client.get("/v1/batches?limit=50")).await };
    runtime.block_on(asked).ok()?.ok()?.read().ok()
}
