//! What can never be sent, what would be lost on the way, and the vendor's own field. A loss is named only where
//! the message asks for something: defaults are never losses.

use interline_core::adapter::Loss;
use interline_core::content::Body;
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::recipient::RecipientKind;
use interline_core::schema;
use serde_json::{Value, json};

use crate::NAME;
use crate::settings::Settings;

/// The longest text, in characters.
const LONGEST: usize = 1_000;

/// What may stand in `extensions.pigeon`.
pub(crate) fn schema() -> Value {
    let express = schema::switch("Whether the fastest bird flies.");
    schema::closed("Fields of Pigeon Post's own.", &[], json!({ "express": express }))
}

/// Whether the message asks for the fastest bird.
pub(crate) fn express(message: &Message) -> bool {
    message.extension(NAME).and_then(|own| own.get("express")).and_then(Value::as_bool).unwrap_or(false)
}

/// Checks the message and lists its losses.
pub(crate) fn check(message: &Message, settings: &Settings) -> Result<Vec<Loss>, Refusal> {
    if message.to.kind() != RecipientKind::User {
        return Err(Refusal::new(ErrorCode::Unsupported, "/to", "letters go to a user"));
    }
    let sender = message.sender(settings.default_sender.as_ref())?;
    let content = message.rendered();
    let Body::Text(text) = &content.body else {
        return Err(Refusal::new(ErrorCode::Unsupported, "/content/type", "letters hold a text"));
    };
    if text.chars().count() > LONGEST {
        let detail = format!("at most {LONGEST} characters");
        return Err(Refusal::new(ErrorCode::TooLarge, "/content/text", detail));
    }
    own_fields(message)?;
    let options = &message.options;
    let push = &options.push;
    let pushes = options.wants_push();
    let lost = [
        (sender.name.is_some(), "from.name"),
        (sender.avatar_url.is_some(), "from.avatar_url"),
        (sender.platform.is_some(), "from.platform"),
        (content.ext.is_some(), "ext"),
        (content.mentions.is_some(), "mentions"),
        (!options.store, "store"),
        (options.online_only, "online_only"),
        (!options.badge, "badge"),
        (options.sync_sender, "sync_sender"),
        (!options.ttl.is_zero(), "ttl"),
        (options.audience.is_some(), "audience"),
        (!pushes && !options.online_only, "push.enabled"),
        (pushes && push.title.is_some(), "push.title"),
        (pushes && push.body.is_some(), "push.body"),
        (pushes && push.sound.is_some(), "push.sound"),
        (pushes && push.ext.is_some(), "push.ext"),
        (pushes && push.badge.is_some(), "push.badge"),
    ];
    Ok(lost.into_iter().filter(|(asked, _)| *asked).map(|(_, field)| field).collect())
}

/// Refuses what the vendor does not know in its own part of the message.
fn own_fields(message: &Message) -> Result<(), Refusal> {
    for (key, value) in message.extension(NAME).into_iter().flatten() {
        let path = format!("/extensions/{NAME}/{}", key.replace('~', "~0").replace('/', "~1"));
        let detail = match key.as_str() {
            "express" if value.is_boolean() || value.is_null() => continue,
            "express" => "expected true or false",
            _ => "unknown field; allowed: express",
        };
        return Err(Refusal::new(ErrorCode::InvalidMessage, path, detail));
    }
    Ok(())
}
