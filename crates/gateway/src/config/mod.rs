//! The configuration: `config.toml` under the overrides of the environment, read into types. Reading
//! tells every error at once; a secret that is missing is told when its provider is used.

mod apps;
mod callbacks;
mod cases;
#[cfg(test)]
mod change_tests;
mod check;
mod console;
mod environment;
mod expect;
#[cfg(test)]
mod facade_tests;
mod facades;
mod file;
mod ids;
mod lint;
mod migrations;
mod overlap;
mod providers;
mod routes;
mod secrets;
mod shown;
mod telemetry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Tag};
use figment::{Figment, Profile, Provider as _};
use interline_core::adapter::Vendor;
use interline_core::route::Route;
use interline_engine::{CallbackSettings, Delivery, MigrationSettings};

pub use apps::{App, Scope, Scopes};
pub use callbacks::CallbackSecret;
pub use cases::{Case, Named};
pub use console::Console;
pub use expect::{Expect, Spread};
pub use facades::{Facade, Mode};
pub use file::{ConfigError, ConfigErrors, NAMES, is_name};
pub use providers::Provider;
pub use telemetry::{Log, LogFormat, Telemetry};

use environment::Environment;
use file::{Source, Table};
use routes::{GUARANTEES, Known, LOSSES};

/// The app that everybody is when `server.auth` is `off`.
pub const OPEN_APP: &str = "default";

/// Everything the gateway is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// `[server]`
    pub server: Server,
    /// `[ledger]`
    pub ledger: LedgerSettings,
    /// `[console]`
    pub console: Console,
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[log]`
    pub log: Log,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[callbacks]`; what is signed with stands with the apps.
    pub callbacks: CallbackSettings,
    /// `[[apps]]`
    pub apps: Vec<App>,
    /// `[providers.NAME]`
    pub providers: Vec<Provider>,
    /// Providers that go away, and who gets what waits for them: `drain_to`.
    pub drains: BTreeMap<Arc<str>, Arc<str>>,
    /// `[[routes]]`
    pub routes: Vec<Route>,
    /// `[[tests]]`
    pub tests: Vec<Case>,
    /// `[migrations.NAME]`
    pub migrations: Vec<MigrationSettings>,
    /// `[[facades]]`
    pub facades: Vec<Facade>,
    vendors: Vec<&'static Vendor>,
    files: Looks,
}

/// `[server]`: where and how the API is served.
#[derive(Debug, Clone)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Who may ask.
    pub auth: Auth,
    /// The largest JSON body, in MiB.
    pub max_body_mb: u64,
    /// The longest line of NDJSON, in KiB.
    pub max_line_kb: u64,
    /// The most messages of a batch.
    pub max_batch_messages: u64,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Whoever has an app's key.
    Keys,
    /// Everybody on this machine, as the app `default` with every scope.
    Off,
}

/// `[ledger]`: the durable store.
#[derive(Clone)]
pub struct LedgerSettings {
    /// Where it is, secrets looked up.
    pub url: String,
    /// How long settled batches are kept.
    pub retention: Duration,
    written_url: String,
}

impl LedgerSettings {
    /// Where it is, as people may see it.
    pub(crate) fn shown_url(&self) -> String {
        shown::ledger_url(&self.written_url)
    }
}

impl fmt::Debug for LedgerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerSettings").field("retention", &self.retention).finish_non_exhaustive()
    }
}

impl Config {
    /// The files that it was read from, as they looked just before: whoever changes one of them changes the
    /// configuration.
    pub(crate) const fn files(&self) -> &Looks {
        &self.files
    }
}

/// What files looked like: how long they were, and when they changed; one that is missing has no look.
pub(crate) type Looks = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

/// What a file looks like.
pub(crate) fn look(path: &Path) -> Option<(u64, SystemTime)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.len(), file.modified().ok()?))
}

/// Reads the configuration from `path`, else from the file that `INTERLINE_CONFIG` names, else from
/// `config.toml` in the working directory.
///
/// # Errors
/// Everything that is wrong with it, or where it was looked for.
pub fn load(path: Option<&Path>) -> Result<Config, ConfigErrors> {
    read(path, variables(), crate::vendors::all())
}

