//! Values that may stand elsewhere: `env:NAME` is a variable, `file:/path` a file's text. They are
//! looked up once, when the configuration is read; one that is missing is an error only when it is used.

use super::file::Source;

/// Looks a value up. Text that names no other place is the value itself.
///
/// # Errors
/// What is missing, as an operator should read it.
pub(super) fn look_up(text: &str, source: &Source) -> Result<String, String> {
    if let Some(name) = text.strip_prefix("env:") {
        return match source.variable(name) {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            Some(_) => Err(format!("the environment variable {name} is empty")),
            None => Err(format!("the environment variable {name} is not set")),
        };
    }
    let Some(path) = text.strip_prefix("file:") else { return Ok(text.to_owned()) };
    let content =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read the file {path}: {error}"))?;
    let value = content.trim_end_matches(['\n', '\r']);
    if value.is_empty() { Err(format!("the file {path} is empty")) } else { Ok(value.to_owned()) }
}

/// What people may see of a value: where it stands, or nothing of it.
pub(super) fn shown(text: &str) -> String {
    if text.starts_with("env:") || text.starts_with("file:") { text.to_owned() } else { "***".to_owned() }
}

/// Whether a setting of this name is never shown.
pub(super) fn is_secret(key: &str) -> bool {
    ["secret", "token", "key", "password"].iter().any(|word| key.contains(word))
}
