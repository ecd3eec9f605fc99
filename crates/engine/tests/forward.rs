//! What façades hand over, through a real lane and a real ledger to an emulated server: sent once, however
//! often it is asked for.

#![expect(clippy::unwrap_used, reason = "a test that is wrong should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interline_core::error::ErrorCode;
use interline_core::facade::{Mark, Told};
use interline_core::ids::Ids;
use interline_core::migration::{Gates, Order};
use interline_core::outcome::Status;
use interline_core::route::{Route, Routes, Target, When};
use interline_engine::{
    Caller, Delivery, Engine, EngineSettings, Forward, Forwarded, MigrationSettings, ProviderSettings,
    RequestKey,
};
use interline_ledger::Ledger;
use interline_testkit::held::HeldLedger;
use interline_twins::{Fault, FaultKind, Twin, Vendor};
use serde_json::json;

const SECONDS: Duration = Duration::from_secs(10);

/// An engine in front of one emulated server; its ledger outlives it.
struct Bench {
    twin: Twin,
    engine: Engine,
    folder: tempfile::TempDir,
}

fn provider(name: &str, url: &str) -> ProviderSettings {
    ProviderSettings {
        name: name.into(),
        vendor: &interline_wukongim::VENDOR,
        base_url: url.to_owned(),
        dialect: Some("published".to_owned()),
        settings: json!({"default_sender": "system"}).as_object().cloned().unwrap(),
        in_flight: None,
        timeout: Some(Duration::from_secs(5)),
        limits: BTreeMap::new(),
        ids: Ids::default(),
    }
}

fn settings(url: &str, new: Option<&str>) -> EngineSettings {
    let migration = MigrationSettings {
        name: "m".into(),
        route: "all".into(),
        from: "wk".into(),
        to: "new".into(),
        gates: Gates::default(),
        cohort: None,
    };
    let route = Route {
        name: "all".into(),
        when: When::default(),
        target: Target::Provider("wk".into()),
        fallback: None,
        on_loss: None,
        guarantee: None,
    };
    EngineSettings {
        providers: [provider("wk", url)].into_iter().chain(new.map(|url| provider("new", url))).collect(),
        routes: Routes::new(vec![route]),
        delivery: Delivery::default(),
        vendors: vec![&interline_wukongim::VENDOR],
        max_batch_messages: 2_000,
        callbacks: interline_engine::CallbackSettings::default(),
        migrations: new.map(|_| migration).into_iter().collect(),
    }
}

async fn started(url: &str, folder: &tempfile::TempDir) -> Engine {
    let ledger = format!("sqlite:{}", folder.path().join("ledger.db").display());
    Engine::start(settings(url, None), Ledger::open(&ledger).await.unwrap()).await.unwrap()
}

impl Bench {
    async fn new() -> Self {
        let twin = Twin::start(Vendor::WuKongIm, "published", "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let engine = started(&twin.url(), &folder).await;
        Self { twin, engine, folder }
    }

    async fn restart(&mut self) {
        self.engine.shutdown(Duration::from_secs(5)).await;
        self.engine = started(&self.twin.url(), &self.folder).await;
    }

    async fn forward(&self, request: &Request) -> Forwarded {
        let caller = Caller { app: Arc::from("shop"), broadcast: false };
        let batch = request.batch();
        let ask = Forward {
            caller: &caller,
            scope: "legacy",
            batch: &batch,
            marks: &request.marks,
            name: request.name.as_ref(),
            request: RequestKey { id: request.id.as_ref(), path: "/send", body: batch.as_bytes() },
            within: request.within,
            durable: request.durable,
        };
        self.engine.forward(ask).await
    }
}

#[derive(Clone)]
struct Request {
    texts: Vec<String>,
    marks: Vec<Option<Mark>>,
    name: Option<Mark>,
    id: Option<Mark>,
    within: Duration,
    durable: bool,
}

fn mark(key: &str) -> Mark {
    Mark { key: key.to_owned(), lasts: Duration::from_secs(3_600) }
}

impl Request {
    /// Messages with these texts, each marked by it where it begins with `m`.
    fn of(texts: &[&str]) -> Self {
        Self {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            marks: texts.iter().map(|text| text.starts_with('m').then(|| mark(text))).collect(),
            name: None,
            id: None,
            within: SECONDS,
            durable: false,
        }
    }

