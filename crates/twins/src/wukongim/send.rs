//! Sending up to v2: the single send, the fan-out that the server calls a batch, and the array of
//! different messages that only the published page knows.
//!
//! v2 answers before anything is checked beyond the request itself, so a 200 promises little.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::draft::{self, Draft, is_illegal, payload_text, target_kind};
use super::history::Stored;
use super::{Dialect, SYSTEM_UID, WuKongIm, refusal};
use crate::call::{Answer, Call, TEXT};
use crate::gojson::{Fields, Mismatch, kind_of};

const ILLEGAL_CHANNEL: &str = "频道ID不合法！";
const NO_FROM: &str = "from_uid不能为空！";
const NO_PAYLOAD: &str = "payload不能为空！";
const NO_SUBSCRIBERS: &str = "subscribers不能为空！";
const CANNOT_HANDLE: &str = "无法处理发送消息请求！";
const STORE_FAILED: &str = "存储消息失败！";

#[derive(Debug, Serialize)]
struct Ids<'a> {
    message_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_seq: Option<u32>,
    client_msg_no: Cow<'a, str>,
}

/// `POST /message/send`.
pub(crate) fn send(server: &WuKongIm, call: &Call<'_>, dialect: Dialect) -> Answer {
    let bound = Fields::parse(call.body).and_then(|fields| Draft::bind(&fields, dialect));
    let mut draft = match bound {
        Ok(draft) => draft,
        Err(mismatch) => return unbound(dialect, &mismatch),
    };
    if draft.decoded.is_empty() {
        return refusal(dialect, 400, NO_PAYLOAD);
    }
    if dialect == Dialect::Published {
        if let Some(refused) = unfit_for_the_page(&draft) {
            return refused;
        }
    } else if !draft.subscribers.is_empty() && (dialect == Dialect::V2 || draft.channel_id.is_empty()) {
        return send_command(call, &draft, dialect);
    }
    if draft.channel_id.trim().is_empty() {
        return refusal(dialect, 400, CANNOT_HANDLE);
    }
    if dialect != Dialect::Published && is_illegal(&draft.channel_id) {
        return refusal(dialect, 400, ILLEGAL_CHANNEL);
    }
    if dialect == Dialect::V2 && draft.from_uid.trim().is_empty() {
        draft.from_uid = Cow::Borrowed(SYSTEM_UID);
    }
    if call.spoiled() {
        return refusal(dialect, 400, STORE_FAILED);
    }
    let ids = deliver(server, call, &draft);
    match dialect {
        Dialect::Published => Answer::json(200, &ids),
        Dialect::V2 => {
            let ids = Ids { message_seq: None, ..ids };
            Answer::json(200, &json!({"status": 200, "data": ids}))
        }
        Dialect::V1 | Dialect::V3 => Answer::json(200, &json!({"status": 200, "data": ids})),
    }
}

/// `subscribers` on a single send: commands only, hidden from conversations, answered without ids.
fn send_command(call: &Call<'_>, draft: &Draft<'_>, dialect: Dialect) -> Answer {
    if draft.header.sync_once != 1 || !draft.channel_id.is_empty() {
        return refusal(dialect, 400, CANNOT_HANDLE);
    }
    if call.spoiled() {
        return refusal(dialect, 400, STORE_FAILED);
    }
    let mut page = call.page();
    let text = page.text(&draft.text());
    for uid in &draft.subscribers {
        page.push("user:", uid, None, text);
    }
    Answer::json(200, &json!({"status": 200}))
}

/// Stores and logs one message. A channel type of 0 is stored too; only lookups refuse it.
fn deliver<'a>(server: &WuKongIm, call: &Call<'_>, draft: &'a Draft<'_>) -> Ids<'a> {
    let client_msg_no = match &*draft.client_msg_no {
        "" => Cow::Owned(server.made_client_msg_no()),
        given => Cow::Borrowed(given),
    };
    let mut history = server.history();
    let message_id = history.issue();
    let mut sequence = 0;
    if draft.header.no_persist == 0 {
        sequence = history.store(draft.stored(message_id, &client_msg_no, call.now_ms));
    }
    drop(history);
    let given = Some(&*draft.client_msg_no).filter(|given| !given.is_empty());
    let kind = target_kind(draft.channel_type);
    call.page().push_text(&kind, &draft.channel_id, given, &draft.text());
    Ids { message_id, message_seq: Some(sequence), client_msg_no }
}

/// A body that does not bind. Up to v2 the label of the answer is out before its JSON is written, and
/// stays the plain text that it was.
fn unbound(dialect: Dialect, Mismatch(why): &Mismatch) -> Answer {
    let answer = refusal(dialect, 400, why);
    match dialect {
        Dialect::V1 | Dialect::V2 => Answer::new(400, TEXT, answer.body),
        Dialect::Published | Dialect::V3 => answer,
    }
}

