//! Chat rooms: the batch of up to ten messages and the single send, each also for some members only.
//!
//! One room, one sender and one set of flags per request. Results are keyed by `msgId`, failures are
//! prose without a code, and `code` is 200 even when all of them failed.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::form::{Form, Refused, length};
use super::{NetEase, seen::Seen};
use crate::call::{Answer, Call};
use crate::gojson::Text;

const RESEND: &str = "parameter resendFlag should be used for RESEND!";
const MODERATED: &str = "message hit the moderation rules";
const SPOILED: &str = "message could not be delivered";

/// The fields that hold for every message of a request.
#[derive(Debug)]
struct Envelope<'a> {
    room: i64,
    room_text: &'a str,
    from: &'a str,
    /// Chance of dropping a message, in 1/10000; with it `highPriority` does not count.
    abandon_ratio: Option<i64>,
    high_priority: bool,
    forbid_surplus: bool,
}

impl<'a> Envelope<'a> {
    /// The calls for everybody in the room.
    fn read(form: &'a Form<'_>) -> Result<Self, Refused> {
        form.int("skipHistory", 0, 1)?;
        form.int("chatMsgPriority", 0, 3)?;
        form.bool("needHighPriorityMsgResend", true)?;
        form.text("notifyTargetTags", 128)?;
        let plain = Self::plain(form, form.bool("ignoreMute", false)?)?;
        let abandon_ratio = form.int("abandonRatio", 0, 9999)?;
        let high_priority = form.bool("highPriority", false)? && abandon_ratio.is_none();
        let forbid_surplus = form.int("forbiddenIfHighPriorityMsgFreq", 0, 1)? == Some(1);
        Ok(Self { abandon_ratio, high_priority, forbid_surplus, ..plain })
    }

    /// The calls for some members, which have no mute, priority, history and tag fields: like any
    /// field that a call does not have, they do nothing.
    fn directed(form: &'a Form<'_>) -> Result<Self, Refused> {
        form.accounts("toAccids", 100)?;
        Self::plain(form, false)
    }

    /// The fields that every room call has.
    fn plain(form: &'a Form<'_>, ignore_mute: bool) -> Result<Self, Refused> {
        let room_text = form.required("roomid")?;
        let room = form.int("roomid", 1, i64::MAX)?.unwrap_or_default();
        let from = form.account("fromAccid")?;
        form.int("route", 0, 1)?;
        form.int("useYidun", i64::MIN, i64::MAX)?;
        form.text("env", 32)?;
        form.json("yidunAntiCheating", 1024)?;
        form.json("yidunAntiSpamExt", 1024)?;
        form.json("antispamCustom", 5000)?;
        if form.bool("antispam", false)? {
            form.required("antispamCustom")?;
        }
        if room_text.starts_with("403") {
            return Err(Refused::new(403, "illegal operation"));
        }
        if room_text.starts_with("404") || from.starts_with("ghost-") {
            return Err(Refused::new(404, "object not found"));
        }
        if from.starts_with("muted-") && !ignore_mute {
            return Err(Refused::new(13004, "sender is muted in this room"));
        }
        Ok(Self { room, room_text, from, abandon_ratio: None, high_priority: false, forbid_surplus: false })
    }
}

/// One message of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    msg_id: Text<'a>,
    msg_type: i64,
    #[serde(borrow, default)]
    attach: Option<Text<'a>>,
    #[serde(borrow, default)]
    ext: Option<Text<'a>>,
    #[serde(default)]
    sub_type: Option<i64>,
    #[serde(default)]
    resend_flag: Option<i64>,
    #[serde(default)]
    loc_x: Option<f64>,
    #[serde(default)]
    loc_y: Option<f64>,
    #[serde(default)]
    loc_z: Option<f64>,
}

fn text_of<'b>(text: Option<&'b Text<'_>>) -> &'b str {
    text.map_or("", |text| &*text.0)
}

