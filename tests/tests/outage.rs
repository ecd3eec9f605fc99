//! A drill: the home provider's port is closed for half a minute while callers go on. Its breaker opens
//! within a second, everything goes through the fallback, nobody is told that a message failed and nobody
//! reads one twice; when the port opens again the calls come back a few at a time.

use std::time::{Duration, Instant};

use interline_tests::{
    Audit, Caller, Heard, Load, Place, Request, Server, Troupe, Way, config, eventually, holds_within, users,
};
use interline_twins::{Fault, FaultKind, Vendor};

/// Calls under way at once at home.
const UNDER_WAY: usize = 16;

const CLOSED: Duration = Duration::from_secs(30);
/// How long the twins take for an answer: with it calls overlap, and a ramp can be seen.
const ANSWER_MS: i64 = 60;
/// A moment of the timeline.
const TICK: Duration = Duration::from_millis(100);
/// How soon calls come back once the port is open: the breaker's longest pause, and some.
const BACK_WITHIN: Duration = Duration::from_secs(8);

/// What was seen at a moment.
#[derive(Debug, Clone)]
struct Moment {
    at: Duration,
    /// Messages that each of the two has received so far.
    received: [u64; 2],
    /// The most calls under way at home since the moment before.
    most_open: u64,
    breaker: String,
}

fn callers() -> Vec<Caller> {
    vec![
        Caller::new(Way::Batch, false, 200, |number| users(number, 15)),
        Caller::new(Way::Lines, true, 300, |number| users(number, 15)),
        Caller::new(Way::Direct, false, 100, |number| users(number, 2)),
        Caller::new(Way::Direct, true, 100, |number| users(number, 2)),
    ]
}

/// The breaker's state as the API tells it.
fn breaker(server: &Server) -> String {
    let providers = server.get("/v1/providers").of(200);
    let home = providers["providers"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "home"));
    home.and_then(|home| home["breaker"].as_str()).unwrap_or_default().to_owned()
}

/// Watches for a time, or until something is seen.
fn watch(
    (server, troupe, began): (&Server, &Troupe, Instant),
    timeline: &mut Vec<Moment>,
    within: Duration,
    seen: impl Fn(&[Moment]) -> bool,
) {
    let until = Instant::now() + within;
    while Instant::now() < until && !seen(timeline) {
        let mut most_open = 0;
        holds_within(TICK, || {
            most_open = most_open.max(troupe.twin("home").open_calls());
            false
        });
        let received = ["home", "spare"].map(|name| troupe.twin(name).total());
        timeline.push(Moment { at: began.elapsed(), received, most_open, breaker: breaker(server) });
    }
}

fn home_received(timeline: &[Moment]) -> u64 {
    timeline.last().map_or(0, |moment| moment.received[0])
}

/// The timeline, a line a second.
fn told(timeline: &[Moment]) -> String {
    let mut text = format!("{:>6} {:>8} {:>8} {:>10}  breaker\n", "second", "home", "fallback", "under way");
    let (mut before, mut states, mut most_open) = ([0, 0], Vec::new(), 0);
    for (number, moment) in timeline.iter().enumerate() {
        if states.last() != Some(&moment.breaker.as_str()) {
            states.push(&moment.breaker);
        }
        most_open = most_open.max(moment.most_open);
        let second = moment.at.as_secs();
        if timeline.get(number + 1).is_some_and(|next| next.at.as_secs() == second) {
            continue;
        }
        let [home, spare] = moment.received;
        let (home_new, spare_new) = (home - before[0], spare - before[1]);
        text.push_str(&format!(
            "{second:>6} {home_new:>8} {spare_new:>8} {most_open:>10}  {}\n",
            states.join(" ")
        ));
        (before, most_open) = ([home, spare], 0);
        states.clear();
    }
    text
}

