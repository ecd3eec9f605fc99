//! Callers that hand messages over while servers come and go, and that write down what each of them was
//! answered. What a caller with a key was not answered it asks again, as a careful application would.

use std::io::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::wait::holds_within;

/// How long a caller with a key goes on asking once the load is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// How messages are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// `POST /v1/batches` with JSON.
    Batch,
    /// `POST /v1/batches` with NDJSON.
    Lines,
    /// `POST /v1/send`.
    Direct,
    /// `POST /v1/batches` with NDJSON whose last line is none: it has to be refused, and nothing of it
    /// may ever be sent.
    Broken,
    /// A batch that is paused as soon as it is stored, and resumed.
    Paused,
    /// A batch that is cancelled as soon as it is stored.
    Cancelled,
}

/// One message that was handed over.
#[derive(Debug, Clone)]
pub struct Handed {
    /// The caller's id.
    pub id: String,
    /// The recipient.
    pub to: String,
    /// What the recipient should read; with the recipient it names the message.
    pub text: String,
    /// Whether the caller takes a duplicate over a doubt.
    pub at_least_once: bool,
}

/// What the caller heard.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Nothing, or a failure of the server that says nothing.
    Nothing,
    /// It was refused as a whole.
    Refused(u16),
    /// It is stored: the batch's id.
    Stored(String),
    /// It was sent: its results.
    Sent(Vec<Value>),
}

/// One request of a caller.
#[derive(Debug, Clone)]
pub struct Request {
    /// How it was handed over.
    pub way: Way,
    /// Whether under an idempotency key.
    pub keyed: bool,
    /// What it held.
    pub messages: Vec<Handed>,
    /// What came of it.
    pub heard: Heard,
    /// When it was first handed over.
    pub at: Instant,
    /// How long the answer took.
    pub took: Duration,
}

/// A caller: how it hands over, how often, and what.
#[derive(Clone)]
pub struct Caller {
    /// How.
    pub way: Way,
    /// Whether under keys.
    pub keyed: bool,
    /// The pause between two requests.
    pub pace: Duration,
    /// The body of a request by its number, which no other request has.
    pub compose: fn(u64) -> Value,
}

impl Caller {
    /// One that pauses so many milliseconds between two requests.
    pub const fn new(way: Way, keyed: bool, pace_ms: u64, compose: fn(u64) -> Value) -> Self {
        Self { way, keyed, pace: Duration::from_millis(pace_ms), compose }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("way", &self.way).field("keyed", &self.keyed).finish_non_exhaustive()
    }
}

/// The body of a request to users: recipients and texts that no request of another number has.
pub fn users(number: u64, count: u64) -> Value {
    let message = |at| {
        json!({"id": format!("m{at}"), "to": format!("user:u{number}.{at}"),
            "content": {"type": "text", "text": format!("text {number}.{at}")}})
    };
    json!({"from": "shop", "messages": (0..count).map(message).collect::<Vec<_>>()})
}

#[derive(Default)]
struct Shared {
    server: Mutex<Option<Client>>,
    requests: Mutex<Vec<Request>>,
    numbers: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    fn server(&self) -> Option<Client> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Callers at work.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("callers", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Load {
    /// Callers that wait for a server.
    pub fn start(callers: &[Caller]) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = callers.iter().map(|caller| {
            let (shared, caller) = (Arc::clone(&shared), caller.clone());
            std::thread::spawn(move || call(&shared, &caller))
        });
        Self { threads: threads.collect(), shared }
    }

    /// From now on they ask this server.
    pub fn ask(&self, server: &Client) {
        *self.shared.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.clone());
    }

