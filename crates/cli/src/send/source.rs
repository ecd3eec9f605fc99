//! What is to be sent: a file or standard input, its format, and its bytes.
//!
//! NDJSON and CSV are never held whole. Standard input is looked at before it is read, so that its
//! format can be told from its first bytes; it can be read once only.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::args::{Format, Input};
use crate::output::Failed;

/// How much is looked at to tell a format.
const LOOK: usize = 64 * 1024;

/// What to do about text in another encoding.
pub(super) const UTF8: &str = "save it as UTF-8 and send it again; nothing was sent";

/// A batch to be, unread.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file's name, for messages.
    pub(crate) name: String,
    pub(crate) format: Format,
    from: From,
}

#[derive(Debug)]
enum From {
    File(PathBuf),
    /// What was looked at; the rest is still to be read.
    Stdin(Option<Vec<u8>>),
}

impl Source {
    /// Finds the format and sees that the file can be read.
    pub(crate) fn of(input: &Input) -> Result<Self, Failed> {
        if input.file.as_os_str() == "-" {
            let seen = look(std::io::stdin().lock()).map_err(|error| unreadable("standard input", &error))?;
            let name = "standard input".to_owned();
            let format = found(input, Path::new(""), &seen, &name)?;
            return Ok(Self { name, format, from: From::Stdin(Some(seen)) });
        }
        let name = input.file.display().to_string();
        let file = File::open(&input.file).map_err(|error| unreadable(&name, &error))?;
        let seen = look(file).map_err(|error| unreadable(&name, &error))?;
        let format = found(input, &input.file, &seen, &name)?;
        Ok(Self { name, format, from: From::File(input.file.clone()) })
    }

    /// Whether it can be read again.
    pub(crate) const fn repeats(&self) -> bool {
        matches!(self.from, From::File(_))
    }

    /// How many bytes there are, where that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        match &self.from {
            From::File(path) => {
                path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
            }
            From::Stdin(_) => None,
        }
    }

    /// Opens it from its beginning.
    pub(crate) fn open(&mut self) -> Result<Box<dyn Read + Send>, Failed> {
        match &mut self.from {
            From::File(path) => {
                let file = File::open(path).map_err(|error| unreadable(&self.name, &error))?;
                Ok(Box::new(file))
            }
            From::Stdin(seen) => {
                let seen = seen.take().ok_or_else(|| Failed::new("standard input can be read once only"))?;
                Ok(Box::new(Cursor::new(seen).chain(std::io::stdin())))
            }
        }
    }

    /// All of it, as text.
    pub(crate) fn text(&mut self) -> Result<String, Failed> {
        let mut text = String::new();
        self.open()?.read_to_string(&mut text).map_err(|error| unreadable(&self.name, &error))?;
        Ok(text)
    }
}

pub(crate) fn unreadable(name: &str, error: &std::io::Error) -> Failed {
    let next = match error.kind() {
        ErrorKind::InvalidData => UTF8,
        _ => "name a file that can be read, or - for standard input; nothing was sent",
    };
    Failed::new(format!("cannot read {name}: {error}")).next(next)
}

fn look(mut reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut seen = vec![0; LOOK];
    let mut filled = 0;
    while let Some(free) = seen.get_mut(filled..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    seen.truncate(filled);
    Ok(seen)
}

fn found(input: &Input, path: &Path, seen: &[u8], name: &str) -> Result<Format, Failed> {
    if seen.is_empty() {
        return Err(Failed::new(format!("{name} is empty")).next("write the batch into it; nothing was sent"));
    }
    let format =
        input.format.or_else(|| by_extension(path)).or_else(|| by_content(seen)).ok_or_else(|| {
            Failed::new(format!("cannot tell what {name} holds: neither JSON nor a table with a `to` column"))
                .next("say it with --format json, ndjson or csv")
        })?;
    let for_tables = [
        ("--text", input.text.is_some()),
        ("--head", input.head.is_some()),
        ("--from", input.from.is_some()),
    ];
    match for_tables.iter().find(|(_, given)| *given && format != Format::Csv) {
        None => Ok(format),
        Some((option, _)) => {
            Err(Failed::new(format!("{option} is for CSV, and {name} is {}", format.word()))
                .next("write it into the batch itself, or say --format csv; nothing was sent"))
        }
    }
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => Some(Format::Json),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

/// An object that ends with its first line and is followed by more is NDJSON; a first line with a
/// `to` among its columns is CSV.
fn by_content(seen: &[u8]) -> Option<Format> {
    let seen = seen.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(seen).trim_ascii();
    let mut lines = seen.splitn(2, |byte| *byte == b'\n');
    let first = lines.next()?.trim_ascii();
    if !first.starts_with(b"{") {
        let columns = std::str::from_utf8(first).ok()?;
        return columns.split(',').any(|name| name.trim().trim_matches('"') == "to").then_some(Format::Csv);
    }
    let more = lines.next().is_some();
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(first).is_ok();
    Some(if more && whole { Format::Ndjson } else { Format::Json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(format: Option<Format>, text: Option<&str>) -> Input {
        let text = text.map(str::to_owned);
        Input { file: "x".into(), format, text, head: None, from: None }
    }

    #[test]
    fn the_name_decides_before_the_content() {
        let of = |name: &str| by_extension(Path::new(name));
        assert_eq!(of("a.JSON"), Some(Format::Json));
        assert_eq!(of("a.jsonl"), Some(Format::Ndjson));
        assert_eq!(of("a.csv"), Some(Format::Csv));
        assert_eq!(of("a.txt"), None);
        let given = input(Some(Format::Csv), Some("hi"));
        assert_eq!(found(&given, Path::new("a.json"), b"{}", "a.json").unwrap(), Format::Csv);
    }

    #[test]
    fn formats_are_told_by_the_first_bytes() {
        assert_eq!(by_content(b"{\n \"messages\": []\n}"), Some(Format::Json));
        assert_eq!(by_content(br#"{"messages":[]}"#), Some(Format::Json));
        assert_eq!(by_content(b"{\"from\":\"s\"}\n{\"to\":\"user:a\"}\n"), Some(Format::Ndjson));
        assert_eq!(by_content(b"\xEF\xBB\xBFid,\"to\",name\n"), Some(Format::Csv));
        assert_eq!(by_content(b"hello"), None);
        assert_eq!(by_content(b"[1]"), None);
    }

    #[test]
    fn what_cannot_be_told_asks_for_the_format() {
        let failed = found(&input(None, None), Path::new("x"), b"hello", "x").unwrap_err();
        assert!(failed.text().contains("--format"), "{}", failed.text());
    }

    #[test]
    fn what_is_for_tables_is_refused_for_anything_else() {
        for (name, bytes) in [("x.json", &b"{}"[..]), ("x.ndjson", b"{}\n{}\n")] {
            let failed = found(&input(None, Some("hi")), Path::new(name), bytes, name).unwrap_err();
            assert!(failed.text().starts_with("--text is for CSV"), "{}", failed.text());
        }
    }
}
