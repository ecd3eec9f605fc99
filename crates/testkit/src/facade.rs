//! What every façade must keep: it is the adapter seen from the other side. What the adapter writes the
//! façade reads back, what the façade answers the adapter reads back, and no request at all upsets it. One
//! function a law; each fails where it had nothing to try.

mod noise;
mod report;
mod sight;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::adapter::{Adapter, Call, Loss, Reply, Request, Seal, Settings, Vendor};
use interline_core::facade::{Answer, Asked, Asking, Endpoint, Facade, Incoming, Served};
use interline_core::message::Message;
use interline_core::options::Results;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use serde_json::{Value, json};

pub use noise::never_panics;
pub use report::{Carries, reports_survive};
pub use sight::Sight;

use crate::{build, conformance, strategy};

/// How often a law is tried.
const CASES: u32 = 96;

/// How often all of that is tried again where no message went by some class.
const ROUNDS: u32 = 16;

/// A façade, the adapter that it must understand, and what the wire between them can carry.
#[derive(Debug, Clone, Copy)]
pub struct Mirror<'m> {
    /// The vendor, with its façade.
    pub vendor: &'static Vendor,
    /// The adapter's dialect.
    pub dialect: &'static str,
    /// The adapter's settings; its secrets are those of `credentials`.
    pub settings: &'m Value,
    /// The façade's credentials.
    pub credentials: &'m Value,
    /// The vendor's own message fields, as they may stand under its name in `extensions`.
    pub extensions: &'m [Value],
    /// The adapter's quota classes whose calls the façade serves; each must have been tried.
    pub classes: &'m [&'static str],
    /// Messages that the façade is documented not to read back. They are left out, and must be few.
    pub leaves_out: fn(&Message) -> bool,
    /// Brings a message as it was sent, and as it was read back, to what the wire can say, beyond what the
    /// adapter lists as lost.
    pub level: fn(sent: &mut Sight, back: &mut Sight, crossing: &Crossing),
    /// What the answers to each class tell of each message.
    pub carries: fn(class: &str) -> Carries,
}

/// How a message went over the wire.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// The call's quota class.
    pub class: &'static str,
    /// How many messages the call has.
    pub company: usize,
    /// What was asked to be known.
    pub results: Results,
    /// What the adapter says is lost.
    pub losses: Vec<Loss>,
}

/// Both ends, ready.
struct Ends<'m> {
    mirror: &'m Mirror<'m>,
    facade: &'static Facade,
    adapter: Arc<dyn Adapter>,
    credentials: Settings,
    token: Option<String>,
}

impl<'m> Ends<'m> {
    fn of(mirror: &'m Mirror<'m>) -> Self {
        let facade = mirror.vendor.facade.expect("the vendor has a façade");
        assert_eq!(facade.vendor, mirror.vendor.name);
        let adapter = build::adapter(mirror.vendor, mirror.dialect, mirror.settings);
        let credentials = mirror.credentials.as_object().cloned().expect("credentials are an object");
        let wrong = (facade.check)(&credentials);
        assert!(wrong.is_empty(), "the credentials are wrong: {wrong:?}");
        let mut ends = Self { mirror, facade, adapter, credentials, token: None };
        ends.token = ends.login();
        ends
    }

    /// Gets a token from the façade, where the adapter wants one.
    fn login(&self) -> Option<String> {
        let login = self.adapter.login(&build::seal())?;
        let answer = match self.serve(&login.request) {
            Ok(Served::Answer(answer)) => answer,
            other => panic!("a login is answered at once: {other:?}"),
        };
        Some((login.read)(&reply(&answer)).expect("the façade gives a token that the adapter reads").secret)
    }

