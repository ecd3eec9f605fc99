//! Who gets a message: by the time of day, by weight, by ids that differ from provider to provider; and what
//! becomes of messages that were routed before the routes changed.

use std::collections::BTreeMap;
use std::time::Duration;

use interline_tests::{Place, Server, Stage, config, eventually, refuse};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
/// Longer than any test.
const AWAY: i64 = 600_000;

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().unlimited().dialect(Vendor::WuKongIm, "published"))
}

/// `wk` and `oim`, with further lines for each.
fn two(stage: &Stage, wk: &str, oim: &str) -> String {
    let url = |vendor| stage.of(vendor).url();
    let wk = config::wukongim("wk", &url(Vendor::WuKongIm), "published", wk);
    format!("{wk}{}", config::openim("oim", &url(Vendor::OpenIm), "v3.8.3", oim))
}

fn batch(recipients: impl IntoIterator<Item = String>) -> Value {
    let messages: Vec<Value> = recipients.into_iter().map(|to| json!({ "to": to })).collect();
    json!({"from": "shop", "content": {"type": "text", "text": "hi"}, "messages": messages})
}

fn users(count: usize) -> Value {
    batch((0..count).map(|number| format!("user:u{number}")))
}

/// Everything but `[server]` and `[ledger]` anew, and in force.
#[track_caller]
fn reload(place: &Place, server: &Server, config: &str) {
    place.reconfigure(config);
    server.post("/v1/config/reload", &json!({})).of(200);
}

fn planned(server: &Server, batch: &Value) -> BTreeMap<String, String> {
    let plan = server.post("/v1/plan", batch).of(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = plan["messages"].as_array().into_iter().flatten();
    messages.map(|message| (text(&message["to"]), text(&message["provider"]))).collect()
}

/// A window of the day in UTC around now, or one that now is not in.
fn window(holds: bool) -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let hour = |after: i8| (now.hour() + after).rem_euclid(24);
    if holds {
        format!("{:02}:00-{:02}:30", hour(-1), hour(1))
    } else {
        format!("{:02}:45-{:02}:00", hour(2), hour(-2))
    }
}

#[test]
fn a_route_takes_messages_only_in_its_time() {
    let stage = stage();
    let routes = |between: &str| {
        format!(
            "{}[[routes]]\nname = \"timed\"\nwhen = {{ between = {between} }}\nprovider = \"wk\"\n{}",
            two(&stage, "", ""),
            config::route("rest", "", "oim")
        )
    };
    let (on, off) = (window(true), window(false));
    let place = Place::new(&routes(&format!("\"{on}\"")));
    let server = place.serve();
    let goes_to = || planned(&server, &users(1)).into_values().next().unwrap_or_default();
    assert_eq!(goes_to(), "wk");
    for (between, provider) in [
        (format!("\"{off}\""), "oim"),
        (format!("[\"{off}\", \"{on}\"]"), "wk"),
        (format!("\"{on} +00:00\""), "wk"),
        (format!("\"{off} UTC\""), "oim"),
        ("\"2020-01-01T00:00:00Z/2100-01-01T00:00:00+08:00\"".to_owned(), "wk"),
        ("\"2020-01-01T00:00:00Z/2021-01-01T00:00:00Z\"".to_owned(), "oim"),
        ("[\"00:00-12:00 Asia/Shanghai\", \"12:00-00:00 Asia/Shanghai\"]".to_owned(), "wk"),
    ] {
        reload(&place, &server, &routes(&between));
        assert_eq!(goes_to(), provider, "{between}");
    }
    let plan = server.post("/v1/plan", &users(1)).of(200);
    reload(&place, &server, &routes(&format!("\"{off}\"")));
    assert_eq!(plan["messages"][0]["provider"], "wk");
    let why = server.post("/v1/plan", &users(1)).of(200)["messages"][0]["not_taken"][0]["why"].to_string();
    assert!(why.contains(&off), "{why}");
    place.reconfigure(&routes("\"9 to 5\""));
    let refused = server.post("/v1/config/reload", &json!({})).of(422).to_string();
    assert!(refused.contains("routes[0].when.between") && refused.contains("22:00-06:00"), "{refused}");
    // What is sent later is routed for the time when it leaves.
    let later = json!({"send_at": "2100-06-01T12:00:00Z", "messages": users(1)["messages"], "from": "shop",
        "content": {"type": "text", "text": "hi"}});
    let year = "\"2100-01-01T00:00:00Z/2101-01-01T00:00:00Z\"";
    reload(&place, &server, &routes(year));
    assert_eq!(planned(&server, &later)["user:u0"], "wk");
    assert_eq!(planned(&server, &users(1))["user:u0"], "oim");
}

