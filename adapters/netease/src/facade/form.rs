//! The fields of a request, percent-decoded and read one by one. What does not pass is refused as the vendor
//! refuses it: HTTP 200, a code and its words in the body. A field without a value counts as absent, and of a
//! field that stands twice the first is read.

use std::borrow::Cow;

use interline_core::facade::{Answer, Incoming, Served};
use serde_json::{Value, json};

use crate::limits::length;

/// A no to the whole request: the vendor's code and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: i64,
    pub(super) desc: String,
}

impl Refused {
    pub(super) fn new(code: i64, desc: impl Into<String>) -> Self {
        Self { code, desc: desc.into() }
    }

    /// A parameter is missing or wrong.
    pub(super) fn parameter(desc: impl Into<String>) -> Self {
        Self::new(414, desc)
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::json(200, &json!({"code": self.code, "desc": self.desc}))
    }
}

impl From<Refused> for Served {
    fn from(refused: Refused) -> Self {
        Self::Answer(refused.answer())
    }
}

/// What was read, or the no.
pub(super) type Read<T> = Result<T, Refused>;

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form body.
#[derive(Debug, Default)]
pub(super) struct Form<'r>(Vec<(Cow<'r, str>, Cow<'r, str>)>);

impl<'r> Form<'r> {
    /// Reads a body. One without a label is taken for a form.
    pub(super) fn of(request: &'r Incoming) -> Read<Self> {
        let label = request.header("content-type").unwrap_or(FORM);
        let kind = label.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(FORM) {
            return Err(Refused::parameter(format!("Content-Type should be {FORM}")));
        }
        Ok(Self(form_urlencoded::parse(&request.body).collect()))
    }

    /// The text of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
        found.filter(|value| !value.is_empty())
    }

    /// The text of a field that documents and client libraries spell differently.
    pub(super) fn either(&self, names: [&str; 2]) -> Option<&str> {
        names.into_iter().find_map(|name| self.get(name))
    }

    pub(super) fn required(&self, name: &str) -> Read<&str> {
        self.get(name).ok_or_else(|| Refused::parameter(format!("{name} is required")))
    }

    /// A text of at most `most` characters.
    pub(super) fn text(&self, name: &str, most: usize) -> Read<Option<&str>> {
        self.get(name).map(|text| within(name, text, most)).transpose()
    }

    /// A whole number, which must be there.
    pub(super) fn number(&self, name: &str, range: (i64, i64)) -> Read<i64> {
        self.whole(name, range)?.ok_or_else(|| Refused::parameter(format!("{name} is required")))
    }

    /// A whole number as decimal text.
    pub(super) fn whole(&self, name: &str, range: (i64, i64)) -> Read<Option<i64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = decimal(text).filter(|number| (range.0..=range.1).contains(number));
        number.map(Some).ok_or_else(|| invalid(name))
    }

    /// `true` or `false` in any case.
    pub(super) fn switch(&self, name: &str) -> Read<Option<bool>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        switch(text).map(Some).ok_or_else(|| invalid(name))
    }

    /// JSON text of at most `most` characters, as it stands.
    pub(super) fn json_text(&self, name: &str, most: usize) -> Read<Option<&str>> {
        let Some(text) = self.text(name, most)? else { return Ok(None) };
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(Some(text)),
            Err(_) => Err(Refused::parameter(format!("{name} is not json"))),
        }
    }

    /// A JSON array of texts; numbers pass as their digits.
    pub(super) fn texts(&self, name: &str) -> Read<Option<Vec<String>>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let items: Vec<Value> = serde_json::from_str(text).map_err(|_| invalid(name))?;
        let texts: Option<Vec<String>> = items.into_iter().map(id).collect();
        texts.map(Some).ok_or_else(|| invalid(name))
    }
}

fn id(value: Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then_some(text),
        Value::Number(number) => (number.is_i64() || number.is_u64()).then(|| number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A parameter that cannot be read.
pub(super) fn invalid(name: &str) -> Refused {
    Refused::parameter(format!("{name} is invalid"))
}

/// The text, unless it is too long.
pub(super) fn within<'t>(name: &str, text: &'t str, most: usize) -> Read<&'t str> {
    if length(text) > most {
        return Err(Refused::parameter(format!("{name} size exceeded")));
    }
    Ok(text)
}

/// Digits with at most a minus before them.
pub(super) fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn switch(text: &str) -> Option<bool> {
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}
