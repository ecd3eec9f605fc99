//! Reads `[migrations.NAME]`: which route, from whom to whom, and when to go back by itself. What a migration
//! names must exist and fit together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use interline_core::migration::{Cohort, Gates};
use interline_core::route::Route;
use interline_engine::MigrationSettings;

use super::file::{NAMES, Table, is_name};

/// Answers below which gates judge nothing, unless configured.
const MIN_MESSAGES: u64 = 100;

/// Reads all migrations, in the order of their names.
pub(super) fn migrations(root: &Table<'_>, routes: &[Route], providers: &[&str]) -> Vec<MigrationSettings> {
    if root.get("migrations").is_none() {
        return Vec::new();
    }
    let Some(all) = root.table("migrations") else { return Vec::new() };
    let mut of_route: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for name in all.keys() {
        let Some(table) = all.table(name) else { continue };
        if !is_name(name) {
            table.wrong("", format!("{name:?} is no name for a migration; {NAMES}"));
        }
        let (route, from, to) = (table.required("route"), table.required("from"), table.required("to"));
        leads(&table, routes, providers, (route.as_deref(), from.as_deref(), to.as_deref()));
        if let Some(other) = route.as_ref().and_then(|route| of_route.insert(route.clone(), name.to_owned()))
        {
            table.wrong(
                "route",
                format!("the migration {other} moves this route already; of each there is one"),
            );
        }
        let gates = gates(&table);
        let cohort = table.string("cohort").map(|name| beside(&table, &name));
        table.done();
        if let (Some(route), Some(from), Some(to)) = (route, from, to) {
            found.push(MigrationSettings {
                name: name.into(),
                route: route.into(),
                from: from.into(),
                to: to.into(),
                gates,
                cohort,
            });
        }
    }
    found
}

/// A file that the configuration names, beside it where it is named relatively.
fn beside(table: &Table<'_>, name: &str) -> PathBuf {
    Path::new(table.source().file()).parent().unwrap_or(Path::new("")).join(name)
}

type Ends<'t> = (Option<&'t str>, Option<&'t str>, Option<&'t str>);

fn leads(table: &Table<'_>, routes: &[Route], providers: &[&str], (route, from, to): Ends<'_>) {
    let known = route.and_then(|name| routes.iter().find(|route| *route.name == *name));
    if let (Some(name), None) = (route, known) {
        let names: Vec<&str> = routes.iter().map(|route| &*route.name).collect();
        table.wrong("route", format!("there is no route {name:?}; there are: {}", names.join(", ")));
    }
    for (key, name) in [("from", from), ("to", to)] {
        if let Some(name) = name.filter(|name| !providers.contains(name)) {
            table.wrong(key, format!("there is no provider {name:?}; there are: {}", providers.join(", ")));
        }
    }
    if let (Some(route), Some(from)) = (known, from)
        && !route.target.providers().any(|provider| **provider == *from)
    {
        let targets: Vec<&str> = route.target.providers().map(|provider| &**provider).collect();
        table.wrong(
            "from",
            format!("the route {} does not lead to {from:?} but to {}", route.name, targets.join(", ")),
        );
    }
    if to.is_some() && from == to {
        table.wrong("to", "is the provider that the messages are at already; name another one");
    }
}

fn gates(migration: &Table<'_>) -> Gates {
    if migration.get("gates").is_none() {
        return Gates { min_messages: MIN_MESSAGES, ..Gates::default() };
    }
    let Some(table) = migration.table("gates") else { return Gates::default() };
    let gates = Gates {
        rejected_percent: table.number("rejected_percent", 0.0..=100.0),
        unknown_percent: table.number("unknown_percent", 0.0..=100.0),
        p95: table.duration("p95", Duration::from_millis(1)..=Duration::from_secs(600)),
        min_messages: table.whole("min_messages", 1..=1_000_000_000).unwrap_or(MIN_MESSAGES),
    };
    table.done();
    gates
}

/// What is wrong with the cohorts: their files are read when a server starts, which may be elsewhere.
pub(super) fn odd(migrations: &[MigrationSettings]) -> Vec<String> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Cohort::read(&text)).err()
    };
    let odd = migrations.iter().filter_map(|migration| {
        let path = migration.cohort.as_ref()?;
        let why = read(path)?;
        Some(format!(
            "migrations.{}.cohort: {}: {why}; a server does not start without it",
            migration.name,
            path.display()
        ))
    });
    odd.collect()
}
