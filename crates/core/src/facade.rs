//! What a façade is: a vendor's own wire format, served. Like an adapter it is pure: a request comes in
//! as a value, what it asks for goes out as the body of `POST /v1/send`, and what became of that is
//! rendered as the vendor would say it. Who serves it keeps time, connections and the memory of repeats.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::adapter::Settings;
use crate::error::{Failure, FieldError};
use crate::record::MessageResult;

/// A vendor's sending endpoints, as Interline serves them.
#[derive(Debug)]
pub struct Facade {
    /// The vendor's name in configuration.
    pub vendor: &'static str,
    /// The keys of its credentials in `[[facades]]`; all are strings.
    pub credentials: &'static [&'static str],
    /// What may stand before every path; empty for nothing.
    pub prefix: &'static str,
    /// Within how long it answers unless configured: below the time after which the vendor's SDKs give up.
    pub answer_within: Duration,
    /// Whether the vendor's own success means *queued*, so that `mode = "durable"` tells the truth.
    pub queues: bool,
    /// The paths, without the prefix.
    pub endpoints: &'static [Endpoint],
    /// Further paths, not served, that reach everybody: passed on only for apps that may broadcast. Whatever
    /// stands below one counts too.
    pub broadcasts: &'static [&'static str],
    /// Everything that is wrong with the credentials; paths name the keys. None given at all is no error.
    pub check: fn(&Settings) -> Vec<FieldError>,
    /// Whether who asks may: compared in constant time, and anybody may where no credentials are configured.
    /// The error is the answer to give. It is asked before there is a body too: one of more than a few KiB is
    /// read for those alone who may without it.
    pub admit: fn(&Asking<'_>) -> Result<(), Answer>,
    /// Whether a request is one of this vendor's by what it carries (never by its secret's being right): how
    /// the owner of a path that is not served is found, on a listener that façades share.
    pub is_ours: fn(&Incoming) -> bool,
    /// The answer to a request that could not be served at all: its body was too large or broke off, or the
    /// server is closing.
    pub fail: fn(&Failure) -> Answer,
    /// The answer to a request for a path that is neither served nor passed on, which these words name. Its
    /// status is 404, and its body is what callers of the vendor read an error from: some look at nothing else.
    pub absent: fn(&str) -> Answer,
}

/// One path.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The whole path after the façade's prefix.
    pub path: &'static str,
    /// Reads a request that was admitted.
    pub serve: fn(&Asking<'_>) -> Served,
}

/// A request with what it is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The façade's credentials, secrets resolved. Empty: anybody may ask.
    pub settings: &'a Settings,
    /// The request.
    pub request: &'a Incoming,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// 32 hex digits, fresh for each request.
    pub nonce: &'a str,
}

/// An HTTP request, whole.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// The method.
    pub method: String,
    /// The path without the façade's prefix.
    pub path: String,
    /// What stands after the question mark.
    pub query: Option<String>,
    /// Names in lower case, in the order they came; a value that is no text is left out.
    pub headers: Vec<(String, String)>,
    /// The body, at most `server.max_body_mb` and in no content coding.
    pub body: Vec<u8>,
}

impl Incoming {
    /// The first header of this name, which is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Incoming")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`; empty for none.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// JSON as the vendor's servers label it.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }
}

/// What a request comes to.
pub enum Served {
    /// It is answered without sending.
    Answer(Answer),
    /// Something is to be sent.
    Send(Box<Asked>),
    /// What became of an earlier message is asked for.
    Find(Box<Find>),
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.debug_tuple("Answer").field(&answer.status).finish(),
            Self::Send(asked) => asked.fmt(f),
            Self::Find(find) => find.fmt(f),
        }
    }
}

/// Messages that a request asks to send.
pub struct Asked {
    /// The body of `POST /v1/send`, without `route`: who serves it sets the façade's own. `validation` is
    /// `permissive` unless one bad message makes the vendor refuse them all.
    pub batch: Map<String, Value>,
    /// How a repeat of each message is recognised, in the messages' order; shorter where the rest has none.
    pub marks: Vec<Option<Mark>>,
    /// What tells this request from another one with the same body: the id that the caller's SDK gave the
    /// request and gives its repeats, and for how long both together are a repeat. None leaves it to the body
    /// alone, for a minute.
    pub request_id: Option<Mark>,
    /// What [`Find`] finds the first message by, beside its own mark: never a reason not to send. Of
    /// messages under one name the newest counts.
    pub name: Option<Mark>,
    /// Renders what became of the messages.
    pub answer: Render,
}

/// Renders a report.
pub type Render = Box<dyn FnOnce(&Report<'_>) -> Answer + Send>;

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("marks", &self.marks).finish_non_exhaustive()
    }
}

/// A question for an earlier message.
pub struct Find {
    /// As it was marked, or named, when it was sent.
    pub mark: Mark,
    /// Renders what is known of it; none when no such message is.
    pub answer: RenderFound,
}

/// Renders what is known of one message.
pub type RenderFound = Box<dyn FnOnce(Option<&Told>) -> Answer + Send>;

impl fmt::Debug for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Find").field(&self.mark).finish()
    }
}

/// How the repeat of a message, or of a request, is recognised: by what the vendor would recognise it by. A
/// message whose earlier one was accepted, or may have been, or is under way, is not sent again: its report is
/// the earlier one's, marked as repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Unique for the message among all that one façade ever serves: kind of key, scope and id. Of a request it
    /// is the bare id, which counts together with the path and the body.
    pub key: String,
    /// How long it is remembered.
    pub lasts: Duration,
}

/// What became of the messages that were asked for.
#[derive(Debug, Clone, Copy)]
pub struct Report<'r> {
    /// One of each message, in the order asked for; or why nothing was sent: admission, a full queue, a
    /// batch that is invalid as a whole, no route.
    pub told: Result<&'r [Told], &'r Failure>,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Interline's id of the batch; empty where none was made.
    pub batch_id: &'r str,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its result. *Queued* only where the façade answers after storing.
    pub result: MessageResult,
    /// Interline's own id of it: 63 bits, never zero, the same for a repeat. For where the façade's vendor
    /// promises a number and the one that delivered has none.
    pub own_id: i64,
    /// Whether it had been sent before, and this is what became of it then.
    pub repeated: bool,
    /// Whether it was the same request that had sent it, by the id that its caller gave it: then the first
    /// answer is wanted again, whatever a vendor says to repeats of messages.
    pub same_request: bool,
}
