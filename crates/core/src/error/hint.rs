//! What to do about each code, in one sentence: shown beside the causes of a batch and in the API's page, and
//! kept equal to `docs/guides/results.md` by a test. It speaks to whoever runs or calls Interline, not of it.

use super::ErrorCode;

impl ErrorCode {
    /// What to do about it, lowercase and without a full stop.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::InvalidMessage => "mend the field that is named",
            Self::TooLarge => "make the message smaller, or send it in parts",
            Self::Unsupported => "send what this vendor can express, or route such messages elsewhere",
            Self::NotRoutable => "add a route that takes it",
            Self::Forbidden => "give the app the scope, or the account the right at the vendor",
            Self::Unauthorized => "mend the account's credentials: nothing goes out there until then",
            Self::SenderInvalid => "send as a user who exists there, or set the provider's default_sender",
            Self::RecipientNotFound => "register the recipient at the vendor first, or map ids",
            Self::RecipientRefused => "let it be: the recipient has blocked the sender, or is no member",
            Self::Muted => "let it be: the sender may not speak there",
            Self::Moderated => "change the content: the vendor's moderation stopped it",
            Self::Duplicate => "nothing: the vendor has a message with this client id",
            Self::RateLimited => {
                "if it lasts: set limits to the contract, and find out who else uses the account"
            }
            Self::VendorUnavailable => "if it lasts: give the route a fallback",
            Self::VendorError => {
                "read the vendor's words; what is unknown, look for at the vendor before it is sent again"
            }
            Self::Timeout | Self::ConnectionLost | Self::BadVendorReply => {
                "look at the vendor whether it arrived; send it again only if twice does no harm"
            }
            Self::Expired => "give it a longer deadline, or find out what it waited for",
            Self::Cancelled => "nothing: somebody withdrew it",
            Self::Internal => "read the server's log, and report it",
        }
    }
}
