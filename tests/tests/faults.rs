//! Every fault of the twins against every way in which a dialect sends, under both guarantees. What should
//! come of each is derived here from two tables of facts: what a fault means to a vendor's caller, and what
//! a vendor can do about a doubt. What arrived has to agree with what the results claim.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use interline_tests::{Client, Place, Scripted, Troupe, config, eventually, holds_within, in_seconds, shut};
use interline_twins::{Fault, FaultKind, Received, Twin, Vendor};
use serde_json::{Value, json};

/// What a vendor can do about a message that may or may not have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Nothing: a repeat is a second message.
    Stays,
    /// It tells whether the message arrived.
    Askable,
    /// It knows a repeat for what it is.
    Recognised,
}

/// One of a dialect's calls.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    vendor: Vendor,
    dialect: &'static str,
    /// Recipients: the number of a message is put in place of `#`.
    to: &'static str,
    results: &'static str,
    /// Whether messages share a call.
    together: bool,
    doubt: Doubt,
}

const fn way(name: &'static str, vendor: Vendor, dialect: &'static str, to: &'static str) -> Way {
    Way { name, vendor, dialect, to, results: "each", together: false, doubt: Doubt::Stays }
}

impl Way {
    const fn together(mut self) -> Self {
        self.together = true;
        self
    }

    const fn fast(mut self) -> Self {
        self.results = "fast";
        self.together = true;
        self
    }

    const fn doubt(mut self, doubt: Doubt) -> Self {
        self.doubt = doubt;
        self
    }
}

const WAYS: [Way; 16] = [
    way("wukongim published", Vendor::WuKongIm, "published", "user:u#").together(),
    way("wukongim v1 single", Vendor::WuKongIm, "v1", "user:u#"),
    way("wukongim v1 fan-out", Vendor::WuKongIm, "v1", "user:u#").fast(),
    way("wukongim v2 single", Vendor::WuKongIm, "v2", "user:u#").doubt(Doubt::Askable),
    way("wukongim v2 fan-out", Vendor::WuKongIm, "v2", "user:u#").fast(),
    way("wukongim v3", Vendor::WuKongIm, "v3", "user:u#").doubt(Doubt::Recognised),
    way("openim published", Vendor::OpenIm, "published", "user:u#").fast(),
    way("openim v3.8.3 single", Vendor::OpenIm, "v3.8.3", "user:u#").doubt(Doubt::Askable),
    way("openim v3.8.3 batch", Vendor::OpenIm, "v3.8.3", "user:u#").fast(),
    way("openim main single", Vendor::OpenIm, "main", "group:g#").doubt(Doubt::Askable),
    way("openim main batch", Vendor::OpenIm, "main", "user:u#").fast(),
    way("imkit batch", Vendor::ImKit, "v1", "user:u#").together(),
    way("imkit single", Vendor::ImKit, "v1", "group:g#"),
    way("netease rooms", Vendor::NetEase, "v1", "room:7000").together().doubt(Doubt::Recognised),
    way("netease users", Vendor::NetEase, "v1", "user:u#").fast(),
    way("netease singles", Vendor::NetEase, "v1", "user:u#"),
];

/// What a fault means to the caller that it hits once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// The vendor surely does not have it, and may take it another time.
    Later,
    /// The vendor's last word.
    No,
    /// A no to the whole call for one message: each goes again in a smaller call.
    Halved,
    /// It may have arrived; whether it did.
    Doubt { arrived: bool },
    /// The vendor took it.
    Taken,
    /// Every second message failed: what that means for those.
    HalfOf(Half),
    /// Not told apart here.
    Skipped,
}

/// What became of every second message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// It was refused.
    No,
    /// It was refused for now.
    Later,
    /// The answer does not name it, and it did not arrive.
    Unnamed,
    /// The answer says how many failed and not which.
    Uncertain,
}

/// A fault under a name.
struct Trouble {
    name: &'static str,
    fault: fn(&Way) -> Fault,
    means: fn(&Way) -> Means,
}

const ARRIVED: fn(&Way) -> Means = |_| Means::Doubt { arrived: true };
const NOWHERE: fn(&Way) -> Means = |_| Means::Doubt { arrived: false };

