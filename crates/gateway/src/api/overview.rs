//! `GET /v1/events`: everything that the caller may see, as it changes, as Server-Sent Events. `history` comes
//! first, then a `sample` every two seconds, and `overview` whenever something in it has changed.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use interline_core::record::time_text;
use interline_engine::Denied;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::events::{self, HEARTBEAT, PACE};
use super::query::Query;
use super::{Gateway, Shared};
use crate::config::Scope;
use crate::console::board::Board;
use crate::problem::Problem;

/// How many batches are told of.
const BATCHES: usize = 8;

struct Watch {
    gateway: Arc<Gateway>,
    headers: HeaderMap,
    waiting: VecDeque<String>,
    /// The last sample that was told of; none before the history.
    sample: Option<u64>,
    shown: Value,
    number: u64,
    spoke: Instant,
}

pub(super) async fn of_all(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    gateway.authorise(request.headers(), Scope::Read)?;
    Query::of(request.uri().query(), &[])?;
    let headers = request.into_parts().0.headers;
    let watch = Watch {
        gateway,
        headers,
        waiting: VecDeque::new(),
        sample: None,
        shown: Value::Null,
        number: 0,
        spoke: Instant::now(),
    };
    let following = watch.gateway.metrics.follow();
    Ok(events::stream(following, watch, |mut watch| async move {
        Ok(watch.next().await?.map(|piece| (piece, watch)))
    }))
}

impl Watch {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Result<Option<String>, Denied> {
        loop {
            if let Some(piece) = self.waiting.pop_front() {
                self.spoke = Instant::now();
                return Ok(Some(piece));
            }
            let first = self.sample.is_none();
            if !first && events::pause(&self.gateway, PACE).await {
                return Ok(None);
            }
            // Whoever may not see it any more sees no more of it.
            let Ok(app) = self.gateway.authorise(&self.headers, Scope::Read) else { return Ok(None) };
            let samples = self.gateway.board.after(self.sample.unwrap_or(0));
            self.sample = samples.last().map(|(number, _)| *number).or(self.sample).or(Some(0));
            if first {
                let samples: Vec<_> = samples.iter().map(|(_, sample)| &**sample).collect();
                self.tell("history", &json!({ "every_ms": Board::every_ms(), "samples": samples }));
            } else {
                samples.iter().for_each(|(_, sample)| self.tell("sample", sample));
            }
            let of = if app.reads_all() { None } else { Some(&*app.caller.app) };
            let batches = self.gateway.engine.batches(None, of, None, (None, BATCHES)).await?.items;
            let shown = json!({ "lanes": lanes(&self.gateway), "batches": batches });
            if shown != self.shown {
                let mut told = shown.clone();
                told["at"] = time_text(self.gateway.now_ms()).into();
                self.tell("overview", &told);
                self.shown = shown;
            }
            if self.waiting.is_empty() && self.spoke.elapsed() >= HEARTBEAT {
                self.waiting.push_back(events::ALIVE.to_owned());
            }
        }
    }

    fn tell<T: serde::Serialize + ?Sized>(&mut self, event: &str, value: &T) {
        self.number += 1;
        self.waiting.push_back(events::piece(self.number, event, value));
    }
}

/// Every lane with what it did since the start.
fn lanes(gateway: &Gateway) -> Vec<Value> {
    let (tallies, queued) = (gateway.engine.tallies(), gateway.board.queued());
    let lane = |provider: interline_engine::ProviderView| {
        let tally = tallies.get(provider.name.as_str());
        let stored = queued.iter().find(|queue| queue.provider == provider.name);
        let waiting = provider.waiting.max(stored.map_or(0, |queue| queue.messages));
        let oldest =
            stored.filter(|queue| queue.messages > 0).and_then(|queue| queue.oldest_ms).map(time_text);
        let mut lane = serde_json::to_value(&provider).unwrap_or_default();
        lane["queued"] = waiting.into();
        lane["oldest_at"] = oldest.into();
        lane["scheduled"] = stored.map_or(0, |queue| queue.scheduled).into();
        lane["outcomes"] = json!(tally.map(|tally| &tally.outcomes).cloned().unwrap_or_default());
        for class in lane.get_mut("classes").and_then(Value::as_array_mut).into_iter().flatten() {
            let of = |name: &Value| tally.and_then(|tally| tally.classes.get(name.as_str()?)).copied();
            class["sent"] = json!(of(&class["name"]).unwrap_or_default());
        }
        lane
    };
    gateway.engine.providers().into_iter().map(lane).collect()
}