#[test]
fn while_the_home_provider_is_away_its_fallback_takes_everything_and_nothing_fails() {
    let mut troupe = Troupe::new();
    let limits = |name| format!("[providers.{name}.limits]\nin_flight = 16\ntimeout = \"5s\"");
    let home = troupe.add("home", Vendor::WuKongIm, "v2");
    let spare = troupe.add("spare", Vendor::WuKongIm, "v2");
    let place = Place::new(&format!(
        "{}{}{}fallback = [\"spare\"]\n",
        config::wukongim("home", &home, "v2", &limits("home")),
        config::wukongim("spare", &spare, "v2", &limits("spare")),
        config::route("all", "", "home"),
    ));
    for (_, twin) in troupe.all() {
        twin.set_fault(Fault::new(FaultKind::Slow).value(ANSWER_MS));
    }
    let server = place.serve();
    let load = Load::start(&callers());
    load.ask(&server);
    let began = Instant::now();
    let mut timeline = Vec::new();
    watch((&server, &troupe, began), &mut timeline, Duration::from_secs(4), |_| false);
    assert!(home_received(&timeline) > 100 && timeline.iter().all(|moment| moment.breaker == "closed"));

    let closed_at = Instant::now();
    troupe
        .twin("home")
        .set_fault(Fault::new(FaultKind::Refuse).value(CLOSED.as_millis().try_into().unwrap_or(0)));
    let opened = eventually("the breaker opens", Duration::from_secs(5), || {
        (breaker(&server) == "open").then(|| closed_at.elapsed())
    });
    let left = CLOSED.saturating_sub(closed_at.elapsed());
    watch((&server, &troupe, began), &mut timeline, left, |_| false);
    let during = home_received(&timeline);
    let came_back = |timeline: &[Moment]| home_received(timeline) > during;
    watch((&server, &troupe, began), &mut timeline, BACK_WITHIN, came_back);
    let returned = came_back(&timeline);
    let first = timeline.len() - 1;
    watch((&server, &troupe, began), &mut timeline, Duration::from_secs(6), |_| false);

    let requests = load.finish();
    let audit = settle(&server, &requests, &troupe);
    let slowest = requests.iter().filter(|one| one.way == Way::Direct).map(|one| one.took).max();
    eprintln!("{}", told(&timeline));
    eprintln!("the breaker opened after {opened:.2?}; the slowest direct send took {slowest:.2?}; {audit}");

    assert!(audit.is_clean(), "{audit}");
    // A call that the closing port cuts off may have arrived; nothing else may be anything but accepted.
    let unknown = audit.outcomes.get("unknown").copied().unwrap_or_default();
    let all = ["accepted", "unknown"];
    assert!(audit.outcomes.keys().all(|one| all.contains(&one.as_str())), "a message failed: {audit}");
    assert!(unknown as usize <= UNDER_WAY, "more than what was under way is unknown: {audit}");
    assert!(opened < Duration::from_secs(1), "the breaker opened after {opened:?}");
    assert!(returned, "nothing reached home within {BACK_WITHIN:?} of its return");
    assert!(slowest.is_some_and(|slowest| slowest < Duration::from_secs(5)), "{slowest:?}");
    gentle(&timeline, first);
}

/// Calls come back a few at a time, and all of them come back.
#[track_caller]
fn gentle(timeline: &[Moment], first: usize) {
    let back = timeline.get(first..).unwrap_or_default();
    let least = back.first().map_or(u64::MAX, |moment| moment.most_open);
    let most = back.iter().map(|moment| moment.most_open).max().unwrap_or(0);
    let states: Vec<&str> = timeline.iter().map(|moment| moment.breaker.as_str()).collect();
    let away = timeline.iter().take(first).filter(|moment| moment.breaker != "closed");
    assert!(away.clone().count() > 0, "{states:?}");
    assert!(least <= 3, "{least} calls at once when the port had just opened");
    assert!(most > least, "never more than {most} calls at once after the return");
    assert_eq!(timeline.last().map(|moment| moment.breaker.as_str()), Some("closed"), "{states:?}");
    assert!(back.iter().any(|moment| moment.breaker == "restarting"), "{states:?}");
}

fn settle(server: &Server, requests: &[Request], troupe: &Troupe) -> Audit {
    for request in requests {
        if let Heard::Stored(id) = &request.heard {
            server.settled(id, Duration::from_secs(30));
        }
    }
    Audit::of(requests, &troupe.received(), |id| server.results(id))
}
