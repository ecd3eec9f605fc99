//! How a message stands on the wire, apart from its payload: sender, channel, header flags, lifetime.
//! One function decides it for checking, planning and writing, so that the three never differ.

use interline_core::error::{ErrorCode, FieldError, Refusal};
use interline_core::message::Message;
use interline_core::recipient::RecipientKind;

use crate::dialect::Dialect;
use crate::extensions::Extensions;
use crate::settings::Account;

/// The highest channel type that the vendor defines (agent groups).
pub(crate) const LAST_CHANNEL_TYPE: u8 = 12;

/// Channel type of two persons.
pub(crate) const PERSON: u8 = 1;

/// Channel type of a group.
pub(crate) const GROUP: u8 = 2;

/// Channel type of a person and an agent.
pub(crate) const AGENT: u8 = 11;

/// Longest id, in bytes. The server dies when two joined ids and the suffix of a command channel are
/// longer than 32,767 bytes together; this leaves room for that, and nobody has ids near it.
pub(crate) const LONGEST_ID: usize = 16_000;

/// The three header flags. They go out as 0 and 1: booleans are a 400, and only 1 counts as set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    pub(crate) no_persist: bool,
    pub(crate) red_dot: bool,
    pub(crate) sync_once: bool,
}

/// A message, ready for the wire but for its payload.
#[derive(Debug)]
pub(crate) struct Form<'m> {
    pub(crate) from: &'m str,
    pub(crate) channel_type: u8,
    pub(crate) flags: Flags,
    /// Lifetime in seconds; 0 is none.
    pub(crate) expire: u32,
    pub(crate) extensions: Extensions,
}

impl<'m> Form<'m> {
    /// The form of a message, or why it has none.
    #[inline]
    pub(crate) fn of(dialect: Dialect, account: &'m Account, message: &'m Message) -> Result<Self, Refusal> {
        let from = &message.sender(account.default_sender.as_deref())?.id;
        let extensions =
            Extensions::of(message).map_err(|errors| Refusal { code: ErrorCode::InvalidMessage, errors })?;
        Ok(Self {
            from,
            channel_type: channel_type(account, message, &extensions)?,
            flags: flags(dialect, message, &extensions),
            expire: expire(message)?,
            extensions,
        })
    }
}

fn channel_type(account: &Account, message: &Message, extensions: &Extensions) -> Result<u8, Refusal> {
    let kind = message.to.kind();
    let usual = match kind {
        RecipientKind::User => PERSON,
        RecipientKind::Group => GROUP,
        RecipientKind::Room => account.room_channel_type,
        RecipientKind::Everyone => {
            let detail = "wukongim cannot send to everyone; allowed: user:ID, group:ID, room:ID";
            return Err(Refusal::new(ErrorCode::Unsupported, "/to", detail));
        }
    };
    let chosen = extensions.channel_type.unwrap_or(usual);
    // A group's id in a person channel would silently open a chat with a user of that id.
    if chosen == PERSON && kind != RecipientKind::User || chosen == GROUP && kind == RecipientKind::User {
        let detail = format!("{chosen} does not go with {}:ID; leave it out", kind.as_str());
        return Err(Refusal::new(ErrorCode::InvalidMessage, "/extensions/wukongim/channel_type", detail));
    }
    Ok(chosen)
}

fn flags(dialect: Dialect, message: &Message, extensions: &Extensions) -> Flags {
    let command = matches!(message.content.body, interline_core::content::Body::Command { .. });
    Flags {
        // In v3 a plain message with this flag reaches nobody, and a repeat of it is not recognised.
        no_persist: dialect != Dialect::V3 && !message.options.wants_store(),
        red_dot: message.options.badge,
        sync_once: extensions.sync_once.unwrap_or(command),
    }
}

fn expire(message: &Message) -> Result<u32, Refusal> {
    let ttl = message.options.ttl;
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    u32::try_from(seconds).map_err(|_| {
        let detail = format!("{seconds} s is too long; at most {} s", u32::MAX);
        Refusal::new(ErrorCode::InvalidMessage, "/options/ttl", detail)
    })
}

/// Whether a text has nothing but white space, if anything.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// What is wrong with an id of a user or channel, if anything is.
pub(crate) fn wrong_id(id: &str) -> Option<String> {
    if is_blank(id) {
        return Some("must not be blank".to_owned());
    }
    if id.bytes().any(|byte| matches!(byte, b'@' | b'#' | b'&')) {
        return Some("must not hold any of @ # &: the server joins ids with them".to_owned());
    }
    (id.len() > LONGEST_ID).then(|| format!("has {} bytes; allowed are {LONGEST_ID}", id.len()))
}

/// Refuses a wrong id.
pub(crate) fn check_id(id: &str, code: ErrorCode, path: impl FnOnce() -> String) -> Result<(), Refusal> {
    match wrong_id(id) {
        Some(wrong) => Err(Refusal { code, errors: vec![FieldError::new(path(), wrong)] }),
        None => Ok(()),
    }
}
