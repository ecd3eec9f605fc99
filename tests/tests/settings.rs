//! What the keys of the configuration do, seen from outside.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use interline_tests::{Place, Server, Stage, config};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const NOWHERE: &str = "http://127.0.0.1:1";
const SECONDS: Duration = Duration::from_secs(20);

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited())
}

/// One provider, a route to it, and further sections before them.
fn one(more: &str, provider: &str, name: &str) -> Place {
    Place::new(&format!("{more}{provider}{}", config::route("all", "", name)))
}

fn hi(to: &str) -> Value {
    json!({"to": to, "content": {"type": "text", "text": "hi"}})
}

fn sent(server: &Server, messages: &[Value]) -> Value {
    server.post("/v1/send?timeout=2", &json!({"messages": messages})).of(200)
}

#[test]
fn the_defaults_of_delivery_hold_where_a_batch_says_nothing() {
    let stage = stage();
    let ne = config::netease("ne", &stage.netease().url(), "");
    let server = one("[delivery]\non_loss = \"reject\"\n", &ne, "ne").serve();
    let lossy = json!({"messages": [hi("room:7")], "options": {"ttl": "1h"}});
    assert_eq!(server.post("/v1/send", &lossy).status, 400);

    let wk = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    let server = one("[delivery]\nguarantee = \"at_least_once\"\n", &wk, "wk").serve();
    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let again = sent(&server, &[hi("user:a")]);
    assert_eq!(again["results"][0]["may_be_duplicate"], true, "{again}");

    let settings = "[delivery]\nguarantee = \"at_least_once\"\nattempts = 2\n";
    let server = one(settings, &wk, "wk").serve();
    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead));
    let twice = server.post("/v1/send?timeout=20", &json!({"messages": [hi("user:a")]})).of(200);
    assert_eq!(twice["results"][0]["attempts"].as_array().map(Vec::len), Some(2), "{twice}");
    assert_eq!(twice["results"][0]["status"], "unknown", "{twice}");

    let gone = config::wukongim("wk", NOWHERE, "published", "");
    let server = one("[delivery]\nattempts = 100\ndeadline = \"1s\"\n", &gone, "wk").serve();
    let accepted = server.post("/v1/batches", &json!({"messages": [hi("user:a")]})).of(202);
    let settled = server.settled(accepted["id"].as_str().expect("an id"), SECONDS);
    assert_eq!(settled["counts"]["expired"], 1, "{settled}");
}

#[test]
fn the_keys_of_a_vendor_change_what_it_is_told() {
    let stage = stage();
    let url = |vendor| stage.of(vendor).url();
    let (wk, oim) = (url(Vendor::WuKongIm), url(Vendor::OpenIm));
    let (kit, ne) = (url(Vendor::ImKit), url(Vendor::NetEase));
    let plan = |provider: &str, messages: &[Value]| {
        one("", provider, "p").serve().post("/v1/plan", &json!({"messages": messages})).of(200)
    };
    let bare = config::wukongim("p", &wk, "published", "");
    let headers = |plan: &Value| plan["calls"][0]["request"]["headers"].to_string();
    let plain = plan(&bare, &[hi("room:7")]);
    assert!(!headers(&plain).contains("***"), "{plain}");
    assert!(
        headers(&plan(&config::wukongim("p", &wk, "published", "token = \"t-1\""), &[hi("room:7")]))
            .contains("***")
    );
    assert!(plain.to_string().contains("system"), "the default sender sends: {plain}");
    let other = plan(&config::wukongim("p", &wk, "published", "room_channel_type = 4"), &[hi("room:7")]);
    assert_ne!(plain["calls"][0]["request"]["body"], other["calls"][0]["request"]["body"]);
    let texts = [json!({"to": "user:a", "content": {"type": "text", "text": "one"}}), hi("user:b")];
    for (fold, calls) in [("true", 1), ("false", 2)] {
        let planned = plan(&config::imkit("p", &kit, &format!("fold = {fold}")), &texts);
        assert_eq!(planned["totals"]["calls"], calls, "{planned}");
    }
    for (everyone, errors) in [("true", 0), ("false", 1)] {
        for provider in [
            config::netease("p", &ne, &format!("everyone = {everyone}")),
            config::openim("p", &oim, "v3.8.3", &format!("everyone = {everyone}")),
        ] {
            let server = one("", &provider, "p").serve();
            let answer = server.post("/v1/plan", &json!({"messages": [hi("everyone")]}));
            let found = answer.json()["errors"].as_array().map_or(0, Vec::len);
            assert_eq!(found, errors, "{}", answer.text());
        }
    }
    for (right, wrong, provider) in [
        ("imAdmin", "nobody", config::openim("p", &oim, "v3.8.3", "")),
        ("openIM123", "wrong", config::openim("p", &oim, "v3.8.3", "")),
        ("secret = \"openIM123\"", "admin_token = \"wrong\"", config::openim("p", &oim, "v3.8.3", "")),
        ("twin-imkit-key", "wrong", config::imkit("p", &kit, "")),
        ("twin-app-key", "wrong", config::netease("p", &ne, "")),
        ("twin-app-secret", "wrong", config::netease("p", &ne, "")),
    ] {
        stage.reset();
        let place = one("", &provider.replace(right, wrong), "p");
        let refused = sent(&place.serve(), &[hi("user:a")]);
        assert_eq!(
            (&refused["counts"]["accepted"], &refused["counts"]["unknown"]),
            (&json!(0), &json!(0)),
            "{wrong}: {refused}"
        );
        assert_eq!(stage.total(), 0, "{wrong}");
        let accepted = sent(&one("", &provider, "p").serve(), &[hi("user:a")]);
        assert_eq!(accepted["counts"]["accepted"], 1, "{right}: {accepted}");
    }
}

