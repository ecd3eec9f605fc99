//! The vendor's own settings of one provider, read once. Secrets live in a type that cannot be
//! printed; there is either a secret to fetch tokens with, or a ready token.

use std::fmt;

use interline_core::adapter;
use interline_core::error::FieldError;
use interline_core::options::Sender;
use serde_json::Value;

/// The keys that a provider may set.
pub(crate) const KEYS: [&str; 5] = ["admin_user_id", "secret", "admin_token", "default_sender", "everyone"];

/// The administrator of a fresh installation.
pub(crate) const ADMIN: &str = "imAdmin";

/// What a provider is set to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where tokens come from.
    pub(crate) access: Access,
    /// Who sends where a message does not say.
    pub(crate) default_sender: Option<Sender>,
    /// Whether `everyone` may be reached.
    pub(crate) everyone: bool,
}

/// Where tokens come from.
#[derive(Debug)]
pub(crate) enum Access {
    /// Fetched with the server's secret.
    Login {
        /// An administrator of the server.
        admin_user_id: String,
        /// The server's secret.
        secret: Secret,
    },
    /// A ready token, used as it is: it cannot be renewed here.
    Token(Secret),
}

/// A string that is never shown.
pub(crate) struct Secret(String);

impl Secret {
    /// The string itself, for requests and for nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Settings {
    /// Reads the settings; everything wrong is found at once.
    pub(crate) fn read(settings: &adapter::Settings) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        for key in settings.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let path = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            errors.push(FieldError::new(path, format!("unknown key; allowed: {}", KEYS.join(", "))));
        }
        let admin_user_id = text(settings, "admin_user_id", &mut errors);
        let secret = text(settings, "secret", &mut errors);
        let token = text(settings, "admin_token", &mut errors);
        let default_sender = text(settings, "default_sender", &mut errors).map(Sender::id);
        let everyone = switch(settings, "everyone", &mut errors);
        if token.as_deref().is_some_and(|token| !header_safe(token)) {
            errors.push(FieldError::new("/admin_token", "may hold only visible ASCII characters"));
        }
        let access = match (secret, token) {
            (Some(secret), None) => Some(Access::Login {
                admin_user_id: admin_user_id.unwrap_or_else(|| ADMIN.to_owned()),
                secret: Secret(secret),
            }),
            (None, Some(token)) => Some(Access::Token(Secret(token))),
            (Some(_), Some(_)) => {
                errors.push(FieldError::new(
                    "/admin_token",
                    "give one of secret (tokens are fetched) and admin_token (used as it is)",
                ));
                None
            }
            (None, None) => {
                if !errors.iter().any(|error| error.path == "/secret" || error.path == "/admin_token") {
                    errors.push(FieldError::new("/secret", "required, unless admin_token is given"));
                }
                None
            }
        };
        match access {
            Some(access) if errors.is_empty() => Ok(Self { access, default_sender, everyone }),
            Some(_) | None => Err(errors),
        }
    }
}

/// The ready token of a provider that has one, also where other settings are wrong: probes carry it.
pub(crate) fn ready_token(settings: &adapter::Settings) -> Option<&str> {
    settings.get("admin_token").and_then(Value::as_str).filter(|token| header_safe(token))
}

/// Whether a text can stand in a header: blanks at the ends vanish there and line ends are an attack.
pub(crate) fn header_safe(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn text(settings: &adapter::Settings, key: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    let value = settings.get(key).filter(|value| !value.is_null())?;
    let found = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if found.is_none() {
        errors.push(FieldError::new(format!("/{key}"), "expected a string that is not empty"));
    }
    found
}

fn switch(settings: &adapter::Settings, key: &str, errors: &mut Vec<FieldError>) -> bool {
    let Some(value) = settings.get(key).filter(|value| !value.is_null()) else { return false };
    let found = value.as_bool();
    if found.is_none() {
        errors.push(FieldError::new(format!("/{key}"), "expected true or false"));
    }
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: &Value) -> Result<Settings, Vec<String>> {
        Settings::read(settings.as_object().unwrap())
            .map_err(|errors| errors.iter().map(|error| error.path.clone()).collect())
    }

    #[test]
    fn the_administrator_is_the_servers_default_unless_named() {
        let user = |settings: &Value| match read(settings).unwrap().access {
            Access::Login { admin_user_id, .. } => admin_user_id,
            Access::Token(_) => panic!("a secret logs in"),
        };
        assert_eq!(user(&json!({"secret": "s"})), "imAdmin");
        assert_eq!(user(&json!({"secret": "s", "admin_user_id": "boss"})), "boss");
    }

    #[test]
    fn all_wrong_settings_are_named_at_once() {
        let wrong =
            json!({"secret": 7, "admin_user_id": "", "default_sender": [], "everyone": "no", "tokn": 1});
        let paths = ["/tokn", "/admin_user_id", "/secret", "/default_sender", "/everyone"];
        assert_eq!(read(&wrong).unwrap_err(), paths);
        assert_eq!(read(&json!({})).unwrap_err(), ["/secret"]);
        assert_eq!(read(&json!({"secret": "s", "admin_token": "t"})).unwrap_err(), ["/admin_token"]);
        assert_eq!(read(&json!({"admin_token": "a\nb"})).unwrap_err(), ["/admin_token"]);
    }

    #[test]
    fn secrets_are_never_shown() {
        for settings in [json!({"secret": "sesame"}), json!({"admin_token": "sesame"})] {
            assert!(!format!("{:?}", read(&settings).unwrap()).contains("sesame"));
        }
    }
}
