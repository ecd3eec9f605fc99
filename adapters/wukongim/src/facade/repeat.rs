//! How a repeat is recognised: by sender, channel, `client_msg_no` and payload, as v3 does it, and by all else
//! that says who gets the message and how. The number alone would not do: the published samples use the same
//! few in every language.

use std::time::Duration;

use interline_core::facade::Mark;
use interline_core::shared::Digest;

use super::draft::{Draft, Flags};
use super::payload::Payload;

/// How long a message is remembered. Receivers are expected to drop a number that they know, so that this takes
/// nothing from anybody; callers that retry do so within minutes.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// How long a request of its own is: nothing ever repeats one.
const A_MINUTE: Duration = Duration::from_secs(60);

/// What tells a request from another one with the same body. Commands that stand in no chat have the
/// request's own `nonce`: nobody reads one twice, the vendor's app server never repeats a request and gives
/// no numbers, and its second *typing* or *members changed* within a minute is another one.
pub(super) fn request_id(flags: Flags, payload: &Payload, nonce: &str) -> Option<Mark> {
    (flags.is_command() && payload.is_command()).then(|| Mark { key: nonce.to_owned(), lasts: A_MINUTE })
}

/// The mark of a message that its caller named.
pub(super) fn mark(draft: &Draft) -> Option<Mark> {
    if !draft.is_named() {
        return None;
    }
    let mut scope = Vec::with_capacity(draft.payload.len() + 128);
    for text in [&draft.from, &draft.channel_id, &draft.client_msg_no] {
        // Lengths keep the parts apart.
        scope.extend_from_slice(&(text.len() as u64).to_be_bytes());
        scope.extend_from_slice(text.as_bytes());
    }
    scope.push(draft.channel_type);
    draft.terms(&mut scope);
    scope.extend_from_slice(&draft.payload);
    let Digest(digest) = Digest::of(&scope);
    Some(Mark { key: format!("client_msg_no:{digest:032x}"), lasts: REMEMBERED })
}