#[test]
fn the_resend_window_decides_whether_an_unknown_goes_again() {
    let stage = stage();
    for (window, status, calls) in [("60s", "accepted", 2), ("0s", "unknown", 1)] {
        stage.reset();
        stage.netease().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
        let ne = config::netease("ne", &stage.netease().url(), &format!("resend_window = \"{window}\""));
        let result = sent(&one("", &ne, "ne").serve(), &[hi("room:7")]);
        assert_eq!(result["results"][0]["status"], status, "{window}: {result}");
        assert_eq!((stage.netease().calls(), stage.netease().total()), (calls, 1), "{window}");
    }
}

/// Sends with such limits of one class; how long it took.
fn timed(stage: &Stage, class: &str, messages: &[Value]) -> Duration {
    let place = one(
        "",
        &config::netease("ne", &stage.netease().url(), &format!("[providers.ne.limits]\n{class}")),
        "ne",
    );
    let server = place.serve();
    let began = Instant::now();
    let result = sent(&server, messages);
    assert_eq!(result["counts"]["accepted"], messages.len(), "{class}: {result}");
    began.elapsed()
}

#[test]
fn limits_of_the_configuration_hold() {
    let stage = stage();
    let rooms: Vec<_> = (1..7).map(|number| hi(&format!("room:{number}"))).collect();
    let same: Vec<_> = (0..6).map(|_| hi("room:7")).collect();
    // The whole count may come at once; what is above it waits for the next second.
    let crowd: Vec<_> = (0..15).map(|_| hi("room:7")).collect();
    let free = "per_recipient_per_second = 1000";
    for (class, messages, least_ms) in [
        (format!("room = {{ calls_per_second = 10, {free} }}"), &rooms, 400),
        (format!("room = {{ calls_per_minute = 600, {free} }}"), &rooms, 400),
        (format!("room = {{ messages_per_second = 10, messages_per_call = 1, {free} }}"), &crowd, 900),
        ("room = { per_recipient_per_second = 10 }".to_owned(), &crowd, 900),
    ] {
        let took = timed(&stage, &class, messages);
        assert!(took >= Duration::from_millis(least_ms), "{class}: {took:?}");
    }
    let few =
        format!("[providers.ne.limits]\nroom = {{ messages_per_minute = 4, messages_per_call = 1, {free} }}");
    let ne = config::netease("ne", &stage.netease().url(), &few);
    let body = json!({"from": "shop", "messages": rooms});
    let minute = one("", &ne, "ne").serve().post("/v1/send?timeout=1", &body).of(200);
    assert_eq!(
        (&minute["counts"]["accepted"], &minute["counts"]["expired"]),
        (&json!(4), &json!(2)),
        "{minute}"
    );
    stage.reset();
    timed(&stage, &format!("room = {{ messages_per_call = 2, {free} }}"), &same);
    assert_eq!(stage.netease().calls(), 3);

    // Every vendor's classes can be limited, and what is in force is shown.
    for (provider, classes) in [
        (config::wukongim("p", NOWHERE, "v2", ""), &["send", "sendbatch"][..]),
        (config::openim("p", NOWHERE, "v3.8.3", ""), &["send", "batch"]),
        (config::imkit("p", NOWHERE, ""), &["send", "batch"]),
        (config::netease("p", NOWHERE, ""), &["room", "single", "user_batch", "broadcast"]),
    ] {
        let limits: String =
            classes.iter().map(|class| format!("{class} = {{ calls_per_second = 7 }}\n")).collect();
        let limits = format!("{provider}[providers.p.limits]\nin_flight = 3\ntimeout = \"1500ms\"\n{limits}");
        let shown = one("", &limits, "p").serve().get("/v1/providers").of(200)["providers"][0].clone();
        assert_eq!((&shown["in_flight_limit"], &shown["timeout_ms"]), (&json!(3), &json!(1500)), "{shown}");
        for class in shown["classes"].as_array().expect("classes") {
            assert_eq!(class["calls"], json!({"count": 7, "per_ms": 1000}), "{shown}");
        }
    }
    stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(3_000).times(1));
    let impatient = config::wukongim(
        "wk",
        &stage.wukongim().url(),
        "published",
        "[providers.wk.limits]\ntimeout = \"200ms\"",
    );
    let late = sent(&one("", &impatient, "wk").serve(), &[hi("user:a")]);
    assert_eq!(late["results"][0]["error"]["code"], "timeout", "{late}");
}