/// Longer than the providers' timeout, and much shorter.
const TOO_SLOW_MS: i64 = 8_000;
const SLOW_MS: i64 = 300;
const TIMEOUT: &str = "2s";

const TROUBLES: [Trouble; 20] = [
    Trouble { name: "none", fault: |_| Fault::new(FaultKind::Slow).value(1), means: |_| Means::Taken },
    Trouble {
        name: "refuse",
        fault: |_| Fault::new(FaultKind::Refuse).value(5_000),
        means: |_| Means::Later,
    },
    Trouble { name: "hang", fault: |_| Fault::new(FaultKind::Hang), means: ARRIVED },
    Trouble { name: "hang, lost", fault: |_| Fault::new(FaultKind::Hang).undelivered(), means: NOWHERE },
    Trouble { name: "close", fault: |_| Fault::new(FaultKind::CloseAfterRead), means: ARRIVED },
    Trouble {
        name: "close, lost",
        fault: |_| Fault::new(FaultKind::CloseAfterRead).undelivered(),
        means: NOWHERE,
    },
    Trouble { name: "status 500", fault: |_| status(500), means: NOWHERE },
    Trouble { name: "status 502", fault: |_| status(502), means: NOWHERE },
    Trouble { name: "status 503", fault: |_| status(503), means: NOWHERE },
    Trouble { name: "status 401", fault: |_| status(401), means: |_| Means::No },
    Trouble {
        name: "status 404",
        fault: |_| status(404),
        means: |way| match way.vendor {
            // Its 404 is about persons: it may be one of several, and else it is the sender.
            Vendor::ImKit if way.together => Means::Halved,
            Vendor::ImKit => Means::No,
            Vendor::WuKongIm | Vendor::OpenIm | Vendor::NetEase => Means::Later,
        },
    },
    Trouble { name: "status 429", fault: |_| status(429), means: |_| Means::Later },
    Trouble { name: "code, later", fault: |way| code(way, 0), means: |way| of_code(way, 0, Means::Later) },
    Trouble { name: "code, no", fault: |way| code(way, 1), means: |way| of_code(way, 1, Means::No) },
    Trouble {
        name: "code, doubt",
        fault: |way| code(way, 2),
        means: |way| of_code(way, 2, Means::Doubt { arrived: false }),
    },
    Trouble { name: "code, pause", fault: |way| code(way, 3), means: |way| of_code(way, 3, Means::Later) },
    Trouble {
        name: "partial",
        fault: |_| Fault::new(FaultKind::Partial),
        means: |way| Means::HalfOf(half(way)),
    },
    Trouble { name: "slow", fault: |_| Fault::new(FaultKind::Slow).value(SLOW_MS), means: |_| Means::Taken },
    Trouble { name: "too slow", fault: |_| Fault::new(FaultKind::Slow).value(TOO_SLOW_MS), means: ARRIVED },
    Trouble { name: "torn", fault: |_| Fault::new(FaultKind::Torn), means: ARRIVED },
];

fn status(status: i64) -> Fault {
    let mut fault = Fault::new(FaultKind::Status).value(status);
    fault.retry_after = (status == 429).then_some(1);
    fault
}

/// The vendors' own codes for: another time, no, who knows, a pause. What a vendor has no code for, or
/// what would take a minute, is left out. Up to v2 WuKongIM knows one answer for all of them.
const fn codes(way: &Way) -> [Option<i64>; 4] {
    match (way.vendor, way.doubt, way.together) {
        (Vendor::WuKongIm, Doubt::Recognised, _) => [Some(15), Some(5), Some(10), Some(22)],
        (Vendor::WuKongIm, _, _) => [None, Some(400), None, None],
        (Vendor::OpenIm, _, _) => [Some(90004), Some(1004), Some(500), Some(429)],
        (Vendor::ImKit, _, _) => [None, Some(400), Some(700), None],
        (Vendor::NetEase, Doubt::Stays, true) => [Some(13001), Some(423), Some(500), None],
        (Vendor::NetEase, _, _) => [Some(13001), Some(423), Some(500), Some(416)],
    }
}

