//! Reads `expect` of a test: what has to come of it. What is not given is not looked at.

use std::collections::BTreeMap;

use figment::value::{Num, Value};

use super::cases::{codes, list, statuses};
use super::file::Table;

/// What has to come of a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Who has the messages in the end.
    pub provider: Option<Spread>,
    /// The routes that take them.
    pub route: Option<Spread>,
    /// Where they stand in the end.
    pub status: Option<Spread>,
    /// Why they were not accepted.
    pub error: Option<Spread>,
    /// Who can stand in, in order.
    pub fallback: Option<Vec<String>>,
    /// Who was to have each of them, in order.
    pub tried: Option<Vec<String>>,
    /// What each of them loses, in any order.
    pub losses: Option<Vec<String>>,
    /// Vendor calls that reach a server.
    pub calls: Option<u64>,
    /// The most of them.
    pub calls_at_most: Option<u64>,
    /// By when all is settled.
    pub seconds_at_most: Option<f64>,
    /// How long the limits must hold it up.
    pub seconds_at_least: Option<f64>,
}

/// What has to hold of all messages together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// The same for each.
    Each(String),
    /// One of these for each.
    OneOf(Vec<String>),
    /// So many of each, and none of anything else.
    Counts(BTreeMap<String, u64>),
}

impl Spread {
    /// The words in it.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let (one, several, counts) = match self {
            Self::Each(word) => (Some(word), None, None),
            Self::OneOf(words) => (None, Some(words), None),
            Self::Counts(counts) => (None, None, Some(counts)),
        };
        let counted = counts.into_iter().flat_map(BTreeMap::keys);
        one.into_iter().chain(several.into_iter().flatten()).chain(counted).map(String::as_str)
    }
}

/// Reads what a test expects; an expectation of nothing is wrong.
pub(super) fn expect(test: &Table<'_>) -> Option<Expect> {
    let Some(table) = test.table("expect") else {
        if test.get("expect").is_none() {
            test.wrong("expect", "required, but not given: write expect = { provider = … }");
        }
        return None;
    };
    let expect = Expect {
        provider: spread(&table, "provider", None),
        route: spread(&table, "route", None),
        status: spread(&table, "status", Some(&statuses())),
        error: spread(&table, "error", Some(&codes())),
        fallback: list(&table, "fallback"),
        tried: list(&table, "tried"),
        losses: list(&table, "losses"),
        calls: table.whole("calls", 0..=u64::from(u32::MAX)),
        calls_at_most: table.whole("calls_at_most", 0..=u64::from(u32::MAX)),
        seconds_at_most: seconds(&table, "seconds_at_most"),
        seconds_at_least: seconds(&table, "seconds_at_least"),
    };
    let empty = table.keys().next().is_none();
    table.done();
    if empty {
        test.wrong("expect", "is empty: a test that expects nothing tells nothing");
        return None;
    }
    Some(expect)
}

fn spread(table: &Table<'_>, key: &str, allowed: Option<&[&str]>) -> Option<Spread> {
    let spread = match table.get(key)? {
        Value::Dict(..) => {
            let counts = table.table(key)?;
            let of = |word: &str| Some((word.to_owned(), counts.whole(word, 0..=u64::from(u32::MAX))?));
            Spread::Counts(counts.keys().filter_map(of).collect())
        }
        Value::Array(..) => Spread::OneOf(table.words(key)?),
        Value::String(..) => Spread::Each(table.string(key)?),
        _ => {
            let detail = "expected a name, a list of names of which one holds, or { NAME = COUNT, … }";
            table.wrong(key, detail);
            return None;
        }
    };
    if let Some(allowed) = allowed
        && let Some(odd) = spread.words().find(|word| !allowed.contains(word))
    {
        table.wrong(key, format!("{odd:?} is not allowed; allowed: {}", allowed.join(", ")));
    }
    Some(spread)
}

fn seconds(table: &Table<'_>, key: &str) -> Option<f64> {
    let number = match table.get(key)? {
        Value::Num(_, Num::F64(number)) => Some(*number),
        Value::Num(_, Num::F32(number)) => Some(f64::from(*number)),
        Value::Num(_, number) => {
            let whole = number.to_i128().or_else(|| number.to_u128().and_then(|whole| whole.try_into().ok()));
            whole.and_then(|whole| u32::try_from(whole).ok()).map(f64::from)
        }
        _ => None,
    };
    let number = number.filter(|number| number.is_finite() && *number >= 0.0);
    if number.is_none() {
        table.wrong(key, "expected a number of seconds, like 2 or 0.5, without quotes");
    }
    number
}
