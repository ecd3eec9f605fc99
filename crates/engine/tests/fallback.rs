//! Fallbacks and lookups, through real lanes and a real ledger to emulated servers.

#![expect(clippy::unwrap_used, reason = "a test that is wrong should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interline_core::ids::Ids;
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use interline_core::route::{Route, Routes, Target, When};
use interline_engine::{Caller, Delivery, Engine, EngineSettings, MessageQuery, ProviderSettings};
use interline_ledger::Ledger;
use interline_twins::{Fault, FaultKind, Twin, Vendor};
use serde_json::{Value, json};

/// Two servers, `a` with `b` as its fallback, and the engine in front.
struct House {
    a: Twin,
    b: Twin,
    engine: Engine,
    folder: tempfile::TempDir,
}

fn provider(name: &str, url: String, dialect: &str) -> ProviderSettings {
    ProviderSettings {
        name: name.into(),
        vendor: &interline_wukongim::VENDOR,
        base_url: url,
        dialect: Some(dialect.to_owned()),
        settings: json!({"default_sender": "system"}).as_object().cloned().unwrap(),
        in_flight: None,
        timeout: Some(Duration::from_secs(1)),
        limits: BTreeMap::new(),
        ids: Ids::default(),
    }
}

async fn start(a: &Twin, b: &Twin, dialects: [&str; 2], folder: &tempfile::TempDir) -> Engine {
    let route = Route {
        name: "all".into(),
        when: When::default(),
        target: Target::Provider("a".into()),
        fallback: Some(Arc::from([Arc::from("b")])),
        on_loss: None,
        guarantee: None,
    };
    let settings = EngineSettings {
        providers: vec![provider("a", a.url(), dialects[0]), provider("b", b.url(), dialects[1])],
        routes: Routes::new(vec![route]),
        migrations: Vec::new(),
        delivery: Delivery { deadline: Duration::from_secs(30), ..Delivery::default() },
        vendors: vec![&interline_wukongim::VENDOR],
        max_batch_messages: 1_000_000,
        callbacks: interline_engine::CallbackSettings::default(),
    };
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    Engine::start(settings, Ledger::open(&url).await.unwrap()).await.unwrap()
}

