//! Sending and planning.

use interline_core::schema::whole;
use serde_json::json;

use super::{Operation, examples};
use crate::config::Scope;
use crate::problem::Code;

const TAG: &str = "Sending";

/// What an answer under an `Idempotency-Key` may be refused for.
const KEYED: &[Code] = &[Code::NotFound, Code::IdempotencyMismatch, Code::InProgress];
/// What taking messages may be refused for.
const TAKING: &[Code] = &[Code::NotRoutable, Code::RateLimited, Code::Busy, Code::Unavailable];

impl Operation {
    fn keyed(self) -> Self {
        let key = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$" });
        self.header(
            "Idempotency-Key",
            &key,
            "For 24 hours the same key with the same body gives the first answer, and nothing is sent again.",
            "order-17",
        )
        .refuses(KEYED)
        .refuses(TAKING)
    }

    fn waiting(self) -> Self {
        self.header(
            "Prefer",
            &json!({ "type": "string" }),
            "`wait=N`: answers with the results if all is settled within N seconds, 0 to 60. Other preferences are \
             ignored.",
            "wait=10",
        )
    }

    /// What was taken: now, or with its results.
    fn taken(self) -> Self {
        self.answer(200, "All is settled within `Prefer: wait=N`.", "BatchAnswer", Some(examples::WAITED))
            .answer(202, "It is on disk and goes on by itself.", "BatchAnswer", Some(examples::TAKEN))
            .tells(&[200, 202], "Idempotency-Replayed", "`true`: this is what became of the first request.")
            .tells(&[200, 202], "Preference-Applied", "The preference that was heard.")
            .leads(&[200, 202], &["getBatch", "listMessages", "cancelBatch", "pauseBatch", "resumeBatch"])
    }
}

pub(crate) fn send() -> Operation {
    Operation::new("send", "Sends messages at once and answers with their results")
        .tag(TAG)
        .text(
            "Takes at most 1,000 messages. The status is 200 whatever became of them: look at `counts`. At the \
             timeout, what was not under way is `expired` and what was is `unknown`.",
        )
        .scopes(&[Scope::Send])
        .query("timeout", whole((1, 60), "Seconds to wait; by default 15."), json!(5))
        .keyed()
        .body("BatchRequest", &examples::batches())
        .answer(200, "What became of each message.", "SendAnswer", Some(examples::SENT))
        .tells(&[200], "Interline-Provider", "The providers that were used.")
        .tells(&[200], "Idempotency-Replayed", "`true`: this is what became of the first request.")
        .leads(&[200], &["getBatch", "listMessages"])
}

pub(crate) fn accept() -> Operation {
    Operation::new("createBatch", "Stores a batch and sends it afterwards")
        .tag(TAG)
        .text(
            "Answers when the batch is on disk. As NDJSON it may be of any length: the batch without `messages` on \
             the first line, then a message a line.",
        )
        .scopes(&[Scope::Send])
        .keyed()
        .waiting()
        .body("BatchRequest", &examples::batches())
        .or_body(
            "application/x-ndjson",
            "A `BatchHead`, then a `MessageRequest` a line. Also as `application/ndjson` and `application/jsonl`.",
            examples::LINES,
        )
        .taken()
        .leads(&[202], &["redriveBatch"])
}

pub(crate) fn plan() -> Operation {
    Operation::new("plan", "Tells what would happen with a batch")
        .tag(TAG)
        .text(
            "Sends and stores nothing. What would be refused stands in `errors`; the status is still 200. Client ids \
             that are derived differ from those of a batch.",
        )
        .scopes(&[Scope::Send])
        .body("BatchRequest", &examples::batches())
        .answer(200, "What would happen.", "Plan", Some(examples::PLANNED))
        .refuses(&[Code::Unavailable])
}

pub(crate) fn redrive() -> Operation {
    Operation::new("redriveBatch", "Sends messages of a batch again, as a new batch")
        .tag(TAG)
        .text(
            "Messages keep their ids and their client ids. What was `unknown` may then be there twice, and its result \
             says so. Another app's batch takes the scope `admin` as well.",
        )
        .scopes(&[Scope::Send])
        .of_batch()
        .keyed()
        .waiting()
        .optional_body("RedriveRequest", &examples::redrives())
        .taken()
        .refuses(&[Code::Conflict])
}
