//! The three forms of the vendor's API, and how two of them are told apart without reaching anybody.
//!
//! One route stands on the main line only. Asking for it is not enough: the server checks the token
//! before it looks whether a path exists, so that without one every path gives the same answer. Its
//! router, though, redirects a path with one slash too many, before any check, and only where a route
//! stands: that tells the lines apart without a token.

use interline_core::adapter::{self, Reply, Request};
use interline_core::profile::{Dedupe, Profile, QuotaClass};
use interline_core::recipient::RecipientKind;
use std::time::Duration;

use crate::settings::ready_token;
use crate::wire::Envelope;

/// Quota class of `/msg/batch_send_msg`.
pub(crate) const BATCH: &str = "batch";
/// Quota class of `/msg/send_msg` and `/msg/send_business_notification`.
pub(crate) const SEND: &str = "send";

/// Recipients of one batch call by default: the server sends to them one by one before it answers.
const PER_BATCH: usize = 200;

/// A form of the vendor's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The body of the published page; only configuration can know that a server wants it.
    Published,
    /// The long-lived 3.8.3 line.
    V383,
    /// Its unreleased successor.
    Main,
}

/// The names, the one assumed while nothing is known first.
pub(crate) const NAMES: [&str; 3] = ["v3.8.3", "main", "published"];

impl Dialect {
    /// Reads a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Published, Self::V383, Self::Main].into_iter().find(|dialect| dialect.name() == name)
    }

    /// The name in configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::V383 => "v3.8.3",
            Self::Main => "main",
        }
    }

    /// Whether an old server may be behind it, whose success can mean that nothing was sent.
    pub(crate) const fn may_be_old(self) -> bool {
        match self {
            Self::Published | Self::V383 => true,
            Self::Main => false,
        }
    }

    /// What it can do.
    pub(crate) fn profile(self, everyone: bool) -> Profile {
        let class = |name, messages_per_call| QuotaClass {
            name,
            calls: None,
            messages: None,
            per_recipient: None,
            messages_per_call,
            serial: false,
        };
        Profile {
            vendor: crate::extensions::VENDOR,
            dialect: self.name(),
            recipients: match everyone {
                true => &[RecipientKind::User, RecipientKind::Group, RecipientKind::Everyone],
                false => &[RecipientKind::User, RecipientKind::Group],
            },
            contents: match self {
                Self::Published | Self::V383 => &["text", "image", "audio", "video", "file", "custom", "raw"],
                Self::Main => &[
                    "text", "markdown", "image", "audio", "video", "file", "quote", "command", "custom",
                    "raw",
                ],
            },
            classes: vec![class(SEND, 1), QuotaClass { serial: true, ..class(BATCH, PER_BATCH) }],
            accepted_means: match self {
                Self::Published => "the page promises no more than that the server took it",
                Self::V383 => "queued: Kafka acknowledged it; it is stored and delivered later",
                Self::Main => {
                    "queued: by Kafka, or in memory where the server runs as one process and loses it \
                     at exit; it is stored and delivered later"
                }
            },
            dedupe: Dedupe::Never,
            lookup: self != Self::Published,
            in_flight: 16,
            timeout: Duration::from_secs(30),
        }
    }
}

const PROBE_ID: &str = "interline-probe";

/// Empty bodies to: the route of the main line, the same with a slash too many, and a route of both
/// lines with a slash too many, which shows whether the slash tells anything here.
pub(crate) fn probes(settings: &adapter::Settings) -> Vec<Request> {
    let probe = |path: &'static str| {
        Request::post(path, "application/json", b"{}".to_vec()).header("operationID", PROBE_ID)
    };
    let mut route = probe("/msg/send_simple_msg");
    if let Some(token) = ready_token(settings) {
        route = route.secret("token", token);
    }
    vec![route, probe("/msg/send_simple_msg/"), probe("/auth/parse_token/")]
}

/// What one probe shows of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// No such route.
    Missing,
    /// A route stands here, but for the slash.
    Redirected,
    /// Stopped by a check that comes before the routes.
    Stopped,
    /// A handler was reached.
    Reached,
    /// No answer, or one that tells nothing.
    Nothing,
}

