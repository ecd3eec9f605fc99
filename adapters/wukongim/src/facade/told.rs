//! What became of messages, in the vendor's words. A message is taken, or there is a [`Why`]: which status
//! says it, with which text, and which of the vendor's reason codes is nearest. What may have arrived is a
//! 500, as v3 and the page have it: neither a success nor a no.

use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::facade::{Answer, Told};
use interline_core::outcome::Status;
use serde_json::{Map, Value, json};

use super::answer::{refusal, refusal_with};
use crate::NAME;
use crate::reason::{self, NOT_SENT, TOO_FAST, UNCERTAIN};

/// Why a message is no success.
#[derive(Debug, Clone)]
pub(super) struct Why {
    /// 400 no, 429 and 503 not now, 500 nobody can tell.
    pub(super) status: u16,
    /// For people.
    pub(super) msg: String,
    /// For programs, from the vendor's list.
    reason: i64,
}

impl Why {
    /// A plain no.
    pub(super) fn refused(msg: &str) -> Self {
        Self { status: 400, msg: msg.to_owned(), reason: reason::WRONG_CHANNEL }
    }

    /// A message of which nothing was told.
    pub(super) fn nobody_knows() -> Self {
        Self { status: 500, msg: UNCERTAIN.to_owned(), reason: reason::UNKNOWN }
    }

    /// Why a failure is none accepted.
    pub(super) fn of(failure: &Failure) -> Self {
        let (status, words, reason) = match failure.fate {
            Fate::Unknown => (500, UNCERTAIN, reason::UNKNOWN),
            Fate::NotSent | Fate::Refused => row(failure),
        };
        Self { status, msg: format!("{words}({}: {})", failure.code, failure.message), reason }
    }

    fn later(failure: Option<&Failure>) -> Self {
        let detail = failure.map(|failure| format!("({}: {})", failure.code, failure.message));
        Self {
            status: 503,
            msg: format!("{NOT_SENT}{}", detail.unwrap_or_default()),
            reason: reason::SYSTEM_ERROR,
        }
    }

