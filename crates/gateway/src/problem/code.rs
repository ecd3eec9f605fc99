//! Every `code` that a problem may have, with its status and what it means, in one table: problems are made
//! from it, and the OpenAPI document lists it.

use http::StatusCode;

macro_rules! codes {
    ($($name:ident $status:ident $word:literal $when:literal;)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $when] $name,)*
        }

        impl Code {
            /// All of them, in the order of their statuses.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The status of the answer.
            pub(crate) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }

            /// The word that callers read.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Where it is explained, at this server.
            pub(crate) fn page(self) -> String {
                format!("/docs#ProblemCode-{}", self.as_str())
            }

            /// When it is answered.
            pub(crate) const fn when(self) -> &'static str {
                match self {
                    $(Self::$name => $when,)*
                }
            }
        }
    };
}

codes! {
    InvalidBody BAD_REQUEST "invalid_body" "the body, or a message in it, cannot be taken as it is";
    InvalidParameter BAD_REQUEST "invalid_parameter" "a query parameter or a header is wrong";
    BrokenBody BAD_REQUEST "broken_body" "the body ended in the middle";
    Unauthorized UNAUTHORIZED "unauthorized" "no key, or one that is not known";
    Forbidden FORBIDDEN "forbidden" "the app lacks a scope; without keys, the request names a foreign host";
    NotFound NOT_FOUND "not_found" "nothing of this name, or it is another app's";
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "the header Allow says what the path takes";
    IdleBody REQUEST_TIMEOUT "idle_body" "nothing of the body came for 60 seconds";
    IdempotencyMismatch CONFLICT "idempotency_mismatch" "the Idempotency-Key was used with another body";
    InProgress CONFLICT "in_progress" "the first request with this Idempotency-Key is still running";
    Conflict CONFLICT "conflict" "the state does not allow it; `detail` says why";
    TooLarge PAYLOAD_TOO_LARGE "too_large" "body, line or number of messages; nothing was stored";
    NotRoutable UNPROCESSABLE_ENTITY "not_routable" "no route takes a message";
    InvalidConfig UNPROCESSABLE_ENTITY "invalid_config" "the configuration cannot be used; the one before is still in force";
    RateLimited TOO_MANY_REQUESTS "rate_limited" "over the app's `messages_per_second`";
    Busy TOO_MANY_REQUESTS "busy" "too much waits already; nothing was stored";
    Internal INTERNAL_SERVER_ERROR "internal" "a mistake of Interline's; the log says which";
    Unavailable SERVICE_UNAVAILABLE "unavailable" "stopping, or the ledger cannot take it; nothing was stored";
}
