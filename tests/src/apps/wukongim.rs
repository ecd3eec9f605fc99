//! An app of WuKongIM: JSON over HTTP as its v2 servers and its pages have it.

use serde_json::{Value, json};

use super::{App, Heard, Sending, Wish, keys};
use crate::client::Answer;

/// The app.
#[derive(Debug, Clone)]
pub struct WuKongIm {
    /// The manager token.
    pub token: &'static str,
}

fn payload(value: &Value) -> String {
    base64(value.to_string().as_bytes())
}

/// Standard alphabet, padded, as the server decodes it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let place = (bits >> (18 - 6 * digit)) & 63;
            let used = digit <= chunk.len();
            text.push(if used { char::from(ALPHABET[place as usize]) } else { '=' });
        }
    }
    text
}

fn content(kind: &str) -> Value {
    match kind {
        "image" => json!({"type": 2, "url": "http://cdn.example.com/a.png", "width": 64, "height": 48}),
        "audio" => json!({"type": 4, "url": "http://cdn.example.com/a.amr", "timeTrad": 3}),
        "video" => {
            json!({"type": 5, "url": "http://cdn.example.com/a.mp4", "cover": "http://cdn.example.com/a.png",
            "size": 2048, "width": 64, "height": 48, "second": 5})
        }
        "file" => json!({"type": 8, "url": "http://cdn.example.com/a.pdf", "name": "a.pdf", "size": 4096}),
        "location" => json!({"type": 6, "lng": 121.5, "lat": 31.25, "title": "Bund", "address": "Shanghai"}),
        _ => json!({"type": 1234567, "gift": "rose", "n": 3}),
    }
}

impl App for WuKongIm {
    fn ask(&self, wish: &Wish, number: u64) -> Sending {
        let text = |n: usize| json!({"type": 1, "content": format!("text {number}.{n} 你好 $5$")});
        let single = |id: &str, channel: u8, payload: String| {
            json!({"header": {"no_persist": 0, "red_dot": 1, "sync_once": 0}, "from_uid": "system",
                "client_msg_no": format!("no-{number}"), "channel_id": id, "channel_type": channel,
                "payload": payload, "setting": 0})
        };
        let (path, body) = match wish {
            Wish::User(id) => ("/message/send", single(id, 1, payload(&text(0)))),
            Wish::Group(id) => ("/message/send", single(id, 2, payload(&text(0)))),
            Wish::Content(kind, id) => ("/message/send", single(id, 1, payload(&content(kind)))),
            Wish::Users(ids) => (
                "/message/sendbatch",
                json!({"header": {"red_dot": 1}, "from_uid": "system", "subscribers": ids, "payload": payload(&text(0))}),
            ),
            Wish::Room(id, count) => {
                let messages: Vec<Value> = (0..*count)
                    .map(|n| {
                        json!({"header": {"no_persist": 0, "red_dot": 1, "sync_once": 0}, "from_uid": "system",
                            "client_msg_no": format!("no-{number}-{n}"), "channel_id": id, "channel_type": 9,
                            "expire": 0, "payload": payload(&text(n)), "tag_key": "tag"})
                    })
                    .collect();
                ("/message/sendbatch", Value::Array(messages))
            }
            Wish::WrongSecret | Wish::NoSecret => ("/message/send", single("u1", 1, payload(&text(0)))),
            Wish::Garbage => ("/message/send", Value::Null),
            Wish::Lacking => {
                ("/message/send", json!({"from_uid": "system", "channel_id": "u1", "channel_type": 1}))
            }
        };
        let body = if matches!(wish, Wish::Garbage) {
            b"{\"payload\":".to_vec()
        } else {
            body.to_string().into_bytes()
        };
        let token = match wish {
            Wish::WrongSecret => Some("not-the-token"),
            Wish::NoSecret => None,
            _ => Some(self.token),
        };
        let headers = token.map(|token| ("token".to_owned(), token.to_owned())).into_iter().collect();
        Sending { path: path.to_owned(), kind: "application/json", headers, body }
    }

    fn hear(&self, wish: &Wish, answer: &Answer) -> Heard {
        match answer.status {
            200 => taken(wish, &answer.json()),
            400 => {
                let body = answer.json();
                assert_eq!(keys(&body), ["msg", "status"], "{body}");
                assert!(body["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{body}");
                assert_eq!(body["status"], 400, "{body}");
                if matches!(wish, Wish::Garbage | Wish::Lacking) { Heard::Wrong } else { Heard::Refused }
            }
            401 => {
                assert!(answer.body.is_empty(), "a 401 has no body: {}", answer.text());
                Heard::NotAdmitted
            }
            // Callers tell other statuses apart by their number alone.
            429 | 503 => Heard::TryLater,
            408 | 500 => Heard::Trouble,
            other => panic!("WuKongIM never answers {other}: {}", answer.text()),
        }
    }
}

fn taken(wish: &Wish, body: &Value) -> Heard {
    match wish {
        Wish::Users(ids) => {
            assert_eq!(keys(body), ["fail_uids", "reason"], "{body}");
            let failed = body["fail_uids"].as_array().expect("always a list");
            let reasons = body["reason"].as_array().expect("always a list");
            assert_eq!(failed.len(), reasons.len(), "{body}");
            for uid in failed {
                assert!(ids.iter().any(|id| uid == id.as_str()), "a failed uid that nobody sent to: {body}");
            }
            Heard::Taken { yes: ids.len() - failed.len(), no: failed.len(), silent: 0 }
        }
        Wish::Room(_, count) => {
            let items = body.as_array().expect("an array for an array");
            assert_eq!(items.len(), *count, "one each: {body}");
            items.iter().for_each(one);
            Heard::Taken { yes: *count, no: 0, silent: 0 }
        }
        _ => {
            assert_eq!(keys(body), ["data", "status"], "{body}");
            assert_eq!(body["status"], 200, "{body}");
            one(&body["data"]);
            Heard::Taken { yes: 1, no: 0, silent: 0 }
        }
    }
}

fn one(data: &Value) {
    for key in keys(data) {
        assert!(["message_id", "message_idstr", "message_seq", "client_msg_no"].contains(&key), "{data}");
    }
    let id = data["message_id"].as_i64().expect("a 63-bit number");
    assert!(id > 0, "{data}");
    if let Some(text) = data.get("message_idstr") {
        assert_eq!(text.as_str(), Some(id.to_string().as_str()), "{data}");
    }
    assert!(data["client_msg_no"].as_str().is_some_and(|no| !no.is_empty()), "{data}");
}
