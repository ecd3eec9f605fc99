//! What is said of each operation: one function a row of the table of paths, in one file a tag.

mod callbacks;
mod examples;
mod migrations;
mod reading;
mod sending;
mod service;
mod session;
mod steering;

pub(crate) use callbacks::*;
pub(crate) use migrations::*;
pub(crate) use reading::*;
pub(crate) use sending::*;
pub(crate) use service::*;
pub(crate) use session::*;
pub(crate) use steering::*;

use interline_core::schema::{text, whole};
use serde_json::{Value, json};

use super::Operation;

/// The id of a batch in examples.
const BATCH: &str = "bat_01a1b2c3d4e5f60718293a4b5c6d7e8f";

impl Operation {
    /// The batch that the path names.
    fn of_batch(self) -> Self {
        self.path("id", "The batch's id.", BATCH)
            .refuses(&[crate::problem::Code::NotFound, crate::problem::Code::Unavailable])
    }

    /// The page that is asked for.
    fn paged(self) -> Self {
        self.query("cursor", text("Where the page begins: the `next_cursor` of the one before."), Value::Null)
            .limited()
    }

    fn limited(self) -> Self {
        self.query("limit", whole((1, 1_000), "How many at most; by default 100."), json!(100))
    }
}
