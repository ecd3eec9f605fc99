//! What answers mean: success that is none, ids with all digits, errors, and lookups.

use super::*;

#[test]
fn http_200_is_no_success_by_itself() {
    let listed = build::reply(200, &json!({"fail_uids": ["bob"], "reason": ["频道ID不合法！"]}));
    assert_eq!(decoded("v2", json!({}), Results::Fast, &listed).0.status(), Status::Rejected);
    let reason = build::reply(200, &json!({"message_id": 0, "message_seq": 0, "reason": 19}));
    assert_eq!(decoded("v3", json!({}), Results::Each, &reason).0.status(), Status::Rejected);
    let inner = build::reply(200, &json!({"status": 404}));
    assert_eq!(decoded("v2", json!({}), Results::Each, &inner).0.status(), Status::Unknown);
    let missing = build::reply(200, &json!([]));
    assert_eq!(decoded("published", json!({}), Results::Each, &missing).0.status(), Status::Unknown);
    assert!(adapter("v2").profile().accepted_means.contains("memory"));
}

#[test]
fn message_ids_keep_all_digits() {
    let ids = |dialect: &str, body: Value, results: Results| match decoded(
        dialect,
        json!({"client_id": "n1"}),
        results,
        &build::reply(200, &body),
    )
    .0
    {
        Outcome::Accepted(receipt) => receipt.message_id.unwrap().to_string(),
        other => format!("{other:?}"),
    };
    let odd = 9_007_199_254_740_993_i64; // 2^53 + 1
    let most = i64::MAX;
    for id in [odd, most] {
        let item = json!({"message_id": id, "client_msg_no": "n1", "message_seq": 1});
        assert_eq!(ids("v2", json!({"status": 200, "data": item}), Results::Each), id.to_string());
        assert_eq!(
            ids("v3", json!({"message_id": id, "message_seq": 1, "reason": 1}), Results::Each),
            id.to_string()
        );
        assert_eq!(ids("published", json!([item]), Results::Each), id.to_string());
        let text = json!({"message_id": id.to_string(), "client_msg_no": "n1"});
        assert_eq!(ids("published", json!([text]), Results::Each), id.to_string());
    }
}

#[test]
fn both_envelopes_are_read_and_a_foreign_one_asks_for_the_dialect() {
    let flat = build::reply(200, &json!({"message_id": 7, "message_seq": 1, "reason": 1}));
    let wrapped =
        build::reply(200, &json!({"status": 200, "data": {"message_id": 7, "client_msg_no": "n1"}}));
    for (dialect, reply, signal) in [
        ("v2", &wrapped, Signal::None),
        ("v2", &flat, Signal::WrongDialect),
        ("v1", &flat, Signal::WrongDialect),
        ("v3", &flat, Signal::None),
        ("v3", &wrapped, Signal::WrongDialect),
    ] {
        let (outcome, told) = decoded(dialect, json!({"client_id": "n1"}), Results::Each, reply);
        assert_eq!((outcome.status(), told), (Status::Accepted, signal), "{dialect}");
    }
}

#[test]
fn v3_permissions_are_refusals_with_their_reasons() {
    for (reason, code) in [
        (3, ErrorCode::Forbidden),
        (4, ErrorCode::RecipientRefused),
        (5, ErrorCode::RecipientNotFound),
        (13, ErrorCode::RecipientRefused),
        (19, ErrorCode::RecipientRefused),
        (24, ErrorCode::RecipientNotFound),
        (25, ErrorCode::Muted),
    ] {
        let reply = build::reply(200, &json!({"message_id": 0, "message_seq": 0, "reason": reason}));
        let (outcome, _) = decoded("v3", json!({}), Results::Each, &reply);
        let failure = outcome.failure().unwrap();
        assert_eq!((failure.code, failure.retryable), (code, false), "{reason}");
        assert_eq!(failure.vendor_code, Some(reason.to_string()));
    }
}