#[test]
fn a_guarantee_of_a_route_holds_where_the_batch_says_nothing() {
    let stage = stage();
    let limits = "[providers.wk.limits]\ntimeout = \"500ms\"\n";
    let route = |guarantee: &str| {
        format!("{}{}guarantee = \"{guarantee}\"\n", two(&stage, limits, ""), config::route("all", "", "wk"))
    };
    let place = Place::new(&route("at_least_once"));
    let server = place.serve();
    let lose = || stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    lose();
    let sent = server.post("/v1/send", &users(1)).of(200);
    assert_eq!(sent["results"][0]["status"], "accepted", "{sent}");
    assert_eq!(sent["results"][0]["may_be_duplicate"], true, "{sent}");
    lose();
    let mut own = users(1);
    own["guarantee"] = json!("at_most_once");
    assert_eq!(server.post("/v1/send", &own).of(200)["results"][0]["status"], "unknown");
    reload(&place, &server, &route("at_most_once"));
    lose();
    assert_eq!(server.post("/v1/send", &users(1)).of(200)["results"][0]["status"], "unknown");
}

#[test]
fn other_weights_move_the_difference_and_nobody_else() {
    let stage = stage();
    let split = |wk: u32, oim: u32| {
        format!("{}[[routes]]\nname = \"all\"\nsplit = {{ wk = {wk}, oim = {oim} }}\n", two(&stage, "", ""))
    };
    let place = Place::new(&split(90, 10));
    let server = place.serve();
    let everybody = users(1_000);
    let before = planned(&server, &everybody);
    reload(&place, &server, &split(80, 20));
    let after = planned(&server, &everybody);
    let at_oim = |plan: &BTreeMap<String, String>| plan.values().filter(|one| *one == "oim").count();
    assert!((60..140).contains(&at_oim(&before)) && (150..250).contains(&at_oim(&after)));
    let back = before.iter().filter(|(to, from)| *from == "oim" && after[*to] == "wk").count();
    assert_eq!(back, 0, "nobody goes back");
}

#[test]
fn ids_of_apps_become_ids_of_the_provider_and_answers_keep_those_of_apps() {
    let stage = stage();
    let place = Place::new("");
    place.write("users.csv", b"app,vendor\nu0,42\nshop,7\nu1,43\n");
    let ids = "[providers.wk.ids]\nuser = { file = \"users.csv\" }\ngroup = \"g-{id}\"\n";
    let open = "[providers.oim.ids]\nuser = \"app_{id}\"\n";
    let all = |ids: &str| {
        format!("{}{}fallback = [\"oim\"]\n", two(&stage, ids, open), config::route("all", "", "wk"))
    };
    place.reconfigure(&all(ids));
    let server = place.serve();
    let recipients = ["user:u0", "user:stranger", "group:1"].map(str::to_owned);
    let mut some = batch(recipients);
    some["validation"] = json!("permissive");
    let sent = server.post("/v1/send", &some).of(200);
    let statuses: Vec<&str> = (0..3).filter_map(|at| sent["results"][at]["status"].as_str()).collect();
    assert_eq!(statuses, ["accepted", "rejected", "accepted"], "{sent}");
    let tos: Vec<&str> = (0..3).filter_map(|at| sent["results"][at]["to"].as_str()).collect();
    assert_eq!(tos, ["user:u0", "user:stranger", "group:1"]);
    let error = &sent["results"][1]["error"];
    assert_eq!(error["code"], "recipient_not_found", "{error}");
    let said = error["message"].as_str().unwrap_or_default();
    assert!(said.contains("users.csv") && said.contains("wk"), "{said}");
    let at_wk = || {
        let received = stage.wukongim().received();
        received.messages.iter().map(|message| message.to.clone()).collect::<Vec<_>>()
    };
    let arrived = at_wk();
    assert!(
        arrived.iter().any(|to| to.ends_with("42")) && arrived.iter().any(|to| to.ends_with("g-1")),
        "{arrived:?}"
    );

    // The stand-in knows them by other ids.
    refuse(stage.wukongim(), AWAY);
    let sent = server.post("/v1/send", &users(1)).of(200);
    assert_eq!(sent["results"][0]["provider"], "oim", "{sent}");
    let at_oim =
        stage.openim().received().messages.last().map(|message| message.to.clone()).unwrap_or_default();
    assert!(at_oim.ends_with("app_u0"), "{at_oim}");
    stage.wukongim().clear_faults();

    // A table that changes is read again, and one that does not go both ways is refused by its lines.
    place.write("users.csv", b"app,vendor\nu0,42\nshop,7\nstranger,44\n");
    eventually("the table is read again", SOON, || {
        let plan = server.post("/v1/plan", &batch(["user:stranger".to_owned()])).of(200);
        (plan["errors"].as_array().is_some_and(Vec::is_empty)).then_some(())
    });
    place.write("users.csv", b"app,vendor\nu0,42\nshop,42\n");
    let refused = server.post("/v1/config/reload", &json!({})).of(422).to_string();
    assert!(refused.contains("providers.wk.ids.user.file") && refused.contains("line 3"), "{refused}");

    let keeps =
        "[providers.wk.ids]\nuser = { file = \"users.csv\", on_missing = \"keep\" }\nroom = \"r{id}\"\n";
    place.write("users.csv", b"app,vendor\nu0,42\n");
    reload(&place, &server, &all(keeps));
    let plan =
        server.post("/v1/plan", &batch(["user:stranger", "user:42", "room:1"].map(str::to_owned))).of(200);
    let errors = plan["errors"].as_array().map_or(0, Vec::len);
    assert_eq!(errors, 1, "two ids must not become one: {plan}");
    assert!(plan["messages"][2]["why"].as_str().is_some_and(|why| why.contains("room:r1")), "{plan}");
}

