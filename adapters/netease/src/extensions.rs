//! `extensions.netease`, typed. [`Flags`] hold for a whole call and are part of its key; the rest
//! stands in each message. Which field exists on which of the vendor's routes is one table.

use interline_core::adapter::Loss;
use interline_core::content::Object;
use interline_core::read::{Fields, Path, Problems};
use serde_json::Number;
use serde_json_borrow::{ObjectAsVec, Value};

use crate::limits::{ANTISPAM, ENV, MSG_DESC, PUSH_CONTENT, TAGS, YIDUN, at_most, length};
use crate::route::Route;

/// What holds for every message of a call, as the vendor names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    pub(crate) ignore_mute: Option<bool>,
    pub(crate) abandon_ratio: Option<u16>,
    pub(crate) high_priority: Option<bool>,
    pub(crate) need_high_priority_resend: Option<bool>,
    pub(crate) forbid_surplus: Option<u8>,
    pub(crate) chat_msg_priority: Option<u8>,
    pub(crate) notify_target_tags: Option<String>,
    pub(crate) route: Option<u8>,
    pub(crate) use_yidun: Option<u8>,
    pub(crate) yidun_anti_cheating: Option<String>,
    pub(crate) yidun_anti_spam_ext: Option<String>,
    pub(crate) bid: Option<String>,
    pub(crate) antispam: Option<bool>,
    pub(crate) antispam_custom: Option<String>,
    pub(crate) env: Option<String>,
}

/// What else messages to users and teams can say, as the vendor names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Extras {
    pub(crate) msg_desc: Option<String>,
    pub(crate) force_push_content: Option<String>,
    pub(crate) mark_read: Option<u8>,
    pub(crate) check_friend: Option<bool>,
    pub(crate) sender_no_sense: Option<u8>,
    pub(crate) receiver_no_sense: Option<u8>,
    /// The `option` switches that no canonical option stands for, or not alone.
    pub(crate) roam: Option<bool>,
    pub(crate) need_push_nick: Option<bool>,
    pub(crate) session_update: Option<bool>,
}

/// All extensions of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) flags: Flags,
    pub(crate) extras: Extras,
    pub(crate) msg_type: Option<u8>,
    pub(crate) sub_type: Option<i32>,
    pub(crate) resend_flag: Option<u8>,
    pub(crate) loc_x: Option<Number>,
    pub(crate) loc_y: Option<Number>,
    pub(crate) loc_z: Option<Number>,
}

const AT: &str = "/extensions/netease";

/// The message types that the vendor documents.
pub(crate) const MESSAGE_TYPES: [u8; 8] = [0, 1, 2, 3, 4, 6, 10, 100];

const fn bit(route: Route) -> u8 {
    1 << route as u8
}

const ROOM: u8 = bit(Route::Room);
const ROOMS: u8 = ROOM | bit(Route::Directed);
const SINGLE: u8 = bit(Route::Single);
const USERS: u8 = SINGLE | bit(Route::Users);

