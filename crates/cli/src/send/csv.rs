//! A table as a batch: each row is a message, each column a variable.
//!
//! Rows become NDJSON lines one at a time. The first row that cannot be a message ends everything,
//! with its file and line; the whole file is read once before anything is sent, where it can be.

use std::io::Read;

use interline_core::content::{Content, Template};
use interline_core::error::FieldError;
use interline_core::options::Push;
use interline_core::read::{Identity, Path, Problems, read_head};
use interline_core::recipient::Recipient;
use serde_json::{Map, Value, json};

use super::source::{UTF8, unreadable};
use crate::args::Input;
use crate::output::Failed;

/// Vendors that a head may hold extensions of; the server checks what is in them.
const VENDORS: [&str; 4] = ["wukongim", "openim", "imkit", "netease"];

/// The batch without its messages, as JSON, and the names that its texts want values for.
#[derive(Debug)]
pub(crate) struct Head {
    /// One line of JSON.
    pub(crate) line: String,
    wanted: Vec<String>,
}

/// A table that is being read.
pub(crate) struct Rows<R> {
    name: String,
    reader: csv::Reader<Quotes<R>>,
    columns: Columns,
    record: csv::StringRecord,
    line: u64,
    rows: u64,
}

/// Counts quotes on their way: a quote that is never closed makes one row of all that follow.
#[derive(Debug)]
struct Quotes<R> {
    reader: R,
    seen: u64,
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.seen += buffer.iter().take(count).filter(|byte| **byte == b'"').count() as u64;
        Ok(count)
    }
}

#[derive(Debug)]
struct Columns {
    to: usize,
    id: Option<usize>,
    variables: Vec<(usize, String)>,
    width: usize,
}

impl Head {
    /// The head that the options describe, for a table with these variables.
    pub(crate) fn of(input: &Input, variables: &[String]) -> Result<Self, Failed> {
        let value = match (&input.text, &input.head) {
            (Some(text), _) => of_text(text, input.from.as_deref(), !variables.is_empty()),
            (None, Some(path)) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| unreadable(&name, &error))?;
                serde_json::from_str(&text)
                    .map_err(|error| {
                        Failed::new(format!("cannot read {name} as JSON: {error}"))
                            .next("it holds the batch without its messages: {\"content\":{\"type\":\"text\",\"text\":\"…\"}}")
                    })?
            }
            (None, None) => {
                return Err(Failed::new("a CSV file says to whom, not what")
                    .next("add --text \"Hi $name$\", or --head FILE with the batch's content"));
            }
        };
        let line = value.to_string();
        let wanted = placeholders(&line)?;
        Ok(Self { line, wanted })
    }

    /// Sees that every placeholder has a column and every column a placeholder.
    pub(crate) fn fits(&self, name: &str, variables: &[String]) -> Result<(), Failed> {
        let missing = self.wanted.iter().find(|wanted| !variables.contains(wanted));
        if let Some(missing) = missing {
            return Err(Failed::new(format!("${missing}$ has no column in {name}"))
                .next(format!("add a column `{missing}`, or write $$ for a dollar")));
        }
        let spare = variables.iter().find(|variable| !self.wanted.contains(variable));
        if let Some(spare) = spare {
            return Err(Failed::new(format!("the column `{spare}` of {name} is not used"))
                .next(format!("take it out, or write ${spare}$ in the content (with `template: true`)")));
        }
        Ok(())
    }
}

fn of_text(text: &str, from: Option<&str>, has_variables: bool) -> Value {
    let mut content = json!({"type": "text", "text": text});
    let asks = !names(&as_template(text)).is_empty();
    if let Some(content) = content.as_object_mut().filter(|_| has_variables || asks) {
        content.insert("template".to_owned(), Value::Bool(true));
    }
    let mut head = Map::new();
    if let Some(from) = from {
        head.insert("from".to_owned(), from.into());
    }
    head.insert("content".to_owned(), content);
    Value::Object(head)
}

fn as_template(text: &str) -> Content {
    Content { template: Template::Strict, ..Content::text(text) }
}

fn names(content: &Content) -> Vec<String> {
    names_with(content, &Push::default())
}

