//! One vendor call from claim to verdict: token, *sending* committed, its slot awaited, signed, written,
//! read. Nothing here decides what follows; the lane does.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Adapter, Call, Reply, Seal, Signal, Verdict};
use interline_core::breaker::Departed;
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::Outcome;
use interline_ledger::{Ledger, SendingStart, boundary};
use tokio::time::Instant;

use super::Ticket;
use crate::clock;
use crate::pace::{Ending, NotYet, Permit};
use crate::provider::Provider;
use crate::trace::{self, Journey};

/// A call that is ready to go.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) waiting: Vec<Waiting<Ticket>>,
    pub(crate) call: Call,
    /// What must be committed before bytes leave, with the lane's key of each parcel.
    pub(crate) starts: Vec<(u32, SendingStart)>,
    /// Not to leave after this, Unix milliseconds: what was true when it was drawn may not be any more.
    pub(crate) leave_by_ms: i64,
    /// Its slot.
    pub(crate) permit: Permit,
    /// When it was drawn.
    pub(crate) drawn: Instant,
    /// How the breaker knows it.
    pub(crate) known: Departed,
    /// Its spans, where it is traced.
    pub(crate) journey: Option<Box<Journey>>,
}

/// A call that came back.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) class: &'static str,
    /// The provider as it was when the call was made.
    pub(crate) provider: Arc<Provider>,
    pub(crate) waiting: Vec<Waiting<Ticket>>,
    pub(crate) end: End,
    /// The ledger's rows of this call, by the lane's key of the parcel.
    pub(crate) sending: Vec<(u32, i64)>,
    pub(crate) at_ms: i64,
    pub(crate) took_ms: u32,
    /// The status of the vendor's answer.
    pub(crate) http_status: Option<u16>,
    /// Names the call in the log; empty where it never was to leave.
    pub(crate) call_id: String,
    pub(crate) drawn: Instant,
    /// How the breaker knows it.
    pub(crate) known: Departed,
    /// How much of the time since then was spent on waiting: for a token, the slot and the vendor.
    pub(crate) elsewhere: Duration,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With an outcome for each message, and a hint.
    Verdict(Verdict),
    /// The ledger could not take *sending*: nothing left, nothing counts as an attempt.
    Held(Failure),
    /// It was written down too late: nothing left, and it is to be judged again.
    Late,
    /// Some parcels are no longer this lane's: nothing left.
    Fenced(Vec<u32>),
}

impl Arrival {
    /// Of a call of which nothing left yet.
    fn begun(
        provider: &Arc<Provider>,
        class: &'static str,
        (waiting, drawn, known): (Vec<Waiting<Ticket>>, Instant, Departed),
    ) -> Self {
        Self {
            class,
            provider: Arc::clone(provider),
            waiting,
            end: End::Fenced(Vec::new()),
            sending: Vec::new(),
            at_ms: clock::now_ms(),
            took_ms: 0,
            http_status: None,
            call_id: String::new(),
            drawn,
            known,
            elsewhere: Duration::ZERO,
        }
    }
}

