//! Which provider takes a message. Routes are tried in order and the first that matches decides; a split
//! sends a recipient to the same provider every time; a migration may take its part of that; and what a
//! provider that goes away would get, the one that it drains to gets.

mod between;
mod split;
mod when;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use between::{Between, FORMS, Window};
pub use when::{When, Words};

use crate::message::Message;
use crate::options::{Guarantee, OnLoss};

/// A rule that says which provider takes a message.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name, for plans and forced routes.
    pub name: Arc<str>,
    /// Which messages it takes.
    pub when: When,
    /// Who gets them.
    pub target: Target,
    /// Who gets them, in order, when the target surely did not; none is nobody.
    pub fallback: Option<Arc<[Arc<str>]>>,
    /// Overrides the configuration's default.
    pub on_loss: Option<OnLoss>,
    /// Overrides the configuration's default.
    pub guarantee: Option<Guarantee>,
}

/// Who gets the messages of a route.
#[derive(Debug, Clone)]
pub enum Target {
    /// Always this provider.
    Provider(Arc<str>),
    /// Shared out by weight, sticky by recipient.
    Split(Vec<(Arc<str>, u32)>),
}

/// What may send a message elsewhere than its route says: migrations under way.
pub trait Detour: fmt::Debug + Send + Sync {
    /// Who takes the message instead of the provider that the route chose; none leaves it there. Called
    /// for every message, and always with the same answer for one recipient while nothing is changed.
    fn turn<'d>(&'d self, route: &Route, provider: &str, message: &Message) -> Option<Turn<'d>>;
}

/// A turn that a [`Detour`] takes.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'d> {
    /// Who takes the message.
    pub provider: &'d Arc<str>,
    /// The migration that says so.
    pub migration: &'d str,
}

/// What is true beside the message when it is routed.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'m> {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Migrations under way; none where there are none.
    pub detour: Option<&'m dyn Detour>,
}

impl Moment<'_> {
    /// A time at which nothing is migrated.
    #[must_use]
    pub const fn at(now_ms: i64) -> Self {
        Self { now_ms, detour: None }
    }
}

/// All routes, in order.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// Providers that go away, and who gets what they would get.
    drains: BTreeMap<Arc<str>, Arc<str>>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'r> {
    /// The rule that took it.
    pub route: &'r Route,
    /// The provider.
    pub provider: &'r Arc<str>,
    /// Whom the route itself chose.
    pub picked: &'r Arc<str>,
    /// The migration that took it from there.
    pub migration: Option<&'r str>,
    /// The provider that it would have gone to, which goes away.
    pub drained: Option<&'r Arc<str>>,
}

impl Routes {
    /// Routes in the order of the configuration.
    #[must_use]
    pub const fn new(routes: Vec<Route>) -> Self {
        Self { routes, drains: BTreeMap::new() }
    }

    /// The same where some providers go away: what they would get, another one gets, as target and as
    /// fallback.
    #[must_use]
    pub fn draining(mut self, drains: BTreeMap<Arc<str>, Arc<str>>) -> Self {
        self.drains = drains;
        let mut routes = std::mem::take(&mut self.routes);
        for route in &mut routes {
            let Some(names) = &route.fallback else { continue };
            let mut left: Vec<Arc<str>> = Vec::with_capacity(names.len());
            for name in names.iter().map(|name| self.end_of(name)) {
                if !left.contains(name) {
                    left.push(Arc::clone(name));
                }
            }
            route.fallback = Some(left.into());
        }
        self.routes = routes;
        self
    }

    /// The routes in order.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        &self.routes
    }

    /// Providers that go away, and who gets what they would get.
    #[must_use]
    pub const fn drains(&self) -> &BTreeMap<Arc<str>, Arc<str>> {
        &self.drains
    }

    /// Which of the times in all conditions hold, Unix milliseconds; none at all where nothing is timed. While
    /// this stays the same, so does who takes a message.
    #[must_use]
    pub fn times(&self, now_ms: i64) -> Vec<bool> {
        let mut times = Vec::new();
        self.routes.iter().for_each(|route| route.when.times(now_ms, &mut times));
        times
    }

    /// Who gets what a provider would get: itself, unless it goes away.
    #[must_use]
    pub fn end_of<'r>(&'r self, provider: &'r Arc<str>) -> &'r Arc<str> {
        let mut provider = provider;
        // A circle is refused where the configuration is read; it ends here all the same.
        for _ in 0..self.drains.len() {
            let Some(next) = self.drains.get(provider) else { break };
            provider = next;
        }
        provider
    }

    /// The first route that takes the message, and the provider that it leads to; a forced route takes it
    /// without asking.
    #[must_use]
    pub fn choose<'r>(
        &'r self,
        message: &Message,
        app: &str,
        forced: Option<&str>,
        moment: &Moment<'r>,
    ) -> Option<Choice<'r>> {
        let route = match forced {
            Some(name) => self.routes.iter().find(|route| &*route.name == name)?,
            None => self.routes.iter().find(|route| route.when.holds(message, app, moment.now_ms))?,
        };
        let picked = route.target.pick(message.to.fingerprint())?;
        let turn = moment.detour.and_then(|detour| detour.turn(route, picked, message));
        let (chosen, migration) = match turn {
            Some(turn) => (turn.provider, Some(turn.migration)),
            None => (picked, None),
        };
        let provider = if self.drains.is_empty() { chosen } else { self.end_of(chosen) };
        let drained = (provider != chosen).then_some(chosen);
        Some(Choice { route, provider, picked, migration, drained })
    }

    /// The routes before the chosen one, each with the reason why it did not take the message.
    #[must_use]
    pub fn passed_over(
        &self,
        message: &Message,
        app: &str,
        forced: Option<&str>,
        now_ms: i64,
    ) -> Vec<(&Route, String)> {
        if forced.is_some() {
            return Vec::new();
        }
        self.routes
            .iter()
            .map_while(|route| Some((route, route.when.against(message, app, now_ms)?)))
            .collect()
    }
}

impl Target {
    /// The providers that may be picked.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<str>> {
        match self {
            Self::Provider(provider) => vec![provider].into_iter(),
            Self::Split(shares) => {
                shares.iter().map(|(provider, _)| provider).collect::<Vec<_>>().into_iter()
            }
        }
    }

    fn pick(&self, recipient: u64) -> Option<&Arc<str>> {
        match self {
            Self::Provider(provider) => Some(provider),
            Self::Split(shares) => split::pick(shares, recipient),
        }
    }
}

#[cfg(test)]
mod tests;
