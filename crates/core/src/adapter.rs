//! What a vendor's adapter is: pure functions from messages to one HTTP request and from its reply to
//! exactly one outcome a message. Time, chance and tokens come in through [`Seal`], so that a test
//! can expect exact bytes. Adapters do no I/O, keep no state and never loop over calls.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Failure, FieldError, Refusal};
use crate::facade::Facade;
use crate::message::Message;
use crate::options::Results;
use crate::outcome::{Outcome, Receipt};
use crate::profile::Profile;
use crate::shared::Digest;

/// One dialect of one vendor, with the settings of one provider.
pub trait Adapter: Send + Sync + fmt::Debug {
    /// What this dialect can do, and its limits.
    fn profile(&self) -> &Profile;

    /// Checks what only the vendor knows and lists what would be lost. Paths are relative to the message.
    ///
    /// # Errors
    /// When the message can never be sent as it is.
    fn check(&self, message: &Message, results: Results) -> Result<Vec<Loss>, Refusal>;

    /// Where the message may stand: which calls, in whose company.
    fn slot(&self, message: &Message, results: Results) -> Slot;

    /// Writes the call as one request.
    ///
    /// # Errors
    /// Only for messages that [`Adapter::check`] would have refused.
    fn encode(&self, call: &Call, seal: &Seal<'_>) -> Result<Request, Error>;

    /// Reads a reply, whatever it is, into one outcome a message, in the call's order.
    fn decode(&self, call: &Call, reply: &Reply) -> Verdict;

    /// How a token is fetched, where calls need one.
    fn login(&self, _seal: &Seal<'_>) -> Option<Exchange<Token>> {
        None
    }

    /// The headers that any request of the account carries, signed and fresh: for paths that are passed on
    /// as they are.
    fn credentials(&self, _seal: &Seal<'_>) -> Vec<Header> {
        Vec::new()
    }

    /// Whether a reply to any request of the account says that its token is no good, which proves that nothing
    /// was acted on.
    fn refuses_token(&self, _reply: &Reply) -> bool {
        false
    }

    /// How the vendor can be asked for a message whose outcome is unknown.
    fn lookup(&self, _sent: &Sent<'_>, _seal: &Seal<'_>) -> Option<Exchange<Finding>> {
        None
    }
}

/// Something of a message that a provider cannot express, by the canonical field's name.
pub type Loss = &'static str;

/// Which calls a message may stand in. Messages with equal `class` and `key` may share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The quota class, one of the profile's.
    pub class: &'static str,
    /// What the call says once, digested.
    pub key: Digest,
    /// What the message adds to the body, in bytes, roughly.
    pub bytes: usize,
    /// Most messages in such a call, by the vendor's rules.
    pub max: usize,
    /// Whether results are told apart by message id, so that one recipient may stand in a call twice.
    pub repeats: bool,
}

/// One vendor request to be: messages with equal slots.
#[derive(Debug, Clone)]
pub struct Call {
    /// The quota class.
    pub class: &'static str,
    /// How much is to be known of each message.
    pub results: Results,
    /// At least one.
    pub messages: Vec<CallMessage>,
}

/// A message in a call.
#[derive(Debug, Clone)]
pub struct CallMessage {
    /// The message, by the ids that the provider knows.
    pub message: Arc<Message>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Whether an earlier attempt ended unknown: the vendor may hold the message already.
    pub prior_unknown: bool,
}

impl CallMessage {
    /// A first attempt.
    #[must_use]
    pub const fn first(message: Arc<Message>) -> Self {
        Self { message, attempt: 1, prior_unknown: false }
    }

    /// The recipient's id at the vendor.
    #[must_use]
    pub fn recipient_id(&self) -> &str {
        self.message.to.id()
    }
}

/// What changes with each attempt.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// 32 hex digits, fresh for each attempt.
    pub nonce: &'a str,
    /// The token, where [`Adapter::login`] fetched one.
    pub token: Option<&'a str>,
}

/// An HTTP header; a secret one is masked wherever people could read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The name, as the vendor writes it.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// Whether the value must never be shown.
    pub secret: bool,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "***" } else { &self.value };
        write!(f, "{}: {value}", self.name)
    }
}