    /// There is no server for now.
    pub fn pause(&self) {
        *self.shared.server.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many requests came to an end so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// No new requests; waits for those under way, and for the answers that keys stand for. The server
    /// has to be there.
    pub fn finish(self) -> Vec<Request> {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok();
        }
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn call(shared: &Shared, caller: &Caller) {
    while !shared.over() {
        let waited = holds_within(Duration::from_secs(1), || shared.server().is_some() || shared.over());
        let Some(server) = shared.server().filter(|_| waited && !shared.over()) else { continue };
        let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
        let request = one(shared, caller, server, number);
        shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        holds_within(caller.pace, || shared.over());
    }
}

fn one(shared: &Shared, caller: &Caller, mut server: Client, number: u64) -> Request {
    let body = (caller.compose)(number);
    let messages = handed(&body);
    let at = Instant::now();
    let mut until = None;
    let heard = loop {
        let asking = match caller.keyed {
            true => server.with("idempotency-key", &format!("key-{number}")),
            false => server.clone(),
        };
        let heard = heard(caller.way, hand_over(&asking, caller.way, &body));
        let again = match &heard {
            Heard::Nothing => caller.keyed,
            Heard::Refused(status) => caller.keyed && *status == 409,
            Heard::Stored(id) => {
                steer(shared, &server, caller.way, id);
                false
            }
            Heard::Sent(_) => false,
        };
        if !again {
            break heard;
        }
        if shared.over() && Instant::now() > *until.get_or_insert_with(|| Instant::now() + PATIENCE) {
            break heard;
        }
        holds_within(Duration::from_millis(20), || false);
        holds_within(PATIENCE, || shared.server().is_some());
        server = shared.server().unwrap_or(server);
    };
    Request { way: caller.way, keyed: caller.keyed, messages, heard, at, took: at.elapsed() }
}

/// Does to a stored batch what its caller is there for.
fn steer(shared: &Shared, server: &Client, way: Way, id: &str) {
    match way {
        Way::Cancelled => drop(server.ask("POST", &format!("/v1/batches/{id}/cancel"), "", b"")),
        Way::Paused => {
            drop(server.ask("POST", &format!("/v1/batches/{id}/pause"), "", b""));
            holds_within(Duration::from_millis(50), || false);
            // A batch stays paused until somebody resumes it, through any number of kills.
            holds_within(PATIENCE, || {
                let Some(server) = shared.server() else { return false };
                let resumed = server.ask("POST", &format!("/v1/batches/{id}/resume"), "", b"");
                resumed.is_ok_and(|answer| answer.status < 500)
            });
        }
        Way::Batch | Way::Lines | Way::Direct | Way::Broken => {}
    }
}

fn hand_over(server: &Client, way: Way, body: &Value) -> Result<Answer> {
    match way {
        Way::Batch | Way::Paused | Way::Cancelled => {
            server.ask("POST", "/v1/batches", "application/json", body.to_string().as_bytes())
        }
        Way::Direct => {
            server.ask("POST", "/v1/send?timeout=20", "application/json", body.to_string().as_bytes())
        }
        Way::Lines => server.ask("POST", "/v1/batches", "application/x-ndjson", lines(body).as_bytes()),
        Way::Broken => {
            let lines = format!("{}{{\"to\": \"nobody\n", lines(body));
            server.ask("POST", "/v1/batches", "application/x-ndjson", lines.as_bytes())
        }
    }
}

/// A batch as NDJSON: the head, then a message a line.
fn lines(body: &Value) -> String {
    let mut head = body.clone();
    let messages = head.as_object_mut().and_then(|head| head.remove("messages")).unwrap_or_default();
    let mut lines = format!("{head}\n");
    for message in messages.as_array().into_iter().flatten() {
        lines.push_str(&message.to_string());
        lines.push('\n');
    }
    lines
}

fn heard(way: Way, answer: Result<Answer>) -> Heard {
    let Ok(answer) = answer else {
        // What has no end can only be refused, told or not.
        return if way == Way::Broken { Heard::Refused(400) } else { Heard::Nothing };
    };
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match (answer.status, body) {
        (200, Some(mut body)) if way == Way::Direct => match body["results"].take() {
            Value::Array(results) => Heard::Sent(results),
            _ => Heard::Nothing,
        },
        (202, _) if way == Way::Broken => Heard::Refused(202),
        (202, Some(body)) => body["id"].as_str().map_or(Heard::Nothing, |id| Heard::Stored(id.to_owned())),
        (status @ 400..=499, _) => Heard::Refused(status),
        _ => Heard::Nothing,
    }
}

fn handed(body: &Value) -> Vec<Handed> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = body["messages"].as_array().into_iter().flatten();
    let one = |message: &Value| {
        let guarantee = message.get("guarantee").unwrap_or(&body["guarantee"]);
        Handed {
            id: text(&message["id"]),
            to: text(&message["to"]),
            text: text(&message["content"]["text"]),
            at_least_once: guarantee == "at_least_once",
        }
    };
    messages.map(one).collect()
}