    fn seal(&self) -> Seal<'_> {
        Seal { token: self.token.as_deref(), ..build::seal() }
    }

    fn incoming(&self, request: &Request) -> Incoming {
        let path = request.path.strip_prefix(self.facade.prefix).unwrap_or(&request.path);
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let headers = request.headers.iter();
        Incoming {
            method: request.method.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: headers.map(|own| (own.name.to_lowercase(), own.value.clone())).collect(),
            body: request.body.clone(),
        }
    }

    fn asking<'a>(&'a self, request: &'a Incoming) -> Asking<'a> {
        let Seal { now_ms, nonce, .. } = build::seal();
        Asking { settings: &self.credentials, request, now_ms, nonce }
    }

    fn endpoint(&self, request: &Incoming) -> Option<&'static Endpoint> {
        let served = |own: &&Endpoint| own.method == request.method && own.path == request.path;
        self.facade.endpoints.iter().find(served)
    }

    fn serve(&self, request: &Request) -> Result<Served, String> {
        let incoming = self.incoming(request);
        if !(self.facade.is_ours)(&incoming) {
            return Err(format!("a request of the vendor's own adapter is not known as ours: {incoming:?}"));
        }
        let asking = self.asking(&incoming);
        if let Err(answer) = (self.facade.admit)(&asking) {
            return Err(format!("not admitted: {}", shown(&answer)));
        }
        let endpoint = self.endpoint(&incoming).ok_or_else(|| format!("{} is not served", incoming.path))?;
        Ok((endpoint.serve)(&asking))
    }

    /// Sends a call of the adapter's to the façade.
    fn asked(&self, call: &Call) -> Result<Asked, String> {
        let request = self.adapter.encode(call, &self.seal()).map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&request.body).into_owned();
        match self.serve(&request)? {
            Served::Send(asked) => Ok(*asked),
            Served::Answer(answer) => Err(format!("{body} is answered {}", shown(&answer))),
            Served::Find(find) => Err(format!("{body} is taken for a question: {find:?}")),
        }
    }

    /// Calls of messages that the adapter accepts and the façade serves.
    fn calls(&self) -> impl Strategy<Value = Vec<Call>> + use<> {
        let adapter = Arc::clone(&self.adapter);
        let company = strategy::company(self.mirror.vendor.name, self.mirror.extensions);
        let classes = self.mirror.classes.to_vec();
        let leaves_out = self.mirror.leaves_out;
        (company, conformance::results()).prop_map(move |(bodies, results)| {
            let (_, mut messages) = build::batch(&json!({"messages": bodies}));
            messages.retain(|message| !leaves_out(message));
            let mut calls = conformance::drawn(&*adapter, &messages, results);
            calls.retain(|call| classes.contains(&call.class));
            calls
        })
    }

    fn hold<S: Strategy>(&self, law: &str, values: &S, test: impl Fn(S::Value) -> TestCaseResult) {
        let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
        if let Err(error) = TestRunner::new(config).run(values, test) {
            panic!("the façade of {} for {}: {law}: {error}", self.facade.vendor, self.mirror.dialect);
        }
    }
}

