//! The vendor's own settings of one provider.

use std::fmt;

use interline_core::adapter::{Header, Request, Settings};
use interline_core::error::FieldError;
use interline_core::options::Sender;
use interline_core::read::{Fields, Path, Problems};
use interline_core::shared::Shared;
use serde_json_borrow::Value;

use crate::form;

/// The keys that a provider of this vendor may have.
pub(crate) const KEYS: [&str; 3] = ["default_sender", "token", "room_channel_type"];

/// Live channels: no conversations, visitors come and go.
const LIVE: u8 = 9;

/// A provider's own settings, read.
#[derive(Debug)]
pub(crate) struct Account {
    /// Who sends when a message names nobody.
    pub(crate) default_sender: Option<Shared<Sender>>,
    /// The channel type that stands for `room:`.
    pub(crate) room_channel_type: u8,
    token: Option<Token>,
}

/// The manager token; never shown.
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Account {
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let value =
            Value::Object(settings.iter().map(|(key, value)| (key.as_str(), Value::from(value))).collect());
        let mut problems = Problems::default();
        let account = Fields::of(&value, Path::Root(""), &mut problems)
            .and_then(|fields| read(fields, &mut problems))
            .filter(|_| problems.is_empty());
        account.ok_or_else(|| problems.into_parts().0)
    }

    /// The token, where there is one.
    pub(crate) fn header(&self) -> Option<Header> {
        self.token.as_ref().map(|Token(token)| Header { name: "token", value: token.clone(), secret: true })
    }

    /// Adds the token, where there is one.
    pub(crate) fn authorise(&self, mut request: Request) -> Request {
        request.headers.extend(self.header());
        request
    }
}

fn read(mut fields: Fields<'_>, problems: &mut Problems) -> Option<Account> {
    let sender = fields.text("default_sender", problems);
    if let Some(wrong) = sender.and_then(form::wrong_id) {
        fields.wrong("default_sender", wrong, problems);
    }
    let token = fields.text("token", problems);
    if token.is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        fields.wrong("token", "must be printable ASCII without spaces, and not empty", problems);
    }
    let room_channel_type = fields.whole("room_channel_type", (2, form::LAST_CHANNEL_TYPE), problems);
    fields.done(problems);
    Some(Account {
        default_sender: sender.map(|id| Shared::new(Sender::id(id))),
        room_channel_type: room_channel_type.unwrap_or(LIVE),
        token: token.map(|token| Token(token.to_owned())),
    })
}
