//! The servers' answers that are no success, and the words that the facts give for them.

use interline_core::facade::Answer;
use serde_json::{Map, Value, json};

/// Sendbatch alone: there is no sender to fall back on.
pub(super) const NO_SENDER: &str = "from_uid不能为空！";
/// Sendbatch with one payload.
pub(super) const NO_SUBSCRIBERS: &str = "subscribers不能为空！";
/// Every route.
pub(super) const NO_PAYLOAD: &str = "payload不能为空！";
/// The page's array.
pub(super) const NO_CHANNEL: &str = "channel_id不能为空！";
/// Servers take such a message, and nobody ever finds it.
pub(super) const NO_CHANNEL_TYPE: &str = "channel_type不能为0";
/// The same for numbers that are no channel type.
pub(super) const WRONG_CHANNEL_TYPE: &str = "频道类型不支持！channel_type must be 1 to 12";
/// An id with a character that the server joins ids with.
pub(super) const ILLEGAL_CHANNEL: &str = "频道ID不合法！";
/// A single send without a channel, or with a channel and a list.
pub(super) const CANNOT_HANDLE: &str = "无法处理发送消息请求！";
/// No other vendor has messages that grow, and no adapter sends one.
pub(super) const NO_STREAMS: &str = "无法处理发送消息请求！is_stream is not supported";

/// `{"msg","status"}`. What may be tried again says when.
pub(super) fn refusal(status: u16, msg: &str) -> Answer {
    refusal_with(status, msg, Map::new())
}

/// The same with more beside it.
pub(super) fn refusal_with(status: u16, msg: &str, mut body: Map<String, Value>) -> Answer {
    body.insert("msg".to_owned(), json!(msg));
    body.insert("status".to_owned(), json!(status));
    let mut answer = Answer::json(status, &Value::Object(body));
    if matches!(status, 429 | 503) {
        answer.headers.push(("Retry-After", "1".to_owned()));
    }
    answer
}

/// A request that cannot be served as it is.
pub(super) fn bad_request(msg: &str) -> Answer {
    refusal(400, msg)
}
