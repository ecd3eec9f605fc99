//! Writes `application/x-www-form-urlencoded` bodies. JSON fields are serialized straight through the
//! percent-encoder into the body, so that a list of messages is never held a second time. A space
//! becomes `+`.

use std::fmt::Display;
use std::io::{self, Write};

use form_urlencoded::byte_serialize;
use serde::Serialize;

/// A form body that is being written.
#[derive(Debug)]
pub(crate) struct Form(Vec<u8>);

impl Form {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn name(&mut self, name: &'static str) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
    }

    /// A text field.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        for piece in byte_serialize(value.as_bytes()) {
            self.0.extend_from_slice(piece.as_bytes());
        }
    }

    /// A field that stands only where it was given.
    pub(crate) fn given<T: Display>(&mut self, name: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.text(name, &value.to_string());
        }
    }

    /// A field that holds JSON text.
    pub(crate) fn json<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.name(name);
        serde_json::to_writer(Percent(&mut self.0), value)
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.0
    }
}

/// Percent-encodes everything written to it.
struct Percent<'b>(&'b mut Vec<u8>);

impl Write for Percent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in byte_serialize(bytes) {
            self.0.extend_from_slice(piece.as_bytes());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_become_plus_and_everything_special_is_encoded() {
        let mut form = Form::with_capacity(0);
        form.text("a", "1 + 1 = 100% & 中");
        form.given("b", Some(true));
        form.given("c", None::<u8>);
        form.json("d", &["x y", "\"&"]).unwrap();
        let body = String::from_utf8(form.into_body()).unwrap();
        assert_eq!(body, "a=1+%2B+1+%3D+100%25+%26+%E4%B8%AD&b=true&d=%5B%22x+y%22%2C%22%5C%22%26%22%5D");
    }
}
