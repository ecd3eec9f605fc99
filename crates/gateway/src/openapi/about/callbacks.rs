//! Who is told what became of batches.

use serde_json::{Value, json};

use super::Operation;
use crate::config::Scope;
use crate::problem::Code;

const TAG: &str = "Callbacks";

impl Operation {
    fn of_callback(self) -> Self {
        self.tag(TAG)
            .scopes(&[Scope::Send, Scope::Admin])
            .path("id", "The receiver's id.", "cb_1")
            .refuses(&[Code::NotFound, Code::Unavailable])
    }
}

fn receiver() -> Value {
    json!({
        "id": "cb_1", "app": "shop", "url": "https://example.com/hooks/interline", "state": "failing",
        "since": "2026-11-02T08:00:00Z", "failures": 2, "failing_since": "2026-11-21T09:00:00Z",
        "disabled_at": null, "disabled_because": null, "paused_until": null,
        "last": { "at": "2026-11-21T09:00:05Z", "answer": "answered 503" },
        "delivered": 1204, "given_up": 0, "waiting": 1,
    })
}

pub(crate) fn callbacks() -> Operation {
    Operation::new("listCallbacks", "Who is told of batches, and how that goes")
        .tag(TAG)
        .scopes(&[Scope::Read])
        .paged()
        .refuses(&[Code::Unavailable])
        .answers(
            200,
            "The receivers of the app's callbacks; for an `admin` of everybody's.",
            json!({ "application/json": {
                "schema": crate::openapi::schema::named("Callbacks"),
                "example": { "callbacks": [receiver()], "next_cursor": null },
            } }),
        )
}

pub(crate) fn enable_callback() -> Operation {
    Operation::new("enableCallback", "Tells a receiver again that was disabled")
        .of_callback()
        .text("What waits for it goes at once.")
        .refuses(&[Code::InvalidBody, Code::BrokenBody, Code::IdleBody, Code::TooLarge])
        .answers(
            200,
            "The receiver.",
            json!({ "application/json": {
                "schema": crate::openapi::schema::named("CallbackReceiver"), "example": receiver(),
            } }),
        )
}

pub(crate) fn replay_callback() -> Operation {
    Operation::new("replayCallback", "Tells a receiver again what it was told")
        .of_callback()
        .text("The events that were made in the span go again under the ids that they had, also those that were given up.")
        .body(
            "ReplayRequest",
            &json!({ "hour": { "summary": "An hour", "value": {
                "since": "2026-11-21T09:00:00Z", "until": "2026-11-21T10:00:00Z",
            } } }),
        )
        .refuses(&[Code::Conflict])
        .answers(
            202,
            "They are on their way.",
            json!({ "application/json": {
                "schema": crate::openapi::schema::named("Replayed"), "example": { "id": "cb_1", "events": 12 },
            } }),
        )
}
