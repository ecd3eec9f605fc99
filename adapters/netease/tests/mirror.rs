//! The façade is the adapter seen from the other side: the laws of façades, held against this one. What the
//! wire cannot say is levelled first, and each levelling has its reason beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

use interline_core::message::Message;
use interline_core::recipient::RecipientKind;
use interline_netease::VENDOR;
use interline_testkit::facade::{
    Carries, Crossing, Mirror, Sight, calls_survive, never_panics, reports_survive, strangers_are_refused,
};
use serde_json::{Map, Value, json};

#[test]
fn what_the_adapter_writes_the_facade_reads_back() {
    with(calls_survive);
}

#[test]
fn what_the_facade_answers_the_adapter_reads_back() {
    with(reports_survive);
}

#[test]
fn who_knows_no_secret_is_refused() {
    with(strangers_are_refused);
}

#[test]
fn no_request_upsets_the_facade() {
    let bodies = [
        "roomid=1&fromAccid=a&msgList=%5B%7B%22msgId%22%3A%22m%22%2C%22msgType%22%3A0%2C%22attach%22%3A%22x%22%7D%5D",
        "roomid=1&fromAccid=a&msgId=m&msgType=100&attach=%7B%7D&subType=2&resendFlag=1&locX=1.5&abandonRatio=7",
        "fromAccid=a&toAccids=%5B%22b%22%2C%22c%22%5D&type=0&body=%7B%22msg%22%3A%22x%22%7D&returnMsgid=true",
        "from=a&ope=1&to=t&type=1&body=%7B%22url%22%3A%22u%22%7D&option=%7B%22push%22%3Afalse%7D&pushcontent=p",
    ];
    with(|mirror| never_panics(mirror, &bodies));
}

fn with(law: impl FnOnce(&Mirror<'_>)) {
    let settings = json!({"app_key": "key", "app_secret": "secret", "default_sender": "system"});
    let credentials = json!({"app_key": "key", "app_secret": "secret"});
    let extensions = [
        json!({"highPriority": true, "needHighPriorityMsgResend": false, "ignoreMute": true}),
        json!({"forbiddenIfHighPriorityMsgFreq": 1, "notifyTargetTags": "{\"tag\":\"a\"} or {\"tag\":\"b\"}"}),
        json!({"abandonRatio": 50, "chatMsgPriority": 1}),
        json!({"antispam": true, "antispamCustom": "{\"type\":1,\"data\":\"x\"}", "bid": "b", "useYidun": 0}),
        json!({"yidunAntiCheating": "{\"ip\":\"::1\"}", "yidunAntiSpamExt": "{}", "env": "e", "route": 0}),
        json!({"subType": 3, "resendFlag": 1, "locX": 1.5, "locY": -2, "locZ": 0, "route": 1}),
        json!({"msgType": 100}),
        json!({"msgDesc": "d", "msgSenderNoSense": 1, "roam": true, "needPushNick": false}),
        json!({"forcepushcontent": "f", "markRead": 0, "checkFriend": true, "msgReceiverNoSense": 1}),
        json!({"roam": false, "sessionUpdate": true}),
    ];
    law(&Mirror {
        vendor: &VENDOR,
        dialect: "v1",
        settings: &settings,
        credentials: &credentials,
        extensions: &extensions,
        classes: &["room", "single", "user_batch"],
        leaves_out,
        level,
        carries,
    });
}

/// The call for some members of a room is not among those that are served.
fn leaves_out(message: &Message) -> bool {
    message.to.kind() == RecipientKind::Room && message.options.audience.is_some()
}

fn carries(class: &str) -> Carries {
    match class {
        // Rooms tell of each message apart, but nothing at all where none was taken and one is unknown.
        "room" => Carries { ids: false, times: true, blurred: true },
        "single" => Carries { ids: true, times: true, blurred: false },
        // The only word about a recipient is that there is none.
        _ => Carries { ids: false, times: true, blurred: true },
    }
}

fn level(sent: &mut Sight, back: &mut Sight, crossing: &Crossing) {
    sent.content = content(std::mem::take(&mut sent.content), crossing);
    for sight in [sent, back] {
        let room = crossing.class == "room";
        if let Some(ext) = sight.content.get_mut("ext").filter(|ext| ext.is_object()) {
            // The wire has text alone.
            *ext = json!(ext.to_string());
        }
        if let (Some(Value::Bool(true)), Some(users)) =
            (sight.content.pointer("/mentions/all").cloned(), sight.content.pointer_mut("/mentions/users"))
        {
            // Everybody is everybody.
            *users = json!([]);
        }
        let options = sight.options.as_object_mut().unwrap();
        if room {
            // Rooms push nothing, count nothing and know nobody who is offline; `store` says the rest.
            for name in ["push", "badge", "online_only"] {
                options.remove(name);
            }
        } else if let Some(push) = options.get_mut("push").and_then(Value::as_object_mut) {
            // There is one badge.
            push.remove("badge");
        }
        let extensions = sight.extensions.as_object_mut().unwrap();
        if extensions.get("roam") == options.get("store") {
            extensions.remove("roam");
        }
        if extensions.get("msgType") == Some(&json!(100)) {
            // That is what it would be without saying.
            extensions.remove("msgType");
        }
    }
}

/// What a content of the adapter's is on the wire.
fn content(sent: Value, crossing: &Crossing) -> Value {
    let Value::Object(mut content) = sent else { return sent };
    let lost = |name: &str| crossing.losses.contains(&name);
    for name in ["kind", "thumbnail_url", "mime"] {
        if lost(name) {
            content.remove(name);
        }
    }
    match content.get("type").and_then(Value::as_str).unwrap_or_default() {
        "markdown" | "quote" => {
            content.insert("type".to_owned(), json!("text"));
            content.remove("message");
        }
        "command" => {
            let kept = ["name", "data"];
            let data: Map<_, _> =
                kept.iter().filter_map(|key| Some(((*key).to_owned(), content.remove(*key)?))).collect();
            content.extend([("type".to_owned(), json!("custom")), ("data".to_owned(), json!(data))]);
        }
        "location" => {
            // A place has one name.
            let address = content.remove("address");
            if let (None, Some(address)) = (content.get("title"), address) {
                content.insert("title".to_owned(), address);
            }
        }
        "raw" => {
            let text = match (content.remove("body"), content.remove("bytes")) {
                (Some(Value::String(text)), _) => text,
                (Some(body), _) => body.to_string(),
                (None, bytes) => String::from_utf8(serde_json::from_value(bytes.unwrap()).unwrap()).unwrap(),
            };
            // What is JSON is everybody's.
            match serde_json::from_str::<Value>(&text).ok().filter(|value| !value.is_null()) {
                Some(data) => {
                    content.remove("vendor");
                    content.extend([("type".to_owned(), json!("custom")), ("data".to_owned(), data)]);
                }
                None => {
                    content.insert("body".to_owned(), json!(text));
                }
            }
        }
        _ => {}
    }
    Value::Object(content)
}
