//! Tokens, trace ids, lookups and settings.

use super::*;

// Trap 8.
#[test]
fn tokens_are_fetched_by_one_request_and_last_for_a_duration() {
    let adapter = adapter("main");
    let login = adapter.login(&build::seal()).unwrap();
    assert_eq!(login.request.path, "/auth/get_admin_token");
    assert_eq!(
        serde_json::from_slice::<Value>(&login.request.body).unwrap(),
        json!({"secret": "test-secret", "userID": "imAdmin"})
    );
    assert!(!header(&login.request, "operationID").is_empty());
    let reply = json!({"errCode": 0, "data": {"token": "t", "expireTimeSeconds": 7_776_000}});
    let token = (login.read)(&build::reply(200, &reply)).unwrap();
    assert_eq!((&*token.secret, token.lasts), ("t", Duration::from_secs(90 * 86_400)));
    let wrong = (login.read)(&error(1002, "secret invalid")).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Config);
    let other = build::adapter(&VENDOR, "main", &json!({"secret": "s", "admin_user_id": "boss"}));
    let body = other.login(&build::seal()).unwrap().request.body;
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["userID"], "boss");
}

#[test]
fn what_is_passed_on_keeps_its_trace_id_and_is_repeated_for_token_codes_alone() {
    let adapter = adapter("main");
    let credentials = adapter.credentials(&build::seal());
    assert_eq!(credentials.iter().map(|header| header.name).collect::<Vec<_>>(), ["token"]);
    for code in 1501..=1507 {
        assert!(adapter.refuses_token(&error(code, "")), "{code}");
    }
    for code in [0, 500, 1001, 1002, 1500, 1508] {
        assert!(!adapter.refuses_token(&error(code, "")), "{code}");
    }
    assert!(!adapter.refuses_token(&build::reply(502, &json!("no envelope"))));
}

// Trap 8.
#[test]
fn only_token_codes_ask_for_a_new_token_and_had_no_effect() {
    let (adapter, call) = batch_call("main", &["u1"]);
    for code in 1501..=1507 {
        let verdict = adapter.decode(&call, &error(code, ""));
        assert_eq!(verdict.signal, Signal::Relogin, "{code}");
        let failure = failure(&verdict.outcomes[0]);
        assert_eq!(
            (failure.code, failure.fate, failure.retryable),
            (ErrorCode::Unauthorized, Fate::Refused, true)
        );
    }
    for code in [500, 1001, 1002, 1004, 1500, 1508, 14] {
        assert_ne!(adapter.decode(&call, &error(code, "")).signal, Signal::Relogin, "{code}");
    }
}

// Trap 8.
#[test]
fn a_ready_token_is_used_as_it_is() {
    let settings = json!({"admin_token": "sesame", "default_sender": "system"});
    let adapter = build::adapter(&VENDOR, "main", &settings);
    assert!(adapter.login(&build::seal()).is_none());
    let call = build::call(&*adapter, &[message(json!({}))], Results::Each);
    let (request, _) = encoded(&*adapter, &call);
    let token = request.headers.iter().find(|header| header.name == "token").unwrap();
    assert_eq!((&*token.value, token.secret), ("sesame", true));
    let verdict = adapter.decode(&call, &error(1501, "token expired"));
    assert_eq!(verdict.signal, Signal::None);
    assert!(failure(&verdict.outcomes[0]).retryable, "another provider may take it");
    assert!(!format!("{adapter:?}").contains("sesame"));
}

// Trap 20.
#[test]
fn each_single_send_has_a_trace_id_of_its_own_and_keeps_it() {
    let adapter = adapter("v3.8.3");
    let id = |message: &Arc<Message>, attempt: u32| {
        let mut own = CallMessage::first(Arc::clone(message));
        own.attempt = attempt;
        let call = Call { class: "send", results: Results::Each, messages: vec![own] };
        header(&encoded(&*adapter, &call).0, "operationID").to_owned()
    };
    let first = message(json!({"client_id": "c1"}));
    assert_eq!(id(&first, 1), id(&first, 2));
    assert!(id(&first, 1).starts_with("c1."));
    assert_ne!(id(&first, 1), id(&message(json!({"client_id": "c1", "to": "user:u2"})), 1));
    assert_ne!(id(&first, 1), id(&message(json!({"client_id": "c2"})), 1));
    assert!(id(&message(json!({"client_id": "заказ 1"})), 1).is_ascii());
}

// Trap 20.
#[test]
fn batches_are_traced_by_attempt() {
    let (adapter, mut call) = batch_call("main", &["u1", "u2"]);
    let first = header(&encoded(&*adapter, &call).0, "operationID").to_owned();
    call.messages[0].attempt = 2;
    assert_ne!(header(&encoded(&*adapter, &call).0, "operationID"), first);
    let own = json!({"extensions": {"openim": {"operationID": "mine"}}});
    let (adapter, call) = single_call("main", own);
    assert_eq!(header(&encoded(&*adapter, &call).0, "operationID"), "mine");
}

// Trap 20.
#[test]
fn only_a_send_that_left_a_note_of_its_own_is_looked_up() {
    let look = |dialect: &str, own: Value, class: &'static str| {
        let message = message(own);
        let sent = Sent { message: &message, recipient_id: "u1", class };
        adapter(dialect).lookup(&sent, &build::seal())
    };
    let exchange = look("v3.8.3", json!({"client_id": "c1"}), "send").unwrap();
    assert_eq!(exchange.request.path, "/msg/check_msg_is_send_success");
    let (adapter, call) = single_call("v3.8.3", json!({"client_id": "c1"}));
    let (request, _) = encoded(&*adapter, &call);
    assert_eq!(header(&exchange.request, "operationID"), header(&request, "operationID"));
    assert_eq!(header(&exchange.request, "token"), "test-token");
    for (status, finding) in [
        (0, Finding::Absent),
        (1, Finding::Absent),
        (2, Finding::Arrived(Default::default())),
        (3, Finding::CannotTell),
    ] {
        let reply = build::reply(200, &json!({"errCode": 0, "data": {"status": status}}));
        assert_eq!((exchange.read)(&reply).unwrap(), finding);
    }
    assert!((exchange.read)(&error(1501, "")).is_err());
    assert!((exchange.read)(&Reply::default()).is_err());
    assert!(look("v3.8.3", json!({}), "batch").is_none());
    assert!(look("published", json!({}), "send").is_none());
    assert!(look("main", json!({"content": {"type": "command", "name": "n"}}), "send").is_none());
    assert!(look("main", json!({"extensions": {"openim": {"operationID": "mine"}}}), "send").is_none());
}

#[test]
fn settings_and_dialects_are_checked() {
    let build = |settings: Value, dialect: &str| {
        (VENDOR.build)(settings.as_object().unwrap(), dialect).map_err(|errors| errors[0].path.clone())
    };
    assert_eq!(build(json!({"secret": "s"}), "v2").unwrap_err(), "/dialect");
    assert_eq!(build(json!({}), "main").unwrap_err(), "/secret");
    assert_eq!(build(json!({"secret": "s", "api_key": "k"}), "main").unwrap_err(), "/api_key");
}
