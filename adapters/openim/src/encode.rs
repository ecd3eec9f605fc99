//! Writes a call as one request. What the call says once is shaped from its first message; recipients
//! are written straight from the call.

use std::borrow::Cow;

use interline_core::adapter::{Call, CallMessage, Header, Request, Seal, Sent};
use interline_core::content::{Body, Ext};
use interline_core::error::{Error, ErrorKind, Refusal};
use interline_core::message::Message;
use interline_core::options::{Options, Sender};
use interline_core::recipient::RecipientKind;
use interline_core::shared::Digest;
use serde::Serialize;

use crate::check::{Way, session_type, way};
use crate::content::{self, Frame, text_of_json};
use crate::dialect::Dialect;
use crate::extensions::Extensions;
use crate::settings::header_safe;
use crate::wire::{BusinessNotification, GetAdminToken, OfflinePush, RecvIds, SendMsg};

/// What encoding knows of the provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Desk<'a> {
    /// The server's form.
    pub(crate) dialect: Dialect,
    /// Who sends where a message does not say.
    pub(crate) default_sender: Option<&'a Sender>,
    /// The token of this call; empty while there is none, as in a plan.
    pub(crate) token: &'a str,
}

/// Writes a call.
pub(crate) fn encode(call: &Call, desk: Desk<'_>) -> Result<Request, Error> {
    let first =
        call.messages.first().ok_or_else(|| Error::new(ErrorKind::Encode, "call without messages"))?;
    let message = &*first.message;
    let extensions = Extensions::read(message).map_err(|refusal| cannot(&refusal))?;
    let sender = message.sender(desk.default_sender).map_err(|refusal| cannot(&refusal))?;
    let way = way(message, call.results, desk.dialect);
    let (path, body) = match way {
        Way::Command => ("/msg/send_business_notification", command(first, sender, desk.dialect)?),
        Way::Batch => ("/msg/batch_send_msg", message_body(call, sender, &extensions, desk.dialect)?),
        Way::Single => ("/msg/send_msg", message_body(call, sender, &extensions, desk.dialect)?),
    };
    let operation_id = match (extensions.operation_id, way) {
        (Some(given), _) => given,
        (None, Way::Batch) => format!("{}.b{}", traceable(&message.client_id), first.attempt),
        (None, Way::Single | Way::Command) => operation_id(message),
    };
    Ok(post(path, body, &operation_id).secret("token", desk.token))
}

fn post(path: &'static str, body: Vec<u8>, operation_id: &str) -> Request {
    Request::post(path, "application/json", body).header("operationID", operation_id)
}

fn message_body(
    call: &Call,
    sender: &Sender,
    extensions: &Extensions,
    dialect: Dialect,
) -> Result<Vec<u8>, Error> {
    let Some(first) = call.messages.first() else {
        return Err(Error::new(ErrorKind::Encode, "call without messages"));
    };
    let message = &*first.message;
    let content = message.rendered();
    let options = message.rendered_options();
    let to = message.to.kind();
    let frame = Frame { dialect, to, extensions };
    let shaped = content::shape(&content, frame).map_err(|refusal| cannot(&refusal))?;
    let session_type = session_type(shaped.content_type, frame).map_err(|refusal| cannot(&refusal))?;
    let batch = way(message, call.results, dialect) == Way::Batch;
    let recv_ids = match to {
        // Real servers refuse a body without the key, although they then ignore it; the page has none.
        RecipientKind::Everyone => (dialect != Dialect::Published).then_some(RecvIds(&[])),
        RecipientKind::User => batch.then_some(RecvIds(&call.messages)),
        RecipientKind::Group | RecipientKind::Room => None,
    };
    let ex = match (&extensions.ex, &content.ext) {
        (Some(ex), _) | (None, Some(Ext::Text(ex))) => Some(Cow::Borrowed(ex.as_str())),
        (None, Some(ext @ Ext::Object(_))) => Some(Cow::Owned(ext.to_text())),
        (None, None) => None,
    };
    let body = SendMsg {
        send_id: &sender.id,
        recv_id: (to == RecipientKind::User && !batch).then(|| first.recipient_id()),
        group_id: (to == RecipientKind::Group).then(|| first.recipient_id()),
        recv_ids,
        is_send_all: (to == RecipientKind::Everyone).then_some(true),
        sender_nickname: sender.name.as_deref(),
        sender_face_url: sender.avatar_url.as_deref(),
        sender_platform_id: sender.platform.map(|platform| platform.0),
        content: shaped.payload,
        content_type: shaped.content_type,
        session_type,
        is_online_only: options.online_only,
        // A server told `isOnlineOnly` alone still pushes, for a message that never arrives.
        not_offline_push: !options.wants_push(),
        send_time: extensions.send_time,
        offline_push_info: offline_push(&options),
        ex,
    };
    let recipients: usize = call.messages.iter().map(|message| message.recipient_id().len() + 3).sum();
    written(&body, 512 + recipients)
}

