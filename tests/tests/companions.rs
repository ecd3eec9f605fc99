//! Messages that share a call do not spoil it for each other.

use interline_tests::{Place, Stage, config};
use interline_twins::TwinsConfig;
use serde_json::json;

#[test]
fn a_client_id_that_stands_twice_takes_no_other_message_along() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let server = Place::new(&config::four(&stage));
    let server = server.serve();
    let text = |text: &str| json!({"type": "text", "text": text});
    let body = json!({"from": "shop", "messages": [
        {"id": "a", "to": "room:1", "client_id": "same", "content": text("one")},
        {"id": "b", "to": "room:1", "client_id": "same", "content": text("two")},
        {"id": "c", "to": "room:1", "content": text("three")},
    ]});
    let sent = server.client().post("/v1/send", &body).of(200);
    let status = |index: usize| sent["results"][index]["status"].clone();
    assert_eq!([status(0), status(2)], ["accepted", "accepted"], "{sent:#}");
    assert_eq!(sent["results"][1]["error"]["code"], "duplicate", "{sent:#}");
}
