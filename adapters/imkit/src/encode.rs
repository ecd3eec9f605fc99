//! Messages become one request, and the key that says which of them may share it. Written straight
//! into the body from borrowed messages: a call of two hundred is the common case.

use interline_core::adapter::{Call, CallMessage, Request, Slot};
use interline_core::content::Object;
use interline_core::error::{Error, ErrorKind, Refusal};
use interline_core::message::Message;
use interline_core::options::Sender;
use interline_core::recipient::RecipientKind;
use interline_core::shared::Digest;
use interline_core::template::{self, Piece};

use crate::content::{Draft, Extra, Wording, stands_alone};
use crate::settings::Settings;
use crate::wire::{Batch, Para, Single, Target, Values};
use crate::{BATCH, MOST_PARAS, SEND};

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// The placeholder that folded texts are the values of.
const FOLDED: &str = "$text$";

/// What an entry of `paras` takes beside ids and values: quotes, braces, field name.
const ENTRY_BYTES: usize = 16;

/// What a call says once. Chat rooms keep to themselves: a group and a room may be the same room of
/// the vendor's, which must not stand in one call twice.
#[derive(Hash)]
struct Key<'k> {
    wording: Wording,
    words: Words<'k>,
    kind: &'k str,
    extra: Option<&'k Extra<'k>>,
    own: &'k Object,
    sender: Option<&'k str>,
    push: bool,
    skip_total_badge: bool,
    room: bool,
}

#[derive(Hash)]
enum Words<'k> {
    /// The content, by the digest that its messages share.
    Content(Digest),
    Text(&'k str),
    /// Each entry says its own.
    Folded,
}

/// Which calls the message may stand in. A message that cannot be sent gets a place of its own.
pub(crate) fn slot(message: &Message, settings: &Settings) -> Slot {
    let class = if stands_alone(message) { SEND } else { BATCH };
    let Ok(draft) = Draft::of(message, settings.fold) else {
        let key = Digest::of(&*message.client_id);
        return Slot { class, key, bytes: 0, max: 1, repeats: false };
    };
    let own_bytes = match draft.wording {
        Wording::Template => message.vars.iter().map(|(name, value)| name.len() + value.len() + 8).sum(),
        Wording::Fold => draft.text.len() + FOLDED.len(),
        Wording::Literal => 0,
    };
    let key = Key {
        wording: draft.wording,
        words: match draft.wording {
            Wording::Fold => Words::Folded,
            // Its text is not the content's alone.
            Wording::Literal if message.is_template() || !draft.of_content => Words::Text(&draft.text),
            Wording::Literal | Wording::Template => Words::Content(message.content.digest()),
        },
        kind: draft.kind,
        extra: draft.extra.as_ref(),
        own: &draft.own,
        sender: message.sender(settings.default_sender.as_ref()).ok().map(|sender| sender.id.as_str()),
        push: message.options.wants_push(),
        skip_total_badge: draft.skip_total_badge,
        room: message.to.kind() == RecipientKind::Room,
    };
    Slot {
        class,
        key: Digest::of(&key),
        bytes: message.to.id().len() + ENTRY_BYTES + own_bytes,
        max: if class == SEND { 1 } else { MOST_PARAS },
        repeats: false,
    }
}

/// Writes the call.
pub(crate) fn encode(call: &Call, settings: &Settings) -> Result<Request, Error> {
    let Some(first) = call.messages.first() else {
        return Err(Error::new(ErrorKind::Encode, "cannot write a call without messages"));
    };
    let sender =
        first.message.sender(settings.default_sender.as_ref()).map_err(|refusal| cannot(&refusal))?;
    let (path, body) = if call.class == SEND {
        ("/messages", single(first, sender, settings)?)
    } else {
        ("/messages/batch", batch(call, sender, settings)?)
    };
    Ok(Request::post(path, CONTENT_TYPE, body).secret("IM-API-KEY", settings.api_key.expose()))
}

fn cannot(refusal: &Refusal) -> Error {
    Error::new(ErrorKind::Encode, "cannot write the message").with("reason", refusal.failure().message)
}

fn single(of: &CallMessage, sender: &Sender, settings: &Settings) -> Result<Vec<u8>, Error> {
    let message = &of.message;
    let draft = Draft::of(message, settings.fold).map_err(|refusal| cannot(&refusal))?;
    let body = Single {
        room: of.recipient_id(),
        sender: &sender.id,
        message: &draft.text,
        message_type: draft.kind,
        push: message.options.wants_push(),
        skip_total_badge: draft.skip_total_badge,
        extra: draft.extra.as_ref().map(Extra::on_wire),
        own: &draft.own,
        mentions: message.content.mentions.as_ref().map(|mentions| &*mentions.users).unwrap_or_default(),
    };
    write(&body, 256 + draft.text.len())
}

fn batch(call: &Call, sender: &Sender, settings: &Settings) -> Result<Vec<u8>, Error> {
    let drafts: Vec<Draft<'_>> = call
        .messages
        .iter()
        .map(|of| Draft::of(&of.message, settings.fold).map_err(|refusal| cannot(&refusal)))
        .collect::<Result<_, _>>()?;
    let Some((head, first)) = drafts.first().zip(call.messages.first()) else {
        return Err(Error::new(ErrorKind::Encode, "cannot write a call without messages"));
    };
    // One text for all needs no placeholder, and is the call that the vendor's page shows.
    let folded = head.wording == Wording::Fold && drafts.iter().any(|draft| draft.text != head.text);
    let names = if head.wording == Wording::Template { names(head) } else { Vec::new() };
    let paras = call.messages.iter().zip(&drafts).map(|(of, draft)| {
        let values = match head.wording {
            Wording::Template => Values::Many(&names, &of.message.vars),
            Wording::Fold if folded => Values::One(FOLDED, &draft.text),
            Wording::Fold | Wording::Literal => Values::None,
        };
        Ok(Para { target: target(of)?, values })
    });
    let paras = paras.collect::<Result<Vec<_>, Error>>()?;
    let size = paras.len() * 96 + drafts.iter().map(|draft| draft.text.len()).sum::<usize>();
    let body = Batch {
        message_type: head.kind,
        message: if folded { FOLDED } else { &head.text },
        push: first.message.options.wants_push(),
        sender: &sender.id,
        skip_total_badge: head.skip_total_badge,
        extra: head.extra.as_ref().map(Extra::on_wire),
        own: &head.own,
        paras,
    };
    write(&body, size)
}

fn target(of: &CallMessage) -> Result<Target<'_>, Error> {
    match of.message.to.kind() {
        RecipientKind::User => Ok(Target::Receiver(of.recipient_id())),
        RecipientKind::Group | RecipientKind::Room => Ok(Target::Room(of.recipient_id())),
        RecipientKind::Everyone => Err(Error::new(ErrorKind::Encode, "cannot write a broadcast")),
    }
}

/// Keys, dollars included, and names of a template's placeholders, in the order of the text.
fn names(draft: &Draft<'_>) -> Vec<(String, String)> {
    let extra = match &draft.extra {
        Some(Extra::Text(text)) => &**text,
        Some(Extra::Object(_)) | None => "",
    };
    let mut names: Vec<(String, String)> = Vec::new();
    for piece in [&*draft.text, extra].into_iter().flat_map(template::pieces) {
        let Piece::Placeholder(name) = piece else { continue };
        if names.iter().all(|(_, known)| known != name) {
            names.push((format!("${name}$"), name.to_owned()));
        }
    }
    names
}

fn write(body: &impl serde::Serialize, size: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(size);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Error::new(ErrorKind::Encode, "cannot write the body").because(error))?;
    Ok(bytes)
}
