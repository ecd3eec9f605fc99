//! A batch through the real engine and a real ledger to an emulated server. The server is written from the
//! vendor's page alone and shares no code with the adapter, so that a misreading is not made twice.

#![expect(clippy::unwrap_used, reason = "a server that fails ends the test")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use interline_core::ids::Ids;
use interline_core::outcome::Status;
use interline_core::route::{Route, Routes, Target, When};
use interline_engine::{CallbackSettings, Caller, Delivery, Engine, EngineSettings, ProviderSettings};
use interline_ledger::Ledger;
use interline_pigeon::VENDOR;
use serde_json::{Value, json};

/// The letters of each call that arrived.
type Arrived = Arc<Mutex<Vec<Value>>>;

/// Starts the loft: it knows everybody whose name does not begin with `ghost-`.
fn loft() -> (String, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arrived = Arrived::default();
    let book = Arc::clone(&arrived);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            while let Some((key, body)) = read(&mut reader) {
                let (status, answer) = answer(&key, &body);
                book.lock().unwrap().push(body["letters"].clone());
                let answer = answer.to_string();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", answer.len());
                reader.get_mut().write_all((head + &answer).as_bytes()).unwrap();
            }
        }
    });
    (url, arrived)
}

/// The next request of a connection: its key and its body.
fn read(reader: &mut BufReader<std::net::TcpStream>) -> Option<(String, Value)> {
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("x-pigeon-key") => key = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap()
            }
            None if line.trim().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some((key, serde_json::from_slice(&body).unwrap()))
}

fn answer(key: &str, body: &Value) -> (&'static str, Value) {
    if key != "loft-key" {
        return ("401 Unauthorized", json!({"error": "bad_key"}));
    }
    let letters = body["letters"].as_array().unwrap().iter().enumerate().map(|(at, letter)| {
        let ghost = letter["to"].as_str().unwrap().starts_with("ghost-");
        if ghost {
            json!({"ref": letter["ref"], "error": "no_such_person", "words": "nobody by that name"})
        } else {
            json!({"ref": letter["ref"], "id": format!("p-{at}")})
        }
    });
    ("200 OK", json!({"letters": letters.collect::<Vec<_>>()}))
}

fn settings(url: &str, key: &str) -> EngineSettings {
    let provider = ProviderSettings {
        name: "loft".into(),
        vendor: &VENDOR,
        base_url: url.to_owned(),
        dialect: None,
        settings: json!({"api_key": key, "default_sender": "shop"}).as_object().cloned().unwrap(),
        in_flight: None,
        timeout: None,
        limits: BTreeMap::new(),
        ids: Ids::default(),
    };
    let route = Route {
        name: "all".into(),
        when: When::default(),
        target: Target::Provider("loft".into()),
        fallback: None,
        on_loss: None,
        guarantee: None,
    };
    EngineSettings {
        providers: vec![provider],
        routes: Routes::new(vec![route]),
        migrations: Vec::new(),
        delivery: Delivery::default(),
        vendors: vec![&VENDOR],
        callbacks: CallbackSettings::default(),
        max_batch_messages: 1_000,
    }
}

async fn sent(url: &str, key: &str, people: &[&str]) -> Vec<(Status, Option<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let ledger =
        Ledger::open(&format!("sqlite:{}", folder.path().join("ledger.db").display())).await.unwrap();
    let engine = Engine::start(settings(url, key), ledger).await.unwrap();
    let messages: Vec<_> = people.iter().map(|who| json!({"to": format!("user:{who}")})).collect();
    let batch = json!({"content": {"type": "text", "text": "Hi"}, "messages": messages});
    let caller = Caller { app: Arc::from("shop"), broadcast: false };
    let sent = engine.send(&caller, &batch.to_string(), Duration::from_secs(10), None).await.unwrap();
    let said = |failure: &interline_core::error::Failure| failure.code.as_str().to_owned();
    let results = sent.results();
    let said = results.iter().map(|result| (result.status, result.error.as_deref().map(said))).collect();
    engine.shutdown(Duration::from_secs(5)).await;
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn three_letters_are_one_call_and_each_has_its_own_outcome() {
    let (url, arrived) = loft();
    let said = sent(&url, "loft-key", &["alice", "ghost-1", "bo"]).await;
    let nobody = (Status::Rejected, Some("recipient_not_found".to_owned()));
    assert_eq!(said, [(Status::Accepted, None), nobody, (Status::Accepted, None)]);
    let calls = arrived.lock().unwrap();
    assert_eq!(calls.iter().map(|letters| letters.as_array().unwrap().len()).collect::<Vec<_>>(), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_said_in_interlines_words() {
    let (url, _) = loft();
    let said = sent(&url, "another-key", &["alice"]).await;
    assert_eq!(said, [(Status::Rejected, Some("unauthorized".to_owned()))]);
}
