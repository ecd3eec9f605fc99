//! Reads answers that are no success. The send routes know 400 and 401 up to v2, and 404, 408, 500 and
//! 503 beside them in v3; everything else comes from something in front of the server. Bodies are read
//! whatever their content type says: malformed JSON is answered with JSON labelled as plain text.

use std::time::Duration;

use interline_core::adapter::{Call, Reply, Signal, Verdict};
use interline_core::error::{ErrorCode, Failure};

use crate::dialect::Dialect;
use crate::reason;
use crate::wire::Complaint;

/// How long a class rests after a 429 that does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// Most letters of a body that is no JSON which a result shows.
const MOST_WORDS: usize = 200;

/// Steps of v1 that come after the message was stored: it answers with an error, and the message stays.
const AFTER_STORING: [&str; 2] = ["添加消息到通知队列失败！", "将消息放入频道内失败！"];

/// Go's complaint about an array where v1 and v2 want an object.
const NO_ARRAY: &str = "cannot unmarshal array";

/// v3 turns away every request of that time before it looks at it.
const MAINTENANCE: &str = "maintenance";

/// How long the class rests.
pub(super) fn pause(reply: &Reply) -> Duration {
    reply.retry_after.unwrap_or(PAUSE)
}

/// What the vendor said, in whichever of its shapes.
struct Words {
    complaint: Option<Complaint>,
    code: String,
    text: String,
}

impl Words {
    fn of(reply: &Reply) -> Self {
        let complaint: Option<Complaint> = serde_json::from_slice(&reply.body).ok();
        let spoken = complaint.as_ref().map(|complaint| {
            [&complaint.msg, &complaint.message, &complaint.error].into_iter().flatten().next().cloned()
        });
        let text = spoken.unwrap_or_else(|| {
            Some(String::from_utf8_lossy(&reply.body).trim().chars().take(MOST_WORDS).collect())
        });
        let own = complaint.as_ref().and_then(|complaint| complaint.status);
        Self {
            code: own.unwrap_or_else(|| reply.status.into()).to_string(),
            text: text.unwrap_or_default(),
            complaint,
        }
    }

    /// Whether it is an answer in the shape of v1 and v2.
    fn is_old(&self) -> bool {
        self.complaint.as_ref().is_some_and(|complaint| complaint.msg.is_some())
    }

    /// Whether it is an answer in the shape of v3 and of the page.
    fn is_new(&self) -> bool {
        self.complaint.as_ref().is_some_and(|complaint| complaint.msg.is_none() && complaint.error.is_some())
    }

    /// Whether it says that nothing was sent. No server of the vendor has such an answer: a façade does.
    fn is_not_sent(&self) -> bool {
        let says = |complaint: &Complaint| {
            complaint.status == Some(503)
                && complaint.msg.as_deref().is_some_and(|msg| msg.contains(reason::NOT_SENT))
        };
        self.complaint.as_ref().is_some_and(says)
    }

    fn error_is(&self, error: &str) -> bool {
        self.complaint.as_ref().is_some_and(|complaint| complaint.error.as_deref() == Some(error))
    }
}

pub(super) fn verdict(dialect: Dialect, call: &Call, reply: &Reply) -> Verdict {
    let words = Words::of(reply);
    let (failure, signal) = match reply.status {
        400 => bad_request(dialect, &words),
        401 => (Failure::refused(ErrorCode::Unauthorized, "the server wants another token"), Signal::None),
        403 => forbidden(dialect),
        404 | 405 => not_found(dialect, &words),
        408 => (Failure::unknown(ErrorCode::Timeout, "the server gave up waiting"), Signal::None),
        413 => {
            (Failure::refused(ErrorCode::TooLarge, "the call is too large for the server"), Signal::Bisect)
        }
        429 => {
            let failure = Failure::refused(ErrorCode::RateLimited, "too many calls").for_now();
            (failure, Signal::Freeze(call.class, pause(reply)))
        }
        402..=499 => (Failure::refused(ErrorCode::VendorError, "the server refused the call"), Signal::None),
        503 if words.is_not_sent() => {
            let failure = Failure::refused(ErrorCode::VendorUnavailable, "nothing was sent").for_now();
            (failure, Signal::None)
        }
        503 if dialect == Dialect::V3 => (unavailable(&words), Signal::None),
        500..=599 => {
            (Failure::unknown(ErrorCode::VendorError, "the server failed on the call"), Signal::None)
        }
        _ => (
            Failure::unknown(ErrorCode::BadVendorReply, "the answer is no HTTP answer of this vendor"),
            Signal::None,
        ),
    };
    // Only the page's array can hold one bad message among good ones.
    let alone = call.messages.len() < 2 || dialect != Dialect::Published;
    let signal = if alone && signal == Signal::Bisect { Signal::None } else { signal };
    Verdict::all(call, &failure.vendor(words.code, words.text)).signal(signal)
}

