//! What every adapter must keep, whatever its vendor: one function a law, named after it. [`run`] holds
//! all of them against every dialect of a vendor, and fails where nothing was held. Messages are made
//! by [`strategy`], go through the real reader and stand in calls as large as their slots allow.

mod replies;
mod secrecy;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use interline_core::adapter::{Adapter, Call, CallMessage, Settings, Vendor};
use interline_core::content::CONTENT_TYPES;
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::Dedupe;
use interline_core::recipient::RecipientKind;
use interline_core::shared::Digest;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult, TestRunner};
use serde_json::{Value, json};

pub use replies::{
    every_reply_gives_one_outcome_a_message, probes_are_harmless, the_samples_are_accepted,
    what_cannot_be_read_is_unknown,
};
pub use secrecy::{CANARY, secrets_stay_secret};

use crate::{build, strategy};

/// How often a law is tried with other messages.
const CASES: u32 = 32;

/// Beyond this, a call is as good as full.
const FULL: usize = 600;

/// What a suite needs to know of a vendor, beside the vendor.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'s> {
    /// The vendor's own message fields, as they may stand under its name in `extensions`.
    pub extensions: &'s [Value],
    /// Objects and arrays with which the vendor accepts; [`strategy::reply::CLIENT_ID`] and
    /// [`strategy::reply::RECIPIENT`] stand for the first message's.
    pub replies: &'s [Value],
}

/// One dialect that is held against the laws.
#[derive(Debug)]
pub struct Subject<'s> {
    /// The vendor.
    pub vendor: &'static Vendor,
    /// The dialect.
    pub dialect: &'static str,
    /// The adapter, made of `settings`.
    pub adapter: Arc<dyn Adapter>,
    /// The settings: `everyone` on and a default sender where the vendor has those, and each secret a
    /// text that starts with [`CANARY`].
    pub settings: &'s Settings,
    /// What the vendor says.
    pub samples: Samples<'s>,
}

/// A law: panics where a dialect breaks it.
pub type Law = fn(&Subject<'_>);

/// The laws, in the order of asking.
pub const LAWS: [Law; 14] = [
    the_profile_is_whole,
    messages_of_every_kind_are_accepted,
    what_is_refused_has_a_path,
    losses_are_names,
    an_accepted_message_goes_alone,
    equal_slots_share_one_call,
    calls_go_full,
    encoding_has_no_chance_in_it,
    client_ids_tell_messages_apart,
    every_reply_gives_one_outcome_a_message,
    what_cannot_be_read_is_unknown,
    the_samples_are_accepted,
    probes_are_harmless,
    secrets_stay_secret,
];

/// Holds all laws against all dialects.
pub fn run(vendor: &'static Vendor, settings: &Value, samples: Samples<'_>) {
    let settings = settings.as_object().expect("settings are an object");
    assert!(!vendor.dialects.is_empty(), "{} has no dialect to try", vendor.name);
    for dialect in vendor.dialects {
        let adapter = (vendor.build)(settings, dialect)
            .unwrap_or_else(|errors| panic!("the settings are wrong for {dialect}: {errors:?}"));
        let subject = Subject { vendor, dialect, adapter, settings, samples };
        LAWS.iter().for_each(|law| law(&subject));
    }
}

impl Subject<'_> {
    /// Tries a law with many values; panics with the smallest that breaks it.
    fn hold<S: Strategy>(&self, law: &str, values: &S, test: impl Fn(S::Value) -> TestCaseResult) {
        let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
        if let Err(error) = TestRunner::new(config).run(values, test) {
            panic!("{} {}: {law}: {error}", self.vendor.name, self.dialect);
        }
    }

    fn message(&self) -> impl Strategy<Value = (Arc<Message>, Results)> + use<> {
        let message = strategy::message(self.vendor.name, self.samples.extensions);
        (message.prop_map(|body| build::message(&body)), results())
    }

    /// Calls of messages that are accepted and nearly alike, each with its attempt.
    fn calls(&self) -> impl Strategy<Value = Vec<Call>> + use<> {
        let adapter = Arc::clone(&self.adapter);
        let company = strategy::company(self.vendor.name, self.samples.extensions);
        (company, results(), 1..4_u32, any::<bool>()).prop_map(move |(bodies, results, attempt, again)| {
            let (_, messages) = build::batch(&json!({"messages": bodies}));
            let mut calls = drawn(&*adapter, &messages, results);
            for message in calls.iter_mut().flat_map(|call| &mut call.messages) {
                (message.attempt, message.prior_unknown) = (attempt, again && attempt > 1);
            }
            calls
        })
    }
}

