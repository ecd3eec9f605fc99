//! The control endpoints.

use super::client::{get, post, twin};
use crate::{Received, Twins, TwinsConfig, Vendor};

const MESSAGE: &str = r#"{"from_uid":"a","channel_id":"b","channel_type":1,"client_msg_no":"n1",
    "payload":"eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ=="}"#;

#[tokio::test]
async fn received_shows_what_arrived_and_reset_forgets_it() {
    let twin = twin(Vendor::WuKongIm, "").await;
    post(&twin, "/message/send", MESSAGE).await;
    let received: Received = serde_json::from_slice(&get(&twin, "/_twin/received").await.body).unwrap();
    assert_eq!((received.total, received.calls), (1, 1));
    let message = &received.messages[0];
    assert_eq!((&*message.to, message.client_id.as_deref(), &*message.text), ("user:b", Some("n1"), "hi"));
    assert_eq!(message.call, 1);
    let summary = get(&twin, "/_twin/received?summary=1").await.json();
    assert_eq!(summary, serde_json::json!({"total": 1, "calls": 1, "open": 0}));
    post(&twin, "/_twin/reset", "").await;
    assert_eq!(twin.received(), Received::default());
}

#[tokio::test]
async fn a_dialect_is_switched_while_running() {
    let twin = twin(Vendor::WuKongIm, "").await;
    assert_eq!(get(&twin, "/readyz").await.status, 404);
    assert_eq!(post(&twin, "/_twin/dialect", r#"{"dialect":"v3"}"#).await.status, 200);
    assert_eq!(get(&twin, "/readyz").await.status, 200);
    let refused = post(&twin, "/_twin/dialect", r#"{"dialect":"v9"}"#).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("v2, published, v1, v3"), "{}", refused.text());
}

#[tokio::test]
async fn a_misspelt_fault_is_refused_by_name() {
    let twin = twin(Vendor::ImKit, "").await;
    let refused = post(&twin, "/_twin/faults", r#"{"kind":"hang","cuont":1}"#).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("cuont"), "{}", refused.text());
    let armed = post(&twin, "/_twin/faults", r#"[{"kind":"hang"},{"kind":"slow","value":5}]"#).await;
    assert_eq!(armed.json(), serde_json::json!({"armed": 2}));
}

#[tokio::test]
async fn a_probe_is_answered_and_is_no_call() {
    let twin = twin(Vendor::WuKongIm, "published").await;
    assert_eq!(post(&twin, "/message/sendbatch", "[]").await.text(), "[]");
    assert_eq!(twin.calls(), 0);
}

#[tokio::test]
async fn four_twins_start_and_stop_together() {
    let twins = Twins::start(TwinsConfig::ephemeral()).await.unwrap();
    for twin in twins.all() {
        assert_eq!(get(twin, "/_twin/received?summary=1").await.status, 200);
    }
    assert!(twins.netease().url().ends_with("/nimserver"));
    let addr = twins.wukongim().addr();
    twins.shutdown().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn an_unknown_dialect_does_not_start() {
    let config = TwinsConfig::ephemeral().dialect(Vendor::OpenIm, "v9");
    let error = Twins::start(config).await.unwrap_err();
    assert!(error.to_string().contains("v3.8.3, published, main"), "{error}");
}
