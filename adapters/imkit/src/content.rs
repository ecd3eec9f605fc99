//! A message in the vendor's words, and how they may share a call with others. The vendor puts values
//! into `message` and `extra` by a rule that it does not publish, and nothing escapes a dollar: so a
//! template is handed over only where every imaginable rule gives the same text.

use std::borrow::Cow;

use interline_core::content::{Body, Content, Ext, Object};
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::options::{Results, Vars};
use interline_core::recipient::RecipientKind;
use interline_core::template::{self, Piece};
use serde_json::Value;

use crate::extensions::{self, Extensions, Verbatim};
use crate::{payload, wire};

/// How the words of a message stand in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wording {
    /// The call says the template, each entry its values.
    Template,
    /// Each entry says its whole text, as the value of one placeholder.
    Fold,
    /// The call says the text, entries say nothing.
    Literal,
}

/// A message in the vendor's words.
#[derive(Debug)]
pub(crate) struct Draft<'m> {
    /// `messageType`.
    pub(crate) kind: &'m str,
    /// `message`: the template, or the text as people read it.
    pub(crate) text: Cow<'m, str>,
    /// `extra`, in the same wording as the text.
    pub(crate) extra: Option<Extra<'m>>,
    /// Further members of the body, from a payload of the vendor's own.
    pub(crate) own: Object,
    /// How the words stand in a call.
    pub(crate) wording: Wording,
    /// `skipTotalBadge`.
    pub(crate) skip_total_badge: bool,
    /// Whether the app chose the type itself.
    pub(crate) kind_given: bool,
    /// Whether the words are the content's, and not those of a body that stands in its place.
    pub(crate) of_content: bool,
}

/// The app's own addition to a message.
#[derive(Debug, Hash)]
pub(crate) enum Extra<'m> {
    /// A string.
    Text(Cow<'m, str>),
    /// An object, written as one: only where nothing is put in.
    Object(&'m Object),
}

impl Extra<'_> {
    /// As the body writes it.
    pub(crate) fn on_wire(&self) -> wire::Extra<'_> {
        match self {
            Self::Text(text) => wire::Extra::Text(text),
            Self::Object(object) => wire::Extra::Object(object),
        }
    }

    /// Whether the server may look into it for placeholders and find none.
    fn is_inert(&self) -> bool {
        match self {
            Self::Text(text) => !text.contains('$'),
            Self::Object(_) => false,
        }
    }
}

/// The text of a body, before values are put in.
pub(crate) struct Words<'m> {
    pub(crate) text: Cow<'m, str>,
    /// Whether the canonical template covers it.
    pub(crate) templated: bool,
    /// The type that the body stands for by itself.
    pub(crate) kind: &'m str,
    pub(crate) kind_given: bool,
    pub(crate) own: Object,
}

impl<'m> Words<'m> {
    fn plain(text: &'m str) -> Self {
        let text = Cow::Borrowed(text);
        Self { text, templated: true, kind: "text", kind_given: false, own: Object::new() }
    }
}

impl<'m> Draft<'m> {
    /// Puts the message into the vendor's words.
    ///
    /// # Errors
    /// When the vendor has none for it.
    pub(crate) fn of(message: &'m Message, fold: bool) -> Result<Self, Refusal> {
        let mut errors = Vec::new();
        let extensions = Extensions::read(message, &mut errors);
        if !errors.is_empty() {
            return Err(Refusal { code: ErrorCode::InvalidMessage, errors });
        }
        let mut words = match extensions.body {
            Some(body) => payload::of_extension(body)?,
            None => words(&message.content)?,
        };
        payload::refuse_repeats(&message.content, extensions, &words.own)?;
        if let Some(kind) = extensions.message_type {
            words.kind = kind;
            words.kind_given = true;
        }
        // The single send puts nothing in, so there is nothing to hand over and nothing to fold.
        let alone = stands_alone(message);
        let template = if alone { None } else { template_draft(message, &words, extensions) };
        let draft = template.unwrap_or_else(|| rendered_draft(message, words, extensions, fold && !alone));
        if draft.text.is_empty() && draft.own.is_empty() {
            return Err(Refusal::new(
                ErrorCode::InvalidMessage,
                empty_path(&message.content.body),
                "the message would be empty, and the vendor takes an empty message for a missing one",
            ));
        }
        Ok(draft)
    }
}

