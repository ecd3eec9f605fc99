//! Kills the server with SIGKILL again and again, under load and while vendors misbehave: at random
//! moments with calls under way, and at every place where it writes. It starts again on the same ledger,
//! and in the end everything is settled without anybody's help: nothing accepted is lost, nothing is
//! doubled, and what is said to be refused never arrived.
//!
//! `INTERLINE_CRASH_KILLS=1000` makes the run longer, `INTERLINE_CRASH_SEED` repeats its choices.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use interline_ledger::boundary;
use interline_tests::{
    Audit, Breach, Caller, Dice, Heard, Load, Place, Request, Server, Troupe, Way, config, eventually,
    holds_within,
};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

/// Kills at each named place, and with calls under way, unless `INTERLINE_CRASH_KILLS` asks for more in all.
const AT_EACH: u64 = 10;
const IN_FLIGHT: u64 = 40;
/// Work that the ledger offers and that this load does not ask for: nothing here is answered after its caller
/// stopped waiting, and nobody is told of it (`callbacks.rs` is killed there).
const OUT_OF_REACH: [&str; 4] = ["reassign.", "revise.", "take_events.", "end_attempt."];
/// Work that is done a few times a second at most; all else is done many times.
const RARE: [&str; 12] = [
    "amend.",
    "stage.",
    "stage_parcels.",
    "publish.",
    "discard.",
    "drop_slice.",
    "set_state.",
    "cancel_slice.",
    "accept.",
    "begin_direct.",
    "record_direct.",
    "release.",
];
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

/// The same with an id that stands twice: the second of them is refused once the last line has come.
fn repeating(number: u64) -> Value {
    let mut body = mixed(number, 12);
    body["validation"] = json!("permissive");
    if let Some(last) = body["messages"].as_array_mut().and_then(|messages| messages.last_mut()) {
        last["id"] = json!("m0");
    }
    body
}

