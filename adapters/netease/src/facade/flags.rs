//! What a request says beside its messages, in canonical terms: `options` where Interline has a word for it,
//! else `extensions.netease` under the vendor's own name. Which switches read backwards is decided here.

use serde_json::{Map, Value, json};

use super::form::{Form, Read, Refused, invalid, within};
use crate::limits::{ANTISPAM, ENV, MSG_DESC, PAYLOAD, PUSH_CONTENT, TAGS, YIDUN};

/// A JSON object in the making.
pub(super) type Object = Map<String, Value>;

/// `options` and `extensions.netease`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Flags {
    pub(super) options: Object,
    pub(super) extensions: Object,
}

impl Flags {
    fn option(&mut self, name: &str, value: impl Into<Value>) {
        self.options.insert(name.to_owned(), value.into());
    }

    fn extension(&mut self, name: &str, value: impl Into<Value>) {
        self.extensions.insert(name.to_owned(), value.into());
    }
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Switch,
    Whole(i64, i64),
    Text(usize),
    Json(usize),
}

/// Fields that are extensions as they are.
type Field = (&'static str, Shape);

const ROOM: [Field; 8] = [
    ("ignoreMute", Shape::Switch),
    ("abandonRatio", Shape::Whole(0, 9999)),
    ("highPriority", Shape::Switch),
    ("needHighPriorityMsgResend", Shape::Switch),
    ("forbiddenIfHighPriorityMsgFreq", Shape::Whole(0, 1)),
    ("chatMsgPriority", Shape::Whole(0, 3)),
    ("notifyTargetTags", Shape::Text(TAGS)),
    ("route", Shape::Whole(0, 1)),
];
const MODERATION: [Field; 4] = [
    ("yidunAntiCheating", Shape::Json(YIDUN)),
    ("yidunAntiSpamExt", Shape::Json(YIDUN)),
    ("bid", Shape::Text(usize::MAX)),
    ("env", Shape::Text(ENV)),
];
const OWN_MODERATION: [Field; 2] = [("antispam", Shape::Switch), ("antispamCustom", Shape::Json(ANTISPAM))];

/// Of messages to users and teams.
const DIRECT: [Field; 2] = [("msgDesc", Shape::Text(MSG_DESC)), ("msgSenderNoSense", Shape::Whole(0, 1))];
/// Of messages to one of them.
const SINGLE: [Field; 3] = [
    ("markRead", Shape::Whole(0, 1)),
    ("checkFriend", Shape::Switch),
    ("msgReceiverNoSense", Shape::Whole(0, 1)),
];

fn take(flags: &mut Flags, form: &Form<'_>, fields: &[Field]) -> Read<()> {
    for (name, shape) in fields {
        let value = match *shape {
            Shape::Switch => form.switch(name)?.map(Value::from),
            Shape::Whole(least, most) => form.whole(name, (least, most))?.map(Value::from),
            Shape::Text(most) => form.text(name, most)?.map(Value::from),
            Shape::Json(most) => form.json_text(name, most)?.map(Value::from),
        };
        if let Some(value) = value {
            flags.extension(name, value);
        }
    }
    Ok(())
}

fn moderation(flags: &mut Flags, form: &Form<'_>, own: bool) -> Read<()> {
    // Only a zero says something: no moderation.
    if form.whole("useYidun", (i64::MIN, i64::MAX))? == Some(0) {
        flags.extension("useYidun", 0);
    }
    take(flags, form, &MODERATION)?;
    if !own {
        return Ok(());
    }
    take(flags, form, &OWN_MODERATION)?;
    let moderated = flags.extensions.get("antispam") == Some(&Value::Bool(true));
    if moderated && !flags.extensions.contains_key("antispamCustom") {
        return Err(Refused::parameter("antispamCustom is required"));
    }
    Ok(())
}

/// What a room request says once.
pub(super) fn room(form: &Form<'_>) -> Read<Flags> {
    let mut flags = Flags::default();
    take(&mut flags, form, &ROOM)?;
    // The page: where an abandon ratio is given, whatever it is, high priority does not count.
    if flags.extensions.contains_key("abandonRatio") {
        flags.extensions.remove("highPriority");
    }
    if form.whole("skipHistory", (0, 1))? == Some(1) {
        flags.option("store", false);
    }
    moderation(&mut flags, form, true)?;
    Ok(flags)
}

/// What a message to one user or team, or to many users, says beside its body.
pub(super) fn direct(form: &Form<'_>, single: bool) -> Read<Flags> {
    let mut flags = Flags::default();
    switches(&mut flags, form)?;
    push(&mut flags, form)?;
    take(&mut flags, form, &DIRECT)?;
    moderation(&mut flags, form, single)?;
    if !single {
        return Ok(flags);
    }
    take(&mut flags, form, &SINGLE)?;
    if let Some(content) = form.either(["forcepushcontent", "forcePushContent"]) {
        flags.extension("forcepushcontent", within("forcepushcontent", content, PUSH_CONTENT)?);
    }
    if let Some(kind) = form.whole("subType", (0, i32::MAX.into()))?.filter(|kind| *kind > 0) {
        flags.extension("subType", kind);
    }
    Ok(flags)
}

/// `option`. Everything is on at the vendor unless it is switched off; here, the sender's other devices are
/// off unless switched on.
fn switches(flags: &mut Flags, form: &Form<'_>) -> Read<()> {
    let option: Object = match form.get("option") {
        None => Object::new(),
        Some(text) => serde_json::from_str(text).map_err(|_| invalid("option"))?,
    };
    let switch = |name: &str| match option.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(invalid("option"))
        }
    };
    flags.option("sync_sender", switch("sendersync")?.unwrap_or(true));
    if let Some(route) = switch("route")? {
        flags.extension("route", u8::from(route));
    }
    if switch("badge")? == Some(false) {
        flags.option("badge", false);
    }
    let (push, history) = (switch("push")?, switch("history")?);
    let roam = switch("roam")?;
    for name in ["needPushNick", "sessionUpdate"] {
        if let Some(on) = switch(name)? {
            flags.extension(name, on);
        }
    }
    // What waits for nobody is neither pushed nor kept.
    if switch("persistent")? == Some(false) {
        flags.option("online_only", true);
        if roam == Some(true) {
            flags.extension("roam", true);
        }
        return Ok(());
    }
    if push == Some(false) {
        flags.option("push", json!({"enabled": false}));
    }
    if history == Some(false) {
        flags.option("store", false);
    }
    // Both alike are what storing means.
    let (history, roam) = (history.unwrap_or(true), roam.unwrap_or(true));
    if roam != history {
        flags.extension("roam", roam);
    }
    Ok(())
}

fn push(flags: &mut Flags, form: &Form<'_>) -> Read<()> {
    let body = form.either(["pushcontent", "pushContent"]);
    let body = body.map(|text| within("pushcontent", text, PUSH_CONTENT)).transpose()?;
    let ext = form.json_text("payload", PAYLOAD)?;
    if body.is_none() && ext.is_none() {
        return Ok(());
    }
    let push = flags.options.entry("push").or_insert_with(|| json!({}));
    for (name, text) in [("body", body), ("ext", ext)] {
        if let (Some(push), Some(text)) = (push.as_object_mut(), text) {
            push.insert(name.to_owned(), text.into());
        }
    }
    Ok(())
}