/// Whether the message goes by the single send, which answers with its id: a group or room whose
/// caller asked for `results: each`. That call is not documented to take more than words, so more goes by
/// it only where the caller wrote the body.
pub(crate) fn stands_alone(message: &Message) -> bool {
    let room = match message.to.kind() {
        RecipientKind::Group | RecipientKind::Room => true,
        RecipientKind::User | RecipientKind::Everyone => false,
    };
    let own = |key: &str| message.extension(extensions::VENDOR)?.get(key).filter(|value| !value.is_null());
    let words_alone = message.content.ext.is_none()
        && !matches!(message.content.body, Body::Raw { .. })
        && own("extra").is_none();
    room && message.options.results == Some(Results::Each) && (own("body").is_some() || words_alone)
}

const fn empty_path(body: &Body) -> &'static str {
    match body {
        Body::Raw { .. } => "/content/body/message",
        Body::Custom { .. } => "/content/data",
        Body::Text(_)
        | Body::Markdown(_)
        | Body::Notice(_)
        | Body::Quote { .. }
        | Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Command { .. } => "/content/text",
    }
}

fn words(content: &Content) -> Result<Words<'_>, Refusal> {
    match &content.body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) | Body::Quote { text, .. } => {
            Ok(Words::plain(text))
        }
        Body::Custom { data, kind } => {
            let text = match data {
                Value::String(text) => Cow::Borrowed(text.as_str()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Cow::Owned(data.to_string())
                }
            };
            let given = kind.as_deref().filter(|kind| !kind.is_empty());
            if let Some(kind) = given.filter(|kind| extensions::is_system_type(kind)) {
                let detail = extensions::system_type_detail(kind);
                return Err(Refusal::new(ErrorCode::Unsupported, "/content/kind", detail));
            }
            let kind = given.unwrap_or("custom");
            Ok(Words { text, templated: false, kind, kind_given: given.is_some(), own: Object::new() })
        }
        Body::Raw { vendor, payload } if vendor == extensions::VENDOR => payload::of_content(payload),
        Body::Raw { vendor, .. } => Err(Refusal::new(
            ErrorCode::Unsupported,
            "/content/vendor",
            format!("a raw payload of {vendor:?}; only one of {:?} can be sent here", extensions::VENDOR),
        )),
        Body::Image(_) | Body::Audio(_) | Body::Video(_) | Body::File(_) | Body::Location(_) => {
            Err(unsupported(content))
        }
        Body::Command { .. } => Err(unsupported(content)),
    }
}

fn unsupported(content: &Content) -> Refusal {
    let detail = format!(
        "{} cannot be sent: a batch is documented to carry text alone; allowed are text, markdown, notice, \
         quote, custom (its kind becomes the message type) and raw of {:?}",
        content.kind(),
        extensions::VENDOR
    );
    Refusal::new(ErrorCode::Unsupported, "/content/type", detail)
}

/// The draft as a template, if the vendor can be trusted with it.
fn template_draft<'m>(
    message: &'m Message,
    words: &Words<'m>,
    extensions: Extensions<'m>,
) -> Option<Draft<'m>> {
    if !message.is_template() || !words.own.is_empty() {
        return None;
    }
    let vars = &message.vars;
    let in_text =
        if words.templated { placeholders(&words.text, vars)? } else { inert(&words.text).then_some(0)? };
    let (extra, in_extra) = match (extensions.extra, &message.content.ext) {
        (Some(Verbatim::Object(_)), _) => return None,
        (Some(Verbatim::Text(text)), _) => (Some(Cow::Borrowed(text)), inert(text).then_some(0)?),
        (None, Some(ext)) => {
            let text = text_of(ext);
            let count = placeholders(&text, vars)?;
            if count > 0 && !survives_json(message, &text) {
                return None;
            }
            (Some(text), count)
        }
        (None, None) => (None, 0),
    };
    (in_text + in_extra > 0).then(|| Draft {
        kind: words.kind,
        text: words.text.clone(),
        extra: extra.map(Extra::Text),
        own: Object::new(),
        wording: Wording::Template,
        skip_total_badge: extensions.skip_total_badge,
        kind_given: words.kind_given,
        of_content: extensions.body.is_none(),
    })
}