/// Each field, the loss where a route has no such field, and the routes that have it.
const FIELDS: [(&str, Loss, u8); 30] = [
    ("ignoreMute", "extensions.netease.ignoreMute", ROOM),
    ("abandonRatio", "extensions.netease.abandonRatio", ROOM),
    ("highPriority", "extensions.netease.highPriority", ROOM),
    ("needHighPriorityMsgResend", "extensions.netease.needHighPriorityMsgResend", ROOM),
    ("forbiddenIfHighPriorityMsgFreq", "extensions.netease.forbiddenIfHighPriorityMsgFreq", ROOM),
    ("chatMsgPriority", "extensions.netease.chatMsgPriority", ROOM),
    ("notifyTargetTags", "extensions.netease.notifyTargetTags", ROOM),
    ("route", "extensions.netease.route", ROOMS | USERS),
    ("useYidun", "extensions.netease.useYidun", ROOMS | USERS),
    ("yidunAntiCheating", "extensions.netease.yidunAntiCheating", ROOMS | USERS),
    ("yidunAntiSpamExt", "extensions.netease.yidunAntiSpamExt", ROOMS | USERS),
    ("bid", "extensions.netease.bid", ROOMS | USERS),
    ("antispam", "extensions.netease.antispam", ROOMS | SINGLE),
    ("antispamCustom", "extensions.netease.antispamCustom", ROOMS | SINGLE),
    ("env", "extensions.netease.env", ROOMS | USERS),
    ("subType", "extensions.netease.subType", ROOMS | SINGLE),
    ("resendFlag", "extensions.netease.resendFlag", ROOMS),
    ("locX", "extensions.netease.locX", ROOM),
    ("locY", "extensions.netease.locY", ROOM),
    ("locZ", "extensions.netease.locZ", ROOM),
    ("msgType", "extensions.netease.msgType", ROOMS | USERS),
    ("msgDesc", "extensions.netease.msgDesc", USERS),
    ("forcepushcontent", "extensions.netease.forcepushcontent", SINGLE),
    ("markRead", "extensions.netease.markRead", SINGLE),
    ("checkFriend", "extensions.netease.checkFriend", SINGLE),
    ("msgSenderNoSense", "extensions.netease.msgSenderNoSense", USERS),
    ("msgReceiverNoSense", "extensions.netease.msgReceiverNoSense", SINGLE),
    ("roam", "extensions.netease.roam", USERS),
    ("needPushNick", "extensions.netease.needPushNick", USERS),
    ("sessionUpdate", "extensions.netease.sessionUpdate", USERS),
];

/// The fields that were given and that this route does not have.
pub(crate) fn losses(map: Option<&Object>, route: Route) -> impl Iterator<Item = Loss> + '_ {
    let given = move |key: &str| map.and_then(|map| map.get(key)).is_some_and(|value| !value.is_null());
    FIELDS
        .iter()
        .filter(move |(key, _, routes)| routes & bit(route) == 0 && given(key))
        .map(|(_, loss, _)| *loss)
}

/// A map of the caller's as core's reader takes it.
pub(crate) fn borrowed(map: &Object) -> Value<'_> {
    Value::Object(map.iter().map(|(key, value)| (key.as_str(), value.into())).collect::<ObjectAsVec<'_>>())
}

impl Extensions {
    /// Reads the extensions; what is wrong with them is noted.
    pub(crate) fn read(map: Option<&Object>, problems: &mut Problems) -> Self {
        let Some(map) = map else { return Self::default() };
        read(&borrowed(map), problems).unwrap_or_default()
    }

    /// Reads extensions that were checked before.
    pub(crate) fn checked(map: Option<&Object>) -> Self {
        Self::read(map, &mut Problems::default())
    }
}