fn names_with(content: &Content, push: &Push) -> Vec<String> {
    interline_core::template::names(content, push).into_iter().map(str::to_owned).collect()
}

/// The names that a head's texts want values for, less those that it gives values itself.
fn placeholders(head: &str) -> Result<Vec<String>, Failed> {
    let identity = Identity { batch_id: "", vendors: &VENDORS };
    let mut problems = Problems::default();
    let read = read_head(head, &identity, Path::Root(""), &mut problems);
    if let Some(first) = problems.errors().first() {
        return Err(wrong_head(first));
    }
    let Some(head) = read else { return Ok(Vec::new()) };
    let Some(content) = &head.content else {
        return Err(Failed::new("the head has no content").next("give it a `content`; nothing was sent"));
    };
    if content.template == Template::Off {
        return Ok(Vec::new());
    }
    let mut names = names_with(content, &head.options.push);
    names.retain(|name| !head.vars.contains_key(name.as_str()));
    Ok(names)
}

fn wrong_head(error: &FieldError) -> Failed {
    Failed::new(format!("cannot use the batch's head: {error}")).next("nothing was sent")
}

impl<R: Read> Rows<R> {
    /// Reads the first line: the names of the columns.
    pub(crate) fn of(name: &str, reader: R) -> Result<Self, Failed> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(Quotes { reader, seen: 0 });
        let head = reader.headers().map_err(|error| broken(name, &error))?;
        let columns = Columns::of(name, head)?;
        Ok(Self {
            name: name.to_owned(),
            reader,
            columns,
            record: csv::StringRecord::new(),
            line: 1,
            rows: 0,
        })
    }

    /// The columns that hold variables.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.columns.variables.iter().map(|(_, name)| name.clone()).collect()
    }

    /// The next row as a line of NDJSON, without its newline; none at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, Failed> {
        let more = self.reader.read_record(&mut self.record).map_err(|error| broken(&self.name, &error))?;
        if !more {
            return self.closed();
        }
        self.rows += 1;
        self.line = self.record.position().map_or(0, csv::Position::line);
        let line = self.line;
        let message = self.columns.message(&self.record).map_err(|why| {
            Failed::new(format!("{}:{line}: {why}", self.name))
                .next("nothing was sent; correct the row and send it again")
        })?;
        Ok(Some(message.to_string()))
    }

    /// The end, unless a quote is still open.
    fn closed(&self) -> Result<Option<String>, Failed> {
        if self.rows == 0 {
            return Err(Failed::new(format!("{} has columns and no rows", self.name))
                .next("write a row for each message; nothing was sent"));
        }
        if self.reader.get_ref().seen.is_multiple_of(2) {
            return Ok(None);
        }
        Err(Failed::new(format!("{}:{}: a quote is opened and never closed", self.name, self.line))
            .next("nothing was sent; a quote inside a quoted field is written twice"))
    }
}

impl Columns {
    fn of(name: &str, head: &csv::StringRecord) -> Result<Self, Failed> {
        let mut columns = Self { to: usize::MAX, id: None, variables: Vec::new(), width: head.len() };
        let mut seen = Vec::new();
        for (place, column) in head.iter().enumerate() {
            let column = column.trim_start_matches('\u{feff}').trim();
            if seen.contains(&column) {
                return Err(Failed::new(format!("{name}:1: the column `{column}` stands twice"))
                    .next("give each column a name of its own; nothing was sent"));
            }
            seen.push(column);
            match column {
                "to" => columns.to = place,
                "id" => columns.id = Some(place),
                variable if interline_core::template::is_name(variable) => {
                    columns.variables.push((place, variable.to_owned()));
                }
                other => {
                    return Err(Failed::new(format!("{name}:1: {other:?} cannot be the name of a variable"))
                        .next(if other.contains([';', '\t']) {
                            "columns stand between commas: save the table with those"
                        } else {
                            "names start with a letter or _ and go on with letters, digits and _"
                        }));
                }
            }
        }
        if columns.to == usize::MAX {
            return Err(Failed::new(format!("{name}:1: there is no column `to`"))
                .next("add one with recipients like user:alice, group:g1 or room:765"));
        }
        Ok(columns)
    }

