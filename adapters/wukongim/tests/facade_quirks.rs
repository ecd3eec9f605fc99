//! What the vendor's servers do with odd requests, one rule a test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that is wrong should stop")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interline_core::adapter::{Header, Settings};
use interline_core::facade::{Answer, Asking, Incoming, Report, Served, Told};
use interline_core::outcome::Status;
use interline_testkit::build;
use interline_wukongim::{FACADE, VENDOR};
use serde_json::{Value, json};
use support::{BATCH, HI, SEND, asked, body_of, object, post, serve, single, told};

/// The words of a request's refusal, which is the same in form for all.
fn refused(path: &str, body: impl Into<Vec<u8>>) -> String {
    let Served::Answer(answer) = serve(&post(path, body)) else { panic!("it is not refused") };
    let body = body_of(&answer);
    let msg = body["msg"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    assert_eq!((answer.status, body), (400, json!({"msg": msg, "status": 400})));
    msg
}

#[test]
fn a_single_send_is_refused_in_the_servers_words() {
    let go = "json: cannot unmarshal";
    for (change, msg) in [
        (json!({"payload": ""}), "payload不能为空！".to_owned()),
        (json!({"payload": null}), "payload不能为空！".to_owned()),
        (json!({"channel_id": ""}), "无法处理发送消息请求！".to_owned()),
        (json!({"channel_id": null}), "无法处理发送消息请求！".to_owned()),
        (json!({"channel_id": "a@b"}), "频道ID不合法！".to_owned()),
        (json!({"channel_id": "g#b"}), "频道ID不合法！".to_owned()),
        (json!({"channel_id": "g&b"}), "频道ID不合法！".to_owned()),
        (json!({"subscribers": ["u1"]}), "无法处理发送消息请求！".to_owned()),
        (json!({"subscribers": ["u1"], "header": {"sync_once": 1}}), "无法处理发送消息请求！".to_owned()),
        (json!({"subscribers": ["u1"], "channel_id": ""}), "无法处理发送消息请求！".to_owned()),
        (json!({"channel_type": 0}), "channel_type不能为0".to_owned()),
        (json!({"channel_type": null}), "channel_type不能为0".to_owned()),
        (
            json!({"channel_type": 256}),
            format!("{go} number 256 into Go struct field messageSendReq.channel_type of type uint8"),
        ),
        (
            json!({"channel_type": -1}),
            format!("{go} number -1 into Go struct field messageSendReq.channel_type of type uint8"),
        ),
        (
            json!({"channel_type": "2"}),
            format!("{go} string into Go struct field messageSendReq.channel_type of type uint8"),
        ),
        (
            json!({"channel_type": 2.0}),
            format!("{go} number 2.0 into Go struct field messageSendReq.channel_type of type uint8"),
        ),
        (
            json!({"header": {"red_dot": true}}),
            format!("{go} bool into Go struct field MessageHeader.red_dot of type int"),
        ),
        (
            json!({"header": {"no_persist": "1"}}),
            format!("{go} string into Go struct field MessageHeader.no_persist of type int"),
        ),
        (
            json!({"payload": {"type": 1}}),
            format!("{go} object into Go struct field messageSendReq.payload of type []uint8"),
        ),
        (json!({"payload": "-_-_"}), "illegal base64 data at input byte 0".to_owned()),
        (json!({"payload": "eyJ0eXBlIjoxfQ"}), "illegal base64 data at input byte 12".to_owned()),
        (json!({"payload": "hello world"}), "illegal base64 data at input byte 5".to_owned()),
    ] {
        assert_eq!(refused(SEND, single(&change).to_string()), msg, "{change}");
    }
    for (body, msg) in [("", "EOF"), ("{", "unexpected EOF"), ("null", "payload不能为空！")] {
        assert_eq!(refused(SEND, body), msg);
    }
    assert!(refused(SEND, "[]").starts_with("json: cannot unmarshal array"));
    assert!(refused(SEND, single(&json!({"channel_type": 13})).to_string()).contains("1 to 12"));
    assert!(refused(SEND, single(&json!({"is_stream": 1})).to_string()).contains("is_stream"));
}

#[test]
fn sendbatch_is_refused_in_the_servers_words() {
    for (change, msg) in [
        (json!({"from_uid": ""}), "from_uid不能为空！"),
        (json!({"from_uid": "  "}), "from_uid不能为空！"),
        (json!({"from_uid": "", "sender_uid": "a"}), "from_uid不能为空！"),
        (json!({"subscribers": []}), "subscribers不能为空！"),
        (json!({"subscribers": null}), "subscribers不能为空！"),
        (json!({"payload": ""}), "payload不能为空！"),
        (json!({"payload": "-_-_"}), "illegal base64 data at input byte 0"),
    ] {
        assert_eq!(refused(BATCH, object(&change).to_string()), msg, "{change}");
    }
    for (body, msg) in [("", "EOF"), ("{", "unexpected EOF"), ("null", "from_uid不能为空！")] {
        assert_eq!(refused(BATCH, body), msg);
    }
    assert!(refused(BATCH, "\"x\"").starts_with("json: cannot unmarshal string"));
}

#[test]
fn one_wrong_element_makes_the_whole_array_wrong() {
    for (change, msg) in [
        (json!({"payload": ""}), "[1] payload不能为空！"),
        (json!({"from_uid": " "}), "[1] from_uid不能为空！"),
        (json!({"channel_id": ""}), "[1] channel_id不能为空！"),
        (json!({"channel_id": "a@b"}), "[1] 频道ID不合法！"),
        (json!({"channel_type": 0}), "[1] channel_type不能为0"),
    ] {
        let body = json!([single(&json!({})), single(&change)]);
        assert_eq!(refused(BATCH, body.to_string()), msg, "{change}");
    }
    assert_eq!(refused(BATCH, "[null]"), "payload不能为空！");
    let words = refused(BATCH, json!([single(&json!({})), 7]).to_string());
    assert!(words.starts_with("[1] json: cannot unmarshal number"), "{words}");
}

#[test]
fn only_exactly_one_is_a_set_flag() {
    for (number, set) in [(0, false), (1, true), (2, false), (-1, false), (5, false)] {
        let header = json!({"header": {"no_persist": number, "red_dot": number, "sync_once": number}});
        let (_, messages) = build::batch(&Value::Object(asked(SEND, &single(&header)).batch));
        let message = &messages[0];
        let sync_once = message.extension("wukongim").is_some_and(|own| own["sync_once"] == 1);
        let seen = [!message.options.store, message.options.badge, sync_once];
        assert_eq!(seen, [set; 3], "{number}");
    }
}

#[test]
fn each_channel_type_has_a_recipient() {
    for (number, to) in [
        (1, "user:u"),
        (2, "group:u"),
        (3, "group:u"),
        (4, "group:u"),
        (5, "group:u"),
        (6, "group:u"),
        (7, "group:u"),
        (8, "group:u"),
        (9, "room:u"),
        (10, "group:u"),
        (11, "user:u"),
        (12, "group:u"),
    ] {
        let asked = asked(SEND, &single(&json!({"channel_type": number})));
        let message = &asked.batch["messages"][0];
        assert_eq!(message["to"], to);
        let own = message["extensions"]["wukongim"]["channel_type"].as_u64();
        assert_eq!(own, (![1, 2, 9].contains(&number)).then_some(number), "{number}");
        // Where this vendor delivers it is the same channel again.
        let (_, messages) = build::batch(&Value::Object(asked.batch));
        let v2 = build::adapter(&VENDOR, "v2", &json!({}));
        let call = build::call(&*v2, &messages, interline_core::options::Results::Each);
        let body: Value = serde_json::from_slice(&v2.encode(&call, &build::seal()).unwrap().body).unwrap();
        assert_eq!((&body["channel_id"], &body["channel_type"]), (&json!("u"), &json!(number)));
    }
}

#[test]
fn a_repeat_is_one_sender_channel_number_payload_audience_and_terms() {
    let mark = |change: Value| asked(SEND, &single(&change)).marks[0].clone();
    let first = mark(json!({})).unwrap();
    assert!(first.key.starts_with("client_msg_no:") && first.lasts.as_secs() == 3600);
    // What does not tell messages apart: how the base64 is broken into lines, and flags that are not set.
    let broken = HI.replacen("eyJ0", "eyJ0\r\n", 1);
    for same in [json!({"header": {"red_dot": 0}}), json!({"expire": 0}), json!({"payload": broken})] {
        assert_eq!(mark(same.clone()).as_ref(), Some(&first), "{same}");
    }
    for other in [
        json!({"client_msg_no": "n2"}),
        json!({"from_uid": "b"}),
        json!({"channel_id": "v"}),
        json!({"channel_type": 2}),
        json!({"payload": STANDARD.encode(r#"{"type":1,"content":"ho"}"#)}),
        json!({"header": {"red_dot": 1}}),
        json!({"header": {"no_persist": 1}}),
        json!({"header": {"sync_once": 1}}),
        json!({"expire": 9}),
        json!({"stream_no": "s"}),
        json!({"tag_key": "s"}),
    ] {
        assert_ne!(mark(other.clone()).as_ref(), Some(&first), "{other}");
    }
    for unnamed in
        [json!({"client_msg_no": ""}), json!({"client_msg_no": "  "}), json!({"client_msg_no": null})]
    {
        assert_eq!(mark(unnamed), None);
    }
    // An element of the array is the same message; a fan-out is none.
    let array = asked(BATCH, &json!([single(&json!({}))]));
    assert_eq!(array.marks[0].as_ref(), Some(&first));
    assert_eq!(asked(BATCH, &object(&json!({}))).marks, []);
    // Another audience of the same channel is another message.
    let to = |users: Value| asked(BATCH, &json!([single(&json!({"subscribers": users}))])).marks[0].clone();
    assert_eq!(to(json!(["u1"])), to(json!(["u1"])));
    for other in [json!([]), json!(["u2"]), json!(["u1", "u2"]), json!(["u1u2"])] {
        assert_ne!(to(json!(["u1"])), to(other));
    }
}

#[test]
fn a_repeat_is_answered_as_the_first_was() {
    let first = told(Status::Accepted, None);
    let again = Told { repeated: true, ..first.clone() };
    for body in [single(&json!({})), json!([single(&json!({"client_msg_no": ""}))])] {
        let path = if body.is_array() { BATCH } else { SEND };
        let answer = |told: &Told| {
            let told = std::slice::from_ref(told);
            (asked(path, &body).answer)(&Report { told: Ok(told), now_ms: 1, batch_id: "" })
        };
        assert_eq!((answer(&first).status, answer(&first)), (200, answer(&again)));
    }
}

#[test]
fn a_number_that_is_too_long_still_comes_back() {
    let number = "n".repeat(65);
    let asked = asked(SEND, &single(&json!({"client_msg_no": number})));
    assert_eq!(asked.batch["messages"][0].get("client_id"), None);
    let told = [told(Status::Accepted, None)];
    let answer = (asked.answer)(&Report { told: Ok(&told), now_ms: 1, batch_id: "b" });
    assert_eq!(body_of(&answer)["data"]["client_msg_no"], number);
}

#[test]
fn who_has_no_token_is_told_nothing() {
    let settings: Settings = json!({"token": "secret"}).as_object().cloned().unwrap();
    for path in [SEND, BATCH, "/health"] {
        for (given, admitted) in
            [(None, false), (Some("wrong"), false), (Some("secret"), true), (Some(""), false)]
        {
            let mut request = post(path, "");
            request.headers.extend(given.map(|token| ("token".to_owned(), token.to_owned())));
            let asking = Asking { settings: &settings, request: &request, now_ms: 1, nonce: "n" };
            match (FACADE.admit)(&asking) {
                Ok(()) => assert!(admitted, "{given:?}"),
                Err(answer) => {
                    assert!(!admitted);
                    assert_eq!(answer, Answer { status: 401, ..Answer::default() });
                }
            }
        }
    }
    let open = Settings::new();
    let request = post(SEND, "");
    assert!((FACADE.admit)(&Asking { settings: &open, request: &request, now_ms: 1, nonce: "n" }).is_ok());
}

#[test]
fn a_token_must_be_one_that_a_header_can_carry() {
    let wrong = |settings: Value| (FACADE.check)(settings.as_object().unwrap()).len();
    assert_eq!((wrong(json!({})), wrong(json!({"token": "a-b"}))), (0, 0));
    for token in [json!(""), json!("a b"), json!("é"), json!(7), json!("a\n")] {
        assert_eq!(wrong(json!({"token": token})), 1, "{token}");
    }
}

#[test]
fn requests_are_known_by_their_path_or_their_token() {
    let ours = |path: &str, headers: &[&str]| {
        let headers = headers.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        (FACADE.is_ours)(&Incoming { headers, ..post(path, "") })
    };
    for path in
        [SEND, BATCH, "/channel", "/channel/messagesync", "/user/token", "/route", "/conversation/sync"]
    {
        assert!(ours(path, &[]), "{path}");
    }
    assert!(ours("/anything", &["token"]));
    assert!(!ours("/msg/send_msg", &["token", "operationid"]) && !ours("/message/send", &["operationid"]));
    assert!(!ours("/nimserver/msg/sendMsg.action", &["appkey"]) && !ours("/channels", &[]));
}

#[test]
fn other_paths_are_passed_on_with_the_providers_token() {
    let credentials = |settings: Value| build::adapter(&VENDOR, "v2", &settings).credentials(&build::seal());
    assert_eq!(credentials(json!({})), []);
    let header = Header { name: "token", value: "s".to_owned(), secret: true };
    assert_eq!(credentials(json!({"token": "s"})), [header]);
}

#[test]
fn a_path_that_is_not_served_is_404_with_words() {
    let answer = (FACADE.absent)("nobody serves it");
    assert_eq!((answer.status, body_of(&answer)), (404, json!({"msg": "nobody serves it", "status": 404})));
}

#[test]
fn commands_without_a_number_are_each_sent() {
    let command = STANDARD.encode(r#"{"type":99,"cmd":"typing"}"#);
    let silent = json!({"client_msg_no": "", "header": {"sync_once": 1}, "payload": command});
    let list = json!({"client_msg_no": "", "header": {"sync_once": 1}, "payload": command, "channel_id": "",
                      "channel_type": 0, "subscribers": ["u1"]});
    for (path, body) in [(SEND, single(&silent)), (SEND, single(&list)), (BATCH, object(&silent))] {
        assert_eq!(asked(path, &body).request_id.map(|id| id.key).as_deref(), Some("n"), "{body}");
    }
    // What somebody would read twice is one message, and so is what its caller gave a number.
    let read = json!({"client_msg_no": "", "header": {"sync_once": 1}});
    let shown = json!({"client_msg_no": "", "payload": command});
    let named = json!({"header": {"sync_once": 1}, "payload": command});
    for (path, body) in [(SEND, &read), (SEND, &shown), (SEND, &named), (BATCH, &read), (BATCH, &shown)] {
        let body = if path == SEND { single(body) } else { object(body) };
        assert_eq!(asked(path, &body).request_id, None, "{body}");
    }
}
