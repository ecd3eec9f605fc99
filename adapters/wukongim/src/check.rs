//! What can never be sent is refused here, before the batch is taken; what would be lost is listed.

use interline_core::adapter::Loss;
use interline_core::content::{Body, Content, Raw};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::options::Sender;
use interline_core::recipient::RecipientKind;
use serde_json::Value;

use crate::dialect::Dialect;
use crate::extensions::{self, Over};
use crate::form::{self, Form};
use crate::settings::Account;
use crate::{NAME, content};

/// Most bytes of a payload, decoded: what one node of a cluster can hand to another. Larger ones are
/// answered with 200 and lost there; from 1 MiB on they stop a server for good.
const LONGEST_PAYLOAD: usize = 32_767;

pub(crate) fn check(dialect: Dialect, account: &Account, message: &Message) -> Result<Vec<Loss>, Refusal> {
    let form = Form::of(dialect, account, message)?;
    // The default sender was checked with the settings.
    if message.from.is_some() {
        form::check_id(form.from, ErrorCode::SenderInvalid, || "/from".to_owned())?;
    }
    form::check_id(message.to.id(), ErrorCode::InvalidMessage, || "/to".to_owned())?;
    if form::is_blank(&message.client_id) || message.client_id.len() > form::LONGEST_ID {
        let detail = format!("must hold 1 to {} bytes, and not only blanks", form::LONGEST_ID);
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/client_id", detail));
    }
    check_audience(dialect, message)?;
    let rendered = message.rendered();
    check_content(&rendered, extensions::payload(message))?;
    let mut losses = Vec::new();
    let whole = matches!(extensions::payload(message), Some(Over::Whole(_)));
    content_losses(&rendered, whole, &mut losses);
    sender_losses(message.sender(account.default_sender.as_deref())?, &mut losses);
    option_losses(dialect, message, &mut losses);
    extension_losses(dialect, &form, &mut losses);
    Ok(losses)
}

/// Only the page knows a list of receivers inside a channel. Servers up to v2 take one for commands
/// without a channel, and v1 would store the message for everybody: sending anyway would show it to
/// people who must not see it.
fn check_audience(dialect: Dialect, message: &Message) -> Result<(), Refusal> {
    let Some(users) = &message.options.audience else { return Ok(()) };
    let refuse = |code, path: &str, detail: &str| Err(Refusal::new(code, path, detail));
    if dialect != Dialect::Published {
        let detail = format!("the {} dialect cannot send to some members of a channel", dialect.as_str());
        return refuse(ErrorCode::Unsupported, "/options/audience", &detail);
    }
    if message.to.kind() == RecipientKind::User {
        let detail = "only members of a group or room can be chosen; leave it out for user:ID";
        return refuse(ErrorCode::InvalidMessage, "/options/audience", detail);
    }
    if users.is_empty() {
        let detail = "must name at least one user: an empty list would reach everybody";
        return refuse(ErrorCode::InvalidMessage, "/options/audience/users", detail);
    }
    users.iter().enumerate().try_for_each(|(index, user)| {
        form::check_id(user, ErrorCode::InvalidMessage, || format!("/options/audience/users/{index}"))
    })
}

fn check_content(content: &Content, over: Option<Over<'_>>) -> Result<(), Refusal> {
    match &content.body {
        Body::Raw { .. } if over.is_some() => {
            let detail = "a raw payload is sent as it is; put its members into its body";
            return Err(Refusal::new(ErrorCode::InvalidMessage, "/extensions/wukongim/payload", detail));
        }
        Body::Raw { vendor, .. } if vendor != NAME => {
            let detail = format!("a payload of {vendor:?} cannot go to {NAME}; allowed: {NAME:?}");
            return Err(Refusal::new(ErrorCode::Unsupported, "/content/vendor", detail));
        }
        Body::Raw { payload: Raw::Bytes(bytes), .. } if bytes.is_empty() => {
            let detail = "must not be empty: the server refuses an empty payload";
            return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/body_base64", detail));
        }
        Body::Custom { data: Value::Object(data), kind: Some(kind) } => {
            let number = content::number_of(kind);
            if let (Some(number), Some(own)) = (number, data.get("type"))
                && own.as_u64() != Some(u64::from(number))
            {
                let detail = format!("is {own}, but `kind` says {number}; give one of them");
                return Err(Refusal::new(ErrorCode::InvalidMessage, "/content/data/type", detail));
            }
        }
        Body::Text(_)
        | Body::Markdown(_)
        | Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Notice(_)
        | Body::Quote { .. }
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => {}
    }
    if over.is_none() && content::surely_within(content, LONGEST_PAYLOAD) {
        return Ok(());
    }
    let length = content::length(content);
    let length = over.map_or(length, |over| over.length(length));
    if length > LONGEST_PAYLOAD {
        let detail = format!("is {length} bytes as the vendor's payload; allowed are {LONGEST_PAYLOAD}");
        return Err(Refusal::new(ErrorCode::TooLarge, "/content", detail));
    }
    Ok(())
}

/// Notes a name where its condition holds.
fn losing(losses: &mut Vec<Loss>) -> impl FnMut(bool, Loss) {
    |condition, name| {
        if condition {
            losses.push(name);
        }
    }
}

fn content_losses(content: &Content, whole: bool, losses: &mut Vec<Loss>) {
    let raw = whole || matches!(content.body, Body::Raw { .. });
    let mut lost = losing(losses);
    lost(!whole && matches!(content.body, Body::Markdown(_)), "content.type");
    if let (false, Body::Custom { data, kind: Some(kind) }) = (whole, &content.body) {
        lost(!content::shows_kind(data, kind), "content.kind");
    }
    lost(content.mentions.is_some() && (raw || content::taken(&content.body, "mention")), "mentions");
    lost(content.ext.is_some() && (raw || content::taken(&content.body, "ext")), "ext");
}

fn sender_losses(sender: &Sender, losses: &mut Vec<Loss>) {
    let mut lost = losing(losses);
    lost(sender.name.is_some(), "from.name");
    lost(sender.avatar_url.is_some(), "from.avatar_url");
    lost(sender.platform.is_some(), "from.platform");
}

fn option_losses(dialect: Dialect, message: &Message, losses: &mut Vec<Loss>) {
    let options = &message.options;
    let push = &options.push;
    // No server acts on a lifetime; the page promises it, in whole seconds.
    let inexact = options.ttl.subsec_nanos() > 0;
    let ignored = dialect != Dialect::Published && !options.ttl.is_zero();
    let mut lost = losing(losses);
    lost(dialect == Dialect::V3 && !options.store, "store");
    lost(dialect == Dialect::V3 && options.online_only, "online_only");
    lost(inexact || ignored, "ttl");
    lost(!push.enabled, "push.enabled");
    lost(push.title.is_some(), "push.title");
    lost(push.body.is_some(), "push.body");
    lost(push.sound.is_some(), "push.sound");
    lost(push.ext.is_some(), "push.ext");
    lost(push.badge.is_some(), "push.badge");
}

fn extension_losses(dialect: Dialect, form: &Form<'_>, losses: &mut Vec<Loss>) {
    let streams = matches!(dialect, Dialect::Published | Dialect::V1);
    if form.extensions.stream_no.is_some() && !streams {
        losses.push("extensions.wukongim.stream_no");
    }
    // v2 has the field, and overwrites it before it delivers an ordinary message.
    if form.extensions.tag_key.is_some() && dialect != Dialect::Published {
        losses.push("extensions.wukongim.tag_key");
    }
}
