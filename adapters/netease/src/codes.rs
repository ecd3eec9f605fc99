//! The vendor's body codes: what each says of the messages of a call and of what the engine should do.
//! HTTP is 200 for all of them. A code that is not listed here leaves the messages unknown.

use interline_core::adapter::{Call, Signal};
use interline_core::error::{ErrorCode, Failure};

use crate::VENDOR_NAME;
use crate::extensions::Extensions;
use crate::route::{ROOM, USER_BATCH, class_named, penalty};

/// How the words begin of an Interline that stands in the vendor's place and did not send. The vendor's own
/// code for that leaves open whether it acted.
pub(crate) const NOT_SENT: &str = "not sent: ";

/// What a code other than 200 means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The same for every message of the call.
    Failed(Failure, Signal),
    /// The vendor has seen the request, or a message of it, before.
    Repeated,
}

fn failed(failure: Failure) -> Meaning {
    Meaning::Failed(failure, Signal::None)
}

fn refused(code: ErrorCode, message: &str) -> Meaning {
    failed(Failure::refused(code, message))
}

fn unknown(code: ErrorCode, message: &str) -> Meaning {
    failed(Failure::unknown(code, message))
}

/// Reads a code.
pub(crate) fn meaning(code: i64, desc: &str, call: &Call) -> Meaning {
    match code {
        301 => refused(ErrorCode::Forbidden, "the account is banned"),
        302 => refused(ErrorCode::Unauthorized, "the credentials are wrong"),
        315 => refused(ErrorCode::Forbidden, "this address may not call the vendor"),
        403 => forbidden(desc, call),
        404 => refused(ErrorCode::RecipientNotFound, "the vendor does not know the recipient or the sender"),
        405 => parameter(ErrorCode::TooLarge, "a parameter is too long", desc, call),
        414 if is_signature(desc) => Meaning::Failed(
            Failure::refused(ErrorCode::Unauthorized, "the signature was refused").for_now(),
            Signal::Resign,
        ),
        414 => parameter(ErrorCode::InvalidMessage, "a parameter is wrong", desc, call),
        416 => {
            let class = class_named(call.class);
            let failure = Failure::refused(ErrorCode::RateLimited, "the call rate was exceeded").for_now();
            Meaning::Failed(failure, Signal::Freeze(class, penalty(class)))
        }
        417 | 431 => Meaning::Repeated,
        406 => refused(ErrorCode::Forbidden, "the object is read-only"),
        419 => refused(ErrorCode::VendorError, "a quantity exceeds what the vendor allows"),
        422 => refused(ErrorCode::SenderInvalid, "the sender's account is disabled"),
        423 => refused(ErrorCode::Muted, "the sender is muted"),
        // The vendor may have acted before it gave up: none of these is a no.
        408 => unknown(ErrorCode::Timeout, "the vendor timed out"),
        500 | 508 | 509 => unknown(ErrorCode::VendorError, "the vendor failed"),
        503 if desc.starts_with(NOT_SENT) => failed(unsent()),
        503 | 514 => unknown(ErrorCode::VendorUnavailable, "the vendor was busy or not available"),
        // Unpacking fails before, packing after the vendor acted.
        998 => refused(ErrorCode::VendorError, "the vendor could not unpack the request"),
        999 => unknown(ErrorCode::VendorError, "the vendor could not pack its answer"),
        801..=815 => team(code),
        13001 => failed(
            Failure::refused(ErrorCode::VendorUnavailable, "the room's connection is abnormal").for_now(),
        ),
        13002 => refused(ErrorCode::RecipientRefused, "the room's state is abnormal"),
        13003 => refused(ErrorCode::Forbidden, "the sender is on the room's blocklist"),
        13004 => refused(ErrorCode::Muted, "the sender is muted in the room"),
        13005 => refused(ErrorCode::Moderated, "the sender's profile did not pass moderation"),
        13009 => refused(ErrorCode::VendorError, "the vendor refused: closing rooms on schedule is off"),
        _ => unknown(ErrorCode::VendorError, "the vendor answered a code that is not known"),
    }
}

/// The failure behind [`NOT_SENT`].
pub(crate) fn unsent() -> Failure {
    Failure::not_sent(ErrorCode::VendorUnavailable, "the vendor was busy and did not send the message")
}

fn team(code: i64) -> Meaning {
    match code {
        802 => refused(ErrorCode::Forbidden, "the sender has no right in the team"),
        803 => refused(ErrorCode::RecipientNotFound, "the team does not exist"),
        804 => refused(ErrorCode::Forbidden, "the sender is not in the team"),
        811 => refused(ErrorCode::InvalidMessage, "too many members are mentioned"),
        812 => refused(ErrorCode::Muted, "the team is muted"),
        _ => refused(ErrorCode::RecipientRefused, "the team refused the message"),
    }
}

/// A bad signature has the code of a bad parameter and is told by its words alone.
fn is_signature(desc: &str) -> bool {
    let desc = desc.to_ascii_lowercase();
    ["http header", "checksum", "curtime"].iter().any(|word| desc.contains(word))
}

/// One message may have spoilt the call. In a user batch only a bad account can: the content is shared.
fn parameter(code: ErrorCode, message: &str, desc: &str, call: &Call) -> Meaning {
    let spoilt = match call.class {
        ROOM => true,
        USER_BATCH => desc.to_ascii_lowercase().contains("accid"),
        _ => false,
    };
    let signal = if spoilt && call.messages.len() > 1 { Signal::Bisect } else { Signal::None };
    Meaning::Failed(Failure::refused(code, message), signal)
}

fn forbidden(desc: &str, call: &Call) -> Meaning {
    let failure = Failure::refused(ErrorCode::Forbidden, "the vendor does not allow it");
    if desc.to_ascii_lowercase().contains("app is forbidden") || call.class != ROOM {
        return failed(failure);
    }
    if asks_for_403(call) {
        // Which of the two it was is not said; a quota passes, and trying again is bounded.
        let message = "the room's high-priority quota is used up, or the vendor does not allow it";
        return failed(Failure::refused(ErrorCode::RateLimited, message).for_now());
    }
    // Moderation of one message may have refused all of them.
    let signal = if call.messages.len() > 1 { Signal::Bisect } else { Signal::None };
    Meaning::Failed(failure, signal)
}

/// Whether the call asked for 403 instead of a downgrade when the high-priority quota is used up.
fn asks_for_403(call: &Call) -> bool {
    call.messages.first().is_some_and(|first| {
        let flags = Extensions::checked(first.message.extension(VENDOR_NAME)).flags;
        flags.high_priority == Some(true) && flags.forbid_surplus == Some(1)
    })
}
