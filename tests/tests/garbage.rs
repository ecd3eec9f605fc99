//! Vendor servers that answer nonsense. Whatever a server says after it has read a message, that message
//! is unknown and is not sent again; nothing of it brings Interline down.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use interline_tests::{Place, Scripted, config};
use serde_json::{Value, json};

/// A vendor's dialect under test: a name, its lines of configuration, and the messages for it.
struct Speaker {
    name: &'static str,
    provider: fn(&str, &str) -> String,
    /// Whether the vendor recognises a repeat, so that an unknown is safely sent again.
    dedupes: bool,
    messages: fn() -> Vec<Value>,
}

fn to(recipient: &str) -> Value {
    json!({"to": recipient, "content": {"type": "text", "text": "hi"}})
}

fn fast(recipient: &str) -> Value {
    json!({"to": recipient, "content": {"type": "text", "text": "hi all"}, "options": {"results": "fast"}})
}

const SPEAKERS: [Speaker; 7] = [
    Speaker {
        name: "wk-published",
        dedupes: false,
        provider: |name, url| config::wukongim(name, url, "published", ""),
        messages: || vec![to("user:a"), to("group:b"), to("user:c")],
    },
    Speaker {
        name: "wk-v1",
        dedupes: false,
        provider: |name, url| config::wukongim(name, url, "v1", ""),
        messages: || vec![to("user:a"), fast("user:b"), fast("user:c")],
    },
    Speaker {
        name: "wk-v2",
        dedupes: false,
        provider: |name, url| config::wukongim(name, url, "v2", ""),
        messages: || vec![to("user:a"), fast("user:b"), fast("user:c")],
    },
    Speaker {
        name: "wk-v3",
        dedupes: true,
        provider: |name, url| config::wukongim(name, url, "v3", ""),
        messages: || vec![to("user:a"), to("group:b")],
    },
    Speaker {
        name: "oim",
        dedupes: false,
        provider: |name, url| {
            format!(
                "[providers.{name}]\nvendor = \"openim\"\nbase_url = \"{url}\"\ndialect = \"v3.8.3\"\n\
                 admin_token = \"ready\"\ndefault_sender = \"system\"\n"
            )
        },
        messages: || vec![to("user:a"), to("group:b"), fast("user:c"), fast("user:d")],
    },
    Speaker {
        name: "kit",
        dedupes: false,
        provider: |name, url| config::imkit(name, url, ""),
        messages: || vec![to("user:a"), to("user:b"), to("room:c")],
    },
    Speaker {
        name: "ne",
        dedupes: false,
        provider: |name, url| config::netease(name, url, "resend_window = \"0s\""),
        messages: || {
            vec![to("user:a"), to("room:7"), to("room:7"), fast("user:b"), fast("user:c"), to("group:9")]
        },
    },
];