impl Item<'_> {
    fn check(&self) -> Result<(), Refused> {
        if self.msg_id.0.is_empty() {
            return Err(Refused::parameter("msgId is required"));
        }
        if !matches!(self.msg_type, 0 | 1 | 2 | 3 | 4 | 6 | 10 | 100) {
            return Err(Refused::parameter("msgType is invalid"));
        }
        if length(text_of(self.attach.as_ref())) > 4096 || length(text_of(self.ext.as_ref())) > 4096 {
            return Err(Refused::parameter("msgContents size exceeded"));
        }
        if self.sub_type.is_some_and(|sub_type| sub_type <= 0) {
            return Err(Refused::parameter("subType is invalid"));
        }
        if !matches!(self.resend_flag, None | Some(0 | 1)) {
            return Err(Refused::parameter("resendFlag is invalid"));
        }
        let somewhere = [self.loc_x, self.loc_y, self.loc_z];
        if somewhere.iter().flatten().any(|place| !place.is_finite()) {
            return Err(Refused::parameter("location is invalid"));
        }
        Ok(())
    }
}

/// What the answer says of a message that was taken: strings throughout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    ext: &'a str,
    from_nick: &'a str,
    #[serde(rename = "msgid_client")]
    msgid_client: &'a str,
    from_account: &'a str,
    from_client_type: &'static str,
    attach: &'a str,
    time: String,
    #[serde(rename = "type")]
    kind: String,
    high_priority_flag: &'static str,
    msg_abandon_flag: &'static str,
    room_id: &'a str,
}

/// A taken message, and whether it goes on to the room.
struct Taken<'a> {
    record: Record<'a>,
    delivered: bool,
}

fn flag(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}

/// Decides one message; the error is the prose that the answer gives as its reason.
fn take<'a>(
    server: &NetEase,
    call: &Call<'_>,
    envelope: &Envelope<'a>,
    item: &'a Item<'_>,
    seen: &mut Seen,
) -> Result<Taken<'a>, &'static str> {
    let message_id = &*item.msg_id.0;
    let known = seen.taken_at(envelope.room, message_id);
    if known.is_some() && item.resend_flag != Some(1) {
        return Err(RESEND);
    }
    let attach = text_of(item.attach.as_ref());
    if attach.contains("[[moderated]]") {
        return Err(MODERATED);
    }
    if call.spoiled() {
        return Err(SPOILED);
    }
    let urgent = envelope.high_priority && seen.urgent_place(envelope.room, call.now_ms);
    let dropped = known.is_none()
        && envelope.abandon_ratio.is_some_and(|ratio| {
            let drawn = i64::try_from(server.dice.next() % 10_000).unwrap_or_default();
            drawn < ratio
        });
    if known.is_none() {
        seen.remember(envelope.room, message_id, call.now_ms);
    }
    let record = Record {
        ext: text_of(item.ext.as_ref()),
        from_nick: envelope.from,
        msgid_client: message_id,
        from_account: envelope.from,
        from_client_type: "REST",
        attach,
        time: known.unwrap_or(call.now_ms).to_string(),
        kind: item.msg_type.to_string(),
        high_priority_flag: flag(urgent),
        msg_abandon_flag: flag(dropped),
        room_id: envelope.room_text,
    };
    Ok(Taken { record, delivered: known.is_none() && !dropped })
}

/// An object with one key, which is how the answer names messages.
#[derive(Debug)]
struct Keyed<'a, T>(&'a str, T);

impl<T: Serialize> Serialize for Keyed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

