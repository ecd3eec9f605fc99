//! What callers read of their batches: what was taken, what became of it, what would become of it, and why
//! something was refused.

use interline_core::error::ErrorCode;
use interline_core::outcome::Status;
use interline_core::schema::{any_object, nullable, switch, text, word};
use serde_json::{Value, json};

use super::{Schemas, count, list, named, number, open, texts_by_name, time, with};
use crate::api::STATES;
use crate::problem::Code;

pub(super) fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    let mut add = |name: &str, schema| schemas.insert(name.to_owned(), schema);
    add("Status", status());
    add("BatchState", state());
    add("ErrorCode", code());
    add("Counts", counts());
    add("Links", links());
    add("BatchAnswer", batch_answer());
    add("BatchView", batch_view());
    add("Batch", with(&batch_view(), "A batch.", &json!({ "links": named("Links") })));
    add("BatchPage", page("batches", "BatchView"));
    add("SendAnswer", send_answer());
    add("Result", result());
    add(
        "FoundResult",
        with(&result(), "A result and its batch.", &json!({ "batch_id": text("The batch.") })),
    );
    add("ResultPage", page("messages", "Result"));
    let found = json!({ "messages": list(named("FoundResult"), "Newest batch first.") });
    add("FoundResults", open("What a recipient got.", &[], found));
    add("Failure", failure());
    add("Causes", causes());
    add("Attempt", attempt());
    add("Plan", plan());
    add("PlannedMessage", planned_message());
    add("PlannedCall", planned_call());
    add("PlanError", plan_error());
    add("FieldError", field_error());
    add("Problem", problem());
    add("ProblemCode", problem_code());
    schemas
}

fn page(items: &str, schema: &str) -> Value {
    let mut members =
        json!({ "next_cursor": nullable(text("Where the next page begins; `null` at the end.")) });
    members[items] = list(named(schema), "The page.");
    open("A page.", &[], members)
}

fn status() -> Value {
    let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    word(&words, "Where a message stands.")
}

fn state() -> Value {
    word(&STATES, "Where the batch stands.")
}

fn counts() -> Value {
    let mut members = json!({ "total": count("Messages."), "calls": count("Calls made to vendors.") });
    for status in Status::ALL {
        members[status.as_str()] = count(&format!("Messages that are `{}`.", status.as_str()));
    }
    open("Messages by status, and calls.", &[], members)
}

fn links() -> Value {
    let members = json!({ "self": text("The batch."), "messages": text("Its results."), "events": text("It as it changes.") });
    open("Where to read on.", &[], members)
}

fn batch_answer() -> Value {
    open(
        "What was taken. With `Prefer: wait=N` and everything settled in time also the results.",
        &["errors", "results"],
        json!({
            "id": batch_id(), "state": named("BatchState"), "counts": named("Counts"), "links": named("Links"),
            "errors": list(named("FieldError"), "What was refused of a batch that is taken permissively."),
            "results": list(named("Result"), "One a message, where everything is settled."),
        }),
    )
}

fn batch_id() -> Value {
    json!({ "type": "string", "pattern": "^bat_", "description": "The batch's id." })
}

pub(super) fn batch_view() -> Value {
    open(
        "A batch.",
        &[],
        json!({
            "id": batch_id(), "state": named("BatchState"), "app": text("Whose it is."), "counts": named("Counts"),
            "labels": texts_by_name("Its labels."), "created_at": time("When it was taken."),
            "send_at": nullable(time("Before when nothing of it is sent.")),
            "settled_at": nullable(time("Since when it is settled.")),
            "trace_id": nullable(text("The app's own.")),
            "redriven_from": nullable(text("The batch whose messages these were.")),
        }),
    )
}

fn send_answer() -> Value {
    open(
        "What became of the messages.",
        &[],
        json!({
            "id": batch_id(), "state": word(&["settled"], "It always is."), "counts": named("Counts"),
            "results": list(named("Result"), "One a message, in the batch's order."),
        }),
    )
}

fn result() -> Value {
    open(
        "What became of a message.",
        &[],
        json!({
            "id": text("The message's id."), "to": text("Its recipient."), "status": named("Status"),
            "provider": nullable(text("Who took it, or tried.")),
            "vendor": nullable(text("The provider's vendor.")),
            "vendor_message_id": nullable(text("The vendor's id.")),
            "vendor_client_id": nullable(text("The client id at the vendor.")),
            "vendor_seq": nullable(text("Its place in the chat.")),
            "vendor_time_ms": nullable(json!({ "type": "integer", "description": "The vendor's time, Unix milliseconds." })),
            "vendor_batch_id": nullable(text("The vendor's id of the call.")),
            "vendor_data": any_object("Whatever else the vendor said of it."),
            "losses": list(json!({ "type": "string" }), "What the provider could not express."),
            "may_be_duplicate": switch("Whether it was sent again without knowing."),
            "error": nullable(named("Failure")),
            "attempts": list(named("Attempt"), "The tries, in order."),
        }),
    )
}

