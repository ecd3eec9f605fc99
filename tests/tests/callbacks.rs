//! Callbacks, seen by receivers of every kind: well, away, slow, unwilling, redirecting, private, and with a
//! certificate that nobody vouches for. Signatures are checked by the samples of the guide, in the languages of
//! those who receive.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use interline_tests::{Client, Place, Server, Stage, config, eventually};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "a plain secret that is long enough";
const LOCAL: &str = "allow_private = [\"127.0.0.0/8\"]\n";

/// A request that a receiver got.
#[derive(Debug, Clone)]
struct Hook {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    at: Instant,
}

impl Hook {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a callback is JSON")
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// What a receiver answers: status line with headers, after a while.
type Reply = (String, Duration);
type Answering = Box<dyn FnMut(&Hook) -> Reply + Send>;

/// A receiver that keeps what it gets.
struct Receiver {
    addr: SocketAddr,
    hooks: Arc<Mutex<Vec<Hook>>>,
    answering: Arc<Mutex<Answering>>,
}

fn ok() -> Reply {
    ("200 OK".to_owned(), Duration::ZERO)
}

fn status(text: &str) -> Reply {
    (text.to_owned(), Duration::ZERO)
}

impl Receiver {
    fn start(answering: impl FnMut(&Hook) -> Reply + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"), answering)
    }

    fn on(listener: TcpListener, answering: impl FnMut(&Hook) -> Reply + Send + 'static) -> Self {
        let addr = listener.local_addr().expect("an address");
        let hooks = Arc::new(Mutex::new(Vec::new()));
        let answering: Arc<Mutex<Answering>> = Arc::new(Mutex::new(Box::new(answering)));
        let (kept, asked) = (Arc::clone(&hooks), Arc::clone(&answering));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, asked) = (Arc::clone(&kept), Arc::clone(&asked));
                std::thread::spawn(move || answer(stream, &kept, &asked));
            }
        });
        Self { addr, hooks, answering }
    }

    fn url(&self) -> String {
        format!("http://{}/hook?token=canary-in-the-query", self.addr)
    }

    fn hooks(&self) -> Vec<Hook> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn now_answers(&self, answering: impl FnMut(&Hook) -> Reply + Send + 'static) {
        *self.answering.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answering);
    }

    #[track_caller]
    fn gets(&self, count: usize) -> Vec<Hook> {
        eventually(&format!("{count} callbacks arrive"), SOON, || {
            let hooks = self.hooks();
            (hooks.len() >= count).then_some(hooks)
        })
    }
}

/// Reads one request, answers it and closes.
fn answer(stream: TcpStream, hooks: &Mutex<Vec<Hook>>, answering: &Mutex<Answering>) -> Option<()> {
    stream.set_read_timeout(Some(SOON)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let hook = Hook { headers, body, at: Instant::now() };
    let (status, pause) = answering.lock().unwrap_or_else(PoisonError::into_inner)(&hook);
    hooks.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    std::thread::sleep(pause);
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    (&stream).write_all(text.as_bytes()).ok()
}

/// An app with a key: its lines and the key.
fn app(name: &str, may: &str, secrets: &[&str]) -> (String, String) {
    let ran = Place::empty().run(&["--json", "keys", "new", name]);
    let new: Value = serde_json::from_str(&ran.out).expect("a key as JSON");
    let hash = new["key_sha256"].as_str().or(new["sha256"].as_str()).expect("a hash");
    let secrets =
        if secrets.is_empty() { String::new() } else { format!("callback_secrets = {secrets:?}\n") };
    let lines = format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{hash}\"\nmay = {may}\n{secrets}");
    (lines, new["key"].as_str().expect("a key").to_owned())
}

/// A server with an app `shop`, and its key.
struct Set {
    stage: Stage,
    place: Place,
    key: String,
}

impl Set {
    fn new(callbacks: &str, secrets: &[&str]) -> Self {
        Self::with(callbacks, secrets, "")
    }

