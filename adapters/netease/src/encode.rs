//! One function a route: the form that goes out. Room messages are serialized one by one straight into
//! the body; what holds for the whole call is taken from the first message, which the call key proves
//! equal for all.

use std::borrow::Cow;

use interline_core::adapter::{Call, CallMessage, Request, Seal};
use interline_core::content::{Content, Mentions};
use interline_core::error::{Error, ErrorKind, Refusal};
use interline_core::message::Message;
use interline_core::options::Options;
use serde::ser::{Error as _, Serialize, SerializeSeq, Serializer};

use crate::VENDOR_NAME;
use crate::check::is_room_id;
use crate::content::{ext_text, payload};
use crate::delivery::{broadcast_hours, forces_push, push_payload, switches};
use crate::extensions::{Extensions, Flags};
use crate::form::Form;
use crate::limits::{ROOM_MESSAGES, USERS};
use crate::route::Route;
use crate::settings::Account;
use crate::sign::sign;
use crate::wire::RoomMessage;

const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";

/// Writes and signs a call.
pub(crate) fn encode(account: &Account, call: &Call, seal: &Seal<'_>) -> Result<Request, Error> {
    let first = call.messages.first().ok_or_else(|| refuse("write a call without messages"))?;
    let route = Route::of(&first.message, call.results);
    let body = match route {
        Route::Room | Route::Directed => room(account, call, first, route)?,
        Route::Users => users(account, call, first)?,
        Route::Single => single(account, call, first)?,
        Route::Broadcast => broadcast(account, call, first)?,
    };
    Ok(sign(Request::post(route.path(), FORM, body), &account.app_key, &account.app_secret, seal))
}

fn refuse(attempted: &str) -> Error {
    Error::new(ErrorKind::Encode, format!("cannot {attempted}"))
}

fn unchecked(refusal: &Refusal) -> Error {
    refuse("write a message that was not checked").with("because", refusal.failure().message)
}

fn written(error: serde_json::Error) -> Error {
    refuse("write a field as JSON").because(error)
}

fn sender<'c>(account: &'c Account, first: &'c CallMessage) -> Result<&'c str, Error> {
    let sender = first.message.sender(account.default_sender.as_ref());
    sender.map(|sender| sender.id.as_str()).map_err(|refusal| unchecked(&refusal))
}

fn room(account: &Account, call: &Call, first: &CallMessage, route: Route) -> Result<Vec<u8>, Error> {
    let room = first.recipient_id();
    if !is_room_id(room) {
        return Err(refuse("address a room whose id is no 64-bit integer"));
    }
    let items = RoomMessages { messages: &call.messages, route };
    items.check(room)?;
    let flags = Extensions::checked(first.message.extension(VENDOR_NAME)).flags;
    let mut form = Form::with_capacity(256 + 512 * call.messages.len());
    form.text("roomid", room);
    form.json("msgList", &items).map_err(written)?;
    form.text("fromAccid", sender(account, first)?);
    if route == Route::Directed {
        form.json("toAccids", first.message.options.audience.as_deref().unwrap_or_default())
            .map_err(written)?;
    } else {
        form.given("ignoreMute", flags.ignore_mute);
        form.given("skipHistory", (!first.message.options.wants_store()).then_some(1));
        form.given("abandonRatio", flags.abandon_ratio);
        form.given("highPriority", flags.high_priority);
        form.given("needHighPriorityMsgResend", flags.need_high_priority_resend);
        form.given("forbiddenIfHighPriorityMsgFreq", flags.forbid_surplus);
        form.given("chatMsgPriority", flags.chat_msg_priority);
        form.given("notifyTargetTags", flags.notify_target_tags.as_deref());
    }
    form.given("route", flags.route);
    moderation(&flags, &mut form);
    form.given("antispam", flags.antispam);
    form.given("antispamCustom", flags.antispam_custom.as_deref());
    form.given("env", flags.env.as_deref());
    Ok(form.into_body())
}

fn moderation(flags: &Flags, form: &mut Form) {
    form.given("useYidun", flags.use_yidun);
    form.given("yidunAntiCheating", flags.yidun_anti_cheating.as_deref());
    form.given("yidunAntiSpamExt", flags.yidun_anti_spam_ext.as_deref());
    form.given("bid", flags.bid.as_deref());
}

/// `msgList`.
struct RoomMessages<'c> {
    messages: &'c [CallMessage],
    route: Route,
}

impl RoomMessages<'_> {
    /// Results are told apart by client id, and everything else is said once.
    fn check(&self, room: &str) -> Result<(), Error> {
        if self.messages.len() > ROOM_MESSAGES {
            return Err(refuse("put more than ten messages in one room call"));
        }
        for (position, one) in self.messages.iter().enumerate() {
            if one.recipient_id() != room {
                return Err(refuse("address two rooms in one call"));
            }
            let id = &one.message.client_id;
            if self.messages.iter().take(position).any(|earlier| earlier.message.client_id == *id) {
                return Err(refuse("put one client id twice in a room call").with("client_id", id));
            }
        }
        Ok(())
    }
}

