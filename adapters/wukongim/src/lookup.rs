//! Asks a v2 server (2.2.2 or later) for a message by its client id. Persons' chats want the id that
//! the server made of both users, commands the id of their shadow channel.

use form_urlencoded::Serializer;
use interline_core::adapter::{Exchange, Finding, Reply, Request, Sent};
use interline_core::error::Error;
use interline_core::outcome::{ClientId, Receipt};

use crate::dialect::Dialect;
use crate::form::{AGENT, Form, PERSON};
use crate::settings::Account;
use crate::{SEND, wire};

/// What the server adds to the id of a channel for its commands.
const COMMAND_CHANNEL: &str = "____cmd";

/// A fan-out's copies have random client ids, and what is not stored is never found: neither can be
/// asked for.
pub(crate) fn lookup(dialect: Dialect, account: &Account, sent: &Sent<'_>) -> Option<Exchange<Finding>> {
    if dialect != Dialect::V2 || sent.class != SEND {
        return None;
    }
    let form = Form::of(dialect, account, sent.message).ok()?;
    if form.flags.no_persist {
        return None;
    }
    let mut channel = match form.channel_type {
        PERSON => joined(form.from, sent.recipient_id),
        AGENT => format!("{}@{}", form.from, sent.recipient_id),
        _ => sent.recipient_id.to_owned(),
    };
    if form.flags.sync_once {
        channel.push_str(COMMAND_CHANNEL);
    }
    let query = Serializer::new(String::new())
        .append_pair("channel_id", &channel)
        .append_pair("channel_type", &form.channel_type.to_string())
        .append_pair("client_msg_no", &sent.message.client_id)
        .finish();
    let request = account.authorise(Request::get(format!("/message/byclientmsgno?{query}")));
    Some(Exchange { request, read })
}

/// A bare message is a find, 404 inside a 200 an absence. Headers are not looked at: this route shows
/// them as zeros whatever they were.
#[expect(clippy::unnecessary_wraps, reason = "the shape that every exchange has")]
fn read(reply: &Reply) -> Result<Finding, Error> {
    if reply.status != 200 {
        return Ok(Finding::CannotTell);
    }
    let Ok(stored) = serde_json::from_slice::<wire::Stored<'_>>(&reply.body) else {
        return Ok(Finding::CannotTell);
    };
    let id = [stored.message_idstr, stored.message_id].into_iter().flatten().find_map(|id| id.0);
    Ok(match (id, stored.status) {
        (Some(id), None) => Finding::Arrived(Receipt {
            message_id: Some(id.into()),
            client_id: stored.client_msg_no.and_then(|id| id.0).map(|id| ClientId::Other(id.into())),
            seq: stored.message_seq.and_then(|id| id.0).map(Into::into),
            time_ms: stored.timestamp.and_then(|seconds| seconds.checked_mul(1000)),
            ..Receipt::default()
        }),
        (None, Some(404)) => Finding::Absent,
        (Some(_) | None, _) => Finding::CannotTell,
    })
}

/// The channel of two persons, the same for both directions: the id with the larger checksum first.
fn joined(from: &str, to: &str) -> String {
    if crc32(from) > crc32(to) { format!("{from}@{to}") } else { format!("{to}@{from}") }
}

/// CRC-32 as IEEE 802.3 has it. Lookups are rare: a bit at a time is enough.
fn crc32(text: &str) -> u32 {
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32() {
        assert_eq!(crc32("123456789"), 0xcbf4_3926);
        assert_eq!(crc32(""), 0);
    }

    #[test]
    fn both_directions_name_one_chat() {
        // As a v2.2.5 server has it.
        assert_eq!(joined("alice", "u1"), "u1@alice");
        assert_eq!(joined("u1", "alice"), "u1@alice");
        assert_eq!(joined("alice", "alice"), "alice@alice");
    }
}
