//! Takes JSON bodies apart: the head's fields and the messages, each still as it stands in the input. Bodies
//! as clients write them are scanned once, and their plain messages are read by that; whatever a body has that
//! is out of the ordinary goes to serde, which also words what is wrong with it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::plain::{Cursor, Plain};
use crate::error::FieldError;

/// One message as it stands in its document.
#[derive(Debug, Clone, Copy)]
pub struct MessageText<'t> {
    text: &'t str,
    plain: Option<Plain<'t>>,
}

impl<'t> MessageText<'t> {
    /// The JSON.
    #[must_use]
    pub const fn get(self) -> &'t str {
        self.text
    }

    /// Whether it leaves the content to the batch.
    #[must_use]
    pub fn shares_content(self) -> bool {
        #[derive(serde::Deserialize)]
        struct Shape {
            content: Option<IgnoredAny>,
        }
        self.plain.is_some()
            || serde_json::from_str::<Shape>(self.text).is_ok_and(|shape| shape.content.is_none())
    }

    pub(super) const fn plain(self) -> Option<Plain<'t>> {
        self.plain
    }
}

impl<'t> From<&'t str> for MessageText<'t> {
    fn from(text: &'t str) -> Self {
        Self { text, plain: Cursor::new(text).only_message() }
    }
}

/// A JSON body, taken apart but not yet read.
#[derive(Debug, Default)]
pub struct Document<'t> {
    fields: Vec<(Cow<'t, str>, &'t RawValue)>,
    /// The messages as they stand in the input; none when the field is missing.
    pub messages: Option<Vec<MessageText<'t>>>,
}

struct Messages<'t>(Vec<MessageText<'t>>);

impl<'de: 't, 't> Deserialize<'de> for Messages<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<'t>(std::marker::PhantomData<&'t ()>);
        impl<'de: 't, 't> Visitor<'de> for Items<'t> {
            type Value = Messages<'t>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of messages")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Messages<'t>, A::Error> {
                let mut messages = Vec::new();
                while let Some(message) = items.next_element::<&'de RawValue>()? {
                    messages.push(message.get().into());
                }
                Ok(Messages(messages))
            }
        }
        deserializer.deserialize_seq(Items(std::marker::PhantomData))
    }
}

impl<'de: 't, 't> Deserialize<'de> for Document<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Body<'t>(std::marker::PhantomData<&'t ()>);
        impl<'de: 't, 't> Visitor<'de> for Body<'t> {
            type Value = Document<'t>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a batch: an object with `messages`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Document<'t>, A::Error> {
                let mut document = Document::default();
                while let Some(key) = members.next_key::<Cow<'de, str>>()? {
                    if key == "messages" && document.messages.is_none() {
                        document.messages = Some(members.next_value::<Messages<'t>>()?.0);
                    } else {
                        document.fields.push((key, members.next_value()?));
                    }
                }
                Ok(document)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document<'t>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Err(serde::de::Error::custom("expected a batch object, found an array"))
            }
        }
        deserializer.deserialize_map(Body(std::marker::PhantomData))
    }
}

/// Takes a body apart in one go; none where anything is out of the ordinary, which serde then reads or words.
fn usual(text: &str) -> Option<Document<'_>> {
    let mut cursor = Cursor::new(text);
    let mut document = Document::default();
    cursor.expect(b'{')?;
    loop {
        let key = cursor.string()?;
        cursor.expect(b':')?;
        if key == "messages" && document.messages.is_none() {
            document.messages = Some(messages(&mut cursor)?);
        } else {
            document.fields.push((Cow::Borrowed(key), cursor.value()?));
        }
        if cursor.expect(b',').is_none() {
            cursor.expect(b'}')?;
            return cursor.is_at_end().then_some(document);
        }
    }
}

fn messages<'t>(cursor: &mut Cursor<'t>) -> Option<Vec<MessageText<'t>>> {
    let mut messages = Vec::new();
    cursor.expect(b'[')?;
    if cursor.expect(b']').is_some() {
        return Some(messages);
    }
    loop {
        let start = cursor.clone();
        messages.push(match cursor.message() {
            Some(plain) => MessageText { text: cursor.since(&start)?, plain: Some(plain) },
            None => {
                *cursor = start;
                MessageText { text: cursor.value()?.get(), plain: None }
            }
        });
        if cursor.expect(b',').is_none() {
            cursor.expect(b']')?;
            return Some(messages);
        }
    }
}

/// Takes a JSON body apart.
///
/// # Errors
/// Where the text is no JSON, or no object, or its `messages` no array: line and column are named.
pub fn read_document(text: &str) -> Result<Document<'_>, FieldError> {
    if let Some(document) = usual(text) {
        return Ok(document);
    }
    serde_json::from_str(text).map_err(|error| FieldError::new("", format!("not a batch as JSON: {error}")))
}

/// The head of a document as JSON text of its own: everything but `messages`. The ledger stores it.
#[must_use]
pub fn head_text(document: &Document<'_>) -> String {
    let mut text = String::from("{");
    for (key, value) in &document.fields {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(key.as_ref()).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(document: &Document<'_>) -> String {
        let messages: Option<Vec<&str>> =
            document.messages.as_ref().map(|messages| messages.iter().map(|message| message.get()).collect());
        format!("{messages:?} {}", head_text(document))
    }

    const BODY: &str = r#" {"from":"shop", "content" : {"text":"a,]}\"","n":[1,-2.5e3,true,null]} ,
        "messages":[ {"to":"user:a"} , {"id":"m","to":"user:b","vars":{"x":"]}"}},7],"ordered":true , "n":1 } "#;

    #[test]
    fn usual_bodies_are_taken_apart_as_serde_does_it() {
        for body in [BODY, r#"{"messages":[]}"#, r#"{"messages":[1],"messages":[2]}"#, r#"{"a":1}"#] {
            let found = usual(body).unwrap();
            assert_eq!(shown(&found), shown(&serde_json::from_str(body).unwrap()));
        }
        let plain: Vec<bool> =
            usual(BODY).unwrap().messages.unwrap().iter().map(|message| message.plain.is_some()).collect();
        assert_eq!(plain, [true, false, false]);
    }

    #[test]
    fn a_changed_byte_is_taken_as_serde_takes_it_or_left_to_it() {
        for at in 0..BODY.len() {
            for byte in 0..0x80 {
                let mut changed = BODY.as_bytes().to_vec();
                changed[at] = byte;
                let mut longer = BODY.as_bytes().to_vec();
                longer.insert(at, byte);
                for body in [&changed, &longer, &changed[..at].to_vec()] {
                    let body = std::str::from_utf8(body).unwrap();
                    let Some(found) = usual(body) else { continue };
                    let wanted: Document<'_> = serde_json::from_str(body).expect(body);
                    assert_eq!(shown(&found), shown(&wanted), "{body}");
                }
            }
        }
    }
}
