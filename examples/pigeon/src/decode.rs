//! A reply becomes one outcome a message, matched by `ref`. The question behind each line: can the vendor have
//! acted on the letter? Only what surely says no is *rejected*; what nobody can tell is *unknown*.

use std::time::Duration;

use interline_core::adapter::{Call, CallMessage, Reply, Signal, Verdict};
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::{Outcome, Receipt};
use serde::Deserialize;

use crate::LETTERS;

#[derive(Deserialize)]
struct Answer {
    letters: Vec<Told>,
}

/// What the vendor says of one letter.
#[derive(Deserialize)]
struct Told {
    r#ref: String,
    id: Option<String>,
    error: Option<String>,
    #[serde(default)]
    words: String,
}

/// What it says of a call as a whole.
#[derive(Deserialize)]
struct No {
    error: String,
}

/// Reads a reply.
pub(crate) fn decode(call: &Call, reply: &Reply) -> Verdict {
    let no = serde_json::from_slice::<No>(&reply.body).ok().map(|no| no.error);
    let refused = |code, message| {
        Verdict::all(call, &Failure::refused(code, message).vendor(no.as_deref().unwrap_or_default(), ""))
    };
    match (reply.status, no.as_deref()) {
        (200..=299, _) => success(call, reply),
        (401, Some("bad_key")) => refused(ErrorCode::Unauthorized, "the vendor does not know the key"),
        (400 | 413, Some(_)) => refused(ErrorCode::InvalidMessage, "the vendor cannot take the call"),
        (429, _) => {
            let rest = reply.retry_after.unwrap_or(Duration::from_secs(1));
            let failure =
                Failure::refused(ErrorCode::RateLimited, "too many calls").for_now().vendor(429, "");
            Verdict::all(call, &failure).signal(Signal::Freeze(LETTERS, rest))
        }
        (status, _) => {
            let failure = Failure::unknown(ErrorCode::VendorError, "the vendor failed within");
            Verdict::all(call, &failure.vendor(status, ""))
        }
    }
}

fn success(call: &Call, reply: &Reply) -> Verdict {
    let Ok(answer) = serde_json::from_slice::<Answer>(&reply.body) else {
        let failure = Failure::unknown(ErrorCode::BadVendorReply, "cannot read the vendor's reply");
        return Verdict::all(call, &failure);
    };
    let outcomes = call.messages.iter().map(|of| outcome(of, &answer.letters)).collect();
    Verdict { outcomes, signal: Signal::None }
}

fn outcome(of: &CallMessage, told: &[Told]) -> Outcome {
    let Some(told) = told.iter().find(|told| *told.r#ref == *of.message.client_id) else {
        let failure = Failure::unknown(ErrorCode::BadVendorReply, "the vendor's reply leaves the letter out");
        return Outcome::failed(failure);
    };
    let code = match (&told.id, told.error.as_deref()) {
        (Some(id), None) => {
            return Outcome::Accepted(Receipt { message_id: Some(id.into()), ..Receipt::default() });
        }
        (_, Some("no_such_person")) => ErrorCode::RecipientNotFound,
        (_, Some("refuses_letters")) => ErrorCode::RecipientRefused,
        (_, Some(_) | None) => ErrorCode::VendorError,
    };
    let failure = match &told.error {
        Some(error) => Failure::refused(code, "the vendor refuses the letter").vendor(error, &*told.words),
        None => Failure::unknown(ErrorCode::BadVendorReply, "the vendor's reply has neither id nor error"),
    };
    Outcome::failed(failure)
}
