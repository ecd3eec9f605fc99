//! Whom a message is for: `user:ID`, `group:ID`, `room:ID` or `everyone`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The four kinds of recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientKind {
    /// One person.
    User,
    /// A group (team) with members.
    Group,
    /// A chat room with visitors.
    Room,
    /// Every user of the vendor's app.
    Everyone,
}

impl RecipientKind {
    /// The word before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Room => "room",
            Self::Everyone => "everyone",
        }
    }
}

/// A recipient. The id is whatever stood behind the first colon, verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    kind: RecipientKind,
    /// As callers write it: results repeat it for each message.
    text: SmolStr,
    fingerprint: u64,
}

impl Recipient {
    /// A recipient of `kind`; `id` is ignored for `everyone`.
    #[must_use]
    pub fn new(kind: RecipientKind, id: &str) -> Self {
        let text = match kind {
            RecipientKind::Everyone => kind.as_str().to_owned(),
            RecipientKind::User | RecipientKind::Group | RecipientKind::Room => {
                format!("{}:{id}", kind.as_str())
            }
        };
        Self::of(kind, text.into())
    }

    fn of(kind: RecipientKind, text: SmolStr) -> Self {
        let fingerprint = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        Self { kind, text, fingerprint }
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> RecipientKind {
        self.kind
    }

    /// The id in the app's own words; empty for `everyone`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text.get(self.kind.as_str().len() + 1..).unwrap_or_default()
    }

    /// The recipient as callers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A hash that is stable over processes and versions: the ledger's recipient index stores it.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = r#""user:ID", "group:ID", "room:ID" or "everyone""#;
        if text == "everyone" {
            return Ok(Self::new(RecipientKind::Everyone, ""));
        }
        let Some((kind, id)) = text.split_once(':') else {
            return Err(format!("{text:?} is not a recipient; write {ALLOWED}"));
        };
        let kind = match kind {
            "user" => RecipientKind::User,
            "group" => RecipientKind::Group,
            "room" => RecipientKind::Room,
            _ => return Err(format!("{kind:?} is not a kind of recipient; write {ALLOWED}")),
        };
        if id.is_empty() {
            return Err(format!("the id is empty; write {ALLOWED}"));
        }
        Ok(Self::of(kind, text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_behind_the_first_colon_is_the_id() {
        let to: Recipient = "user:a:b ".parse().unwrap();
        assert_eq!((to.kind(), to.id()), (RecipientKind::User, "a:b "));
        assert_eq!(to.to_string(), "user:a:b ");
    }

    #[test]
    fn wrong_recipients_are_named_with_what_is_allowed() {
        for (text, says) in [("alice", "alice"), ("chat:1", "chat"), ("user:", "empty"), ("", "not a")] {
            let error = text.parse::<Recipient>().unwrap_err();
            assert!(error.contains(says) && error.contains("room:ID"), "{error}");
        }
    }

    #[test]
    fn fingerprints_tell_kinds_apart() {
        let of = |text: &str| text.parse::<Recipient>().unwrap().fingerprint();
        assert_ne!(of("user:1"), of("group:1"));
        assert_eq!(of("user:1"), of("user:1"));
    }
}
