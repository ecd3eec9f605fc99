//! What each `errCode` means on a send: the README's table as code. A code is matched only where the
//! server's sources say that nothing was sent by then; all else is unknown, because the server also
//! answers an error when the message went out and only the note about it failed.

use std::time::Duration;

use interline_core::adapter::Signal;
use interline_core::error::{ErrorCode, Failure};

use crate::dialect::{Dialect, stopped_by_header};
use crate::wire::Envelope;

/// How long to hold still after a refusal for load that names no time.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Whose reply it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// The server's form.
    pub(crate) dialect: Dialect,
    /// The quota class of the call.
    pub(crate) class: &'static str,
    /// Whether a new token can be fetched.
    pub(crate) can_login: bool,
    /// What the reply asked to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// The meaning of an envelope whose code is not 0.
pub(crate) fn meaning(envelope: &Envelope<'_>, source: Source) -> (Failure, Signal) {
    let (failure, signal) = classify(envelope, source);
    (failure.vendor(envelope.code, words(envelope)), signal)
}

/// Whether a code says that the token is no good.
pub(crate) const fn is_of_token(code: i64) -> bool {
    matches!(code, 1501..=1507)
}

/// The vendor's own words: the short name, then the detail.
pub(crate) fn words(envelope: &Envelope<'_>) -> String {
    match (&*envelope.message, &*envelope.detail) {
        (message, "") => message.to_owned(),
        ("", detail) => detail.to_owned(),
        (message, detail) => format!("{message}: {detail}"),
    }
}

fn says(envelope: &Envelope<'_>, words: &str) -> bool {
    envelope.detail.contains(words) || envelope.message.contains(words)
}

fn classify(envelope: &Envelope<'_>, source: Source) -> (Failure, Signal) {
    use ErrorCode as Code;
    let refused = |code, message: &str| (Failure::refused(code, message), Signal::None);
    match envelope.code {
        429 => rate_limited(source),
        500 => internal(envelope, source),
        1001 => arguments(envelope, source),
        1002 => refused(Code::Forbidden, "the token's user or the sender may not do this"),
        1003 => refused(Code::Duplicate, "the server knows this already"),
        1004 => refused(Code::RecipientNotFound, "no such user or group"),
        1101 => refused(Code::SenderInvalid, "no such notification account"),
        1201 => refused(Code::RecipientNotFound, "no such group"),
        1203 => refused(Code::Forbidden, "the sender is not a member of the group"),
        1204 => refused(Code::RecipientNotFound, "the group was dismissed"),
        1302 => refused(Code::RecipientRefused, "the recipient blocks the sender"),
        1303 => refused(Code::RecipientRefused, "the recipient is not a friend of the sender"),
        1402 => refused(Code::Muted, "the sender is muted in the group"),
        1403 => refused(Code::Muted, "the group is muted"),
        code if is_of_token(code) => bad_token(source),
        // The hook that runs before a send is broken; the message was not queued.
        90004 | 90007 => {
            let failure = Failure::refused(Code::VendorUnavailable, "the server's own webhook failed");
            (failure.for_now(), Signal::None)
        }
        80000 | 20001..=29999 => refused(Code::Moderated, "a webhook of the server vetoed the message"),
        1..=16 if source.dialect.may_be_old() => service(envelope, source),
        _ => (
            Failure::unknown(
                Code::VendorError,
                "the server failed, or answered with a code of no known meaning",
            ),
            Signal::None,
        ),
    }
}

/// Too many requests: nothing was looked at.
pub(crate) fn rate_limited(source: Source) -> (Failure, Signal) {
    let failure = Failure::refused(ErrorCode::RateLimited, "the server asks to slow down").for_now();
    (failure, Signal::Freeze(source.class, source.retry_after.unwrap_or(PAUSE)))
}

/// Tokens are checked before the body is read, so the call had no effect and may be made again.
fn bad_token(source: Source) -> (Failure, Signal) {
    let signal = if source.can_login { Signal::Relogin } else { Signal::None };
    (Failure::refused(ErrorCode::Unauthorized, "the administrator's token is not valid").for_now(), signal)
}

fn arguments(envelope: &Envelope<'_>, source: Source) -> (Failure, Signal) {
    if stopped_by_header(envelope) {
        return bad_token(source);
    }
    if says(envelope, "message is not sent") {
        let failure = Failure::refused(ErrorCode::RecipientRefused, "the recipient takes no messages");
        return (failure, Signal::None);
    }
    let failure = Failure::refused(ErrorCode::InvalidMessage, "the server does not take these fields");
    // Checked here by the rules of this line, so the server is of another.
    let other_line = source.dialect == Dialect::Main && says(envelope, "unsupported content type");
    (failure, if other_line { Signal::WrongDialect } else { Signal::None })
}

/// The server's own error, and its answer to content that fails validation.
fn internal(envelope: &Envelope<'_>, source: Source) -> (Failure, Signal) {
    if says(envelope, "failed on the '") || says(envelope, "error(s) decoding") {
        let failure =
            Failure::refused(ErrorCode::InvalidMessage, "the content fails the server's validation");
        return (failure, Signal::None);
    }
    // One of the calls behind the API was refused for load; which one is not told.
    let overloaded = says(envelope, "rate limit exceeded") || says(envelope, "circuit breaker");
    let failure = Failure::unknown(ErrorCode::VendorError, "the server failed on its way");
    let pause = source.retry_after.unwrap_or(PAUSE);
    (failure, if overloaded { Signal::Freeze(source.class, pause) } else { Signal::None })
}

/// A gRPC status that the old line lets through: the service behind the API.
fn service(envelope: &Envelope<'_>, source: Source) -> (Failure, Signal) {
    const TORN: [&str; 4] = ["error reading from server", "transport is closing", "connection reset", "EOF"];
    let torn = TORN.iter().any(|words| says(envelope, words));
    match envelope.code {
        8 => rate_limited(source),
        14 if !torn => {
            let failure =
                Failure::refused(ErrorCode::VendorUnavailable, "the service behind the API is down");
            (failure.for_now(), Signal::None)
        }
        _ => {
            let failure =
                Failure::unknown(ErrorCode::VendorError, "the service behind the API failed on its way");
            (failure, Signal::None)
        }
    }
}
