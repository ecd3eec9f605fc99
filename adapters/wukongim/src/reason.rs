//! The vendor's reason codes, as v3 gives them with HTTP 200. 1 is success; 0 and numbers that are in
//! no list tell nothing of the message's fate.

use interline_core::error::{ErrorCode, Failure};

/// Nobody can tell.
pub(crate) const UNKNOWN: i64 = 0;
/// The one code that is none of failure.
pub(crate) const SUCCESS: i64 = 1;
/// The sender is not authenticated.
pub(crate) const NOT_AUTHENTICATED: i64 = 2;
/// The sender is on the recipient's denylist.
pub(crate) const IN_BLACKLIST: i64 = 4;
/// The channel does not exist.
pub(crate) const NO_SUCH_CHANNEL: i64 = 5;
/// The sender is offline.
pub(crate) const SENDER_OFFLINE: i64 = 7;
/// The payload could not be read.
pub(crate) const BAD_PAYLOAD: i64 = 9;
/// The sender may not send here.
pub(crate) const NOT_ALLOWED: i64 = 11;
/// The server has an error, which passes.
pub(crate) const SYSTEM_ERROR: i64 = 15;
/// The channel id is wrong.
pub(crate) const WRONG_CHANNEL: i64 = 16;
/// What the header says is not supported.
pub(crate) const UNSUPPORTED: i64 = 20;
/// Sent too fast.
pub(crate) const RATE_LIMIT: i64 = 22;
/// The sender is banned from sending.
pub(crate) const SEND_BANNED: i64 = 25;
/// The `client_msg_no` was used for another payload.
pub(crate) const NUMBER_USED: i64 = 28;

/// What the façade's reasons begin with, where the vendor has none that says it: the message may have
/// arrived.
pub(crate) const UNCERTAIN: &str = "发送结果未知，消息可能已送达！";
/// It was surely not sent, and may be.
pub(crate) const NOT_SENT: &str = "服务繁忙，消息未发送，请稍后重试！";
/// It was sent too fast.
pub(crate) const TOO_FAST: &str = "发送过于频繁，请稍后重试！";

enum Kind {
    Final,
    Passing,
    Untold,
}

/// The failure that a reason other than success stands for.
pub(crate) fn failure(reason: i64) -> Failure {
    use ErrorCode::{
        Duplicate, Forbidden, InvalidMessage, Muted, RateLimited, RecipientNotFound, RecipientRefused,
        SenderInvalid, Unauthorized, Unsupported, VendorError, VendorUnavailable,
    };
    use Kind::{Final, Passing, Untold};
    let (kind, code, words) = match reason {
        2 => (Final, Unauthorized, "the sender is not authenticated"),
        3 => (Final, Forbidden, "the sender is no member of the channel"),
        4 => (Final, RecipientRefused, "the sender is on the recipient's denylist"),
        5 => (Final, RecipientNotFound, "the channel does not exist"),
        6 => (Passing, VendorUnavailable, "the user is not on this node"),
        7 => (Final, SenderInvalid, "the sender is offline"),
        8 => (Final, InvalidMessage, "the message's key is wrong"),
        9 => (Final, InvalidMessage, "the payload could not be read"),
        10 => (Untold, VendorError, "the message could not be forwarded to its node"),
        11 => (Final, Forbidden, "the sender may not send here"),
        12 => (Final, Forbidden, "the sender's connection was kicked"),
        13 => (Final, RecipientRefused, "the sender is not on the channel's allowlist"),
        14 => (Passing, VendorError, "the sender's token could not be looked up"),
        15 => (Passing, VendorError, "the server has a system error"),
        16 => (Final, InvalidMessage, "the channel id is wrong"),
        17 | 18 => (Passing, VendorUnavailable, "the channel's node has changed"),
        19 => (Final, RecipientRefused, "the channel is banned"),
        20 => (Final, Unsupported, "the header is not supported"),
        21 => (Final, InvalidMessage, "the client's key is empty"),
        RATE_LIMIT => (Passing, RateLimited, "sent too fast"),
        23 => (Final, Unsupported, "the channel type is not supported"),
        24 => (Final, RecipientNotFound, "the channel was disbanded"),
        25 => (Final, Muted, "the sender is banned from sending"),
        26 => (Final, RecipientNotFound, "the channel is being deleted"),
        27 => (Final, Unsupported, "the server wants a newer protocol"),
        28 => (Final, Duplicate, "the client_msg_no was used for another payload"),
        29 => (Final, VendorError, "the channel has no sequences left"),
        _ => (Untold, VendorError, "the server gave a reason that is in no list"),
    };
    let failure = match kind {
        Final => Failure::refused(code, words),
        Passing => Failure::refused(code, words).for_now(),
        Untold => Failure::unknown(code, words),
    };
    failure.vendor(reason, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::error::Fate;

    #[test]
    fn listed_reasons_are_refusals_and_others_tell_nothing() {
        for reason in 2..=29 {
            let fate = failure(reason).fate;
            assert_eq!(fate, if reason == 10 { Fate::Unknown } else { Fate::Refused }, "{reason}");
        }
        for reason in [i64::MIN, -1, 0, 30, 255] {
            assert_eq!(failure(reason).fate, Fate::Unknown, "{reason}");
        }
    }

    #[test]
    fn only_passing_reasons_are_tried_again() {
        let again: Vec<i64> = (0..40).filter(|reason| failure(*reason).retryable).collect();
        assert_eq!(again, [6, 14, 15, 17, 18, 22]);
    }
}
