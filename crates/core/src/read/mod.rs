//! Reads batches as callers write them: JSON with a `messages` array, or NDJSON with the head first.
//! All errors of a body are found at once, each with a JSON pointer. Messages stay slices of the
//! input until they are read one by one, so that a body of any length costs little.

mod batch;
mod content;
mod field;
mod options;
mod plain;

pub use batch::{
    Document, Identity, MessageText, derived_client_id, head_text, made_id, read_document, read_head,
    read_message,
};
pub use field::{Fields, MAX_LISTED, Path, Problems};
