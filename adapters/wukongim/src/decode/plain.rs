//! Reads the page's answer as servers write it, without a copy: compact JSON, whole numbers, strings with
//! nothing escaped. Whatever looks any different is left to serde, which reads the same of it; so this
//! may give up at any byte, and must never read something that serde would not.

use interline_core::json;

use crate::wire::{Id, Ids, Name};

/// The most digits that are surely no more than a `u64` holds.
const MOST_DIGITS: usize = 19;

/// The most digits that are surely no more than an `i64` holds.
const MOST_DIGITS_SIGNED: usize = 18;

/// The array, in whose place `most` answers are expected; none where it is not plain.
pub(super) fn read(body: &[u8], most: usize) -> Option<Vec<Option<Ids<'_>>>> {
    let text = str::from_utf8(body).ok()?;
    let mut rest = Rest(text.trim_end_matches([' ', '\t', '\r', '\n']));
    let mut answers = Vec::with_capacity(most);
    rest.expect("[")?;
    if rest.expect("]").is_none() {
        loop {
            answers.push(Some(Ids::default()));
            rest.ids(answers.last_mut()?.as_mut()?)?;
            if rest.expect(",").is_none() {
                break rest.expect("]")?;
            }
        }
    }
    rest.0.is_empty().then_some(answers)
}

/// What is still to be read.
struct Rest<'r>(&'r str);

impl<'r> Rest<'r> {
    #[inline]
    fn expect(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// An object of ids, read into its place; serde refuses a key that comes twice.
    fn ids(&mut self, ids: &mut Ids<'r>) -> Option<()> {
        self.expect("{")?;
        loop {
            if self.expect("\"message_id\":").is_some() {
                once(&mut ids.message_id, Id::of(self.id()?))?;
            } else if self.expect("\"message_seq\":").is_some() {
                once(&mut ids.message_seq, Id::of(self.id()?))?;
            } else if self.expect("\"client_msg_no\":").is_some() {
                once(&mut ids.client_msg_no, Name::of(self.id()?))?;
            } else {
                self.expect("\"reason\":")?;
                once(&mut ids.reason, self.digits(MOST_DIGITS_SIGNED)?.parse().ok()?)?;
            }
            if self.expect(",").is_none() {
                return self.expect("}");
            }
        }
    }

    fn id(&mut self) -> Option<&'r str> {
        match self.expect("\"") {
            Some(()) => self.string(),
            None => self.digits(MOST_DIGITS),
        }
    }

    /// The rest of a string that began.
    fn string(&mut self) -> Option<&'r str> {
        let (text, rest) = self.0.split_at_checked(json::plain(self.0.as_bytes()))?;
        self.0 = rest;
        self.expect("\"")?;
        Some(text)
    }

    /// A whole number that is not 0; what would make it another number stands where `,` or `}` is wanted.
    fn digits(&mut self, most: usize) -> Option<&'r str> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!text.starts_with('0') && (1..=most).contains(&text.len())).then_some(text)
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serde(body: &str) -> Option<Vec<Option<Ids<'_>>>> {
        serde_json::from_str(body).ok()
    }

    #[test]
    fn plain_answers_read_as_serde_reads_them() {
        for body in [
            "[]",
            "[] \n",
            r#"[{"message_id":1689248112654155776,"message_seq":12,"client_msg_no":"频道"}]"#,
            r#"[{"client_msg_no":"m","message_id":"0","reason":22},{"message_seq":""}]"#,
            r#"[{"message_id":9999999999999999999}]"#,
        ] {
            assert_eq!(read(body.as_bytes(), 1), serde(body), "{body}");
            assert!(read(body.as_bytes(), 1).is_some(), "{body}");
        }
    }

    #[test]
    fn a_changed_byte_is_read_as_serde_reads_it_or_not_at_all() {
        let body = br#"[{"message_id":168,"message_seq":"1","client_msg_no":"a","reason":1},{"reason":2}]"#;
        for at in 0..body.len() {
            for byte in 0..=u8::MAX {
                let mut changed = body.to_vec();
                changed[at] = byte;
                let mut longer = body.to_vec();
                longer.insert(at, byte);
                for body in [&changed, &longer, &changed[..at].to_vec()] {
                    if let Some(answers) = read(body, 2) {
                        assert_eq!(Some(answers), serde_json::from_slice(body).ok(), "{at} {byte}");
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_serde() {
        for body in [
            "",
            "[]\u{c}",
            "[",
            "{}",
            "[null]",
            "[{}]",
            "[[1]]",
            "[{\"message_id\":1},]",
            "[{\"message_id\":1,}]",
            "[{\"message_id\":1}",
            "[{\"message_id\":1}]]",
            "[{\"message_id\":1} ]",
            "[{\"message_id\":1,\"message_id\":2}]",
            "[{\"message_id\":01}]",
            "[{\"message_id\":0}]",
            "[{\"message_id\":-1}]",
            "[{\"message_id\":1.5}]",
            "[{\"message_id\":1e3}]",
            "[{\"message_id\":}]",
            "[{\"message_id\":18446744073709551616}]",
            "[{\"message_id\":null}]",
            "[{\"message_id\":\"a\\u0062\"}]",
            "[{\"message_id\":\"a\tb\"}]",
            "[{\"message_id\":\"a",
            "[{\"reason\":\"1\"}]",
            "[{\"reason\":9223372036854775808}]",
            "[{\"other\":1}]",
        ] {
            assert_eq!(read(body.as_bytes(), 1), None, "{body}");
        }
        assert_eq!(read(b"[{\"message_id\":\"\xff\"}]", 1), None);
    }
}
