//! Reads `[[facades]]`: which vendors' wire formats are served, for whom, and where. The keys of a vendor's
//! credentials are its façade's own; whether they make sense it says itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Settings, Vendor};
use interline_core::facade;
use interline_core::route::Route;

use super::file::{ConfigError, NAMES, Table, is_name};
use super::{App, Auth, OPEN_APP, Provider, Scope, Server, secrets};

/// A vendor's wire format, as it is served.
#[derive(Clone)]
pub struct Facade {
    /// Its name.
    pub name: Arc<str>,
    /// The vendor.
    pub vendor: &'static Vendor,
    /// What is served.
    pub serves: &'static facade::Facade,
    /// Whose limits, routes and scopes apply.
    pub app: Arc<str>,
    /// The route that takes everything; none leaves it to the routes' conditions.
    pub route: Option<String>,
    /// Its own address; none is the server's.
    pub listen: Option<SocketAddr>,
    /// When it answers.
    pub mode: Mode,
    /// Within how long it answers.
    pub answer_within: Duration,
    /// The provider that gets what is not served.
    pub passthrough: Option<Arc<str>>,
    /// By key.
    pub(super) credentials: BTreeMap<String, Credential>,
}

impl fmt::Debug for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facade")
            .field("name", &self.name)
            .field("vendor", &self.vendor.name)
            .finish_non_exhaustive()
    }
}

/// When a façade answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When it knows what became of the messages.
    Wait,
    /// When they are stored.
    Durable,
}

impl Mode {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Durable => "durable",
        }
    }
}

/// One of the keys by which callers are known.
#[derive(Clone)]
pub(super) struct Credential {
    /// As it stands.
    pub(super) written: String,
    /// What it stands for, or why that is missing.
    value: Result<String, String>,
    /// The file or variable it stands in, and where there.
    origin: String,
    key: String,
}

impl Facade {
    /// The credentials, secrets looked up.
    ///
    /// # Errors
    /// Those that are missing.
    pub fn settings(&self) -> Result<Settings, Vec<ConfigError>> {
        let mut missing = Vec::new();
        let mut settings = Settings::new();
        for (key, Credential { value, origin, key: path, .. }) in &self.credentials {
            match value {
                Ok(value) => drop(settings.insert(key.clone(), value.clone().into())),
                Err(why) => missing.push(ConfigError {
                    origin: origin.clone(),
                    key: path.clone(),
                    detail: why.clone(),
                }),
            }
        }
        if missing.is_empty() { Ok(settings) } else { Err(missing) }
    }
}

/// What façades may name.
pub(super) struct Known<'k> {
    pub(super) server: Option<&'k Server>,
    pub(super) apps: &'k [App],
    pub(super) routes: &'k [Route],
    pub(super) providers: &'k [Provider],
    /// Those that were found wrong included.
    pub(super) provider_names: &'k [&'k str],
    pub(super) vendors: &'k [&'static Vendor],
}

impl Known<'_> {
    fn is_open(&self) -> bool {
        self.server.is_some_and(|server| server.auth == Auth::Off)
    }
}

/// Reads all façades; one that cannot be read is left out, its errors noted.
pub(super) fn facades(root: &Table<'_>, known: &Known<'_>) -> Vec<Facade> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for table in root.tables("facades") {
        let name = table.required("name");
        if let Some(name) = &name {
            if !is_name(name) {
                table.wrong("name", format!("{name:?} is no name for a façade; {NAMES}"));
            }
            if !names.insert(name.clone()) {
                table.wrong("name", format!("{name:?} is the name of a façade before it; names are unique"));
            }
        }
        found.extend(one(table, name, known));
    }
    found
}

fn one(table: Table<'_>, name: Option<String>, known: &Known<'_>) -> Option<Facade> {
    const LONGEST: Duration = Duration::from_secs(60);
    let served: Vec<(&str, (&'static Vendor, &'static facade::Facade))> =
        known.vendors.iter().filter_map(|vendor| Some((vendor.name, (*vendor, vendor.facade?)))).collect();
    if table.get("vendor").is_none() {
        let names: Vec<_> = served.iter().map(|(word, _)| *word).collect();
        table.wrong("vendor", format!("required, but not given; allowed: {}", names.join(", ")));
    }
    // Without its vendor nothing can be said of the other keys.
    let (vendor, serves) = table.one_of("vendor", &served)?;
    let app = app(&table, known);
    let route = table.string("route");
    if let Some(route) = route.as_ref().filter(|route| known.routes.iter().all(|one| *one.name != ***route)) {
        let names: Vec<&str> = known.routes.iter().map(|route| &*route.name).collect();
        table.wrong("route", format!("there is no route {route:?}; there are: {}", names.join(", ")));
    }
    let listen = listen(&table, known.server);
    let mode =
        table.one_of("mode", &[("wait", Mode::Wait), ("durable", Mode::Durable)]).unwrap_or(Mode::Wait);
    if mode == Mode::Durable && !serves.queues {
        let detail = format!(
            "\"durable\" would not be true: an answer of {} says that a message was sent; allowed here: wait",
            vendor.name
        );
        table.wrong("mode", detail);
    }
    let answer_within =
        table.duration("answer_within", Duration::from_millis(100)..=LONGEST).unwrap_or(serves.answer_within);
    let passthrough = passthrough(&table, vendor, known);
    let credentials = credentials(&table, serves);
    if credentials.is_empty() {
        alone(&table, listen.or(known.server.map(|server| server.listen)), serves);
    }
    table.done();
    Some(Facade {
        name: name?.into(),
        vendor,
        serves,
        app: app?,
        route,
        listen,
        mode,
        answer_within,
        passthrough,
        credentials,
    })
}

