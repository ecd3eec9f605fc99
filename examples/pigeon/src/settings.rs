//! The vendor's own settings of one provider, read once. The key is in a type that cannot be printed.

use std::fmt;

use interline_core::adapter::{self, Header};
use interline_core::error::FieldError;
use interline_core::options::Sender;
use serde_json::Value;

/// The keys that a provider may set.
pub(crate) const KEYS: [&str; 2] = ["api_key", "default_sender"];

/// What a provider is set to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The key of the account.
    pub(crate) api_key: Key,
    /// Who sends where a message does not say.
    pub(crate) default_sender: Option<Sender>,
}

/// The key of an account, never shown.
pub(crate) struct Key(String);

impl Key {
    /// The header that carries it.
    pub(crate) fn header(&self) -> Header {
        Header { name: "X-Pigeon-Key", value: self.0.clone(), secret: true }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Settings {
    /// Reads the settings; everything wrong is found at once, and no value is quoted.
    pub(crate) fn read(settings: &adapter::Settings) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let key = settings.get("api_key").and_then(Value::as_str).unwrap_or_default();
        // It becomes a header, where line ends are an attack.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            errors.push(FieldError::new("/api_key", "required: the account's key, visible ASCII characters"));
        }
        let sender = settings.get("default_sender").filter(|value| !value.is_null());
        let sender_id = sender.and_then(Value::as_str).filter(|id| !id.is_empty());
        if sender.is_some() && sender_id.is_none() {
            errors.push(FieldError::new("/default_sender", "expected the id of a user, a string"));
        }
        if errors.is_empty() {
            Ok(Self { api_key: Key(key.to_owned()), default_sender: sender_id.map(Sender::id) })
        } else {
            Err(errors)
        }
    }
}