fn read(value: &Value<'_>, problems: &mut Problems) -> Option<Extensions> {
    let mut fields = Fields::of(value, Path::Root(AT), problems)?;
    let flags = Flags {
        ignore_mute: fields.boolean("ignoreMute", problems),
        abandon_ratio: fields.whole("abandonRatio", (0, 9999), problems),
        high_priority: fields.boolean("highPriority", problems),
        need_high_priority_resend: fields.boolean("needHighPriorityMsgResend", problems),
        forbid_surplus: fields.whole("forbiddenIfHighPriorityMsgFreq", (0, 1), problems),
        chat_msg_priority: fields.whole("chatMsgPriority", (0, 3), problems),
        notify_target_tags: text(&mut fields, "notifyTargetTags", Some(TAGS), problems),
        route: fields.whole("route", (0, 1), problems),
        use_yidun: fields.whole("useYidun", (0, 0), problems),
        yidun_anti_cheating: json_text(&mut fields, "yidunAntiCheating", YIDUN, problems),
        yidun_anti_spam_ext: json_text(&mut fields, "yidunAntiSpamExt", YIDUN, problems),
        bid: text(&mut fields, "bid", None, problems),
        antispam: fields.boolean("antispam", problems),
        antispam_custom: json_text(&mut fields, "antispamCustom", ANTISPAM, problems),
        env: text(&mut fields, "env", Some(ENV), problems),
    };
    let extras = Extras {
        msg_desc: text(&mut fields, "msgDesc", Some(MSG_DESC), problems),
        force_push_content: text(&mut fields, "forcepushcontent", Some(PUSH_CONTENT), problems),
        mark_read: fields.whole("markRead", (0, 1), problems),
        check_friend: fields.boolean("checkFriend", problems),
        sender_no_sense: fields.whole("msgSenderNoSense", (0, 1), problems),
        receiver_no_sense: fields.whole("msgReceiverNoSense", (0, 1), problems),
        roam: fields.boolean("roam", problems),
        need_push_nick: fields.boolean("needPushNick", problems),
        session_update: fields.boolean("sessionUpdate", problems),
    };
    let msg_type = fields.whole("msgType", (0, 100), problems);
    if msg_type.is_some_and(|msg_type| !MESSAGE_TYPES.contains(&msg_type)) {
        fields.wrong("msgType", "expected one of 0, 1, 2, 3, 4, 6, 10, 100", problems);
    }
    let extensions = Extensions {
        msg_type,
        sub_type: fields.whole("subType", (1, i32::MAX), problems),
        resend_flag: fields.whole("resendFlag", (0, 1), problems),
        loc_x: fields.number("locX", problems),
        loc_y: fields.number("locY", problems),
        loc_z: fields.number("locZ", problems),
        extras,
        flags,
    };
    combinations(&extensions.flags, &fields, problems);
    fields.done(problems);
    Some(extensions)
}

/// What would cancel or lack its counterpart.
fn combinations(flags: &Flags, fields: &Fields<'_>, problems: &mut Problems) {
    if flags.abandon_ratio.is_some() && flags.high_priority == Some(true) {
        let detail = "cancels highPriority at the vendor, even as 0; give one of the two";
        fields.wrong("abandonRatio", detail, problems);
    }
    if flags.antispam == Some(true) && flags.antispam_custom.is_none() {
        fields.wrong("antispam", "needs antispamCustom: what is to be moderated", problems);
    }
    if flags.antispam_custom.as_deref().is_some_and(|custom| !is_moderation(custom)) {
        let detail = "expected {\"type\":1,\"data\":\"…\"} with type 1 (text), 2 (image) or 3 (video)";
        fields.wrong("antispamCustom", detail, problems);
    }
}

fn is_moderation(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value<'_>>(text) else { return false };
    let Some(object) = value.as_object() else { return false };
    let kind = object.get("type").and_then(Value::as_i64);
    matches!(kind, Some(1..=3)) && object.get("data").is_some_and(|data| data.as_str().is_some())
}

fn text(
    fields: &mut Fields<'_>,
    key: &'static str,
    most: Option<usize>,
    problems: &mut Problems,
) -> Option<String> {
    let text = fields.text(key, problems)?;
    if text.is_empty() {
        fields.wrong(key, "must not be empty; leave it out", problems);
        return None;
    }
    too_long(text, key, most.unwrap_or(usize::MAX), problems);
    Some(text.to_owned())
}

/// JSON text, or an object that is written as such.
fn json_text(
    fields: &mut Fields<'_>,
    key: &'static str,
    most: usize,
    problems: &mut Problems,
) -> Option<String> {
    let value = fields.get(key)?;
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.as_object().is_some() => serde_json::Value::from(value).to_string(),
        None => {
            fields.wrong(key, "expected JSON text or an object", problems);
            return None;
        }
    };
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        fields.wrong(key, "expected JSON text; this is none", problems);
    }
    too_long(&text, key, most, problems);
    Some(text)
}

