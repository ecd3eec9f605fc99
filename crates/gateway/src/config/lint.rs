//! What works but is probably not meant: routes that never get a message, fallbacks that never stand in,
//! splits of one, tests that name what is not there. One sentence each.

use std::collections::{BTreeMap, BTreeSet};

use interline_core::content::CONTENT_TYPES;
use interline_core::options::OnLoss;
use interline_core::profile::Profile;
use interline_core::recipient::RecipientKind;
use interline_core::route::{Route, Target};

use super::cases::Named;
use super::overlap::{Cell, covers, excludes_itself};
use super::routes::takes_all;
use super::{Auth, Case, Config, Facade, OPEN_APP, Provider};

const KINDS: [RecipientKind; 4] =
    [RecipientKind::User, RecipientKind::Group, RecipientKind::Room, RecipientKind::Everyone];

/// Everything that is odd about routes and tests.
pub(super) fn lint(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, route) in config.routes.iter().enumerate() {
        let reach = Reach::of(config, place, route);
        if reach.kinds.is_empty() {
            // A façade that names a route gives it everything, whatever its conditions are.
            if !config.facades.iter().any(|facade| facade.route.as_deref() == Some(&*route.name)) {
                warnings.push(reach.nothing(config, route));
            }
            continue;
        }
        if let Target::Split(shares) = &route.target
            && let [(only, _)] = shares.as_slice()
        {
            warnings.push(format!(
                "the split of the route {} has one share: write provider = \"{only}\"",
                route.name
            ));
        }
        warnings.extend(unreachable(config, route, &reach));
        warnings.extend(fallbacks(config, route, &reach));
        warnings.extend(migrations(config, route, &reach));
    }
    warnings.extend(facades(config));
    for case in &config.tests {
        let odd = config.unknown_names(case);
        warnings.extend(odd.iter().map(|(key, kind, name)| {
            format!("the test {:?} names the {kind} {name:?} in {key}, which there is not", case.name)
        }));
    }
    warnings
}

/// What a route can get.
struct Reach {
    kinds: Vec<RecipientKind>,
    /// The routes before it that take something of what it would.
    before: BTreeSet<usize>,
}

impl Reach {
    fn of(config: &Config, place: usize, route: &Route) -> Self {
        let apps = apps(config);
        let earlier = config.routes.get(..place).unwrap_or_default();
        let mut reach = Self { kinds: Vec::new(), before: BTreeSet::new() };
        for kind in KINDS {
            let cells = CONTENT_TYPES
                .iter()
                .flat_map(|content| apps.iter().map(|app| Cell { kind: kind.as_str(), content, app }));
            for cell in cells.filter(|cell| cell.is_open(&route.when)) {
                if excludes_itself(&route.when, cell) {
                    continue;
                }
                match earlier.iter().position(|one| covers(&one.when, &route.when, cell)) {
                    Some(taker) => drop(reach.before.insert(taker)),
                    None if reach.kinds.contains(&kind) => {}
                    None => reach.kinds.push(kind),
                }
            }
        }
        reach
    }

    /// Why a route gets nothing.
    fn nothing(&self, config: &Config, route: &Route) -> String {
        let takers: Vec<&Route> = self.before.iter().filter_map(|place| config.routes.get(*place)).collect();
        let name = &route.name;
        if let Some(all) = takers.iter().find(|taker| takes_all(&taker.when)) {
            return format!("the route {name} takes nothing: {} before it takes everything", all.name);
        }
        if takers.is_empty() {
            return format!("the route {name} takes nothing: its conditions exclude each other");
        }
        let names: Vec<&str> = takers.iter().map(|taker| &*taker.name).collect();
        let verb = if names.len() == 1 { "takes" } else { "take" };
        format!("the route {name} takes nothing: {} before it {verb} what it would take", names.join(", "))
    }

    fn named(&self, route: &Route) -> Vec<RecipientKind> {
        let named = |kind: &&RecipientKind| route.when.to.0.iter().any(|word| word == kind.as_str());
        self.kinds.iter().filter(named).copied().collect()
    }
}

/// The apps that may ask.
fn apps(config: &Config) -> Vec<&str> {
    let mut apps: Vec<&str> = config.apps.iter().map(|app| &*app.name).collect();
    let facade = config.facades.iter().any(|facade| *facade.app == *OPEN_APP);
    if config.server.auth == Auth::Off || apps.is_empty() || facade {
        apps.push(OPEN_APP);
    }
    apps
}

/// The profiles of every dialect that a provider may turn out to speak.
fn profiles(provider: &Provider) -> Vec<Profile> {
    let stand_in = provider.without_secrets();
    let settings = stand_in.resolved().unwrap_or_default();
    let configured = provider.dialect.as_deref();
    let spoken = provider.vendor.dialects.iter().filter(|one| configured.is_none_or(|only| only == **one));
    let built = spoken.filter_map(|dialect| (provider.vendor.build)(&settings, dialect).ok());
    built.map(|adapter| adapter.profile().clone()).collect()
}

fn named<'c>(config: &'c Config, name: &str) -> Option<&'c Provider> {
    config.providers.iter().find(|provider| *provider.name == *name)
}

