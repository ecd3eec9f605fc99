//! Reads the merged configuration table by table. Every reader notes what is wrong and goes on, so that
//! one run tells all errors; each error names the file or the variable that the value came from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use figment::Figment;
use figment::value::{Dict, Num, Tag, Value};

use super::environment::{self, Environment};

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file or the environment variable that holds it.
    pub origin: String,
    /// The key, with dots between its levels; empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}: {}", self.origin, self.detail);
        }
        write!(f, "{}: {}: {}", self.origin, self.key, self.detail)
    }
}

/// Everything that is wrong with the configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    pub(crate) fn one(origin: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![ConfigError { origin: origin.into(), key: String::new(), detail: detail.into() }])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "error" } else { "errors" };
        write!(f, "cannot use the configuration ({} {plural})", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// The merged configuration, where each value came from, and what was found wrong so far.
pub(super) struct Source {
    figment: Figment,
    file: String,
    variables: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    errors: RefCell<Vec<ConfigError>>,
    nothing: Dict,
}

impl Source {
    pub(super) fn new(figment: Figment, file: String, environment: &Environment) -> Self {
        Self {
            figment,
            file,
            variables: environment.names.clone(),
            environment: environment.all.clone(),
            errors: RefCell::default(),
            nothing: Dict::new(),
        }
    }

    /// The file that was read.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// A variable of the environment as it stood when the configuration was read.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    pub(super) fn is_override(&self, tag: Tag) -> bool {
        self.figment.get_metadata(tag).is_some_and(|metadata| metadata.name == environment::NAME)
    }

    /// The file or the variable that holds the value at `key`.
    pub(super) fn origin(&self, tag: Tag, key: &str) -> String {
        if !self.is_override(tag) {
            return self.file.clone();
        }
        let holder = self.variables.iter().filter(|(prefix, _)| key.starts_with(prefix.as_str()));
        let holder = holder.max_by_key(|(prefix, _)| prefix.len());
        let below = || self.variables.iter().find(|(name, _)| name.starts_with(key));
        holder.or_else(below).map_or_else(|| "environment".to_owned(), |(_, name)| name.clone())
    }

    pub(super) fn add(&self, tag: Tag, key: &str, detail: impl Into<String>) {
        let error = ConfigError { origin: self.origin(tag, key), key: key.to_owned(), detail: detail.into() };
        self.errors.borrow_mut().push(error);
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors.into_inner()
    }
}

/// A table of the configuration. Keys that nobody asked for are errors at [`Table::done`].
pub(super) struct Table<'s> {
    source: &'s Source,
    at: String,
    tag: Tag,
    dict: &'s Dict,
    asked: RefCell<Vec<String>>,
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "a switch",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

