//! JSON bodies as the vendor's Go server binds them: names match in any case, unknown ones are ignored,
//! `null` changes nothing, and a value of another type is an error in the decoder's words. Values are not
//! looked at before somebody asks for them.

use std::borrow::Cow;
use std::fmt;

use interline_core::content::Object;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Whole numbers of these fields have 32 bits.
const SMALL: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

/// A body that does not bind, in the decoder's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch(pub(super) String);

/// The members of an object.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    name: &'static str,
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Members(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

impl<'a> Fields<'a> {
    /// Reads the first value of a body for the struct `name`; what follows it is nobody's.
    pub(super) fn read(body: &'a str, name: &'static str) -> Result<Self, Mismatch> {
        let wrong = |text: String| Err(Mismatch(text));
        let Some(first) = body.trim_ascii_start().bytes().next() else { return wrong("EOF".to_owned()) };
        let members = Members::deserialize(&mut serde_json::Deserializer::from_str(body));
        match members {
            Ok(Members(members)) => Ok(Self { members, name }),
            Err(error) if error.is_eof() => wrong("unexpected EOF".to_owned()),
            Err(error) if error.is_data() && first != b'{' && parses(body) => {
                wrong(format!("json: cannot unmarshal {} into Go value of type {name}", kind_of(body)))
            }
            Err(error) => {
                wrong(format!("invalid JSON in the body: line {} column {}", error.line(), error.column()))
            }
        }
    }

    /// Whether the key stands there, be it with `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// The last value given that is not `null`: each assigns, and `null` assigns nothing.
    fn raw(&self, name: &str) -> Option<&'a str> {
        let named = self.members.iter().rev().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, raw)| raw.get()).find(|text| *text != "null")
    }

    fn typed<T: Deserialize<'a>>(&self, name: &str, go: &str) -> Result<Option<T>, Mismatch> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| self.mismatch(name, text, go))
    }

    fn mismatch(&self, name: &str, text: &str, go: &str) -> Mismatch {
        let found = match kind_of(text) {
            "number" => format!("number {text}"),
            kind => kind.to_owned(),
        };
        Mismatch(format!(
            "json: cannot unmarshal {found} into Go struct field {}.{name} of type {go}",
            self.name
        ))
    }

    /// A string, empty where there is none.
    pub(super) fn text(&self, name: &str) -> Result<String, Mismatch> {
        Ok(self.typed::<Text<'a>>(name, "string")?.map(|Text(text)| text.into_owned()).unwrap_or_default())
    }

    /// A whole number of 32 bits, 0 where there is none.
    pub(super) fn small(&self, name: &str) -> Result<i64, Mismatch> {
        let found: Option<i64> = self.typed(name, "int32")?;
        let number = found.unwrap_or_default();
        if number < SMALL.0 || number > SMALL.1 {
            return Err(self.mismatch(name, &number.to_string(), "int32"));
        }
        Ok(number)
    }

    /// A whole number of 64 bits, 0 where there is none.
    pub(super) fn whole(&self, name: &str) -> Result<i64, Mismatch> {
        Ok(self.typed(name, "int64")?.unwrap_or_default())
    }

    /// A switch, none where it is not given.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Mismatch> {
        self.typed(name, "bool")
    }

    /// Strings, none where there is no list. A `null` among them is an empty one.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Mismatch> {
        let found: Option<Vec<Option<String>>> = self.typed(name, "[]string")?;
        Ok(found.map(|texts| texts.into_iter().map(Option::unwrap_or_default).collect()))
    }

    /// An object as it is, none where there is none.
    pub(super) fn object(&self, name: &str) -> Result<Option<Object>, Mismatch> {
        self.typed(name, "map[string]interface {}")
    }

    /// The members of an object, none where there is none.
    pub(super) fn fields(&self, name: &str) -> Result<Option<Self>, Mismatch> {
        let found: Option<Members<'a>> = self.typed(name, "struct")?;
        Ok(found.map(|Members(members)| Self { members, name: self.name }))
    }
}

fn parses(body: &str) -> bool {
    IgnoredAny::deserialize(&mut serde_json::Deserializer::from_str(body)).is_ok()
}

/// The decoder's word for the kind of a JSON value.
fn kind_of(json: &str) -> &'static str {
    match json.trim_ascii_start().bytes().next() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        _ => "number",
    }
}

/// Collects what the validator misses, in its words.
#[derive(Debug)]
pub(super) struct Missing {
    complaints: Vec<String>,
}

impl Missing {
    /// Nothing is missing yet.
    pub(super) const fn none() -> Self {
        Self { complaints: Vec::new() }
    }

    /// Notes that the last name of `place` is missing unless it is `given`.
    pub(super) fn unless(&mut self, given: bool, place: &str, tag: &str) {
        if given {
            return;
        }
        let field = place.rsplit('.').next().unwrap_or(place);
        self.complaints
            .push(format!("Key: '{place}' Error:Field validation for '{field}' failed on the '{tag}' tag"));
    }

    /// Everything that is missing, or nothing.
    pub(super) fn verdict(self) -> Result<(), Mismatch> {
        if self.complaints.is_empty() { Ok(()) } else { Err(Mismatch(self.complaints.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Fields<'_>, String> {
        Fields::read(body, "Req").map_err(|Mismatch(text)| text)
    }

    #[test]
    fn names_match_in_any_case_and_the_last_one_counts() {
        let fields = read(r#"{"SENDID":"a","sendID":"b","sendid":null,"more":{"x":1}} and more"#).unwrap();
        assert_eq!(fields.text("sendID").unwrap(), "b");
        assert!(fields.has("More") && !fields.has("x"));
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let fields = read(r#"{"a":null,"list":[null,"u"]}"#).unwrap();
        assert_eq!((fields.text("a").unwrap(), fields.small("a").unwrap()), (String::new(), 0));
        assert_eq!((fields.flag("a").unwrap(), fields.texts("a").unwrap()), (None, None));
        assert_eq!(fields.texts("list").unwrap().unwrap(), ["", "u"]);
        assert!(!read("null").unwrap().has("a"));
    }

    #[test]
    fn another_type_is_an_error_in_the_decoders_words() {
        let fields = read(r#"{"n":"1","s":1,"f":1.5,"big":4294967296,"l":"u"}"#).unwrap();
        let of = |what: &str| format!("json: cannot unmarshal {what}");
        let errors = [
            fields.small("n").unwrap_err(),
            fields.text("s").unwrap_err(),
            fields.small("f").unwrap_err(),
            fields.small("big").unwrap_err(),
            fields.texts("l").unwrap_err(),
        ];
        let wanted = [
            of("string into Go struct field Req.n of type int32"),
            of("number 1 into Go struct field Req.s of type string"),
            of("number 1.5 into Go struct field Req.f of type int32"),
            of("number 4294967296 into Go struct field Req.big of type int32"),
            of("string into Go struct field Req.l of type []string"),
        ];
        assert_eq!(errors.map(|Mismatch(text)| text), wanted);
    }

    #[test]
    fn a_body_that_is_no_object_says_what_it_is() {
        assert_eq!(read(" ").unwrap_err(), "EOF");
        assert_eq!(read(r#"{"a":"#).unwrap_err(), "unexpected EOF");
        assert_eq!(read("[1]").unwrap_err(), "json: cannot unmarshal array into Go value of type Req");
        assert!(read("nonsense").unwrap_err().starts_with("invalid JSON"));
    }
}