fn code() -> Value {
    let words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let hints: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.hint()).collect();
    explained(word(&words, "Why a message was not accepted, and what to do about it."), &hints)
}

fn problem_code() -> Value {
    let words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let when: Vec<&str> = Code::ALL.iter().map(|code| code.when()).collect();
    explained(word(&words, "Why a request was refused."), &when)
}

/// Words with a sentence for each, as generators of clients read them.
fn explained(mut words: Value, sentences: &[&str]) -> Value {
    words["x-enum-descriptions"] = json!(sentences);
    words
}

fn failure() -> Value {
    open(
        "Why a message was not accepted.",
        &[],
        json!({
            "code": named("ErrorCode"), "message": text("The same in a sentence."),
            "fate": word(
                &["not_sent", "refused", "unknown"],
                "What the vendor can have done: nothing reached it, it said no, or nobody can tell.",
            ),
            "retryable": switch("Whether the same message may succeed later."),
            "vendor_code": nullable(text("The vendor's own code.")),
            "vendor_message": nullable(text("The vendor's own words.")),
        }),
    )
}

fn causes() -> Value {
    let cause = json!({
        "count": count("How many messages have it."), "status": named("Status"),
        "provider": nullable(text("Who tried last; `null` where nobody did.")),
        "vendor": nullable(text("Its vendor.")), "hint": text("What to do about it."),
        "messages": list(json!({ "type": "string" }), "The ids of the first few."),
    });
    let members = json!({
        "causes": list(with(&failure(), "Messages that failed alike.", &cause), "The most frequent first."),
        "others": count("Messages that failed for yet other causes."),
    });
    open("Why messages of a batch failed.", &[], members)
}

fn attempt() -> Value {
    open(
        "One try.",
        &["error"],
        json!({
            "provider": text("Where."), "at": time("When it left."), "duration_ms": count("How long it took."),
            "result": named("Status"), "error": named("Failure"),
        }),
    )
}

fn plan() -> Value {
    open(
        "What would happen with a batch.",
        &[],
        json!({
            "messages": list(named("PlannedMessage"), "Where each would go."),
            "calls": list(named("PlannedCall"), "The vendor's requests."),
            "totals": open(
                "What it comes to.",
                &[],
                json!({
                    "messages": count("Messages that would be sent."), "calls": count("Requests for them."),
                    "seconds_at_contract": number("How long the calls take at the providers' rates."),
                }),
            ),
            "errors": list(named("PlanError"), "What would be refused."),
        }),
    )
}

fn planned_message() -> Value {
    let strings = |about| list(json!({ "type": "string" }), about);
    let other = json!({
        "route": text("A route."), "provider": text("Its provider, or who stands in."), "why": text("Why not."),
    });
    open(
        "Where a message would go.",
        &[],
        json!({
            "id": text("The message's id."), "to": text("Its recipient."),
            "route": nullable(text("The route that takes it.")),
            "provider": nullable(text("The provider.")),
            "dialect": nullable(text("What its server speaks; `null` while that is not known.")),
            "why": text("Why it goes there."),
            "not_taken": list(open("A way not taken.", &[], other), "The other ways."),
            "losses": strings("What the provider could not express."),
        }),
    )
}

fn planned_call() -> Value {
    let request = json!({
        "method": text("The method."), "url": text("The address."), "headers": texts_by_name("The headers."),
        "body": { "description": "The body: JSON where it is JSON, else text." },
    });
    open(
        "A request that would be made. Tokens, nonces and signatures are masked.",
        &[],
        json!({
            "provider": text("The provider."), "quota_class": text("What the vendor counts it as."),
            "messages": list(json!({ "type": "string" }), "The ids of its messages."),
            "request": open("The request.", &[], request),
            "curl": text("The same as a command."),
        }),
    )
}

fn plan_error() -> Value {
    let members = json!({ "path": text("A JSON pointer into the body."), "code": text("Why."), "detail": text("What is wrong.") });
    open("What would be refused.", &[], members)
}

fn field_error() -> Value {
    let members = json!({
        "path": text("A JSON pointer into the body; for NDJSON `line N` stands before it; else the parameter's name."),
        "detail": text("What is wrong, and what is allowed."),
    });
    open("A field that is wrong.", &[], members)
}

fn problem() -> Value {
    open(
        "An error (RFC 9457).",
        &["errors", "total"],
        json!({
            "type": text("Where the code is explained: `/docs#ProblemCode-` and the code."), "title": text("The status in words."),
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The status." },
            "code": named("ProblemCode"), "detail": text("Why, for people."),
            "errors": list(named("FieldError"), "The fields that are wrong, at most 1,000."),
            "total": count("How many there are, where not all are listed."),
        }),
    )
}