/// An HTTP request, relative to the provider's base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, from the first slash.
    pub path: Cow<'static, str>,
    /// Headers, without host and length.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A `POST` of `body`.
    #[must_use]
    pub fn post(path: impl Into<Cow<'static, str>>, content_type: &'static str, body: Vec<u8>) -> Self {
        let headers = vec![Header { name: "Content-Type", value: content_type.to_owned(), secret: false }];
        Self { method: "POST", path: path.into(), headers, body }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(path: impl Into<Cow<'static, str>>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header that people may see.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push(Header { name, value: value.into(), secret: false });
        self
    }

    /// Adds a header that is never shown.
    #[must_use]
    pub fn secret(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push(Header { name, value: value.into(), secret: true });
        self
    }
}

/// A whole reply. One that did not arrive whole never reaches an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, where there was one in seconds.
    pub retry_after: Option<Duration>,
    /// The body, bounded by the transport.
    pub body: Vec<u8>,
}

/// What a reply means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// One outcome a message, in the call's order.
    pub outcomes: Vec<Outcome>,
    /// What the engine should do beside.
    pub signal: Signal,
}

impl Verdict {
    /// The same failure for every message.
    #[must_use]
    pub fn all(call: &Call, failure: &Failure) -> Self {
        let outcomes = call.messages.iter().map(|_| Outcome::failed(failure.clone())).collect();
        Self { outcomes, signal: Signal::None }
    }

    /// Every message accepted, each with its receipt.
    #[must_use]
    pub fn accepted(call: &Call, receipt: impl FnMut(&CallMessage) -> Receipt) -> Self {
        let outcomes = call.messages.iter().map(receipt).map(Outcome::Accepted).collect();
        Self { outcomes, signal: Signal::None }
    }

    /// Adds a signal.
    #[must_use]
    pub const fn signal(mut self, signal: Signal) -> Self {
        self.signal = signal;
        self
    }
}

/// What a reply asks the engine to do, beside settling the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Nothing.
    None,
    /// Make no call of this quota class for so long.
    Freeze(&'static str, Duration),
    /// Fetch a new token, then the call may be made again.
    Relogin,
    /// Sign again with a fresh time and nonce, once.
    Resign,
    /// The whole call was refused for one bad message: halve it.
    Bisect,
    /// The server does not speak this dialect.
    WrongDialect,
}

/// A request of the adapter's own and how its reply is read.
pub struct Exchange<T> {
    /// The request.
    pub request: Request,
    /// Reads the reply.
    pub read: fn(&Reply) -> Result<T, Error>,
}

impl<T> fmt::Debug for Exchange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("path", &self.request.path).finish_non_exhaustive()
    }
}

/// A token and how long it is good for.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token itself.
    pub secret: String,
    /// Validity from now on.
    pub lasts: Duration,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("secret", &"***").field("lasts", &self.lasts).finish()
    }
}

/// A message that was sent and whose outcome is unknown.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The message.
    pub message: &'a Message,
    /// The recipient's id at the vendor.
    pub recipient_id: &'a str,
    /// The quota class of the call it was sent in.
    pub class: &'static str,
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The vendor holds it.
    Arrived(Receipt),
    /// The vendor does not show it; it may still come.
    Absent,
    /// The vendor cannot tell.
    CannotTell,
}

/// A vendor: its dialects and how adapters are made of settings.
#[derive(Debug)]
pub struct Vendor {
    /// The name in configuration and results.
    pub name: &'static str,
    /// The dialects that settings may name; the first is the one assumed while nothing is known.
    pub dialects: &'static [&'static str],
    /// The keys of the vendor's own settings.
    pub settings: &'static [&'static str],
    /// What may stand in a message's extensions for this vendor, as a JSON schema.
    pub extensions: fn() -> serde_json::Value,
    /// Makes the adapter for one dialect.
    pub build: fn(&Settings, dialect: &str) -> Built,
    /// Harmless requests that tell the dialects apart, in the order of asking.
    pub probes: fn(&Settings) -> Vec<Request>,
    /// Tells the dialect from the replies so far (none for a request that got no reply); none asks on.
    pub recognise: fn(&[Option<Reply>]) -> Option<&'static str>,
    /// The vendor's own wire format, served.
    pub facade: Option<&'static Facade>,
}

/// An adapter, or everything that is wrong with its settings.
pub type Built = Result<Arc<dyn Adapter>, Vec<FieldError>>;

/// The vendor's own settings of one provider: strings, numbers and switches by key, secrets resolved.
pub type Settings = serde_json::Map<String, serde_json::Value>;
