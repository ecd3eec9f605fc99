//! Walks JSON values and notes what is wrong, with a pointer, instead of stopping at the first error.
//! `null` counts as absent. Adapters read their extensions with the same functions.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde_json_borrow::Value;

use crate::error::FieldError;

/// Errors that are kept; further ones are only counted.
pub const MAX_LISTED: usize = 1_000;

/// What is wrong with a body: the first [`MAX_LISTED`] errors and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    errors: Vec<FieldError>,
    total: usize,
}

impl Problems {
    /// Notes an error at `path`.
    pub fn add(&mut self, path: &Path<'_>, detail: impl Into<String>) {
        self.push(FieldError::new(path.to_string(), detail));
    }

    /// Notes an error whose path is already text.
    pub fn push(&mut self, error: FieldError) {
        self.total += 1;
        if self.errors.len() < MAX_LISTED {
            self.errors.push(error);
        }
    }

    /// Counts errors that are not listed.
    pub const fn count(&mut self, unlisted: usize) {
        self.total += unlisted;
    }

    /// The errors that were kept.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// How many errors there are in all.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The errors that were kept, and the total.
    #[must_use]
    pub fn into_parts(self) -> (Vec<FieldError>, usize) {
        (self.errors, self.total)
    }
}

/// Where a value stands, as a chain towards the root; written out only when something is wrong.
#[derive(Debug, Clone, Copy)]
pub enum Path<'p> {
    /// The document, or a prefix in front of it.
    Root(&'p str),
    /// A member of an object.
    Key(&'p Path<'p>, &'p str),
    /// An element of an array.
    Index(&'p Path<'p>, u64),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(prefix) => f.write_str(prefix),
            Self::Index(parent, index) => write!(f, "{parent}/{index}"),
            Self::Key(parent, key) => {
                write!(f, "{parent}/")?;
                key.chars().try_for_each(|letter| match letter {
                    '~' => f.write_str("~0"),
                    '/' => f.write_str("~1"),
                    letter => f.write_char(letter),
                })
            }
        }
    }
}

