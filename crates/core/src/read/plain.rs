//! Reads messages that only say who gets the batch's content: `to`, and perhaps `id` and `client_id`, with
//! nothing escaped. Nearly all messages of large batches are such, and need neither a JSON tree nor a list
//! of fields. Whatever looks any different is left to the full reader, which also words all errors; so this
//! may give up at any byte, and must never read something that the full reader would not.

use serde_json::value::RawValue;

use crate::json;

/// The fields of such a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain<'t> {
    pub(super) to: &'t str,
    pub(super) id: Option<&'t str>,
    pub(super) client_id: Option<&'t str>,
}

/// Where in a text reading has got to.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Skips blanks and one such byte; where another one stands only the blanks.
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        (self.next()? == byte).then(|| self.at += 1)
    }

    /// A string with nothing escaped.
    pub(super) fn string(&mut self) -> Option<&'t str> {
        self.expect(b'"')?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let end = self.at + json::plain(rest);
        let text = self.text.get(self.at..end)?;
        self.at = end;
        (self.next()? == b'"').then(|| self.at += 1)?;
        Some(text)
    }

    /// Any value, checked by serde.
    pub(super) fn value(&mut self) -> Option<&'t RawValue> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }

    /// A plain message; none, somewhere in it, where it is not plain.
    pub(super) fn message(&mut self) -> Option<Plain<'t>> {
        let (mut to, mut id, mut client_id) = (None, None, None);
        self.expect(b'{')?;
        loop {
            let place = match self.string()? {
                "to" => &mut to,
                "id" => &mut id,
                "client_id" => &mut client_id,
                _ => return None,
            };
            self.expect(b':')?;
            if place.replace(self.string()?).is_some() {
                return None;
            }
            if self.expect(b',').is_none() {
                self.expect(b'}')?;
                return Some(Plain { to: to?, id, client_id });
            }
        }
    }

    /// A plain message with nothing else around it.
    pub(super) fn only_message(mut self) -> Option<Plain<'t>> {
        self.message().filter(|_| self.is_at_end())
    }

    /// Whether nothing but blanks follows.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.next().is_none()
    }

    /// The text since an earlier place, without the blanks that it begins with.
    pub(super) fn since(&self, start: &Self) -> Option<&'t str> {
        self.text.get(start.at..self.at).map(|text| text.trim_start_matches([' ', '\t', '\r', '\n']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json_borrow::Value;

    fn read(text: &str) -> Option<Plain<'_>> {
        Cursor::new(text).only_message()
    }

    #[test]
    fn plain_messages_are_read_whatever_their_order_and_blanks() {
        let wanted = Plain { to: "user:频道", id: Some("m1"), client_id: None };
        for text in [r#"{"id":"m1","to":"user:频道"}"#, " { \"to\" : \"user:频道\",\n\t\"id\":\r\"m1\" } "]
        {
            assert_eq!(read(text).as_ref(), Some(&wanted), "{text}");
        }
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_the_full_reader() {
        for text in [
            "",
            "{}",
            "{",
            "[]",
            r#"{"to":"user:a""#,
            r#"{"to":"user:a"}}"#,
            r#"{"to":"user:a",}"#,
            r#"{"to":"user:a","to":"user:b"}"#,
            r#"{"to":"user:a","id":null}"#,
            r#"{"to":"user:a","id":1}"#,
            r#"{"to":"user:\u0061"}"#,
            r#"{"to":"user:a","vars":{}}"#,
            "{\"to\":\"user:\u{1}\"}",
            "\u{feff}{\"to\":\"user:a\"}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_changed_byte_is_read_as_json_has_it_or_not_at_all() {
        let message = br#"{"id":"m1","to":"user:a", "client_id":"c"}"#;
        for at in 0..message.len() {
            for byte in 0..0x80 {
                let mut changed = message.to_vec();
                changed[at] = byte;
                let mut longer = message.to_vec();
                longer.insert(at, byte);
                for text in [&changed, &longer, &changed[..at].to_vec()] {
                    let text = std::str::from_utf8(text).unwrap();
                    let Some(plain) = read(text) else { continue };
                    let value: Value<'_> = serde_json::from_str(text).unwrap();
                    for (key, found) in
                        [("to", Some(plain.to)), ("id", plain.id), ("client_id", plain.client_id)]
                    {
                        assert_eq!(value.get(key).as_str(), found, "{text}");
                    }
                }
            }
        }
    }
}
