//! From a slot to what came of it: an event is taken from the ledger, signed, sent, and the answer recorded.

use std::sync::Arc;
use std::time::Duration;

use interline_ledger::{Attempt, Attempted, Ended, ErrorKind, Event, Taken, Unreadable};
use tokio::time::Instant;

use super::send::{Came, Post};
use super::settings::CallbackSettings;
use super::slots::Turn;
use super::{AGAIN, body, schedule, sign};
use crate::clock;
use crate::denied::Denied;
use crate::engine::{Engine, Inner};

/// What is said of an event that is stored and cannot be read.
const UNREADABLE: &str = "not sent: what is stored of the event cannot be read";

/// An endpoint that is told something.
#[derive(Debug)]
struct To {
    endpoint: i64,
    app: String,
    url: String,
}

/// Takes as many events of an endpoint as it has slots, and has each told.
pub(super) async fn take(inner: Arc<Inner>, mut turn: Turn) {
    let (endpoint, most) = (turn.endpoint(), turn.busy().len() + turn.slots());
    let taken = inner.ledger.take_events(endpoint, clock::now_ms(), most, turn.busy().to_vec()).await;
    let Taken { app, url, events, unreadable } = match taken {
        Ok(Some(taken)) => taken,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, callback.id = endpoint, "events cannot be read now");
            return tokio::time::sleep(AGAIN).await;
        }
    };
    let pause = events.is_empty() && !unreadable.is_empty();
    for event in unreadable {
        skip(&inner, endpoint, event).await;
    }
    if pause {
        // Should that not be recorded either.
        tokio::time::sleep(AGAIN).await;
    }
    let to = Arc::new(To { endpoint, app, url });
    for event in events {
        let (slot, inner, to) = (turn.slot(event.id), Arc::clone(&inner), Arc::clone(&to));
        tokio::spawn(async move {
            // One that ends early gives its slot back, and is not begun again at once.
            if tokio::spawn(attempt(inner, to, event)).await.is_err() {
                tracing::error!(callback.id = endpoint, "an attempt to deliver a callback ended early");
                tokio::time::sleep(AGAIN).await;
            }
            drop(slot);
        });
    }
}

/// Records that an event cannot be read, as an attempt that failed: so it is said as often as it would be sent, and
/// not for ever.
async fn skip(inner: &Arc<Inner>, endpoint: i64, event: Unreadable) {
    let Unreadable { id, replays, step, error } = event;
    tracing::error!(%error, callback.id = endpoint, event = id, "{UNREADABLE}");
    let settings = Arc::clone(&Engine { inner: Arc::clone(inner) }.book().callbacks);
    let (came, now_ms) = (Came::failed("invalid", UNREADABLE), clock::now_ms());
    inner.metrics.callbacks.attempted(came.result, 0.0);
    let came_of = came_of(&settings, step, &came, now_ms);
    let done = Attempt { event: id, replays, endpoint, now_ms, answer: came.answer, came_of };
    if record(inner, done).await.given_up {
        inner.metrics.callbacks.gave_up();
    }
}

/// Makes one attempt and records what came of it.
async fn attempt(inner: Arc<Inner>, to: Arc<To>, event: Event) {
    if inner.courier.is_stopping() {
        return;
    }
    let engine = Engine { inner: Arc::clone(&inner) };
    let settings = Arc::clone(&engine.book().callbacks);
    let began = Instant::now();
    let Some(came) = tell(&engine, &settings, (&to.app, &to.url), &event).await else { return };
    inner.metrics.callbacks.attempted(came.result, began.elapsed().as_secs_f64());
    let now_ms = clock::now_ms();
    let done = Attempt {
        event: event.id,
        replays: event.replays,
        endpoint: to.endpoint,
        now_ms,
        answer: came.answer.clone(),
        came_of: came_of(&settings, event.step, &came, now_ms),
    };
    let ended = record(&inner, done).await;
    say(&to, &event, &came, ended);
    if ended.given_up {
        inner.metrics.callbacks.gave_up();
    }
}

