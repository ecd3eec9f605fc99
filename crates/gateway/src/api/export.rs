//! All results of a batch as one answer of any length, read from the ledger a page at a time: as lines of
//! JSON, as CSV, or as the array inside a larger answer.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use interline_core::record::MessageResult;
use interline_engine::{Denied, Engine, MessageQuery};
use serde::Serialize;

/// Results read at once.
const PAGE: usize = 1_000;

/// How results are written.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// A line each.
    Lines,
    /// A row each, under a row of names.
    Csv,
    /// Elements of an array, between what stands before and behind them.
    Json {
        /// Before the first.
        head: String,
        /// Behind the last.
        tail: &'static str,
    },
}

/// The results that are asked for.
#[derive(Debug)]
pub(super) struct Export {
    engine: Engine,
    batch: String,
    query: MessageQuery,
}

enum Place {
    Start,
    After(String),
    End,
}

/// The columns of CSV. Some read them by position: what is new stands at the end.
const COLUMNS: [&str; 19] = [
    "id",
    "to",
    "status",
    "provider",
    "vendor",
    "vendor_message_id",
    "vendor_client_id",
    "vendor_seq",
    "vendor_time_ms",
    "vendor_batch_id",
    "losses",
    "may_be_duplicate",
    "error_code",
    "error_fate",
    "error_message",
    "attempts",
    "error_retryable",
    "vendor_code",
    "vendor_message",
];

impl Export {
    pub(super) fn new(engine: Engine, batch: String, query: MessageQuery) -> Self {
        Self { engine, batch, query: MessageQuery { limit: PAGE, ..query } }
    }

    /// The answer's body. An error in the middle breaks it off, so that no half answer looks whole.
    pub(super) fn body(self, form: Form) -> Body {
        let pages = try_unfold((self, form, Place::Start), |(export, form, place)| async move {
            let next = export.next(&form, place).await;
            let next = next.inspect_err(|error| tracing::warn!(%error, "results broke off"))?;
            Ok::<_, Denied>(next.map(|(piece, place)| (piece, (export, form, place))))
        });
        Body::from_stream(pages)
    }

    async fn next(&self, form: &Form, place: Place) -> Result<Option<(Bytes, Place)>, Denied> {
        let (cursor, first) = match &place {
            Place::Start => (None, true),
            Place::After(cursor) => (Some(cursor.as_str()), false),
            Place::End => return Ok(None),
        };
        let page = self.engine.messages(&self.batch, self.query, cursor).await?;
        let place = page.next_cursor.map_or(Place::End, Place::After);
        let last = matches!(place, Place::End);
        let piece = match form {
            Form::Lines => lines(&page.items),
            Form::Csv => csv(&page.items, first),
            Form::Json { head, tail } => {
                let mut piece = array(&page.items, first);
                if first {
                    piece.splice(..0, head.bytes());
                }
                if last {
                    piece.extend_from_slice(tail.as_bytes());
                }
                piece
            }
        };
        Ok(Some((piece.into(), place)))
    }
}

fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "cannot write a result");
    }
}

fn lines(results: &[MessageResult]) -> Vec<u8> {
    let mut out = Vec::with_capacity(results.len() * 512);
    for result in results {
        write(&mut out, result);
        out.push(b'\n');
    }
    out
}

fn array(results: &[MessageResult], first: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(results.len() * 512);
    for (index, result) in results.iter().enumerate() {
        if index > 0 || !first {
            out.push(b',');
        }
        write(&mut out, result);
    }
    out
}

fn csv(results: &[MessageResult], first: bool) -> Vec<u8> {
    let mut rows = csv::Writer::from_writer(Vec::with_capacity(results.len() * 256));
    let mut written = if first { rows.write_record(COLUMNS) } else { Ok(()) };
    for result in results {
        written = written.and_then(|()| rows.write_record(row(result).map(harmless)));
    }
    if let Err(error) = written {
        tracing::error!(%error, "cannot write results as CSV");
    }
    rows.into_inner().unwrap_or_default()
}

fn row(result: &MessageResult) -> [String; COLUMNS.len()] {
    let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
    let name = |name: &Option<std::sync::Arc<str>>| name.as_deref().unwrap_or_default().to_owned();
    let error = result.error.as_ref();
    let fate = error.and_then(|error| Some(serde_json::to_value(error.fate).ok()?.as_str()?.to_owned()));
    [
        result.id.to_string(),
        result.to.to_string(),
        result.status.as_str().to_owned(),
        name(&result.provider),
        name(&result.vendor),
        text(&result.vendor_message_id),
        text(&result.vendor_client_id),
        text(&result.vendor_seq),
        result.vendor_time_ms.map(|time| time.to_string()).unwrap_or_default(),
        text(&result.vendor_batch_id),
        result.losses.join(" "),
        result.may_be_duplicate.to_string(),
        error.map(|error| error.code.to_string()).unwrap_or_default(),
        fate.unwrap_or_default(),
        error.map(|error| error.message.clone()).unwrap_or_default(),
        result.attempts.len().to_string(),
        error.map(|error| error.retryable.to_string()).unwrap_or_default(),
        error.and_then(|error| error.vendor_code.clone()).unwrap_or_default(),
        error.and_then(|error| error.vendor_message.clone()).unwrap_or_default(),
    ]
}

/// A cell that a spreadsheet would run as a formula is marked as text.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use interline_core::error::{ErrorCode, Failure};

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let result = MessageResult::queued("=1+1", "user:a,\"b\"", "@c");
        let text = String::from_utf8(csv(&[result], true)).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next().unwrap(), COLUMNS.join(","));
        assert!(lines.next().unwrap().starts_with("'=1+1,\"user:a,\"\"b\"\"\",queued,"), "{text}");
        assert!(text.contains(",'@c,"));
    }

    #[test]
    fn the_vendors_own_code_and_words_stand_in_a_row() {
        let mut result = MessageResult::queued("a", "user:a", "c");
        let failure = Failure::refused(ErrorCode::Muted, "the sender is muted there").vendor("419", "=muted");
        result.error = Some(Box::new(failure));
        let text = String::from_utf8(csv(&[result], true)).unwrap();
        assert!(text.ends_with(",muted,refused,the sender is muted there,0,false,419,'=muted\n"), "{text}");
    }

    #[test]
    fn pages_join_into_one_array() {
        let one = || MessageResult::queued("a", "user:a", "c");
        let text = [array(&[one(), one()], true), array(&[one()], false), array(&[], false)].concat();
        let text = format!("[{}]", String::from_utf8(text).unwrap());
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(all.len(), 3);
    }
}
