//! Reads batches as callers write them: JSON with a `messages` array, or NDJSON with the head first.
//! All errors of a body are found at once, each with a JSON pointer. Messages stay slices of the
//! input until they are read one by one, so that a body of any length costs little.

mod batch;
mod callback;
mod content;
mod document;
mod field;
mod options;
mod plain;

pub use batch::{Identity, derived_client_id, made_id, read_head, read_message};
pub use document::{Document, MessageText, head_text, read_document};
pub use field::{Fields, MAX_LISTED, Path, Problems};