#[test]
fn a_split_shares_recipients_out_and_keeps_them() {
    let stage = stage();
    let url = stage.wukongim().url();
    let place = Place::new(&format!(
        "{}{}[[routes]]\nname = \"all\"\nsplit = {{ a = 75, b = 25 }}\n",
        config::wukongim("a", &url, "published", ""),
        config::wukongim("b", &url, "published", "")
    ));
    let server = place.serve();
    let messages: Vec<_> = (0..400).map(|number| hi(&format!("user:u{number}"))).collect();
    let took = || -> BTreeMap<String, String> {
        let sent = sent(&server, &messages);
        let results = sent["results"].as_array().expect("results").iter();
        results.map(|result| (result["to"].to_string(), result["provider"].to_string())).collect()
    };
    let first = took();
    assert_eq!(first, took(), "a recipient stays with a provider");
    let to_a = first.values().filter(|provider| *provider == "\"a\"").count();
    assert!((240..=360).contains(&to_a), "{to_a} of 400 at three quarters");
}

#[test]
fn a_fallback_takes_what_finds_no_server() {
    let stage = stage();
    let down = config::netease("down", NOWHERE, "");
    let up = config::netease("up", &stage.netease().url(), "");
    let route = config::route("all", "", "down");
    let server = Place::new(&format!("{down}{up}{route}fallback = [\"up\"]\n")).serve();
    let result = sent(&server, &[hi("room:7")]);
    assert_eq!(result["results"][0]["provider"], "up", "{result}");
    assert_eq!(result["results"][0]["attempts"][0]["provider"], "down", "{result}");
}

#[test]
fn a_route_may_refuse_what_would_lose() {
    let stage = stage();
    let route = config::route("all", "", "ne");
    let ne = config::netease("ne", &stage.netease().url(), "");
    let server = Place::new(&format!("{ne}{route}on_loss = \"reject\"\n")).serve();
    let lossy = json!({"messages": [hi("room:7")], "options": {"ttl": "1h"}});
    assert_eq!(server.post("/v1/send", &lossy).status, 400);
    assert_eq!(stage.total(), 0);
}

#[test]
fn each_condition_of_a_route_decides() {
    let wk = config::wukongim("wk", NOWHERE, "published", "");
    let is = json!({"from": "shop-1", "to": "user:vip-1", "labels": {"campaign": "autumn"},
        "content": {"type": "text", "text": "hi"}});
    for (when, pointer, other) in [
        ("to = \"user\"", "/to", json!("group:vip-1")),
        ("id = \"vip-*\"", "/to", json!("user:bob")),
        ("from = \"shop-?\"", "/from", json!("office")),
        ("content = [\"text\", \"image\"]", "/content", json!({"type": "notice", "text": "hi"})),
        ("label = { campaign = \"aut*\" }", "/labels/campaign", json!("spring")),
        ("not = { to = \"group\" }", "/to", json!("group:g")),
        ("to = \"user\", not = { id = \"bob\" }", "/to", json!("user:bob")),
    ] {
        let place = Place::new(&format!(
            "{wk}{}{}",
            config::route("special", when, "wk"),
            config::route("rest", "", "wk")
        ));
        let server = place.serve();
        let mut is_not = is.clone();
        *is_not.pointer_mut(pointer).expect("a field") = other;
        let plan = server.post("/v1/plan", &json!({"messages": [is, is_not]})).of(200);
        let routes: Vec<_> =
            plan["messages"].as_array().expect("messages").iter().map(|one| &one["route"]).collect();
        assert_eq!(routes, ["special", "rest"], "{when}");
    }
    let place = Place::new(&format!(
        "{wk}{}{}",
        config::route("special", "app = \"default\"", "wk"),
        config::route("rest", "", "wk")
    ));
    let plan = place.serve().post("/v1/plan", &json!({"messages": [is]})).of(200);
    assert_eq!(plan["messages"][0]["route"], "special");
}
