//! What the vendor would say of a message that was not accepted: the README's table as code. Only 500 says
//! that nobody can tell; every other code here is read by callers as "it was not sent".

use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::facade::{Answer, Told};
use interline_core::outcome::Status;

use super::reply::{busy, name_of, refused, refused_with};
use crate::extensions::VENDOR;

/// The answer to a request whose one message was not accepted, or none of whose messages was.
pub(super) fn of(told: &Told) -> Answer {
    let result = &told.result;
    match (result.status, &result.error) {
        (Status::Expired | Status::Cancelled, _) => busy("withdrawn before it was sent"),
        (Status::Unknown, Some(failure)) => refused(500, &failure.message),
        (_, Some(failure)) => answer(failure, result.vendor.as_deref()),
        (_, None) => refused(500, "nothing is known of the message"),
    }
}

/// The answer that a failure is, where `vendor` is known to have caused it.
pub(super) fn answer(failure: &Failure, vendor: Option<&str>) -> Answer {
    use ErrorCode as Code;
    if failure.fate == Fate::Unknown {
        return refused(500, &failure.message);
    }
    if let Some(own) = vendor.filter(|vendor| *vendor == VENDOR).and_then(|_| verbatim(failure)) {
        return own;
    }
    let code = match failure.code {
        // Nothing was sent, and it may be another time.
        Code::RateLimited
        | Code::Expired
        | Code::Cancelled
        | Code::VendorUnavailable
        | Code::Timeout
        | Code::ConnectionLost
        | Code::BadVendorReply => return busy(&failure.message),
        Code::InvalidMessage | Code::Unsupported | Code::TooLarge | Code::NotRoutable | Code::VendorError => {
            1001
        }
        Code::Forbidden => 1002,
        Code::Duplicate => 1003,
        Code::RecipientNotFound => 1004,
        Code::SenderInvalid => 1101,
        Code::RecipientRefused => 1302,
        Code::Muted => 1402,
        Code::Moderated => 80_000,
        // A token of the delivering vendor is nothing that this caller could renew.
        Code::Unauthorized | Code::Internal => 90_004,
    };
    refused(code, &failure.message)
}

/// The vendor's own words where it delivered, for codes that mean the same to every caller.
fn verbatim(failure: &Failure) -> Option<Answer> {
    let code: i64 = failure.vendor_code.as_deref()?.parse().ok()?;
    let said = failure.vendor_message.as_deref().unwrap_or_default();
    match code {
        1001..=1004 | 1101 | 1201 | 1203 | 1204 | 1302 | 1303 | 1402 | 1403 | 90_004 | 90_007 => {
            let name = name_of(code);
            let detail = said.strip_prefix(name).map_or(said, |rest| rest.trim_start_matches(": "));
            // Headers that were missing were not the caller's.
            (!detail.contains("header must have")).then(|| refused(code, detail))
        }
        20_001..=29_999 | 80_000 => Some(refused_with(code, said, "")),
        _ => None,
    }
}
