//! What waits when providers and routes change, through real lanes and a real ledger to emulated servers: it goes
//! where the routes lead then, in its order, and never to whom an earlier attempt did not go.

#![expect(clippy::unwrap_used, reason = "a test that is wrong should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interline_core::ids::{Ids, Pattern, Rule, Table};
use interline_core::options::Guarantee;
use interline_core::outcome::Status;
use interline_core::profile::Rate;
use interline_core::record::MessageResult;
use interline_core::route::{Route, Routes, Target, When, Words};
use interline_engine::{
    Caller, ClassLimits, Delivery, Engine, EngineSettings, MessageQuery, ProviderSettings,
};
use interline_ledger::Ledger;
use interline_twins::{Fault, FaultKind, Twin, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
/// Longer than any test.
const AWAY: i64 = 600_000;

/// Two servers and an engine whose providers and routes change.
struct House {
    a: Twin,
    b: Twin,
    engine: Engine,
    _folder: tempfile::TempDir,
}

fn provider(name: &str, twin: &Twin) -> ProviderSettings {
    ProviderSettings {
        name: name.into(),
        vendor: &interline_wukongim::VENDOR,
        base_url: twin.url(),
        dialect: Some(twin.dialect().to_owned()),
        settings: json!({"default_sender": "system"}).as_object().cloned().unwrap(),
        in_flight: None,
        timeout: Some(Duration::from_secs(1)),
        limits: BTreeMap::new(),
        ids: Ids::default(),
    }
}

fn route(to: &[&str], provider: &str, fallback: Option<&str>) -> Route {
    Route {
        name: format!("{provider} {}", to.concat()).into(),
        when: When { to: Words(to.iter().map(|&word| word.into()).collect()), ..When::default() },
        target: Target::Provider(provider.into()),
        fallback: fallback.map(|name| Arc::from([Arc::from(name)])),
        on_loss: None,
        guarantee: None,
    }
}

fn settings(providers: Vec<ProviderSettings>, routes: Vec<Route>) -> EngineSettings {
    EngineSettings {
        providers,
        routes: Routes::new(routes),
        migrations: Vec::new(),
        delivery: Delivery { deadline: Duration::from_secs(60), ..Delivery::default() },
        vendors: vec![&interline_wukongim::VENDOR],
        max_batch_messages: 1_000_000,
        callbacks: interline_engine::CallbackSettings::default(),
    }
}

async fn twin(dialect: &str) -> Twin {
    Twin::start(Vendor::WuKongIm, dialect, "127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// Providers and routes as they are at the beginning.
type Begin = fn(&Twin, &Twin) -> EngineSettings;

async fn house(begin: Begin) -> House {
    house_of("published", begin).await
}

async fn house_of(dialect: &str, begin: Begin) -> House {
    let (a, b) = (twin(dialect).await, twin(dialect).await);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let engine = Engine::start(begin(&a, &b), Ledger::open(&url).await.unwrap()).await.unwrap();
    House { a, b, engine, _folder: folder }
}

impl House {
    async fn reload(&self, providers: Vec<ProviderSettings>, routes: Vec<Route>) {
        self.engine.reload(settings(providers, routes)).await.unwrap();
    }

    async fn accept(&self, body: &Value) -> String {
        self.engine.accept(&caller(), &body.to_string(), None).await.unwrap().batch.id
    }

    async fn settled(&self, batch: &str) -> Vec<MessageResult> {
        assert!(self.engine.settled(batch, SOON).await.unwrap(), "it settles");
        let query = MessageQuery { status: None, limit: 10_000 };
        self.engine.messages(batch, query, None).await.unwrap().items
    }

    fn waiting(&self, name: &str) -> u64 {
        self.engine.providers().iter().find(|one| one.name == name).map_or(0, |one| one.waiting)
    }

    fn is_frozen(&self, name: &str) -> bool {
        let providers = self.engine.providers();
        let one = providers.iter().find(|one| one.name == name);
        one.is_some_and(|one| one.classes.iter().any(|class| class.frozen_until.is_some()))
    }

    async fn close(self) {
        self.engine.shutdown(Duration::from_secs(5)).await;
    }
}

/// Waits until something holds; false when it does not within that time.
async fn comes(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let until = tokio::time::Instant::now() + within;
    while tokio::time::Instant::now() < until {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holds()
}

fn caller() -> Caller {
    Caller { app: Arc::from("shop"), broadcast: false }
}

fn to(recipients: impl IntoIterator<Item = String>) -> Value {
    let text =
        |(at, to): (usize, String)| json!({"to": to, "content": {"type": "text", "text": format!("{at}")}});
    json!({"messages": recipients.into_iter().enumerate().map(text).collect::<Vec<_>>()})
}

fn users(count: usize) -> Value {
    to((0..count).map(|number| format!("user:u{number}")))
}

/// Closes a server's port, and waits until it is closed.
async fn close(twin: &Twin) {
    twin.set_fault(Fault::new(FaultKind::Refuse).value(AWAY));
    while !twin.is_shut() {
        tokio::task::yield_now().await;
    }
}

/// What arrived for a recipient, in order.
fn texts(twin: &Twin, to: &str) -> Vec<String> {
    let received = twin.received().messages.into_iter();
    received.filter(|message| message.to == to).map(|message| message.text).collect()
}

fn both(a: &Twin, b: &Twin) -> EngineSettings {
    settings(vec![provider("a", a), provider("b", b)], vec![route(&[], "a", None)])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_the_dialect_is_not_known_leaves_once_a_reload_names_it() {
    let unread = |a: &Twin, _: &Twin| {
        settings(vec![ProviderSettings { dialect: None, ..provider("a", a) }], vec![route(&[], "a", None)])
    };
    let house = house(unread).await;
    close(&house.a).await;
    let engine = house.engine.clone();
    let sends = tokio::spawn(async move { engine.send(&caller(), &users(3).to_string(), SOON, None).await });
    assert!(comes(SOON, || house.waiting("a") == 3).await);
    house.reload(vec![provider("a", &house.a)], vec![route(&[], "a", None)]).await;
    house.a.clear_faults();
    let results = sends.await.unwrap().unwrap().results();
    assert!(results.iter().all(|result| result.status == Status::Accepted), "{results:#?}");
    assert_eq!(house.a.total(), 3);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipients_order_survives_that_only_some_of_its_batch_moves() {
    let house = house(both).await;
    close(&house.a).await;
    // Two parcels: what is to move stands in the first, and the recipient `x` in both.
    let batch = to((0..400).map(|at| match at {
        100..150 => format!("group:g{at}"),
        10 | 250 | 300 | 390 => "user:x".to_owned(),
        _ => format!("user:u{at}"),
    }));
    let id = house.accept(&batch).await;
    assert!(comes(SOON, || house.waiting("a") == 400).await);
    let providers = || vec![provider("a", &house.a), provider("b", &house.b)];
    house.reload(providers(), vec![route(&["group"], "b", None), route(&[], "a", None)]).await;
    assert!(comes(SOON, || house.b.total() == 50).await, "what moves does not wait for the rest");
    house.a.clear_faults();
    let results = house.settled(&id).await;
    assert!(results.iter().all(|result| result.status == Status::Accepted));
    assert_eq!(texts(&house.a, "user:x"), ["10", "250", "300", "390"]);
    assert_eq!((house.a.total(), house.b.total()), (350, 50));
    assert!(
        !house.engine.metrics().await.contains("fallback_messages_total{"),
        "nobody stood in for anybody"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_left_goes_at_once_while_calls_hang() {
    let slow = |a: &Twin, b: &Twin| {
        let patient = ProviderSettings {
            timeout: Some(Duration::from_secs(8)),
            in_flight: Some(2),
            ..provider("a", a)
        };
        settings(vec![patient, provider("b", b)], vec![route(&[], "a", None)])
    };
    let house = house(slow).await;
    house.a.set_fault(Fault::new(FaultKind::Hang));
    let own = |at: usize| if at.is_multiple_of(50) { "user:x".to_owned() } else { format!("user:u{at}") };
    let id = house.accept(&to((0..500).map(own))).await;
    assert!(comes(SOON, || house.a.total() == 200).await);
    let held = house.a.total();
    let patient = slow(&house.a, &house.b).providers;
    house.reload(patient, vec![route(&[], "b", None)]).await;
    // What follows for a recipient of a call under way waits for it.
    let follows = texts(&house.a, "user:x").len() as u64;
    let at_once = 500 - held - if follows == 0 { 0 } else { 10 - follows };
    assert!(
        comes(Duration::from_secs(2), || house.b.total() >= at_once).await,
        "{} of {at_once}",
        house.b.total()
    );
    assert_eq!(house.b.total(), at_once);
    house.settled(&id).await;
    assert_eq!((house.a.total(), house.a.total() + house.b.total()), (held, 500));
    let numbers =
        |twin| texts(twin, "user:x").iter().filter_map(|text| text.parse::<u32>().ok()).collect::<Vec<_>>();
    let arrived = [numbers(&house.a), numbers(&house.b)].concat();
    assert!(arrived.is_sorted() && arrived.len() == 10, "{arrived:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_for_a_provider_that_is_gone_is_routed_on_or_refused() {
    let kinds = |a: &Twin, b: &Twin| {
        let routes =
            vec![route(&["room"], "b", None), route(&["user"], "a", None), route(&["group"], "a", None)];
        settings(vec![provider("a", a), provider("b", b)], routes)
    };
    let house = house(kinds).await;
    let mut upload =
        house.engine.upload(&caller(), r#"{"content":{"type":"text","text":"hi"}}"#, None).await.unwrap();
    for at in 0..300 {
        let kind = if at < 200 { "user" } else { "group" };
        upload.line(&format!(r#"{{"to":"{kind}:{at}"}}"#)).await.unwrap();
    }
    // Nobody takes users any more.
    let left = vec![route(&["room"], "b", None), route(&["group"], "b", None)];
    house.reload(vec![provider("b", &house.b)], left).await;
    let id = upload.finish().await.unwrap().batch.id;
    let results = house.settled(&id).await;
    let refused = results.iter().filter(|result| {
        result.error.as_ref().is_some_and(|failure| failure.code.as_str() == "not_routable")
    });
    assert_eq!((refused.count(), house.a.total(), house.b.total()), (200, 0, 100), "{:#?}", results[0]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lent_is_refused_by_nobody_but_its_own_lane() {
    fn thin(a: &Twin, b: &Twin, ids: Ids) -> Vec<ProviderSettings> {
        let limits = ClassLimits {
            calls: Some(Rate { count: 1, per: Duration::from_secs(600) }),
            ..ClassLimits::default()
        };
        let classes = ["user", "batch", "message", "messages", "send", "sendbatch"];
        let limits = classes.iter().map(|&class| (class.to_owned(), limits)).collect();
        vec![provider("a", a), ProviderSettings { limits, ids, ..provider("b", b) }]
    }
    let house = house(|a, b| settings(thin(a, b, Ids::default()), vec![route(&[], "a", Some("b"))])).await;
    close(&house.a).await;
    let id = house.accept(&users(1_000)).await;
    assert!(comes(SOON, || house.b.total() > 0).await);
    assert!(comes(Duration::from_millis(500), || house.waiting("b") > 100).await, "{}", house.waiting("b"));
    let nobody = Table::new("nobody.csv", false, [(1, "ann", "1"), (2, "system", "2")]).unwrap();
    let ids = Ids { user: Rule::Table(Arc::new(nobody)), ..Ids::default() };
    house.reload(thin(&house.a, &house.b, ids), vec![route(&[], "a", Some("b"))]).await;
    house.a.clear_faults();
    let results = house.settled(&id).await;
    let refused = results.iter().find(|result| result.status != Status::Accepted);
    assert!(refused.is_none(), "{refused:#?}");
    assert_eq!(house.a.total() + house.b.total(), 1_000);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_at_one_account_is_recognised_by_no_other() {
    let twice = |a: &Twin, b: &Twin| {
        let mut settings = both(a, b);
        settings.delivery.guarantee = Guarantee::AtLeastOnce;
        settings
    };
    for begin in [both as Begin, twice] {
        // The vendor recognises repeats in this dialect.
        let house = house_of("v3", begin).await;
        house.a.set_fault(Fault::new(FaultKind::Hang));
        let id = house.accept(&users(1)).await;
        assert!(comes(SOON, || house.a.calls() == 1).await);
        // The same name, another server.
        let mut moved = begin(&house.b, &house.a);
        moved.providers.truncate(1);
        house.engine.reload(moved).await.unwrap();
        let results = house.settled(&id).await;
        let may_double = results[0].status == Status::Accepted && results[0].may_be_duplicate;
        assert_eq!(may_double, house.b.total() == 1, "{results:#?}");
        assert_eq!(results[0].status == Status::Unknown, house.b.total() == 0, "{results:#?}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sent_by_the_ids_of_the_provider_as_it_is_then() {
    let house = house(both).await;
    // Asked to wait, the lane holds what waits and draws no call.
    house.a.set_fault(Fault { retry_after: Some(5), ..Fault::new(FaultKind::Status).value(429).times(1) });
    let id = house.accept(&users(20)).await;
    assert!(comes(SOON, || house.is_frozen("a") && house.waiting("a") == 20).await);
    let ids = Ids { user: Rule::Pattern(Pattern::read("new-{id}").unwrap()), ..Ids::default() };
    let renamed = ProviderSettings { ids, ..provider("a", &house.a) };
    house.reload(vec![renamed], vec![route(&[], "a", None)]).await;
    let results = house.settled(&id).await;
    assert!(results.iter().all(|result| result.status == Status::Accepted), "{:#?}", results[0]);
    assert!(house.a.received().messages.iter().all(|message| message.to.contains("new-u")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_while_the_routes_change_goes_where_they_lead_then() {
    let house = house(both).await;
    close(&house.a).await;
    let providers = || vec![provider("a", &house.a), provider("b", &house.b)];
    let mut batches = Vec::new();
    // How much of each batch is claimed when the routes change: nothing yet, some of it, all.
    for claimed in [0, 0, 1, 100, 257, 300].repeat(5) {
        house.reload(providers(), vec![route(&[], "a", None)]).await;
        batches.push(house.accept(&users(300)).await);
        let claims = async {
            while house.waiting("a") < claimed {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, claims).await.unwrap();
        house.reload(providers(), vec![route(&[], "b", None)]).await;
    }
    for id in &batches {
        let results = house.settled(id).await;
        assert!(results.iter().all(|result| result.status == Status::Accepted), "{:#?}", results[0]);
    }
    assert_eq!((house.a.total(), house.b.total()), (0, 9_000));
    house.close().await;
}
