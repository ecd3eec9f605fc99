//! Sending: one message, one content to many, business notifications and the simple send.
//!
//! A batch answers `errCode` 0 whatever became of its recipients, and keeps the reasons to itself.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::content::{Unfit, check, field};
use super::reply::{Failure, success};
use super::{Dialect, OpenIm, require_admin};
use crate::call::{Answer, Call};
use crate::gojson::{Fields, Mismatch, kind_of};

const SINGLE: i64 = 1;
const GROUP_BY_COPY: i64 = 2;
const GROUP: i64 = 3;
const NOTIFICATION: i64 = 4;
const OA_NOTIFICATION: i64 = 1400;

/// What both send routes bind.
struct Outgoing<'a> {
    send_id: Cow<'a, str>,
    group_id: Cow<'a, str>,
    content: Value,
    content_json: &'a str,
    content_type: i64,
    session_type: i64,
    send_time: i64,
}

/// Collects the validator's complaints under the struct's name.
struct Missing {
    name: &'static str,
    complaints: Vec<String>,
}

impl Missing {
    fn unless(&mut self, given: bool, field: &str) {
        if !given {
            self.complaints.push(format!(
                "Key: '{}.{field}' Error:Field validation for '{field}' failed on the 'required' tag",
                self.name
            ));
        }
    }

    fn verdict(self) -> Result<(), Failure> {
        if self.complaints.is_empty() { Ok(()) } else { Err(Failure::binding(self.complaints.join("\n"))) }
    }
}

impl<'a> Outgoing<'a> {
    fn bind(fields: &Fields<'a>, missing: &mut Missing) -> Result<Self, Mismatch> {
        for name in ["senderNickname", "senderFaceURL", "ex"] {
            fields.string(name)?;
        }
        for name in ["isOnlineOnly", "notOfflinePush"] {
            fields.bool(name)?;
        }
        fields.int("senderPlatformID", i64::from(i32::MIN), i64::from(i32::MAX))?;
        check_push(&fields.object("offlinePushInfo")?)?;
        let small = |name: &str| fields.int(name, i64::from(i32::MIN), i64::from(i32::MAX));
        let raw = fields.raw("content");
        let bound = Self {
            send_id: fields.string("sendID")?,
            group_id: fields.string("groupID")?,
            content: raw.map_or(Ok(Value::Null), object)?,
            content_json: raw.map_or("", RawValue::get),
            content_type: small("contentType")?,
            session_type: small("sessionType")?,
            send_time: fields.int("sendTime", i64::MIN, i64::MAX)?,
        };
        missing.unless(!bound.send_id.is_empty(), "SendID");
        missing.unless(raw.is_some(), "Content");
        missing.unless(bound.content_type != 0, "ContentType");
        missing.unless(bound.session_type != 0, "SessionType");
        Ok(bound)
    }

    fn wants_group(&self) -> bool {
        matches!(self.session_type, GROUP_BY_COPY | GROUP)
    }

    /// Content rules, then those of the sender; 1400 forces its own session type.
    fn admit(&mut self, dialect: Dialect) -> Result<(), Failure> {
        check(self.content_type, &self.content, dialect).map_err(|unfit| match unfit {
            Unfit::Unsupported => Failure::new(1001, ""),
            Unfit::Invalid(why) => Failure::new(500, why),
        })?;
        if self.content_type != OA_NOTIFICATION {
            return Ok(());
        }
        self.session_type = NOTIFICATION;
        match &*self.send_id {
            ghost if ghost.starts_with("ghost-") => Err(Failure::new(1101, "sendID not found")),
            account if account == super::ADMIN || account.starts_with("notify-") => Ok(()),
            _ if dialect == Dialect::Published => Ok(()),
            _ => Err(Failure::new(1002, "sendID is not a notification account")),
        }
    }