fn name_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Str(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

const MAX_KEYS: usize = 40;

/// The members of one object. Every key that was asked for is allowed; [`Fields::done`] names the rest.
#[derive(Debug)]
pub struct Fields<'v> {
    value: &'v Value<'v>,
    path: Path<'v>,
    asked: [&'static str; MAX_KEYS],
    count: usize,
}

impl<'v> Fields<'v> {
    /// The members of `value`, or a noted error when it is no object.
    pub fn of(value: &'v Value<'v>, path: Path<'v>, problems: &mut Problems) -> Option<Self> {
        if value.as_object().is_none() {
            problems.add(&path, format!("expected an object, found {}", name_of(value)));
            return None;
        }
        Some(Self { value, path, asked: [""; MAX_KEYS], count: 0 })
    }

    /// Where the object stands.
    #[must_use]
    pub const fn path(&self) -> &Path<'v> {
        &self.path
    }

    /// The member `key`, `null` left out.
    pub fn get(&mut self, key: &'static str) -> Option<&'v Value<'v>> {
        if let Some(slot) = self.asked.get_mut(self.count) {
            *slot = key;
            self.count += 1;
        }
        let object = self.value.as_object()?;
        object.iter().find(|(name, _)| *name == key).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Notes every member that was not asked for, and every member that stands twice.
    pub fn done(self, problems: &mut Problems) {
        let Some(object) = self.value.as_object() else { return };
        let asked = self.asked.get(..self.count).unwrap_or_default();
        for (position, (key, _)) in object.iter().enumerate() {
            if !asked.contains(&key) {
                let detail = format!("unknown field; allowed: {}", asked.join(", "));
                problems.add(&Path::Key(&self.path, key), detail);
            }
            if object.iter().take(position).any(|(earlier, _)| earlier == key) {
                problems.add(&Path::Key(&self.path, key), "stands twice in one object");
            }
        }
    }

    /// Notes an error at the member `key`.
    pub fn wrong(&self, key: &str, detail: impl Into<String>, problems: &mut Problems) {
        problems.add(&Path::Key(&self.path, key), detail);
    }

    fn expected<T>(&self, key: &str, what: &str, found: &Value<'_>, problems: &mut Problems) -> Option<T> {
        self.wrong(key, format!("expected {what}, found {}", name_of(found)), problems);
        None
    }

    /// Notes that `key` is missing.
    pub fn required<T>(&self, key: &str, found: Option<T>, problems: &mut Problems) -> Option<T> {
        let stands = self
            .value
            .as_object()
            .is_some_and(|object| object.iter().any(|(name, value)| name == key && !value.is_null()));
        if found.is_none() && !stands {
            self.wrong(key, "required", problems);
        }
        found
    }

    /// A string.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'v str> {
        let value = self.get(key)?;
        value.as_str().or_else(|| self.expected(key, "a string", value, problems))
    }

    /// A string of its own.
    pub fn string(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        self.text(key, problems).map(str::to_owned)
    }

    /// A string that must be there and must say something.
    pub fn filled(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        let found = self.text(key, problems);
        let text = self.required(key, found, problems)?;
        if text.is_empty() {
            self.wrong(key, "must not be empty", problems);
            return None;
        }
        Some(text.to_owned())
    }

    /// A boolean.
    pub fn boolean(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let value = self.get(key)?;
        value.as_bool().or_else(|| self.expected(key, "true or false", value, problems))
    }

    /// A whole number of a type's range.
    pub fn whole<N>(&mut self, key: &'static str, range: (N, N), problems: &mut Problems) -> Option<N>
    where
        N: TryFrom<i64> + fmt::Display + PartialOrd,
    {
        let value = self.get(key)?;
        let number = value.as_i64().and_then(|number| N::try_from(number).ok());
        if let Some(number) = number.filter(|number| *number >= range.0 && *number <= range.1) {
            return Some(number);
        }
        let what = format!("a whole number from {} to {}", range.0, range.1);
        if value.is_number() {
            self.wrong(key, format!("expected {what}"), problems);
            return None;
        }
        self.expected(key, &what, value, problems)
    }

    /// Any number.
    pub fn number(&mut self, key: &'static str, problems: &mut Problems) -> Option<serde_json::Number> {
        let value = self.get(key)?;
        match serde_json::Value::from(value) {
            serde_json::Value::Number(number) => Some(number),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::String(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => self.expected(key, "a number", value, problems),
        }
    }

    /// A duration with its unit, such as `10s`.
    pub fn duration(&mut self, key: &'static str, problems: &mut Problems) -> Option<Duration> {
        let text = self.text(key, problems)?;
        match humantime::parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(_) => {
                self.wrong(
                    key,
                    format!(
                        "{text:?} is no duration; write a number with its unit, such as \"10s\" or \"24h\""
                    ),
                    problems,
                );
                None
            }
        }
    }

    /// A point in time (RFC 3339), as Unix milliseconds.
    pub fn time(&mut self, key: &'static str, problems: &mut Problems) -> Option<i64> {
        let text = self.text(key, problems)?;
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Some(time.as_millisecond()),
            Err(_) => {
                self.wrong(
                    key,
                    format!("{text:?} is no time; write RFC 3339, such as \"2026-12-01T09:00:00+08:00\""),
                    problems,
                );
                None
            }
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(key, problems)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.wrong(key, format!("{text:?} is not one of {}", allowed.join(", ")), problems);
        }
        found
    }

    /// An array of strings.
    pub fn strings(&mut self, key: &'static str, problems: &mut Problems) -> Option<Vec<String>> {
        let value = self.get(key)?;
        let Some(items) = value.as_array() else {
            return self.expected(key, "an array of strings", value, problems);
        };
        let mut strings = Vec::with_capacity(items.len());
        let at = Path::Key(&self.path, key);
        for (index, item) in (0u64..).zip(items) {
            match item.as_str() {
                Some(text) => strings.push(text.to_owned()),
                None => problems
                    .add(&Path::Index(&at, index), format!("expected a string, found {}", name_of(item))),
            }
        }
        Some(strings)
    }

    /// An object whose values are strings.
    pub fn string_map(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<std::collections::BTreeMap<String, String>> {
        let value = self.get(key)?;
        let Some(object) = value.as_object() else {
            return self.expected(key, "an object of strings", value, problems);
        };
        let at = Path::Key(&self.path, key);
        let mut map = std::collections::BTreeMap::new();
        for (name, item) in object.iter() {
            let Some(text) = item.as_str() else {
                problems.add(&Path::Key(&at, name), format!("expected a string, found {}", name_of(item)));
                continue;
            };
            if map.insert(name.to_owned(), text.to_owned()).is_some() {
                problems.add(&Path::Key(&at, name), "stands twice in one object");
            }
        }
        Some(map)
    }

    /// Any JSON.
    pub fn json(&mut self, key: &'static str) -> Option<serde_json::Value> {
        self.get(key).map(serde_json::Value::from)
    }

    /// Any JSON object.
    pub fn json_object(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<serde_json::Map<String, serde_json::Value>> {
        let value = self.get(key)?;
        match serde_json::Value::from(value) {
            serde_json::Value::Object(object) => Some(object),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_)
            | serde_json::Value::Array(_) => self.expected(key, "an object", value, problems),
        }
    }

    /// The members of the object at `key`, read by `read` with that object's own path.
    pub fn object<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(Fields<'_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let fields = Fields::of(value, Path::Key(&self.path, key), problems)?;
        read(fields, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(json: &str, read: impl FnOnce(&mut Fields<'_>, &mut Problems)) -> Vec<String> {
        let value: Value<'_> = serde_json::from_str(json).unwrap();
        let mut problems = Problems::default();
        let mut fields = Fields::of(&value, Path::Root(""), &mut problems).unwrap();
        read(&mut fields, &mut problems);
        fields.done(&mut problems);
        problems.errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_fields_are_named_with_what_is_allowed() {
        let errors = problems_of(r#"{"a":1,"b/c":2}"#, |fields, problems| {
            fields.whole::<u32>("a", (0, 9), problems);
        });
        assert_eq!(errors, ["/b~1c: unknown field; allowed: a"]);
    }

    #[test]
    fn all_wrong_fields_are_found_at_once() {
        let errors = problems_of(r#"{"a":"x","b":300,"c":7,"c":8,"d":null}"#, |fields, problems| {
            fields.boolean("a", problems);
            fields.whole::<u8>("b", (0, 255), problems);
            fields.text("c", problems);
            assert_eq!(fields.text("d", problems), None);
        });
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert_eq!(errors[0], "/a: expected true or false, found a string");
        assert_eq!(errors[1], "/b: expected a whole number from 0 to 255");
    }

    #[test]
    fn times_and_durations_carry_their_unit() {
        let errors =
            problems_of(r#"{"t":"2026-12-01T09:00:00+08:00","d":"90s","x":"soon","y":"10"}"#, |f, p| {
                assert_eq!(f.time("t", p), Some(1_796_086_800_000));
                assert_eq!(f.duration("d", p), Some(Duration::from_secs(90)));
                f.time("x", p);
                f.duration("y", p);
            });
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