    const fn is_later(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    /// The whole answer to a request of one message.
    pub(super) fn answer(&self) -> Answer {
        refusal(self.status, &self.msg)
    }
}

/// The table from Interline's codes, for what surely was not accepted.
fn row(failure: &Failure) -> (u16, &'static str, i64) {
    use ErrorCode as Code;
    match failure.code {
        Code::InvalidMessage | Code::TooLarge => (400, "无法处理发送消息请求！", reason::BAD_PAYLOAD),
        Code::Unsupported => (400, "无法处理发送消息请求！", reason::UNSUPPORTED),
        Code::NotRoutable => (400, "没有可用的路由！", reason::NOT_ALLOWED),
        Code::Unauthorized => (400, "服务端凭据无效！", reason::NOT_AUTHENTICATED),
        Code::Forbidden => (400, "没有发送权限！", reason::NOT_ALLOWED),
        Code::SenderInvalid => (400, "发送者不可用！", reason::SENDER_OFFLINE),
        Code::RecipientNotFound => (400, "频道不存在！", reason::NO_SUCH_CHANNEL),
        Code::RecipientRefused => (400, "接收者拒绝接收！", reason::IN_BLACKLIST),
        Code::Muted => (400, "发送者已被禁言！", reason::SEND_BANNED),
        Code::Moderated => (400, "消息内容未通过审核！", reason::NOT_ALLOWED),
        Code::Duplicate => (400, "client_msg_no已被使用！", reason::NUMBER_USED),
        Code::RateLimited => (429, TOO_FAST, reason::RATE_LIMIT),
        Code::VendorError if !failure.retryable => (400, "服务端拒绝了消息！", reason::NOT_ALLOWED),
        Code::VendorError
        | Code::VendorUnavailable
        | Code::Timeout
        | Code::ConnectionLost
        | Code::BadVendorReply
        | Code::Expired
        | Code::Cancelled
        | Code::Internal => (503, NOT_SENT, reason::SYSTEM_ERROR),
    }
}

/// Why a message was not taken; none where it was. *Queued* is what the servers' own success means.
pub(super) fn why(told: Option<&Told>) -> Option<Why> {
    let Some(told) = told else { return Some(Why::nobody_knows()) };
    let failure = told.result.error.as_deref();
    match told.result.status {
        Status::Accepted | Status::Queued | Status::Sending => None,
        Status::Expired | Status::Cancelled => Some(Why::later(failure)),
        Status::Unknown => Some(failure.map_or_else(Why::nobody_knows, |failure| {
            Why::of(&Failure { fate: Fate::Unknown, ..failure.clone() })
        })),
        Status::Rejected => Some(failure.map_or_else(|| Why::refused("服务端拒绝了消息！"), Why::of)),
    }
}

/// The same for so many messages.
pub(super) fn whys(all: &[Told], count: usize) -> Vec<Option<Why>> {
    (0..count).map(|index| why(all.get(index))).collect()
}

/// The answer to a request whose messages were not all taken: an error as a whole. 500 where some may have
/// been, or were; 503 or 429 where none was and some may be tried again; else 400. `more` stands beside the
/// words, but for 400, which has no more than those.
pub(super) fn together(whys: &[Option<Why>], more: impl FnOnce() -> Map<String, Value>) -> Option<Answer> {
    let failed: Vec<&Why> = whys.iter().flatten().collect();
    let first = failed.first()?;
    if whys.len() == 1 {
        return Some(first.answer());
    }
    let status = if failed.len() < whys.len() || failed.iter().any(|why| why.status == 500) {
        500
    } else if failed.iter().all(|why| why.status == 429) {
        429
    } else if failed.iter().any(|why| why.is_later()) {
        503
    } else {
        400
    };
    let msg = format!("{}条消息中有{}条未成功！{}", whys.len(), failed.len(), first.msg);
    Some(if status == 400 { refusal(status, &msg) } else { refusal_with(status, &msg, more()) })
}

/// Whether no message was sent and each may be sent again; then one of them says why.
pub(super) fn all_later(whys: &[Option<Why>]) -> Option<&Why> {
    let first = whys.first()?.as_ref()?;
    let later = |why: &Option<Why>| why.as_ref().is_some_and(Why::is_later);
    whys.iter().all(later).then_some(first)
}

/// Whether no message is known to have been taken, and one may have been; then that one says why.
pub(super) fn all_lost(whys: &[Option<Why>]) -> Option<&Why> {
    let open = whys.iter().flatten().find(|why| why.status == 500)?;
    whys.iter().all(Option::is_some).then_some(open)
}

/// `fail_uids` and `reason`: always both, and as long as each other.
pub(super) fn failures(uids: &[String], whys: &[Option<Why>]) -> Map<String, Value> {
    let failed =
        uids.iter().zip(whys).filter_map(|(uid, why)| Some((uid.as_str(), why.as_ref()?.msg.as_str())));
    let (uids, reasons): (Vec<&str>, Vec<&str>) = failed.unzip();
    Map::from_iter([("fail_uids".to_owned(), json!(uids)), ("reason".to_owned(), json!(reasons))])
}

/// The ids that a caller is told.
#[derive(Debug)]
pub(super) struct Ids {
    message_id: i64,
    message_seq: Option<u64>,
    client_msg_no: String,
}

/// The vendor's own ids where it delivered, else Interline's. A number that the caller gave comes back as it
/// is; for others the message's own client id is the one that was made up.
pub(super) fn ids(told: &Told, number: Option<&str>) -> Ids {
    let result = &told.result;
    let at_home = result.vendor.as_deref() == Some(NAME);
    let own =
        |text: &Option<Box<str>>| text.as_deref().filter(|_| at_home).and_then(|text| text.parse().ok());
    let message_id = own(&result.vendor_message_id).and_then(|id: u64| i64::try_from(id).ok());
    let made_up = || match result.vendor_client_id.as_deref() {
        Some(id) if !id.is_empty() => id.to_owned(),
        Some(_) | None => format!("{:032x}0", told.own_id),
    };
    Ids {
        message_id: message_id.filter(|id| *id > 0).unwrap_or(told.own_id),
        message_seq: own(&result.vendor_seq).filter(|seq| *seq > 0),
        client_msg_no: number.map_or_else(made_up, str::to_owned),
    }
}

impl Ids {
    /// As a single send shows them: the sequence where it is known, as v1 does.
    pub(super) fn shown(&self) -> Value {
        let mut shown = json!({
            "message_id": self.message_id,
            "message_idstr": self.message_id.to_string(),
            "client_msg_no": self.client_msg_no,
        });
        if let (Some(seq), Some(members)) = (self.message_seq, shown.as_object_mut()) {
            members.insert("message_seq".to_owned(), json!(seq));
        }
        shown
    }

    /// As the page's array shows them. It promises a sequence: 0 is what messages without one have.
    pub(super) fn in_array(&self) -> Value {
        json!({
            "message_id": self.message_id,
            "message_idstr": self.message_id.to_string(),
            "message_seq": self.message_seq.unwrap_or_default(),
            "client_msg_no": self.client_msg_no,
        })
    }
}

/// A message among others that was not taken: no ids, and a reason as v3 gives one.
pub(super) fn not_taken(number: Option<&str>, why: Option<&Why>) -> Value {
    json!({
        "message_id": 0,
        "message_seq": 0,
        "client_msg_no": number.unwrap_or_default(),
        "reason": why.map_or(reason::UNKNOWN, |why| why.reason),
        "msg": why.map_or(UNCERTAIN, |why| &*why.msg),
    })
}
