//! An app of IMKit: JSON with the platform key, judged as the vendor's Node library judges.

use serde_json::{Value, json};

use super::{App, Heard, Sending, Wish, keys};
use crate::client::Answer;

/// The app.
#[derive(Debug, Clone)]
pub struct ImKit {
    /// The platform key.
    pub key: &'static str,
    /// The header that it stands in: the page's, or the one that the Node library sends.
    pub header: &'static str,
}

fn content(kind: &str) -> Value {
    match kind {
        "image" => {
            json!({"messageType": "image", "message": "", "originalUrl": "http://cdn.example.com/a.png", "thumbnailUrl": "http://cdn.example.com/t.png", "width": 64, "height": 48})
        }
        "audio" => {
            json!({"messageType": "audio", "message": "", "originalUrl": "http://cdn.example.com/a.amr", "duration": 3000})
        }
        "video" => {
            json!({"messageType": "video", "message": "", "originalUrl": "http://cdn.example.com/a.mp4", "thumbnailUrl": "http://cdn.example.com/t.png", "width": 64, "height": 48, "duration": 5000})
        }
        "file" => {
            json!({"messageType": "file", "message": "a.pdf", "originalUrl": "http://cdn.example.com/a.pdf",
            "extra": "{\"fileName\":\"a.pdf\",\"fileExtension\":\"pdf\",\"mimeType\":\"application/pdf\",\"bytes\":4096}"})
        }
        "location" => {
            json!({"messageType": "location", "message": "Bund", "latitude": 31.25, "longitude": 121.5})
        }
        _ => json!({"messageType": "gift", "message": "rose", "extra": "{\"n\":3}"}),
    }
}

impl App for ImKit {
    fn ask(&self, wish: &Wish, number: u64) -> Sending {
        let batch = |paras: Value| json!({"message": format!("Hi $name$, text {number} 你好"), "messageType": "text", "sender": "system", "push": true, "paras": paras});
        let receiver = |id: &String| json!({"receiver": id, "$name$": format!("N {id}")});
        let (path, body) = match wish {
            Wish::User(id) => ("/messages/batch", batch(json!([receiver(id)]))),
            Wish::Users(ids) => ("/messages/batch", batch(ids.iter().map(receiver).collect())),
            Wish::Group(id) => (
                "/messages",
                json!({"room": id, "sender": "system", "message": format!("text {number}"), "messageType": "text", "push": false}),
            ),
            Wish::Room(id, count) => {
                let paras: Vec<Value> =
                    (0..*count).map(|n| json!({"room": format!("{id}{n}"), "$name$": "all"})).collect();
                ("/messages/batch", batch(Value::Array(paras)))
            }
            Wish::Content(kind, id) => {
                let mut body = content(kind);
                body["sender"] = json!("system");
                body["paras"] = json!([{"receiver": id}]);
                ("/messages/batch", body)
            }
            Wish::WrongSecret | Wish::NoSecret | Wish::Garbage => {
                ("/messages/batch", batch(json!([{"receiver": "u1", "$name$": "A"}])))
            }
            Wish::Lacking => {
                ("/messages/batch", json!({"message": "hi", "messageType": "text", "sender": "system"}))
            }
        };
        let body = if matches!(wish, Wish::Garbage) {
            b"{\"message\":".to_vec()
        } else {
            body.to_string().into_bytes()
        };
        let key = match wish {
            Wish::WrongSecret => Some("not-the-key"),
            Wish::NoSecret => None,
            _ => Some(self.key),
        };
        let headers = key.map(|key| (self.header.to_owned(), key.to_owned())).into_iter().collect();
        Sending { path: path.to_owned(), kind: "application/json;charset=utf-8", headers, body }
    }

    fn hear(&self, wish: &Wish, answer: &Answer) -> Heard {
        let body = answer.json();
        let code = body["RC"].as_i64().expect("RC is a number in every answer");
        assert!(body["RM"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        if answer.status == 200 {
            assert_eq!(code, 0, "a 200 with another RC hangs the Node library: {body}");
            assert_eq!(keys(&body), ["RC", "RM", "result"], "{body}");
            return taken(wish, &body["result"]);
        }
        assert_eq!(code, i64::from(answer.status), "RC is the status: {body}");
        assert!(
            body["error"]["code"]
                .as_str()
                .is_some_and(|code| code.chars().all(|c| c.is_ascii_uppercase() || c == '_')),
            "{body}"
        );
        assert!(body["error"]["message"].is_string(), "{body}");
        match answer.status {
            401 => Heard::NotAdmitted,
            429 => {
                assert!(body["error"]["retryAfter"].is_u64() || body["retryAfter"].is_u64(), "{body}");
                Heard::TryLater
            }
            503 => Heard::TryLater,
            500 | 502 | 504 => Heard::Trouble,
            400 if matches!(wish, Wish::Garbage | Wish::Lacking) => Heard::Wrong,
            400 | 403 | 404 | 409 | 413 => Heard::Refused,
            other => panic!("IMKit never answers {other}: {body}"),
        }
    }
}

fn taken(wish: &Wish, result: &Value) -> Heard {
    if let Wish::Group(id) = wish {
        assert_eq!(result["room"], json!(id), "{result}");
        assert!(result["_id"].as_str().is_some_and(|id| !id.is_empty()), "{result}");
        assert!(result["messageTimeMS"].as_i64().is_some_and(|time| time > 1_600_000_000_000), "{result}");
        assert_eq!(result["sender"], "system", "{result}");
        return Heard::Taken { yes: 1, no: 0, silent: 0 };
    }
    // The vendor names nobody who was left out; a list of them beside its own keys hurts no client.
    let known = |key: &&str| ["batchID", "count", "failed"].contains(key);
    assert!(keys(result).iter().all(known), "{result}");
    assert!(result["batchID"].as_str().is_some_and(|id| !id.is_empty()), "{result}");
    let asked = match wish {
        Wish::Users(ids) => ids.len(),
        Wish::Room(_, count) => *count,
        _ => 1,
    };
    let count = usize::try_from(result["count"].as_u64().expect("a number")).expect("a small number");
    assert!((1..=asked).contains(&count), "{result}");
    // The vendor names nobody: who is missing in the count was not taken, or nobody knows.
    Heard::Taken { yes: count, no: 0, silent: asked - count }
}
