//! Kills the server with SIGKILL again and again, under load and while vendors misbehave: at random
//! moments with calls under way, and at every place where it writes. It starts again on the same ledger,
//! and in the end everything is settled without anybody's help: nothing accepted is lost, nothing is
//! doubled, and what is said to be refused never arrived.
//!
//! `INTERLINE_CRASH_KILLS=1000` makes the run longer, `INTERLINE_CRASH_SEED` repeats its choices.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use interline_tests::{
    Audit, Breach, Caller, Dice, Heard, Load, Place, Request, Server, Troupe, Way, config, eventually,
    holds_within,
};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

/// Kills in all, unless `INTERLINE_CRASH_KILLS` says otherwise.
const KILLS: u64 = 130;
/// Kills at each named place, at least.
const AT_EACH: u64 = 10;
/// The number of a named place's visits at which it kills, at most.
const LATEST_VISIT: u64 = 12;
/// How long a server may run before it has to have been killed.
const LONGEST_LIFE: Duration = Duration::from_secs(6);
const SIGKILL: i32 = 9;

/// Tests of this file take the machine for themselves.
static ALONE: Mutex<()> = Mutex::new(());

/// Name, vendor and dialect of each provider, and its further lines.
const PROVIDERS: [(&str, Vendor, &str, &[&str]); 6] = [
    ("wk1", Vendor::WuKongIm, "published", &[]),
    ("wk2", Vendor::WuKongIm, "v2", &[]),
    ("wk3", Vendor::WuKongIm, "v3", &[]),
    ("oim", Vendor::OpenIm, "v3.8.3", &[]),
    ("kit", Vendor::ImKit, "v1", &["batch", "send"]),
    ("ne", Vendor::NetEase, "v1", &["room", "single", "user_batch"]),
];

fn troupe() -> (Troupe, String) {
    let mut troupe = Troupe::new();
    let mut text = String::from("[delivery]\nattempts = 4\n");
    let mut routes = config::route("rooms", "to = \"room\"", "ne");
    for (name, vendor, dialect, classes) in PROVIDERS {
        let url = troupe.add(name, vendor, dialect);
        // The vendors' speeds are tested elsewhere; here they would only make the run longer.
        let fast =
            "{ calls_per_second = 100000, messages_per_second = 100000, per_recipient_per_second = 1000 }";
        let classes: String = classes.iter().map(|class| format!("{class} = {fast}\n")).collect();
        let limits = format!("[providers.{name}.limits]\ntimeout = \"1s\"\nin_flight = 8\n{classes}");
        text.push_str(&match vendor {
            Vendor::WuKongIm => config::wukongim(name, &url, dialect, &limits),
            Vendor::OpenIm => config::openim(name, &url, dialect, &limits),
            Vendor::ImKit => config::imkit(name, &url, &limits),
            Vendor::NetEase => config::netease(name, &url, &limits),
        });
        routes.push_str(&config::route(name, &format!("id = \"{name}-*\""), name));
    }
    text.push_str(&routes);
    (troupe, text)
}

/// A body with messages for everybody; every fifth is for callers who prefer a duplicate to a doubt.
fn mixed(number: u64, count: u64) -> Value {
    let messages: Vec<Value> = (0..count)
        .map(|at| {
            let own = format!("text {number}.{at}");
            let shared = format!("news {number}");
            // A person or room gets many messages, except where one content goes to many.
            let (to, text, results) = match at % 10 {
                0 => (format!("user:wk1-{at}"), own, "each"),
                1 => (format!("user:wk2-{at}"), own, "each"),
                2 => (format!("group:wk3-{at}"), own, "each"),
                3 => (format!("user:oim-{at}"), own, "each"),
                4 => (format!("user:kit-{at}"), own, "each"),
                5 => (format!("room:{}", 7000 + at), own, "each"),
                6 => (format!("user:ne-{at}"), own, "each"),
                7 => (format!("user:ne-{number}.{at}"), shared, "fast"),
                8 => (format!("user:oim-{number}.{at}"), shared, "fast"),
                _ => (format!("user:wk2-{number}.{at}"), shared, "fast"),
            };
            let mut message = json!({"id": format!("m{at}"), "to": to, "options": {"results": results},
                "content": {"type": "text", "text": text}});
            if at % 4 == 0 {
                message["client_id"] = json!(format!("c{number}-{at}"));
            }
            message
        })
        .collect();
    let guarantee = if number % 5 == 4 { "at_least_once" } else { "at_most_once" };
    json!({"from": "shop", "guarantee": guarantee, "messages": messages})
}