/// An answer under a name.
type Case = (&'static str, fn() -> Vec<u8>);

fn ok(body: &str) -> Vec<u8> {
    Scripted::http(200, "application/json", body)
}

/// After each of these nobody can tell what became of the message.
const NONSENSE: [Case; 22] = [
    ("prose", || ok("hello, this is a proxy")),
    ("empty", || ok("")),
    ("nothing", Vec::new),
    ("no-http", || b"\x00\x01garbage\r\n\r\n".to_vec()),
    ("half-head", || b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
    ("truncated", || b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"code\":2".to_vec()),
    ("bad-chunks", || b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n".to_vec()),
    ("html-500", || Scripted::http(500, "text/html", "<html><body>Internal Server Error</body></html>")),
    ("html-502", || Scripted::http(502, "text/html", "<html>Bad Gateway</html>")),
    ("html-200", || Scripted::http(200, "text/html", "<html>Sign in to continue</html>")),
    ("giant", || ok(&" ".repeat(20 * 1024 * 1024))),
    ("not-utf8", || b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\xff\xfe{}".to_vec()),
    ("null", || ok("null")),
    ("number", || ok("12")),
    ("text", || ok("\"ok\"")),
    ("wrong-code", || ok(r#"{"code":"yes","errCode":"none","status":{},"data":7}"#)),
    ("huge-code", || ok(r#"{"code":99999999999999999999,"errCode":99999999999999999999,"status":1e400}"#)),
    ("strange-code", || ok(r#"{"code":-77,"errCode":-77,"status":-77,"RC":-77}"#)),
    ("nested", || ok(&"[".repeat(50_000))),
    ("list-of-numbers", || ok("[1,2,3]")),
    ("twice", || ok("{}{}")),
    ("empty-object", || ok("{}")),
];

/// Providers by vendor and case, each with a server of its own and a route.
struct Mess {
    config: String,
    servers: Vec<Scripted>,
    messages: Vec<Value>,
    /// Requests that asked what became of a message.
    asked: Arc<AtomicU64>,
}

/// Where vendors are asked what became of a message.
const LOOKUPS: [&str; 2] = ["/message/byclientmsgno", "/msg/check_msg_is_send_success"];

fn mess(cases: &[Case]) -> Mess {
    let mut mess =
        Mess { config: String::new(), servers: Vec::new(), messages: Vec::new(), asked: Arc::default() };
    let (mut providers, mut routes) = (String::new(), String::new());
    for speaker in &SPEAKERS {
        for (case, answer) in cases {
            let answer = *answer;
            let asked = Arc::clone(&mess.asked);
            let server = Scripted::start(move |path| {
                if LOOKUPS.iter().any(|lookup| path.starts_with(lookup)) {
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                answer()
            });
            let name = format!("{}.{case}", speaker.name);
            providers.push_str(&(speaker.provider)(&format!("\"{name}\""), &server.url()));
            // Each message of its own route, by its sender.
            writeln!(routes, "[[routes]]\nname = \"{name}\"\nwhen = {{ label = {{ case = \"{name}\" }} }}\nprovider = \"{name}\"")
                .expect("a String takes everything");
            for (number, mut message) in (speaker.messages)().into_iter().enumerate() {
                message["id"] = json!(format!("{name}.{number}"));
                message["labels"] = json!({"case": name});
                mess.messages.push(message);
            }
            mess.servers.push(server);
        }
    }
    mess.config = format!("{providers}{routes}");
    mess
}

#[test]
fn after_nonsense_a_message_is_unknown_and_is_not_sent_again() {
    let mess = mess(&NONSENSE);
    let place = Place::new(&mess.config);
    let mut server = place.serve();
    let accepted = server.post("/v1/batches", &json!({"messages": mess.messages})).of(202);
    let id = accepted["id"].as_str().expect("an id");
    let settled = server.settled(id, Duration::from_secs(60));
    let mut odd = String::new();
    for result in server.results(id) {
        let attempts = result["attempts"].as_array().map_or(0, Vec::len);
        let again = SPEAKERS
            .iter()
            .any(|one| one.dedupes && result["id"].as_str().is_some_and(|id| id.starts_with(one.name)));
        let attempts = if again { attempts.min(1) } else { attempts };
        if result["status"] != "unknown" || result["error"]["fate"] != "unknown" || attempts != 1 {
            writeln!(
                odd,
                "{}: {} after {attempts} attempts: {}",
                result["id"], result["status"], result["error"]
            )
            .expect("a String takes everything");
        }
    }
    assert!(odd.is_empty(), "not unknown:\n{odd}");
    let requests: u64 = mess.servers.iter().map(Scripted::requests).sum();
    let asked = mess.asked.load(Ordering::Relaxed);
    assert!(asked > 0, "who can be asked was asked");
    assert_eq!(settled["counts"]["calls"], requests - asked, "each call was made once");
    assert!(server.runs(), "{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_direct_send_hears_of_nonsense_too() {
    let mess = mess(&NONSENSE[..4]);
    let place = Place::new(&mess.config);
    let server = place.serve();
    let sent = server.post("/v1/send", &json!({"messages": mess.messages})).of(200);
    assert_eq!(sent["counts"]["unknown"], mess.messages.len(), "{}", sent["counts"]);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&elsewhere);
    let vendor = Scripted::start(move |path| {
        if path.starts_with("/elsewhere") {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()
    });
    let provider = config::wukongim("wk", &vendor.url(), "v2", "");
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "wk")));
    let server = place.serve();
    let sent = server.post("/v1/send?timeout=3", &json!({"messages": [to("user:a")]})).of(200);
    assert_eq!(sent["counts"]["accepted"], 0, "{sent}");
    assert_eq!(elsewhere.load(Ordering::Relaxed), 0, "the message was posted again elsewhere");
}

#[test]
fn without_a_token_nothing_is_sent() {
    let sends = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&sends);
    let vendor = Scripted::start(move |path| {
        if path.starts_with("/msg/") {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        ok(r#"{"errCode":0,"data":{"token":17}}"#)
    });
    let provider = config::openim("oim", &vendor.url(), "v3.8.3", "");
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "oim")));
    let server = place.serve();
    let sent = server.post("/v1/send?timeout=2", &json!({"messages": [to("user:a")]})).of(200);
    let status = sent["results"][0]["status"].as_str().unwrap_or_default();
    assert!(matches!(status, "rejected" | "expired"), "{sent}");
    assert_ne!(sent["results"][0]["error"]["fate"], "unknown", "{sent}");
    assert_eq!(sends.load(Ordering::Relaxed), 0);
}
