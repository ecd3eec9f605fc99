//! Whatever a message says changes what a vendor is told, or is listed as lost, or is refused: at every
//! dialect and for every kind of recipient. Nothing is parsed and ignored.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use interline_tests::{Place, Server, config};
use serde_json::{Value, json};

/// Nobody listens there: a plan needs nobody.
const NOWHERE: &str = "http://127.0.0.1:1";

const SPEAKERS: [&str; 9] =
    ["wk-published", "wk-v1", "wk-v2", "wk-v3", "oim-published", "oim-old", "oim-main", "kit", "ne"];

fn place() -> Place {
    let mut text = String::new();
    for dialect in ["published", "v1", "v2", "v3"] {
        text.push_str(&config::wukongim(&format!("wk-{dialect}"), NOWHERE, dialect, ""));
    }
    for (name, dialect) in [("published", "published"), ("old", "v3.8.3"), ("main", "main")] {
        text.push_str(&config::openim(&format!("oim-{name}"), NOWHERE, dialect, ""));
    }
    text.push_str(&config::imkit("kit", NOWHERE, ""));
    text.push_str(&config::netease("ne", NOWHERE, ""));
    for name in SPEAKERS {
        text.push_str(&config::route(name, "", name));
    }
    Place::new(&text)
}

/// What a vendor would be told of one message.
#[derive(Debug, PartialEq)]
enum Told {
    Refused,
    /// Requests without what is of the moment, and losses.
    Requests(Vec<String>, Vec<String>),
}

fn told(server: &Server, speaker: &str, message: &Value) -> Told {
    let answer = server.post("/v1/plan", &json!({"route": speaker, "messages": [message]}));
    let plan = answer.json();
    if answer.status != 200 || plan["errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
        assert!(matches!(answer.status, 200 | 400 | 403 | 422), "{plan}");
        return Told::Refused;
    }
    let calls = plan["calls"].as_array().expect("calls");
    let requests = calls.iter().map(|call| {
        let mut request = call["request"].clone();
        let headers = request["headers"].as_object_mut().expect("headers");
        headers.retain(|name, _| !["nonce", "curtime", "checksum"].contains(&name.to_lowercase().as_str()));
        request.to_string()
    });
    let losses = plan["messages"][0]["losses"].as_array().expect("losses");
    Told::Requests(requests.collect(), losses.iter().map(ToString::to_string).collect())
}

fn message(to: &str, content: &Value) -> Value {
    json!({"client_id": "c1", "from": "shop", "to": to, "content": content})
}

/// A message with one field more than its base.
fn with(base: &Value, pointer: &str, value: &Value) -> Value {
    let mut message = base.clone();
    let mut at = &mut message;
    let mut steps: Vec<&str> = pointer.split('/').skip(1).collect();
    let last = steps.pop().expect("a field");
    for step in steps {
        at = &mut at[step];
        if at.is_string() {
            *at = json!({"id": "shop"});
        }
    }
    at[last] = value.clone();
    message
}

/// Fields beside the content, each with a value that is not its default.
fn wishes() -> Vec<(&'static str, Value)> {
    vec![
        ("/client_id", json!("c2")),
        ("/from/id", json!("somebody")),
        ("/from/name", json!("Shop")),
        ("/from/avatar_url", json!("https://example.com/a.png")),
        ("/from/platform", json!("ios")),
        ("/content/ext", json!({"a": 1})),
        ("/content/ext", json!("own")),
        ("/content/mentions", json!({"all": true})),
        ("/content/mentions", json!({"users": ["bob"]})),
        ("/options/store", json!(false)),
        ("/options/online_only", json!(true)),
        ("/options/badge", json!(false)),
        ("/options/sync_sender", json!(true)),
        ("/options/ttl", json!("1h")),
        ("/options/audience", json!({"users": ["bob"]})),
        ("/options/push/enabled", json!(false)),
        ("/options/push/title", json!("Shipped")),
        ("/options/push/body", json!("On its way")),
        ("/options/push/sound", json!("bell")),
        ("/options/push/ext", json!("{\"k\":1}")),
        ("/options/push/badge", json!(true)),
    ]
}