/// `wk` is away, a batch waits for it, and then the routes change.
#[test]
fn what_was_routed_before_the_routes_changed_goes_where_they_lead_now() {
    let stage = stage();
    let providers = two(&stage, "", "");
    let place = Place::new(&format!("{providers}{}", config::route("all", "", "wk")));
    let server = place.serve();
    assert_eq!(server.post("/v1/send", &users(1)).of(200)["counts"]["accepted"], 1);
    refuse(stage.wukongim(), AWAY);
    let accept = |batch: &Value| {
        server.post("/v1/batches", batch).of(202)["id"].as_str().unwrap_or_default().to_owned()
    };
    // One goes as a whole, of one only some go, and one is not even scheduled to leave yet.
    let (whole, parts) = (
        accept(&users(400)),
        accept(&batch(
            (0..400).map(|one| if one % 2 == 0 { format!("user:u{one}") } else { format!("group:g{one}") }),
        )),
    );
    let direct = std::thread::spawn({
        let client = server.client().clone();
        move || client.post("/v1/send?timeout=30", &users(7)).of(200)
    });
    eventually("the direct send waits", SOON, || {
        let providers = server.get("/v1/providers").of(200);
        let waiting =
            providers["providers"].as_array()?.iter().find(|one| one["name"] == "wk")?["waiting"].as_u64();
        (waiting? >= 807).then_some(())
    });
    let groups = config::route("groups", "to = \"group\"", "wk");
    reload(&place, &server, &format!("{providers}{groups}{}", config::route("all", "", "oim")));
    assert_eq!(server.settled(&whole, SOON)["counts"]["accepted"], 400);
    let direct = direct.join().unwrap_or_default();
    assert_eq!(direct["counts"]["accepted"], 7, "{direct}");
    assert_eq!(direct["results"][0]["provider"], "oim", "{direct}");
    eventually("what goes elsewhere of the other batch", SOON, || {
        (server.batch(&parts)["counts"]["accepted"] == 200).then_some(())
    });
    stage.wukongim().clear_faults();
    assert_eq!(server.settled(&parts, SOON)["counts"]["accepted"], 400);
    assert_eq!((stage.openim().total(), stage.wukongim().total()), (607, 201));
}

#[test]
fn what_cannot_be_expressed_where_the_routes_lead_now_is_refused() {
    let stage = stage();
    let providers = two(&stage, "", "");
    let place = Place::new(&format!("{providers}{}", config::route("all", "", "wk")));
    let server = place.serve();
    assert_eq!(server.post("/v1/send", &users(1)).of(200)["counts"]["accepted"], 1);
    refuse(stage.wukongim(), AWAY);
    // OpenIM has no rooms.
    let accepted = server.post("/v1/batches", &batch((0..20).map(|one| format!("room:{one}")))).of(202);
    let id = accepted["id"].as_str().unwrap_or_default();
    reload(&place, &server, &format!("{providers}{}", config::route("all", "", "oim")));
    let settled = server.settled(id, SOON);
    assert_eq!(settled["counts"]["rejected"], 20, "{settled}");
    let first = &server.results(id)[0];
    assert_eq!(first["error"]["code"], "unsupported", "{first}");
    assert_eq!(stage.openim().total(), 0);
}

#[test]
fn what_still_waits_when_a_time_is_over_goes_where_the_routes_lead_then() {
    let stage = stage();
    let providers = two(&stage, "", "");
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let timed = format!(
        "{providers}[[routes]]\nname = \"timed\"\nwhen = {{ between = \"2020-01-01T00:00:00Z/{until}\" }}\n\
         provider = \"wk\"\n{}",
        config::route("rest", "", "oim")
    );
    let place = Place::new(&timed);
    let server = place.serve();
    assert_eq!(server.post("/v1/send", &users(1)).of(200)["counts"]["accepted"], 1);
    refuse(stage.wukongim(), AWAY);
    let id = server.post("/v1/batches", &users(300)).of(202)["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(planned(&server, &users(1))["user:u0"], "wk");
    assert_eq!(server.settled(&id, SOON)["counts"]["accepted"], 300);
    assert_eq!((stage.wukongim().total(), stage.openim().total()), (1, 300));
}
