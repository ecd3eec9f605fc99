//! Faults, over a real socket: what a caller sees and what arrived all the same.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;

use super::client::{Line, form, get, post, request, signed, twin};
use crate::{Fault, FaultKind, Twin, Vendor};

const SEND: &str = "POST /message/send";
const MESSAGE: &str = r#"{"from_uid":"a","channel_id":"b","channel_type":1,"payload":"aGk="}"#;

async fn wukongim() -> Twin {
    twin(Vendor::WuKongIm, "").await
}

#[tokio::test]
async fn refuse_closes_the_port_and_opens_it_again() {
    let twin = wukongim().await;
    let mut idle = Line::open(&twin).await.unwrap();
    idle.write(SEND, "", MESSAGE.as_bytes()).await;
    assert_eq!(idle.read().await.unwrap().status, 200);
    twin.set_fault(Fault::new(FaultKind::Refuse).value(600_000));
    assert!(idle.read().await.is_none(), "idle connections end");
    let error = Line::open(&twin).await.err().expect("a refused connection");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    twin.reset();
    let reopened = async {
        loop {
            match Line::open(&twin).await {
                Ok(_) => break,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reopened).await.expect("the port opens again");
}

#[tokio::test]
async fn refuse_over_http_is_answered_before_the_port_closes() {
    let twin = wukongim().await;
    let armed = post(&twin, "/_twin/faults", r#"{"kind":"refuse","value":30}"#).await;
    assert_eq!(armed.json(), json!({"armed": 1}));
    let reopened = async {
        while Line::open(&twin).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reopened).await.expect("it opens by itself");
}

#[tokio::test]
async fn hang_delivers_and_never_answers() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Hang).times(1));
    let mut line = Line::open(&twin).await.unwrap();
    line.write(SEND, "", MESSAGE.as_bytes()).await;
    let mut byte = [0];
    let waited = tokio::time::timeout(Duration::from_millis(100), line.0.read(&mut byte)).await;
    assert!(waited.is_err(), "no answer and no end of the connection");
    assert_eq!(twin.total(), 1);
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 200, "once only");
}

#[tokio::test]
async fn close_after_read_answers_nothing_and_delivers_unless_told_otherwise() {
    for (fault, total) in
        [(Fault::new(FaultKind::CloseAfterRead), 1), (Fault::new(FaultKind::CloseAfterRead).undelivered(), 0)]
    {
        let twin = wukongim().await;
        twin.set_fault(fault);
        let mut line = Line::open(&twin).await.unwrap();
        line.write(SEND, "", MESSAGE.as_bytes()).await;
        let mut rest = Vec::new();
        line.0.read_to_end(&mut rest).await.ok();
        assert!(rest.is_empty());
        assert_eq!((twin.total(), twin.calls()), (total, 1));
    }
}

#[tokio::test]
async fn torn_delivers_and_writes_half_of_the_promised_body() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Torn));
    let mut line = Line::open(&twin).await.unwrap();
    line.write(SEND, "", MESSAGE.as_bytes()).await;
    let mut bytes = Vec::new();
    line.0.read_to_end(&mut bytes).await.ok();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let promised: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    assert_eq!(body.len(), promised / 2);
    assert_eq!(twin.total(), 1);
}

#[tokio::test]
async fn status_answers_in_the_vendors_shape_and_delivers_nothing() {
    let twin = wukongim().await;
    let mut fault = Fault::new(FaultKind::Status).value(429).times(1);
    fault.retry_after = Some(7);
    twin.set_fault(fault);
    let refused = request(&twin, SEND, "", MESSAGE).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["retry-after"], "7");
    assert_eq!(refused.json()["status"], 429);
    assert_eq!((twin.total(), twin.calls()), (0, 1));
}

#[tokio::test]
async fn code_travels_the_vendors_way() {
    let netease = twin(Vendor::NetEase, "").await;
    netease.set_fault(Fault::new(FaultKind::Code).value(416));
    let body = form(&[("body", "hi")]);
    let reply = request(&netease, "POST /msg/broadcastMsg.action", &signed(0), &body).await;
    assert_eq!((reply.status, &reply.json()["code"]), (200, &json!(416)));
    let wukongim = twin(Vendor::WuKongIm, "v3").await;
    wukongim.set_fault(Fault::new(FaultKind::Code).value(22));
    let reply = request(&wukongim, SEND, "", MESSAGE).await;
    assert_eq!((reply.status, &reply.json()["reason"]), (200, &json!(22)));
}

#[tokio::test]
async fn partial_fails_every_second_message() {
    let wukongim = wukongim().await;
    wukongim.set_fault(Fault::new(FaultKind::Partial));
    let batch = r#"{"from_uid":"a","subscribers":["1","2","3","4"],"payload":"aGk="}"#;
    let reply = post(&wukongim, "/message/sendbatch", batch).await.json();
    assert_eq!(reply["fail_uids"], json!(["2", "4"]));
    let netease = twin(Vendor::NetEase, "").await;
    netease.set_fault(Fault::new(FaultKind::Partial));
    let list = r#"[{"msgId":"m1","msgType":0},{"msgId":"m2","msgType":0}]"#;
    let body = form(&[("roomid", "1"), ("fromAccid", "a"), ("msgList", list)]);
    let reply = request(&netease, "POST /chatroom/batchSendMsg.action", &signed(0), &body).await.json();
    assert!(reply["fail"][0]["m2"].is_string());
    assert_eq!(netease.total(), 1);
}

#[tokio::test]
async fn single_sends_alternate_under_partial() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Partial));
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 200);
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 400);
}

#[tokio::test]
async fn control_and_lookups_are_never_hit() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Status));
    assert_eq!(get(&twin, "/_twin/received").await.status, 200);
    assert_eq!(get(&twin, "/health").await.status, 200);
    assert_eq!(post(&twin, "/message/send", "").await.status, 400, "a probe");
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 503);
}

#[tokio::test]
async fn slow_answers_late_and_delivers_at_once() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Slow).value(150));
    let mut line = Line::open(&twin).await.unwrap();
    let begun = std::time::Instant::now();
    line.write(SEND, "", MESSAGE.as_bytes()).await;
    assert_eq!(line.read().await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

/// Waits, without sleeping, until so many calls are under way.
async fn under_way(twin: &Twin, open: u64) {
    let reached = async {
        while twin.open_calls() != open {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reached).await.expect("so many calls under way");
}

#[tokio::test]
async fn a_call_is_open_until_its_caller_is_gone() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Hang));
    let mut line = Line::open(&twin).await.unwrap();
    line.write(SEND, "", MESSAGE.as_bytes()).await;
    under_way(&twin, 1).await;
    assert_eq!(get(&twin, "/_twin/received?summary=1").await.json()["open"], 1);
    drop(line);
    under_way(&twin, 0).await;
}

#[tokio::test]
async fn cleared_faults_strike_no_more_and_what_arrived_stays() {
    let twin = wukongim().await;
    twin.set_fault(Fault::new(FaultKind::Status).value(500).after(1));
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 200);
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 500);
    assert_eq!(request(&twin, "DELETE /_twin/faults", "", "").await.json(), json!({"armed": 0}));
    assert_eq!(request(&twin, SEND, "", MESSAGE).await.status, 200);
    assert_eq!(twin.total(), 2);
}