fn offline_push(options: &Options) -> Option<OfflinePush<'_>> {
    let push = &options.push;
    let texts = [&push.title, &push.body, &push.ext, &push.sound];
    let said = push.badge.is_some() || texts.iter().any(|text| text.is_some());
    (options.wants_push() && said).then_some(OfflinePush {
        title: push.title.as_deref(),
        desc: push.body.as_deref(),
        ex: push.ext.as_deref(),
        ios_push_sound: push.sound.as_deref(),
        ios_badge_count: push.badge,
    })
}

fn command(first: &CallMessage, sender: &Sender, dialect: Dialect) -> Result<Vec<u8>, Error> {
    let message = &*first.message;
    let Body::Command { name, data } = &message.content.body else {
        return Err(Error::new(ErrorKind::Encode, "no command"));
    };
    let to_group = message.to.kind() == RecipientKind::Group;
    // 1 reaches who is online and is forgotten, 2 is kept until read.
    let level = if message.options.wants_store() { 2 } else { 1 };
    let body = BusinessNotification {
        key: name,
        data: data.as_ref().map(text_of_json).unwrap_or_default(),
        send_user_id: &sender.id,
        recv_user_id: (!to_group).then(|| first.recipient_id()),
        recv_group_id: to_group.then(|| first.recipient_id()),
        reliability_level: (dialect == Dialect::Main).then_some(level),
    };
    written(&body, 256)
}

fn written(body: &impl Serialize, capacity: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Error::new(ErrorKind::Encode, "cannot write the body").because(error))?;
    Ok(bytes)
}

fn cannot(refusal: &Refusal) -> Error {
    let mut error = Error::new(ErrorKind::Encode, "the message cannot be sent");
    for field in &refusal.errors {
        error = error.with("field", field);
    }
    error
}

/// The trace id of a single send: the same for every attempt and for no other message, so that the
/// server can be asked for it. The recipient is in it because callers may give one client id twice.
pub(crate) fn operation_id(message: &Message) -> String {
    format!("{}.{:016x}", traceable(&message.client_id), message.to.fingerprint())
}

/// A client id as it is where it fits a header, else its digest.
fn traceable(client_id: &str) -> Cow<'_, str> {
    if header_safe(client_id) {
        return Cow::Borrowed(client_id);
    }
    Cow::Owned(format!("{:032x}", Digest::of(client_id).0))
}

/// Asks for an administrator's token.
pub(crate) fn login(admin_user_id: &str, secret: &str, seal: &Seal<'_>) -> Option<Request> {
    let body = written(&GetAdminToken { secret, user_id: admin_user_id }, 128).ok()?;
    Some(post("/auth/get_admin_token", body, &format!("login-{}", seal.nonce)))
}

/// The headers that a request is let in by. One that is passed on has a trace id of its own, which stays: it is
/// what its caller looks for in the server's log.
pub(crate) fn credentials(token: &str) -> Vec<Header> {
    vec![Header { name: "token", value: token.to_owned(), secret: true }]
}

/// Asks whether a single send succeeded. The server remembers by the trace id alone, for a day, and
/// only for `/msg/send_msg`; a trace id that the caller chose may be another message's too.
pub(crate) fn lookup(sent: &Sent<'_>, token: &str) -> Option<Request> {
    let message = sent.message;
    let extensions = Extensions::read(message).ok()?;
    let command = matches!(message.content.body, Body::Command { .. });
    if sent.class != crate::dialect::SEND || command || extensions.operation_id.is_some() {
        return None;
    }
    let request = post("/msg/check_msg_is_send_success", b"{}".to_vec(), &operation_id(message));
    Some(request.secret("token", token))
}