    fn with(callbacks: &str, secrets: &[&str], more: &str) -> Self {
        let twins = TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited();
        let stage = Stage::start(twins);
        let (lines, key) = app("shop", "[\"send\", \"read\"]", secrets);
        let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
        let route = config::route("all", "", "wk");
        let text = format!("{lines}{more}[callbacks]\n{callbacks}{provider}{route}");
        let place = Place::with("", &text);
        Self { stage, place, key }
    }

    fn serve(&self) -> (Server, Client) {
        let server = self.place.try_serve(&[("INTERLINE_LOG", "debug")]).expect("it starts");
        let client = server.client().key(&self.key);
        (server, client)
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.place.path("config.toml")).expect("the configuration");
        assert!(text.contains(from), "{from}");
        self.place.write("config.toml", text.replace(from, to).as_bytes());
    }
}

fn batch(url: &str, each: bool, messages: usize) -> Value {
    let messages: Vec<Value> = (0..messages).map(|n| json!({"to": format!("user:u{n}")})).collect();
    json!({
        "callback": {"url": url, "each": each},
        "content": {"type": "text", "text": "canary of a content"}, "messages": messages,
    })
}

#[track_caller]
fn accepted(client: &Client, body: &Value) -> String {
    client.post("/v1/batches", body).of(202)["id"].as_str().expect("an id").to_owned()
}

/// The only receiver, as soon as it is as asked for.
#[track_caller]
fn receiver(client: &Client, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(what, SOON, || {
        let all = client.get("/v1/callbacks").of(200);
        let found = all["callbacks"][0].clone();
        is(&found).then_some(found)
    })
}

/// A block of the guide in this language.
fn sample(language: &str) -> String {
    let guide = include_str!("../../docs/CALLBACKS.md");
    let (_, rest) = guide.split_once(&format!("```{language}\n")).expect("the guide has a sample");
    rest.split("```").next().unwrap_or_default().to_owned()
}

/// What the samples of the guide say of requests with these secrets.
fn verified(cases: &[(&str, &Hook)], tamper: bool) -> Vec<bool> {
    let cases: Vec<Value> = cases
        .iter()
        .map(|(secret, hook)| {
            let mut body = String::from_utf8(hook.body.clone()).expect("JSON is text");
            if tamper {
                body.push(' ');
            }
            json!({"secret": secret, "headers": hook.headers, "body": body})
        })
        .collect();
    let input = Value::from(cases).to_string();
    let python = format!(
        "{}\nimport json, sys\nprint(json.dumps([verify(c['secret'], c['headers'], c['body'].encode()) \
         for c in json.load(sys.stdin)]))",
        sample("python")
    );
    let js = format!(
        "{}\nconst cases = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));\n\
         console.log(JSON.stringify(cases.map((c) => verify(c.secret, c.headers, Buffer.from(c.body)))));",
        sample("js")
    );
    let by_python = ran("python3", &["-c", &python], &input);
    let by_node = ran("node", &["-e", &js], &input);
    assert_eq!(by_python, by_node);
    by_python
}

fn ran(program: &str, arguments: &[&str], input: &str) -> Vec<bool> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is missing ({error}): install python3 and nodejs"));
    let mut child = child;
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("an input that is read");
    let output = child.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("a list of answers")
}

#[test]
fn a_settled_batch_is_told_once_and_signed_with_each_secret() {
    let set = Set::new(LOCAL, &[NEW, OLD]);
    let hooks = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    let id = accepted(&client, &batch(&hooks.url(), false, 3));
    let hook = hooks.gets(1).remove(0);
    let told = hook.json();
    assert_eq!((hook.kind().as_str(), &told["data"]["id"]), ("batch.settled", &json!(id)));
    assert_eq!(told["data"]["counts"], client.get(&format!("/v1/batches/{id}")).of(200)["counts"]);
    assert_eq!(told["data"]["links"]["messages"], json!(format!("/v1/batches/{id}/messages")));
    assert_eq!(hook.headers["content-type"], "application/json");
    let wrong = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(verified(&[(OLD, &hook), (NEW, &hook), (wrong, &hook)], false), [true, true, false]);
    assert_eq!(verified(&[(OLD, &hook), (NEW, &hook)], true), [false, false]);

    let shown = receiver(&client, "it is delivered", |one| one["delivered"] == 1);
    assert_eq!((&shown["state"], &shown["waiting"]), (&json!("active"), &json!(0)), "{shown}");
    assert_eq!(shown["last"]["answer"], "answered 200");
    for place in [shown.to_string(), server.log()] {
        assert!(!place.contains("canary"), "nothing of a query, a content or a body is shown: {place}");
    }
    assert!(server.log().contains("127.0.0.1"), "the host is");
    for secret in [NEW, OLD] {
        assert!(!server.log().contains(secret));
    }
    assert_eq!(hooks.hooks().len(), 1);
}