fn inert(text: &str) -> bool {
    !text.contains('$')
}

fn text_of(ext: &Ext) -> Cow<'_, str> {
    match ext {
        Ext::Text(text) => Cow::Borrowed(text),
        Ext::Object(_) => Cow::Owned(ext.to_text()),
    }
}

/// How many placeholders there are, if each is filled alike by every way of filling them in: by key or
/// by pattern, one pass or many, first or every occurrence, values read again or not, `$`-patterns of
/// a regular expression obeyed or not, an empty value taken for a missing one or not.
fn placeholders(text: &str, vars: &Vars) -> Option<usize> {
    let mut seen: Vec<&str> = Vec::new();
    // Something that no name holds must part two placeholders: else the closing dollar of one and the
    // opening dollar of the next can embrace a third.
    let mut parted = true;
    for piece in template::pieces(text) {
        match piece {
            Piece::Text(plain) if !inert(plain) => return None,
            Piece::Text(plain) => {
                parted |= plain.chars().any(|letter| letter != '_' && !letter.is_ascii_alphanumeric());
            }
            Piece::Dollar => return None,
            Piece::Placeholder(name) => {
                let filled = vars.get(name).is_some_and(|value| !value.is_empty() && inert(value));
                if !filled || !parted || seen.contains(&name) {
                    return None;
                }
                seen.push(name);
                parted = false;
            }
        }
    }
    Some(seen.len())
}

/// Whether putting values into the text of an `ext` gives what putting them into its strings gives,
/// whether or not the server escapes them.
fn survives_json(message: &Message, text: &str) -> bool {
    let plain = |value: &String| !value.chars().any(|letter| matches!(letter, '"' | '\\') || letter < ' ');
    let names = template::pieces(text);
    let values = names.iter().filter_map(|piece| match piece {
        Piece::Placeholder(name) => message.vars.get(*name),
        Piece::Text(_) | Piece::Dollar => None,
    });
    values.into_iter().all(plain)
        && message
            .rendered()
            .ext
            .as_ref()
            .is_some_and(|ext| text_of(ext) == template::render(text, &message.vars))
}

/// The draft with every value put in by us.
fn rendered_draft<'m>(
    message: &'m Message,
    words: Words<'m>,
    extensions: Extensions<'m>,
    fold: bool,
) -> Draft<'m> {
    let filled = message.is_template();
    let text = match words.text {
        template if filled && words.templated => Cow::Owned(template::render(&template, &message.vars)),
        text => text,
    };
    let extra = match (extensions.extra, &message.content.ext) {
        _ if words.own.contains_key("extra") => None,
        (Some(Verbatim::Text(text)), _) => Some(Extra::Text(Cow::Borrowed(text))),
        (Some(Verbatim::Object(object)), _) => Some(Extra::Object(object)),
        (None, Some(_)) if filled => {
            message.rendered().ext.as_ref().map(|ext| Extra::Text(Cow::Owned(ext.to_text())))
        }
        (None, Some(ext)) => Some(Extra::Text(text_of(ext))),
        (None, None) => None,
    };
    let foldable = fold
        && words.own.is_empty()
        && !text.is_empty()
        && inert(&text)
        && extra.as_ref().is_none_or(Extra::is_inert);
    Draft {
        kind: words.kind,
        text,
        extra,
        own: words.own,
        wording: if foldable { Wording::Fold } else { Wording::Literal },
        skip_total_badge: extensions.skip_total_badge,
        kind_given: words.kind_given,
        of_content: extensions.body.is_none(),
    }
}