/// What has been tried, by quota class.
#[derive(Default)]
struct Tried(RefCell<BTreeMap<&'static str, usize>>);

impl Tried {
    fn note(&self, class: &'static str) {
        *self.0.borrow_mut().entry(class).or_default() += 1;
    }

    /// Tries until every class was, some of which few messages go by.
    fn until_all(&self, mirror: &Mirror<'_>, mut try_more: impl FnMut()) {
        assert!(!mirror.classes.is_empty(), "no class is to be tried");
        for _ in 0..ROUNDS {
            try_more();
            if mirror.classes.iter().all(|class| self.0.borrow().contains_key(class)) {
                return;
            }
        }
        panic!("of {:?} only {:?} were tried", mirror.classes, self.0.borrow());
    }
}

fn reply(answer: &Answer) -> Reply {
    let retry_after = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let seconds = retry_after.and_then(|(_, value)| value.parse().ok());
    Reply {
        status: answer.status,
        retry_after: seconds.map(std::time::Duration::from_secs),
        body: answer.body.clone(),
    }
}

fn shown(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// What the adapter writes is read back: the same messages in the same order, but for what the adapter lists
/// as lost. Ids, results, priority and labels are not compared.
pub fn calls_survive(mirror: &Mirror<'_>) {
    let ends = Ends::of(mirror);
    let tried = Tried::default();
    let survive = |calls: Vec<Call>| {
        for call in calls {
            survives(&ends, &call)?;
            tried.note(call.class);
        }
        Ok(())
    };
    tried.until_all(mirror, || ends.hold("calls survive", &ends.calls(), survive));
}

fn survives(ends: &Ends<'_>, call: &Call) -> TestCaseResult {
    let asked = ends.asked(call).map_err(TestCaseError::fail)?;
    let (_, back) = build::try_batch(&Value::Object(asked.batch))
        .map_err(|problems| TestCaseError::fail(format!("the batch is wrong: {problems:?}")))?;
    prop_assert_eq!(back.len(), call.messages.len(), "messages read back");
    for (sent, back) in call.messages.iter().zip(&back) {
        compare(ends, call, &sent.message, back)?;
    }
    Ok(())
}

fn compare(ends: &Ends<'_>, call: &Call, sent: &Message, back: &Message) -> TestCaseResult {
    let mirror = ends.mirror;
    let losses = ends.adapter.check(sent, call.results).unwrap_or_default();
    let crossing =
        Crossing { class: call.class, company: call.messages.len(), results: call.results, losses };
    let default_sender = mirror.settings.get("default_sender").and_then(Value::as_str);
    let mut one = Sight::of(sent, mirror.vendor.name, default_sender);
    let mut other = Sight::of(back, mirror.vendor.name, default_sender);
    for sight in [&mut one, &mut other] {
        // What another field brings back in the place of a lost `ext` is not lost.
        let lost = crossing.losses.iter().filter(|loss| **loss != "ext");
        lost.for_each(|loss| sight.lose(loss));
    }
    if crossing.losses.contains(&"ext") {
        one.lose("ext");
    }
    (mirror.level)(&mut one, &mut other, &crossing);
    for sight in [&mut one, &mut other] {
        sight.settle();
    }
    prop_assert_eq!(&one, &other, "{:?}", crossing);
    Ok(())
}

/// A request with another secret is not admitted, whichever key it is; where no credentials are configured,
/// anybody is.
pub fn strangers_are_refused(mirror: &Mirror<'_>) {
    let ends = Ends::of(mirror);
    let message = json!({"to": "user:1", "from": "a", "content": {"type": "text", "text": "hi"}});
    let other = json!({"to": "room:1", "from": "a", "content": {"type": "text", "text": "hi"}});
    let (_, messages) = build::batch(&json!({"messages": [message, other]}));
    let calls = conformance::drawn(&*ends.adapter, &messages, Results::Fast);
    let calls: Vec<_> = calls.iter().filter(|call| mirror.classes.contains(&call.class)).collect();
    assert!(!calls.is_empty() && !ends.credentials.is_empty(), "nothing to try");
    for call in calls {
        let request = ends.adapter.encode(call, &ends.seal()).expect("a plain text can be written");
        let incoming = ends.incoming(&request);
        let admitted = |credentials: &Settings| {
            let asking = Asking { settings: credentials, ..ends.asking(&incoming) };
            (ends.facade.admit)(&asking).is_ok()
        };
        assert!(admitted(&ends.credentials) && admitted(&Settings::new()));
        for key in ends.credentials.keys() {
            let mut changed = ends.credentials.clone();
            changed.insert(key.clone(), json!("another value"));
            assert!(!admitted(&changed), "{key} makes no difference");
        }
        let bare = Incoming { headers: Vec::new(), ..incoming.clone() };
        let asking = ends.asking(&bare);
        assert!((ends.facade.admit)(&asking).is_err(), "a request without credentials is admitted");
    }
}