fn callers() -> Vec<Caller> {
    let caller =
        |way, keyed, pace, compose| Caller { way, keyed, pace: Duration::from_millis(pace), compose };
    vec![
        caller(Way::Batch, false, 80, |number| mixed(number, 20)),
        caller(Way::Batch, true, 80, |number| mixed(number, 20)),
        caller(Way::Lines, false, 150, |number| mixed(number, 50)),
        caller(Way::Lines, true, 150, |number| mixed(number, 50)),
        caller(Way::Direct, false, 40, |number| mixed(number, 7)),
        caller(Way::Direct, true, 40, |number| mixed(number, 10)),
    ]
}

/// Gives every twin other troubles. Slow answers keep calls under way.
fn trouble(troupe: &Troupe, dice: &mut Dice) {
    for (name, twin) in troupe.all() {
        twin.clear_faults();
        let arm = |kind, chance: f64, value: Option<i64>, deliver: bool| {
            let mut fault = Fault::new(kind);
            (fault.probability, fault.value, fault.deliver) = (Some(chance), value, deliver);
            fault.retry_after = (value == Some(429)).then_some(1);
            twin.set_fault(fault);
        };
        arm(FaultKind::Slow, 0.4, Some(60 + dice.below(200).cast_signed()), true);
        let refusal = match name {
            "oim" => (FaultKind::Code, 90004),
            "wk3" => (FaultKind::Code, 15),
            _ => (FaultKind::Status, 429),
        };
        let troubles = [
            (FaultKind::Hang, None, dice.below(2) == 0),
            (FaultKind::CloseAfterRead, None, dice.below(2) == 0),
            (FaultKind::Torn, None, true),
            (FaultKind::Partial, None, true),
            (FaultKind::Status, Some(503), true),
            (refusal.0, Some(refusal.1), true),
        ];
        for _ in 0..2 {
            let at = usize::try_from(dice.below(troubles.len() as u64)).unwrap_or_default();
            if let Some((kind, value, deliver)) = troubles.get(at) {
                arm(*kind, 0.06, *value, *deliver);
            }
        }
        if dice.below(10) == 0 {
            twin.set_fault(Fault::new(FaultKind::Refuse).value(100));
        }
    }
}

/// Lets a server run until a call is under way, at a random moment, and kills it.
fn kill_in_flight(place: &Place, load: &Load, troupe: &Troupe, dice: &mut Dice) -> bool {
    let server = place.serve();
    load.ask(&server);
    let lives = Duration::from_millis(30 + dice.below(400));
    holds_within(lives, || false);
    let under_way = holds_within(LONGEST_LIFE, || troupe.open_calls() > 0);
    load.pause();
    server.kill();
    under_way
}