fn listed(kinds: &[RecipientKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ")
}

/// The kinds among these that the provider reaches in no dialect.
fn beyond(profiles: &[Profile], kinds: &[RecipientKind]) -> Vec<RecipientKind> {
    let reached = |kind: &RecipientKind| profiles.iter().any(|profile| profile.recipients.contains(kind));
    kinds.iter().filter(|kind| !reached(kind)).copied().collect()
}

/// Targets that cannot send what the route takes.
fn unreachable(config: &Config, route: &Route, reach: &Reach) -> Vec<String> {
    let mut warnings = Vec::new();
    for provider in route.target.providers().filter_map(|name| named(config, name)) {
        let profiles = profiles(provider);
        let mut lost = beyond(&profiles, &reach.named(route));
        if lost.is_empty() {
            lost = beyond(&profiles, &reach.kinds);
            lost.retain(|_| profiles.is_empty() || lost_all(&profiles, &reach.kinds));
        }
        if !profiles.is_empty() && !lost.is_empty() {
            let kinds = listed(&lost);
            warnings.push(format!(
                "the route {} takes messages to {kinds}, and {} refuses them",
                route.name, provider.name
            ));
        }
    }
    warnings
}

fn lost_all(profiles: &[Profile], kinds: &[RecipientKind]) -> bool {
    beyond(profiles, kinds).len() == kinds.len()
}

/// Fallbacks that never stand in.
fn fallbacks(config: &Config, route: &Route, reach: &Reach) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(fallback) = &route.fallback else { return warnings };
    let name = &route.name;
    let kinds: Vec<RecipientKind> =
        reach.kinds.iter().filter(|kind| **kind != RecipientKind::Everyone).copied().collect();
    if kinds.is_empty() {
        warnings.push(format!(
            "the fallback of the route {name} never stands in: what is for everyone goes once, to one provider"
        ));
        return warnings;
    }
    let rejects = route.on_loss.unwrap_or(config.delivery.on_loss) == OnLoss::Reject;
    let contents = &route.when.content.0;
    for other in fallback.iter().filter_map(|name| named(config, name)) {
        let profiles = profiles(other);
        let whole = |content: &String| profiles.iter().any(|one| one.contents.contains(&content.as_str()));
        if profiles.is_empty() {
            continue;
        }
        if lost_all(&profiles, &kinds) {
            warnings.push(format!(
                "the fallback {} of the route {name} never stands in: it cannot send to {}",
                other.name,
                listed(&kinds)
            ));
        } else if let lost = beyond(&profiles, &reach.named(route))
            && !lost.is_empty()
        {
            warnings.push(format!(
                "the fallback {} of the route {name} does not stand in for messages to {}",
                other.name,
                listed(&lost)
            ));
        } else if rejects && !contents.is_empty() && !contents.iter().any(whole) {
            warnings.push(format!(
                "the fallback {} of the route {name} never stands in: it sends {} with losses, which on_loss = \
                 \"reject\" refuses",
                other.name,
                contents.join(" and ")
            ));
        }
        let same = |target: &Provider| target.name != other.name && target.base_url == other.base_url;
        let twin = route.target.providers().filter_map(|name| named(config, name)).find(|one| same(one));
        if let Some(target) = twin {
            warnings.push(format!(
                "the fallback {} of the route {name} is at the same server as {}: it is down when that is",
                other.name, target.name
            ));
        }
    }
    warnings
}

/// Migrations to a provider that cannot send what the route takes.
fn migrations(config: &Config, route: &Route, reach: &Reach) -> Vec<String> {
    let of_route = config.migrations.iter().filter(|migration| migration.route == route.name);
    let lost = of_route.filter_map(|migration| {
        let profiles = profiles(named(config, &migration.to)?);
        let named = beyond(&profiles, &reach.named(route));
        let all = || if lost_all(&profiles, &reach.kinds) { reach.kinds.clone() } else { Vec::new() };
        let lost = if named.is_empty() { all() } else { named };
        (!profiles.is_empty() && !lost.is_empty()).then(|| {
            let kinds = listed(&lost);
            format!(
                "the migration {} moves messages to {kinds}, and {} refuses them",
                migration.name, migration.to
            )
        })
    });
    lost.collect()
}

/// Façades whose requests an earlier one takes: one without credentials takes all of its vendor's, and one with
/// the same takes the same.
fn facades(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, facade) in config.facades.iter().enumerate() {
        let written = |facade: &Facade| -> BTreeMap<String, String> {
            facade.credentials.iter().map(|(key, one)| (key.clone(), one.written.clone())).collect()
        };
        let own = written(facade);
        let takes = |other: &&Facade| {
            let same = other.vendor.name == facade.vendor.name && other.listen == facade.listen;
            same && (other.credentials.is_empty() || written(other) == own)
        };
        let earlier = config.facades.get(..place).unwrap_or_default();
        if let Some(taker) = earlier.iter().find(takes) {
            let why =
                if taker.credentials.is_empty() { "asks for no credentials" } else { "has the same ones" };
            warnings
                .push(format!("the façade {} serves nobody: {} before it {why}", facade.name, taker.name));
        }
    }
    warnings
}

impl Config {
    /// What a test names that is not there: its key, what it should be, and the name.
    #[must_use]
    pub fn unknown_names<'c>(&self, case: &'c Case) -> Vec<(String, &'static str, &'c str)> {
        let known = |kind: Named, name: &str| match kind {
            Named::Provider => named(self, name).is_some(),
            Named::Route => self.routes.iter().any(|route| *route.name == *name),
            Named::App => apps(self).contains(&name),
        };
        let odd = case.names().into_iter().filter(|(_, kind, name)| !known(*kind, name));
        odd.map(|(key, kind, name)| {
            let kind = match kind {
                Named::Provider => "provider",
                Named::Route => "route",
                Named::App => "app",
            };
            (key, kind, name)
        })
        .collect()
    }
}
