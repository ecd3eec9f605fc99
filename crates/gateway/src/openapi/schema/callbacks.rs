//! Who is told of batches: what callers write, and what they read.

use interline_core::schema::{closed, nullable, switch, text, word};
use serde_json::{Value, json};

use super::answers::batch_view;
use super::{Schemas, count, list, named, open, time, with};

pub(super) fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    let mut add = |name: &str, schema| schemas.insert(name.to_owned(), schema);
    add("Callback", callback());
    add("CallbackReceiver", receiver());
    let all = json!({
        "callbacks": list(named("CallbackReceiver"), "The oldest first."),
        "next_cursor": nullable(text("Where the next page begins; `null` at the end.")),
    });
    add("Callbacks", open("Receivers of callbacks.", &[], all));
    add("ReplayRequest", replay());
    let replayed = json!({ "id": text("The receiver."), "events": count("How many events go again.") });
    add("BatchEvent", event(&["batch.settled"], "A batch is settled.", told_batch()));
    let kinds = ["messages.settled", "messages.revised"];
    add("MessagesEvent", event(&kinds, "Messages became final, or were revised.", told_messages()));
    add("Replayed", open("What goes again.", &[], replayed));
    schemas
}

fn callback() -> Value {
    closed(
        "Who is told what became of the batch. The app needs `callback_secrets` in the configuration.",
        &["url"],
        json!({
            "url": {
                "type": "string", "format": "uri", "pattern": "^[hH][tT][tT][pP][sS]?://", "maxLength": 2048,
                "description": "An http or https URL, without user name, password and fragment.",
                "examples": ["https://example.com/hooks/interline"],
            },
            "each": switch("Also as messages become final or are revised; by default only when the batch settles."),
        }),
    )
}

fn event(kinds: &[&str], about: &str, told: Value) -> Value {
    let members = json!({ "type": word(kinds, "What happened."), "timestamp": time("When."), "data": told });
    open(about, &[], members)
}

/// What every event tells.
fn told() -> Value {
    let links = json!({ "self": text("The batch."), "messages": text("Its results.") });
    json!({
        "sequence": count("Its place among the events of the batch, from 1."),
        "links": open("Where to read on.", &[], links),
    })
}

fn told_batch() -> Value {
    with(&batch_view(), "The batch.", &told())
}

fn told_messages() -> Value {
    let members = json!({
        "batch_id": text("The batch."), "app": text("Whose it is."), "counts": named("Counts"),
        "messages": list(named("Result"), "At most 100."),
    });
    with(&open("Messages of a batch.", &[], members), "Messages of a batch.", &told())
}

fn receiver() -> Value {
    let last = json!({ "at": time("When."), "answer": text("A status, or what went wrong.") });
    open(
        "A receiver of callbacks: an app and a URL.",
        &[],
        json!({
            "id": text("Its id."), "app": text("Whose it is."),
            "url": text("Where it is; what follows a question mark is left out."),
            "state": word(&["active", "failing", "disabled"], "How it is doing."),
            "since": time("Since when it is known."), "failures": count("Failures since the last success."),
            "failing_since": nullable(time("When the first of those was.")),
            "disabled_at": nullable(time("Since when it is told nothing.")),
            "disabled_because": nullable(text("Why.")),
            "paused_until": nullable(time("Left alone until then.")),
            "last": nullable(open("The last attempt.", &[], last)),
            "delivered": count("Events that it took."), "given_up": count("Events that were given up."),
            "waiting": count("Events that wait."),
        }),
    )
}

fn replay() -> Value {
    closed(
        "A span of time: events that were made in it go again.",
        &["since"],
        json!({
            "since": time("From then on (RFC 3339)."),
            "until": time("Until then; by default until now."),
        }),
    )
}
