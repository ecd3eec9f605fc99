//! Writes the two JSON shapes that exist once for each message, results and records, with their fixed
//! parts as whole slices. Everything else goes through serde, which also says what these must equal.

use std::io::Write as _;

use serde::Serialize;

/// Appends `"name":` style text as it stands.
pub(crate) fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
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
    // Writing to memory cannot fail.
    write!(out, "{number}").unwrap_or_default();
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
