//! Writes the two JSON shapes that exist once for each message, results and records, with their fixed
//! parts as whole slices. Everything else goes through serde, which also says what these must equal.

use serde::Serialize;

/// Appends `"name":` style text as it stands.
pub(crate) fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Bytes that are looked at together.
const TOGETHER: usize = 8;
/// A byte in each place.
const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The length of the longest beginning in which nothing ends a JSON string or is escaped there. Ids hardly
/// ever hold such bytes, and every message has several: eight are looked at together.
#[must_use]
pub fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<TOGETHER>();
    for (place, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return place * TOGETHER + found.trailing_zeros() as usize / 8;
        }
    }
    let end = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    words.len() * TOGETHER + end.unwrap_or(rest.len())
}

/// Marks bytes that are special; above the lowest of them the marks may be wrong.
const fn special(word: u64) -> u64 {
    let quote = word ^ (EACH * b'"' as u64);
    let backslash = word ^ (EACH * b'\\' as u64);
    let zero = (quote.wrapping_sub(EACH) & !quote) | (backslash.wrapping_sub(EACH) & !backslash);
    (zero | (word.wrapping_sub(EACH * 0x20) & !word)) & HIGH
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    if plain(text.as_bytes()) < text.len() {
        return value(out, text);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends a string or `null`.
pub(crate) fn optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => raw(out, "null"),
    }
}

/// Appends a whole number.
pub(crate) fn whole(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0u8; 20];
    let mut rest = number.unsigned_abs();
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        // A remainder of 10 is a byte.
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}

/// Appends anything by serde.
pub(crate) fn value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing to memory cannot fail, and no shape here has keys that are no strings.
    serde_json::to_writer(out, value).unwrap_or_default();
}

/// Appends a list of strings.
pub(crate) fn strings<T: AsRef<str>>(out: &mut Vec<u8>, list: &[T]) {
    out.push(b'[');
    for (index, text) in list.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, text.as_ref());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_strings_are_written_as_serde_writes_them(number: i64, text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
            let mut out = Vec::new();
            whole(&mut out, number);
            out.push(b' ');
            string(&mut out, &text);
            let wanted = format!("{number} {}", serde_json::to_string(&text).unwrap());
            prop_assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn the_plain_beginning_ends_at_the_first_special_byte() {
        for length in 0..40 {
            let mut bytes = vec![b'~'; length];
            assert_eq!(plain(&bytes), length);
            for special in [b'"', b'\\', 0, 0x1f] {
                for at in 0..length {
                    bytes[at..].fill(special);
                    assert_eq!(plain(&bytes), at);
                    bytes[at..].fill(0xff);
                    assert_eq!(plain(&bytes), length);
                    bytes[at..].fill(b' ');
                    assert_eq!(plain(&bytes), length);
                }
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_are_written() {
        for number in [0, 9, 10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            whole(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
