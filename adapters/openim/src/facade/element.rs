//! The members of a `content`, decoded as weakly as the server decodes them (names in any case, `"5"` for
//! 5, one value for a list) and missed in its validator's words.

use interline_core::content::Object;
use serde_json::Value;

use super::content::Unfit;

/// An object inside a content; one that is not there has no members.
#[derive(Debug)]
pub(super) struct Element<'v> {
    path: String,
    members: Option<&'v Object>,
}

/// What is wrong with a content: what cannot be decoded hides what is missing.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    undecodable: Vec<String>,
    invalid: Vec<String>,
}

impl Complaints {
    fn undecodable(&mut self, name: &str, wanted: &str, found: &Value) {
        let found = match found {
            Value::Object(_) => "map[string]interface {}",
            Value::Array(_) => "[]interface {}",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Null | Value::Number(_) => "float64",
        };
        self.undecodable.push(format!("'{name}' expected type '{wanted}', got unconvertible type '{found}'"));
    }

    fn fails(&mut self, path: &str, name: &str, tag: &str) {
        let field = exported(name);
        self.invalid.push(format!(
            "Key: '{path}.{field}' Error:Field validation for '{field}' failed on the '{tag}' tag"
        ));
    }

    /// Nothing, or all of it as one text.
    pub(super) fn verdict(self) -> Result<(), Unfit> {
        if !self.undecodable.is_empty() {
            let list = self.undecodable.join("\n* ");
            let text = format!("{} error(s) decoding:\n\n* {list}", self.undecodable.len());
            return Err(Unfit::Invalid(text));
        }
        if self.invalid.is_empty() { Ok(()) } else { Err(Unfit::Invalid(self.invalid.join("\n"))) }
    }
}

/// `sourceUrl` is `SourceURL` in the server's language.
fn exported(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect::<String>().replace("Url", "URL")
}

impl<'v> Element<'v> {
    /// The content itself, by the name of its struct.
    pub(super) fn of(name: &str, members: &'v Object) -> Self {
        Self { path: name.to_owned(), members: Some(members) }
    }

    /// A member that is not `null`, its own spelling first.
    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        let members = self.members?;
        let loosely =
            || members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        members.get(name).or_else(loosely).filter(|value| !value.is_null())
    }

    /// A text, empty where there is none.
    pub(super) fn text(&self, name: &str, complaints: &mut Complaints) -> String {
        match self.get(name) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => u8::from(*flag).to_string(),
            Some(other @ (Value::Null | Value::Array(_) | Value::Object(_))) => {
                complaints.undecodable(name, "string", other);
                String::new()
            }
        }
    }

    /// A text that must say something.
    pub(super) fn filled(&self, name: &str, complaints: &mut Complaints) -> String {
        let text = self.text(name, complaints);
        if text.is_empty() {
            complaints.fails(&self.path, name, "required");
        }
        text
    }

    /// A whole number, 0 where there is none.
    pub(super) fn whole(&self, name: &str, complaints: &mut Complaints) -> i64 {
        let number = match self.get(name) {
            None => return 0,
            Some(Value::Bool(flag)) => Some(i64::from(*flag)),
            Some(Value::Number(number)) => {
                number.as_i64().or_else(|| number.as_f64().map(|float| float as i64))
            }
            Some(Value::String(text)) if text.is_empty() => return 0,
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) => None,
        };
        number.unwrap_or_else(|| {
            complaints.undecodable(name, "int64", self.get(name).unwrap_or(&Value::Null));
            0
        })
    }

    /// A number of at least one; a side of a picture has 31 bits.
    pub(super) fn counted(&self, name: &str, complaints: &mut Complaints) -> i64 {
        let number = self.whole(name, complaints);
        if number < 1 {
            complaints.fails(&self.path, name, "required");
        }
        number
    }

    /// A side of a picture.
    pub(super) fn pixels(&self, name: &str, complaints: &mut Complaints) -> i64 {
        let number = self.counted(name, complaints);
        if number > i64::from(i32::MAX) {
            complaints.fails(&self.path, name, "max");
        }
        number
    }

    /// Notes that a member breaks another of the validator's rules.
    pub(super) fn fails(&self, name: &str, tag: &str, complaints: &mut Complaints) {
        complaints.fails(&self.path, name, tag);
    }

    /// Texts, none where there is no list; one value stands for a list of it.
    pub(super) fn texts(&self, name: &str, complaints: &mut Complaints) -> Option<Vec<String>> {
        let items = match self.get(name)? {
            Value::Array(items) => items.as_slice(),
            one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                std::slice::from_ref(one)
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::String(text) => texts.push(text.clone()),
                Value::Number(number) => texts.push(number.to_string()),
                other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                    complaints.undecodable(name, "string", other);
                }
            }
        }
        Some(texts)
    }

    /// An object that is there, with its members or without.
    pub(super) fn inner(&self, name: &str, complaints: &mut Complaints) -> Self {
        let path = format!("{}.{}", self.path, exported(name));
        let members = self.get(name).and_then(|value| {
            if !value.is_object() {
                complaints.undecodable(name, "struct", value);
            }
            value.as_object()
        });
        Self { path, members }
    }

    /// An object, where there is one.
    pub(super) fn maybe(&self, name: &str, complaints: &mut Complaints) -> Option<Self> {
        self.get(name)?;
        Some(self.inner(name, complaints))
    }

    /// The object itself.
    pub(super) const fn members(&self) -> Option<&'v Object> {
        self.members
    }
}
