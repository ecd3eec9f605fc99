//! One batch of ten thousand messages over four vendors: users, groups, rooms, a template, fan-outs of
//! one content, several senders. Every message has one outcome, what was accepted arrived once, and the
//! vendors were called as often as their limits demand, and no more.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use interline_tests::{Place, Stage, config};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

/// What the vendors allow in one call, from their own pages, not from the planner.
const WUKONGIM_ARRAY: u64 = 100;
const OPENIM_BATCH: u64 = 200;
const IMKIT_PARAS: u64 = 200;
const NETEASE_ROOM: u64 = 10;
const NETEASE_USERS: u64 = 500;

const CUSTOMERS: u64 = 3_400;
const CLUBS: u64 = 400;
const STAFF: u64 = 700;
const STAFF_NEWS: u64 = 3;
const GUESTS: u64 = 1_500;
const ROOMS: u64 = 30;
const HOSTS: [&str; 2] = ["host-a", "host-b"];
const COMMENTS_A_HOST: u64 = 25;
const FANS: u64 = 900;
const TEAMS: u64 = 40;
const PHOTOS: u64 = 20;
const MESSAGES: u64 = 10_000;

fn text(text: String) -> Value {
    json!({"type": "text", "text": text})
}

fn batch() -> Value {
    let mut messages = Vec::new();
    for number in 0..CUSTOMERS {
        messages.push(json!({"to": format!("user:c{number}"), "from": format!("shop-{}", number % 3),
            "content": text(format!("order {number}"))}));
    }
    for number in 0..CLUBS {
        messages
            .push(json!({"to": format!("group:club{number}"), "content": text(format!("meeting {number}"))}));
    }
    for news in 0..STAFF_NEWS {
        for number in 0..STAFF {
            messages.push(json!({"to": format!("user:oim-{number}"), "options": {"results": "fast"},
                "content": text(format!("news {news}"))}));
        }
    }
    for number in 0..GUESTS {
        messages
            .push(json!({"to": format!("user:kit-{number}"), "vars": {"name": format!("guest {number}")},
            "content": {"type": "text", "text": "Welcome, $name$", "template": true}}));
    }
    // One host after the other: speaking in turns, a room's order would leave each message alone in its call.
    for host in HOSTS {
        for comment in 0..COMMENTS_A_HOST {
            for room in 0..ROOMS {
                messages.push(json!({"to": format!("room:{}", 7_000 + room), "from": host,
                    "content": text(format!("{host} says {comment}"))}));
            }
        }
    }
    for number in 0..FANS {
        messages.push(json!({"to": format!("user:ne-{number}"), "options": {"results": "fast"},
            "content": text("live at eight".to_owned())}));
    }
    for number in 0..TEAMS {
        messages.push(json!({"to": format!("group:ne-{number}"), "content": text(format!("team {number}"))}));
    }
    for number in 0..PHOTOS {
        messages
            .push(json!({"to": format!("group:oim-{number}"), "content": text(format!("photo {number}"))}));
    }
    // Whatever is missing goes to one person, in order.
    for number in 0..MESSAGES - messages.len() as u64 {
        messages.push(json!({"to": "user:c0", "content": text(format!("log line {number}"))}));
    }
    for (number, message) in messages.iter_mut().enumerate() {
        message["id"] = json!(format!("m{number}"));
    }
    json!({"from": "shop", "messages": messages, "labels": {"kind": "mixed"}})
}

/// The fewest calls that the vendors' limits allow.
fn fewest_calls() -> u64 {
    let customers = CUSTOMERS + CLUBS + (MESSAGES - all_but_log_lines());
    customers.div_ceil(WUKONGIM_ARRAY)
        + STAFF_NEWS * STAFF.div_ceil(OPENIM_BATCH)
        + PHOTOS
        + GUESTS.div_ceil(IMKIT_PARAS)
        + ROOMS * HOSTS.len() as u64 * COMMENTS_A_HOST.div_ceil(NETEASE_ROOM)
        + FANS.div_ceil(NETEASE_USERS)
        + TEAMS
}

