//! What a batch and a message may ask for, and what comes of it: a time, a guarantee, a route, ids and content
//! of its own.

use super::*;

#[test]
fn a_batch_that_is_sent_later_waits_and_one_that_is_too_late_expires() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut later = batch_of(2);
    later["send_at"] = json!("2099-01-01T09:00:00+08:00");
    let accepted = server.post("/v1/batches", &later).of(202);
    assert_eq!(accepted["state"], "scheduled", "{accepted}");
    // What cannot be sent in time for lack of a connection expires. A server that had to ask for the dialect
    // would have a connection.
    refuse(stage.wukongim(), 60_000);
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    let server = Place::new(&format!("{provider}{}", config::route("all", "", "wk"))).serve();
    let mut late = batch_of(2);
    late["expires_at"] = json!(in_seconds(1));
    let expired = server.settled(&id_of(&server.post("/v1/batches", &late).of(202)), SECONDS);
    assert_eq!(expired["counts"]["expired"], 2, "{expired}");
    assert_eq!(stage.calls(), 0);
}

#[test]
fn what_cannot_be_expressed_is_listed_or_refused() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch =
        json!({"messages": [text("a", "room:7")], "options": {"ttl": "1h"}, "on_loss": "degrade"});
    let sent = server.post("/v1/send", &batch).of(200);
    assert_eq!(sent["results"][0]["losses"], json!(["ttl"]), "{sent}");
    batch["on_loss"] = json!("reject");
    let refused = server.post("/v1/send", &batch);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("ttl"), "{}", refused.text());
    assert_eq!(stage.total(), 1);
}

#[test]
fn at_least_once_sends_again_and_says_so() {
    let stage = stage();
    let (_place, server) = open(&stage);
    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let mut batch = batch_of(1);
    batch["guarantee"] = json!("at_least_once");
    let sent = server.post("/v1/send", &batch).of(200);
    let result = &sent["results"][0];
    assert_eq!(
        (&result["status"], &result["may_be_duplicate"]),
        (&json!("accepted"), &json!(true)),
        "{sent}"
    );
    assert_eq!((result["attempts"].as_array().map(Vec::len), stage.total()), (Some(2), 2));
}

#[test]
fn a_message_says_for_itself_what_its_batch_says_for_all() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(2);
    batch["messages"][0]["expires_at"] = json!("2020-01-01T00:00:00Z");
    let sent = server.post("/v1/send", &batch).of(200);
    let statuses: Vec<_> = (0..2).map(|place| sent["results"][place]["status"].clone()).collect();
    assert_eq!(statuses, ["expired", "accepted"], "{sent}");

    let mut lossy = json!({"messages": [text("a", "room:7"), text("b", "room:8")], "options": {"ttl": "1h"}});
    lossy["messages"][1]["on_loss"] = json!("reject");
    let refused = server.post("/v1/send", &lossy).of(400);
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1), "{refused}");
    assert!(refused["errors"][0]["path"].as_str().is_some_and(|path| path.starts_with("/messages/1")));

    stage.wukongim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let mut twice = batch_of(1);
    twice["messages"][0]["guarantee"] = json!("at_least_once");
    let sent = server.post("/v1/send", &twice).of(200);
    assert_eq!(sent["results"][0]["may_be_duplicate"], true, "{sent}");

    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    let routes = config::route("vip", "label = { tier = \"gold\" }", "wk") + &config::route("rest", "", "wk");
    let server = Place::new(&format!("{provider}{routes}")).serve();
    let mut labelled = batch_of(2);
    labelled["labels"] = json!({"tier": "none"});
    labelled["messages"][1]["labels"] = json!({"tier": "gold"});
    let plan = server.post("/v1/plan", &labelled).of(200);
    assert_eq!(
        (&plan["messages"][0]["route"], &plan["messages"][1]["route"]),
        (&json!("rest"), &json!("vip"))
    );
}

#[test]
fn a_client_id_reaches_the_vendor_as_it_was_given() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(2);
    batch["messages"][0]["client_id"] = json!("order-17");
    let sent = server.post("/v1/send", &batch).of(200);
    assert_eq!(sent["results"][0]["vendor_client_id"], "order-17");
    let received = stage.wukongim().received();
    assert_eq!(received.messages[0].client_id.as_deref(), Some("order-17"));
    let derived = received.messages[1].client_id.clone().expect("a derived id");
    assert!(derived.len() == 32 && derived.chars().all(|c| c.is_ascii_hexdigit()), "{derived}");
}

#[test]
fn a_batch_may_force_its_route() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let mut batch = batch_of(1);
    batch["route"] = json!("ne");
    let answer = server.post("/v1/send", &batch);
    assert_eq!((answer.status, answer.header("interline-provider")), (200, Some("ne")), "{}", answer.text());
    assert_eq!((stage.netease().total(), stage.wukongim().total()), (1, 0));
}
