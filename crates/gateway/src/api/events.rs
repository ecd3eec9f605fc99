//! `GET /v1/batches/{id}/events`: the batch as it changes, as Server-Sent Events, and what all such streams
//! share. Snapshots, not changes: who comes late or loses one misses nothing. The stream ends when the batch is
//! settled, and when who follows may not see it any more.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use interline_engine::{BatchView, Denied};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::read::asked;
use super::{Gateway, Named, Shared, answer};
use crate::config::Scope;
use crate::metrics::Following;
use crate::problem::Problem;

/// At most four snapshots a second.
pub(super) const PACE: Duration = Duration::from_millis(250);

/// A sign of life when nothing changes.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
pub(super) const ALIVE: &str = ": still here\n\n";

struct Watch {
    gateway: Arc<Gateway>,
    headers: HeaderMap,
    id: String,
    shown: Option<BatchView>,
    number: u64,
    spoke: Instant,
}

/// One event.
pub(super) fn piece<T: Serialize + ?Sized>(number: u64, event: &str, value: &T) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    format!("id: {number}\nevent: {event}\ndata: {text}\n\n")
}

/// An answer of pieces, as long as there are any.
pub(super) fn stream<W, F, N>(following: Following, watch: W, next: F) -> Response
where
    W: Send + 'static,
    F: FnMut(W) -> N + Send + 'static,
    N: Future<Output = Result<Option<(String, W)>, Denied>> + Send + 'static,
{
    let kind = HeaderValue::from_static("text/event-stream");
    let mut next = next;
    let pieces = try_unfold(watch, move |watch| {
        // It lasts as long as the stream does.
        let _: &Following = &following;
        let piece = next(watch);
        async move { Ok::<_, Denied>(piece.await?.map(|(piece, watch)| (Bytes::from(piece), watch))) }
    });
    let mut response = answer(StatusCode::OK, kind, Body::from_stream(pieces));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Waits a little; true when the server is to stop.
pub(super) async fn pause(gateway: &Gateway, pace: Duration) -> bool {
    let mut closing = gateway.closing.clone();
    tokio::select! {
        () = sleep(pace) => false,
        _ = closing.wait_for(|closing| *closing) => true,
    }
}

pub(super) async fn of_batch(
    State(gateway): Shared,
    Named(id): Named,
    parts: Parts,
) -> Result<Response, Problem> {
    asked(&gateway, &parts, &id).await?;
    let headers = parts.headers;
    let watch = Watch { gateway, headers, id, shown: None, number: 0, spoke: Instant::now() };
    let following = watch.gateway.metrics.follow();
    Ok(stream(
        following,
        watch,
        |mut watch| async move { Ok(watch.next().await?.map(|piece| (piece, watch))) },
    ))
}

impl Watch {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Result<Option<String>, Denied> {
        if self.shown.as_ref().is_some_and(|batch| batch.settled_ms.is_some()) {
            return Ok(None);
        }
        if self.shown.is_some() && pause(&self.gateway, PACE).await {
            return Ok(None);
        }
        loop {
            let Ok(app) = self.gateway.authorise(&self.headers, Scope::Read) else { return Ok(None) };
            let batch = self.gateway.engine.batch(&self.id).await?;
            let Some(batch) = batch.filter(|batch| app.may_read(&batch.app)) else { return Ok(None) };
            if self.shown.as_ref() != Some(&batch) {
                self.number += 1;
                self.spoke = Instant::now();
                let text = piece(self.number, "batch", &batch);
                self.shown = Some(batch);
                return Ok(Some(text));
            }
            if self.spoke.elapsed() >= HEARTBEAT {
                self.spoke = Instant::now();
                return Ok(Some(ALIVE.to_owned()));
            }
            if pause(&self.gateway, PACE).await {
                return Ok(None);
            }
        }
    }
}