impl Serialize for RoomMessages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.messages.len()))?;
        for one in self.messages {
            let message = &one.message;
            let content = message.rendered();
            let extensions = Extensions::checked(message.extension(VENDOR_NAME));
            let payload = payload(&content, self.route, extensions.msg_type)
                .map_err(|refusal| S::Error::custom(refusal.failure().message))?;
            let ext = content.ext.as_ref().map(ext_text);
            let resend_flag = if one.prior_unknown { 1 } else { extensions.resend_flag.unwrap_or(0) };
            list.serialize_element(&RoomMessage {
                attach: &payload.text,
                ext: ext.as_deref(),
                msg_id: &message.client_id,
                msg_type: payload.kind,
                sub_type: extensions.sub_type,
                resend_flag,
                loc_x: extensions.loc_x,
                loc_y: extensions.loc_y,
                loc_z: extensions.loc_z,
            })?;
        }
        list.end()
    }
}

/// What single messages and user batches share, ready to be written.
struct Direct<'m> {
    content: Cow<'m, Content>,
    options: Cow<'m, Options>,
    extensions: Extensions,
    route: Route,
}

impl<'m> Direct<'m> {
    fn of(message: &'m Message, route: Route) -> Self {
        Self {
            content: message.rendered(),
            options: message.rendered_options(),
            extensions: Extensions::checked(message.extension(VENDOR_NAME)),
            route,
        }
    }

    fn write(&self, form: &mut Form) -> Result<(), Error> {
        let payload = payload(&self.content, self.route, self.extensions.msg_type)
            .map_err(|refusal| unchecked(&refusal))?;
        let flags = &self.extensions.flags;
        form.given("type", Some(payload.kind));
        form.text("body", &payload.text);
        form.given("msgDesc", self.extensions.extras.msg_desc.as_deref());
        form.json("option", &switches(&self.options, &self.extensions)).map_err(written)?;
        if self.options.wants_push() {
            form.given("pushcontent", self.options.push.body.as_deref());
            form.given("payload", push_payload(&self.options.push));
        }
        form.given("ext", self.content.ext.as_ref().map(ext_text));
        moderation(flags, form);
        form.given("env", flags.env.as_deref());
        form.given("msgSenderNoSense", self.extensions.extras.sender_no_sense);
        Ok(())
    }
}

/// `toAccids`.
struct Accids<'c>(&'c [CallMessage]);

impl Serialize for Accids<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(CallMessage::recipient_id))
    }
}

fn users(account: &Account, call: &Call, first: &CallMessage) -> Result<Vec<u8>, Error> {
    if call.messages.len() > USERS {
        return Err(refuse("put more than 500 users in one call"));
    }
    let direct = Direct::of(&first.message, Route::Users);
    let mut form = Form::with_capacity(512 + 40 * call.messages.len());
    form.text("fromAccid", sender(account, first)?);
    form.json("toAccids", &Accids(&call.messages)).map_err(written)?;
    direct.write(&mut form)?;
    Ok(form.into_body())
}

fn alone(call: &Call) -> Result<(), Error> {
    if call.messages.len() == 1 {
        return Ok(());
    }
    Err(refuse("put several messages in a call for one"))
}

fn single(account: &Account, call: &Call, first: &CallMessage) -> Result<Vec<u8>, Error> {
    alone(call)?;
    let message = &first.message;
    let team = message.to.kind() == interline_core::recipient::RecipientKind::Group;
    let direct = Direct::of(message, Route::Single);
    let mut form = Form::with_capacity(512);
    form.text("from", sender(account, first)?);
    form.text("ope", if team { "1" } else { "0" });
    form.text("to", first.recipient_id());
    direct.write(&mut form)?;
    form.given("antispam", direct.extensions.flags.antispam);
    form.given("antispamCustom", direct.extensions.flags.antispam_custom.as_deref());
    form.given("subType", direct.extensions.sub_type);
    let extras = &direct.extensions.extras;
    form.given("markRead", extras.mark_read);
    form.given("checkFriend", extras.check_friend);
    form.given("msgReceiverNoSense", extras.receiver_no_sense);
    form.given("forcepushcontent", extras.force_push_content.as_deref());
    if let Some(mentions) = direct.content.mentions.as_ref().filter(|_| forces_push(message, &direct.options))
    {
        mentioned(mentions, &mut form)?;
    }
    Ok(form.into_body())
}

/// The vendor's word for a mention in a team is a forced push.
fn mentioned(mentions: &Mentions, form: &mut Form) -> Result<(), Error> {
    if mentions.all {
        form.text("forcepushall", "true");
    } else if !mentions.users.is_empty() {
        form.json("forcepushlist", &mentions.users).map_err(written)?;
    }
    Ok(())
}

fn broadcast(account: &Account, call: &Call, first: &CallMessage) -> Result<Vec<u8>, Error> {
    alone(call)?;
    let content = first.message.rendered();
    let options = &first.message.options;
    let chosen = Extensions::checked(first.message.extension(VENDOR_NAME)).msg_type;
    let payload = payload(&content, Route::Broadcast, chosen).map_err(|refusal| unchecked(&refusal))?;
    let mut form = Form::with_capacity(256 + 2 * payload.text.len());
    form.text("body", &payload.text);
    form.text("from", sender(account, first)?);
    form.given("isOffline", Some(!options.online_only));
    form.given("ttl", broadcast_hours(options));
    Ok(form.into_body())
}
