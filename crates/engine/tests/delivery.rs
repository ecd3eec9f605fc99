//! Batches through a real lane and a real ledger to an emulated server.

#![expect(clippy::unwrap_used, reason = "a test that is wrong should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interline_core::ids::Ids;
use interline_core::outcome::Status;
use interline_core::route::{Route, Routes, Target, When};
use interline_engine::{Caller, Delivery, Denied, Engine, EngineSettings, MessageQuery, ProviderSettings};
use interline_ledger::Ledger;
use interline_twins::{Fault, FaultKind, Twin, Vendor};
use serde_json::json;

fn settings(url: &str, dialect: Option<&str>) -> EngineSettings {
    let provider = ProviderSettings {
        name: "wk".into(),
        vendor: &interline_wukongim::VENDOR,
        base_url: url.to_owned(),
        dialect: dialect.map(str::to_owned),
        settings: json!({"default_sender": "system"}).as_object().cloned().unwrap(),
        in_flight: None,
        timeout: Some(Duration::from_secs(2)),
        limits: BTreeMap::new(),
        ids: Ids::default(),
    };
    let target = Target::Provider("wk".into());
    let route = Route {
        name: "all".into(),
        when: When::default(),
        target,
        fallback: None,
        on_loss: None,
        guarantee: None,
    };
    EngineSettings {
        providers: vec![provider],
        routes: Routes::new(vec![route]),
        migrations: Vec::new(),
        delivery: Delivery { deadline: Duration::from_secs(20), ..Delivery::default() },
        vendors: vec![&interline_wukongim::VENDOR],
        max_batch_messages: 1_000_000,
        callbacks: interline_engine::CallbackSettings::default(),
    }
}

fn caller() -> Caller {
    Caller { app: Arc::from("shop"), broadcast: false }
}

async fn engine(twin: &Twin, dialect: Option<&str>) -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let ledger = Ledger::open(&url).await.unwrap();
    (Engine::start(settings(&twin.url(), dialect), ledger).await.unwrap(), folder)
}