fn callers() -> Vec<Caller> {
    vec![
        Caller::new(Way::Batch, false, 150, |number| mixed(number, 10)),
        Caller::new(Way::Batch, true, 150, |number| mixed(number, 10)),
        Caller::new(Way::Lines, false, 200, |number| mixed(number, 10)),
        Caller::new(Way::Lines, true, 200, |number| mixed(number, 10)),
        Caller::new(Way::Lines, true, 200, repeating),
        Caller::new(Way::Direct, false, 50, |number| mixed(number, 5)),
        Caller::new(Way::Direct, true, 50, |number| mixed(number, 10)),
        Caller::new(Way::Direct, true, 50, |number| mixed(number, 2)),
        Caller::new(Way::Direct, true, 50, |number| mixed(number, 1)),
        Caller::new(Way::Broken, false, 200, |number| mixed(number, 40)),
        Caller::new(Way::Paused, false, 150, |number| mixed(number, 10)),
        Caller::new(Way::Cancelled, true, 150, |number| mixed(number, 20)),
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
    if boundary.starts_with("release.") {
        // Parcels are given back by a server that is asked to end.
        holds_within(Duration::from_millis(300), || !server.runs());
        server.terminate();
    }
    holds_within(LONGEST_LIFE, || !server.runs());
    load.pause();
    match server.ended() {
        Some(ended) if ended.success() => false,
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

/// At which visit of a place to kill; after a miss at the first.
fn visit(boundary: &str, misses: u64, dice: &mut Dice) -> u64 {
    let rare = boundary.starts_with("recover.") || RARE.iter().any(|rare| boundary.starts_with(rare));
    if misses > 0 || boundary.starts_with("recover.") { 1 } else { 1 + dice.below(if rare { 3 } else { 12 }) }
}

/// Leases are renewed every twenty seconds: servers that hold one for long, side by side, each killed over
/// its renewal and started again. Gives what they sent.
fn kill_at_renewal(url: &str, boundary: &str, number: u64) -> Vec<String> {
    let slow = [
        ("INTERLINE_CRASH_AT", format!("{boundary}:1")),
        ("INTERLINE_PROVIDERS__WK__LIMITS__SEND", "{messages_per_second=1}".to_owned()),
    ];
    let slow = slow.each_ref().map(|(name, value)| (*name, value.as_str()));
    let place =
        Place::new(&format!("{}{}", config::wukongim("wk", url, "v2", ""), config::route("all", "", "wk")));
    let place = place.debug_build();
    let mut server = place.try_serve(&slow).expect("it starts");
    let messages: Vec<Value> = (0..40)
        .map(|at| json!({"to": format!("user:{boundary}{number}-{at}"), "content": {"type": "text", "text": "hi"}}))
        .collect();
    let stored = server.post("/v1/batches", &json!({"from": "shop", "messages": messages})).of(202);
    let ended = eventually(boundary, Duration::from_secs(35), || server.ended());
    assert_eq!(ended.signal(), Some(SIGKILL), "{ended} {}", server.log());
    let server = place.serve();
    let id = stored["id"].as_str().expect("an id");
    let batch = server.settled(id, Duration::from_secs(60));
    // In doubt is at most the call that was under way; it can be asked for, and it arrived or not.
    let counts = &batch["counts"];
    let (accepted, unknown) = (counts["accepted"].as_u64(), counts["unknown"].as_u64());
    assert_eq!(accepted.zip(unknown).map(|(accepted, unknown)| accepted + unknown), Some(40), "{counts}");
    let results = server.results(id);
    let accepted = results.iter().filter(|result| result["status"] == "accepted");
    accepted.filter_map(|result| result["to"].as_str().map(str::to_owned)).collect()
}

/// Kills at renewals; gives how many there were.
fn renewals() -> u64 {
    let mut troupe = Troupe::new();
    let url = troupe.add("wk", Vendor::WuKongIm, "v2");
    let names = boundary::NAMES.iter().filter(|name| name.starts_with("renew."));
    let each: Vec<_> = names.flat_map(|name| (0..AT_EACH).map(move |number| (*name, number))).collect();
    // A scope waits for all of its servers, also when one of them is not as it should be.
    let accepted: Vec<String> = std::thread::scope(|scope| {
        let one = |(name, number)| {
            let url = &url;
            scope.spawn(move || kill_at_renewal(url, name, number))
        };
        let servers: Vec<_> = each.iter().copied().map(one).collect();
        servers.into_iter().flat_map(|server| server.join().expect("a server that was killed")).collect()
    });
    let received = troupe.twin("wk").received();
    let arrived: HashSet<&str> = received.messages.iter().map(|message| message.to.as_str()).collect();
    assert_eq!(arrived.len(), received.messages.len(), "something arrived twice");
    assert!(accepted.iter().all(|to| arrived.contains(to.as_str())), "something accepted never arrived");
    each.len() as u64
}

/// Work beside the test, which is waited for whatever becomes of the test: it has servers running.
struct Beside(Option<JoinHandle<u64>>);

impl Beside {
    fn done(mut self) -> u64 {
        self.0.take().map_or(0, |thread| thread.join().expect("kills at renewals"))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            thread.join().ok();
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
        holds_within(left, || {
            let batch = server.batch(id);
            let open = ["queued", "sending"].map(|state| batch["counts"][state].as_u64());
            open == [Some(0); 2] && (batch["state"] == "settled" || batch["state"] == "cancelled")
        });
        results.insert(id.as_str(), server.results(id));
    }
    eventually("no call is under way", Duration::from_secs(15), || (troupe.open_calls() == 0).then_some(()));
    Audit::of(requests, &troupe.received(), |id| results.get(id).cloned().unwrap_or_default())
}

#[test]
fn killed_anywhere_again_and_again_nothing_is_lost_or_doubled() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let renewing = Beside(Some(std::thread::spawn(renewals)));
    let mut dice = Dice::from_environment("INTERLINE_CRASH_SEED");
    let (troupe, text) = troupe();
    let place = Place::new(&text).debug_build();
    let load = Load::start(&callers());
    let within_reach = |name: &&&str| !OUT_OF_REACH.iter().any(|out| name.starts_with(out));
    let boundaries = boundary::NAMES.iter().filter(within_reach).filter(|name| !name.starts_with("renew."));
    let mut kills: BTreeMap<&str, u64> = boundaries.map(|name| (*name, 0)).collect();
    let asked = setting("INTERLINE_CRASH_KILLS").unwrap_or(0);
    let at_each = AT_EACH.max(asked * 3 / 4 / kills.len() as u64);
    let wanted_in_flight = IN_FLIGHT.max(asked.saturating_sub(at_each * kills.len() as u64));
    let (mut in_flight, mut misses) = (0, BTreeMap::<&str, u64>::new());
    loop {
        trouble(&troupe, &mut dice);
        let next = kills.iter().filter(|(_, count)| **count < at_each).min_by_key(|(_, count)| **count);
        match next.map(|(name, _)| *name) {
            Some(name) if dice.below(6) > 0 || in_flight >= wanted_in_flight => {
                let missed = misses.entry(name).or_default();
                assert!(*missed < 4, "{name} is never reached: {kills:?}");
                let hit = kill_at(&place, &load, name, visit(name, *missed, &mut dice));
                *missed = if hit { 0 } else { *missed + 1 };
                *kills.entry(name).or_default() += u64::from(hit);
            }
            None if in_flight >= wanted_in_flight => break,
            Some(_) | None => in_flight += u64::from(kill_in_flight(&place, &load, &troupe, &mut dice)),
        }
    }
    let killing = began.elapsed();
    troupe.clear_faults();
    let server = place.serve();
    load.ask(&server);
    let requests = load.finish();
    let finished = began.elapsed() - killing;
    let audit = settle(&server, &requests, &troupe);
    let renewed = renewing.done();
    let total = in_flight + renewed + kills.values().sum::<u64>();
    eprintln!("{:<28} kills", "place");
    let others = [("renew.*", renewed), ("a call under way", in_flight), ("in all", total)];
    for (name, count) in kills.into_iter().chain(others) {
        eprintln!("{name:<28} {count:>5}");
    }
    eprintln!("{} requests; {audit}", requests.len());
    eprintln!(
        "killing took {killing:.1?}, last answers {finished:.1?}, settling {:.1?}; seed {}",
        began.elapsed() - killing - finished,
        dice.seed()
    );
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
