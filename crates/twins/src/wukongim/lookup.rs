//! Reading back what was stored: by client message number, and by channel.
//!
//! Both have a trap: a lookup by number wants the joined id of a person channel, and a channel sync
//! without a limit returns nothing. Neither can be trusted about the header flags.

use form_urlencoded::parse;
use serde_json::json;

use super::draft::channel;
use super::history::{Shown, channel_key};
use super::{Dialect, WuKongIm, refusal};
use crate::call::{Answer, Call};
use crate::gojson::{Fields, Mismatch};

/// `GET /message/byclientmsgno` (v2.2.2 and later): the bare message, of duplicates the oldest.
pub(crate) fn by_client_msg_no(server: &WuKongIm, call: &Call<'_>) -> Answer {
    let (mut channel_id, mut channel_type, mut number) = (String::new(), 0_u8, String::new());
    for (name, value) in parse(call.query.as_bytes()) {
        match &*name {
            "channel_id" => channel_id = value.into_owned(),
            "channel_type" => channel_type = value.parse().unwrap_or_default(),
            "client_msg_no" => number = value.into_owned(),
            _ => {}
        }
    }
    let missing = match () {
        () if channel_id.trim().is_empty() => Some("channel_id不能为空"),
        () if channel_type == 0 => Some("channel_type不能为0"),
        () if number.trim().is_empty() => Some("client_msg_no不能为空"),
        () => None,
    };
    if let Some(why) = missing {
        return refusal(Dialect::V2, 400, why);
    }
    let history = server.history();
    let mut messages = history.channel(channel_key(channel_type, &channel_id));
    let found = messages.find(|message| *message.client_msg_no == *number);
    match found {
        Some(message) => {
            let mut shown = message.shown(&channel_id);
            shown.lose_header();
            Answer::json(200, &shown)
        }
        None => Answer::json(200, &json!({"status": 404})),
    }
}

/// `POST /channel/messagesync`.
pub(crate) fn message_sync(server: &WuKongIm, call: &Call<'_>) -> Answer {
    let dialect = Dialect::of(call);
    match Sync::bind(call.body) {
        Ok(sync) if sync.channel_id.is_empty() => refusal(dialect, 400, "channel_id不能为空！"),
        Ok(sync) if sync.login_uid.is_empty() && (sync.channel_type == 1 || dialect == Dialect::V3) => {
            refusal(dialect, 400, "login_uid不能为空！")
        }
        Ok(sync) => sync.answer(server, dialect),
        Err(Mismatch(why)) => refusal(dialect, 400, &why),
    }
}

struct Sync {
    login_uid: String,
    channel_id: String,
    channel_type: u8,
    start: i64,
    end: i64,
    limit: usize,
    upwards: bool,
}

impl Sync {
    fn bind(body: &[u8]) -> Result<Self, Mismatch> {
        let fields = Fields::parse(body)?;
        let sequence = |name: &str| fields.int(name, 0, i64::MAX);
        Ok(Self {
            login_uid: fields.string("login_uid")?.into_owned(),
            channel_id: fields.string("channel_id")?.into_owned(),
            channel_type: u8::try_from(fields.int("channel_type", 0, 255)?).unwrap_or_default(),
            start: sequence("start_message_seq")?,
            end: sequence("end_message_seq")?,
            limit: usize::try_from(sequence("limit")?).unwrap_or_default().min(10_000),
            upwards: fields.int("pull_mode", 0, 1)? == 1,
        })
    }

    /// Downwards: from `start` inclusive to `end` exclusive, the newest first in; upwards the reverse.
    fn takes(&self, sequence: i64) -> bool {
        if self.upwards {
            return sequence >= self.start && (self.end == 0 || sequence < self.end);
        }
        (self.start == 0 || sequence <= self.start) && sequence > self.end
    }

    fn answer(&self, server: &WuKongIm, dialect: Dialect) -> Answer {
        let key = channel(&self.login_uid, self.channel_type, &self.channel_id, false);
        let history = server.history();
        let matching = history.channel(key).filter(|message| self.takes(i64::from(message.message_seq)));
        let mut taken: Vec<_> = if self.upwards {
            matching.take(self.limit + 1).collect()
        } else {
            matching.rev().take(self.limit + 1).collect()
        };
        let more = taken.len() > self.limit && self.limit > 0;
        taken.truncate(self.limit);
        if !self.upwards {
            taken.reverse();
        }
        let mut messages: Vec<Shown<'_>> =
            taken.into_iter().map(|message| message.shown(&self.channel_id)).collect();
        if let Some(oldest) = messages.first_mut().filter(|_| dialect == Dialect::V2) {
            oldest.lose_header();
        }
        Answer::json(
            200,
            &json!({
                "start_message_seq": self.start,
                "end_message_seq": self.end,
                "more": u8::from(more),
                "messages": messages,
            }),
        )
    }
}