pub(crate) fn results() -> impl Strategy<Value = Results> {
    prop_oneof![Just(Results::Each), Just(Results::Fast)]
}

/// Calls of the messages that the adapter accepts, as large as their slots allow: equal class and key
/// stand together, who results are told apart by recipient for stands in a call once.
pub(crate) fn drawn(adapter: &dyn Adapter, messages: &[Arc<Message>], results: Results) -> Vec<Call> {
    let mut open: HashMap<(&str, Digest), usize> = HashMap::new();
    let mut stand = HashSet::new();
    let mut calls: Vec<Call> = Vec::new();
    for message in messages.iter().filter(|message| adapter.check(message, results).is_ok()) {
        let slot = adapter.slot(message, results);
        assert!(adapter.profile().class(slot.class).is_some(), "{:?} is no class of the profile", slot.class);
        let recipient = message.to.fingerprint();
        let fits = |at: &usize| {
            calls[*at].messages.len() < slot.max && (slot.repeats || !stand.contains(&(*at, recipient)))
        };
        let at = open.get(&(slot.class, slot.key)).copied().filter(fits).unwrap_or(calls.len());
        if at == calls.len() {
            calls.push(Call { class: slot.class, results, messages: Vec::new() });
        }
        open.insert((slot.class, slot.key), at);
        stand.insert((at, recipient));
        calls[at].messages.push(CallMessage::first(Arc::clone(message)));
    }
    calls
}

fn alone(adapter: &dyn Adapter, message: &Arc<Message>, results: Results) -> Call {
    let class = adapter.slot(message, results).class;
    Call { class, results, messages: vec![CallMessage::first(Arc::clone(message))] }
}

fn named(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
}

pub(crate) fn distinct<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

/// Everything that a profile names exists and says something.
pub fn the_profile_is_whole(subject: &Subject<'_>) {
    let profile = subject.adapter.profile();
    assert_eq!((profile.vendor, profile.dialect), (subject.vendor.name, subject.dialect));
    assert!(!profile.recipients.is_empty() && distinct(profile.recipients));
    assert!(!profile.contents.is_empty() && distinct(profile.contents));
    assert!(profile.contents.iter().all(|kind| CONTENT_TYPES.contains(kind)), "{:?}", profile.contents);
    assert!(!profile.accepted_means.trim().is_empty() && profile.in_flight > 0 && !profile.timeout.is_zero());
    let classes: Vec<&str> = profile.classes.iter().map(|class| class.name).collect();
    assert!(!classes.is_empty() && distinct(&classes) && classes.iter().all(|name| named(name)));
    for class in &profile.classes {
        let rates = [class.calls, class.messages, class.per_recipient];
        assert!(rates.iter().flatten().all(|rate| rate.count > 0 && !rate.per.is_zero()), "{class:?}");
        assert!(class.messages_per_call > 0, "{class:?}");
    }
    match profile.dedupe {
        Dedupe::Never => {}
        Dedupe::Within { classes: known, window_ms, evidence } => {
            assert!(!known.is_empty() && known.iter().all(|name| classes.contains(name)), "{known:?}");
            assert!(window_ms > 0 && !evidence.trim().is_empty());
        }
    }
    assert!(distinct(subject.vendor.settings) && subject.vendor.settings.iter().all(|key| named(key)));
    let unknown = (subject.vendor.build)(subject.settings, "no such dialect");
    assert!(unknown.is_err_and(|errors| errors.iter().any(|error| error.path == "/dialect")));
}

