//! Reads bodies as Go's decoder does, because callers of a Go server rely on how lenient it is: names match
//! in any case, unknown ones are ignored, `null` is absent, what stands behind the first value is not looked
//! at. A value of another type is an error with Go's own words.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// A value, or why a body does not bind.
pub(super) type Bound<T> = Result<T, String>;

/// Go's standard decoder: padding is required, stray bits after the end are not looked at.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The first value of a body.
pub(super) fn first_value(body: &[u8]) -> Bound<Value> {
    match serde_json::Deserializer::from_slice(body).into_iter().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err("unexpected EOF".to_owned()),
        Some(Err(error)) => {
            Err(format!("invalid character in the body, line {} column {}", error.line(), error.column()))
        }
        None => Err("EOF".to_owned()),
    }
}

/// Go's word for the kind of a value.
pub(super) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The members of one object.
#[derive(Debug)]
pub(super) struct Fields<'v> {
    members: Option<&'v Map<String, Value>>,
    /// The Go struct, as errors name it.
    owner: &'static str,
}

impl<'v> Fields<'v> {
    /// The members of an object; `null` has none.
    pub(super) fn of(value: &'v Value, owner: &'static str) -> Bound<Self> {
        match value {
            Value::Object(members) => Ok(Self { members: Some(members), owner }),
            Value::Null => Ok(Self { members: None, owner }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(format!("json: cannot unmarshal {} into Go value of type {owner}", kind_of(value)))
            }
        }
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        let members = self.members?;
        let other_case = || members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        members.get(name).or_else(|| other_case().map(|(_, value)| value)).filter(|value| !value.is_null())
    }

    fn mismatch<T>(&self, name: &str, value: &Value, wanted: &str) -> Bound<T> {
        let found = match value {
            Value::Number(number) => format!("number {number}"),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                kind_of(value).to_owned()
            }
        };
        let owner = self.owner;
        Err(format!("json: cannot unmarshal {found} into Go struct field {owner}.{name} of type {wanted}"))
    }

    /// A string; absent is empty.
    pub(super) fn text(&self, name: &str) -> Bound<&'v str> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => self.mismatch(name, other, "string"),
            None => Ok(""),
        }
    }

    /// A string that no server binds: anything else is as good as absent.
    pub(super) fn loose_text(&self, name: &str) -> &'v str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number; absent is 0. `2.0` is none, as in Go.
    pub(super) fn whole<N: TryFrom<i64> + Default>(&self, name: &str, go_type: &str) -> Bound<N> {
        let Some(value) = self.get(name) else { return Ok(N::default()) };
        let number = value.as_i64().and_then(|number| N::try_from(number).ok());
        number.map_or_else(|| self.mismatch(name, value, go_type), Ok)
    }

    /// A list of strings; absent is empty.
    pub(super) fn texts(&self, name: &str) -> Bound<Vec<String>> {
        let items = match self.get(name) {
            Some(Value::Array(items)) => items,
            Some(other) => return self.mismatch(name, other, "[]string"),
            None => return Ok(Vec::new()),
        };
        let text = |item: &Value| match item {
            Value::String(text) => Ok(text.clone()),
            // Go leaves the element as it was made.
            Value::Null => Ok(String::new()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.mismatch(name, item, "string")
            }
        };
        items.iter().map(text).collect()
    }

    /// Bytes: base64 that may be broken into lines, or a list of numbers; absent is empty.
    pub(super) fn bytes(&self, name: &str) -> Bound<Vec<u8>> {
        match self.get(name) {
            Some(Value::String(text)) => decoded(text),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| {
                    let byte = item.as_u64().and_then(|number| u8::try_from(number).ok());
                    byte.map_or_else(|| self.mismatch(name, item, "uint8"), Ok)
                })
                .collect(),
            Some(other) => self.mismatch(name, other, "[]uint8"),
            None => Ok(Vec::new()),
        }
    }

    /// The members of an object below this one; absent has none.
    pub(super) fn object(&self, name: &str, owner: &'static str) -> Bound<Self> {
        match self.get(name) {
            Some(Value::Object(members)) => Ok(Self { members: Some(members), owner }),
            Some(other) => self.mismatch(name, other, owner),
            None => Ok(Self { members: None, owner }),
        }
    }
}

fn decoded(text: &str) -> Bound<Vec<u8>> {
    let read = if text.contains(['\r', '\n']) {
        BASE64.decode(text.replace(['\r', '\n'], ""))
    } else {
        BASE64.decode(text)
    };
    read.map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            // Go points at the last group where letters or padding are missing.
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                text.len().saturating_sub(1) / 4 * 4
            }
        };
        format!("illegal base64 data at input byte {at}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_in_any_case_and_null_is_absent() {
        let value = json!({"FROM_UID": "a", "expire": null});
        let fields = Fields::of(&value, "messageSendReq").unwrap();
        assert_eq!((fields.text("from_uid"), fields.whole::<u32>("expire", "uint32")), (Ok("a"), Ok(0)));
    }

    #[test]
    fn another_type_is_told_in_the_words_of_go() {
        let value = json!({"channel_type": 256, "x": 2.0});
        let fields = Fields::of(&value, "messageSendReq").unwrap();
        let words = "json: cannot unmarshal number 256 into Go struct field messageSendReq.channel_type of type uint8";
        assert_eq!(fields.whole::<u8>("channel_type", "uint8"), Err(words.to_owned()));
        assert!(fields.whole::<u8>("x", "uint8").unwrap_err().contains("number 2.0"));
    }

    #[test]
    fn base64_is_of_the_standard_alphabet_and_padded() {
        for (text, bytes) in
            [("aGk=", Ok(b"hi".to_vec())), ("aG\nk=", Ok(b"hi".to_vec())), ("", Ok(Vec::new()))]
        {
            assert_eq!(decoded(text), bytes, "{text}");
        }
        for (text, at) in [("-_-_", 0), ("hello world", 5), ("eyJ0eXBlIjoxfQ", 12)] {
            assert_eq!(decoded(text), Err(format!("illegal base64 data at input byte {at}")));
        }
    }

    #[test]
    fn what_stands_behind_the_first_value_is_not_looked_at() {
        assert_eq!(first_value(b"{\"a\":1}{\"x\":1} garbage"), Ok(json!({"a": 1})));
        assert_eq!(first_value(b" "), Err("EOF".to_owned()));
        assert_eq!(first_value(b"{"), Err("unexpected EOF".to_owned()));
    }
}