fn code(way: &Way, which: usize) -> Fault {
    let code = codes(way).get(which).copied().flatten();
    Fault::new(FaultKind::Code).value(code.unwrap_or_default())
}

fn of_code(way: &Way, which: usize, means: Means) -> Means {
    match codes(way).get(which).copied().flatten() {
        None => Means::Skipped,
        // One bad message spoils the page's array.
        Some(_) if way.dialect == "published" && way.vendor == Vendor::WuKongIm => Means::Halved,
        Some(_) => means,
    }
}

fn half(way: &Way) -> Half {
    match (way.vendor, way.dialect) {
        (Vendor::WuKongIm, "published") => Half::Unnamed,
        (Vendor::WuKongIm, "v3") => Half::Later,
        (Vendor::ImKit, _) if way.together => Half::Uncertain,
        _ => Half::No,
    }
}

/// What becomes of one message: its status, how often it arrives, and whether its result says that it may
/// have arrived twice.
type Fate = (&'static str, u64, bool);

const YES: Fate = ("accepted", 1, false);
const NO: Fate = ("rejected", 0, false);

/// What should become of the messages of a cell.
fn wanted(way: &Way, means: Means, at_least_once: bool, count: usize) -> Vec<Fate> {
    let doubted = |arrived: bool| match (way.doubt, at_least_once) {
        (Doubt::Recognised, _) => YES,
        (Doubt::Askable, _) if arrived => YES,
        (Doubt::Askable | Doubt::Stays, false) => ("unknown", u64::from(arrived), false),
        (Doubt::Askable | Doubt::Stays, true) => ("accepted", 1 + u64::from(arrived), true),
    };
    let (good, bad) = match means {
        Means::Later | Means::Halved | Means::Taken | Means::HalfOf(Half::Later) => (YES, YES),
        Means::No => (NO, NO),
        Means::Doubt { arrived } => (doubted(arrived), doubted(arrived)),
        Means::HalfOf(Half::No) => (YES, NO),
        Means::HalfOf(Half::Unnamed) => (YES, doubted(false)),
        Means::HalfOf(Half::Uncertain) => (doubted(true), doubted(false)),
        Means::Skipped => return Vec::new(),
    };
    let mut fates: Vec<Fate> = (0..count).map(|at| if at % 2 == 0 { good } else { bad }).collect();
    fates.sort_unstable();
    fates
}

/// One way in one trouble.
struct Cell {
    way: &'static Way,
    trouble: &'static Trouble,
    name: String,
    messages: Vec<Value>,
}

impl Cell {
    fn new(way: &'static Way, trouble: &'static Trouble, number: usize) -> Self {
        let name = format!("c{number}");
        let count = match (trouble.means)(way) {
            Means::HalfOf(_) => 4,
            Means::Skipped => 0,
            _ if way.together => 2,
            _ => 1,
        };
        let message = |at: usize| {
            let text = if way.results == "fast" { name.clone() } else { format!("{name}.{at}") };
            json!({"id": format!("{name}-{at}"), "to": way.to.replace('#', &at.to_string()),
                "labels": {"cell": name}, "options": {"results": way.results},
                "content": {"type": "text", "text": text}})
        };
        let messages = (0..count).map(message).collect();
        Self { way, trouble, name, messages }
    }

    /// The trouble for exactly the calls that carry the cell's messages first.
    fn fault(&self) -> Fault {
        let calls = if self.way.together { 1 } else { self.messages.len() as u64 };
        (self.trouble.fault)(self.way).times(calls)
    }

    /// What became of the messages.
    fn fates(&self, results: &HashMap<&str, &Value>, received: &Received) -> Vec<Fate> {
        let mut fates: Vec<Fate> = (self.messages.iter())
            .map(|message| {
                let result = message["id"].as_str().and_then(|id| results.get(id));
                let status = result.and_then(|result| result["status"].as_str()).unwrap_or("missing");
                let status = ["accepted", "rejected", "unknown"].into_iter().find(|known| *known == status);
                let arrived = received.messages.iter().filter(|arrived| {
                    message["to"] == *arrived.to && message["content"]["text"] == *arrived.text
                });
                let twice = result.is_some_and(|result| result["may_be_duplicate"] == true);
                (status.unwrap_or("not settled"), arrived.count() as u64, twice)
            })
            .collect();
        fates.sort_unstable();
        fates
    }
}

fn cells() -> Vec<Cell> {
    let pairs = WAYS.iter().flat_map(|way| TROUBLES.iter().map(move |trouble| (way, trouble)));
    pairs.enumerate().map(|(number, (way, trouble))| Cell::new(way, trouble, number)).collect()
}

fn provider(way: &Way, name: &str, url: &str) -> String {
    let limits = format!("[providers.{name}.limits]\ntimeout = \"{TIMEOUT}\"");
    match way.vendor {
        Vendor::WuKongIm => config::wukongim(name, url, way.dialect, &limits),
        Vendor::OpenIm => config::openim(name, url, way.dialect, &limits),
        Vendor::ImKit => config::imkit(name, url, &limits),
        Vendor::NetEase => config::netease(name, url, &limits),
    }
}

fn place(cells: &[Cell], troupe: &mut Troupe) -> Place {
    let (mut providers, mut routes) = (String::new(), String::new());
    for cell in cells.iter().filter(|cell| !cell.messages.is_empty()) {
        let Cell { way, name, .. } = cell;
        let url = troupe.add(name, way.vendor, way.dialect);
        providers.push_str(&provider(way, name, &url));
        routes.push_str(&config::route(name, &format!("label = {{ cell = \"{name}\" }}"), name));
    }
    Place::new(&format!("{providers}{routes}"))
}

/// A fate in three signs: `A1`, `U0`, `A2d`.
fn signs(fates: &[Fate]) -> String {
    let mut fates = fates.to_vec();
    fates.dedup();
    let one = |(status, times, twice): &Fate| {
        format!(
            "{}{times}{}",
            status.get(..1).unwrap_or_default().to_uppercase(),
            if *twice { "d" } else { "" }
        )
    };
    if fates.is_empty() { "-".to_owned() } else { fates.iter().map(one).collect::<Vec<_>>().join("/") }
}

/// Hands messages over and waits for their results.
fn results(server: &Client, direct: bool, batch: &Value) -> Vec<Value> {
    if direct {
        let sent = server.post("/v1/send?timeout=50", batch).of(200);
        return sent["results"].as_array().cloned().unwrap_or_default();
    }
    let accepted = server.post("/v1/batches", batch).of(202);
    let id = accepted["id"].as_str().expect("an id");
    eventually("all of it is settled", Duration::from_secs(50), || {
        (server.get(&format!("/v1/batches/{id}")).of(200)["state"] == "settled").then_some(())
    });
    let pages = server.with("accept", "application/x-ndjson").get(&format!("/v1/batches/{id}/messages"));
    pages.text().lines().map(|line| serde_json::from_str(line).expect("each line is a result")).collect()
}

/// Runs all cells under one guarantee; gives the matrix, and what is not as it should be.
fn run(guarantee: &str, direct: bool) -> (String, String) {
    let began = Instant::now();
    let mut troupe = Troupe::new();
    let cells = cells();
    let place = place(&cells, &mut troupe);
    let mut server = place.serve();
    for cell in cells.iter().filter(|cell| !cell.messages.is_empty()) {
        give(troupe.twin(&cell.name), cell.fault());
    }
    let messages: Vec<&Value> = cells.iter().flat_map(|cell| &cell.messages).collect();
    let count = messages.len();
    let batch = json!({"from": "shop", "guarantee": guarantee, "messages": messages});
    let results = results(&server, direct, &batch);
    let by_id: HashMap<&str, &Value> =
        results.iter().filter_map(|result| Some((result["id"].as_str()?, result))).collect();

    let (mut matrix, mut odd) = (String::new(), String::new());
    let (took, way) = (began.elapsed(), if direct { "direct" } else { "stored" });
    matrix.push_str(&format!("{way}, {guarantee}: {count} messages in {took:.1?}\n{:<12}", ""));
    (0..WAYS.len()).for_each(|number| matrix.push_str(&format!("{number:>8}")));
    for (row, trouble) in TROUBLES.iter().enumerate() {
        matrix.push_str(&format!("\n{:<12}", trouble.name));
        for column in 0..WAYS.len() {
            let Some(cell) = cells.get(column * TROUBLES.len() + row) else { continue };
            let means = (trouble.means)(cell.way);
            let wanted = wanted(cell.way, means, guarantee == "at_least_once", cell.messages.len());
            if cell.messages.is_empty() {
                matrix.push_str(&format!("{:>8}", "-"));
                continue;
            }
            let fates = cell.fates(&by_id, &troupe.twin(&cell.name).received());
            matrix.push_str(&format!("{:>8}", signs(&fates)));
            let tried = cell.messages.iter().filter_map(|message| by_id.get(message["id"].as_str()?));
            let struck = struck(means, tried.clone().copied());
            if fates == wanted && struck {
                continue;
            }
            let what: Vec<&Value> = tried.copied().collect();
            let (is, should) = (signs(&fates), signs(&wanted));
            let cell = format!("{}, {}, {way}, {guarantee}", cell.way.name, trouble.name);
            odd.push_str(&format!("{cell}: {is} and not {should}, struck: {struck}\n    {what:?}\n"));
        }
    }
    assert!(server.runs() && !server.log().contains("panicked"), "{}", server.log());
    (matrix, odd)
}

/// Gives a twin its fault; a port that is to be closed is closed then.
fn give(twin: &Twin, fault: Fault) {
    let closes = fault.kind == FaultKind::Refuse;
    twin.set_fault(fault);
    if closes {
        shut(twin);
    }
}

/// Whether the results show that the fault struck, where an untroubled send would end alike.
fn struck<'r>(means: Means, mut results: impl Iterator<Item = &'r Value>) -> bool {
    let attempts = |result: &Value| result["attempts"].as_array().cloned().unwrap_or_default();
    match means {
        Means::Later | Means::Halved | Means::HalfOf(Half::Later) => {
            results.any(|result| attempts(result).len() > 1)
        }
        Means::Doubt { .. } => {
            results.all(|result| attempts(result).first().is_some_and(|made| made["result"] == "unknown"))
        }
        Means::No | Means::Taken | Means::Skipped => true,
        Means::HalfOf(Half::No | Half::Unnamed | Half::Uncertain) => true,
    }
}