/// Each kind of recipient and each content type that the profile names is really taken.
pub fn messages_of_every_kind_are_accepted(subject: &Subject<'_>) {
    let kinds = [RecipientKind::User, RecipientKind::Group, RecipientKind::Room, RecipientKind::Everyone];
    let (seen, taken) = (kinds.map(|_| Cell::new(0)), kinds.map(|_| Cell::new(0)));
    subject.hold("messages of every kind are accepted", &vec_of(subject.message()), |messages| {
        for (message, results) in messages {
            let at = message.to.kind() as usize;
            seen[at].set(seen[at].get() + 1);
            taken[at].set(taken[at].get() + u32::from(subject.adapter.check(&message, results).is_ok()));
        }
        Ok(())
    });
    for (at, kind) in kinds.into_iter().enumerate() {
        assert!(seen[at].get() > 0, "no message went to {kind:?}");
        let wanted = subject.adapter.profile().recipients.contains(&kind);
        assert_eq!(taken[at].get() > 0, wanted, "{} {}: {kind:?}", subject.vendor.name, subject.dialect);
    }
}

fn vec_of<S: Strategy>(one: S) -> impl Strategy<Value = Vec<S::Value>> {
    proptest::collection::vec(one, 8)
}

/// Refusals name at least one field, as a pointer into the message.
pub fn what_is_refused_has_a_path(subject: &Subject<'_>) {
    subject.hold("what is refused has a path", &subject.message(), |(message, results)| {
        if let Err(refusal) = subject.adapter.check(&message, results) {
            prop_assert!(!refusal.errors.is_empty());
            prop_assert!(refusal.errors.iter().all(|error| error.path.starts_with('/')), "{refusal:?}");
            prop_assert!(refusal.errors.iter().all(|error| !error.detail.is_empty()), "{refusal:?}");
        }
        Ok(())
    });
}

/// Losses are field names, each said once.
pub fn losses_are_names(subject: &Subject<'_>) {
    subject.hold("losses are names", &subject.message(), |(message, results)| {
        let losses = subject.adapter.check(&message, results).unwrap_or_default();
        prop_assert!(losses.iter().all(|loss| named(loss)) && distinct(&losses), "{losses:?}");
        Ok(())
    });
}

/// Whatever is accepted has a place in a class of the profile and can be written by itself, as a
/// request that HTTP can carry.
pub fn an_accepted_message_goes_alone(subject: &Subject<'_>) {
    let accepted = Cell::new(0);
    subject.hold("an accepted message goes alone", &subject.message(), |(message, results)| {
        if subject.adapter.check(&message, results).is_err() {
            return Ok(());
        }
        accepted.set(accepted.get() + 1);
        let slot = subject.adapter.slot(&message, results);
        prop_assert!(subject.adapter.profile().class(slot.class).is_some() && slot.max > 0, "{slot:?}");
        let request = subject
            .adapter
            .encode(&alone(&*subject.adapter, &message, results), &build::seal())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(["GET", "POST"].contains(&request.method));
        let path = request.path.as_bytes();
        prop_assert!(path.starts_with(b"/") && path.iter().all(u8::is_ascii_graphic), "{}", request.path);
        for header in &request.headers {
            let visible = header.value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            prop_assert!(visible && header.value.trim() == header.value, "{}: {}", header.name, header.value);
        }
        Ok(())
    });
    assert!(accepted.get() > 0, "no message was accepted");
}

