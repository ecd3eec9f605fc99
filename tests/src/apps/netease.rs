//! An app of NetEase: signed forms, and business errors in the body of a 200 alone, as its SDKs read them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::{App, Heard, Sending, Wish, keys};
use crate::client::Answer;

/// The app.
#[derive(Debug, Clone)]
pub struct NetEase {
    /// `AppKey`.
    pub key: &'static str,
    /// `AppSecret`.
    pub secret: &'static str,
    /// What stands before the paths.
    pub prefix: &'static str,
}

impl NetEase {
    fn signed(&self, secret: &str, number: u64) -> Vec<(String, String)> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (nonce, time) = (format!("nonce{number}"), seconds.to_string());
        let sum = Sha1::digest(format!("{secret}{nonce}{time}"));
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        // As the Go SDK writes names on HTTP/1.1.
        [("Appkey", self.key.to_owned()), ("Nonce", nonce), ("Curtime", time), ("Checksum", sum)]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }
}

fn form(pairs: &[(&str, String)]) -> Vec<u8> {
    let encoded = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                    out.push(char::from(byte))
                }
                b' ' => out.push('+'),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        })
    };
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    pairs.join("&").into_bytes()
}

fn content(kind: &str) -> (u32, Value) {
    match kind {
        "image" => (
            1,
            json!({"name": "a", "md5": "9894907e4ad9de4678091277509361f7", "url": "http://cdn.example.com/a.png", "ext": "png", "w": 64, "h": 48, "size": 1024}),
        ),
        "audio" => (
            2,
            json!({"dur": 3000, "md5": "9894907e4ad9de4678091277509361f7", "url": "http://cdn.example.com/a.aac", "ext": "aac", "size": 1024}),
        ),
        "video" => (
            3,
            json!({"dur": 5000, "md5": "9894907e4ad9de4678091277509361f7", "url": "http://cdn.example.com/a.mp4", "w": 64, "h": 48, "ext": "mp4", "size": 2048}),
        ),
        "file" => (
            6,
            json!({"name": "a.pdf", "md5": "9894907e4ad9de4678091277509361f7", "url": "http://cdn.example.com/a.pdf", "ext": "pdf", "size": 4096}),
        ),
        "location" => (4, json!({"title": "Bund", "lng": 121.5, "lat": 31.25})),
        _ => (100, json!({"gift": "rose", "n": 3})),
    }
}

impl App for NetEase {
    fn ask(&self, wish: &Wish, number: u64) -> Sending {
        let single = |ope: u8, to: &str, kind: u32, body: Value| {
            (
                "/msg/sendMsg.action",
                vec![
                    ("from", "system".to_owned()),
                    ("ope", ope.to_string()),
                    ("to", to.to_owned()),
                    ("type", kind.to_string()),
                    ("body", body.to_string()),
                    ("option", "{\"push\":false,\"roam\":true}".to_owned()),
                ],
            )
        };
        let text = json!({"msg": format!("text {number} 你好 $5$ +&=%")});
        let (path, pairs) = match wish {
            Wish::User(id) => single(0, id, 0, text),
            Wish::Group(id) => single(1, id, 0, text),
            Wish::Content(kind, id) => {
                let (number, body) = content(kind);
                single(0, id, number, body)
            }
            Wish::Users(ids) => (
                "/msg/sendBatchMsg.action",
                vec![
                    ("fromAccid", "system".to_owned()),
                    ("toAccids", json!(ids).to_string()),
                    ("type", "0".to_owned()),
                    ("body", text.to_string()),
                ],
            ),
            Wish::Room(id, count) => {
                let messages: Vec<Value> = (0..*count)
                    .map(|n| json!({"msgId": format!("m{number}x{n}"), "msgType": 0, "attach": format!("text {number}.{n} 你好"), "ext": "{\"a\":1}", "resendFlag": 0}))
                    .collect();
                (
                    "/chatroom/batchSendMsg.action",
                    vec![
                        ("roomid", id.clone()),
                        ("msgList", Value::Array(messages).to_string()),
                        ("fromAccid", "system".to_owned()),
                    ],
                )
            }
            Wish::WrongSecret | Wish::NoSecret => single(0, "u1", 0, text),
            Wish::Garbage => (
                "/chatroom/batchSendMsg.action",
                vec![
                    ("roomid", "72".to_owned()),
                    ("msgList", "[{".to_owned()),
                    ("fromAccid", "system".to_owned()),
                ],
            ),
            Wish::Lacking => {
                ("/msg/sendMsg.action", vec![("from", "system".to_owned()), ("ope", "0".to_owned())])
            }
        };
        let headers = match wish {
            Wish::WrongSecret => self.signed("another secret", number),
            Wish::NoSecret => Vec::new(),
            _ => self.signed(self.secret, number),
        };
        let kind = "application/x-www-form-urlencoded;charset=utf-8";
        Sending { path: format!("{}{path}", self.prefix), kind, headers, body: form(&pairs) }
    }