fn bad_request(dialect: Dialect, words: &Words) -> (Failure, Signal) {
    let other_dialect = || {
        let failure =
            Failure::refused(ErrorCode::VendorUnavailable, "the server speaks another dialect").for_now();
        (failure, Signal::WrongDialect)
    };
    let refused = Failure::refused(ErrorCode::InvalidMessage, "the server refused the call's content");
    match dialect {
        Dialect::Published if words.text.contains(NO_ARRAY) => other_dialect(),
        Dialect::Published => (refused, Signal::Bisect),
        Dialect::V1 | Dialect::V2 if words.is_new() => other_dialect(),
        Dialect::V3 if words.is_old() => other_dialect(),
        Dialect::V1 => (of_v1(&words.text), Signal::None),
        Dialect::V2 | Dialect::V3 => (refused, Signal::None),
    }
}

/// v1 answers 400 to everything that goes wrong, storing included.
fn of_v1(words: &str) -> Failure {
    if AFTER_STORING.contains(&words) {
        return Failure::unknown(ErrorCode::VendorError, "the server failed after it stored the message");
    }
    Failure::refused(ErrorCode::VendorError, "the server refused the message")
}

/// The page has a 403 for senders; no server has one, so elsewhere it comes from something in front.
fn forbidden(dialect: Dialect) -> (Failure, Signal) {
    match dialect {
        Dialect::Published => {
            (Failure::refused(ErrorCode::Forbidden, "the sender may not send there"), Signal::Bisect)
        }
        Dialect::V1 | Dialect::V2 | Dialect::V3 => {
            (Failure::refused(ErrorCode::Unauthorized, "the call was forbidden"), Signal::None)
        }
    }
}

/// v3 has a 404 of its own for channels; else the route is missing and nothing was sent.
fn not_found(dialect: Dialect, words: &Words) -> (Failure, Signal) {
    if words.is_new() && dialect != Dialect::Published {
        let signal = if dialect == Dialect::V3 { Signal::None } else { Signal::WrongDialect };
        return (Failure::refused(ErrorCode::RecipientNotFound, "the channel does not exist"), signal);
    }
    let failure = Failure::not_sent(ErrorCode::VendorUnavailable, "the server has no such route");
    (failure, Signal::WrongDialect)
}

/// "retry required" may stand for a leader that changed while the message waited for its quorum: it may
/// be committed. Maintenance is told before a request is looked at.
fn unavailable(words: &Words) -> Failure {
    if words.error_is(MAINTENANCE) {
        return Failure::refused(ErrorCode::VendorUnavailable, "the server is under maintenance").for_now();
    }
    Failure::unknown(ErrorCode::VendorUnavailable, "the channel's leader changed meanwhile")
}

/// The failure of one recipient of a fan-out.
pub(super) fn of_recipient(dialect: Dialect, words: Option<&str>) -> Failure {
    let mut failure = match words {
        Some(words) if words.starts_with(reason::UNCERTAIN) => {
            Failure::unknown(ErrorCode::VendorError, "nobody can tell whether the recipient got it")
        }
        Some(words) if words.starts_with(reason::NOT_SENT) => {
            Failure::refused(ErrorCode::VendorUnavailable, "the recipient was not sent to").for_now()
        }
        Some(words) if words.starts_with(reason::TOO_FAST) => {
            Failure::refused(ErrorCode::RateLimited, "the recipient was sent to too fast").for_now()
        }
        Some(words) if dialect == Dialect::V1 => of_v1(words),
        Some(_) | None => Failure::refused(ErrorCode::VendorError, "the server refused the recipient"),
    };
    failure.vendor_message = words.filter(|words| !words.is_empty()).map(str::to_owned);
    failure
}
