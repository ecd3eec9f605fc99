//! What the document says of one method of one path.

use serde_json::{Value, json};

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    id: &'static str,
    summary: &'static str,
}

impl Operation {
    /// An operation by its id, which clients name functions after, and what it does in a line.
    pub(crate) const fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary }
    }

    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.summary.is_empty()
    }

    pub(crate) fn into_value(self) -> Value {
        json!({
            "operationId": self.id,
            "summary": self.summary,
            "responses": { "default": { "description": "the answer" } },
        })
    }
}