/// Lets a server run until it kills itself at a named place; false when it did not get there.
fn kill_at(place: &Place, load: &Load, boundary: &str, visit: u64) -> bool {
    let at = format!("{boundary}:{visit}");
    let Some(mut server) = place.try_serve(&[("INTERLINE_CRASH_AT", &at)]) else {
        // While it recovered.
        return true;
    };
    load.ask(&server);
    holds_within(LONGEST_LIFE, || !server.runs());
    load.pause();
    match server.ended() {
        Some(ended) => {
            assert_eq!(ended.signal(), Some(SIGKILL), "it ended by itself: {ended} {}", server.log());
            true
        }
        None => {
            server.kill();
            false
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Waits until everything stored is settled and compares what was told with what arrived.
fn settle(server: &Server, requests: &[Request], troupe: &Troupe) -> Audit {
    let until = Instant::now() + Duration::from_secs(90);
    let mut results = HashMap::new();
    for request in requests {
        let Heard::Stored(id) = &request.heard else { continue };
        let left = until.saturating_duration_since(Instant::now());
        holds_within(left, || server.batch(id)["state"] == "settled");
        results.insert(id.as_str(), server.results(id));
    }
    eventually("no call is under way", Duration::from_secs(15), || (troupe.open_calls() == 0).then_some(()));
    Audit::of(requests, &troupe.received(), |id| results.get(id).cloned().unwrap_or_default())
}

#[test]
fn killed_anywhere_again_and_again_nothing_is_lost_or_doubled() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let mut dice = Dice::from_environment("INTERLINE_CRASH_SEED");
    let wanted = setting("INTERLINE_CRASH_KILLS").unwrap_or(KILLS);
    let boundaries = [""; 0];
    let (troupe, text) = troupe();
    let place = Place::new(&text).debug_build();
    let load = Load::start(&callers());
    let mut kills: BTreeMap<&str, u64> = boundaries.iter().map(|name| (*name, 0)).collect();
    let (mut in_flight, mut missed) = (0, BTreeMap::<&str, u64>::new());
    let at_each = AT_EACH.max(wanted * 3 / 4 / (boundaries.len() as u64).max(1));
    loop {
        let next = kills.iter().filter(|(_, count)| **count < at_each).min_by_key(|(_, count)| **count);
        let next = next.map(|(name, _)| *name);
        let total = in_flight + kills.values().sum::<u64>();
        trouble(&troupe, &mut dice);
        match next {
            Some(boundary) if dice.below(4) > 0 || total >= wanted => {
                let misses = missed.get(boundary).copied().unwrap_or(0);
                assert!(misses < 6, "{boundary} is never reached: {kills:?}");
                // What is seldom visited kills at its first visit.
                let visit = if misses > 1 { 1 } else { 1 + dice.below(LATEST_VISIT) };
                let hit = kill_at(&place, &load, boundary, visit);
                *kills.entry(boundary).or_default() += u64::from(hit);
                missed.insert(boundary, if hit { 0 } else { misses + 1 });
            }
            None if total >= wanted => break,
            Some(_) | None => in_flight += u64::from(kill_in_flight(&place, &load, &troupe, &mut dice)),
        }
    }
    let killing = began.elapsed();
    troupe.clear_faults();
    let server = place.serve();
    load.ask(&server);
    let requests = load.finish();
    let audit = settle(&server, &requests, &troupe);
    eprintln!("{:<28} kills", "place");
    for (name, count) in &kills {
        eprintln!("{name:<28} {count:>5}");
    }
    eprintln!("{:<28} {in_flight:>5}", "a call under way");
    eprintln!("{:<28} {:>5}", "in all", in_flight + kills.values().sum::<u64>());
    eprintln!("{} requests; {audit}", requests.len());
    eprintln!("killing took {killing:.1?}, settling {:.1?}; seed {}", began.elapsed() - killing, dice.seed());
    assert!(audit.is_clean(), "{audit}");
    let log = server.log();
    let bad: Vec<&str> =
        log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let told: u64 =
        audit.outcomes.iter().filter(|(name, _)| *name != "unanswered").map(|(_, count)| count).sum();
    assert!(audit.outcome("accepted") * 3 > told, "hardly anything was accepted: {audit}");
}

#[test]
fn without_the_mark_before_a_call_the_audit_finds_doubles() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut dice = Dice::from_environment("INTERLINE_CRASH_SEED");
    let (troupe, text) = troupe();
    let place = Place::new(&text).debug_build().variable("INTERLINE_SKIP", "sending");
    let load = Load::start(&callers());
    for _ in 0..8 {
        trouble(&troupe, &mut dice);
        kill_in_flight(&place, &load, &troupe, &mut dice);
    }
    troupe.clear_faults();
    let server = place.serve();
    load.ask(&server);
    let requests = load.finish();
    let audit = settle(&server, &requests, &troupe);
    eprintln!("without the mark: {} doubled of {:?}", audit.count(Breach::Doubled), audit.outcomes);
    assert!(audit.count(Breach::Doubled) > 0, "the audit is blind: {audit}");
}
