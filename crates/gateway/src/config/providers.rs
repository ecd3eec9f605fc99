//! Reads `[providers.NAME]`: what all providers have in common, then the vendor's own keys, which are
//! handed to the vendor to be checked. The vendor's profile says which quota classes may be limited.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use figment::value::Value;
use interline_core::adapter::{Settings, Vendor};
use interline_core::error::FieldError;
use interline_core::ids::Ids;
use interline_core::profile::{Profile, Rate};
use interline_engine::ClassLimits;
use serde_json::Value as Json;

use super::file::{NAMES, Table, is_name};
use super::{Looks, ids, secrets};

/// An account at a vendor, as the configuration gives it.
#[derive(Clone)]
pub struct Provider {
    /// Its name.
    pub name: Arc<str>,
    /// The vendor.
    pub vendor: &'static Vendor,
    /// Where its server is, without a trailing slash.
    pub base_url: String,
    /// The dialect; none is `auto`.
    pub dialect: Option<String>,
    /// The vendor's own keys.
    pub(super) settings: BTreeMap<String, Setting>,
    /// Calls under way at once.
    pub in_flight: Option<usize>,
    /// How long a call may take.
    pub timeout: Option<Duration>,
    /// Limits by quota class.
    pub limits: BTreeMap<String, ClassLimits>,
    /// How ids of apps become ids there.
    pub ids: Ids,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("vendor", &self.vendor.name)
            .field("base_url", &self.base_url)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// One of the vendor's own keys.
#[derive(Clone)]
pub(super) struct Setting {
    /// As it stands.
    pub(super) written: Json,
    /// What it stands for, or why that is missing.
    pub(super) value: Result<Json, String>,
    /// The file or variable it stands in.
    pub(super) origin: String,
    /// Whether it is text only because the environment knows nothing else.
    untyped: bool,
}

impl Provider {
    /// The same with something in the place of each secret that is missing: enough to decide with, where
    /// nothing is sent.
    pub(super) fn without_secrets(&self) -> Self {
        let mut provider = self.clone();
        for setting in provider.settings.values_mut().filter(|setting| setting.value.is_err()) {
            setting.value = Ok("missing".into());
        }
        provider
    }

