//! `GET /v1/batches/{id}/events`: the batch as it changes, as Server-Sent Events. Snapshots, not changes:
//! who comes late or loses one misses nothing. The stream ends when the batch is settled.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use interline_engine::{BatchView, Denied};
use tokio::time::{Instant, sleep};

use super::query::Query;
use super::{Gateway, Named, Shared, answer};
use crate::config::Scope;
use crate::problem::Problem;

/// At most four snapshots a second.
const PACE: Duration = Duration::from_millis(250);

/// A sign of life when nothing changes.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct Watch {
    gateway: Arc<Gateway>,
    id: String,
    shown: Option<BatchView>,
    number: u64,
    spoke: Instant,
}

pub(super) async fn of_batch(
    State(gateway): Shared,
    Named(id): Named,
    request: Request,
) -> Result<Response, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    Query::of(request.uri().query(), &[])?;
    let batch = gateway.engine.batch(&id).await?.filter(|batch| app.may_read(&batch.app));
    if batch.is_none() {
        return Err(Problem::no_batch(&id));
    }
    let watch = Watch { gateway, id, shown: None, number: 0, spoke: Instant::now() };
    let events = try_unfold(watch, |mut watch| async move {
        let piece = watch.next().await?;
        Ok::<_, Denied>(piece.map(|piece| (Bytes::from(piece), watch)))
    });
    let kind = HeaderValue::from_static("text/event-stream");
    let mut response = answer(StatusCode::OK, kind, Body::from_stream(events));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Watch {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Result<Option<String>, Denied> {
        if self.shown.as_ref().is_some_and(|batch| batch.settled_ms.is_some()) {
            return Ok(None);
        }
        if self.shown.is_some() && self.pause().await {
            return Ok(None);
        }
        loop {
            let Some(batch) = self.gateway.engine.batch(&self.id).await? else { return Ok(None) };
            if self.shown.as_ref() != Some(&batch) {
                self.number += 1;
                self.spoke = Instant::now();
                let text = serde_json::to_string(&batch).unwrap_or_default();
                self.shown = Some(batch);
                return Ok(Some(format!("id: {}\nevent: batch\ndata: {text}\n\n", self.number)));
            }
            if self.spoke.elapsed() >= HEARTBEAT {
                self.spoke = Instant::now();
                return Ok(Some(": still here\n\n".to_owned()));
            }
            if self.pause().await {
                return Ok(None);
            }
        }
    }

    /// Waits a little; true when the server is to stop.
    async fn pause(&self) -> bool {
        let mut closing = self.gateway.closing.clone();
        tokio::select! {
            () = sleep(PACE) => false,
            _ = closing.wait_for(|closing| *closing) => true,
        }
    }
}
