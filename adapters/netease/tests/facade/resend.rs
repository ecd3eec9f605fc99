//! Repeats: which id tells one, and what is answered to it.

use std::time::Duration;

use interline_core::error::ErrorCode;
use interline_core::facade::{Incoming, Served, Told};
use interline_core::outcome::Status;
use serde_json::{Value, json};

use super::{
    BATCH, ROOM, SINGLE, accepted, asked, render, request, room_batch, serve, single, told, unknown,
};

const RESEND: &str = "parameter resendFlag should be used for RESEND!";

fn again(told: Told) -> Told {
    Told { repeated: true, ..told }
}

fn flagged(flag: u8) -> Value {
    json!({"roomid": "72", "fromAccid": "yx2", "msgId": "m1", "msgType": 0, "attach": "x", "resendFlag": flag})
}

fn batch(flag: u8) -> Value {
    let item = json!({"msgId": "m1", "msgType": 0, "attach": "x", "resendFlag": flag});
    json!({"roomid": "72", "fromAccid": "yx2", "msgList": [item]})
}

#[test]
fn a_room_knows_its_messages_for_a_day() {
    let asked = asked(BATCH, &room_batch(&["m1", "a:b"]));
    let marks: Vec<_> = asked.marks.iter().flatten().map(|mark| (mark.key.as_str(), mark.lasts)).collect();
    let day = Duration::from_secs(86_400);
    assert_eq!(marks, [("room:72:m1", day), ("room:72:a:b", day)]);
    assert!(super::asked(SINGLE, &single()).marks.is_empty());
}

#[test]
fn a_known_id_without_the_flag_fails_in_the_vendors_words() {
    let answer = render(asked(BATCH, &batch(0)), Ok(&[again(accepted())]));
    assert_eq!(answer, json!({"code": 200, "success": [], "fail": [{"m1": RESEND}]}));
    let answer = render(asked(ROOM, &flagged(0)), Ok(&[again(accepted())]));
    assert_eq!(answer, json!({"code": 414, "desc": RESEND}));
}

#[test]
fn the_same_request_gets_its_first_answer_again() {
    let same = Told { same_request: true, ..again(accepted()) };
    let answer = render(asked(BATCH, &batch(0)), Ok(&[same]));
    assert_eq!(answer["success"][0]["m1"]["msgid_client"], "m1");
}

#[test]
fn a_known_id_with_the_flag_succeeds_with_the_first_record() {
    let first =
        || told(Status::Accepted, "netease", |result| result.vendor_time_ms = Some(1_668_566_975_724));
    let answer = render(asked(BATCH, &batch(1)), Ok(&[again(first())]));
    assert_eq!(answer["success"][0]["m1"]["time"], "1668566975724");
    let answer = render(asked(ROOM, &flagged(1)), Ok(&[again(first())]));
    assert_eq!((&answer["code"], &answer["desc"]["time"]), (&json!(200), &json!("1668566975724")));
}

#[test]
fn a_known_id_with_the_flag_and_another_content_is_never_called_taken() {
    let item = |change: Value| {
        let mut item = json!({"msgId": "m1", "msgType": 0, "attach": "x", "ext": "e", "resendFlag": 1});
        item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({"roomid": "72", "fromAccid": "yx2", "msgList": [item]})
    };
    let first = asked(BATCH, &item(json!({"resendFlag": 0}))).batch["messages"][0]["id"].clone();
    let known = || {
        let mut known = again(accepted());
        known.result.id = first.as_str().unwrap().into();
        known
    };
    let same = render(asked(BATCH, &item(json!({}))), Ok(&[known()]));
    assert_eq!(same["success"][0]["m1"]["attach"], "x", "{same}");
    for other in [json!({"attach": "y"}), json!({"ext": "f"}), json!({"msgType": 10}), json!({"subType": 1})]
    {
        let answer = render(asked(BATCH, &item(other.clone())), Ok(&[known()]));
        assert_eq!(answer, json!({"code": 414, "desc": "msgId is known with another content"}), "{other}");
    }
    let mut flat = flagged(1);
    flat["attach"] = json!("y");
    assert_eq!(render(asked(ROOM, &flat), Ok(&[known()]))["code"], 414);
    flat["attach"] = json!("x");
    flat["ext"] = json!("e");
    assert_eq!(render(asked(ROOM, &flat), Ok(&[known()]))["code"], 200, "flat or in a list is the same");
}

#[test]
fn an_unknown_id_with_the_flag_is_accepted_and_passed_on_as_a_resend() {
    let asked = asked(BATCH, &batch(1));
    assert_eq!(asked.batch["messages"][0]["extensions"], json!({"netease": {"resendFlag": 1}}));
    let answer = render(asked, Ok(&[accepted()]));
    assert_eq!(answer["success"][0]["m1"]["msgid_client"], "m1");
}

#[test]
fn a_known_id_of_which_nobody_can_tell_is_never_called_taken() {
    for flag in [0, 1] {
        let answer = render(asked(BATCH, &batch(flag)), Ok(&[again(unknown(ErrorCode::Timeout))]));
        assert_eq!(answer["code"], 408, "{answer}");
    }
}

#[test]
fn a_request_is_told_by_the_id_that_client_libraries_give_it() {
    let named = |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
        let Served::Send(asked) = serve(&Incoming { headers, ..request(SINGLE, &single()) }) else {
            panic!("a good request is refused");
        };
        asked.request_id.map(|id| (id.key, id.lasts.as_secs()))
    };
    assert_eq!(named(&[("requestid", "r1")]), Some(("r1".to_owned(), 86_400)));
    assert_eq!(named(&[("x-custom-traceid", "r2")]), Some(("r2".to_owned(), 86_400)));
    assert_eq!(named(&[("requestid", "")]), None);
    assert_eq!(named(&[]), None);
}