/// Calls are written, and it does not matter to what they say which message stands first: what is
/// said once is equal for all, the rest is each message's own.
pub fn equal_slots_share_one_call(subject: &Subject<'_>) {
    let (shared, could) = (Cell::new(0), Cell::new(0));
    // Few messages meet, and fewer that differ in the one thing that matters.
    let values = proptest::collection::vec(subject.calls(), 6);
    subject.hold("equal slots share one call", &values, |calls| {
        for mut call in calls.into_iter().flatten() {
            let written = subject.adapter.encode(&call, &build::seal());
            let written = written.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let slot = subject.adapter.slot(&call.messages[0].message, call.results);
            could.set(could.get() + usize::from(slot.max > 1));
            if call.messages.len() < 2 {
                continue;
            }
            shared.set(shared.get() + 1);
            call.messages.reverse();
            let backwards = subject.adapter.encode(&call, &build::seal());
            let backwards = backwards.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&backwards.path, &written.path);
            let sorted = |body: &[u8]| {
                let mut bytes = body.to_vec();
                bytes.sort_unstable();
                bytes
            };
            let texts = [&written.body, &backwards.body].map(|body| String::from_utf8_lossy(body));
            prop_assert!(sorted(&written.body) == sorted(&backwards.body), "{} | {}", texts[0], texts[1]);
        }
        Ok(())
    });
    let (vendor, dialect) = (subject.vendor.name, subject.dialect);
    assert!(could.get() < 10 || shared.get() > 0, "{vendor} {dialect}: no call was shared");
}

/// A call takes as many messages as its slot says.
pub fn calls_go_full(subject: &Subject<'_>) {
    for (kind, results) in ["user", "group", "room"]
        .iter()
        .flat_map(|kind| [Results::Each, Results::Fast].map(|results| (*kind, results)))
    {
        for own in [false, true] {
            let bodies: Vec<Value> = (0..FULL + 1)
                .map(|number| json!({"to": format!("{kind}:{}", if own { number + 1 } else { 7 })}))
                .collect();
            let content = json!({"type": "text", "text": "hi"});
            let (_, messages) =
                build::batch(&json!({"from": "sender", "content": content, "messages": bodies}));
            for call in drawn(&*subject.adapter, &messages, results) {
                let most = subject.adapter.slot(&call.messages[0].message, results).max;
                assert!(call.messages.len() <= most);
                let written = subject.adapter.encode(&call, &build::seal());
                assert!(written.is_ok(), "{} {kind} in one call: {written:?}", call.messages.len());
            }
        }
    }
}

/// Equal calls under equal seals are equal requests, by any adapter of the same settings.
pub fn encoding_has_no_chance_in_it(subject: &Subject<'_>) {
    let twin = (subject.vendor.build)(subject.settings, subject.dialect).expect("the settings are good");
    subject.hold("encoding has no chance in it", &subject.calls(), |calls| {
        for call in calls {
            let one = subject.adapter.encode(&call, &build::seal()).ok();
            prop_assert_eq!(&one, &subject.adapter.encode(&call, &build::seal()).ok());
            prop_assert_eq!(&one, &twin.encode(&call, &build::seal()).ok());
            for message in &call.messages {
                let slot = twin.slot(&message.message, call.results);
                prop_assert_eq!(slot, subject.adapter.slot(&message.message, call.results));
            }
        }
        Ok(())
    });
}

/// Where a call carries client ids, different ids are different bytes; where the vendor recognises
/// repeats, calls carry them.
pub fn client_ids_tell_messages_apart(subject: &Subject<'_>) {
    const MARK: &str = "0123456789abcdefmark";
    let values = (subject.message(), strategy::client_id(), strategy::client_id());
    subject.hold("client ids tell messages apart", &values, |((message, results), one, other)| {
        let adapter = &*subject.adapter;
        let sent_as = |id: &str| {
            let message = Arc::new(Message { client_id: id.into(), ..Message::clone(&message) });
            adapter.check(&message, results).ok()?;
            adapter.encode(&alone(adapter, &message, results), &build::seal()).ok()
        };
        let Some(marked) = sent_as(MARK) else { return Ok(()) };
        let carried = secrecy::holds(&marked, MARK);
        let class = adapter.slot(&message, results).class;
        prop_assert!(carried || adapter.profile().dedupe.window_ms(class) == 0, "{class} has no client ids");
        if let (true, true, Some(one), Some(other)) = (carried, one != other, sent_as(&one), sent_as(&other))
        {
            prop_assert_ne!(one, other);
        }
        Ok(())
    });
}