/// Whose façade it is: of an app, or of the one that is nobody's.
fn app(table: &Table<'_>, known: &Known<'_>) -> Option<Arc<str>> {
    if table.get("app").is_none() {
        return Some(OPEN_APP.into());
    }
    let name = table.string("app")?;
    if known.is_open() && name == OPEN_APP {
        return Some(OPEN_APP.into());
    }
    let Some(app) = known.apps.iter().find(|app| *app.name == *name) else {
        let open = known.is_open().then_some(OPEN_APP);
        let names: Vec<&str> = known.apps.iter().map(|app| &*app.name).chain(open).collect();
        table.wrong("app", format!("there is no app {name:?}; there are: {}", names.join(", ")));
        return None;
    };
    if !app.may.has(Scope::Send) {
        table.wrong(
            "app",
            format!("the app {name:?} may not send; allowed are apps whose `may` holds \"send\""),
        );
    }
    Some(Arc::clone(&app.name))
}

fn listen(table: &Table<'_>, server: Option<&Server>) -> Option<SocketAddr> {
    let text = table.string("listen")?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        table.wrong("listen", format!("{text:?} is no address; write IP:PORT, like \"127.0.0.1:8401\""));
        return None;
    };
    // Port 0 is another one each time.
    let same = server.is_some_and(|server| server.listen == address && address.port() != 0);
    (!same).then_some(address)
}

fn passthrough(table: &Table<'_>, vendor: &Vendor, known: &Known<'_>) -> Option<Arc<str>> {
    let name = table.string("passthrough")?;
    let of_vendor = || {
        let same = known.providers.iter().filter(|provider| provider.vendor.name == vendor.name);
        let names: Vec<&str> = same.map(|provider| &*provider.name).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("allowed are providers at {}: {names}", vendor.name)
    };
    match known.providers.iter().find(|provider| *provider.name == *name) {
        Some(provider) if provider.vendor.name == vendor.name => return Some(Arc::clone(&provider.name)),
        Some(other) => table.wrong(
            "passthrough",
            format!(
                "the provider {name:?} is at {}, whose paths are others; {}",
                other.vendor.name,
                of_vendor()
            ),
        ),
        None if known.provider_names.contains(&name.as_str()) => {}
        None => table.wrong("passthrough", format!("there is no provider {name:?}; {}", of_vendor())),
    }
    None
}

/// Reads the credentials and has the vendor check them. A missing secret is stood in for: it is told of when
/// it is used.
fn credentials(table: &Table<'_>, serves: &facade::Facade) -> BTreeMap<String, Credential> {
    let source = table.source();
    let mut found = BTreeMap::new();
    for key in serves.credentials {
        let Some(written) = table.string(key) else { continue };
        let value = secrets::look_up(&written, source);
        let path = table.path(key);
        let origin = table.get(key).map(|found| source.origin(found.tag(), &path)).unwrap_or_default();
        found.insert((*key).to_owned(), Credential { written, value, origin, key: path });
    }
    let stand_in = |given: &Credential| given.value.clone().unwrap_or_else(|_| "missing".to_owned()).into();
    let settings = found.iter().map(|(key, given)| (key.clone(), stand_in(given))).collect();
    for error in (serves.check)(&settings) {
        table.wrong(error.path.trim_start_matches('/'), error.detail);
    }
    found
}

/// A façade that knows nobody is for this machine alone.
fn alone(table: &Table<'_>, address: Option<SocketAddr>, serves: &facade::Facade) {
    let Some(address) = address.filter(|address| !address.ip().is_loopback()) else { return };
    let detail = format!(
        "a façade without credentials is served on a loopback address only, and this one would be on \
         {address}; give {}, or a `listen` on 127.0.0.1",
        serves.credentials.join(" and ")
    );
    table.wrong("listen", detail);
}
