//! Messages become one request, and the key that says which of them may share it: a call has one sender and one
//! text, everything else is each letter's own.

use interline_core::adapter::{Call, Request, Slot};
use interline_core::content::Body;
use interline_core::error::{Error, ErrorKind};
use interline_core::message::Message;
use interline_core::shared::Digest;
use serde::Serialize;

use crate::settings::Settings;
use crate::{LETTERS, MOST_LETTERS, check};

#[derive(Serialize)]
struct Letters<'c> {
    from: &'c str,
    text: &'c str,
    letters: Vec<Letter<'c>>,
}

#[derive(Serialize)]
struct Letter<'c> {
    r#ref: &'c str,
    to: &'c str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    express: bool,
}

fn sender<'m>(message: &'m Message, settings: &'m Settings) -> &'m str {
    message.sender(settings.default_sender.as_ref()).map(|sender| sender.id.as_str()).unwrap_or_default()
}

fn text(message: &Message) -> String {
    match &message.rendered().body {
        Body::Text(text) => text.clone(),
        // `check` refuses them; a slot asks without having checked.
        Body::Markdown(_)
        | Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Notice(_)
        | Body::Quote { .. }
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => String::new(),
    }
}

/// Which calls the message may stand in.
pub(crate) fn slot(message: &Message, settings: &Settings) -> Slot {
    Slot {
        class: LETTERS,
        key: Digest::of(&(sender(message, settings), text(message))),
        bytes: message.client_id.len() + message.to.id().len() + 32,
        max: MOST_LETTERS,
        // Answers are matched by `ref`, so one person may stand in a call twice.
        repeats: true,
    }
}

/// Writes the call.
pub(crate) fn encode(call: &Call, settings: &Settings) -> Result<Request, Error> {
    let Some(first) = call.messages.first() else {
        return Err(Error::new(ErrorKind::Encode, "cannot write a call without messages"));
    };
    let letters = call.messages.iter().map(|of| Letter {
        r#ref: &of.message.client_id,
        to: of.recipient_id(),
        express: check::express(&of.message),
    });
    let text = text(&first.message);
    let body = Letters { from: sender(&first.message, settings), text: &text, letters: letters.collect() };
    let body = serde_json::to_vec(&body)
        .map_err(|error| Error::new(ErrorKind::Encode, "cannot write the body").because(error))?;
    let mut request = Request::post("/v1/letters", "application/json", body);
    request.headers.push(settings.api_key.header());
    Ok(request)
}
