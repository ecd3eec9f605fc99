//! Every fault of the twins against every way in which a dialect sends, under both guarantees. What should
//! come of each is derived from two tables of facts: what a fault means to a vendor's caller, and what
//! a vendor can do about a doubt. What arrived has to agree with what the results claim.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

mod facts;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use interline_tests::{Client, Place, Scripted, Troupe, config, eventually, holds_within, in_seconds, shut};
use interline_twins::{Fault, FaultKind, Received, Twin, Vendor};
use serde_json::{Value, json};

use facts::{Doubt, Fate, Half, Means, TIMEOUT, TROUBLES, Trouble, WAYS, Way, YES, status, wanted};

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
        let [result] = &*results else { panic!("{results:?}") };
        assert_eq!(
            (&result["status"], &result["error"]["code"]),
            (&json!("expired"), &json!("expired")),
            "{result}"
        );
        assert_eq!(result["attempts"][0]["error"]["code"], "rate_limited", "{result}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
