//! Rehearsals: whatever goes wrong in a scene, every message is settled, and as sending would settle it.

#![expect(clippy::unwrap_used, reason = "a test that is wrong should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use interline_core::ids::Ids;
use interline_core::outcome::Status;
use interline_core::profile::Rate;
use interline_core::route::{Route, Routes, Target, When};
use interline_engine::{
    Caller, ClassLimits, Delivery, EngineSettings, Fault, Played, ProviderSettings, Rehearsal, Scene,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn provider(name: &str) -> ProviderSettings {
    let limits = ClassLimits {
        calls: Some(Rate::per_second(10)),
        messages: Some(Rate::per_second(100)),
        per_recipient: Some(Rate::per_second(5)),
        messages_per_call: Some(20),
    };
    ProviderSettings {
        name: name.into(),
        vendor: &interline_wukongim::VENDOR,
        base_url: "http://127.0.0.1:1".to_owned(),
        dialect: Some("published".to_owned()),
        settings: json!({"default_sender": "system"}).as_object().cloned().unwrap(),
        in_flight: Some(2),
        timeout: Some(Duration::from_secs(1)),
        limits: BTreeMap::from([("sendbatch".to_owned(), limits), ("send".to_owned(), limits)]),
        ids: Ids::default(),
    }
}

/// `a` and, where it surely did not take a message, `b`, then `c`.
fn rehearsal() -> Rehearsal {
    let route = Route {
        name: "all".into(),
        when: When::default(),
        target: Target::Provider("a".into()),
        fallback: Some(Arc::from([Arc::from("b"), Arc::from("c")])),
        on_loss: None,
        guarantee: None,
    };
    let settings = EngineSettings {
        providers: NAMES.iter().map(|name| provider(name)).collect(),
        routes: Routes::new(vec![route]),
        migrations: Vec::new(),
        delivery: Delivery { deadline: Duration::from_secs(60), ..Delivery::default() },
        vendors: vec![&interline_wukongim::VENDOR],
        max_batch_messages: 1_000_000,
        callbacks: interline_engine::CallbackSettings::default(),
    };
    Rehearsal::new(settings).unwrap()
}

fn played(body: &Value, faults: &[(&str, Fault)], answers_in: Duration) -> Played {
    rehearsal().play(&scene(body, faults, answers_in)).unwrap()
}

fn scene(body: &Value, faults: &[(&str, Fault)], answers_in: Duration) -> Scene {
    Scene {
        caller: Caller { app: "default".into(), broadcast: true },
        body: body.to_string(),
        at_ms: 1_767_268_800_000,
        answers_in,
        faults: faults.iter().map(|(name, fault)| (Arc::from(*name), *fault)).collect(),
        dialects: BTreeMap::new(),
    }
}

/// Messages to users in turn, so many to each.
fn texts(users: usize, each: usize) -> Value {
    let messages: Vec<Value> =
        (0..users * each).map(|number| json!({"to": format!("user:u{}", number % users)})).collect();
    json!({"content": {"type": "text", "text": "hi"}, "messages": messages})
}

#[test]
fn a_scene_that_cannot_be_played_leaves_no_dialect_behind() {
    let route = Route {
        name: "all".into(),
        when: When::default(),
        target: Target::Provider("a".into()),
        fallback: None,
        on_loss: None,
        guarantee: None,
    };
    let auto = |name| ProviderSettings { dialect: None, limits: BTreeMap::new(), ..provider(name) };
    let rehearsal = Rehearsal::new(EngineSettings {
        providers: vec![auto("a"), auto("b")],
        routes: Routes::new(vec![route]),
        migrations: Vec::new(),
        delivery: Delivery::default(),
        vendors: vec![&interline_wukongim::VENDOR],
        max_batch_messages: 1_000,
        callbacks: interline_engine::CallbackSettings::default(),
    })
    .unwrap();
    let mut scene = scene(&texts(3, 1), &[], Duration::ZERO);
    let calls = |scene: &Scene| rehearsal.play(scene).unwrap().calls;
    let likeliest = calls(&scene);
    scene.dialects.insert("a".into(), "published".to_owned());
    assert_ne!(calls(&scene), likeliest, "the dialects differ in nothing that is seen");
    scene.dialects.insert("b".into(), "klingon".to_owned());
    assert!(rehearsal.play(&scene).is_err());
    scene.dialects.clear();
    assert_eq!(calls(&scene), likeliest);
}

#[test]
fn who_is_down_for_good_costs_no_more_than_the_deadline() {
    let down = NAMES.map(|name| (name, Fault::Down));
    let played = played(&texts(40, 1), &down, Duration::ZERO);
    assert!(played.messages.iter().all(|message| message.status == Status::Expired));
    assert_eq!((played.calls.len(), played.took), (0, Duration::from_secs(60)));
}

#[test]
fn what_may_have_arrived_is_with_one_provider_only() {
    let played = played(&texts(3, 1), &[("a", Fault::Silent)], Duration::ZERO);
    for message in &played.messages {
        assert_eq!((message.status, message.tried.as_slice()), (Status::Unknown, &["a".to_owned()][..]));
    }
}

#[test]
fn the_second_fallback_stands_in_when_the_first_is_down_too() {
    let played = played(&texts(30, 1), &[("a", Fault::Down), ("b", Fault::Down)], Duration::ZERO);
    assert!(played.messages.iter().all(|message| message.provider.as_deref() == Some("c")));
    assert!(played.messages.iter().all(|message| message.fallback == ["b", "c"]));
}

#[test]
fn what_is_scheduled_begins_when_it_is_due() {
    let mut body = texts(1, 1);
    body["send_at"] = "2026-03-01T00:00:00Z".into();
    let played = played(&body, &[], Duration::from_millis(50));
    assert_eq!(played.took, Duration::from_millis(50));
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, Fault)>> {
    let one = || {
        prop_oneof![Just(None), Just(Some(Fault::Down)), Just(Some(Fault::Silent)), Just(Some(Fault::Busy))]
    };
    (one(), one(), one()).prop_map(|(a, b, c)| {
        NAMES.into_iter().zip([a, b, c]).filter_map(|(name, fault)| Some((name, fault?))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_message_is_settled_and_no_limit_is_passed(
        users in 1usize..40, each in 1usize..8, faults in faults(), answers_ms in 0u64..400
    ) {
        let played = played(&texts(users, each), &faults, Duration::from_millis(answers_ms));
        let faulty: BTreeSet<&str> = faults.iter().map(|(name, _)| *name).collect();
        for message in &played.messages {
            prop_assert!(message.status.is_final(), "{message:?}");
            prop_assert_eq!(message.error.is_none(), message.status == Status::Accepted);
            // Who is named last had it; what was never tried was settled by nobody, and not taken.
            let taken = message.provider.as_deref().is_some_and(|last| !faulty.contains(last));
            prop_assert_eq!(message.status == Status::Accepted, taken, "{:?}", message);
        }
        let accepted = played.messages.iter().filter(|message| message.status == Status::Accepted).count();
        let sent: usize =
            played.calls.iter().filter(|call| !faulty.contains(&*call.provider)).map(|call| call.messages).sum();
        prop_assert_eq!(sent, accepted, "what is accepted left once");
        for name in NAMES {
            let times: Vec<Duration> =
                played.calls.iter().filter(|call| call.provider == name).map(|call| call.at).collect();
            for window in times.windows(11) {
                prop_assert!(window[10] - window[0] >= Duration::from_secs(1), "{name}: {window:?}");
            }
        }
    }
}