async fn twin(dialect: &str) -> Twin {
    Twin::start(Vendor::WuKongIm, dialect, "127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// Closes a server's port for that long, and waits until it is closed.
async fn close(twin: &Twin, ms: i64) {
    twin.set_fault(Fault::new(FaultKind::Refuse).value(ms));
    while !twin.is_shut() {
        tokio::task::yield_now().await;
    }
}

fn many(count: usize) -> String {
    let messages: Vec<_> = (0..count).map(|n| json!({"to": format!("user:u{n}")})).collect();
    json!({"content": {"type": "text", "text": "hi"}, "messages": messages}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_batch_is_sent_once_and_settles() {
    let twin = twin("published").await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let accepted = engine.accept(&caller(), &many(1_000), None).await.unwrap();
    assert!(engine.settled(&accepted.batch.id, Duration::from_secs(20)).await.unwrap());
    let batch = engine.batch(&accepted.batch.id).await.unwrap().unwrap();
    assert_eq!((batch.counts.accepted, batch.counts.total), (1_000, 1_000));
    assert_eq!(batch.counts.calls, 10);
    let page = engine.messages(&batch.id, MessageQuery { status: None, limit: 2_000 }, None).await.unwrap();
    assert_eq!(page.items.len(), 1_000);
    assert!(page.items.iter().all(|result| result.vendor_message_id.is_some() && result.attempts.len() == 1));
    assert_eq!(twin.total(), 1_000);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_send_answers_with_results_in_order() {
    let twin = twin("v2").await;
    let (engine, _folder) = engine(&twin, None).await;
    let body = json!({"messages": [
        {"id": "a", "to": "user:ann", "content": {"type": "text", "text": "one"}},
        {"id": "b", "to": "group:g1", "content": {"type": "text", "text": "two"}},
    ]});
    let sent = engine.send(&caller(), &body.to_string(), Duration::from_secs(10), None).await.unwrap();
    let results = sent.results();
    let ids: Vec<_> = results.iter().map(|result| (&*result.id, result.status)).collect();
    assert_eq!(ids, [("a", Status::Accepted), ("b", Status::Accepted)], "{results:#?}");
    assert_eq!(engine.providers()[0].dialect.as_deref(), Some("v2"));
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.total(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_never_resent() {
    let twin = twin("published").await;
    twin.set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let sent = engine.send(&caller(), &many(3), Duration::from_secs(10), None).await.unwrap();
    assert!(sent.results().iter().all(|result| result.status == Status::Unknown), "{:#?}", sent.results());
    assert_eq!((twin.total(), twin.calls()), (3, 1));
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_tried_again() {
    let twin = twin("published").await;
    close(&twin, 700).await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let sent = engine.send(&caller(), &many(3), Duration::from_secs(15), None).await.unwrap();
    assert!(sent.results().iter().all(|result| result.status == Status::Accepted), "{:#?}", sent.results());
    assert!(sent.results()[0].attempts.len() > 1);
    assert_eq!(twin.total(), 3);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_invisible_until_its_last_line() {
    let twin = twin("published").await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let head = r#"{"content":{"type":"text","text":"hi"}}"#;
    let mut upload = engine.upload(&caller(), head, None).await.unwrap();
    for n in 0..5_000 {
        upload.line(&format!(r#"{{"id":"m{n}","to":"user:u{n}"}}"#)).await.unwrap();
    }
    assert_eq!(twin.total(), 0);
    let accepted = upload.finish().await.unwrap();
    assert!(engine.settled(&accepted.batch.id, Duration::from_secs(20)).await.unwrap());
    assert_eq!(twin.total(), 5_000);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_stands_twice_in_an_upload_refuses_it() {
    let twin = twin("published").await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let head = r#"{"content":{"type":"text","text":"hi"}}"#;
    let mut upload = engine.upload(&caller(), head, None).await.unwrap();
    for n in 0..1_000 {
        upload.line(&format!(r#"{{"id":"m{}","to":"user:u{n}"}}"#, n % 999)).await.unwrap();
    }
    let Err(Denied::Invalid(errors)) = upload.finish().await else { panic!("the upload was taken") };
    assert_eq!(errors.listed[0].path, "line 1001 /id");
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_errors_of_a_body_come_at_once_and_nothing_is_sent() {
    let twin = twin("published").await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let body = json!({"messages": [
        {"to": "alice", "content": {"type": "text", "text": "x"}},
        {"to": "user:b", "content": {"type": "texty"}},
        {"to": "user:c", "colour": 1},
    ]});
    let Err(Denied::Invalid(errors)) = engine.accept(&caller(), &body.to_string(), None).await else {
        panic!("the batch was taken")
    };
    let paths: Vec<_> = errors.listed.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/messages/0/to", "/messages/1/content/type", "/messages/2/content", "/messages/2/colour"]
    );
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_sends_nothing() {
    let twin = twin("published").await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let plan = engine.plan(&caller(), &many(250)).await.unwrap();
    assert_eq!((plan.totals.messages, plan.totals.calls, plan.errors.len()), (250, 3, 0));
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_changes_its_dialect_gets_each_message_once() {
    let twin = twin("v2").await;
    let (engine, _folder) = engine(&twin, None).await;
    let one = json!({"messages": [{"to": "user:first", "content": {"type": "text", "text": "x"}}]});
    engine.send(&caller(), &one.to_string(), Duration::from_secs(10), None).await.unwrap();
    assert!(twin.speak("v3"));
    twin.set_fault(Fault::new(FaultKind::Slow).value(50).times(40));
    let messages: Vec<_> =
        (0..40).map(|n| json!({"id": format!("m{n}"), "to": format!("user:u{n}")})).collect();
    let body = json!({"content": {"type": "text", "text": "hi"}, "ordered": false, "messages": messages});
    let sent = engine.send(&caller(), &body.to_string(), Duration::from_secs(15), None).await.unwrap();
    assert!(sent.results().iter().all(|result| result.status == Status::Accepted), "{:#?}", sent.results());
    assert_eq!(engine.providers()[0].dialect.as_deref(), Some("v3"));
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.total(), 41);
    assert_eq!(sent.counts.calls, twin.calls() - 1, "every call is counted, none is made twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_unknown_and_not_expired() {
    let twin = twin("published").await;
    twin.set_fault(Fault::new(FaultKind::CloseAfterRead));
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let body = json!({"guarantee": "at_least_once", "content": {"type": "text", "text": "x"},
                      "messages": [{"to": "user:ann"}]});
    let sent = engine.send(&caller(), &body.to_string(), Duration::from_secs(2), None).await.unwrap();
    let result = &sent.results()[0];
    assert_eq!(result.status, Status::Unknown, "{result:#?}");
    assert_eq!(result.error.as_ref().unwrap().fate, interline_core::error::Fate::Unknown);
    assert!(result.may_be_duplicate && result.attempts.len() > 1);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_fails_no_message_before_its_deadline() {
    let twin = twin("published").await;
    close(&twin, 4_000).await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let accepted = engine.accept(&caller(), &many(500), None).await.unwrap();
    assert!(engine.settled(&accepted.batch.id, Duration::from_secs(19)).await.unwrap());
    let batch = engine.batch(&accepted.batch.id).await.unwrap().unwrap();
    assert_eq!(batch.counts.accepted, 500, "{batch:#?}");
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.total(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_hang_after_an_outage_hold_up_one_message_each_and_the_rest_not_for_long() {
    const HANG: u64 = 2;
    let twin = twin("published").await;
    // For those who come first when the port is open again.
    twin.set_fault(Fault::new(FaultKind::Hang).times(HANG));
    close(&twin, 3_000).await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let accepted = engine.accept(&caller(), &many(1_000), None).await.unwrap();
    assert!(engine.settled(&accepted.batch.id, Duration::from_secs(60)).await.unwrap());
    let counts = engine.batch(&accepted.batch.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.unknown, counts.accepted), (HANG, 1_000 - HANG), "{counts:?}");
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_cut_off_by_the_callers_timeout_is_an_attempt() {
    let twin = twin("published").await;
    twin.set_fault(Fault::new(FaultKind::Hang));
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let sent = engine.send(&caller(), &many(3), Duration::from_secs(1), None).await.unwrap();
    assert!(
        sent.results().iter().all(|result| result.status == Status::Unknown && result.attempts.len() == 1)
    );
    assert_eq!(sent.counts.calls, 1);
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_answers_a_second_time_without_sending() {
    let twin = twin("published").await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let timeout = Duration::from_secs(10);
    let first = engine.send(&caller(), &many(3), timeout, Some("k")).await.unwrap();
    let again = engine.send(&caller(), &many(3), timeout, Some("k")).await.unwrap();
    assert!(again.replayed && again.id == first.id && again.results() == first.results());
    assert!(matches!(engine.send(&caller(), &many(4), timeout, Some("k")).await, Err(Denied::Mismatch)));
    engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(twin.total(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_one_recipient_keep_their_order_over_an_outage() {
    let twin = twin("published").await;
    close(&twin, 1_500).await;
    let (engine, _folder) = engine(&twin, Some("published")).await;
    let messages: Vec<_> = (0..30)
        .map(|n| json!({"to": "user:ann", "content": {"type": "text", "text": format!("t{n}")}}))
        .collect();
    let accepted = engine.accept(&caller(), &json!({"messages": messages}).to_string(), None).await.unwrap();
    assert!(engine.settled(&accepted.batch.id, Duration::from_secs(19)).await.unwrap());
    engine.shutdown(Duration::from_secs(5)).await;
    let texts: Vec<String> = twin.received().messages.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, (0..30).map(|n| format!("t{n}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_class_starves_behind_another_where_one_call_is_under_way_at_once() {
    let twin = twin("v2").await;
    twin.set_fault(Fault::new(FaultKind::Slow).value(10));
    let mut settings = settings(&twin.url(), Some("v2"));
    settings.providers[0].in_flight = Some(1);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let engine = Engine::start(settings, Ledger::open(&url).await.unwrap()).await.unwrap();
    let text = |text: &str| json!({"type": "text", "text": text});
    let groups = (0..60).map(|n| json!({"to": format!("group:g{n}"), "content": text("single")}));
    let people = (0..3).map(
        |n| json!({"to": format!("user:u{n}"), "content": text("many"), "options": {"results": "fast"}}),
    );
    let messages: Vec<_> = groups.chain(people).collect();
    let batch =
        engine.accept(&caller(), &json!({"messages": messages}).to_string(), None).await.unwrap().batch;
    assert!(engine.settled(&batch.id, Duration::from_secs(20)).await.unwrap());
    let received = twin.received();
    let many = received.messages.iter().find(|message| message.text == "many").unwrap();
    assert!(many.call <= 5, "the other class had its turn in call {}", many.call);
    engine.shutdown(Duration::from_secs(5)).await;
}
