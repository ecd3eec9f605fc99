//! Which call a message may stand in. A page's array takes anything; a fan-out takes one content from
//! one sender under one header, to persons, and tells nothing of each; all else goes singly.

use interline_core::adapter::Slot;
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::shared::Digest;

use crate::dialect::Dialect;
use crate::form::{Form, PERSON};
use crate::settings::Account;
use crate::{SEND, SENDBATCH, content, extensions};

/// No rule of the page; what the configuration says counts.
const MOST_IN_ARRAY: usize = 65_535;

/// Above 2,000 cold recipients a call, a v2.2.5 node was seen to lose messages it had taken.
const MOST_IN_FAN_OUT: usize = 2_000;

/// What an array element weighs beside ids and payload.
const AROUND_ELEMENT: usize = 176;

pub(crate) fn slot(dialect: Dialect, account: &Account, message: &Message, results: Results) -> Slot {
    let weight = || {
        let vars: usize =
            if message.is_template() { message.vars.values().map(String::len).sum() } else { 0 };
        let ids = message.client_id.len() + message.to.id().len();
        let payload = content::weight(&message.content) + vars;
        let payload = extensions::payload(message).map_or(payload, |over| over.length(payload));
        AROUND_ELEMENT + ids + payload * 4 / 3
    };
    match dialect {
        Dialect::Published => {
            Slot { class: SENDBATCH, key: Digest(0), bytes: weight(), max: MOST_IN_ARRAY, repeats: true }
        }
        Dialect::V1 | Dialect::V2 | Dialect::V3 => match fan_out_key(dialect, account, message, results) {
            Some(key) => Slot {
                class: SENDBATCH,
                key,
                bytes: message.to.id().len() + 3,
                max: MOST_IN_FAN_OUT,
                repeats: false,
            },
            None => Slot { class: SEND, key: Digest(0), bytes: weight(), max: 1, repeats: false },
        },
    }
}

/// What a fan-out says once; none where the message needs more than a fan-out can say. Personal texts
/// go singly: alone in a call they would only lose their ids and their lookup.
fn fan_out_key(dialect: Dialect, account: &Account, message: &Message, results: Results) -> Option<Digest> {
    let personal = message.is_template() && !message.vars.is_empty();
    if results != Results::Fast || !dialect.fans_out() || personal {
        return None;
    }
    let form = Form::of(dialect, account, message).ok()?;
    let own = &form.extensions;
    let plain = form.channel_type == PERSON && form.expire == 0;
    if !plain || own.stream_no.is_some() || own.tag_key.is_some() {
        return None;
    }
    let from = message.from.as_ref().or(account.default_sender.as_ref())?;
    let said = (from.digest(), message.content.digest(), form.flags);
    // Members of the payload's own are said once too.
    Some(if own.over { Digest::of(&(said, message.extensions.digest())) } else { Digest::of(&said) })
}