#[test]
fn each_message_is_told_in_pages_and_what_was_unknown_is_told_when_it_is_known() {
    let set = Set::new(LOCAL, &[OLD]);
    let hooks = Receiver::start(|_| ok());
    let (_server, client) = set.serve();
    let id = accepted(&client, &batch(&hooks.url(), true, 250));
    let all = eventually("the batch is told", SOON, || {
        let all = hooks.hooks();
        all.iter().any(|hook| hook.kind() == "batch.settled").then_some(all)
    });
    let mut told = BTreeSet::new();
    for hook in all.iter().filter(|hook| hook.kind() == "messages.settled") {
        let data = hook.json()["data"].clone();
        let messages = data["messages"].as_array().expect("messages").clone();
        assert!(!messages.is_empty() && messages.len() <= 100, "{}", messages.len());
        assert_eq!(data["batch_id"], json!(id));
        for message in messages {
            assert_eq!(message["status"], "accepted");
            assert!(told.insert(message["id"].to_string()), "told twice: {message}");
        }
    }
    assert_eq!(told.len(), 250);
    let ids: BTreeSet<&str> = all.iter().map(Hook::id).collect();
    assert_eq!(ids.len(), all.len(), "each event has an id of its own");

    // A call that answers after its caller's time: unknown first, then known.
    let before = all.len();
    set.stage.wukongim().set_fault(Fault::new(FaultKind::Slow).times(1).value(4_000));
    let sent = client.post("/v1/send?timeout=1", &batch(&hooks.url(), true, 1)).of(200);
    assert_eq!(sent["results"][0]["status"], "unknown", "{sent}");
    let all = hooks.gets(before + 3);
    let kinds: Vec<String> = all[before..].iter().map(Hook::kind).collect();
    assert_eq!(kinds.last().map(String::as_str), Some("messages.revised"), "{kinds:?}");
    let revised = all.last().expect("a callback").json();
    assert_eq!(revised["data"]["messages"][0]["status"], "accepted", "{revised}");
}