async fn house(dialects: [&str; 2]) -> House {
    let at = || "127.0.0.1:0".parse().unwrap();
    let a = Twin::start(Vendor::WuKongIm, dialects[0], at()).await.unwrap();
    let b = Twin::start(Vendor::WuKongIm, dialects[1], at()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let engine = start(&a, &b, dialects, &folder).await;
    House { a, b, engine, folder }
}

impl House {
    async fn send(&self, body: &Value) -> Vec<MessageResult> {
        let caller = caller();
        self.engine.send(&caller, &body.to_string(), Duration::from_secs(15), None).await.unwrap().results()
    }

    async fn stored(&self, body: &Value) -> Vec<MessageResult> {
        let batch = self.engine.accept(&caller(), &body.to_string(), None).await.unwrap().batch;
        assert!(self.engine.settled(&batch.id, Duration::from_secs(30)).await.unwrap(), "it settles");
        let query = MessageQuery { status: None, limit: 10_000 };
        self.engine.messages(&batch.id, query, None).await.unwrap().items
    }

    async fn close(self) {
        self.engine.shutdown(Duration::from_secs(5)).await;
    }
}

fn caller() -> Caller {
    Caller { app: Arc::from("shop"), broadcast: false }
}

fn people(count: usize) -> Value {
    let messages: Vec<_> = (0..count).map(|n| json!({"to": format!("user:u{n}")})).collect();
    json!({"content": {"type": "text", "text": "hi"}, "messages": messages})
}

fn by(result: &MessageResult) -> Vec<(&str, Status)> {
    result.attempts.iter().map(|attempt| (&*attempt.provider, attempt.result)).collect()
}

/// Closes a server's port for that long, and waits until it is closed.
async fn close(twin: &Twin, ms: i64) {
    twin.set_fault(Fault::new(FaultKind::Refuse).value(ms));
    while !twin.is_shut() {
        tokio::task::yield_now().await;
    }
}

const DOWN: i64 = 600_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_server_goes_to_the_fallback_once() {
    let house = house(["published", "published"]).await;
    close(&house.a, DOWN).await;
    for results in [house.send(&people(300)).await, house.stored(&people(2_000)).await] {
        for result in &results {
            assert_eq!(
                (result.status, result.provider.as_deref()),
                (Status::Accepted, Some("b")),
                "{result:#?}"
            );
            let tried = by(result);
            assert_eq!(tried.first(), Some(&("a", Status::Rejected)), "the fallback shows: {tried:?}");
            assert_eq!(tried.last(), Some(&("b", Status::Accepted)));
        }
    }
    assert_eq!((house.a.total(), house.b.total()), (0, 2_300));
    let a = house.engine.providers().into_iter().find(|provider| provider.name == "a").unwrap();
    assert!(a.breaker == "open" || a.breaker == "half_open", "{a:?}");
    assert!(house.engine.metrics().await.contains(r#"fallback_messages_total{from="a",to="b"}"#));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_that_may_pass_goes_to_the_fallback_and_one_for_good_does_not() {
    let house = house(["published", "published"]).await;
    house.a.set_fault(Fault::new(FaultKind::Status).value(400).times(1));
    let body = json!({"messages": [{"to": "group:g", "content": {"type": "text", "text": "x"}}]});
    let no = house.send(&body).await;
    assert_eq!((no[0].status, house.b.total()), (Status::Rejected, 0), "{no:#?}");
    let pause = Fault { retry_after: Some(5), ..Fault::new(FaultKind::Status).value(429).times(1) };
    house.a.set_fault(pause);
    let passing = house.send(&people(3)).await;
    assert!(passing.iter().all(|result| result.provider.as_deref() == Some("b")), "{passing:#?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_never_goes_to_the_fallback() {
    let house = house(["published", "published"]).await;
    house.a.set_fault(Fault::new(FaultKind::CloseAfterRead).times(2));
    let mut results = house.send(&people(5)).await;
    results.extend(house.stored(&people(5)).await);
    assert!(results.iter().all(|result| result.status == Status::Unknown), "{results:#?}");
    assert_eq!((house.a.total(), house.b.total()), (10, 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_over_a_fallback() {
    let house = house(["v3", "v3"]).await;
    close(&house.a, 400).await;
    let messages: Vec<_> = (0..30)
        .map(|n| json!({"id": format!("m{n}"), "to": format!("group:g{}", n % 3), "content": {"type": "text", "text": n.to_string()}}))
        .collect();
    let results = house.stored(&json!({"messages": messages})).await;
    assert!(results.iter().all(|result| result.status == Status::Accepted), "{results:#?}");
    let (a, b) = (house.a.received(), house.b.received());
    let mut arrived: Vec<_> = a.messages.iter().chain(&b.messages).collect();
    arrived.sort_by_key(|message| message.at_ms);
    for group in 0..3 {
        let to = format!("g{group}");
        let texts: Vec<u32> = arrived
            .iter()
            .filter(|message| message.to.contains(&to))
            .map(|message| message.text.parse().unwrap())
            .collect();
        assert!(texts.is_sorted() && texts.len() == 10, "{to}: {texts:?}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_that_the_vendor_shows_is_accepted() {
    let house = house(["v2", "v2"]).await;
    house.a.set_fault(Fault::new(FaultKind::CloseAfterRead).times(2));
    let body = json!({"messages": [{"to": "user:ann", "content": {"type": "text", "text": "x"}}]});
    for result in [house.send(&body).await.remove(0), house.stored(&body).await.remove(0)] {
        assert_eq!(
            (result.status, by(&result)),
            (Status::Accepted, vec![("a", Status::Unknown)]),
            "{result:#?}"
        );
        assert!(result.vendor_message_id.is_some() && result.error.is_none() && !result.may_be_duplicate);
    }
    assert_eq!((house.a.total(), house.b.total()), (2, 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_that_the_vendor_does_not_show_stays_unknown_and_is_not_sent_again() {
    let house = house(["v2", "v2"]).await;
    house.a.set_fault(Fault::new(FaultKind::Status).value(500).times(1));
    let body = json!({"messages": [{"to": "user:ann", "content": {"type": "text", "text": "x"}}]});
    let result = house.stored(&body).await.remove(0);
    assert_eq!(result.status, Status::Unknown);
    let error = result.error.unwrap();
    assert!(error.message.contains("does not show it"), "{}", error.message);
    assert_eq!((house.a.total(), house.b.total()), (0, 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lent_at_a_stop_goes_on_after_the_next_start() {
    let house = house(["published", "published"]).await;
    close(&house.a, DOWN).await;
    house.b.set_fault(Fault::new(FaultKind::Slow).value(300));
    let batch = house.engine.accept(&caller(), &people(5_000).to_string(), None).await.unwrap().batch;
    let House { a, b, engine, folder } = house;
    while b.calls() < 2 {
        tokio::task::yield_now().await;
    }
    engine.shutdown(Duration::from_secs(5)).await;
    drop(engine);
    b.clear_faults();
    let engine = start(&a, &b, ["published", "published"], &folder).await;
    assert!(engine.settled(&batch.id, Duration::from_secs(30)).await.unwrap());
    let counts = engine.batch(&batch.id).await.unwrap().unwrap().counts;
    assert_eq!((counts.accepted, counts.unknown), (5_000, 0), "a stop loses no answer");
    assert_eq!((a.total(), b.total()), (0, 5_000));
    engine.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_waits_for_its_own_provider_while_the_breaker_is_open() {
    let house = house(["v3", "v3"]).await;
    // Ten calls without an answer open the breaker; their repeats would be recognised there, and only there.
    house.a.set_fault(Fault::new(FaultKind::CloseAfterRead).times(10));
    let messages: Vec<_> = (0..10)
        .map(|n| json!({"to": format!("group:g{n}"), "content": {"type": "text", "text": n.to_string()}}))
        .collect();
    let results = house.stored(&json!({"messages": messages})).await;
    assert!(results.iter().all(|result| result.status == Status::Accepted), "{results:#?}");
    assert_eq!((house.a.total(), house.b.total()), (10, 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_finds_no_server_is_asked_about_and_ends() {
    let house = house(["v2", "v2"]).await;
    house.a.set_fault(Fault::new(FaultKind::Status).value(500).times(1));
    house.a.set_fault(Fault::new(FaultKind::Refuse).value(1_500).after(1));
    let body = json!({"guarantee": "at_least_once", "messages": [
        {"to": "user:ann", "content": {"type": "text", "text": "x"}}
    ]});
    let result = house.stored(&body).await.remove(0);
    assert!(matches!(result.status, Status::Accepted | Status::Unknown), "{result:#?}");
    assert_eq!(house.b.total(), 0, "it never moves");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_refused_for_one_bad_message_is_halved_and_does_not_move() {
    let house = house(["published", "published"]).await;
    house.a.set_fault(Fault::new(FaultKind::Status).value(400).times(1));
    let results = house.stored(&people(20)).await;
    assert!(results.iter().all(|result| result.provider.as_deref() == Some("a")), "{results:#?}");
    assert!(results.iter().all(|result| result.status == Status::Accepted), "{results:#?}");
    assert_eq!((house.a.total(), house.b.total()), (20, 0));
    house.close().await;
}