/// Each type with what it must have, and everything that it may have.
fn contents() -> Vec<(Value, Vec<(&'static str, Value)>)> {
    let url = "https://example.com/a";
    let about = |more: &[(&'static str, Value)]| {
        let mut fields = vec![
            ("size", json!(7)),
            ("md5", json!("0cc175b9c0f1b6a831c399e269772661")),
            ("format", json!("png")),
        ];
        fields.extend(more.iter().cloned());
        fields
    };
    let named = ("name", json!("a.png"));
    let wide = [("width", json!(640)), ("height", json!(480)), ("thumbnail_url", json!(url))];
    let picture: Vec<_> = wide.iter().cloned().chain([named.clone()]).collect();
    let film: Vec<_> = picture.iter().cloned().chain([("duration_ms", json!(5000))]).collect();
    vec![
        (json!({"type": "text", "text": "hi"}), vec![("text", json!("ho"))]),
        (json!({"type": "markdown", "text": "hi"}), vec![("text", json!("ho"))]),
        (json!({"type": "notice", "text": "hi"}), vec![("text", json!("ho"))]),
        (json!({"type": "image", "url": url}), about(&picture)),
        (
            json!({"type": "audio", "url": url, "duration_ms": 1000}),
            about(&[named, ("duration_ms", json!(5000))]),
        ),
        (json!({"type": "video", "url": url}), about(&film)),
        (json!({"type": "file", "url": url, "name": "a"}), about(&[("mime", json!("image/png"))])),
        (
            json!({"type": "location", "latitude": 1.5, "longitude": 2.5}),
            vec![("title", json!("Here")), ("address", json!("Road 1")), ("latitude", json!(3.5))],
        ),
        (
            json!({"type": "command", "name": "ring"}),
            vec![("name", json!("stop")), ("data", json!({"a": 1}))],
        ),
        (
            json!({"type": "custom", "data": {"a": 1}}),
            vec![("data", json!({"a": 2})), ("kind", json!("gift"))],
        ),
        (
            json!({"type": "quote", "text": "yes", "message": {"id": "1", "client_id": "q", "seq": "1", "from": "bob", "text": "ok?", "time_ms": 1}}),
            vec![
                ("text", json!("no")),
                ("message/id", json!("2")),
                ("message/client_id", json!("r")),
                ("message/seq", json!("9")),
                ("message/from", json!("ann")),
                ("message/from_name", json!("Bob")),
                ("message/text", json!("well?")),
                ("message/time_ms", json!(99)),
            ],
        ),
    ]
}

/// Wishes that a vendor grants whether they are said or not, and the one id that has no place on a wire.
fn by_nature(pointer: &str, speaker: &str, to: &str) -> bool {
    let room = to.starts_with("room:");
    match (pointer, speaker) {
        // There the sender always sees what was sent in their name.
        ("/options/sync_sender", speaker) => speaker != "ne",
        // Chat rooms know neither pushes nor unread counts.
        ("/options/push/enabled" | "/options/badge", "ne") => room,
        // The vendor's own default.
        ("/options/push/badge", "ne") => !room,
        ("/client_id", "kit") => true,
        ("/client_id", "ne") => !room,
        _ => false,
    }
}

/// Whether the content as a whole was told of as lost: it then goes out as something simpler.
fn simplified(losses: &[String]) -> bool {
    losses
        .iter()
        .any(|loss| ["content.type", "content.message", "quote"].iter().any(|whole| loss.contains(whole)))
}

/// The speakers and recipients at which a field makes no difference at all.
fn dropped(server: &Server, base: &Value, pointer: &str, value: &Value) -> (usize, Vec<String>) {
    let (mut looked, mut odd) = (0, Vec::new());
    for to in ["user:alice", "group:g1", "room:7"] {
        let mut base = base.clone();
        base["to"] = json!(to);
        for speaker in SPEAKERS {
            let Told::Requests(requests, losses) = told(server, speaker, &base) else { continue };
            looked += 1;
            let covered = by_nature(pointer, speaker, to) || simplified(&losses);
            let same =
                told(server, speaker, &with(&base, pointer, value)) == Told::Requests(requests, losses);
            if same && !covered {
                odd.push(format!("{pointer} = {value} of {} to {to} at {speaker}", base["content"]["type"]));
            }
        }
    }
    (looked, odd)
}

#[track_caller]
fn none_dropped(fields: impl Iterator<Item = (Value, String, Value)>) {
    let place = place();
    let server = place.serve();
    let mut odd = Vec::new();
    for (base, pointer, value) in fields {
        let (looked, dropped) = dropped(&server, &base, &pointer, &value);
        assert!(looked > 0, "no vendor takes {base}");
        odd.extend(dropped);
    }
    assert!(odd.is_empty(), "{} dropped in silence:\n{}", odd.len(), odd.join("\n"));
}

#[test]
fn no_option_of_a_message_is_dropped_in_silence() {
    let base = message("user:alice", &json!({"type": "text", "text": "hi"}));
    none_dropped(wishes().into_iter().map(|(pointer, value)| (base.clone(), pointer.to_owned(), value)));
}

#[test]
fn no_field_of_a_content_is_dropped_in_silence() {
    let fields = contents().into_iter().flat_map(|(content, fields)| {
        let base = message("user:alice", &content);
        fields.into_iter().map(move |(key, value)| (base.clone(), format!("/content/{key}"), value))
    });
    none_dropped(fields);
}

/// Every extension with a value that says something; a field that needs another stands beside it.
fn extensions() -> Vec<(&'static str, Value, &'static str, Value)> {
    let none = json!({});
    let custom = json!({"type": 1, "data": "words"});
    let mut all = vec![
        ("wukongim", none.clone(), "sync_once", json!(1)),
        ("wukongim", none.clone(), "channel_type", json!(3)),
        ("wukongim", none.clone(), "stream_no", json!("s")),
        ("wukongim", none.clone(), "tag_key", json!("t")),
        ("wukongim", none.clone(), "payload", json!({"robot": true})),
        ("openim", none.clone(), "sessionType", json!(4)),
        ("openim", none.clone(), "contentType", json!(101)),
        (
            "openim",
            none.clone(),
            "notification",
            json!({"notificationName": "n", "notificationType": 1, "text": "hi"}),
        ),
        ("openim", none.clone(), "ex", json!("own")),
        ("openim", none.clone(), "sendTime", json!(1_700_000_000_000_u64)),
        ("openim", none.clone(), "operationID", json!("op-1")),
        ("openim", json!({"contentType": 101}), "content", json!({"content": "own", "mine": 1})),
        ("imkit", none.clone(), "messageType", json!("card")),
        ("imkit", none.clone(), "skipTotalBadge", json!(true)),
        ("imkit", none.clone(), "extra", json!({"a": 1})),
        ("imkit", none.clone(), "body", json!({"messageType": "sticker", "message": "x", "sticker": "s1"})),
        ("netease", json!({"antispamCustom": custom}), "antispam", json!(true)),
        ("netease", none.clone(), "antispamCustom", custom),
    ];
    for (field, value) in [
        ("ignoreMute", json!(true)),
        ("abandonRatio", json!(50)),
        ("highPriority", json!(true)),
        ("needHighPriorityMsgResend", json!(false)),
        ("forbiddenIfHighPriorityMsgFreq", json!(1)),
        ("chatMsgPriority", json!(1)),
        ("notifyTargetTags", json!("{\"tag\":\"vip\"}")),
        ("route", json!(0)),
        ("useYidun", json!(0)),
        ("yidunAntiCheating", json!({"a": "b"})),
        ("yidunAntiSpamExt", json!({"a": "b"})),
        ("bid", json!("b")),
        ("env", json!("e")),
        ("msgType", json!(10)),
        ("subType", json!(2)),
        ("resendFlag", json!(1)),
        ("locX", json!(1.5)),
        ("locY", json!(1.5)),
        ("locZ", json!(1.5)),
    ] {
        all.push(("netease", none.clone(), field, value));
    }
    all
}

#[test]
fn no_extension_is_dropped_in_silence() {
    let place = place();
    let server = place.serve();
    let mut odd = Vec::new();
    for (vendor, beside, field, value) in extensions() {
        let prefix = match vendor {
            "wukongim" => "wk",
            "openim" => "oim",
            "imkit" => "kit",
            _ => "ne",
        };
        let mut said = false;
        // These two say what a content is that the vendor knows and this model does not.
        let contents = match field {
            "contentType" => vec![json!({"type": "custom", "data": {"content": "hi"}})],
            "msgType" => vec![json!({"type": "raw", "vendor": vendor, "body": {"a": 1}})],
            _ => vec![json!({"type": "text", "text": "hi"}), json!({"type": "custom", "data": {"a": 1}})],
        };
        for content in contents {
            for to in ["user:alice", "group:g1", "room:7"] {
                let mut base = message(to, &content);
                base["extensions"] = json!({vendor: beside});
                let more = with(&base, &format!("/extensions/{vendor}/{field}"), &value);
                for speaker in SPEAKERS.iter().filter(|speaker| speaker.starts_with(prefix)) {
                    let (plain, told) = (told(&server, speaker, &base), told(&server, speaker, &more));
                    if told == Told::Refused {
                        continue;
                    }
                    if plain == told {
                        odd.push(format!(
                            "{vendor}.{field} = {value} of {} to {to} at {speaker}",
                            content["type"]
                        ));
                    }
                    said |= plain != told;
                }
            }
        }
        if !said {
            odd.push(format!("{vendor}.{field} = {value} is refused everywhere"));
        }
    }
    assert!(odd.is_empty(), "{} dropped in silence:\n{}", odd.len(), odd.join("\n"));
}

#[test]
fn a_raw_payload_reaches_its_vendor_as_it_is() {
    let place = place();
    let server = place.serve();
    let body = json!({"type": 7777, "anything": ["at", "all"]});
    let raw = |vendor: &str, key: &str, value: Value| {
        message("user:alice", &json!({"type": "raw", "vendor": vendor, key: value}))
    };
    // base64 of {"type":7777,"anything":["at","all"]}
    let as_base64 = json!("eyJ0eXBlIjo3Nzc3LCJhbnl0aGluZyI6WyJhdCIsImFsbCJdfQ==");
    for (key, value) in [("body", body), ("body_base64", as_base64)] {
        let Told::Requests(requests, losses) = told(&server, "wk-v2", &raw("wukongim", key, value.clone()))
        else {
            panic!("the vendor's own payload is refused");
        };
        assert!(losses.is_empty(), "{losses:?}");
        let sent = requests.concat();
        assert!(sent.contains("7777") || sent.contains("eyJ"), "{sent}");
        for other in ["oim-old", "kit", "ne"] {
            assert_eq!(told(&server, other, &raw("wukongim", key, value.clone())), Told::Refused, "{other}");
        }
    }
}