    /// The text for the received log.
    fn text(&self) -> Cow<'_, str> {
        let name = match self.content_type {
            101 | 118 => "content",
            106 | 114 | OA_NOTIFICATION => "text",
            _ => return Cow::Borrowed(self.content_json),
        };
        if let Some(text) = field(&self.content, name).and_then(Value::as_str) {
            return Cow::Borrowed(text);
        }
        // The older page wraps a JSON text in `text`.
        let wrapped = field(&self.content, "text").and_then(Value::as_str);
        let inner = wrapped.and_then(|text| serde_json::from_str::<Value>(text).ok());
        match inner.as_ref().and_then(|inner| field(inner, "content")).and_then(Value::as_str) {
            Some(text) => Cow::Owned(text.to_owned()),
            None => Cow::Borrowed(self.content_json),
        }
    }

    fn time(&self, call: &Call<'_>) -> i64 {
        if self.send_time == 0 { i64::try_from(call.now_ms).unwrap_or(i64::MAX) } else { self.send_time }
    }

    /// Whether a message to this recipient passes; `Ok(false)` is v3.8.3's success that sent nothing.
    fn passes(&self, recipient: &str, dialect: Dialect) -> Result<bool, Failure> {
        match self.session_type {
            SINGLE => to_person(recipient, dialect),
            NOTIFICATION if self.content_type == OA_NOTIFICATION || dialect == Dialect::Published => {
                to_person(recipient, dialect)
            }
            GROUP => to_group(recipient),
            GROUP_BY_COPY if dialect == Dialect::Published => to_group(recipient),
            _ => Err(Failure::new(1001, "unknown sessionType")),
        }
    }
}

fn check_push(push: &Fields<'_>) -> Result<(), Mismatch> {
    for name in ["title", "desc", "ex", "iOSPushSound", "signalInfo"] {
        push.string(name)?;
    }
    push.bool("iOSBadgeCount").map(drop)
}

fn object(raw: &RawValue) -> Result<Value, Mismatch> {
    let kind = kind_of(raw.get().as_bytes());
    if kind != "object" {
        return Err(Mismatch(format!(
            "json: cannot unmarshal {kind} into Go struct field .content of type map[string]interface {{}}"
        )));
    }
    serde_json::from_str(raw.get()).map_err(|error| Mismatch(error.to_string()))
}

fn to_person(user: &str, dialect: Dialect) -> Result<bool, Failure> {
    if user.starts_with("ghost-") {
        return Err(Failure::new(1004, "user not found"));
    }
    if user.starts_with("blocked-") {
        return Err(Failure::new(1302, "blocked by peer"));
    }
    if !user.starts_with("refuses-") {
        return Ok(true);
    }
    match dialect {
        Dialect::Main => Err(Failure::new(1001, "message is not sent")),
        Dialect::V383 | Dialect::Published => Ok(false),
    }
}

fn to_group(group: &str) -> Result<bool, Failure> {
    match group {
        _ if group.starts_with("ghost-") => Err(Failure::new(1004, "group not found")),
        _ if group.starts_with("dismissed-") => Err(Failure::new(1204, "group dismissed")),
        _ if group.starts_with("closed-") => Err(Failure::new(1203, "not in group yet")),
        _ if group.starts_with("muted-") => Err(Failure::new(1403, "group is muted")),
        _ => Ok(true),
    }
}

#[derive(Debug, Default, Serialize)]
struct Ids<'a> {
    #[serde(rename = "serverMsgID")]
    server: String,
    #[serde(rename = "clientMsgID")]
    client: Cow<'a, str>,
    #[serde(rename = "sendTime")]
    time: i64,
    #[serde(rename = "recvID", skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
}

/// v3.8.3 shows a field that the main line leaves out.
fn single_reply(ids: &Ids<'_>, dialect: Dialect) -> Answer {
    let mut data = json!(ids);
    if let Some(data) = data.as_object_mut().filter(|_| dialect == Dialect::V383) {
        data.insert("modify".into(), Value::Null);
    }
    success(&data)
}

