//! An app of OpenIM: it fetches an admin token and sends with it, as the vendor's own Go caller does.

use serde_json::{Value, json};

use super::{App, Heard, Sending, Wish, keys};
use crate::client::{Answer, Client};

/// The app, with its token.
#[derive(Debug, Clone)]
pub struct OpenIm {
    token: String,
}

impl OpenIm {
    /// Logs in.
    ///
    /// # Panics
    /// When no token is given, or its answer is not the vendor's.
    pub fn log_in(client: &Client, user: &str, secret: &str) -> Self {
        let body = json!({"secret": secret, "userID": user}).to_string();
        // No Content-Type: the vendor's own caller sends none.
        let answer =
            client.with("operationID", "login-1").ask("POST", "/auth/get_admin_token", "", body.as_bytes());
        let body = answer.expect("an answer").of(200);
        envelope(&body, true);
        assert_eq!(keys(&body["data"]), ["expireTimeSeconds", "token"], "{body}");
        assert!(
            body["data"]["expireTimeSeconds"].as_i64().is_some_and(|lasts| (1..=31_536_000).contains(&lasts)),
            "a duration: {body}"
        );
        Self { token: body["data"]["token"].as_str().expect("a token").to_owned() }
    }
}

fn envelope(body: &Value, good: bool) {
    let wanted: &[&str] =
        if good { &["data", "errCode", "errDlt", "errMsg"] } else { &["errCode", "errDlt", "errMsg"] };
    assert_eq!(keys(body), wanted, "{body}");
    assert!(body["errMsg"].is_string() && body["errDlt"].is_string(), "{body}");
    assert!(body["errCode"].is_i64(), "{body}");
}

fn content(kind: &str) -> (u32, Value) {
    match kind {
        "image" => {
            let picture = json!({"uuid": "p1", "type": "png", "size": 1024, "width": 64, "height": 48, "url": "http://cdn.example.com/a.png"});
            (102, json!({"sourcePicture": picture, "bigPicture": picture, "snapshotPicture": picture}))
        }
        "audio" => (
            103,
            json!({"uuid": "s1", "soundPath": "", "sourceUrl": "http://cdn.example.com/a.amr", "dataSize": 1024, "duration": 3, "soundType": "amr"}),
        ),
        "video" => (
            104,
            json!({"videoPath": "", "videoUUID": "v1", "videoUrl": "http://cdn.example.com/a.mp4", "videoType": "mp4",
            "videoSize": 2048, "duration": 5, "snapshotPath": "", "snapshotUUID": "s1", "snapshotSize": 512,
            "snapshotUrl": "http://cdn.example.com/a.png", "snapshotWidth": 64, "snapshotHeight": 48, "snapshotType": "png"}),
        ),
        "file" => (
            105,
            json!({"filePath": "", "uuid": "f1", "sourceUrl": "http://cdn.example.com/a.pdf", "fileName": "a.pdf", "fileSize": 4096, "fileType": "pdf"}),
        ),
        _ => (110, json!({"data": "{\"gift\":\"rose\",\"n\":3}", "description": "a gift", "extension": ""})),
    }
}