/// `POST /chatroom/batchSendMsg.action`.
pub(crate) fn send_batch(server: &NetEase, call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refused> {
    batch(server, call, form, &Envelope::read(form)?)
}

/// `POST /chatroom/batchSendMsgToSomeone.action`.
pub(crate) fn send_batch_to_some(
    server: &NetEase,
    call: &Call<'_>,
    form: &Form<'_>,
) -> Result<Answer, Refused> {
    batch(server, call, form, &Envelope::directed(form)?)
}

fn batch(
    server: &NetEase,
    call: &Call<'_>,
    form: &Form<'_>,
    envelope: &Envelope<'_>,
) -> Result<Answer, Refused> {
    #[derive(Serialize)]
    struct Reply<'a> {
        fail: Vec<Keyed<'a, &'static str>>,
        code: u16,
        success: Vec<Keyed<'a, Record<'a>>>,
    }
    let list = form.required("msgList")?;
    let items: Vec<Item<'_>> = serde_json::from_str(list)
        .map_err(|error| Refused::parameter(format!("msgList is invalid: {error}")))?;
    if items.is_empty() || items.len() > 10 {
        return Err(Refused::parameter("msgList size exceeded"));
    }
    items.iter().try_for_each(Item::check)?;
    for (index, item) in items.iter().enumerate() {
        if items.iter().take(index).any(|earlier| earlier.msg_id.0 == item.msg_id.0) {
            return Err(Refused::parameter("msgId is repeated in msgList"));
        }
    }
    let mut reply = Reply { fail: Vec::new(), code: 200, success: Vec::with_capacity(items.len()) };
    let mut seen = server.seen();
    refuse_surplus(call, envelope, &mut seen)?;
    let mut page = call.page();
    for item in &items {
        match take(server, call, envelope, item, &mut seen) {
            Ok(taken) => {
                if taken.delivered {
                    page.push_text("room:", envelope.room_text, Some(&item.msg_id.0), taken.record.attach);
                }
                reply.success.push(Keyed(&item.msg_id.0, taken.record));
            }
            Err(why) => reply.fail.push(Keyed(&item.msg_id.0, why)),
        }
    }
    drop(page);
    drop(seen);
    Ok(Answer::json(200, &reply))
}

/// `forbiddenIfHighPriorityMsgFreq=1`: a request over the room's quota is refused, not downgraded.
fn refuse_surplus(call: &Call<'_>, envelope: &Envelope<'_>, seen: &mut Seen) -> Result<(), Refused> {
    let checked = envelope.high_priority && envelope.forbid_surplus;
    if checked && seen.urgent_places_left(envelope.room, call.now_ms) == 0 {
        return Err(Refused::new(403, "high priority message frequency exceeded"));
    }
    Ok(())
}

/// `POST /chatroom/sendMsg.action`: the same fields flat; `desc` is an object on success and a text
/// on failure.
pub(crate) fn send(server: &NetEase, call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refused> {
    single(server, call, form, &Envelope::read(form)?)
}

/// `POST /chatroom/sendMsgToSomeone.action`.
pub(crate) fn send_to_some(server: &NetEase, call: &Call<'_>, form: &Form<'_>) -> Result<Answer, Refused> {
    single(server, call, form, &Envelope::directed(form)?)
}

fn single(
    server: &NetEase,
    call: &Call<'_>,
    form: &Form<'_>,
    envelope: &Envelope<'_>,
) -> Result<Answer, Refused> {
    let borrowed = |name: &str| form.get(name).map(|value| Text(Cow::Borrowed(value)));
    form.required("msgType")?;
    let item = Item {
        msg_id: Text(Cow::Borrowed(form.required("msgId")?)),
        msg_type: form.int("msgType", 0, 100)?.unwrap_or_default(),
        attach: borrowed("attach"),
        ext: borrowed("ext"),
        sub_type: form.int("subType", i64::MIN, i64::MAX)?,
        resend_flag: form.int("resendFlag", 0, 1)?,
        loc_x: None,
        loc_y: None,
        loc_z: None,
    };
    item.check()?;
    let mut seen = server.seen();
    refuse_surplus(call, envelope, &mut seen)?;
    let taken = take(server, call, envelope, &item, &mut seen).map_err(|why| {
        let code = if why == RESEND { 414 } else { 403 };
        Refused::new(code, why)
    })?;
    drop(seen);
    if taken.delivered {
        call.page().push_text("room:", envelope.room_text, Some(&item.msg_id.0), taken.record.attach);
    }
    Ok(Answer::json(200, &json!({"code": 200, "desc": taken.record})))
}
