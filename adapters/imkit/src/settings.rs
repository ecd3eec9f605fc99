//! The vendor's own settings of one provider, read once. The key is full-power and never expires, so
//! it lives in a type that cannot be printed.

use std::fmt;

use interline_core::adapter;
use interline_core::error::FieldError;
use interline_core::options::Sender;
use serde_json::Value;

/// The keys that a provider may set.
pub(crate) const KEYS: [&str; 3] = ["api_key", "default_sender", "fold"];

/// What a provider is set to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The platform key.
    pub(crate) api_key: Secret,
    /// Who sends where a message does not say.
    pub(crate) default_sender: Option<Sender>,
    /// Whether different texts share a call.
    pub(crate) fold: bool,
}

/// A string that is never shown.
pub(crate) struct Secret(String);

impl Secret {
    /// The string itself, for the header and for nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `words` without the secret: a server may quote the key that it rejects.
    pub(crate) fn mask(&self, words: &str) -> String {
        words.replace(&self.0, "***")
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
        let api_key = api_key(settings, &mut errors);
        let default_sender = default_sender(settings, &mut errors);
        let fold = fold(settings, &mut errors);
        match api_key {
            Some(api_key) if errors.is_empty() => Ok(Self { api_key, default_sender, fold }),
            Some(_) | None => Err(errors),
        }
    }
}

fn api_key(settings: &adapter::Settings, errors: &mut Vec<FieldError>) -> Option<Secret> {
    let detail = match settings.get("api_key") {
        None | Some(Value::Null) => "required: the platform key of the app, from the vendor's dashboard",
        Some(Value::String(key)) if key.is_empty() => "must not be empty",
        Some(Value::String(key)) if key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            return Some(Secret(key.clone()));
        }
        // It becomes a header, where blanks at the ends vanish and line ends are an attack.
        Some(Value::String(_)) => "may hold only visible ASCII characters",
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => "expected a string",
    };
    errors.push(FieldError::new("/api_key", detail));
    None
}

fn default_sender(settings: &adapter::Settings, errors: &mut Vec<FieldError>) -> Option<Sender> {
    let value = settings.get("default_sender").filter(|value| !value.is_null())?;
    let id = value.as_str().filter(|id| !id.is_empty());
    if id.is_none() {
        errors.push(FieldError::new("/default_sender", "expected the user id of the sender, a string"));
    }
    id.map(Sender::id)
}

fn fold(settings: &adapter::Settings, errors: &mut Vec<FieldError>) -> bool {
    let Some(value) = settings.get("fold").filter(|value| !value.is_null()) else { return true };
    let fold = value.as_bool();
    if fold.is_none() {
        errors.push(FieldError::new("/fold", "expected true or false"));
    }
    fold.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: &Value) -> Result<Settings, Vec<String>> {
        let settings = settings.as_object().unwrap();
        Settings::read(settings).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn folding_is_on_unless_switched_off() {
        assert!(read(&json!({"api_key": "k"})).unwrap().fold);
        assert!(!read(&json!({"api_key": "k", "fold": false})).unwrap().fold);
    }

    #[test]
    fn all_wrong_settings_are_named_at_once() {
        let errors = read(&json!({"api_key": "a\nb", "default_sender": "", "fold": "no"})).unwrap_err();
        let paths: Vec<_> = errors.iter().filter_map(|error| error.split(':').next()).collect();
        assert_eq!(paths, ["/api_key", "/default_sender", "/fold"]);
        assert_eq!(read(&json!({})).unwrap_err().len(), 1);
    }

    #[test]
    fn the_key_is_never_shown() {
        let settings = read(&json!({"api_key": "sesame"})).unwrap();
        assert!(!format!("{settings:?}").contains("sesame"));
        assert_eq!(settings.api_key.mask("no key sesame here"), "no key *** here");
    }
}
