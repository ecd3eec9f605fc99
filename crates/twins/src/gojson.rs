//! JSON bodies as Go servers bind them: names match in any case, unknown names are ignored, null is
//! absent, and a value of another type is an error with Go's text.
//!
//! WuKongIM and OpenIM are both written in Go and both show these texts to callers. Values stay
//! borrowed from the body until somebody asks for them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON object whose values are not looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A body that does not bind, in the words of Go's decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) String);

/// A borrowed string where the JSON has no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(12);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    pairs.push((name, value));
                }
                Ok(Fields(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl<'a> Fields<'a> {
    /// Reads a body that must be an object.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Mismatch> {
        if body.trim_ascii().is_empty() {
            return Err(Mismatch("EOF".into()));
        }
        serde_json::from_slice(body).map_err(|error| {
            let kind = kind_of(body);
            if kind == "object" || error.is_syntax() || error.is_eof() {
                return Mismatch(format!("invalid character in JSON body at offset {}", error.column()));
            }
            Mismatch(format!("json: cannot unmarshal {kind} into Go value of type struct"))
        })
    }

    /// Reads a value that must be an object; null and absent are an empty one.
    pub(crate) fn object(&self, name: &str) -> Result<Self, Mismatch> {
        match self.raw(name) {
            Some(raw) => serde_json::from_str(raw.get()).map_err(|_| mismatch(name, raw, "struct")),
            None => Ok(Self::default()),
        }
    }

    /// The same object with these fields only.
    pub(crate) fn only(mut self, names: &[&str]) -> Self {
        self.0.retain(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)));
        self
    }

    /// The value of a field, null counted as absent; the last of several wins, as in Go.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    pub(crate) fn string(&self, name: &str) -> Result<Cow<'a, str>, Mismatch> {
        let Some(raw) = self.raw(name) else { return Ok(Cow::Borrowed("")) };
        serde_json::from_str::<Text<'a>>(raw.get())
            .map(|text| text.0)
            .map_err(|_| mismatch(name, raw, "string"))
    }

    /// An integer within `[least, most]`; absent is 0.
    pub(crate) fn int(&self, name: &str, least: i64, most: i64) -> Result<i64, Mismatch> {
        let Some(raw) = self.raw(name) else { return Ok(0) };
        let value =
            serde_json::from_str::<i64>(raw.get()).ok().filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| mismatch(name, raw, "int"))
    }

    pub(crate) fn bool(&self, name: &str) -> Result<bool, Mismatch> {
        let Some(raw) = self.raw(name) else { return Ok(false) };
        serde_json::from_str(raw.get()).map_err(|_| mismatch(name, raw, "bool"))
    }

    /// A list of strings; none when absent or null.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<Cow<'a, str>>>, Mismatch> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let texts: Result<Vec<Text<'a>>, _> = serde_json::from_str(raw.get());
        match texts {
            Ok(texts) => Ok(Some(texts.into_iter().map(|text| text.0).collect())),
            Err(_) => Err(mismatch(name, raw, "[]string")),
        }
    }
}

fn mismatch(name: &str, raw: &RawValue, wanted: &str) -> Mismatch {
    let found = match kind_of(raw.get().as_bytes()) {
        "number" => format!("number {}", raw.get()),
        "array" if wanted == "[]string" => "value".to_owned(),
        kind => kind.to_owned(),
    };
    Mismatch(format!("json: cannot unmarshal {found} into Go struct field .{name} of type {wanted}"))
}

/// Go's word for the kind of a JSON value.
pub(crate) fn kind_of(json: &[u8]) -> &'static str {
    match json.trim_ascii_start().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "null",
        _ => "number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_null_is_absent() {
        let fields = Fields::parse(br#"{"SendId":"a","recvIDs":null,"more":{"x":1}}"#).unwrap();
        assert_eq!(fields.string("sendID").unwrap(), "a");
        assert_eq!(fields.strings("recvIDs").unwrap(), None);
    }

    #[test]
    fn another_type_is_an_error_with_go_text() {
        let fields = Fields::parse(br#"{"red_dot":true,"type":"1"}"#).unwrap();
        let Mismatch(text) = fields.int("red_dot", 0, 1).unwrap_err();
        assert_eq!(text, "json: cannot unmarshal bool into Go struct field .red_dot of type int");
        assert!(fields.int("type", 0, 9).is_err());
    }

    #[test]
    fn an_array_is_no_struct() {
        let Mismatch(text) = Fields::parse(b"[{}]").unwrap_err();
        assert!(text.contains("cannot unmarshal array"), "{text}");
    }
}