#[derive(Debug, Default, Serialize)]
struct Failures<'a> {
    fail_uids: Vec<&'a str>,
    reason: Vec<&'static str>,
}

/// `POST /message/sendbatch` as v1 and v2 have it: one payload to many persons.
pub(crate) fn send_batch(server: &WuKongIm, call: &Call<'_>) -> Answer {
    let bound =
        Fields::parse(call.body).and_then(|fields| Draft::bind(&without_ignored(fields), Dialect::V2));
    let draft = match bound {
        Ok(draft) => draft,
        Err(mismatch) => return unbound(Dialect::V2, &mismatch),
    };
    if draft.from_uid.trim().is_empty() {
        return refusal(Dialect::V2, 400, NO_FROM);
    }
    if draft.subscribers.is_empty() {
        return refusal(Dialect::V2, 400, NO_SUBSCRIBERS);
    }
    if draft.decoded.is_empty() {
        return refusal(Dialect::V2, 400, NO_PAYLOAD);
    }
    let from_uid: Arc<str> = Arc::from(&*draft.from_uid);
    let payload: Arc<str> = Arc::from(&*draft.payload);
    let mut failures = Failures::default();
    let mut history = server.history();
    let mut page = call.page();
    let text = page.text(&payload_text(&draft.decoded));
    for uid in &draft.subscribers {
        let refused = if is_illegal(uid) { Some(ILLEGAL_CHANNEL) } else { None };
        if let Some(reason) = refused.or_else(|| call.spoiled().then_some(STORE_FAILED)) {
            failures.fail_uids.push(uid);
            failures.reason.push(reason);
            continue;
        }
        page.push("user:", uid, None, text);
        if draft.header.no_persist == 1 {
            continue;
        }
        let message = Stored {
            channel: draft::channel(&from_uid, 1, uid, draft.header.sync_once == 1),
            channel_type: 1,
            message_id: history.issue(),
            message_seq: 0,
            // Each copy gets a random number on the real server: nobody can ask for it.
            client_msg_no: Box::default(),
            from_uid: Arc::clone(&from_uid),
            payload: Arc::clone(&payload),
            header: draft.header,
            expire: 0,
            at_ms: call.now_ms,
        };
        history.store(message);
    }
    Answer::json(200, &failures)
}

/// The batch struct has four fields; others may hold anything.
fn without_ignored(fields: Fields<'_>) -> Fields<'_> {
    fields.only(&["header", "from_uid", "subscribers", "payload"])
}

/// `POST /message/sendbatch` as the published page has it: an array of different messages.
pub(crate) fn send_array(server: &WuKongIm, call: &Call<'_>) -> Answer {
    let items: Vec<Fields<'_>> = match serde_json::from_slice(call.body) {
        Ok(items) => items,
        Err(_) => {
            let why = format!("expected an array of messages, found {}", kind_of(call.body));
            return refusal(Dialect::Published, 400, &why);
        }
    };
    let bound: Result<Vec<_>, _> =
        items.iter().map(|fields| Draft::bind(fields, Dialect::Published)).collect();
    let drafts = match bound {
        Ok(drafts) => drafts,
        Err(Mismatch(why)) => return refusal(Dialect::Published, 400, &why),
    };
    if let Some(refused) = drafts.iter().find_map(unfit_for_the_page) {
        return refused;
    }
    // The page has no form for a message that failed: a spoiled one is missing from the answer.
    let answered: Vec<_> =
        drafts.iter().filter(|_| !call.spoiled()).map(|draft| deliver(server, call, draft)).collect();
    Answer::json(200, &answered)
}

/// The page's required fields, and its 403.
fn unfit_for_the_page(draft: &Draft<'_>) -> Option<Answer> {
    let missing = [
        ("payload", draft.decoded.is_empty()),
        ("from_uid", draft.from_uid.is_empty()),
        ("channel_id", draft.channel_id.is_empty()),
        ("channel_type", draft.channel_type == 0),
    ];
    if let Some((name, _)) = missing.iter().find(|(_, missing)| *missing) {
        return Some(refusal(Dialect::Published, 400, &format!("{name} is required")));
    }
    let banned = draft.from_uid.starts_with("banned-");
    banned.then(|| refusal(Dialect::Published, 403, "no sending permission"))
}

#[cfg(test)]
mod tests {
    use super::super::history::Header;
    use super::*;

    #[test]
    fn an_absent_header_is_all_zero() {
        let fields = Fields::parse(br#"{"payload":"aGk=","from_uid":"a"}"#).unwrap();
        let draft = Draft::bind(&fields, Dialect::V2).unwrap();
        assert_eq!(draft.header, Header::default());
    }
}
