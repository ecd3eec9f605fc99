//! Writes the two JSON shapes that exist once for each message, results and records, with their fixed
//! parts as whole slices. Everything else goes through serde, which also says what these must equal.

use serde::Serialize;

/// Appends `"name":` style text as it stands.
pub(crate) fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    // Without an early exit the loop is done many bytes at a time.
    let special =
        text.bytes().fold(false, |special, byte| special | (byte < 0x20) | (byte == b'"') | (byte == b'\\'));
    if !special {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        value(out, text);
    }
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
    fn the_ends_of_the_range_are_written() {
        for number in [0, 9, 10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            whole(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