const fn all_but_log_lines() -> u64 {
    CUSTOMERS
        + CLUBS
        + STAFF * STAFF_NEWS
        + GUESTS
        + ROOMS * HOSTS.len() as u64 * COMMENTS_A_HOST
        + FANS
        + TEAMS
        + PHOTOS
}

/// The vendors' speeds are not what is tested here.
fn place(stage: &Stage) -> Place {
    let url = |vendor| stage.of(vendor).url();
    let fast =
        "{ calls_per_second = 1000000, messages_per_second = 1000000, per_recipient_per_second = 1000000 }";
    let limits = |name: &str, classes: &[&str]| {
        let classes: String = classes.iter().map(|class| format!("{class} = {fast}\n")).collect();
        format!("[providers.{name}.limits]\n{classes}")
    };
    Place::new(
        &[
            config::wukongim("wk", &url(Vendor::WuKongIm), "published", ""),
            config::openim("oim", &url(Vendor::OpenIm), "v3.8.3", ""),
            config::imkit("kit", &url(Vendor::ImKit), &limits("kit", &["batch", "send"])),
            config::netease("ne", &url(Vendor::NetEase), &limits("ne", &["room", "single", "user_batch"])),
            config::route("rooms", "to = \"room\"", "ne"),
            config::route("ne", "id = \"ne-*\"", "ne"),
            config::route("oim", "id = \"oim-*\"", "oim"),
            config::route("kit", "id = \"kit-*\"", "kit"),
            config::route("rest", "", "wk"),
        ]
        .concat(),
    )
}

/// What the recipient of a message should read.
fn said(message: &Value) -> String {
    let text = message["content"]["text"].as_str().unwrap_or_default();
    text.replace("$name$", message["vars"]["name"].as_str().unwrap_or_default())
}

#[test]
fn ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let place = place(&stage);
    let server = place.serve();
    let batch = batch();
    let began = Instant::now();
    let accepted = server.post("/v1/batches", &batch).of(202);
    let id = accepted["id"].as_str().expect("an id");
    let settled = server.settled(id, Duration::from_secs(60));
    eprintln!("{MESSAGES} mixed messages settled in {:.1?}: {}", began.elapsed(), settled["counts"]);

    let messages = batch["messages"].as_array().expect("messages");
    let results = server.results(id);
    let by_id: HashMap<&str, &Value> =
        results.iter().map(|result| (result["id"].as_str().expect("an id"), result)).collect();
    assert_eq!((results.len(), by_id.len()), (messages.len(), messages.len()), "one result a message");

    let received = Vendor::ALL.map(|vendor| stage.of(vendor).received());
    let mut arrived: HashMap<(&str, &str), u64> = HashMap::new();
    for message in received.iter().flat_map(|received| &received.messages) {
        *arrived.entry((&message.to, &message.text)).or_default() += 1;
    }
    for message in messages {
        let result = by_id[message["id"].as_str().expect("an id")];
        assert_eq!(result["status"], "accepted", "{result}");
        assert_eq!(result["to"], message["to"]);
        let (to, text) = (message["to"].as_str().expect("a recipient"), said(message));
        assert_eq!(arrived.get(&(to, text.as_str())), Some(&1), "{to}: {text}");
    }
    assert_eq!(stage.total(), MESSAGES, "nothing arrived that was not sent");
    // Where a wire has a place for it, each message has a client id of its own.
    let own = results.iter().filter(|result| {
        result["vendor"] == "wukongim" || result["to"].as_str().is_some_and(|to| to.starts_with("room:"))
    });
    let own: Vec<_> = own.map(|result| result["vendor_client_id"].as_str().expect("a client id")).collect();
    assert_eq!(own.iter().collect::<HashSet<_>>().len(), own.len(), "client ids differ");

    let (calls, fewest) = (stage.calls(), fewest_calls());
    let by_vendor = Vendor::ALL.map(|vendor| (vendor.name(), stage.of(vendor).calls()));
    eprintln!("{calls} vendor calls, the limits demand {fewest}: {by_vendor:?}");
    assert_eq!(settled["counts"]["calls"], calls, "the counts tell every call");
    assert!(calls >= fewest, "fewer calls than the limits allow: {calls} < {fewest}");
    assert!(calls * 100 <= fewest * 102, "{calls} calls, the limits demand {fewest}");
}