/// Reads one file and nothing else: what the environment says is meant for another configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_alone(path: &Path) -> Result<Config, ConfigErrors> {
    read(Some(path), BTreeMap::new(), crate::vendors::all())
}

/// Reads only where the ledger is, for whoever looks after it: whatever else is wrong, or not written yet,
/// keeps nobody from a backup.
///
/// # Errors
/// What is wrong with `[ledger]`, or where the file was looked for.
pub fn load_ledger(path: Option<&Path>) -> Result<LedgerSettings, ConfigErrors> {
    rooted(path, variables(), |root, _, _| ledger(&root), |_| Vec::new())
}

fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn find(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<PathBuf, ConfigErrors> {
    let named = environment.get("INTERLINE_CONFIG").filter(|text| !text.is_empty());
    let (found, by) = match (path, named) {
        (Some(path), _) => (path.to_owned(), "named by --config"),
        (None, Some(text)) => (PathBuf::from(text), "named by INTERLINE_CONFIG"),
        (None, None) => (PathBuf::from("config.toml"), "the default, in the working directory"),
    };
    if found.is_file() {
        return Ok(found);
    }
    let detail = format!(
        "there is no such file ({by}); name one with --config FILE or INTERLINE_CONFIG=FILE, \
         or run where a config.toml is"
    );
    Err(ConfigErrors::one(found.display().to_string(), detail))
}

fn contents(figment: &Figment, file: &str) -> Result<Dict, ConfigErrors> {
    let mut profiles = figment.data().map_err(|error| {
        let text: Vec<String> =
            error.into_iter().map(|error| without_excerpt(&error.kind.to_string())).collect();
        ConfigErrors::one(file, format!("cannot read it as TOML: {}", text.join("; ")))
    })?;
    Ok(profiles.remove(&Profile::Default).unwrap_or_default())
}

/// What is wrong and where, without the line that it is in: that may hold a secret.
fn without_excerpt(text: &str) -> String {
    let is_excerpt = |line: &&str| {
        line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).starts_with('|')
    };
    let told: Vec<&str> = text.lines().filter(|line| !is_excerpt(line)).map(str::trim).collect();
    told.join(": ").trim_end_matches([':', ' ']).to_owned()
}

pub(crate) fn read(
    path: Option<&Path>,
    environment: BTreeMap<String, String>,
    vendors: Vec<&'static Vendor>,
) -> Result<Config, ConfigErrors> {
    let whole = |root: Table<'_>, path, files| {
        let config = sections(&root, (path, vendors), files);
        root.done();
        config
    };
    rooted(path, environment, whole, Environment::odd_ones)
}

