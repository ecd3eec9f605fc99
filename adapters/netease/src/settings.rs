//! The settings of one provider: credentials, the default sender, whether broadcasts may be sent and
//! how long the vendor's own recognition of repeated room messages is trusted.

use std::fmt;
use std::time::Duration;

use interline_core::adapter::Settings;
use interline_core::error::FieldError;
use interline_core::options::Sender;
use interline_core::read::{Fields, Path, Problems};
use serde_json_borrow::Value;

use crate::extensions::borrowed;
use crate::limits::{ACCID, length};

/// The keys that may stand in a provider's settings.
pub(crate) const KEYS: &[&str] = &["app_key", "app_secret", "default_sender", "everyone", "resend_window"];

const RESEND_WINDOW: Duration = Duration::from_secs(60);

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a provider's settings say.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) app_key: String,
    pub(crate) app_secret: Secret,
    pub(crate) default_sender: Option<Sender>,
    pub(crate) everyone: bool,
    pub(crate) resend_window: Duration,
}

impl Account {
    /// Reads the settings; every wrong key is named.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let mut problems = Problems::default();
        let value = borrowed(settings);
        let account = read(&value, &mut problems);
        match account {
            Some(account) if problems.is_empty() => Ok(account),
            Some(_) | None => Err(problems.into_parts().0),
        }
    }
}

fn read(value: &Value<'_>, problems: &mut Problems) -> Option<Account> {
    let mut fields = Fields::of(value, Path::Root(""), problems)?;
    let app_key = fields.filled("app_key", problems);
    if app_key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        fields.wrong("app_key", "expected visible ASCII: it is sent as a header", problems);
    }
    let app_secret = fields.filled("app_secret", problems);
    let default_sender = fields.string("default_sender", problems);
    if let Some(sender) = default_sender.as_ref().filter(|sender| !(1..=ACCID).contains(&length(sender))) {
        let detail = format!("has {} characters; allowed are 1 to {ACCID}", length(sender));
        fields.wrong("default_sender", detail, problems);
    }
    let everyone = fields.boolean("everyone", problems).unwrap_or_default();
    let resend_window = fields.duration("resend_window", problems).unwrap_or(RESEND_WINDOW);
    fields.done(problems);
    Some(Account {
        app_key: app_key?,
        app_secret: Secret(app_secret?),
        default_sender: default_sender.map(Sender::id),
        everyone,
        resend_window,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: serde_json::Value) -> Result<Account, Vec<FieldError>> {
        Account::read(settings.as_object().unwrap())
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let errors = read(json!({"app_key": "a b", "default_sender": "", "everyone": 1, "sender": "x"}));
        let paths: Vec<_> = errors.unwrap_err().into_iter().map(|error| error.path).collect();
        assert_eq!(paths, ["/app_key", "/app_secret", "/default_sender", "/everyone", "/sender"]);
        let errors = read(json!({"app_key": "k", "app_secret": "s", "resend_window": 60})).unwrap_err();
        assert_eq!(errors[0].path, "/resend_window");
    }

    #[test]
    fn the_secret_is_never_shown() {
        let account = read(json!({"app_key": "k", "app_secret": "canary"})).unwrap();
        assert!(!format!("{account:?}").contains("canary"));
        assert_eq!(account.resend_window, Duration::from_secs(60));
    }
}
