//! What a test expects, held against what came of it.

use std::collections::{BTreeMap, BTreeSet};

use interline_engine::{Played, PlayedMessage};
use interline_gateway::config::{Case, Spread};

/// Nobody, in words.
const NOBODY: &str = "none";

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The key of the expectation.
    pub(crate) path: String,
    /// What was to be.
    pub(crate) expected: String,
    /// What is.
    pub(crate) found: String,
    /// How it came to that, a sentence each.
    pub(crate) because: Vec<String>,
}

impl Difference {
    /// A difference that needs no reason.
    pub(crate) const fn new(path: String, expected: String, found: String) -> Self {
        Self { path, expected, found, because: Vec::new() }
    }
}

/// Everything that differs, in the order of the keys.
pub(crate) fn differences(case: &Case, played: &Played) -> Vec<Difference> {
    let expect = &case.expect;
    let messages = &played.messages;
    let path = |key: &str| format!("{}.expect.{key}", case.at);
    let mut found = Vec::new();
    let code = |message: &PlayedMessage| message.error.as_ref().map(|error| error.code.as_str().to_owned());
    found.extend(spread(path("provider"), expect.provider.as_ref(), messages, |one| one.provider.clone()));
    found.extend(spread(path("route"), expect.route.as_ref(), messages, |one| one.plan.route.clone()));
    found.extend(spread(path("status"), expect.status.as_ref(), messages, |one| {
        Some(one.status.as_str().to_owned())
    }));
    found.extend(spread(path("error"), expect.error.as_ref(), messages, code));
    found.extend(list(path("fallback"), expect.fallback.as_deref(), messages, |one| one.fallback.clone()));
    found.extend(list(path("tried"), expect.tried.as_deref(), messages, |one| one.tried.clone()));
    let losses = expect.losses.as_ref().map(|losses| sorted(losses.clone()));
    found.extend(list(path("losses"), losses.as_deref(), messages, |one| sorted(one.losses.clone())));
    found.extend(effort(case, played, path));
    found
}

/// Calls and time.
fn effort(case: &Case, played: &Played, path: impl Fn(&str) -> String) -> Vec<Difference> {
    let expect = &case.expect;
    let calls = played.calls.len() as u64;
    let took = played.took.as_secs_f64();
    let mut found = Vec::new();
    let mut differs = |key: &str, expected: Option<String>, told: String, because: Vec<String>| {
        let Some(expected) = expected else { return };
        found.push(Difference { path: path(key), expected, found: told, because });
    };
    let exact = expect.calls.filter(|wanted| *wanted != calls);
    differs("calls", exact.map(|wanted| wanted.to_string()), calls.to_string(), by_provider(played));
    let most = expect.calls_at_most.filter(|most| calls > *most);
    differs("calls_at_most", most.map(|most| most.to_string()), calls.to_string(), by_provider(played));
    let late = expect.seconds_at_most.filter(|most| took > *most);
    differs("seconds_at_most", late.map(seconds), seconds(took), by_provider(played));
    let early = expect.seconds_at_least.filter(|least| took < *least);
    differs("seconds_at_least", early.map(seconds), seconds(took), by_provider(played));
    found
}

/// `oim batch: 3 calls with 40 messages, the last after 1.2 s`.
fn by_provider(played: &Played) -> Vec<String> {
    let mut classes: BTreeMap<(&str, &str), (u64, u64, f64)> = BTreeMap::new();
    for call in &played.calls {
        let sums = classes.entry((&call.provider, call.quota_class)).or_default();
        *sums = (sums.0 + 1, sums.1 + call.messages as u64, call.at.as_secs_f64());
    }
    let told = classes.into_iter().map(|((provider, class), (calls, messages, at))| {
        let calls = crate::output::count(calls, "call");
        let messages = crate::output::count(messages, "message");
        format!("{provider} {class}: {calls} with {messages}, the last after {}", seconds(at))
    });
    told.collect()
}

/// Seconds as people read them.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn sorted(list: Vec<String>) -> Vec<String> {
    let unique: BTreeSet<String> = list.into_iter().collect();
    unique.into_iter().collect()
}

fn words(list: &[String]) -> String {
    if list.is_empty() { NOBODY.to_owned() } else { list.join(", ") }
}

/// What has to hold of all messages together.
fn spread(
    path: String,
    expected: Option<&Spread>,
    messages: &[PlayedMessage],
    value: impl Fn(&PlayedMessage) -> Option<String>,
) -> Option<Difference> {
    let expected = expected?;
    let allowed: Vec<&str> = match expected {
        Spread::Each(word) => vec![word],
        Spread::OneOf(words) => words.iter().map(String::as_str).collect(),
        Spread::Counts(counts) => return counted(path, counts, messages, value),
    };
    let wrong = |message: &&PlayedMessage| !value(message).is_some_and(|one| allowed.contains(&one.as_str()));
    odd(path, allowed.join(" or "), messages.iter().filter(wrong), |one| {
        value(one).unwrap_or_else(|| NOBODY.to_owned())
    })
}

fn counted(
    path: String,
    expected: &BTreeMap<String, u64>,
    messages: &[PlayedMessage],
    value: impl Fn(&PlayedMessage) -> Option<String>,
) -> Option<Difference> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    messages.iter().filter_map(value).for_each(|one| *found.entry(one).or_default() += 1);
    let wanted: BTreeMap<String, u64> =
        expected.iter().filter(|(_, count)| **count > 0).map(|(one, count)| (one.clone(), *count)).collect();
    let told = |counts: &BTreeMap<String, u64>| {
        let told: Vec<String> = counts.iter().map(|(one, count)| format!("{one} = {count}")).collect();
        words(&told)
    };
    (found != wanted).then(|| Difference::new(path, told(&wanted), told(&found)))
}

/// What has to be the same list for each message.
fn list(
    path: String,
    expected: Option<&[String]>,
    messages: &[PlayedMessage],
    value: impl Fn(&PlayedMessage) -> Vec<String>,
) -> Option<Difference> {
    let expected = expected?;
    let wrong = |message: &&PlayedMessage| value(message) != expected;
    odd(path, words(expected), messages.iter().filter(wrong), |one| words(&value(one)))
}

/// The first of the messages that differ, how many there are, and how it came to that.
fn odd<'m>(
    path: String,
    expected: String,
    mut wrong: impl Iterator<Item = &'m PlayedMessage>,
    value: impl Fn(&PlayedMessage) -> String,
) -> Option<Difference> {
    let first = wrong.next()?;
    let more = match wrong.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let found = format!("{} ({}{more})", value(first), first.plan.to);
    Some(Difference { path, expected, found, because: reasons(first) })
}

fn reasons(message: &PlayedMessage) -> Vec<String> {
    let mut reasons = vec![message.plan.why.clone()];
    let own = message.plan.route.as_deref();
    for other in &message.plan.not_taken {
        let stands_in = own == Some(other.route.as_str());
        let name = if stands_in { &other.provider } else { &other.route };
        reasons.push(format!("{name}: {}", other.why));
    }
    if message.tried.len() > 1 {
        reasons.push(format!("it was to go to {} in this order", message.tried.join(", ")));
    }
    reasons.extend(message.error.as_ref().map(|error| format!("{}: {}", error.code, error.message)));
    reasons
}
