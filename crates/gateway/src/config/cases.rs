//! Reads `[[tests]]`: what is sent, what goes wrong meanwhile, and what has to come of it. A key that nobody
//! knows is an error here; a provider or a route that nobody knows makes the test fail when it is run, so that
//! renaming one never keeps a server from starting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use figment::value::Value;
use interline_core::error::ErrorCode;
use interline_core::outcome::Status;
use interline_engine::{Caller, Fault, MOST_REHEARSED, Scene};
use serde_json::{Map, Value as Json, json};

use super::expect::{Expect, Spread, expect};
use super::file::Table;
use super::{App, OPEN_APP, Scope};

/// When a test is that does not say: 2026-01-01T12:00:00Z.
const NOON_MS: i64 = 1_767_268_800_000;

/// What a batch says once, as far as a test may say it.
const BATCH: [&str; 12] = [
    "from",
    "content",
    "options",
    "extensions",
    "vars",
    "labels",
    "route",
    "guarantee",
    "on_loss",
    "send_at",
    "expires_at",
    "ordered",
];

/// What a message says.
const MESSAGE: [&str; 13] = [
    "to",
    "from",
    "content",
    "options",
    "extensions",
    "vars",
    "labels",
    "guarantee",
    "on_loss",
    "expires_at",
    "id",
    "client_id",
    "text",
];

/// A test of the configuration.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name, for people.
    pub name: String,
    /// Where it stands in the file: `tests[0]`.
    pub at: String,
    /// What is played.
    pub scene: Scene,
    /// What has to come of it.
    pub expect: Expect,
}

/// What a name in a test stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A provider.
    Provider,
    /// A route.
    Route,
    /// An app.
    App,
}

impl Case {
    /// Every provider, route and app that the test names, each with its key.
    #[must_use]
    pub fn names(&self) -> Vec<(String, Named, &str)> {
        let mut names = vec![("app".to_owned(), Named::App, &*self.scene.caller.app)];
        for (name, fault) in &self.scene.faults {
            names.push((word(*fault).to_owned(), Named::Provider, name));
        }
        names.extend(self.scene.dialects.keys().map(|name| ("dialect".to_owned(), Named::Provider, &**name)));
        let expect = &self.expect;
        let of = |key: &str| format!("expect.{key}");
        let spreads =
            [("provider", Named::Provider, &expect.provider), ("route", Named::Route, &expect.route)];
        for (key, kind, spread) in spreads {
            names.extend(spread.iter().flat_map(Spread::words).map(|name| (of(key), kind, name)));
        }
        for (key, list) in [("fallback", &expect.fallback), ("tried", &expect.tried)] {
            let list = list.iter().flatten();
            names.extend(list.map(|name| (of(key), Named::Provider, name.as_str())));
        }
        names
    }
}

/// The key of a fault.
const fn word(fault: Fault) -> &'static str {
    match fault {
        Fault::Down => "down",
        Fault::Silent => "silent",
        Fault::Busy => "busy",
    }
}

/// Reads all tests in order; one that cannot be read is left out, its errors noted.
pub(super) fn cases(root: &Table<'_>, apps: &[App], open: bool) -> Vec<Case> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for (index, table) in root.tables("tests").into_iter().enumerate() {
        let name = table.required("name");
        if let Some(name) = name.as_ref().filter(|name| !names.insert((*name).clone())) {
            table.wrong("name", format!("{name:?} is the name of a test before it; names are unique"));
        }
        let caller = caller(&table, apps, open);
        let body = body(&table);
        let at_ms = time(&table).unwrap_or(NOON_MS);
        let hour = Duration::from_secs(60 * 60);
        let answers_in = table.duration("answers_in", Duration::ZERO..=hour).unwrap_or_default();
        let faults = faults(&table);
        let dialects = dialects(&table);
        let expect = expect(&table);
        table.done();
        if let (Some(name), Some(body), Some(expect)) = (name, body, expect) {
            let scene = Scene { caller, body, at_ms, answers_in, faults, dialects };
            found.push(Case { name, at: format!("tests[{index}]"), scene, expect });
        }
    }
    found
}

/// Who asks: whom the test names, else everybody's app, else the first of the file.
fn caller(table: &Table<'_>, apps: &[App], open: bool) -> Caller {
    let first = || if open { None } else { apps.first().map(|app| app.name.to_string()) };
    let name = table.string("app").or_else(first).unwrap_or_else(|| OPEN_APP.to_owned());
    let app = apps.iter().find(|app| *app.name == *name);
    let broadcast = app.is_none_or(|app| app.may.has(Scope::Broadcast));
    Caller { app: name.into(), broadcast }
}

