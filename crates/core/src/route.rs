//! Which provider takes a message. Routes are tried in order and the first that matches decides; a
//! split sends a recipient to the same provider every time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use wildmatch::WildMatch;

use crate::message::Message;
use crate::options::OnLoss;

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
}

/// Who gets the messages of a route.
#[derive(Debug, Clone)]
pub enum Target {
    /// Always this provider.
    Provider(Arc<str>),
    /// Shared out by weight, sticky by recipient.
    Split(Vec<(Arc<str>, u32)>),
}

/// The conditions of a route: all keys must hold, of a list any one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Kinds of recipient: `user`, `group`, `room`, `everyone`.
    #[serde(default)]
    pub to: Words,
    /// Patterns of the recipient's id; `*` is any text, `?` any character.
    #[serde(default)]
    pub id: Words,
    /// Patterns of the sender's id.
    #[serde(default)]
    pub from: Words,
    /// Names of apps.
    #[serde(default)]
    pub app: Words,
    /// Content types.
    #[serde(default)]
    pub content: Words,
    /// Labels and patterns of their values.
    #[serde(default)]
    pub label: BTreeMap<String, Words>,
    /// Holds when this does not.
    #[serde(default)]
    pub not: Option<Box<When>>,
}

/// One word or a list of them.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "OneOrMany")]
pub struct Words(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Words {
    fn from(words: OneOrMany) -> Self {
        match words {
            OneOrMany::One(word) => Self(vec![word]),
            OneOrMany::Many(words) => Self(words),
        }
    }
}

impl Words {
    fn allow(&self, test: impl Fn(&str) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| test(word))
    }
}

impl When {
    /// Whether the route takes the message.
    #[must_use]
    pub fn holds(&self, message: &Message, app: &str) -> bool {
        self.failing(message, app).is_none()
    }

    /// Why this does not hold for the message, or none when it does.
    #[must_use]
    pub fn against(&self, message: &Message, app: &str) -> Option<String> {
        let or = |words: &Words| words.0.join(" or ");
        Some(match self.failing(message, app)? {
            Failing::To => format!("it takes {}, not {}", or(&self.to), message.to.kind().as_str()),
            Failing::Id => format!("the recipient's id does not match {}", or(&self.id)),
            Failing::From => format!("the sender's id does not match {}", or(&self.from)),
            Failing::App => format!("it serves the app {}", or(&self.app)),
            Failing::Content => {
                format!("it takes content {}, not {}", or(&self.content), message.content.kind())
            }
            Failing::Label(label, patterns) => format!("the label {label} does not match {}", or(patterns)),
            Failing::Not => "its `not` holds".to_owned(),
        })
    }

    fn failing(&self, message: &Message, app: &str) -> Option<Failing<'_>> {
        let kind = message.to.kind().as_str();
        if !self.to.allow(|word| word == kind) {
            return Some(Failing::To);
        }
        if !self.id.allow(|pattern| WildMatch::new(pattern).matches(message.to.id())) {
            return Some(Failing::Id);
        }
        let from = message.from.as_ref().map_or("", |sender| sender.id.as_str());
        if !self.from.allow(|pattern| WildMatch::new(pattern).matches(from)) {
            return Some(Failing::From);
        }
        if !self.app.allow(|word| word == app) {
            return Some(Failing::App);
        }
        if !self.content.allow(|word| word == message.content.kind()) {
            return Some(Failing::Content);
        }
        for (label, patterns) in &self.label {
            let value = message.labels.get(label);
            if !value.is_some_and(|value| patterns.allow(|pattern| WildMatch::new(pattern).matches(value))) {
                return Some(Failing::Label(label, patterns));
            }
        }
        self.not.as_ref().filter(|not| not.holds(message, app)).map(|_| Failing::Not)
    }
}

/// The first condition of a route that does not hold.
enum Failing<'w> {
    To,
    Id,
    From,
    App,
    Content,
    Label(&'w str, &'w Words),
    Not,
}

/// All routes, in order.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    routes: Vec<Route>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'r> {
    /// The rule that took it.
    pub route: &'r Route,
    /// The provider.
    pub provider: &'r Arc<str>,
}

impl Routes {
    /// Routes in the order of the configuration.
    #[must_use]
    pub const fn new(routes: Vec<Route>) -> Self {
        Self { routes }
    }

    /// The routes in order.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        &self.routes
    }

    /// The first route that takes the message; a forced one takes it without asking.
    #[must_use]
    pub fn choose(&self, message: &Message, app: &str, forced: Option<&str>) -> Option<Choice<'_>> {
        let route = match forced {
            Some(name) => self.routes.iter().find(|route| &*route.name == name)?,
            None => self.routes.iter().find(|route| route.when.holds(message, app))?,
        };
        let provider = route.target.pick(message.to.fingerprint())?;
        Some(Choice { route, provider })
    }

    /// The routes before the chosen one, each with the reason why it did not take the message.
    #[must_use]
    pub fn passed_over(&self, message: &Message, app: &str, forced: Option<&str>) -> Vec<(&Route, String)> {
        if forced.is_some() {
            return Vec::new();
        }
        self.routes.iter().map_while(|route| Some((route, route.when.against(message, app)?))).collect()
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
            Self::Split(shares) => {
                let total: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
                let mut point = recipient.checked_rem(total)?;
                shares.iter().find_map(|(provider, weight)| match point.checked_sub(u64::from(*weight)) {
                    None => Some(provider),
                    Some(rest) => {
                        point = rest;
                        None
                    }
                })
            }
        }
    }
}
