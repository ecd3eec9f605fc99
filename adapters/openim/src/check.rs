//! What this vendor refuses before anything is sent, and what it would lose: the recipient, the
//! options, and how the extensions go together with both. Content has its own file.

use interline_core::adapter::Loss;
use interline_core::content::{Body, Content};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::options::{Options, Results, Sender};
use interline_core::recipient::RecipientKind;

use crate::content::{self, Frame, NOTIFICATION};
use crate::dialect::Dialect;
use crate::extensions::{AT, Extensions};

/// How a message is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `/msg/batch_send_msg`.
    Batch,
    /// `/msg/send_msg`.
    Single,
    /// `/msg/send_business_notification`.
    Command,
}

/// The way of a message. Groups never go through the batch call: without recipients it reports success
/// and sends nothing, with recipients it posts a copy for each.
pub(crate) fn way(message: &Message, results: Results, dialect: Dialect) -> Way {
    match (message.to.kind(), &message.content.body) {
        (_, Body::Command { .. }) => Way::Command,
        (RecipientKind::Everyone, _) => Way::Batch,
        (RecipientKind::User, _) if results == Results::Fast || dialect == Dialect::Published => Way::Batch,
        (RecipientKind::User | RecipientKind::Group | RecipientKind::Room, _) => Way::Single,
    }
}

/// Checks a message and lists what would be lost.
pub(crate) fn check(
    message: &Message,
    sender: &Sender,
    dialect: Dialect,
    may_reach_everyone: bool,
) -> Result<Vec<Loss>, Refusal> {
    recipient(message, dialect, may_reach_everyone)?;
    let extensions = Extensions::read(message)?;
    let content = message.rendered();
    if let Body::Command { .. } = &content.body {
        own_fields_of_a_command(&extensions)?;
        return Ok(command_losses(message, &content, sender, dialect));
    }
    let frame = Frame { dialect, to: message.to.kind(), extensions: &extensions };
    let shaped = content::shape(&content, frame)?;
    session_type(shaped.content_type, frame)?;
    let mut losses = shaped.losses;
    losses.extend(option_losses(&message.options, message, dialect));
    Ok(losses)
}

fn recipient(message: &Message, dialect: Dialect, may_reach_everyone: bool) -> Result<(), Refusal> {
    let unsupported = |path: &str, detail: &str| Err(Refusal::new(ErrorCode::Unsupported, path, detail));
    let command = matches!(message.content.body, Body::Command { .. });
    match message.to.kind() {
        RecipientKind::Room => unsupported("/to", "there are no chat rooms; allowed: user, group, everyone"),
        RecipientKind::Everyone if !may_reach_everyone => {
            let detail = "the provider may not reach everyone; set `everyone = true` in its configuration";
            Err(Refusal::new(ErrorCode::Forbidden, "/to", detail))
        }
        RecipientKind::Everyone if command => unsupported("/to", "a command goes to a user or a group"),
        // Sent without it, the message would be read by those it was not meant for.
        RecipientKind::Group | RecipientKind::Everyone if message.options.audience.is_some() => unsupported(
            "/options/audience",
            "a part of a group cannot be addressed; send to the users themselves",
        ),
        RecipientKind::Group if command && dialect != Dialect::Main => {
            unsupported("/to", "a command to a group needs the main line")
        }
        RecipientKind::User | RecipientKind::Group | RecipientKind::Everyone
            if command && dialect == Dialect::Published =>
        {
            unsupported("/content/type", "the published API has no commands")
        }
        RecipientKind::User | RecipientKind::Group | RecipientKind::Everyone => Ok(()),
    }
}

fn own_fields_of_a_command(extensions: &Extensions) -> Result<(), Refusal> {
    let given = [
        ("contentType", extensions.content_type.is_some()),
        ("sessionType", extensions.session_type.is_some()),
        ("notification", extensions.notification.is_some()),
        ("ex", extensions.ex.is_some()),
        ("sendTime", extensions.send_time.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((key, _)) => {
            let detail = "a command has no such field; allowed: operationID";
            Err(Refusal::new(ErrorCode::InvalidMessage, format!("{AT}/{key}"), detail))
        }
        None => Ok(()),
    }
}

/// The session type of a message, or why the one asked for cannot be.
pub(crate) fn session_type(content_type: u32, frame: Frame<'_>) -> Result<u8, Refusal> {
    let wrong = |path: String, detail: String| Err(Refusal::new(ErrorCode::Unsupported, path, detail));
    let published = frame.dialect == Dialect::Published;
    let allowed: &[u8] = match (frame.to, content_type) {
        (RecipientKind::Group | RecipientKind::Room, NOTIFICATION) => {
            return wrong("/to".to_owned(), "notifications go to users, not to groups".to_owned());
        }
        (RecipientKind::Group | RecipientKind::Room, _) if published => &[3, 2],
        (RecipientKind::Group | RecipientKind::Room, _) => &[3],
        (RecipientKind::User | RecipientKind::Everyone, NOTIFICATION) => &[4],
        (RecipientKind::User | RecipientKind::Everyone, _) if published => &[1, 4],
        (RecipientKind::User | RecipientKind::Everyone, _) => &[1],
    };
    let own = allowed.first().copied().unwrap_or(1);
    let asked = frame.extensions.session_type.unwrap_or(own);
    if allowed.contains(&asked) {
        return Ok(asked);
    }
    let listed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
    let detail = format!(
        "{asked} does not work for content type {content_type} to {}; allowed: {}",
        frame.to.as_str(),
        listed.join(", ")
    );
    wrong(format!("{AT}/sessionType"), detail)
}

fn listed<const N: usize>(losses: [(Loss, bool); N]) -> impl Iterator<Item = Loss> {
    losses.into_iter().filter(|(_, lost)| *lost).map(|(loss, _)| loss)
}

fn option_losses(options: &Options, message: &Message, dialect: Dialect) -> impl Iterator<Item = Loss> {
    let to_user = message.to.kind() == RecipientKind::User;
    listed([
        ("ttl", !options.ttl.is_zero()),
        ("store", !options.store && !options.online_only),
        ("badge", !options.badge),
        // The server always shows the message to the sender, but for one that it does not keep.
        ("sync_sender", options.sync_sender && options.online_only),
        ("audience", options.audience.is_some()),
        ("results", to_user && dialect == Dialect::Published && options.results == Some(Results::Each)),
    ])
}

fn command_losses(message: &Message, content: &Content, sender: &Sender, dialect: Dialect) -> Vec<Loss> {
    let options = &message.options;
    let push = &options.push;
    let mentioned =
        content.mentions.as_ref().is_some_and(|mentions| mentions.all || !mentions.users.is_empty());
    listed([
        ("ttl", !options.ttl.is_zero()),
        ("store", options.wants_store() && dialect != Dialect::Main),
        ("sync_sender", options.sync_sender),
        ("audience", options.audience.is_some()),
        ("push.title", options.wants_push() && push.title.is_some()),
        ("push.body", options.wants_push() && push.body.is_some()),
        ("push.sound", options.wants_push() && push.sound.is_some()),
        ("push.ext", options.wants_push() && push.ext.is_some()),
        ("push.badge", options.wants_push() && push.badge.is_some()),
        ("ext", content.ext.is_some()),
        ("mentions", mentioned),
        ("from.name", sender.name.is_some()),
        ("from.avatar_url", sender.avatar_url.is_some()),
        ("from.platform", sender.platform.is_some()),
    ])
    .collect()
}
