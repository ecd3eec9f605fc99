//! Which messages may share a call: in rooms those with equal room, sender and flags, in user batches
//! those with equal sender, content and options.

use interline_core::adapter::Slot;
use interline_core::content::{Body, Content};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::shared::Digest;

use crate::VENDOR_NAME;
use crate::extensions::Extensions;
use crate::limits::{ROOM_MESSAGES, USERS};
use crate::route::Route;
use crate::settings::Account;

/// Places a message.
pub(crate) fn slot(account: &Account, message: &Message, results: Results) -> Slot {
    let route = Route::of(message, results);
    let sender = message.from.as_deref().or(account.default_sender.as_ref());
    let sender = sender.map(|sender| sender.id.as_str()).unwrap_or_default();
    let (key, bytes, max) = match route {
        Route::Room | Route::Directed => (room_key(message, sender), room_bytes(message), ROOM_MESSAGES),
        Route::Users => (users_key(message, sender), message.to.id().len() + 9, USERS),
        Route::Single | Route::Broadcast => (Digest::default(), room_bytes(message), 1),
    };
    let repeats = matches!(route, Route::Room | Route::Directed);
    Slot { class: route.class(), key, bytes, max, repeats }
}

fn room_key(message: &Message, sender: &str) -> Digest {
    let flags = Extensions::checked(message.extension(VENDOR_NAME)).flags;
    let options = &message.options;
    Digest::of(&(message.to.id(), sender, options.wants_store(), options.audience.as_deref(), flags))
}

/// Templates have no counterpart at the vendor: each text is a content of its own.
fn users_key(message: &Message, sender: &str) -> Digest {
    let (content, options) = if message.is_template() {
        (Digest::of(&*message.rendered()), Digest::of(&*message.rendered_options()))
    } else {
        (message.content.digest(), message.options.digest())
    };
    let extensions = Extensions::checked(message.extension(VENDOR_NAME));
    Digest::of(&(sender, content, options, extensions.flags, extensions.extras, extensions.msg_type))
}

/// A cheap estimate of what the message adds to a form body.
fn room_bytes(message: &Message) -> usize {
    const KEYS: usize = 160;
    const MEDIA: usize = 600;
    KEYS + size(&message.content).unwrap_or(MEDIA) + message.content.ext.as_ref().map_or(0, |_| 64)
}

fn size(content: &Content) -> Option<usize> {
    match &content.body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) | Body::Quote { text, .. } => {
            Some(text.len() + text.len() / 2)
        }
        Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => None,
    }
}
