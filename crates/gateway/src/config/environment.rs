//! Overrides from `INTERLINE_…` variables, `__` between the levels. A value stays the text it is: a
//! secret of digits keeps its leading zeros, and whoever wants a number reads it as one. Names of the
//! file win over spelling: `WK_MAIN` means `wk-main` where the file has that.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::file::ConfigError;

/// The name under which values from here are known to figment.
pub(super) const NAME: &str = "environment variables";

/// What begins a variable of ours.
const PREFIX: &str = "INTERLINE_";

/// The top level of the configuration.
pub(super) const SECTIONS: [&str; 10] = [
    "server",
    "ledger",
    "console",
    "delivery",
    "log",
    "telemetry",
    "callbacks",
    "apps",
    "providers",
    "routes",
];

/// The environment as it stood when the configuration was read.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// Every variable.
    pub(super) all: BTreeMap<String, String>,
    /// The variable behind each dotted key.
    pub(super) names: BTreeMap<String, String>,
    odd: Vec<(String, String)>,
    dict: Dict,
}

impl Environment {
    /// Sorts out which variables override what in `file`.
    pub(super) fn over(file: &Dict, all: BTreeMap<String, String>) -> Self {
        let mut found = Self { all, names: BTreeMap::new(), odd: Vec::new(), dict: Dict::new() };
        let ours: Vec<(String, String)> = found
            .all
            .iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(PREFIX)?.to_owned(), text.clone())))
            .collect();
        for (name, text) in ours {
            found.take(file, &name, &text);
        }
        found
    }

    /// The variables that look like keys and are none, as errors.
    pub(super) fn odd_ones(&self) -> Vec<ConfigError> {
        let error = |(name, detail): &(String, String)| ConfigError {
            origin: name.clone(),
            key: String::new(),
            detail: detail.clone(),
        };
        self.odd.iter().map(error).collect()
    }

    fn take(&mut self, file: &Dict, name: &str, text: &str) {
        let levels: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
        let [section, ..] = levels.as_slice() else { return };
        if levels.len() == 1 {
            let list = matches!(section.as_str(), "facades" | "apps" | "routes");
            let looks = SECTIONS.iter().any(|key| section.starts_with(&format!("{key}_")));
            if looks {
                let detail = "no key; between the levels of a key stand two underscores, as in \
                              INTERLINE_SERVER__LISTEN";
                self.odd.push((format!("{PREFIX}{name}"), detail.to_owned()));
            }
            if !list {
                return;
            }
        }
        let mut place = Some(file);
        let mut path = Vec::with_capacity(levels.len());
        for level in &levels {
            let key = place.map_or_else(|| level.clone(), |dict| spelled(dict, level));
            place = place.and_then(|dict| dict.get(&key)).and_then(Value::as_dict);
            path.push(key);
        }
        self.names.insert(path.join("."), format!("{PREFIX}{name}"));
        insert(&mut self.dict, &path, value(text));
    }
}

/// The file's spelling of a level.
fn spelled(dict: &Dict, level: &str) -> String {
    let same = |key: &&String| key.replace('-', "_").eq_ignore_ascii_case(level);
    dict.keys().find(same).cloned().unwrap_or_else(|| level.to_owned())
}

/// Lists and tables are read as such, anything else is text.
fn value(text: &str) -> Value {
    if text.starts_with(['[', '{']) {
        return text.parse().unwrap_or_else(|_| Value::from(text));
    }
    Value::from(text)
}

fn insert(dict: &mut Dict, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        dict.insert(key.clone(), value);
        return;
    }
    let below = dict.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, below) = below {
        insert(below, rest, value);
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(NAME)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}