    fn hear(&self, wish: &Wish, answer: &Answer) -> Heard {
        assert_eq!(answer.status, 200, "the SDKs take any other status for the network's: {}", answer.text());
        assert!(
            answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")),
            "{:?}",
            answer.headers
        );
        let body = answer.json();
        let code = body["code"].as_i64().expect("a code in every answer");
        if code != 200 {
            assert!(body["desc"].is_string(), "{body}");
        }
        match code {
            200 => taken(wish, &body),
            414 if body["desc"] == "bad http header" => Heard::NotAdmitted,
            414 if matches!(wish, Wish::Garbage | Wish::Lacking) => Heard::Wrong,
            414 | 301 | 302 | 315 | 403 | 404 | 405 | 419 | 422 | 423 | 13003 | 13004 => Heard::Refused,
            416 | 503 => Heard::TryLater,
            408 | 500 | 508 | 509 | 514 => Heard::Trouble,
            other => panic!("no code of NetEase's sending: {other}: {body}"),
        }
    }
}

fn taken(wish: &Wish, body: &Value) -> Heard {
    match wish {
        Wish::Room(_, count) => room(*count, body),
        Wish::Users(ids) => {
            assert!(body["timetag"].as_i64().is_some_and(|time| time > 1_600_000_000_000), "{body}");
            let unknown: Vec<String> = match &body["unregister"] {
                Value::Null => Vec::new(),
                Value::String(list) => serde_json::from_str(list).expect("a list in a string"),
                other => panic!("unregister is a string: {other}"),
            };
            assert!(unknown.iter().all(|id| ids.contains(id)), "{body}");
            Heard::Taken { yes: ids.len() - unknown.len(), no: unknown.len(), silent: 0 }
        }
        _ => {
            let data = &body["data"];
            assert!(data["msgid"].as_i64().is_some_and(|id| id > 0), "{body}");
            assert!(data["timetag"].as_i64().is_some_and(|time| time > 1_600_000_000_000), "{body}");
            Heard::Taken { yes: 1, no: 0, silent: 0 }
        }
    }
}

fn room(count: usize, body: &Value) -> Heard {
    let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
    let (success, fail) = (list("success"), list("fail"));
    let mut seen = Vec::new();
    for item in success.iter().chain(&fail) {
        let [id] = keys(item)[..] else { panic!("one key each: {item}") };
        assert!(!seen.contains(&id.to_owned()), "named twice: {body}");
        seen.push(id.to_owned());
    }
    for item in &success {
        let (id, record) = item.as_object().and_then(|item| item.iter().next()).expect("one key");
        assert_eq!(record["msgid_client"].as_str(), Some(id.as_str()), "{body}");
        for (key, value) in record.as_object().expect("a record") {
            assert!(value.is_string(), "{key} is a string: {record}");
        }
        assert!(record["time"].as_str().is_some_and(|time| time.len() == 13), "milliseconds: {record}");
    }
    for item in &fail {
        assert!(
            item.as_object().and_then(|item| item.values().next()).is_some_and(Value::is_string),
            "{body}"
        );
    }
    Heard::Taken { yes: success.len(), no: fail.len(), silent: count - success.len() - fail.len() }
}