/// `POST /msg/send_msg`.
pub(crate) fn send(server: &OpenIm, call: &Call<'_>, user: &str) -> Result<Answer, Failure> {
    let dialect = Dialect::of(call);
    let fields = Fields::parse(call.body)?;
    let mut missing = Missing { name: "SendMsgReq", complaints: Vec::new() };
    let mut message = Outgoing::bind(&fields, &mut missing)?;
    let recipient = fields.string("recvID")?;
    let personal = matches!(message.session_type, SINGLE | NOTIFICATION);
    missing.unless(!personal || !recipient.is_empty(), "RecvID");
    missing.unless(!message.wants_group() || !message.group_id.is_empty(), "GroupID");
    missing.verdict()?;
    require_admin(user, dialect)?;
    message.admit(dialect)?;
    let (kind, target) =
        if message.wants_group() { ("group:", &message.group_id) } else { ("user:", &recipient) };
    let passes = message.passes(target, dialect)?;
    if call.spoiled() {
        return Err(Failure::new(1302, "blocked by peer"));
    }
    if !passes {
        return Ok(single_reply(&Ids::default(), dialect));
    }
    call.page().push_text(kind, target, Some(call.header("operationid")), &message.text());
    server.mark_sent(call);
    let ids = Ids {
        server: server.dice.hex_id(),
        client: server.dice.hex_id().into(),
        time: message.time(call),
        recipient: None,
    };
    Ok(single_reply(&ids, dialect))
}

#[derive(Debug, Default, Serialize)]
struct BatchReply<'a> {
    /// Go writes an empty list as null.
    results: Option<Vec<Ids<'a>>>,
    #[serde(rename = "failedUserIDs")]
    failed: Option<Vec<&'a str>>,
}

/// `POST /msg/batch_send_msg`.
pub(crate) fn send_batch(server: &OpenIm, call: &Call<'_>, user: &str) -> Result<Answer, Failure> {
    let dialect = Dialect::of(call);
    let fields = Fields::parse(call.body)?;
    let mut missing = Missing { name: "BatchSendMsgReq", complaints: Vec::new() };
    let mut message = Outgoing::bind(&fields, &mut missing)?;
    let recipients = fields.strings("recvIDs")?;
    let everyone = fields.bool("isSendAll")?;
    let page_form = dialect == Dialect::Published;
    missing.unless(recipients.is_some() || (page_form && (everyone || message.wants_group())), "RecvIDs");
    missing.unless(!message.wants_group() || !message.group_id.is_empty() || page_form, "GroupID");
    missing.verdict()?;
    require_admin(user, dialect)?;
    message.admit(dialect)?;
    if everyone && message.session_type == SINGLE {
        return Ok(send_everyone(server, call, &message));
    }
    let users = if everyone { server.everyone() } else { Vec::new() };
    let mut recipients = recipients.unwrap_or_default();
    if everyone {
        // Even for a group: it then gets one copy per registered account.
        recipients = users.iter().map(|user| Cow::Borrowed(user.as_str())).collect();
    }
    if page_form && message.wants_group() && recipients.is_empty() {
        recipients = vec![message.group_id.clone()];
    }
    // One id for all copies: it names the call, not a message.
    let client = server.dice.hex_id();
    let mut reply = BatchReply::default();
    let mut page = call.page();
    let text = page.text(&message.text());
    for recipient in &recipients {
        let (kind, target) =
            if message.wants_group() { ("group:", &message.group_id) } else { ("user:", recipient) };
        let passes = message.passes(target, dialect).ok().filter(|_| !call.spoiled());
        let ids = match passes {
            None => {
                reply.failed.get_or_insert_default().push(recipient);
                continue;
            }
            Some(false) => Ids { recipient: Some(recipient), ..Ids::default() },
            Some(true) => {
                page.push(kind, target, Some(call.header("operationid")), text);
                Ids {
                    server: server.dice.hex_id(),
                    client: Cow::Borrowed(&client),
                    time: message.time(call),
                    recipient: Some(recipient),
                }
            }
        };
        reply.results.get_or_insert_default().push(ids);
    }
    Ok(success(&reply))
}