/// Makes the call.
pub(crate) async fn make(
    provider: Arc<Provider>,
    adapter: Arc<dyn Adapter>,
    ledger: Ledger,
    departure: Departure,
) -> Arrival {
    let Departure { waiting, call, starts, leave_by_ms, mut permit, drawn, known, journey } = departure;
    let class = call.class;
    let mut arrival = Arrival::begun(&provider, class, (waiting, drawn, known));
    let asking = Instant::now();
    let token = trace::waiting(journey.as_deref(), provider.token.get(&*adapter, &provider)).await;
    arrival.elsewhere += asking.elapsed();
    let token = match token {
        Ok(token) => token,
        Err(failure) => {
            stay(journey, "no token");
            arrival.end = End::Verdict(Verdict::all(&call, &failure));
            return arrival;
        }
    };
    if !starts.is_empty() {
        let preparing = Instant::now();
        if let Err(end) = commit(&ledger, starts, &mut arrival.sending).await {
            stay(journey, "held");
            arrival.end = end;
            return arrival;
        }
        permit.prepared(preparing.elapsed());
        journey.iter().for_each(|journey| journey.stored());
    }
    let slotting = Instant::now();
    if !slot_comes(&mut permit, leave_by_ms).await {
        stay(journey, "late");
        arrival.end = End::Late;
        return arrival;
    }
    arrival.call_id = clock::nonce();
    arrival.at_ms = clock::now_ms();
    let seal = Seal { now_ms: arrival.at_ms, nonce: &arrival.call_id, token: token.as_deref() };
    let started = Instant::now();
    arrival.elsewhere += started - slotting;
    let mut span = None;
    let verdict = match adapter.encode(&call, &seal) {
        Ok(mut request) => {
            span = journey.and_then(|journey| journey.leave(&call, &mut request.headers));
            boundary::reach("call.before_write");
            let writing = Instant::now();
            let sent = provider.transport.send(request, provider.timeout()).await;
            arrival.elsewhere += writing.elapsed();
            permit.over(clock::ticks(), ending(&sent));
            arrival.http_status = sent.as_ref().ok().map(|reply| reply.status);
            match sent {
                Ok(reply) => {
                    boundary::reach("call.after_reply");
                    adapter.decode(&call, &reply)
                }
                Err(failure) => Verdict::all(&call, &failure),
            }
        }
        Err(error) => {
            stay(journey, "cannot be written");
            not_written(&call, &error)
        }
    };
    arrival.took_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    if verdict.signal == Signal::Relogin
        && let Some(token) = &token
    {
        provider.token.drop_token(token).await;
    }
    let verdict = complete(verdict, &call);
    span.into_iter().for_each(|span| span.end(arrival.http_status, &verdict.outcomes));
    arrival.end = End::Verdict(verdict);
    arrival
}

/// What becomes of a call that cannot be written: one message that does not go with the others must not take them
/// along.
fn not_written(call: &Call, error: &impl std::fmt::Display) -> Verdict {
    let failure =
        Failure::not_sent(ErrorCode::Internal, format!("cannot write the call: {error}")).for_good();
    let signal = if call.messages.len() > 1 { Signal::Bisect } else { Signal::None };
    Verdict::all(call, &failure).signal(signal)
}

/// Ends the spans of a call that did not leave.
fn stay(journey: Option<Box<Journey>>, why: &'static str) {
    journey.into_iter().for_each(|journey| journey.stay(why));
}

/// Waits for the call's slot; false when it cannot leave in time. Whoever slept longer than that has lost
/// its leases too.
async fn slot_comes(permit: &mut Permit, leave_by_ms: i64) -> bool {
    loop {
        let left = u64::try_from(leave_by_ms - clock::now_ms()).map(Duration::from_millis);
        let Ok(left) = left else { return false };
        match permit.leave(clock::ticks()) {
            Ok(()) => return true,
            // The timer never wakes early, and later by a millisecond at most.
            Err(NotYet::Wait(wait)) if wait <= left => tokio::time::sleep(wait).await,
            Err(NotYet::Wait(_) | NotYet::Gone) => return false,
        }
    }
}

fn ending(sent: &Result<Reply, Failure>) -> Ending {
    match sent {
        Ok(_) => Ending::Answered,
        Err(failure) if failure.code == ErrorCode::Timeout => Ending::TimedOut,
        Err(_) => Ending::Lost,
    }
}

/// Every message has exactly one outcome, whatever the adapter answered.
fn complete(mut verdict: Verdict, call: &Call) -> Verdict {
    if verdict.outcomes.len() != call.messages.len() {
        let failure = Failure::unknown(ErrorCode::Internal, "the adapter did not answer for every message");
        verdict.outcomes = call.messages.iter().map(|_| Outcome::Unknown(failure.clone())).collect();
    }
    verdict
}

async fn commit(
    ledger: &Ledger,
    starts: Vec<(u32, SendingStart)>,
    sending: &mut Vec<(u32, i64)>,
) -> Result<(), End> {
    let (keys, starts): (Vec<u32>, Vec<SendingStart>) = starts.into_iter().unzip();
    let rows = ledger.begin_sending(starts).await.map_err(|error| {
        End::Held(Failure::not_sent(
            ErrorCode::Internal,
            format!("the ledger cannot take the call now: {error}"),
        ))
    })?;
    let fenced: Vec<u32> =
        keys.iter().zip(&rows).filter(|(_, row)| row.is_none()).map(|(key, _)| *key).collect();
    sending.extend(keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?))));
    if fenced.is_empty() { Ok(()) } else { Err(End::Fenced(fenced)) }
}
