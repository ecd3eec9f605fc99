//! What can never be sent, and what would be lost on the way. A loss is named only where the message
//! asks for something: defaults are never losses.

use interline_core::adapter::Loss;
use interline_core::content::{Body, Ext};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::options::{Results, Sender};
use interline_core::recipient::RecipientKind;

use crate::content::{Draft, stands_alone};
use crate::extensions::{Extensions, Verbatim};
use crate::settings::Settings;

/// Checks the message and lists its losses.
pub(crate) fn check(message: &Message, settings: &Settings) -> Result<Vec<Loss>, Refusal> {
    if message.to.kind() == RecipientKind::Everyone {
        let detail = "the vendor has no broadcast; allowed are user, group and room";
        return Err(Refusal::new(ErrorCode::Unsupported, "/to", detail));
    }
    let sender = message.sender(settings.default_sender.as_ref())?;
    let draft = Draft::of(message, settings.fold)?;
    let mut losses = Vec::new();
    let mut lose = |condition: bool, field: Loss| {
        if condition {
            losses.push(field);
        }
    };
    of_sender(sender, &mut lose);
    of_content(message, &draft, &mut lose);
    of_options(message, &mut lose);
    Ok(losses)
}

fn of_sender(sender: &Sender, lose: &mut impl FnMut(bool, Loss)) {
    lose(sender.name.is_some(), "from.name");
    lose(sender.avatar_url.is_some(), "from.avatar_url");
    lose(sender.platform.is_some(), "from.platform");
}

fn of_content(message: &Message, draft: &Draft<'_>, lose: &mut impl FnMut(bool, Loss)) {
    let own = Extensions::read(message, &mut Vec::new());
    match &message.content.body {
        _ if own.body.is_some() => {}
        Body::Markdown(_) | Body::Notice(_) => lose(!draft.kind_given, "content.type"),
        Body::Quote { .. } => lose(true, "content.message"),
        Body::Text(_)
        | Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => {}
    }
    // Only the single send has a list of users to mention, and it has no word for everybody.
    if let Some(mentions) = &message.content.mentions {
        lose(mentions.all || (!mentions.users.is_empty() && !stands_alone(message)), "mentions");
    }
    let same = |extra: &Verbatim<'_>, ext: &Ext| match (extra, ext) {
        (Verbatim::Text(extra), Ext::Text(ext)) => extra == ext,
        (Verbatim::Object(extra), Ext::Object(ext)) => *extra == ext,
        (Verbatim::Text(_), Ext::Object(_)) | (Verbatim::Object(_), Ext::Text(_)) => false,
    };
    let extra = match own.body {
        Some(body) => body.get("extra").and_then(Verbatim::of),
        None => own.extra,
    };
    lose(extra.zip(message.content.ext.as_ref()).is_some_and(|(extra, ext)| !same(&extra, ext)), "ext");
}

fn of_options(message: &Message, lose: &mut impl FnMut(bool, Loss)) {
    let options = &message.options;
    lose(!options.store, "store");
    lose(options.online_only, "online_only");
    lose(!options.badge, "badge");
    lose(!options.ttl.is_zero(), "ttl");
    lose(options.audience.is_some(), "audience");
    lose(options.results == Some(Results::Each) && !stands_alone(message), "results");
    if options.wants_push() {
        let push = &options.push;
        lose(push.title.is_some(), "push.title");
        lose(push.body.is_some(), "push.body");
        lose(push.sound.is_some(), "push.sound");
        lose(push.ext.is_some(), "push.ext");
        lose(push.badge.is_some(), "push.badge");
    }
}