/// `isSendAll`: every registered account, the administrator and the sender among them.
fn send_everyone(server: &OpenIm, call: &Call<'_>, message: &Outgoing<'_>) -> Answer {
    let client = server.dice.hex_id();
    let users = server.everyone();
    let results: Vec<_> = users
        .iter()
        .map(|user| Ids {
            server: server.dice.hex_id(),
            client: Cow::Borrowed(&client),
            time: message.time(call),
            recipient: Some(user),
        })
        .collect();
    call.page().push_text("everyone", "", Some(call.header("operationid")), &message.text());
    success(&BatchReply { results: Some(results), failed: None })
}

/// `POST /msg/send_business_notification`; groups and reliability are the main line's.
pub(crate) fn notify(server: &OpenIm, call: &Call<'_>, user: &str) -> Result<Answer, Failure> {
    let dialect = Dialect::of(call);
    let fields = Fields::parse(call.body)?;
    let mut missing = Missing { name: "BusinessNotificationReq", complaints: Vec::new() };
    let (key, data) = (fields.string("key")?, fields.string("data")?);
    let sender = fields.string("sendUserID")?;
    let person = fields.string("recvUserID")?;
    let mut group = Cow::Borrowed("");
    missing.unless(!sender.is_empty(), "SendUserID");
    if dialect == Dialect::Main {
        group = fields.string("recvGroupID")?;
        fields.bool("sendMsg")?;
        fields.int("reliabilityLevel", 0, i64::from(i32::MAX))?;
    } else {
        missing.unless(!person.is_empty(), "RecvUserID");
    }
    missing.verdict()?;
    require_admin(user, dialect)?;
    if person.is_empty() == group.is_empty() {
        return Err(Failure::new(1001, "recvUserID and recvGroupID: exactly one must be set"));
    }
    let (kind, target) = if group.is_empty() { ("user:", &person) } else { ("group:", &group) };
    let passes = if group.is_empty() { to_person(target, dialect)? } else { to_group(target)? };
    if call.spoiled() {
        return Err(Failure::new(1302, "blocked by peer"));
    }
    if !passes {
        return Ok(single_reply(&Ids::default(), dialect));
    }
    let detail = json!({"key": key, "data": data}).to_string();
    call.page().push_text(kind, target, Some(call.header("operationid")), &detail);
    let time = i64::try_from(call.now_ms).unwrap_or(i64::MAX);
    let ids =
        Ids { server: server.dice.hex_id(), client: server.dice.hex_id().into(), time, recipient: None };
    Ok(single_reply(&ids, dialect))
}

/// `POST /msg/send_simple_msg?key=…` (main): an answer in the direction that the key came from.
pub(crate) fn send_simple(server: &OpenIm, call: &Call<'_>, user: &str) -> Result<Answer, Failure> {
    let fields = Fields::parse(call.body)?;
    let content = fields.string("content")?;
    let mut missing = Missing { name: "SendSimpleMsgReq", complaints: Vec::new() };
    missing.unless(!content.is_empty(), "Content");
    missing.verdict()?;
    require_admin(user, Dialect::Main)?;
    let key = form_urlencoded::parse(call.query.as_bytes()).find(|(name, _)| name == "key");
    let key = key.map(|(_, value)| value.replace(' ', "+")).unwrap_or_default();
    let key = STANDARD.decode(key).map_err(|error| Failure::new(1001, error.to_string()))?;
    let key = Fields::parse(&key).map_err(|Mismatch(why)| Failure::new(1001, why))?;
    let (sender, group) = (key.string("sendID")?, key.string("groupID")?);
    let (kind, target) = if group.is_empty() { ("user:", &sender) } else { ("group:", &group) };
    let passes = if group.is_empty() { to_person(target, Dialect::Main)? } else { to_group(target)? };
    if call.spoiled() || !passes {
        return Err(Failure::new(1302, "blocked by peer"));
    }
    call.page().push_text(kind, target, Some(call.header("operationid")), &content);
    server.mark_sent(call);
    let time = i64::try_from(call.now_ms).unwrap_or(i64::MAX);
    let ids =
        Ids { server: server.dice.hex_id(), client: server.dice.hex_id().into(), time, recipient: None };
    Ok(single_reply(&ids, Dialect::Main))
}