#[test]
fn every_fault_ends_as_the_tables_say() {
    for (number, way) in WAYS.iter().enumerate() {
        eprintln!("{number:>2} {}", way.name);
    }
    eprintln!("A accepted, R rejected, U unknown; how often it arrived; d: said to be a possible duplicate");
    let mut odd = String::new();
    for (guarantee, direct) in [("at_most_once", false), ("at_least_once", false), ("at_most_once", true)] {
        let (matrix, found) = run(guarantee, direct);
        eprintln!("\n{matrix}");
        odd.push_str(&found);
    }
    assert!(odd.is_empty(), "not as it should be:\n{odd}");
}

/// What becomes of one message in a trouble that does not end, with three attempts.
fn wanted_of_lasting(way: &Way, arrived: bool, at_least_once: bool) -> Fate {
    match (way.doubt, arrived, at_least_once) {
        (Doubt::Askable, true, _) => YES,
        (Doubt::Recognised, _, _) | (_, _, false) => ("unknown", u64::from(arrived), false),
        (Doubt::Askable | Doubt::Stays, _, true) => ("unknown", if arrived { 3 } else { 0 }, true),
    }
}

/// A trouble that stays: nothing is tried for ever, and a port that never opens gets nothing.
#[test]
fn a_trouble_that_stays_ends_with_the_budget() {
    let mut troupe = Troupe::new();
    let (mut providers, mut routes) = (String::from("[delivery]\nattempts = 3\n"), String::new());
    let mut cells = Vec::new();
    for way in &WAYS {
        for kind in ["arrives", "lost", "closed", "busy"] {
            for guarantee in ["at_most_once", "at_least_once"] {
                let name = format!("c{}", cells.len());
                let url = troupe.add(&name, way.vendor, way.dialect);
                providers.push_str(&provider(way, &name, &url));
                routes.push_str(&config::route(&name, &format!("label = {{ cell = \"{name}\" }}"), &name));
                cells.push((way, kind, guarantee, name));
            }
        }
    }
    let place = Place::new(&format!("{providers}{routes}"));
    let server = place.serve();
    for (_, kind, _, name) in &cells {
        let fault = match *kind {
            "arrives" => Fault::new(FaultKind::CloseAfterRead),
            "lost" => Fault::new(FaultKind::CloseAfterRead).undelivered(),
            "closed" => Fault::new(FaultKind::Refuse).value(60_000),
            _ => status(429),
        };
        give(troupe.twin(name), fault);
    }
    let expires_at = in_seconds(4);
    let messages: Vec<Value> = (cells.iter())
        .map(|(way, kind, guarantee, name)| {
            let expires_at = matches!(*kind, "closed" | "busy").then_some(&expires_at);
            json!({"id": name, "to": way.to.replace('#', "1"), "labels": {"cell": name},
                "options": {"results": way.results}, "guarantee": guarantee, "expires_at": expires_at,
                "content": {"type": "text", "text": "hi"}})
        })
        .collect();
    let results = results(&server, false, &json!({"from": "shop", "messages": messages}));
    let mut odd = String::new();
    for (way, kind, guarantee, name) in &cells {
        let result = results.iter().find(|result| result["id"] == *name).expect("a result for each message");
        let at_least_once = *guarantee == "at_least_once";
        let wanted = match *kind {
            "arrives" => wanted_of_lasting(way, true, at_least_once),
            "lost" => wanted_of_lasting(way, false, at_least_once),
            _ => ("expired", 0, false),
        };
        let is = (
            result["status"].as_str().unwrap_or_default(),
            troupe.twin(name).total(),
            result["may_be_duplicate"] == true,
        );
        if is != wanted {
            odd.push_str(&format!(
                "{}, {kind}, {guarantee}: {is:?} and not {wanted:?}\n    {result}\n",
                way.name
            ));
        }
    }
    assert!(odd.is_empty(), "not as it should be:\n{odd}");
}