#[test]
fn a_receiver_that_was_away_gets_everything_also_over_a_kill() {
    let set = Set::new(
        &format!(
            "{LOCAL}retries = [\"100ms\", \"200ms\", \"400ms\", \"1s\", \"1s\", \"1s\", \"5s\", \"5s\", \"5s\"]\n"
        ),
        &[OLD],
    );
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = port.local_addr().expect("an address");
    drop(port);
    let url = format!("http://{addr}/hook");
    let (server, client) = set.serve();
    let ids: BTreeSet<String> = (0..5).map(|_| accepted(&client, &batch(&url, false, 2))).collect();
    let failing = receiver(&client, "it fails", |one| one["failures"].as_u64() >= Some(2));
    assert_eq!(
        (&failing["state"], &failing["last"]["answer"]),
        (&json!("failing"), &json!("no connection could be made"))
    );
    server.kill();
    let hooks = Receiver::on(TcpListener::bind(addr).expect("the port is free again"), |_| ok());
    let (_server, client) = set.serve();
    let told = hooks.gets(5);
    let found: BTreeSet<String> =
        told.iter().map(|hook| hook.json()["data"]["id"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(found, ids);
    assert_eq!(verified(&told.iter().map(|hook| (OLD, hook)).collect::<Vec<_>>(), false), [true; 5]);
    let well = receiver(&client, "it is well", |one| one["delivered"] == 5);
    assert_eq!(
        (&well["state"], &well["failures"], &well["waiting"]),
        (&json!("active"), &json!(0), &json!(0)),
        "{well}"
    );
}

#[test]
fn what_was_told_and_not_recorded_is_told_again_under_the_same_id() {
    let mut set = Set::new(LOCAL, &[OLD]);
    let twins = std::mem::replace(&mut set.place, Place::empty());
    set.place = twins.debug_build();
    let hooks = Receiver::start(|_| ok());
    let crash = [("INTERLINE_CRASH_AT", "end_attempt.before_commit:1"), ("INTERLINE_LOG", "warn")];
    let server = set.place.try_serve(&crash).expect("it starts");
    accepted(&server.client().key(&set.key), &batch(&hooks.url(), false, 1));
    hooks.gets(1);
    let mut server = server;
    eventually("it is killed", SOON, || server.ended());
    let (_server, client) = set.serve();
    let told = hooks.gets(2);
    assert_eq!(told[0].id(), told[1].id());
    assert_eq!(told[0].body, told[1].body);
    receiver(&client, "it is delivered", |one| one["delivered"] == 1);
}

#[test]
fn what_goes_wrong_is_told_by_its_kind_and_nothing_is_followed() {
    let set = Set::new("allow_private = [\"127.0.0.1/32\"]\ntimeout = \"1s\"\nretries = [\"1h\"]\n", &[OLD]);
    let other = Receiver::start(|_| ok());
    let location = other.url();
    let redirecting =
        Receiver::start(move |_| status(&format!("307 Temporary Redirect\r\nlocation: {location}")));
    let slow = Receiver::start(|_| ("200 OK".to_owned(), Duration::from_secs(3)));
    let hidden = TcpListener::bind("127.0.0.2:0").expect("another address of loopback");
    let tls = Tls::start();
    let (_server, client) = set.serve();
    let port = hidden.local_addr().expect("an address").port();
    for (url, said) in [
        (redirecting.url(), "answered 307; redirects are not followed"),
        (slow.url(), "no answer within 1.0 s"),
        (format!("http://127.0.0.2:{port}/"), "private address"),
        (format!("http://[::ffff:127.0.0.2]:{port}/"), "private address"),
        (format!("http://[64:ff9b::7f00:2]:{port}/"), "private address"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "private address"),
        (format!("https://127.0.0.1:{}/", tls.port), "an issuer that is not trusted"),
        (format!("https://{}/", other.addr), "no connection could be made"),
        ("http://nowhere.invalid/".to_owned(), "no connection could be made"),
    ] {
        accepted(&client, &batch(&url, false, 1));
        let place = url.split('?').next().unwrap_or_default().to_owned();
        eventually(&format!("{url}: {said}"), SOON, || {
            let all = client.get("/v1/callbacks").of(200);
            let found = all["callbacks"]
                .as_array()?
                .iter()
                .find(|one| {
                    one["url"].as_str().is_some_and(|url| url.starts_with(&place))
                        || one["last"]["answer"].as_str().is_some_and(|answer| answer.contains(said))
                })?
                .clone();
            let answer = found["last"]["answer"].as_str()?;
            assert!(answer.contains(said), "{url}: {answer}");
            Some(())
        });
    }
    assert_eq!(other.hooks().len(), 0, "nobody followed");
    hidden.set_nonblocking(true).expect("a socket");
    assert!(hidden.accept().is_err(), "nobody came there");
}

#[test]
fn who_wants_nothing_more_is_left_alone_until_somebody_enables_it() {
    let set = Set::new(LOCAL, &[OLD]);
    let hooks = Receiver::start(|_| status("410 Gone"));
    let (server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is disabled", |one| one["state"] == "disabled");
    assert!(shown["disabled_because"].as_str().is_some_and(|why| why.contains("410")), "{shown}");
    let id = shown["id"].as_str().expect("an id").to_owned();
    let second = accepted(&client, &batch(&hooks.url(), false, 1));
    eventually("it is settled", SOON, || {
        let found = client.get(&format!("/v1/batches/{second}")).of(200);
        (found["state"] == "settled").then_some(())
    });
    let span = json!({"since": "2020-01-01T00:00:00Z"});
    assert_eq!(client.post(&format!("/v1/callbacks/{id}/replay"), &span).status, 409);
    assert_eq!(hooks.hooks().len(), 1);
    hooks.now_answers(|_| ok());
    let enabled = client.post_text(&format!("/v1/callbacks/{id}/enable"), "").of(200);
    assert_eq!(enabled["state"], "active", "{enabled}");
    let told = hooks.gets(3);
    assert!(server.log().contains("is disabled"));
    // And all of it once more.
    assert_eq!(client.post(&format!("/v1/callbacks/{id}/replay"), &span).of(202)["events"], 2);
    let again = hooks.gets(5);
    let ids = |hooks: &[Hook]| hooks.iter().map(|hook| hook.id().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&told[1..]), ids(&again[3..]));
    let none = json!({"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"});
    assert_eq!(client.post(&format!("/v1/callbacks/{id}/replay"), &none).of(202)["events"], 0);
}

#[test]
fn who_only_fails_for_long_is_disabled() {
    let pauses = "\"100ms\", ".repeat(15);
    let set = Set::new(
        &format!("{LOCAL}disable_after = \"1s\"\nretries = [{}]\n", pauses.trim_end_matches(", ")),
        &[OLD],
    );
    let hooks = Receiver::start(|_| status("500 Internal Server Error"));
    let (_server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is disabled", |one| one["state"] == "disabled");
    assert!(shown["disabled_because"].as_str().is_some_and(|why| why.contains("too long")), "{shown}");
    let metrics = client.get("/metrics").text();
    assert!(metrics.contains("interline_callback_attempts_total{result=\"refused\"}"), "{metrics}");
}

#[test]
fn events_that_nobody_takes_are_given_up_and_can_be_replayed() {
    let set = Set::new(&format!("{LOCAL}retries = [\"50ms\"]\n"), &[OLD]);
    let hooks = Receiver::start(|_| status("503 Service Unavailable"));
    let (_server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is given up", |one| one["given_up"] == 1);
    assert_eq!(hooks.hooks().len(), 2);
    hooks.now_answers(|_| ok());
    let id = shown["id"].as_str().expect("an id");
    assert_eq!(
        client.post(&format!("/v1/callbacks/{id}/replay"), &json!({"since": "2020-01-01T00:00:00Z"})).of(202)
            ["events"],
        1
    );
    let told = hooks.gets(3);
    assert_eq!(told[0].id(), told[2].id());
}

#[test]
fn who_asks_for_time_gets_it() {
    let set = Set::new(&format!("{LOCAL}retries = [\"10ms\", \"10ms\"]\n"), &[OLD]);
    let mut asked = 0;
    let hooks = Receiver::start(move |_| {
        asked += 1;
        if asked == 1 { status("429 Too Many Requests\r\nretry-after: 2") } else { ok() }
    });
    let (_server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    hooks.gets(1);
    let shown = receiver(&client, "it waits", |one| !one["paused_until"].is_null());
    assert_eq!(shown["state"], "failing");
    let told = hooks.gets(2);
    assert!(told[1].at - told[0].at >= Duration::from_millis(1_900), "{:?}", told[1].at - told[0].at);
}

#[test]
fn a_slow_receiver_holds_up_nobody_else() {
    let set = Set::new(&format!("{LOCAL}timeout = \"20s\"\n"), &[OLD]);
    let slow = Receiver::start(|_| ("200 OK".to_owned(), Duration::from_secs(15)));
    let quick = Receiver::start(|_| ok());
    let (_server, client) = set.serve();
    for _ in 0..12 {
        accepted(&client, &batch(&slow.url(), false, 1));
    }
    slow.gets(8);
    let began = Instant::now();
    for _ in 0..20 {
        accepted(&client, &batch(&quick.url(), false, 1));
    }
    quick.gets(20);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(slow.hooks().len(), 8, "no more than eight at a time");
}

#[test]
fn new_secrets_and_new_blocks_count_from_the_next_attempt_on() {
    let pauses = "\"300ms\", ".repeat(19);
    let set = Set::new(&format!("retries = [{}]\n", pauses.trim_end_matches(", ")), &[OLD]);
    let hooks = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    accepted(&client, &batch(&hooks.url(), false, 1));
    receiver(&client, "it is refused", |one| {
        one["last"]["answer"].as_str().is_some_and(|answer| answer.contains("private"))
    });
    assert_eq!(hooks.hooks().len(), 0);
    set.edit("[callbacks]\n", &format!("[callbacks]\n{LOCAL}"));
    set.edit(OLD, NEW);
    // The server looks at its file every second.
    let hook = hooks.gets(1).remove(0);
    drop(server);
    assert_eq!(verified(&[(NEW, &hook), (OLD, &hook)], false), [true, false]);
}

#[test]
fn apps_see_and_steer_their_own_receivers_and_need_something_to_sign_with() {
    let (bank, bank_key) = app("bank", "[\"send\", \"read\"]", &[]);
    let (boss, boss_key) = app("boss", "[\"read\", \"admin\"]", &[]);
    let set = Set::with(LOCAL, &[OLD], &format!("{bank}{boss}"));
    let hooks = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    let (bank, boss) = (server.client().key(&bank_key), server.client().key(&boss_key));
    for path in ["/v1/batches", "/v1/send", "/v1/plan"] {
        let refused = bank.post(path, &batch(&hooks.url(), false, 1)).of(400);
        assert_eq!(refused["errors"][0]["path"], "/callback", "{refused}");
        assert!(refused.to_string().contains("callback_secrets"), "{refused}");
    }
    accepted(&client, &batch(&hooks.url(), false, 1));
    let shown = receiver(&client, "it is delivered", |one| one["delivered"] == 1);
    assert_eq!(bank.get("/v1/callbacks").of(200), json!({"callbacks": [], "next_cursor": null}));
    assert_eq!(boss.get("/v1/callbacks?limit=1").of(200)["callbacks"][0]["id"], shown["id"]);
    let id = shown["id"].as_str().expect("an id");
    for path in [
        format!("/v1/callbacks/{id}/enable"),
        "/v1/callbacks/cb_99/enable".to_owned(),
        "/v1/callbacks/x/enable".to_owned(),
    ] {
        assert_eq!(bank.post_text(&path, "").status, 404, "{path}");
    }
    assert_eq!(boss.post_text(&format!("/v1/callbacks/{id}/enable"), "").status, 200);
    let wrong = client.post(&format!("/v1/callbacks/{id}/replay"), &json!({"until": 5, "all": true})).of(400);
    let paths: Vec<&str> =
        wrong["errors"].as_array().expect("errors").iter().filter_map(|one| one["path"].as_str()).collect();
    assert_eq!(paths.len(), 3, "{wrong}");
    for (callback, path) in [
        (json!({"url": "ftp://a/"}), "/callback/url"),
        (json!({"url": "https://a/", "secret": "x"}), "/callback/secret"),
    ] {
        let mut body = batch("https://a/", false, 1);
        body["callback"] = callback;
        assert_eq!(client.post("/v1/batches", &body).of(400)["errors"][0]["path"], path);
    }
}

/// A server with a certificate that nobody vouches for.
struct Tls {
    child: Child,
    port: u16,
}

impl Tls {
    fn start() -> Self {
        let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/callbacks/self-signed.pem");
        let code = "import http.server, ssl, sys\n\
            server = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain(sys.argv[1])\n\
            server.socket = context.wrap_socket(server.socket, server_side=True)\n\
            print(server.server_address[1], flush=True)\n\
            server.serve_forever()";
        let mut child = Command::new("python3")
            .args(["-c", code, certificate])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3: install it");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("an output");
        BufReader::new(stdout).read_line(&mut line).expect("a port");
        Self { child, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
