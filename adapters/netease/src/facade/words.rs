//! What became of a message, in the vendor's terms: the table from Interline's codes to the vendor's, which
//! the README shows. Where the vendor itself refused, its own code and words are given back.

use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::facade::Told;
use interline_core::outcome::Status;

use super::form::Refused;
use crate::VENDOR_NAME;
use crate::codes::NOT_SENT;

/// The one reason for a failed room message that the vendor publishes.
pub(super) const RESEND: &str = "parameter resendFlag should be used for RESEND!";

const OK: i64 = 200;
const TOO_OFTEN: i64 = 416;
pub(super) const BUSY: i64 = 503;
/// Codes that leave open what the vendor did.
const OPEN: [i64; 7] = [408, 500, BUSY, 508, 509, 514, 999];

/// Where a message was to go: some of the vendor's codes exist for rooms alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Room,
    Direct,
}

/// What is to be said of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It was taken.
    Taken,
    /// It was not sent and never will be, for a reason that has a code.
    Refused(Refused),
    /// The same, for a reason that rooms tell in words alone.
    Failed(String),
    /// It was not sent, and may be sent later.
    Later(Refused),
    /// Nobody can tell.
    Open(Refused),
}

impl Word {
    /// The word for a message; none told is nobody's knowledge.
    pub(super) fn of(told: Option<&Told>, place: Place) -> Self {
        let Some(told) = told else {
            return Self::Open(Refused::new(500, "nothing is known of the message"));
        };
        let result = &told.result;
        let ours = result.vendor.as_deref() == Some(VENDOR_NAME);
        let failure = result.error.as_deref();
        match result.status {
            // What is stored to be sent is taken.
            Status::Accepted | Status::Queued | Status::Sending => Self::Taken,
            Status::Rejected => failure.map_or_else(nothing, |failure| refused(failure, ours, place)),
            Status::Expired | Status::Cancelled => busy("there was no time left for it"),
            Status::Unknown => failure.map_or_else(nothing, |failure| open(failure, ours)),
        }
    }

    /// The word for a whole request of which nothing was sent.
    pub(super) fn whole(failure: &Failure, place: Place) -> Refused {
        let word = match failure.fate {
            Fate::Unknown => open(failure, false),
            Fate::NotSent | Fate::Refused => refused(failure, false, place),
        };
        word.alone().unwrap_or_else(|| Refused::new(500, WHY))
    }

    /// The code and words of a message that was not sent, where it has a code.
    pub(super) const fn unsent(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) | Self::Later(refused) => Some(refused),
            Self::Taken | Self::Failed(_) | Self::Open(_) => None,
        }
    }

    /// The word as an answer for this message alone; none where it was taken.
    pub(super) fn alone(self) -> Option<Refused> {
        match self {
            Self::Taken => None,
            Self::Refused(refused) | Self::Later(refused) | Self::Open(refused) => Some(refused),
            Self::Failed(words) if words == RESEND => Some(Refused::parameter(words)),
            Self::Failed(words) => Some(Refused::new(403, words)),
        }
    }
}

const WHY: &str = "nothing is known of it";

fn nothing() -> Word {
    Word::Open(Refused::new(500, WHY))
}

/// The vendor's busy code leaves open whether it acted; the words do not.
fn busy(words: &str) -> Word {
    Word::Later(Refused::new(BUSY, format!("{NOT_SENT}{words}")))
}

/// The vendor's own code, where the vendor is who refused.
fn own_code(failure: &Failure, ours: bool) -> Option<i64> {
    // Bad credentials of Interline's own are none of the caller's.
    let told = ours && failure.code != ErrorCode::Unauthorized;
    failure.vendor_code.as_deref().filter(|_| told)?.parse().ok()
}

fn open(failure: &Failure, ours: bool) -> Word {
    let table = if failure.code == ErrorCode::Timeout { 408 } else { 500 };
    let code = own_code(failure, ours).filter(|code| OPEN.contains(code)).unwrap_or(table);
    Word::Open(Refused::new(code, failure.message.clone()))
}

fn refused(failure: &Failure, ours: bool, place: Place) -> Word {
    let words = || match (&failure.vendor_message, ours) {
        (Some(own), true) => own.clone(),
        (_, _) => failure.message.clone(),
    };
    let unsent = |code: i64, words: String| {
        let refused = Refused::new(code, words);
        if failure.retryable || code == TOO_OFTEN { Word::Later(refused) } else { Word::Refused(refused) }
    };
    match own_code(failure, ours) {
        Some(OK) if place == Place::Room => return Word::Failed(words()),
        Some(code) if code != OK && !OPEN.contains(&code) => return unsent(code, words()),
        Some(_) | None => {}
    }
    match code(failure.code, place) {
        Some(BUSY) => busy(&failure.message),
        Some(code) => unsent(code, failure.message.clone()),
        None if failure.code == ErrorCode::Duplicate => Word::Failed(RESEND.to_owned()),
        None if failure.retryable => busy(&failure.message),
        None => Word::Failed(format!("{}: {}", failure.code, failure.message)),
    }
}

/// The table. None has no code: rooms say it in words.
const fn code(code: ErrorCode, place: Place) -> Option<i64> {
    let room = matches!(place, Place::Room);
    Some(match code {
        ErrorCode::InvalidMessage | ErrorCode::Unsupported => 414,
        ErrorCode::RecipientNotFound => 404,
        ErrorCode::Unauthorized => 302,
        ErrorCode::Forbidden | ErrorCode::Moderated | ErrorCode::NotRoutable => 403,
        ErrorCode::SenderInvalid => 422,
        ErrorCode::RecipientRefused if room => 13002,
        ErrorCode::RecipientRefused => 403,
        ErrorCode::Muted if room => 13004,
        ErrorCode::Muted => 423,
        ErrorCode::Duplicate if room => return None,
        ErrorCode::Duplicate => 417,
        ErrorCode::TooLarge => 405,
        ErrorCode::RateLimited => TOO_OFTEN,
        ErrorCode::VendorError => return None,
        ErrorCode::VendorUnavailable
        | ErrorCode::Timeout
        | ErrorCode::ConnectionLost
        | ErrorCode::BadVendorReply
        | ErrorCode::Expired
        | ErrorCode::Cancelled
        | ErrorCode::Internal => BUSY,
    })
}
