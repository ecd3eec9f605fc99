//! The conditions of a route.

use std::collections::BTreeMap;

use wildmatch::WildMatch;

use super::between::Between;
use crate::message::Message;

/// The conditions of a route: all keys must hold, of a list any one.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// Kinds of recipient: `user`, `group`, `room`, `everyone`.
    pub to: Words,
    /// Patterns of the recipient's id; `*` is any text, `?` any character.
    pub id: Words,
    /// Patterns of the sender's id.
    pub from: Words,
    /// Names of apps.
    pub app: Words,
    /// Content types.
    pub content: Words,
    /// Labels and patterns of their values.
    pub label: BTreeMap<String, Words>,
    /// Times of the day, and intervals.
    pub between: Between,
    /// Holds when this does not.
    pub not: Option<Box<When>>,
}

/// A list of words; an empty one allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Words {
    fn allow(&self, test: impl Fn(&str) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| test(word))
    }
}

impl When {
    /// Whether the route takes the message at that time, Unix milliseconds.
    #[must_use]
    pub fn holds(&self, message: &Message, app: &str, now_ms: i64) -> bool {
        self.failing(message, app, now_ms).is_none()
    }

    /// Why this does not hold for the message, or none when it does.
    #[must_use]
    pub fn against(&self, message: &Message, app: &str, now_ms: i64) -> Option<String> {
        let or = |words: &Words| words.0.join(" or ");
        Some(match self.failing(message, app, now_ms)? {
            Failing::To => format!("it takes {}, not {}", or(&self.to), message.to.kind().as_str()),
            Failing::Id => format!("the recipient's id does not match {}", or(&self.id)),
            Failing::From => format!("the sender's id does not match {}", or(&self.from)),
            Failing::App => format!("it serves the app {}", or(&self.app)),
            Failing::Content => {
                format!("it takes content {}, not {}", or(&self.content), message.content.kind())
            }
            Failing::Label(label, patterns) => format!("the label {label} does not match {}", or(patterns)),
            Failing::Between => {
                let windows: Vec<String> = self.between.0.iter().map(ToString::to_string).collect();
                format!("it takes messages only {}", windows.join(" or "))
            }
            Failing::Not => "its `not` holds".to_owned(),
        })
    }

    fn failing(&self, message: &Message, app: &str, now_ms: i64) -> Option<Failing<'_>> {
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
        if !self.between.holds(now_ms) {
            return Some(Failing::Between);
        }
        self.not.as_ref().filter(|not| not.holds(message, app, now_ms)).map(|_| Failing::Not)
    }

    /// Adds whether its times hold, where it has any.
    pub(super) fn times(&self, now_ms: i64, times: &mut Vec<bool>) {
        if !self.between.0.is_empty() {
            times.push(self.between.holds(now_ms));
        }
        if let Some(not) = &self.not {
            not.times(now_ms, times);
        }
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
    Between,
    Not,
}