    fn batch(&self) -> String {
        let message = |text: &String| json!({"to": "user:a", "content": {"type": "text", "text": text}});
        let messages: Vec<_> = self.texts.iter().map(message).collect();
        json!({"validation": "permissive", "messages": messages}).to_string()
    }
}

fn told(forwarded: Forwarded) -> Vec<Told> {
    forwarded.told.unwrap()
}

fn shape(told: &[Told]) -> Vec<(Status, bool)> {
    told.iter().map(|told| (told.result.status, told.repeated)).collect()
}

const NEW: (Status, bool) = (Status::Accepted, false);
const AGAIN: (Status, bool) = (Status::Accepted, true);

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_from_memory_also_after_a_restart() {
    let mut bench = Bench::new().await;
    let request = Request::of(&["one", "two"]);
    let first = bench.forward(&request).await;
    assert!(!first.repeated() && first.providers() == ["wk".into()]);
    let first = told(first);
    assert_eq!(shape(&first), [NEW, NEW]);
    bench.restart().await;
    let again = bench.forward(&request).await;
    assert!(again.repeated());
    let again = told(again);
    assert_eq!(shape(&again), [AGAIN, AGAIN]);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(
            (first.own_id, &first.result.vendor_message_id),
            (again.own_id, &again.result.vendor_message_id)
        );
    }
    assert_eq!(bench.twin.total(), 2);
    // Another id makes another request of the same body.
    let other = Request { id: Some(mark("r-2")), ..request };
    assert_eq!(shape(&told(bench.forward(&other).await)), [NEW, NEW]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_message_is_left_out_of_another_request() {
    let bench = Bench::new().await;
    let first = told(bench.forward(&Request::of(&["m1", "m2"])).await);
    let next = told(bench.forward(&Request::of(&["m3", "m2", "x", "m3"])).await);
    assert_eq!(shape(&next), [NEW, AGAIN, NEW, AGAIN], "the last repeats the first of its own request");
    assert_eq!((next[1].own_id, next[3].own_id), (first[1].own_id, next[0].own_id));
    assert_eq!(bench.twin.total(), 4);
    let found = bench.engine.find_marked("legacy", &mark("m2")).await.unwrap().unwrap();
    assert_eq!((found.result.status, found.own_id), (Status::Accepted, first[1].own_id));
    assert_eq!(bench.engine.find_marked("another", &mark("m2")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_the_same_id_is_told_from_that_of_a_message() {
    let bench = Bench::new().await;
    let same = |told: &[Told]| told.iter().map(|told| told.same_request).collect::<Vec<_>>();
    let request = Request { id: Some(mark("r-1")), ..Request::of(&["m1", "x"]) };
    assert_eq!(same(&told(bench.forward(&request).await)), [false, false]);
    let again = told(bench.forward(&request).await);
    assert_eq!((shape(&again), same(&again)), (vec![AGAIN, AGAIN], vec![true, true]));
    let other = told(bench.forward(&Request { id: Some(mark("r-2")), ..request }).await);
    assert_eq!((shape(&other), same(&other)), (vec![AGAIN, NEW], vec![false, false]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_body_under_an_id_whose_time_is_over_is_another_request() {
    let bench = Bench::new().await;
    let trace = Mark { key: "never-changes".to_owned(), lasts: Duration::ZERO };
    let request = Request { id: Some(trace), ..Request::of(&["again"]) };
    for _ in 0..2 {
        assert_eq!(shape(&told(bench.forward(&request).await)), [NEW]);
    }
    assert_eq!(bench.twin.total(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_waits_for_the_first_that_is_still_under_way() {
    let bench = Bench::new().await;
    bench.twin.set_fault(Fault::new(FaultKind::Slow).value(700).times(1));
    let request = Request::of(&["m1"]);
    let (first, again) = tokio::join!(bench.forward(&request), bench.forward(&request));
    let mut shapes = [shape(&told(first)), shape(&told(again))].concat();
    shapes.sort_unstable();
    assert_eq!((shapes, bench.twin.total()), (vec![NEW, AGAIN], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_surely_did_not_arrive_is_sent_anew_and_what_may_have_is_not() {
    let bench = Bench::new().await;
    bench.twin.set_fault(Fault::new(FaultKind::Status).value(404).undelivered());
    let request = Request { within: Duration::from_millis(600), ..Request::of(&["m1"]) };
    let refused = told(bench.forward(&request).await);
    assert_eq!(shape(&refused), [(Status::Expired, false)], "{refused:?}");
    bench.twin.clear_faults();
    let anew = told(bench.forward(&request).await);
    assert_eq!((shape(&anew), bench.twin.total()), (vec![NEW], 1));
    bench.twin.set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let lost = Request::of(&["m2"]);
    assert_eq!(shape(&told(bench.forward(&lost).await)), [(Status::Unknown, false)]);
    let calls = bench.twin.calls();
    assert_eq!(shape(&told(bench.forward(&lost).await)), [(Status::Unknown, true)]);
    assert_eq!(bench.twin.calls(), calls, "nothing left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_the_truth_for_the_repeat() {
    let bench = Bench::new().await;
    bench.twin.set_fault(Fault::new(FaultKind::Slow).value(1_500).times(1));
    let request = Request { within: Duration::from_millis(500), ..Request::of(&["m1"]) };
    let began = Instant::now();
    assert_eq!(shape(&told(bench.forward(&request).await)), [(Status::Unknown, false)]);
    assert!(began.elapsed() < Duration::from_millis(1_400), "{:?}", began.elapsed());
    let deadline = Instant::now() + SECONDS;
    loop {
        let again = told(bench.forward(&request).await);
        if shape(&again) == [AGAIN] {
            assert!(again[0].result.vendor_message_id.is_some());
            assert_eq!(again[0].result.attempts.len(), 1, "{:?}", again[0].result);
            break;
        }
        assert_eq!(shape(&again), [(Status::Unknown, true)]);
        assert!(Instant::now() < deadline, "the late answer was not heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.twin.total(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_request_is_queued_once() {
    let bench = Bench::new().await;
    let request = Request { durable: true, name: Some(mark("op-1")), ..Request::of(&["m1", "two"]) };
    let first = bench.forward(&request).await;
    let id = first.batch_id.clone();
    assert_eq!(shape(&told(first)), [(Status::Queued, false); 2]);
    assert!(bench.engine.settled(&id, SECONDS).await.unwrap());
    assert_eq!(shape(&told(bench.forward(&request).await)), [AGAIN; 2]);
    let named = bench.engine.find_marked("legacy", &mark("op-1")).await.unwrap().unwrap();
    assert_eq!(named.result.status, Status::Accepted);
    assert_eq!(bench.twin.total(), 2);
}

/// Refuses every message while it answers `request`.
async fn refused(bench: &Bench, request: &Request) -> Forwarded {
    bench.twin.set_fault(Fault::new(FaultKind::Status).value(404).undelivered());
    let forwarded = bench.forward(&Request { within: Duration::from_millis(400), ..request.clone() }).await;
    assert_eq!(forwarded.told.as_ref().unwrap()[0].result.status, Status::Expired);
    bench.twin.clear_faults();
    forwarded
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_that_is_asked_for_again_is_copied_once() {
    let mut bench = Bench::new().await;
    let new = Twin::start(Vendor::WuKongIm, "published", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    bench.engine.shutdown(SECONDS).await;
    let ledger = Ledger::open(&format!("sqlite:{}", bench.folder.path().join("both.db").display())).await;
    bench.engine =
        Engine::start(settings(&bench.twin.url(), Some(&new.url())), ledger.unwrap()).await.unwrap();
    let before = Request::of(&["m0"]);
    refused(&bench, &before).await;
    bench.engine.order_migration("m", Order::Start { both: true }).await.unwrap();
    let request = Request::of(&["m1"]);
    for durable in [false, false, true] {
        refused(&bench, &request).await;
        bench.forward(&Request { durable, ..before.clone() }).await;
    }
    assert_eq!(shape(&told(bench.forward(&request).await)), [NEW]);
    let deadline = Instant::now() + SECONDS;
    while new.total() < 2 && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    let copies = bench.engine.batches(None, None, Some("mirror_of"), (None, 50)).await.unwrap();
    assert_eq!((copies.items.len(), new.total()), (2, 2), "one copy of each");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_does_not_wait_for_a_repeat_beside_it() {
    let bench = Bench::new().await;
    bench.twin.set_fault(Fault::new(FaultKind::Slow).value(1_500).times(1));
    let first = Request::of(&["m1"]);
    let both = Request { within: Duration::from_millis(600), ..Request::of(&["m1", "m2"]) };
    let later = async {
        while bench.twin.calls() == 0 {
            tokio::task::yield_now().await;
        }
        bench.forward(&both).await
    };
    let (first, both) = tokio::join!(bench.forward(&first), later);
    assert_eq!(shape(&told(first)), [NEW]);
    assert_eq!(shape(&told(both)), [(Status::Unknown, true), NEW]);
    assert_eq!(bench.twin.total(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_by_hand_is_known_to_a_repeat() {
    let bench = Bench::new().await;
    bench.twin.set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let request = Request::of(&["m1"]);
    let lost = bench.forward(&request).await;
    let batch_id = lost.batch_id.clone();
    assert_eq!(shape(&told(lost)), [(Status::Unknown, false)]);
    let caller = Caller { app: Arc::from("shop"), broadcast: false };
    let again = bench.engine.redrive(&caller, &batch_id, "", None).await.unwrap();
    assert!(bench.engine.settled(&again.batch.id, SECONDS).await.unwrap());
    let sent = bench.twin.total();
    assert_eq!(shape(&told(bench.forward(&request).await)), [AGAIN]);
    assert_eq!(bench.twin.total(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_holds_as_many_messages_as_a_batch() {
    let bench = Bench::new().await;
    let texts: Vec<String> = (0..2_001).map(|number| format!("m{number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for durable in [false, true] {
        let many = bench.forward(&Request { durable, ..Request::of(&texts) }).await;
        assert_eq!(many.told.unwrap_err().code, ErrorCode::TooLarge, "durable: {durable}");
    }
    let request = Request { within: 3 * SECONDS, ..Request::of(&texts[..2_000]) };
    assert!(
        told(bench.forward(&request).await).iter().all(|told| shape(std::slice::from_ref(told)) == [NEW])
    );
    assert!(bench.forward(&request).await.repeated());
    assert_eq!(bench.twin.total(), 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_time_whatever_the_ledger_does() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("ledger.db");
    let held = HeldLedger::of(&path).await;
    let request = Request { within: Duration::from_millis(400), ..Request::of(&["m1"]) };
    let began = Instant::now();
    // What is to be stored may be stored yet, and sent then; the other one is not sent for anybody.
    for (durable, code) in [(false, ErrorCode::VendorUnavailable), (true, ErrorCode::Timeout)] {
        let late = bench.forward(&Request { durable, ..request.clone() }).await;
        assert_eq!(late.told.unwrap_err().code, code, "durable: {durable}");
    }
    assert!(began.elapsed() < Duration::from_millis(1_700), "{:?}", began.elapsed());
    held.let_go().await;
    // What was written too late is ended, and the message is free to be sent.
    let deadline = Instant::now() + SECONDS;
    loop {
        let again = bench.forward(&Request { within: SECONDS, ..request.clone() }).await;
        if let Ok(again) = again.told
            && again[0].result.status == Status::Accepted
        {
            break;
        }
        assert!(Instant::now() < deadline, "it is never sent");
    }
    assert_eq!(bench.twin.total(), 1);
}