    /// The vendor's settings, secrets looked up.
    ///
    /// # Errors
    /// The keys whose value is missing, each with the reason and where it stands.
    pub(super) fn resolved(&self) -> Result<Settings, Vec<(String, String, String)>> {
        let mut missing = Vec::new();
        let mut settings = Settings::new();
        for (key, setting) in &self.settings {
            match &setting.value {
                Ok(value) => drop(settings.insert(key.clone(), value.clone())),
                Err(why) => missing.push((setting.origin.clone(), key.clone(), why.clone())),
            }
        }
        if missing.is_empty() { Ok(settings) } else { Err(missing) }
    }
}

const FOREVER: Duration = Duration::from_secs(10 * 60);

/// Providers that go away, and who gets what waits for them.
pub(super) type Drains = BTreeMap<Arc<str>, Arc<str>>;

/// Reads all providers. A provider that cannot be read is left out, its errors noted. One that has nothing but
/// `drain_to` is gone already.
pub(super) fn providers(
    root: &Table<'_>,
    vendors: &[&'static Vendor],
    files: &mut Looks,
) -> (Vec<Provider>, Drains) {
    let mut drains = Drains::new();
    let Some(table) = root.table("providers") else {
        if root.get("providers").is_none() {
            root.wrong("providers", "required, but not given: name at least one provider");
        }
        return (Vec::new(), drains);
    };
    let mut found = Vec::new();
    for name in table.keys() {
        if !is_name(name) {
            table.wrong(name, format!("is no name for a provider; {NAMES}"));
        }
        let Some(one) = table.table(name) else { continue };
        if let Some(to) = one.string("drain_to") {
            if !table.keys().any(|other| other == to) {
                let names: Vec<&str> = table.keys().collect();
                let detail = format!("there is no provider {to:?}; there are: {}", names.join(", "));
                one.wrong("drain_to", detail);
            }
            drains.insert(name.into(), to.into());
            if one.keys().count() == 1 {
                one.done();
                continue;
            }
        }
        found.extend(provider(name, one, vendors, files));
    }
    check_drains(&table, &drains);
    (found, drains)
}

/// What is drained has to arrive somewhere.
fn check_drains(table: &Table<'_>, drains: &Drains) {
    for (name, to) in drains {
        let mut end = to;
        for _ in 0..drains.len() {
            let Some(next) = drains.get(end) else { break };
            end = next;
        }
        if let Some(one) = table.table(name).filter(|_| drains.contains_key(end)) {
            one.wrong("drain_to", "leads in a circle; name a provider that stays");
        }
    }
}

fn provider(
    name: &str,
    table: Table<'_>,
    vendors: &[&'static Vendor],
    files: &mut Looks,
) -> Option<Provider> {
    let known: Vec<(&str, &'static Vendor)> = vendors.iter().map(|vendor| (vendor.name, *vendor)).collect();
    if table.get("vendor").is_none() {
        let names: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        table.wrong("vendor", format!("required, but not given; allowed: {}", names.join(", ")));
    }
    let vendor = table.one_of("vendor", &known);
    let base_url = table.required("base_url").and_then(|text| base_url(&table, &text));
    // Without its vendor nothing can be said of the other keys.
    let vendor = vendor?;
    let mut dialects = vec![("auto", None)];
    dialects.extend(vendor.dialects.iter().map(|dialect| (*dialect, Some(*dialect))));
    let dialect = table.one_of("dialect", &dialects).flatten();
    // Read with all the others.
    table.get("drain_to");
    let ids = ids::ids(&table, files);
    let mut settings = BTreeMap::new();
    for key in vendor.settings {
        if let Some(value) = table.get(key) {
            settings.insert((*key).to_owned(), setting(&table, key, value));
        }
    }
    let assumed = dialect.or_else(|| vendor.dialects.first().copied()).unwrap_or_default();
    let profile = profile(&table, vendor, assumed, &mut settings);
    let (mut in_flight, mut timeout, mut limits) = (None, None, BTreeMap::new());
    if let Some(table) = table.table("limits") {
        in_flight = table.whole("in_flight", 1..=4_096);
        timeout = table.duration("timeout", Duration::from_millis(100)..=FOREVER);
        if let Some(profile) = &profile {
            for class in &profile.classes {
                if let Some(class_table) = table.table(class.name) {
                    limits.insert(class.name.to_owned(), class_limits(class_table));
                }
            }
            table.done();
        }
    }
    table.done();
    let dialect = dialect.map(str::to_owned);
    Some(Provider {
        name: name.into(),
        vendor,
        base_url: base_url?,
        dialect,
        settings,
        in_flight,
        timeout,
        limits,
        ids,
    })
}

fn base_url(table: &Table<'_>, text: &str) -> Option<String> {
    const WANTED: &str = "write http://HOST:PORT or https://HOST, with a path if the server has one";
    let text = text.trim_end_matches('/');
    let Ok(uri) = text.parse::<http::Uri>() else {
        table.wrong("base_url", format!("{text:?} is no URL; {WANTED}"));
        return None;
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        table.wrong(
            "base_url",
            format!("{text:?} does not begin with http:// or https:// and a host; {WANTED}"),
        );
        return None;
    }
    let credentials = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if uri.query().is_some() || credentials || text.contains('#') {
        table.wrong("base_url", format!("holds a query or credentials; {WANTED}"));
        return None;
    }
    Some(text.to_owned())
}

fn setting(table: &Table<'_>, key: &str, value: &Value) -> Setting {
    let source = table.source();
    let written = serde_json::to_value(value).unwrap_or(Json::Null);
    let found = match &written {
        // The one text of these that people choose freely and nobody hides.
        Json::String(text) if key != "default_sender" => secrets::look_up(text, source).map(Json::from),
        other => Ok(other.clone()),
    };
    let origin = source.origin(value.tag(), &table.path(key));
    Setting { written, value: found, origin, untyped: source.is_override(value.tag()) }
}

/// Lets the vendor check its settings. A missing secret is stood in for: it is told of when it is used.
fn profile(
    table: &Table<'_>,
    vendor: &'static Vendor,
    dialect: &str,
    settings: &mut BTreeMap<String, Setting>,
) -> Option<Profile> {
    let trial = |settings: &BTreeMap<String, Setting>| {
        let value = |setting: &Setting| setting.value.clone().unwrap_or_else(|_| "missing".into());
        let map = settings.iter().map(|(key, setting)| (key.clone(), value(setting))).collect();
        (vendor.build)(&map, dialect)
    };
    let errors = match trial(settings) {
        Ok(adapter) => return Some(adapter.profile().clone()),
        Err(errors) => errors,
    };
    for error in &errors {
        let typed = settings.get_mut(key_of(error)).filter(|setting| setting.untyped);
        let Some(setting) = typed else { continue };
        let parsed = setting.value.as_ref().ok().and_then(Json::as_str).map(serde_json::from_str::<Json>);
        if let Some(Ok(parsed @ (Json::Bool(_) | Json::Number(_)))) = parsed {
            setting.value = Ok(parsed);
        }
    }
    match trial(settings) {
        Ok(adapter) => Some(adapter.profile().clone()),
        Err(errors) => {
            for error in errors {
                table.wrong(key_of(&error), error.detail.clone());
            }
            None
        }
    }
}

fn key_of(error: &FieldError) -> &str {
    error.path.trim_start_matches('/')
}

fn class_limits(table: Table<'_>) -> ClassLimits {
    let limits = ClassLimits {
        calls: rate(&table, "calls_per_second", "calls_per_minute"),
        messages: rate(&table, "messages_per_second", "messages_per_minute"),
        per_recipient: table.whole("per_recipient_per_second", 1..=u32::MAX).map(Rate::per_second),
        messages_per_call: table.whole("messages_per_call", 1..=100_000),
    };
    table.done();
    limits
}

fn rate(table: &Table<'_>, second: &str, minute: &str) -> Option<Rate> {
    let per_second = table.whole(second, 1..=u32::MAX).map(Rate::per_second);
    let per_minute = table.whole(minute, 1..=u32::MAX).map(Rate::per_minute);
    if per_second.is_some() && per_minute.is_some() {
        table.wrong(minute, format!("stands beside {second}; give one of the two"));
    }
    per_second.or(per_minute)
}