#[test]
fn messages_for_one_person_arrive_in_the_order_of_the_batch() {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "v2").unlimited());
    let place = place_of_singles(&stage);
    let server = place.serve();
    let messages: Vec<Value> = (0..200)
        .map(|number| json!({"to": format!("user:u{}", number % 4), "content": text(number.to_string())}))
        .collect();
    let accepted = server.post("/v1/batches", &json!({"messages": messages})).of(202);
    let settled = server.settled(accepted["id"].as_str().expect("an id"), Duration::from_secs(30));
    assert_eq!(settled["counts"]["accepted"], 200, "{settled}");
    let received = stage.wukongim().received();
    for person in 0..4_u64 {
        let to = format!("user:u{person}");
        let numbers: Vec<u64> = (received.messages.iter().filter(|message| message.to == to))
            .map(|message| message.text.parse().expect("a number"))
            .collect();
        assert_eq!(numbers.len(), 50);
        assert!(numbers.is_sorted(), "{to}: {numbers:?}");
    }
}

/// Sends numbered messages to one room; the numbers in the order in which they arrived.
fn arrived_in_a_room(stage: &Stage, limits: &str, count: u64) -> Vec<u64> {
    let provider = config::netease("ne", &stage.netease().url(), &format!("[providers.ne.limits]\n{limits}"));
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "ne")));
    let server = place.serve();
    let messages: Vec<Value> =
        (0..count).map(|number| json!({"to": "room:7", "content": text(number.to_string())})).collect();
    let accepted = server.post("/v1/batches", &json!({"messages": messages})).of(202);
    let settled = server.settled(accepted["id"].as_str().expect("an id"), Duration::from_secs(60));
    assert_eq!(settled["counts"]["accepted"], count, "{settled}");
    stage
        .netease()
        .received()
        .messages
        .iter()
        .map(|message| message.text.parse().expect("a number"))
        .collect()
}

#[test]
fn a_room_that_is_paced_gets_its_messages_in_order_and_no_second_holds_too_many() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited());
    let began = Instant::now();
    let numbers = arrived_in_a_room(&stage, "room = { per_recipient_per_second = 10 }", 35);
    assert_eq!(numbers, (0..35).collect::<Vec<_>>());
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "three seconds of pace took {took:?}");
    let at: Vec<_> = stage.netease().received().messages.iter().map(|message| message.at_ms).collect();
    // Arrivals may lie a little closer than departures.
    let most = at.iter().map(|from| at.iter().filter(|at| (*from..from + 950).contains(*at)).count()).max();
    assert!(most.is_some_and(|most| most <= 10), "{most:?} within a second: {at:?}");
}

#[test]
fn messages_that_were_refused_for_now_keep_their_order() {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited());
    stage.netease().set_fault(Fault::new(FaultKind::Code).value(500).times(1));
    stage.netease().set_fault(Fault::new(FaultKind::Refuse).value(700).after(1));
    let numbers = arrived_in_a_room(&stage, "room = { per_recipient_per_second = 1000 }", 40);
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

fn place_of_singles(stage: &Stage) -> Place {
    let provider = config::wukongim("wk", &stage.wukongim().url(), "v2", "");
    Place::new(&format!("{provider}{}", config::route("all", "", "wk")))
}