/// The batch as the API takes it.
fn body(table: &Table<'_>) -> Option<String> {
    let mut head = match table.table("batch") {
        Some(batch) => members(batch, &BATCH),
        None => Map::new(),
    };
    let count = table.whole("count", 1..=MOST_REHEARSED as u64);
    let one = table.table("message");
    let several = table.tables("messages");
    let messages: Vec<Json> = match (one, several.is_empty()) {
        (Some(_), false) => {
            table.wrong("messages", "stands beside message; give one of the two");
            return None;
        }
        (Some(one), true) => copies(members(one, &MESSAGE), count.unwrap_or(1), &mut head),
        (None, false) => {
            if count.is_some() {
                table.wrong("count", "stands beside messages; it is for message");
            }
            several.into_iter().map(|one| members(one, &MESSAGE).into()).collect()
        }
        (None, true) => {
            if table.get("message").is_none() && table.get("messages").is_none() {
                table.wrong("message", "required, but not given: write message = { to = …, text = … }");
            }
            return None;
        }
    };
    head.insert("messages".to_owned(), messages.into());
    Some(Json::from(head).to_string())
}

/// So many of a message. They share its content, as the messages of a batch do.
fn copies(mut message: Map<String, Json>, count: u64, head: &mut Map<String, Json>) -> Vec<Json> {
    if !head.contains_key("content")
        && let Some(content) = message.remove("content")
    {
        head.insert("content".to_owned(), content);
    }
    let to = message.get("to").and_then(Json::as_str).map(str::to_owned);
    let numbered = |number: u64| {
        let mut copy = message.clone();
        if let Some(to) = &to {
            copy.insert("to".to_owned(), to.replace("{n}", &number.to_string()).into());
        }
        Json::from(copy)
    };
    (1..=count).map(numbered).collect()
}

/// A table as JSON, `text` for a text content written out.
fn members(table: Table<'_>, known: &[&str]) -> Map<String, Json> {
    let mut map = Map::new();
    for key in known {
        let Some(value) = table.get(key) else { continue };
        if *key != "text" {
            map.insert((*key).to_owned(), serde_json::to_value(value).unwrap_or(Json::Null));
        } else if map.contains_key("content") {
            table.wrong("text", "stands beside content; give one of the two");
        } else if let Some(text) = table.string("text") {
            map.insert("content".to_owned(), json!({"type": "text", "text": text}));
        }
    }
    table.done();
    map
}

fn time(table: &Table<'_>) -> Option<i64> {
    let text = table.string("at")?;
    let time = text.parse::<jiff::Timestamp>();
    if time.is_err() {
        table.wrong("at", format!("{text:?} is no time; write it like \"2026-12-01T22:00:00Z\""));
    }
    time.ok().map(jiff::Timestamp::as_millisecond)
}

fn faults(table: &Table<'_>) -> BTreeMap<Arc<str>, Fault> {
    let mut faults = BTreeMap::new();
    for fault in [Fault::Down, Fault::Silent, Fault::Busy] {
        for name in table.words(word(fault)).unwrap_or_default() {
            if let Some(before) = faults.insert(Arc::from(name.as_str()), fault) {
                table.wrong(word(fault), format!("{name:?} is {} already", word(before)));
            }
        }
    }
    faults
}

fn dialects(table: &Table<'_>) -> BTreeMap<Arc<str>, String> {
    let Some(dialects) = table.table("dialect") else { return BTreeMap::new() };
    let named = dialects.keys().filter_map(|name| Some((Arc::from(name), dialects.string(name)?)));
    named.collect()
}

/// The words that `expect.status` may hold.
pub(super) fn statuses() -> Vec<&'static str> {
    Status::ALL.into_iter().filter(|status| status.is_final()).map(Status::as_str).collect()
}

/// The words that `expect.error` may hold.
pub(super) fn codes() -> Vec<&'static str> {
    ErrorCode::ALL.into_iter().map(ErrorCode::as_str).collect()
}

/// A list of texts that may be empty.
pub(super) fn list(table: &Table<'_>, key: &str) -> Option<Vec<String>> {
    match table.get(key)? {
        Value::Array(_, items) if items.is_empty() => Some(Vec::new()),
        _ => table.words(key),
    }
}