/// A vendor says *not now* when the message's time is over, or for longer than it has: either way it expired,
/// however near to its end the answer came, and it is told before the vendor's pause is over.
#[test]
fn a_no_for_now_that_outlasts_the_message_ends_expired() {
    let busy = |retry_after: u32, words: &str| {
        let body = json!({"errCode": 0, "errMsg": words}).to_string();
        format!(
            "HTTP/1.1 429 X\r\nretry-after: {retry_after}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let token = || {
        Scripted::http(
            200,
            "application/json",
            &json!({"errCode": 0, "data": {"token": "t", "expireTimeSeconds": 90_000}}).to_string(),
        )
    };
    let slow = Scripted::start(move |path| {
        if path.contains("/auth/") {
            return token();
        }
        holds_within(Duration::from_millis(1_500), || false);
        busy(1, "slow").into_bytes()
    });
    let long = Scripted::start(
        move |path| if path.contains("/auth/") { token() } else { busy(60, "long").into_bytes() },
    );
    let place = Place::new(
        &[
            config::openim("slow", &slow.url(), "v3.8.3", ""),
            config::openim("long", &long.url(), "v3.8.3", ""),
            config::route("slow", "id = \"slow\"", "slow"),
            config::route("long", "", "long"),
        ]
        .concat(),
    );
    let server = place.serve();
    for name in ["slow", "long"] {
        let message = json!({"from": "shop", "messages": [{"to": format!("user:{name}"),
            "expires_at": in_seconds(1), "content": {"type": "text", "text": "hi"}}]});
        let began = Instant::now();
        let results = results(&server, false, &message);
        let [result] = &*results else { unreachable!("{results:?}") };
        assert_eq!(
            (&result["status"], &result["error"]["code"]),
            (&json!("expired"), &json!("expired")),
            "{result}"
        );
        assert_eq!(result["attempts"][0]["error"]["code"], "rate_limited", "{result}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