    fn message(&self, record: &csv::StringRecord) -> Result<Value, String> {
        if record.len() != self.width {
            return Err(format!("{} fields where the first line has {}", record.len(), self.width));
        }
        let field = |place: usize| record.get(place).unwrap_or_default();
        let to: Recipient = field(self.to).parse()?;
        let mut message = Map::new();
        if let Some(id) = self.id.map(field).filter(|id| !id.is_empty()) {
            message.insert("id".to_owned(), id.into());
        }
        message.insert("to".to_owned(), to.to_string().into());
        if !self.variables.is_empty() {
            let vars = self.variables.iter().map(|(place, name)| (name.clone(), field(*place).into()));
            message.insert("vars".to_owned(), Value::Object(vars.collect()));
        }
        Ok(Value::Object(message))
    }
}

fn broken(name: &str, error: &csv::Error) -> Failed {
    let line = error.position().map_or(1, csv::Position::line);
    let (why, next) = match error.kind() {
        csv::ErrorKind::Io(error) => return unreadable(name, error),
        csv::ErrorKind::Utf8 { .. } => ("the row is not UTF-8".to_owned(), UTF8),
        _ => (error.to_string(), "nothing was sent; correct the row and send it again"),
    };
    Failed::new(format!("{name}:{line}: {why}")).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Result<Vec<String>, String> {
        let mut rows = Rows::of("people.csv", text).map_err(|failed| failed.text())?;
        let mut lines = Vec::new();
        while let Some(line) = rows.next_line().map_err(|failed| failed.text())? {
            lines.push(line);
        }
        Ok(lines)
    }

    #[test]
    fn a_row_becomes_a_message_with_its_variables() {
        let read = lines("id,to,name\nm1,user:a,\"Ann, 安\"\n,group:g,\n".as_bytes()).unwrap();
        insta::assert_snapshot!(read.join("\n"), @r#"
        {"id":"m1","to":"user:a","vars":{"name":"Ann, 安"}}
        {"to":"group:g","vars":{"name":""}}
        "#);
    }

    #[test]
    fn the_line_of_a_bad_row_is_named() {
        let cases: [(&[u8], &str); 4] = [
            (b"to,name\nuser:a,x\nuser:b\n", "people.csv:3: 1 fields where the first line has 2"),
            (b"to,name\nuser:a,\"two\nlines\"\nalice,x\n", "people.csv:4: \"alice\" is not a recipient"),
            (b"to\nuser:a\nuser:\xff\n", "people.csv:3: the row is not UTF-8"),
            (b"to,name\nuser:a,\"never closed\nuser:b,x\n", "people.csv:2: a quote is opened"),
        ];
        for (text, says) in cases {
            let error = lines(text).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }

    #[test]
    fn columns_are_checked_before_rows() {
        for (text, says) in [
            ("name\nx\n", "no column `to`"),
            ("to,to\n", "stands twice"),
            ("to,first name\n", "cannot be the name"),
        ] {
            let error = lines(text.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    fn input(text: Option<&str>) -> Input {
        Input {
            file: "people.csv".into(),
            format: None,
            text: text.map(str::to_owned),
            head: None,
            from: None,
        }
    }

    #[test]
    fn placeholders_and_columns_must_match() {
        let name = ["name".to_owned()];
        let fits = |text: &str, columns: &[String]| {
            Head::of(&input(Some(text)), columns)
                .and_then(|head| head.fits("people.csv", columns))
                .map_err(|f| f.text())
        };
        assert_eq!(fits("Hi $name$", &name), Ok(()));
        assert_eq!(fits("costs 5$", &[]), Ok(()));
        assert!(fits("Hi $nam$", &name).unwrap_err().contains("$nam$ has no column"));
        assert!(fits("Hi $name$", &[]).unwrap_err().contains("$name$ has no column"));
        assert!(fits("Hi", &name).unwrap_err().contains("`name` of people.csv is not used"));
    }

    #[test]
    fn a_table_without_content_says_what_to_add() {
        let failed = Head::of(&input(None), &[]).unwrap_err();
        assert!(failed.text().contains("--text"), "{}", failed.text());
    }
}