impl<'s> Table<'s> {
    pub(super) fn new(source: &'s Source, at: impl Into<String>, (tag, dict): (Tag, &'s Dict)) -> Self {
        Self { source, at: at.into(), tag, dict, asked: RefCell::default() }
    }

    pub(super) const fn source(&self) -> &'s Source {
        self.source
    }

    /// The dotted path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }

    /// All keys as they stand.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'s str> {
        self.dict.keys().map(String::as_str)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'s Value> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known == key) {
            asked.push(key.to_owned());
        }
        self.dict.get(key)
    }

    /// Notes an error at a key, or at the table itself where the key is not given.
    pub(super) fn wrong(&self, key: &str, detail: impl Into<String>) {
        let tag = self.dict.get(key).map_or(self.tag, Value::tag);
        self.source.add(tag, &self.path(key), detail);
    }

    fn expected(&self, key: &str, value: &Value, what: &str) {
        self.wrong(key, format!("expected {what}, found {}", kind(value)));
    }

    /// Notes every key that nobody asked for.
    pub(super) fn done(self) {
        let asked = self.asked.borrow();
        for key in self.dict.keys().filter(|key| !asked.contains(key)) {
            self.wrong(key, format!("unknown key; allowed here: {}", asked.join(", ")));
        }
    }

    pub(super) fn string(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Value::String(_, text) if text.is_empty() => {
                self.wrong(key, "is empty; give a value or leave the key out");
                None
            }
            Value::String(_, text) => Some(text.clone()),
            other => {
                self.expected(key, other, "a string in quotes");
                None
            }
        }
    }

    pub(super) fn required(&self, key: &str) -> Option<String> {
        if self.get(key).is_none() {
            self.wrong(key, "required, but not given");
        }
        self.string(key)
    }

    pub(super) fn whole<N>(&self, key: &str, allowed: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<u128> + PartialOrd + fmt::Display,
    {
        let value = self.get(key)?;
        let number = match value {
            Value::Num(_, Num::F32(_) | Num::F64(_)) => None,
            Value::Num(_, number) => number
                .to_u128()
                .or_else(|| number.to_i128().map(|whole| u128::try_from(whole).unwrap_or(u128::MAX))),
            Value::String(tag, text) if self.source.is_override(*tag) => text.replace('_', "").parse().ok(),
            _ => None,
        };
        let range = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        let Some(number) = number else {
            self.expected(key, value, &format!("{range}, without quotes"));
            return None;
        };
        let number = N::try_from(number).ok().filter(|number| allowed.contains(number));
        if number.is_none() {
            self.wrong(key, format!("out of range; allowed is {range}"));
        }
        number
    }

    /// A number that may have a fraction.
    pub(super) fn number(&self, key: &str, allowed: RangeInclusive<f64>) -> Option<f64> {
        let value = self.get(key)?;
        let number = match value {
            Value::Num(_, number) => {
                let unsigned = number.to_u128().and_then(|whole| i128::try_from(whole).ok());
                let whole = unsigned.or_else(|| number.to_i128());
                // What is far out of every range is so to either side.
                let whole =
                    whole.map(|whole| f64::from(whole.clamp(i32::MIN.into(), i32::MAX.into()) as i32));
                number.to_f64().or(whole)
            }
            Value::String(tag, text) if self.source.is_override(*tag) => text.parse().ok(),
            _ => None,
        };
        let range = format!("a number from {} to {}", allowed.start(), allowed.end());
        let Some(number) = number else {
            self.expected(key, value, &format!("{range}, without quotes"));
            return None;
        };
        let within = allowed.contains(&number);
        if !within {
            self.wrong(key, format!("out of range; allowed is {range}"));
        }
        within.then_some(number)
    }

    pub(super) fn duration(&self, key: &str, allowed: RangeInclusive<Duration>) -> Option<Duration> {
        const EXAMPLES: &str = r#"a time with its unit, like "500ms", "10s", "5m", "24h" or "7d""#;
        let text = match self.get(key)? {
            Value::String(_, text) => text,
            other => {
                self.expected(key, other, EXAMPLES);
                return None;
            }
        };
        let Ok(found) = humantime::parse_duration(text) else {
            self.wrong(key, format!("{text:?} is no time; write {EXAMPLES}"));
            return None;
        };
        if allowed.contains(&found) {
            return Some(found);
        }
        let from = humantime::format_duration(*allowed.start());
        let to = humantime::format_duration(*allowed.end());
        self.wrong(key, format!("{text:?} is out of range; allowed is {from} to {to}"));
        None
    }

    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let switch = match value {
            Value::Bool(_, switch) => Some(*switch),
            Value::String(tag, text) if self.source.is_override(*tag) => text.parse().ok(),
            _ => None,
        };
        if switch.is_none() {
            self.expected(key, value, "true or false, without quotes");
        }
        switch
    }

    pub(super) fn one_of<T: Copy>(&self, key: &str, allowed: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let found = allowed.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<_> = allowed.iter().map(|(word, _)| *word).collect();
            self.wrong(key, format!("{text:?} is not allowed; allowed: {}", words.join(", ")));
        }
        found
    }

    /// One string or a list of them; an empty list is wrong.
    pub(super) fn words(&self, key: &str) -> Option<Vec<String>> {
        let items = match self.get(key)? {
            Value::String(_, text) => return Some(vec![text.clone()]),
            Value::Array(_, items) => items,
            other => {
                self.expected(key, other, "a string or a list of strings");
                return None;
            }
        };
        if items.is_empty() {
            self.wrong(key, "is an empty list; leave the key out or name something");
        }
        let mut words = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::String(_, text) => words.push(text.clone()),
                other => self.expected(key, other, "strings in the list"),
            }
        }
        Some(words)
    }

    pub(super) fn table(&self, key: &str) -> Option<Self> {
        match self.get(key)? {
            Value::Dict(tag, dict) => Some(Table::new(self.source, self.path(key), (*tag, dict))),
            other => {
                self.expected(key, other, "a table");
                None
            }
        }
    }

    /// The table of a key that is not given: every reader finds nothing in it.
    pub(super) fn absent(&self, key: &str) -> Self {
        Table::new(self.source, self.path(key), (self.tag, &self.source.nothing))
    }

    /// A list of tables, as `[[key]]` writes it.
    pub(super) fn tables(&self, key: &str) -> Vec<Self> {
        let items = match self.get(key) {
            None => return Vec::new(),
            Some(Value::Array(_, items)) => items,
            Some(other) => {
                self.expected(key, other, &format!("tables: write [[{}]]", self.path(key)));
                return Vec::new();
            }
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = format!("{}[{index}]", self.path(key));
            match item {
                Value::Dict(tag, dict) => tables.push(Table::new(self.source, at, (*tag, dict))),
                other => {
                    self.source.add(other.tag(), &at, format!("expected a table, found {}", kind(other)))
                }
            }
        }
        tables
    }
}

/// Whether a name can stand in metrics, headers and variables.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(allowed)
}

/// What [`is_name`] allows, in words.
pub const NAMES: &str = "allowed are 1 to 64 of the characters a-z, A-Z, 0-9, -, _ and .";