/// Tells the dialect from the replies so far.
pub(crate) fn recognise(replies: &[Option<Reply>]) -> Option<&'static str> {
    let sight = |index: usize| replies.get(index).and_then(Option::as_ref).map_or(Sight::Nothing, see);
    let dialect = match (sight(0), sight(1), sight(2)) {
        (Sight::Missing, _, _) => Dialect::V383,
        (Sight::Reached, _, _) | (_, Sight::Redirected, _) => Dialect::Main,
        // Unknown paths are answered 404 here without a token, so the first path is a known one.
        (Sight::Stopped, Sight::Missing, _) => Dialect::Main,
        (Sight::Stopped, Sight::Stopped, Sight::Redirected) => Dialect::V383,
        (Sight::Stopped, Sight::Stopped | Sight::Reached | Sight::Nothing, _)
        | (Sight::Redirected | Sight::Nothing, _, _) => return None,
    };
    Some(dialect.name())
}

fn see(reply: &Reply) -> Sight {
    match reply.status {
        404 => return Sight::Missing,
        301 | 307 | 308 => return Sight::Redirected,
        200 | 400 => {}
        _ => return Sight::Nothing,
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&reply.body) else { return Sight::Nothing };
    match envelope.code {
        1501..=1507 => Sight::Stopped,
        1001 if stopped_by_header(&envelope) => Sight::Stopped,
        // What that handler says of an empty query, or of an empty body: bodies are read by handlers
        // alone. Older servers give no reason, and so tell nothing.
        1001 if reply.status == 400 || envelope.detail.contains("missing key") => Sight::Reached,
        _ => Sight::Nothing,
    }
}

/// Whether a header was missing: checked before anything else of a request.
pub(crate) fn stopped_by_header(envelope: &Envelope<'_>) -> bool {
    [&envelope.message, &envelope.detail].iter().any(|text| text.contains("header must have"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn no_token() -> Option<Reply> {
        let body = json!({"errCode": 1001, "errMsg": "ArgsError", "errDlt": "header must have token"});
        Some(Reply { status: 200, retry_after: None, body: body.to_string().into_bytes() })
    }

    fn status(status: u16) -> Option<Reply> {
        Some(Reply { status, retry_after: None, body: b"404 page not found".to_vec() })
    }

    #[test]
    fn the_batch_alone_is_worked_off_one_after_the_other() {
        let profile = Dialect::V383.profile(false);
        let serial: Vec<_> = profile.classes.iter().filter(|class| class.serial).map(|c| c.name).collect();
        assert_eq!(serial, [BATCH]);
    }

    #[test]
    fn a_redirected_slash_is_the_main_line() {
        assert_eq!(recognise(&[no_token()]), None);
        assert_eq!(recognise(&[no_token(), status(307)]), Some("main"));
    }

    #[test]
    fn a_slash_that_is_redirected_elsewhere_only_is_the_old_line() {
        assert_eq!(recognise(&[no_token(), no_token()]), None);
        assert_eq!(recognise(&[no_token(), no_token(), status(307)]), Some("v3.8.3"));
    }

    #[test]
    fn a_proxy_that_eats_slashes_tells_nothing() {
        assert_eq!(recognise(&[no_token(), no_token(), no_token()]), None);
    }

    #[test]
    fn with_a_token_the_route_itself_tells() {
        let missing_key = json!({"errCode": 1001, "errMsg": "ArgsError", "errDlt": "missing key in query"});
        let reply = Reply { status: 200, retry_after: None, body: missing_key.to_string().into_bytes() };
        assert_eq!(recognise(&[Some(reply)]), Some("main"));
        assert_eq!(recognise(&[status(404)]), Some("v3.8.3"));
    }

    #[test]
    fn an_error_without_its_reason_tells_nothing() {
        let bare = json!({"errCode": 1001, "errMsg": "ArgsError", "errDlt": ": [1001]ArgsError"});
        let reply = Reply { status: 200, retry_after: None, body: bare.to_string().into_bytes() };
        assert_eq!(recognise(&[Some(reply.clone()), Some(reply.clone()), Some(reply)]), None);
    }

    #[test]
    fn silence_and_noise_tell_nothing() {
        assert_eq!(recognise(&[]), None);
        assert_eq!(recognise(&[None, None, None]), None);
        assert_eq!(recognise(&[status(200), status(502), status(429)]), None);
    }

    #[test]
    fn probes_carry_a_ready_token_and_nothing_else() {
        let settings = json!({"admin_token": "sesame"});
        let probes = probes(settings.as_object().unwrap());
        let tokens: Vec<_> =
            probes.iter().flat_map(|probe| &probe.headers).filter(|header| header.secret).collect();
        assert_eq!(tokens.len(), 1);
        assert!(probes.iter().all(|probe| probe.body == b"{}"));
    }
}
