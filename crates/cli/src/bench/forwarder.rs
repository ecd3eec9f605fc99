//! The plain forwarder that Interline is measured against: what one would write in an afternoon.
//!
//! It takes the same body as `/v1/send`, writes WuKongIM's published array, forwards it and answers
//! in the shape of `/v1/send`, so that both do the same work for their caller. No checks, no limits, no
//! retry, no ledger, no honesty about lost answers.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::child;
use crate::args::BenchForwarder;
use crate::output::Failed;

#[derive(Deserialize)]
struct Batch {
    from: String,
    content: Content,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Content {
    text: String,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    to: String,
}

#[derive(Serialize)]
struct Outgoing {
    header: Header,
    from_uid: String,
    channel_id: String,
    channel_type: u8,
    client_msg_no: String,
    payload: String,
}

#[derive(Serialize)]
struct Header {
    no_persist: u8,
    red_dot: u8,
    sync_once: u8,
}

#[derive(Deserialize)]
struct Incoming {
    message_id: i64,
    message_seq: i64,
    client_msg_no: String,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    state: &'static str,
    results: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    id: String,
    to: String,
    status: &'static str,
    provider: String,
    vendor: &'static str,
    vendor_message_id: Option<String>,
    vendor_client_id: Option<String>,
    vendor_seq: Option<String>,
    vendor_time_ms: Option<i64>,
    vendor_batch_id: Option<String>,
    vendor_data: BTreeMap<String, String>,
    losses: Vec<String>,
    may_be_duplicate: bool,
    error: Option<String>,
    attempts: Vec<Attempt>,
}

#[derive(Serialize)]
struct Attempt {
    provider: String,
    at: String,
    duration_ms: u64,
    result: &'static str,
}

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: String,
}

/// Runs until the parent ends it.
pub(crate) async fn run(args: &BenchForwarder) -> Result<ExitCode, Failed> {
    let broken = |error: &dyn std::fmt::Display| Failed::new(format!("cannot start the forwarder: {error}"));
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1024);
    let client = client.timeout(Duration::from_secs(10)).build().map_err(|error| broken(&error))?;
    let upstream = Upstream { client, url: format!("{}/message/sendbatch", args.upstream) };
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| broken(&error))?;
    child::announce(listener.local_addr().map_err(|error| broken(&error))?);
    let app = Router::new().route("/send", post(forward)).with_state(upstream);
    axum::serve(listener, app).await.map_err(|error| broken(&error))?;
    Ok(ExitCode::SUCCESS)
}

async fn forward(
    State(upstream): State<Upstream>,
    Json(batch): Json<Batch>,
) -> Result<Json<Answer>, (StatusCode, String)> {
    let payload = serde_json::json!({"type": 1, "content": batch.content.text}).to_string();
    let outgoing: Vec<Outgoing> = (batch.messages.iter())
        .map(|message| Outgoing {
            header: Header { no_persist: 0, red_dot: 1, sync_once: 0 },
            from_uid: batch.from.clone(),
            channel_id: message.to.trim_start_matches("user:").to_owned(),
            channel_type: 1,
            client_msg_no: message.id.clone(),
            payload: STANDARD.encode(&payload),
        })
        .collect();
    let (at, started) = (jiff::Timestamp::now().to_string(), Instant::now());
    let sent = upstream.client.post(&upstream.url).json(&outgoing).send().await;
    let incoming: Vec<Incoming> = match sent.and_then(reqwest::Response::error_for_status) {
        Ok(response) => response.json().await.map_err(bad_gateway)?,
        Err(error) => return Err(bad_gateway(error)),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let results = batch.messages.into_iter().zip(incoming).map(|(message, taken)| Outcome {
        id: message.id,
        to: message.to,
        status: "accepted",
        provider: "wk".to_owned(),
        vendor: "wukongim",
        vendor_message_id: Some(taken.message_id.to_string()),
        vendor_client_id: Some(taken.client_msg_no),
        vendor_seq: Some(taken.message_seq.to_string()),
        vendor_time_ms: None,
        vendor_batch_id: None,
        vendor_data: BTreeMap::new(),
        losses: Vec::new(),
        may_be_duplicate: false,
        error: None,
        attempts: vec![Attempt {
            provider: "wk".to_owned(),
            at: at.clone(),
            duration_ms,
            result: "accepted",
        }],
    });
    Ok(Json(Answer { id: at.clone(), state: "settled", results: results.collect() }))
}

fn bad_gateway(error: reqwest::Error) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.without_url().to_string())
}
