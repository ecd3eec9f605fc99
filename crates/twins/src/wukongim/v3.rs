//! Sending in v3, the rewrite: no batch, a flat answer after the commit, rejections as a `reason`
//! under HTTP 200, and a repeat of the same bytes answered with the ids of the first.

use serde_json::json;

use super::draft::{Draft, is_illegal, target_kind};
use super::history::hash;
use super::{Dialect, WuKongIm, refusal};
use crate::call::{Answer, Call};
use crate::gojson::{Fields, Mismatch};

const ACCEPTED: u8 = 1;
const NOT_A_SUBSCRIBER: u8 = 3;
const IN_BLACKLIST: u8 = 4;
const NO_SUCH_CHANNEL: u8 = 5;
const SYSTEM_ERROR: u8 = 15;
const SEND_BANNED: u8 = 25;

/// `POST /message/send`.
pub(crate) fn send(server: &WuKongIm, call: &Call<'_>) -> Answer {
    let bound = Fields::parse(call.body).and_then(|fields| Draft::bind(&fields, Dialect::V3));
    let draft = match bound {
        Ok(draft) => draft,
        Err(Mismatch(why)) => return refusal(Dialect::V3, 400, &why),
    };
    if let Some(why) = unfit(&draft) {
        return refusal(Dialect::V3, 400, why);
    }
    let reason = if call.spoiled() { SYSTEM_ERROR } else { permission(&draft) };
    if reason != ACCEPTED {
        return answer(0, 0, reason);
    }
    let key = hash((
        &*draft.from_uid,
        draft.channel_type,
        &*draft.channel_id,
        &*draft.client_msg_no,
        &draft.decoded,
    ));
    let named = !draft.client_msg_no.is_empty();
    let mut history = server.history();
    if let Some((message_id, sequence)) = history.repeated(key).filter(|_| named) {
        return answer(message_id, sequence, ACCEPTED);
    }
    let message_id = history.issue();
    let mut sequence = 0;
    if draft.header.no_persist == 0 {
        sequence = history.store(draft.stored(message_id, &draft.client_msg_no, call.now_ms));
    }
    if named {
        history.remember(key, (message_id, sequence));
    }
    drop(history);
    let client_id = named.then_some(&*draft.client_msg_no);
    call.page().push_text(&target_kind(draft.channel_type), &draft.channel_id, client_id, &draft.text());
    answer(message_id, sequence, ACCEPTED)
}

fn answer(message_id: i64, message_seq: u32, reason: u8) -> Answer {
    Answer::json(200, &json!({"message_id": message_id, "message_seq": message_seq, "reason": reason}))
}

fn unfit(draft: &Draft<'_>) -> Option<&'static str> {
    if draft.from_uid.trim().is_empty() {
        return Some("from_uid is required");
    }
    if draft.decoded.is_empty() {
        return Some("payload is required");
    }
    if !draft.subscribers.is_empty() {
        return Some("subscribers cannot be combined with channel_id");
    }
    if draft.channel_id.trim().is_empty() || is_illegal(&draft.channel_id) {
        return Some("invalid channel_id");
    }
    (draft.channel_type == 0).then_some("invalid channel_type")
}

/// v3 checks the sender's rights where v2 does not; the ids that stand for each case are magic.
fn permission(draft: &Draft<'_>) -> u8 {
    let person = draft.channel_type == 1;
    let to = &*draft.channel_id;
    match () {
        () if draft.from_uid.starts_with("banned-") => SEND_BANNED,
        () if person && to.starts_with("blocked-") => IN_BLACKLIST,
        () if !person && to.starts_with("ghost-") => NO_SUCH_CHANNEL,
        () if !person && to.starts_with("closed-") => NOT_A_SUBSCRIBER,
        () => ACCEPTED,
    }
}
