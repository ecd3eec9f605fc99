//! IMKit's quirks.

use serde_json::{Value, json};

use super::client::{Reply, post, request, twin};
use crate::{Fault, FaultKind, Twin, TwinsConfig, Vendor};

const KEY: &str = "IM-API-KEY: twin-imkit-key\r\n";

async fn batch(twin: &Twin, body: &Value) -> Reply {
    request(twin, "POST /messages/batch", KEY, &body.to_string()).await
}

fn to(paras: &Value) -> Value {
    json!({"message": "Hi $name$, $no$", "messageType": "text", "sender": "system", "paras": paras})
}

async fn imkit() -> Twin {
    twin(Vendor::ImKit, "").await
}

#[tokio::test]
async fn a_batch_is_filled_per_recipient_and_answered_with_a_task() {
    let twin = imkit().await;
    let paras = json!([{"receiver": "u1", "$name$": "Ann", "$no$": "1"}, {"room": "r9", "$name$": "all", "$no$": "$name$"}]);
    let reply = batch(&twin, &to(&paras)).await.json();
    assert_eq!((&reply["RC"], &reply["RM"], &reply["result"]["count"]), (&json!(0), &json!("OK"), &json!(2)));
    assert!(reply["result"]["batchID"].as_str().unwrap().starts_with("batch-20"));
    let received = twin.received();
    assert_eq!((&*received.messages[0].to, &*received.messages[0].text), ("user:u1", "Hi Ann, 1"));
    assert_eq!((&*received.messages[1].to, &*received.messages[1].text), ("group:r9", "Hi all, $name$"));
}

#[tokio::test]
async fn a_room_wins_over_a_receiver() {
    let twin = imkit().await;
    batch(&twin, &to(&json!([{"receiver": "u1", "room": "r1"}]))).await;
    let message = &twin.received().messages[0];
    assert_eq!((&*message.to, &*message.text), ("group:r1", "Hi $name$, $no$"));
}

#[tokio::test]
async fn a_repeat_sends_again() {
    let twin = imkit().await;
    let body = to(&json!([{"receiver": "u1"}]));
    let first = batch(&twin, &body).await.json();
    assert_ne!(batch(&twin, &body).await.json()["result"]["batchID"], first["result"]["batchID"]);
    assert_eq!(twin.total(), 2);
}

#[tokio::test]
async fn one_unknown_recipient_refuses_the_whole_call() {
    let twin = imkit().await;
    let refused = batch(&twin, &to(&json!([{"receiver": "u1"}, {"receiver": "ghost-2"}]))).await;
    assert_eq!((refused.status, &refused.json()["RC"]), (404, &json!(404)));
    assert_eq!(refused.json()["error"]["code"], "CLIENT_NOT_FOUND");
    let refused = batch(&twin, &to(&json!([{"room": "ghost-r"}]))).await;
    assert_eq!(refused.json()["error"]["code"], "ROOM_NOT_FOUND");
    assert_eq!(twin.total(), 0);
}

#[tokio::test]
async fn keys_are_taken_under_both_names_and_refused_in_two_shapes() {
    let twin = imkit().await;
    let body = to(&json!([{"receiver": "u1"}])).to_string();
    let missing = post(&twin, "/messages/batch", &body).await;
    assert_eq!((missing.status, &missing.json()["error"]), (401, &json!("MISSING_API_KEY")));
    let wrong = request(&twin, "POST /messages/batch", "IM-API-KEY: x\r\n", &body).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (401, &json!("INVALID_API_KEY")));
    let user =
        request(&twin, "POST /messages/batch", "IM-Authorization: t\r\nCLIENT_KEY: c\r\n", &body).await;
    assert_eq!((user.status, &user.json()["error"]), (403, &json!("INSUFFICIENT_PERMISSIONS")));
    let old = request(&twin, "POST /messages/batch", "API_KEY: twin-imkit-key\r\n", &body).await;
    assert_eq!(old.status, 200);
}

#[tokio::test]
async fn required_fields_and_types_are_checked() {
    let twin = imkit().await;
    let whole = to(&json!([{"receiver": "u1"}]));
    for name in ["message", "messageType", "paras"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        let refused = batch(&twin, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (400, &json!("MISSING_PARAMETER")),
            "{name}"
        );
    }
    let nobody = batch(&twin, &to(&json!([{"$name$": "x"}]))).await.json();
    assert_eq!(nobody["error"]["code"], "MISSING_PARAMETER");
    let number = batch(&twin, &to(&json!([{"receiver": "u1", "$no$": 5}]))).await.json();
    assert_eq!(number["error"]["code"], "INVALID_BODY");
    assert_eq!(batch(&twin, &json!([1])).await.json()["error"]["code"], "INVALID_BODY");
}

#[tokio::test]
async fn extra_is_filled_too() {
    let twin = imkit().await;
    let body = json!({"message": "pic", "messageType": "image", "extra": {"alt": "for $name$"},
        "paras": [{"receiver": "u1", "$name$": "Ann"}]});
    batch(&twin, &body).await;
    let shown: Value = serde_json::from_str(&twin.received().messages[0].text).unwrap();
    assert_eq!(shown["extra"]["alt"], "for Ann");
    assert_eq!((&shown["message"], &shown["messageType"]), (&json!("pic"), &json!("image")));
}

#[tokio::test]
async fn a_single_send_wants_a_sender_and_returns_the_message() {
    let twin = imkit().await;
    let body = json!({"room": "r1", "message": "hi", "messageType": "text"});
    let refused = request(&twin, "POST /messages", KEY, &body.to_string()).await;
    assert_eq!(refused.json()["error"]["code"], "MISSING_PARAMETER");
    let body = json!({"room": "r1", "message": "hi", "messageType": "text", "sender": "a"});
    let reply = request(&twin, "POST /messages", KEY, &body.to_string()).await.json();
    assert_eq!((&reply["RC"], &reply["result"]["sender"]), (&json!(0), &json!("a")));
    assert!(reply["result"]["messageTimeMS"].is_u64());
    assert_eq!(twin.received().messages[0].to, "group:r1");
}

#[tokio::test]
async fn a_partial_batch_shows_in_the_count_alone() {
    let twin = imkit().await;
    twin.set_fault(Fault::new(FaultKind::Partial));
    let reply = batch(&twin, &to(&json!([{"receiver": "a"}, {"receiver": "b"}, {"receiver": "c"}]))).await;
    assert_eq!((reply.status, &reply.json()["result"]["count"]), (200, &json!(2)));
    assert_eq!(twin.total(), 2);
}

#[tokio::test]
async fn the_call_over_a_thousand_a_minute_says_when_to_come_back() {
    let config = TwinsConfig { enforce_limits: vec![Vendor::ImKit], ..TwinsConfig::ephemeral() };
    let twin = Twin::start_with(&config, Vendor::ImKit, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let body = to(&json!([{"receiver": "u1"}]));
    let mut line = super::client::Line::open(&twin).await.unwrap();
    for _ in 0..1000 {
        line.write("POST /messages/batch", KEY, body.to_string().as_bytes()).await;
        assert_eq!(line.read().await.unwrap().status, 200);
    }
    let refused = batch(&twin, &body).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["retryAfter"], 60);
}