#[test]
fn lookups_name_the_joined_chat_and_the_command_channel() {
    let adapter = adapter("v2");
    let path = |fields: Value, to: &str| {
        let message = build::message(&message(fields));
        let sent = Sent { message: &message, recipient_id: to, class: "send" };
        adapter.lookup(&sent, &build::seal()).map(|exchange| exchange.request.path.into_owned())
    };
    let asked = |channel: &str, kind: u8| {
        Some(format!("/message/byclientmsgno?channel_id={channel}&channel_type={kind}&client_msg_no=n%261"))
    };
    // Both orders as a real server keeps them.
    assert_eq!(
        path(json!({"client_id": "n&1", "from": "alice", "to": "user:u1"}), "u1"),
        asked("u1%40alice", 1)
    );
    assert_eq!(
        path(json!({"client_id": "n&1", "from": "u1", "to": "user:alice"}), "alice"),
        asked("u1%40alice", 1)
    );
    assert_eq!(path(json!({"client_id": "n&1", "to": "group:g1"}), "mapped"), asked("mapped", 2));
    assert_eq!(path(json!({"client_id": "n&1", "to": "room:r1"}), "r1"), asked("r1", 9));
    let agent = json!({"client_id": "n&1", "from": "zoe", "extensions": {"wukongim": {"channel_type": 11}}});
    assert_eq!(path(agent, "bot"), asked("zoe%40bot", 11));
    let command = json!({"client_id": "n&1", "to": "group:g1", "content": {"type": "command", "name": "x"}});
    assert_eq!(path(command, "g1"), asked("g1____cmd", 2));
    assert_eq!(path(json!({"options": {"online_only": true}}), "bob"), None);
}

#[test]
fn only_single_sends_to_v2_can_be_looked_up() {
    let message = build::message(&message(json!({})));
    for dialect in DIALECTS {
        for class in ["send", "sendbatch"] {
            let sent = Sent { message: &message, recipient_id: "bob", class };
            let found = adapter(dialect).lookup(&sent, &build::seal()).is_some();
            assert_eq!(found, dialect == "v2" && class == "send", "{dialect} {class}");
            assert_eq!(adapter(dialect).profile().lookup, dialect == "v2");
        }
    }
}

#[test]
fn a_lookup_tells_found_from_absent_from_unable() {
    let message = build::message(&message(json!({})));
    let sent = Sent { message: &message, recipient_id: "bob", class: "send" };
    let exchange = adapter("v2").lookup(&sent, &build::seal()).unwrap();
    let read = |status: u16, body: &str| {
        (exchange.read)(&Reply { status, retry_after: None, body: body.as_bytes().to_vec() }).unwrap()
    };
    let found = r#"{"header":{"no_persist":0,"red_dot":0,"sync_once":0},"setting":0,"message_id":2123967344811184128,"message_idstr":"2123967344811184128","client_msg_no":"t1","message_seq":1,"from_uid":"alice","channel_id":"u1","channel_type":1,"expire":0,"timestamp":1795228251,"payload":"eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ=="}"#;
    let Finding::Arrived(receipt) = read(200, found) else { panic!("it was found") };
    assert_eq!(receipt.message_id.as_deref(), Some("2123967344811184128"));
    assert_eq!(
        (&receipt.client_id, receipt.seq.as_deref()),
        (&Some(ClientId::Other("t1".into())), Some("1"))
    );
    assert_eq!(receipt.time_ms, Some(1_795_228_251_000));
    assert_eq!(read(200, r#"{"status":404}"#), Finding::Absent);
    for (status, body) in [
        (200, ""),
        (200, "[]"),
        (200, r#"{"status":200}"#),
        (400, r#"{"status":404}"#),
        (401, ""),
        (404, "404 page not found"),
        (500, ""),
    ] {
        assert_eq!(read(status, body), Finding::CannotTell, "{status} {body}");
    }
}

#[test]
fn an_error_is_read_by_its_content_alone() {
    let body = br#"{"msg":"illegal base64 data at input byte 0","status":400}"#.to_vec();
    let reply = Reply { status: 400, retry_after: None, body };
    let (outcome, _) = decoded("v2", json!({}), Results::Each, &reply);
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.code, ErrorCode::InvalidMessage);
    assert_eq!(failure.vendor_message.as_deref(), Some("illegal base64 data at input byte 0"));
    let empty = Reply { status: 401, ..Reply::default() };
    let (outcome, _) = decoded("v2", json!({}), Results::Each, &empty);
    assert_eq!(outcome.failure().unwrap().code, ErrorCode::Unauthorized);
}

#[test]
fn a_long_page_of_a_proxy_is_cut() {
    let reply = Reply { status: 502, retry_after: None, body: "网".repeat(100_000).into_bytes() };
    let (outcome, _) = decoded("v2", json!({}), Results::Each, &reply);
    assert_eq!(outcome.failure().unwrap().vendor_message.as_ref().unwrap().chars().count(), 200);
}
