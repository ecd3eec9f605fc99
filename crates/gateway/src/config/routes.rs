//! Reads `[[routes]]`: names, conditions and targets. What a route names must exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use interline_core::content::CONTENT_TYPES;
use interline_core::options::{Guarantee, OnLoss};
use interline_core::route::{Between, Route, Target, When, Window, Words};
use jiff::tz::TimeZone;

use super::file::{NAMES, Table, is_name};

/// The words for losses.
pub(super) const LOSSES: [(&str, OnLoss); 2] = [("degrade", OnLoss::Degrade), ("reject", OnLoss::Reject)];

/// The words for guarantees.
pub(super) const GUARANTEES: [(&str, Guarantee); 2] =
    [("at_most_once", Guarantee::AtMostOnce), ("at_least_once", Guarantee::AtLeastOnce)];

const KINDS: [&str; 4] = ["user", "group", "room", "everyone"];

/// What routes may name.
pub(super) struct Known<'k> {
    /// Providers, also those that were found wrong.
    pub(super) providers: Vec<&'k str>,
    /// Apps.
    pub(super) apps: Vec<&'k str>,
}

/// Reads all routes in order.
pub(super) fn routes(root: &Table<'_>, known: &Known<'_>) -> Vec<Route> {
    if root.get("routes").is_none() {
        root.wrong("routes", "required, but not given: write at least one [[routes]] with a provider");
    }
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for table in root.tables("routes") {
        let name = table.required("name");
        if let Some(name) = &name {
            if !is_name(name) {
                table.wrong("name", format!("{name:?} is no name for a route; {NAMES}"));
            }
            if !names.insert(name.clone()) {
                table.wrong("name", format!("{name:?} is the name of a route before it; names are unique"));
            }
        }
        let when = table.table("when").map(|when| conditions(when, known)).unwrap_or_default();
        let target = target(&table, known);
        let fallback = fallback(&table, target.as_ref(), known);
        let on_loss = table.one_of("on_loss", &LOSSES);
        let guarantee = table.one_of("guarantee", &GUARANTEES);
        table.done();
        if let (Some(name), Some(target)) = (name, target) {
            found.push(Route { name: name.into(), when, target, fallback, on_loss, guarantee });
        }
    }
    found
}

fn target(table: &Table<'_>, known: &Known<'_>) -> Option<Target> {
    let provider = table.string("provider");
    let split = table.table("split");
    match (provider, split) {
        (Some(provider), None) => {
            exists(table, "provider", &provider, known);
            Some(Target::Provider(provider.into()))
        }
        (None, Some(split)) => shares(table, &split, known).map(Target::Split),
        (Some(_), Some(_)) => {
            table.wrong("split", "stands beside provider; give one of the two");
            None
        }
        (None, None) => {
            if table.get("provider").is_none() && table.get("split").is_none() {
                table.wrong("provider", "required, but not given: name a provider, or several in split");
            }
            None
        }
    }
}

fn shares(table: &Table<'_>, split: &Table<'_>, known: &Known<'_>) -> Option<Vec<(Arc<str>, u32)>> {
    let mut shares = Vec::new();
    for provider in split.keys() {
        exists(split, provider, provider, known);
        if let Some(weight) = split.whole(provider, 1..=1_000_000_u32) {
            shares.push((provider.into(), weight));
        }
    }
    if split.keys().next().is_none() {
        table.wrong("split", "names no provider; write { NAME = WEIGHT, … }");
    }
    (!shares.is_empty()).then_some(shares)
}

fn fallback(table: &Table<'_>, target: Option<&Target>, known: &Known<'_>) -> Option<Arc<[Arc<str>]>> {
    let providers = table.words("fallback")?;
    for provider in &providers {
        exists(table, "fallback", provider, known);
        // Of a split, another share may well stand in for the one that is down.
        if matches!(target, Some(Target::Provider(first)) if **first == **provider) {
            table.wrong("fallback", format!("{provider:?} is the route's provider already"));
        }
    }
    let mut unique = BTreeSet::new();
    if let Some(twice) = providers.iter().find(|provider| !unique.insert(provider.as_str())) {
        table.wrong("fallback", format!("names {twice:?} twice"));
    }
    (!providers.is_empty()).then(|| providers.into_iter().map(Arc::from).collect())
}

fn exists(table: &Table<'_>, key: &str, provider: &str, known: &Known<'_>) {
    if !known.providers.contains(&provider) {
        let detail = format!("there is no provider {provider:?}; there are: {}", known.providers.join(", "));
        table.wrong(key, detail);
    }
}

fn conditions(table: Table<'_>, known: &Known<'_>) -> When {
    let words = |key: &str, allowed: &[&str]| {
        let words = table.words(key).unwrap_or_default();
        for word in words.iter().filter(|word| !allowed.contains(&word.as_str())) {
            table.wrong(key, format!("{word:?} is not allowed; allowed: {}", allowed.join(", ")));
        }
        Words(words)
    };
    let patterns = |key: &str| Words(table.words(key).unwrap_or_default());
    let label = table.table("label").map(labels).unwrap_or_default();
    let when = When {
        to: words("to", &KINDS),
        id: patterns("id"),
        from: patterns("from"),
        app: words("app", &known.apps),
        content: words("content", &CONTENT_TYPES),
        label,
        between: windows(&table),
        not: table.table("not").map(|not| {
            if not.keys().next().is_none() {
                table.wrong("not", "is empty: it always holds, so the route would take nothing");
            }
            Box::new(conditions(not, known))
        }),
    };
    table.done();
    when
}

fn windows(table: &Table<'_>) -> Between {
    let zone = |name: &str| TimeZone::get(name).ok();
    let read = |text: String| Window::read(&text, zone).map_err(|why| table.wrong("between", why)).ok();
    Between(table.words("between").unwrap_or_default().into_iter().filter_map(read).collect())
}

fn labels(table: Table<'_>) -> BTreeMap<String, Words> {
    let labels = table.keys().map(|key| (key.to_owned(), Words(table.words(key).unwrap_or_default())));
    labels.collect()
}

/// Whether the route takes every message.
pub(super) fn takes_all(when: &When) -> bool {
    let words = [&when.to, &when.id, &when.from, &when.app, &when.content];
    words.iter().all(|words| words.0.is_empty())
        && when.label.is_empty()
        && when.between.0.is_empty()
        && when.not.is_none()
}