fn too_long(text: &str, key: &str, most: usize, problems: &mut Problems) {
    if length(text) > most {
        let root = Path::Root(AT);
        at_most(text, most, &Path::Key(&root, key).to_string(), problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn errors(value: serde_json::Value) -> Vec<String> {
        let mut problems = Problems::default();
        Extensions::read(value.as_object(), &mut problems);
        problems.errors().iter().map(ToString::to_string).collect()
    }

    fn refused(value: serde_json::Value, says: &str) {
        let errors = errors(value.clone());
        assert!(errors.iter().any(|error| error.contains(says)), "{value}: {errors:?}");
    }

    #[test]
    fn every_field_has_its_type_and_range() {
        refused(json!({"ignoreMute": "true"}), "/extensions/netease/ignoreMute: expected true or false");
        refused(json!({"abandonRatio": 10_000}), "from 0 to 9999");
        refused(json!({"highPriority": 1}), "highPriority");
        refused(json!({"needHighPriorityMsgResend": "no"}), "needHighPriorityMsgResend");
        refused(json!({"forbiddenIfHighPriorityMsgFreq": 2}), "from 0 to 1");
        refused(json!({"chatMsgPriority": 4}), "from 0 to 3");
        refused(json!({"notifyTargetTags": "x".repeat(129)}), "allowed are 128");
        refused(json!({"notifyTargetTags": "𝕏".repeat(65)}), "has 130");
        refused(json!({"route": -1}), "route");
        refused(json!({"useYidun": 1}), "from 0 to 0");
        refused(json!({"yidunAntiCheating": "{"}), "JSON");
        refused(json!({"yidunAntiSpamExt": {"k": "x".repeat(1024)}}), "allowed are 1024");
        refused(json!({"bid": 7}), "bid");
        refused(json!({"antispamCustom": {"type": 4, "data": "x"}}), "type 1 (text)");
        refused(json!({"antispamCustom": {"type": 1, "data": "x".repeat(5000)}}), "allowed are 5000");
        refused(json!({"antispam": true}), "needs antispamCustom");
        refused(json!({"env": "e".repeat(33)}), "allowed are 32");
        refused(json!({"msgType": 5}), "one of 0, 1, 2, 3, 4, 6, 10, 100");
        refused(json!({"subType": 0}), "from 1");
        refused(json!({"resendFlag": true}), "resendFlag");
        refused(json!({"locX": "1"}), "locX");
        refused(json!({"locY": []}), "locY");
        refused(json!({"locZ": {}}), "locZ");
        refused(json!({"msgDesc": "d".repeat(501)}), "allowed are 500");
        refused(json!({"forcepushcontent": ""}), "must not be empty");
        refused(json!({"markRead": true}), "markRead");
        refused(json!({"checkFriend": 1}), "checkFriend");
        refused(json!({"msgSenderNoSense": 2}), "from 0 to 1");
        refused(json!({"msgReceiverNoSense": "0"}), "msgReceiverNoSense");
        refused(json!({"roam": 0}), "roam");
        refused(json!({"needPushNick": "true"}), "needPushNick");
        refused(json!({"sessionUpdate": []}), "sessionUpdate");
    }

    #[test]
    fn unknown_fields_are_named_with_what_is_allowed() {
        refused(json!({"highpriority": true}), "allowed: ignoreMute, abandonRatio");
    }

    #[test]
    fn an_abandon_ratio_cancels_high_priority() {
        refused(json!({"abandonRatio": 0, "highPriority": true}), "cancels highPriority");
        assert!(errors(json!({"abandonRatio": 5, "highPriority": false})).is_empty());
    }

    #[test]
    fn objects_become_json_text() {
        let value = json!({"antispam": true, "antispamCustom": {"type": 1, "data": "x"}});
        let read = Extensions::checked(value.as_object());
        assert_eq!(read.flags.antispam_custom.as_deref(), Some(r#"{"data":"x","type":1}"#));
    }

    #[test]
    fn every_field_that_is_read_stands_in_the_table() {
        let unknown = errors(json!({"x": 1}));
        let allowed: Vec<_> = unknown[0].split_once("allowed: ").unwrap().1.split(", ").collect();
        let mut table: Vec<_> = FIELDS.iter().map(|(key, _, _)| *key).collect();
        table.sort_unstable();
        let mut allowed = allowed;
        allowed.sort_unstable();
        assert_eq!(table, allowed);
        assert!(FIELDS.iter().all(|(key, loss, _)| loss.strip_prefix("extensions.netease.") == Some(*key)));
    }
}
