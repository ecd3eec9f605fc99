//! Reading batches and results.

use interline_core::outcome::Status;
use interline_core::schema::{text, word};
use serde_json::{Value, json};

use super::{Operation, examples};
use crate::api::{FORMATS, STATES};
use crate::config::Scope;
use crate::openapi::schema::{named, recipient};
use crate::problem::Code;

const TAG: &str = "Batches and results";

pub(crate) fn batches() -> Operation {
    Operation::new("listBatches", "Batches, newest first")
        .tag(TAG)
        .scopes(&[Scope::Read])
        .query("state", word(&STATES, "Only those in this state."), json!("settled"))
        .query("app", text("Only this app's; another's takes the scope `admin`."), Value::Null)
        .query("label", text("Only those with this label: `NAME` or `NAME=VALUE`."), json!("campaign=autumn"))
        .paged()
        .answer(200, "A page of batches.", "BatchPage", Some(examples::BATCHES))
        .refuses(&[Code::Unavailable])
}

pub(crate) fn batch() -> Operation {
    Operation::new("getBatch", "One batch").tag(TAG).scopes(&[Scope::Read]).of_batch().answer(
        200,
        "The batch.",
        "Batch",
        Some(examples::BATCH),
    )
}

pub(crate) fn messages() -> Operation {
    let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    Operation::new("listMessages", "Results of a batch")
        .tag(TAG)
        .text(
            "A page as JSON; with `Accept: application/x-ndjson` or `text/csv` all of them as a stream, which takes no \
             `cursor` and no `limit`. A stream that fails is broken off.",
        )
        .scopes(&[Scope::Read])
        .of_batch()
        .query("status", word(&words, "Only those of this status."), json!("accepted"))
        .query("format", word(&FORMATS, "Goes before `Accept`, where a link cannot say it."), Value::Null)
        .paged()
        .answer(200, "The results.", "ResultPage", Some(examples::RESULTS))
        .or_text(200, "application/x-ndjson", "A `Result` a line.", examples::RESULT_LINES)
        .or_text(200, "text/csv", "A row a result, under a row of names.", examples::RESULT_ROWS)
}

/// A stream of Server-Sent Events, by what each of them is.
fn stream(events: &[&str], data: &Value) -> Value {
    let event = json!({
        "type": "object",
        "description": "Each event of the stream.",
        "required": ["id", "event", "data"],
        "properties": {
            "id": { "type": "string", "description": "Its number." },
            "event": { "type": "string", "enum": events, "description": "What it is." },
            "data": {
                "type": "string", "contentMediaType": "application/json", "contentSchema": data,
                "description": "What there is now, as JSON.",
            },
        },
    });
    json!({ "text/event-stream": { "schema": event } })
}

pub(crate) fn batch_events() -> Operation {
    Operation::new("watchBatch", "A batch as it changes")
        .tag(TAG)
        .text(
            "Server-Sent Events: a snapshot now and after each change, a comment every 15 seconds of silence. Ends when \
             the batch is settled.",
        )
        .scopes(&[Scope::Read])
        .of_batch()
        .answers(200, "The batch, again and again.", stream(&["batch"], &named("BatchView")))
}

pub(crate) fn causes() -> Operation {
    Operation::new("listCauses", "Why messages of a batch failed")
        .tag(TAG)
        .text("Like failures together, the most frequent first, in the vendor's own words.")
        .scopes(&[Scope::Read])
        .of_batch()
        .answer(200, "The causes.", "Causes", Some(examples::CAUSES))
}

pub(crate) fn events() -> Operation {
    Operation::new("watch", "Everything that the caller may see, as it changes")
        .tag(TAG)
        .text(
            "Server-Sent Events: first the samples of the last minutes, then one every two seconds, and an overview of \
             lanes and newest batches whenever it changes; a comment every 15 seconds of silence.",
        )
        .scopes(&[Scope::Read])
        .answers(
200, "Lanes and batches, again and again.", stream(&["history", "sample", "overview"], &json!({ "type": "object" })))
}

pub(crate) fn find() -> Operation {
    Operation::new("findMessages", "What a recipient got, over all batches")
        .tag(TAG)
        .text("Newest batch first. An app without the scope `admin` gets its own.")
        .scopes(&[Scope::Read])
        .required("to", recipient(), json!("user:alice"))
        .query("since", text("Not what is older: a time (RFC 3339), or how long ago."), json!("24h"))
        .limited()
        .answer(200, "What was found.", "FoundResults", Some(examples::FOUND))
        .refuses(&[Code::Unavailable])
}
