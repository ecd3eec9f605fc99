//! Form fields: percent-decoded, looked up by name, checked one by one. What does not pass is refused
//! with the vendor's 414.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::call::{Answer, Call};

/// A refusal of the whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    code: i64,
    desc: String,
}

impl Refused {
    pub(crate) fn new(code: i64, desc: impl Into<String>) -> Self {
        Self { code, desc: desc.into() }
    }

    /// A parameter error.
    pub(crate) fn parameter(desc: impl Into<String>) -> Self {
        Self::new(414, desc)
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer::json(200, &json!({"code": self.code, "desc": self.desc}))
    }
}

/// The fields of a form body.
#[derive(Debug, Default)]
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads a call's body; a body that is not labelled as a form has no fields.
    pub(crate) fn of(call: &Call<'a>) -> Self {
        let content_type = call.header("content-type");
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Self::default();
        }
        Self(form_urlencoded::parse(call.body).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refused> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refused::parameter(format!("{name} is required")))
    }

    /// A text of at most `most` characters.
    pub(crate) fn text(&self, name: &str, most: usize) -> Result<&str, Refused> {
        let value = self.get(name).unwrap_or_default();
        if length(value) > most {
            return Err(Refused::parameter(format!("{name} size exceeded")));
        }
        Ok(value)
    }

    /// An account id: required, at most 32 characters.
    pub(crate) fn account(&self, name: &str) -> Result<&str, Refused> {
        self.required(name)?;
        self.text(name, 32)
    }

    /// A JSON array of one to `most` account ids.
    pub(crate) fn accounts(&self, name: &str, most: usize) -> Result<Vec<String>, Refused> {
        let invalid = || Refused::parameter(format!("{name} is invalid"));
        let accids: Vec<String> = serde_json::from_str(self.required(name)?).map_err(|_| invalid())?;
        if accids.is_empty() || accids.iter().any(String::is_empty) {
            return Err(invalid());
        }
        if accids.len() > most {
            return Err(Refused::parameter(format!("{name} size exceeded")));
        }
        Ok(accids)
    }

    /// A whole number within `[least, most]`; none when absent.
    pub(crate) fn int(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Refused> {
        let Some(value) = self.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let value = value.parse::<i64>().ok().filter(|value| (least..=most).contains(value));
        value.map(Some).ok_or_else(|| Refused::parameter(format!("{name} is invalid")))
    }

    /// `true` or `false` in any case.
    pub(crate) fn bool(&self, name: &str, default: bool) -> Result<bool, Refused> {
        match self.get(name) {
            None | Some("") => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Refused::parameter(format!("{name} is invalid"))),
        }
    }

    /// A JSON text of at most `most` characters; none when absent.
    pub(crate) fn json(&self, name: &str, most: usize) -> Result<Option<Value>, Refused> {
        let text = self.text(name, most)?;
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|_| Refused::parameter(format!("{name} is not json")))
    }
}

/// A length as Java counts it, in UTF-16 units.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Form<'_> {
        Form(form_urlencoded::parse(body.as_bytes()).collect())
    }

    #[test]
    fn plus_is_a_space_and_percent_is_decoded() {
        assert_eq!(form("attach=1+1%2B1").get("attach"), Some("1 1+1"));
    }

    #[test]
    fn numbers_and_booleans_out_of_their_range_are_refused() {
        let form = form("a=10000&b=maybe&c=TRUE&d=7");
        assert!(form.int("a", 0, 9999).is_err());
        assert!(form.bool("b", false).is_err());
        assert_eq!(form.bool("c", false), Ok(true));
        assert_eq!(form.int("d", 0, 9999), Ok(Some(7)));
        assert_eq!(form.int("absent", 0, 1), Ok(None));
    }

    #[test]
    fn lengths_count_utf16_units() {
        assert_eq!(length("ab"), 2);
        assert_eq!(length("中文"), 2);
        assert_eq!(length("👋"), 2);
    }
}
