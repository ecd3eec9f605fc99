//! What every adapter must keep, held against this one.

use interline_core::content::Body;
use interline_core::message::Message;
use interline_testkit::conformance::{Samples, run};
use interline_testkit::facade::{self, Carries, Crossing, Mirror, Sight};
use interline_wukongim::VENDOR;
use serde_json::{Value, json};

#[test]
fn the_laws_of_adapters_hold() {
    let settings = json!({"token": "canary-token", "default_sender": "system", "room_channel_type": 9});
    let extensions = [
        json!({"sync_once": true}),
        json!({"channel_type": 4}),
        json!({"stream_no": "s1"}),
        json!({"tag_key": "t1"}),
        json!({"payload": {"robot": true}}),
    ];
    let replies = [
        json!([{"message_id": 1_689_248_112_654_155_776_u64, "message_seq": 12, "client_msg_no": "$client_id"}]),
        json!({"fail_uids": [], "reason": []}),
        json!({"fail_uids": ["$recipient"], "reason": ["no"]}),
        json!({"status": 200, "data": {"message_id": 7, "message_seq": 1, "client_msg_no": "$client_id"}}),
        json!({"message_id": 7, "message_seq": 1, "reason": 1}),
    ];
    run(&VENDOR, &settings, Samples { extensions: &extensions, replies: &replies });
}

/// The wire has a number for a kind of channel, and it is read as the kind that is nearest to it.
fn level_channel(sight: &mut Sight) {
    let chosen = sight.extensions["channel_type"].as_u64();
    let kind = sight.to.split_once(':').map_or("", |(kind, _)| kind);
    let number = chosen.unwrap_or(match kind {
        "user" => 1,
        "group" => 2,
        _ => 9,
    });
    let id = sight.to.split_once(':').map_or("", |(_, id)| id);
    sight.to = format!("{number}:{id}");
    if let Some(own) = sight.extensions.as_object_mut() {
        own.remove("channel_type");
    }
}

/// Commands are sent as such without being asked.
fn level_command(sight: &mut Sight) {
    let asked = sight.extensions["sync_once"].as_u64();
    let command = asked.map_or(sight.content["type"] == "command", |asked| asked == 1);
    if let Some(own) = sight.extensions.as_object_mut() {
        own.insert("sync_once".to_owned(), json!(command));
    }
}

/// What is the app's own is one object on the wire, whatever parts it was made of.
fn level_custom(sight: &mut Sight, kind_is_lost: bool) {
    let over = sight.extensions.get("payload").cloned();
    let content = &mut sight.content;
    if content["type"] != "custom" {
        return;
    }
    if !content["data"].is_object() {
        content["data"] = json!({"data": content["data"]});
    }
    let Some(data) = content["data"].as_object_mut() else { return };
    if kind_is_lost {
        data.remove("kind");
    }
    if let (Some(Value::Object(over)), Some(own)) = (over, sight.extensions.as_object_mut()) {
        data.extend(over);
        own.remove("payload");
    }
}

fn level(sent: &mut Sight, back: &mut Sight, crossing: &Crossing) {
    let kind_is_lost = crossing.losses.contains(&"content.kind");
    // Who is not online gets such a message from v3 all the same: it is kept.
    let kept = crossing.losses.contains(&"online_only");
    for sight in [sent, back] {
        level_channel(sight);
        level_command(sight);
        level_custom(sight, kind_is_lost);
        // The sender's own devices always get a copy, and nothing is said of pushes.
        sight.options["sync_sender"] = json!(true);
        sight.options["push"] = json!({});
        // Both are `no_persist`.
        sight.options["online_only"] = json!(false);
        if kept {
            sight.options["store"] = json!(true);
        }
        // Sequences are numbers on the wire.
        let seq = sight.content["message"]["seq"].as_str().and_then(|seq| seq.parse::<u64>().ok());
        if let Some(seq) = seq {
            sight.content["message"]["seq"] = json!(seq.to_string());
        }
    }
}

/// A payload that was given as it is cannot be told from one that was made.
fn is_raw(message: &Message) -> bool {
    matches!(message.content.body, Body::Raw { .. })
}

#[test]
fn the_laws_of_facades_hold() {
    let settings = json!({"token": "a-token", "default_sender": "system", "room_channel_type": 9});
    let extensions = [
        json!({"sync_once": 1}),
        json!({"sync_once": 0}),
        json!({"channel_type": 4}),
        json!({"channel_type": 11}),
        json!({"stream_no": "s1"}),
        json!({"tag_key": "t1"}),
        json!({"payload": {"robot": true}}),
    ];
    for (dialect, classes) in [
        ("published", &["sendbatch"][..]),
        ("v1", &["send", "sendbatch"][..]),
        ("v2", &["send", "sendbatch"][..]),
        ("v3", &["send"][..]),
    ] {
        let mirror = Mirror {
            vendor: &VENDOR,
            dialect,
            settings: &settings,
            credentials: &json!({"token": "a-token"}),
            extensions: &extensions,
            classes,
            leaves_out: is_raw,
            level,
            carries: |_| Carries::default(),
        };
        // A fan-out that nobody is known to have got, and somebody may have, is an error as a whole.
        let carries =
            |class: &str| Carries { ids: class == "send", times: false, blurred: class == "sendbatch" };
        let listed = |_: &str| Carries { ids: true, times: false, blurred: false };
        let mirror = Mirror { carries: if dialect == "published" { listed } else { carries }, ..mirror };
        facade::calls_survive(&mirror);
        facade::reports_survive(&mirror);
        facade::strangers_are_refused(&mirror);
        let bodies = [
            r#"{"header":{"red_dot":1},"from_uid":"a","channel_id":"g","channel_type":2,"payload":"eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ=="}"#,
            r#"{"header":{"red_dot":1},"from_uid":"a","subscribers":["u1","u2"],"payload":"eyJ0eXBlIjoxfQ=="}"#,
            r#"[{"client_msg_no":"1","from_uid":"a","channel_id":"g","channel_type":2,"payload":"aGk="},{"from_uid":"a","channel_id":"u","channel_type":1,"payload":"aGk="}]"#,
        ];
        facade::never_panics(&mirror, &bodies);
    }
}