impl App for OpenIm {
    fn ask(&self, wish: &Wish, number: u64) -> Sending {
        let head = |content_type: u32, session: u8, content: Value| {
            json!({"sendID": "imAdmin", "senderNickname": "Shop", "senderFaceURL": "http://cdn.example.com/f.png",
                "senderPlatformID": 1, "content": content, "contentType": content_type, "sessionType": session,
                "isOnlineOnly": false, "notOfflinePush": false,
                "offlinePushInfo": {"title": "New", "desc": "", "ex": "", "iOSPushSound": "default", "iOSBadgeCount": true}})
        };
        let text = || json!({"content": format!("text {number} 你好 $5$")});
        let with = |mut body: Value, key: &str, value: Value| {
            body[key] = value;
            body
        };
        let (path, body) = match wish {
            Wish::User(id) => ("/msg/send_msg", with(head(101, 1, text()), "recvID", json!(id))),
            Wish::Group(id) | Wish::Room(id, _) => {
                ("/msg/send_msg", with(head(101, 3, text()), "groupID", json!(id)))
            }
            Wish::Content(kind, id) => {
                let (number, content) = content(kind);
                ("/msg/send_msg", with(head(number, 1, content), "recvID", json!(id)))
            }
            Wish::Users(ids) => ("/msg/batch_send_msg", with(head(101, 1, text()), "recvIDs", json!(ids))),
            Wish::WrongSecret | Wish::NoSecret | Wish::Garbage => {
                ("/msg/send_msg", with(head(101, 1, text()), "recvID", json!("u1")))
            }
            Wish::Lacking => ("/msg/batch_send_msg", head(101, 1, text())),
        };
        let body = if matches!(wish, Wish::Garbage) {
            b"{\"sendID\":".to_vec()
        } else {
            body.to_string().into_bytes()
        };
        let token = match wish {
            Wish::WrongSecret => Some("eyJhbGciOiJIUzI1NiJ9.e30.bm90LXRoZS1rZXk".to_owned()),
            Wish::NoSecret => None,
            _ => Some(self.token.clone()),
        };
        let mut headers = vec![("operationID".to_owned(), format!("op-{number}"))];
        headers.extend(token.map(|token| ("token".to_owned(), token)));
        Sending { path: path.to_owned(), kind: "application/json", headers, body }
    }

    fn hear(&self, wish: &Wish, answer: &Answer) -> Heard {
        let body = answer.json();
        let code = body["errCode"].as_i64().expect("a code");
        match answer.status {
            200 => {}
            400 => {
                envelope(&body, false);
                assert_eq!(code, 1001, "{body}");
                return Heard::Wrong;
            }
            429 => {
                envelope(&body, false);
                assert_eq!(code, 429, "{body}");
                return Heard::TryLater;
            }
            other => panic!("OpenIM never answers {other}: {body}"),
        }
        envelope(&body, code == 0);
        match code {
            0 => taken(wish, &body["data"]),
            1001 if body["errDlt"] == "header must have token" => Heard::NotAdmitted,
            1501..=1507 => Heard::NotAdmitted,
            1001 if matches!(wish, Wish::Garbage | Wish::Lacking) => Heard::Wrong,
            // A service behind the API that is down or overloaded: nothing was handed on.
            8 | 14 | 90004 => Heard::TryLater,
            500 | 4 | 13 => Heard::Trouble,
            80000 | 1001..=1004 | 1101 | 1201 | 1203 | 1204 | 1302 | 1303 | 1402 | 1403 => Heard::Refused,
            other => panic!("no code of OpenIM's sending: {other}: {body}"),
        }
    }
}

fn taken(wish: &Wish, data: &Value) -> Heard {
    let Wish::Users(ids) = wish else {
        for key in keys(data) {
            assert!(["serverMsgID", "clientMsgID", "sendTime", "modify"].contains(&key), "{data}");
        }
        one(data);
        return Heard::Taken { yes: 1, no: 0, silent: 0 };
    };
    assert_eq!(keys(data), ["failedUserIDs", "results"], "{data}");
    // Lists are null where nothing is in them.
    let list = |key: &str| match &data[key] {
        Value::Null => Vec::new(),
        Value::Array(items) => {
            assert!(!items.is_empty(), "an empty list is null: {data}");
            items.clone()
        }
        other => panic!("{key} is a list or null: {other}"),
    };
    let (results, failed) = (list("results"), list("failedUserIDs"));
    let mut shared = None;
    for result in &results {
        assert!(result["recvID"].as_str().is_some_and(|id| ids.iter().any(|known| known == id)), "{data}");
        one(result);
        let client = result["clientMsgID"].clone();
        assert_eq!(*shared.get_or_insert_with(|| client.clone()), client, "one client id for all: {data}");
    }
    for id in &failed {
        assert!(ids.iter().any(|known| id == known.as_str()), "{data}");
    }
    Heard::Taken { yes: results.len(), no: failed.len(), silent: ids.len() - results.len() - failed.len() }
}

fn one(result: &Value) {
    for key in ["serverMsgID", "clientMsgID"] {
        assert!(result[key].as_str().is_some_and(|id| !id.is_empty()), "{key}: {result}");
    }
    assert!(
        result["sendTime"].as_i64().is_some_and(|time| time > 1_600_000_000_000),
        "milliseconds: {result}"
    );
}
