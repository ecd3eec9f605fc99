//! What the server sends by itself, to receivers of callbacks: the document's `webhooks`, one for each kind of event.

use serde_json::{Map, Value, json};

use super::schema::named;

/// All of them, by the kind that stands in `type`.
pub(super) fn all() -> Map<String, Value> {
    let events = [
        ("batch.settled", "batchSettled", "BatchEvent", "The last message of a batch became final"),
        (
            "messages.settled",
            "messagesSettled",
            "MessagesEvent",
            "Messages of a batch became final (with `each`)",
        ),
        (
            "messages.revised",
            "messagesRevised",
            "MessagesEvent",
            "Messages that were unknown turned out otherwise (with `each`)",
        ),
    ];
    let told =
        events.map(|(kind, id, schema, about)| (kind.to_owned(), json!({ "post": sent(id, schema, about) })));
    Map::from_iter(told)
}

fn sent(id: &str, schema: &str, about: &str) -> Value {
    let headers = [
        ("webhook-id", "Names the event: the same for each attempt and each replay."),
        ("webhook-timestamp", "When this attempt was made, in Unix seconds."),
        ("webhook-signature", "`v1,` and base64 for each of the app's secrets, with spaces between."),
    ];
    let headers = headers.map(|(name, about)| {
        json!({ "name": name, "in": "header", "required": true, "description": about, "schema": { "type": "string" } })
    });
    json!({
        "operationId": id, "tags": ["Callbacks"], "summary": about, "security": [], "parameters": headers,
        "description": "Sent to the `callback` of the batch, signed as the Standard Webhooks specification says, and \
            again until it is taken.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": named(schema) } } },
        "responses": {
            "2XX": { "description": "The receiver has it. What the answer holds is not looked at." },
            "default": { "description": "Anything else is a failure, a redirect too: it is sent again later." },
        },
    })
}