/// Merges file and environment and reads from that; `odd` tells what is wrong with the environment.
fn rooted<T>(
    path: Option<&Path>,
    environment: BTreeMap<String, String>,
    read: impl FnOnce(Table<'_>, PathBuf, Looks) -> Option<T>,
    odd: impl FnOnce(&Environment) -> Vec<ConfigError>,
) -> Result<T, ConfigErrors> {
    let path = find(path, &environment)?;
    let file = path.display().to_string();
    let files = Looks::from([(path.clone(), look(&path))]);
    let figment = Figment::from(Toml::file_exact(&path));
    let environment = Environment::over(&contents(&figment, &file)?, environment);
    let figment = figment.merge(&environment);
    let dict = contents(&figment, &file)?;
    let source = Source::new(figment, file, &environment);
    let root = Table::new(&source, "", (Tag::Default, &dict));
    let found = read(root, path, files);
    let mut errors = odd(&environment);
    errors.extend(source.into_errors());
    match found {
        Some(found) if errors.is_empty() => Ok(found),
        Some(_) | None => Err(ConfigErrors(errors)),
    }
}

fn sections(
    root: &Table<'_>,
    (file, vendors): (PathBuf, Vec<&'static Vendor>),
    mut files: Looks,
) -> Option<Config> {
    let server = server(root);
    let ledger = ledger(root);
    let console = console::console(root);
    let delivery = delivery(root);
    let (log, telemetry) = (telemetry::log(root), telemetry::telemetry(root));
    let callbacks = callbacks::callbacks(root);
    let apps = apps::apps(root);
    let (providers, drains) = providers::providers(root, &vendors, &mut files);
    let table = root.table("providers");
    let mut known = Known {
        providers: table.iter().flat_map(Table::keys).collect(),
        apps: apps.iter().map(|app| &*app.name).collect(),
    };
    if server.as_ref().is_none_or(|server| server.auth == Auth::Off) {
        known.apps.push(OPEN_APP);
    }
    let routes = routes::routes(root, &known);
    let tests = cases::cases(root, &apps, known.apps.contains(&OPEN_APP));
    let migrations = migrations::migrations(root, &routes, &known.providers);
    let named = facades::Known {
        server: server.as_ref(),
        apps: &apps,
        routes: &routes,
        providers: &providers,
        provider_names: &known.providers,
        vendors: &vendors,
    };
    let facades = facades::facades(root, &named);
    Some(Config {
        file,
        files,
        server: server?,
        ledger: ledger?,
        console,
        delivery,
        log: log?,
        telemetry: telemetry?,
        callbacks,
        apps,
        providers,
        drains,
        routes,
        tests,
        migrations,
        facades,
        vendors,
    })
}

fn server(root: &Table<'_>) -> Option<Server> {
    const LISTEN: &str = "127.0.0.1:8400";
    let table = section(root, "server")?;
    let auth = table.one_of("auth", &[("keys", Auth::Keys), ("off", Auth::Off)]);
    let text = table.string("listen").unwrap_or_else(|| LISTEN.to_owned());
    let listen = text.parse::<SocketAddr>().ok();
    match (listen, auth) {
        (None, _) => {
            table.wrong(
                "listen",
                format!("{text:?} is no address; write IP:PORT, like {LISTEN:?} or \"[::]:8400\""),
            );
        }
        (Some(listen), Some(Auth::Off)) if !listen.ip().is_loopback() => {
            let detail = format!(
                "\"off\" is allowed only on a loopback address, and server.listen is {listen}; \
                 allowed here: keys"
            );
            table.wrong("auth", detail);
        }
        (Some(_), Some(Auth::Off | Auth::Keys) | None) => {}
    }
    let server = Server {
        listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8400))),
        auth: auth.unwrap_or(Auth::Keys),
        max_body_mb: table.whole("max_body_mb", 1..=1_024).unwrap_or(64),
        max_line_kb: table.whole("max_line_kb", 1..=65_536).unwrap_or(256),
        max_batch_messages: table.whole("max_batch_messages", 1..=1_000_000_000).unwrap_or(10_000_000),
    };
    table.done();
    Some(server)
}

fn ledger(root: &Table<'_>) -> Option<LedgerSettings> {
    const YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
    let table = section(root, "ledger")?;
    let written_url = table.string("url").unwrap_or_else(|| "sqlite:interline.db".to_owned());
    let url = secrets::look_up(&written_url, root.source());
    if let Err(why) = &url {
        table.wrong("url", why.clone());
    }
    if url.as_ref().is_ok_and(|url| !url.starts_with("sqlite:")) {
        table.wrong("url", "is no ledger that this build knows; allowed: sqlite:PATH");
    }
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let retention = table.duration("retention", Duration::from_secs(60)..=YEARS).unwrap_or(week);
    table.done();
    Some(LedgerSettings { url: url.unwrap_or_default(), retention, written_url })
}

fn delivery(root: &Table<'_>) -> Delivery {
    let mut delivery = Delivery::default();
    let Some(table) = section(root, "delivery") else { return delivery };
    delivery.guarantee = table.one_of("guarantee", &GUARANTEES).unwrap_or(delivery.guarantee);
    delivery.on_loss = table.one_of("on_loss", &LOSSES).unwrap_or(delivery.on_loss);
    delivery.attempts = table.whole("attempts", 1..=100).unwrap_or(delivery.attempts);
    let month = Duration::from_secs(31 * 24 * 60 * 60);
    delivery.deadline =
        table.duration("deadline", Duration::from_secs(1)..=month).unwrap_or(delivery.deadline);
    table.done();
    delivery
}

/// A section that may be left out; none only where it is no table.
fn section<'s>(root: &Table<'s>, key: &str) -> Option<Table<'s>> {
    if root.get(key).is_none() { Some(root.absent(key)) } else { root.table(key) }
}