/// What follows from an answer.
fn came_of(settings: &CallbackSettings, step: u32, came: &Came, now_ms: i64) -> Attempted {
    if came.delivered {
        return Attempted::Delivered;
    }
    let next = schedule::next(&settings.retries, step, came.retry_after, clock::chance());
    let ms = |pause: Duration| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let at = |pause: Duration| now_ms.saturating_add(ms(pause));
    Attempted::Failed {
        // What is refused for good is not given up: it waits until somebody enables the endpoint.
        retry_ms: next.retry.map(at).or_else(|| came.gone.then_some(now_ms)),
        hold_ms: (ms(next.hold.0), ms(next.hold.1)),
        wait_until_ms: next.wait.map(at),
        disable: came.gone.then(|| format!("{}: it wants nothing more", came.answer)),
        disable_after_ms: ms(settings.disable_after),
    }
}

/// Signs an event and sends it; none when it cannot be read now.
async fn tell(
    engine: &Engine,
    settings: &CallbackSettings,
    (app, url): (&str, &str),
    event: &Event,
) -> Option<Came> {
    let Some(secrets) = settings.secrets.get(app).filter(|secrets| !secrets.is_empty()) else {
        return Some(Came::failed("unsigned", "not sent: the app has no callback_secrets any more"));
    };
    let body = match engine.event_body(event).await {
        Ok(Some(body)) => body,
        // Its batch was pruned, and the event with it.
        Ok(None) => return None,
        Err(Denied::Ledger(error)) if error.kind() == ErrorKind::Corrupt => {
            tracing::error!(%error, batch.id = event.batch_id, "{UNREADABLE}");
            return Some(Came::failed("invalid", UNREADABLE));
        }
        Err(error) => {
            tracing::warn!(%error, batch.id = event.batch_id, "an event cannot be read now");
            tokio::time::sleep(AGAIN).await;
            return None;
        }
    };
    let Some(sender) = engine.inner.courier.sender(settings) else {
        return Some(Came::failed("invalid", "not sent: no connections can be prepared"));
    };
    let (id, timestamp) = (body::id(event), clock::now_ms() / 1_000);
    let signature = sign::signatures(secrets, &id, timestamp, &body);
    Some(sender.post(Post { url: url.to_owned(), id, timestamp, signature, body }).await)
}

/// Records an attempt, as soon as the ledger can. One that cannot be recorded is made again.
async fn record(inner: &Inner, done: Attempt) -> Ended {
    loop {
        match inner.ledger.end_attempt(done.clone()).await {
            Ok(ended) => return ended,
            Err(error) if error.kind() == ErrorKind::Corrupt || inner.courier.is_stopping() => {
                tracing::error!(%error, "what came of a callback cannot be recorded; it will be sent again");
                return Ended::default();
            }
            Err(error) => {
                tracing::warn!(%error, "what came of a callback cannot be recorded now");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Logs what an operator should know. Of the URL only the host is told: the rest may hold secrets.
fn say(to: &To, event: &Event, came: &Came, ended: Ended) {
    let parsed = reqwest::Url::parse(&to.url).ok();
    let host = parsed.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    let (id, app) = (format!("cb_{}", to.endpoint), &to.app);
    let (answer, kind, attempt) = (&came.answer, body::kind(event.kind), event.attempts.saturating_add(1));
    let batch = &event.batch_id;
    macro_rules! told {
        ($level:ident, $words:literal) => {
            tracing::$level!(callback.id = id, app, host, batch.id = batch, kind, attempt, answer, $words)
        };
    }
    if ended.given_up {
        told!(warn, "a callback is given up; a replay sends it again");
    }
    if ended.disabled {
        told!(warn, "a receiver of callbacks is disabled: what there is to tell waits until it is enabled");
    } else if came.delivered {
        told!(debug, "a callback was delivered");
    } else if !ended.given_up && event.attempts > 0 {
        told!(debug, "a callback failed again and will be tried again");
    } else if !ended.given_up {
        told!(info, "a callback failed and will be tried again");
    }
}
