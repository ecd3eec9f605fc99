//! Interline in front of Interline: the outer one sends as to a vendor's server, the inner one serves that
//! vendor's wire format and delivers to another vendor. Whatever is said at either end is what arrived.

use std::time::Duration;

use interline_tests::{Place, Server, Troupe, arrived_once, config};
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

/// The vendors' wires, dialect by dialect, and who delivers behind each.
const CHAINS: [(&str, &str, Vendor); 7] = [
    ("wukongim", "published", Vendor::OpenIm),
    ("wukongim", "v2", Vendor::NetEase),
    ("wukongim", "auto", Vendor::WuKongIm),
    ("openim", "v3.8.3", Vendor::WuKongIm),
    ("openim", "auto", Vendor::ImKit),
    ("imkit", "", Vendor::WuKongIm),
    ("netease", "", Vendor::OpenIm),
];

struct Chain {
    outer: Server,
    _inner: Server,
    troupe: Troupe,
}

impl Chain {
    fn of(wire: &str, dialect: &str, behind: Vendor) -> Self {
        let mut troupe = Troupe::new();
        let url = troupe.add("end", behind, "");
        let end = match behind {
            Vendor::WuKongIm => config::wukongim("end", &url, "auto", ""),
            Vendor::OpenIm => config::openim("end", &url, "auto", ""),
            Vendor::ImKit => config::imkit("end", &url, ""),
            Vendor::NetEase => config::netease("end", &url, ""),
        };
        let credentials = match wire {
            "wukongim" => "",
            "openim" => "admin_user_id = \"imAdmin\"\nsecret = \"openIM123\"",
            "imkit" => "api_key = \"twin-imkit-key\"",
            _ => "app_key = \"twin-app-key\"\napp_secret = \"twin-app-secret\"",
        };
        let facade = format!("[[facades]]\nname = \"door\"\nvendor = \"{wire}\"\n{credentials}\n");
        let inner = Place::new(&[end, config::route("all", "", "end"), facade].concat()).serve();
        let url = inner.url();
        let inside = match wire {
            "wukongim" => config::wukongim("inside", &url, dialect, ""),
            "openim" => config::openim("inside", &url, dialect, ""),
            "imkit" => config::imkit("inside", &url, ""),
            _ => config::netease("inside", &format!("{url}/nimserver"), ""),
        };
        let outer = Place::new(&[inside, config::route("all", "", "inside")].concat()).serve();
        Self { outer, _inner: inner, troupe }
    }
}

fn texts(count: usize, results: &str) -> Value {
    let messages: Vec<Value> = (0..count)
        .map(|n| {
            json!({"id": format!("m{n}"), "to": format!("user:u{n}"),
                "content": {"type": "text", "text": format!("text {n} {results} 你好 $5$")}})
        })
        .collect();
    json!({"from": "shop", "options": {"results": results}, "messages": messages})
}

fn with_status(results: &[Value], status: &str) -> usize {
    results.iter().filter(|result| result["status"] == status).count()
}

#[test]
fn what_goes_through_two_arrives_once() {
    std::thread::scope(|scope| {
        for (wire, dialect, behind) in CHAINS {
            scope.spawn(move || {
                let chain = Chain::of(wire, dialect, behind);
                for results in ["each", "fast"] {
                    let name = format!("{wire} {dialect} {results}");
                    let before = chain.troupe.twin("end").total();
                    let accepted = chain.outer.post("/v1/batches", &texts(30, results)).of(202);
                    let id = accepted["id"].as_str().expect("an id");
                    chain.outer.settled(id, Duration::from_secs(60));
                    let results = chain.outer.results(id);
                    assert_eq!(with_status(&results, "accepted"), 30, "{name}: {results:?}");
                    assert_eq!(chain.troupe.twin("end").total() - before, 30, "{name}");
                }
                let received = chain.troupe.twin("end").received();
                assert!(received.messages.iter().any(|message| message.text.contains("你好 $5$")), "{wire}");
            });
        }
    });
}

#[test]
fn what_nobody_knows_inside_nobody_claims_outside() {
    std::thread::scope(|scope| {
        for (wire, dialect, behind) in CHAINS {
            scope.spawn(move || {
                let chain = Chain::of(wire, dialect, behind);
                chain.troupe.twin("end").set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
                let sent = chain.outer.post("/v1/send?timeout=20", &texts(6, "each")).of(200);
                let results = sent["results"].as_array().expect("results");
                let received = chain.troupe.twin("end").received();
                let arrived = arrived_once(&received).len();
                let (yes, unknown) = (with_status(results, "accepted"), with_status(results, "unknown"));
                let name = format!("{wire} {dialect}");
                assert!(yes <= arrived, "{name}: {yes} said, {arrived} arrived: {sent}");
                assert!(
                    arrived <= yes + unknown,
                    "{name}: {arrived} arrived, {yes} and {unknown} said: {sent}"
                );
                assert_eq!(yes + unknown, 6, "{name}: nothing of this was refused: {sent}");
            });
        }
    });
}
