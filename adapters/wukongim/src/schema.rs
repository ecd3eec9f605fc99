//! What may stand in `extensions.wukongim`, as a JSON schema for the API's document. The reader in `extensions`
//! decides; the test holds the two together.

use interline_core::schema::{closed, whole};
use serde_json::{Value, json};

use crate::form;

/// The schema.
pub(crate) fn extensions() -> Value {
    let id = |about: &str| {
        json!({ "type": "string", "minLength": 1, "maxLength": form::LONGEST_ID, "pattern": "\\S",
            "description": about })
    };
    closed(
        "WuKongIM's own fields.",
        &[],
        json!({
            "sync_once": whole((0, 1), "1: a command, delivered once to each device and kept out of the chat's history."),
            "channel_type": whole((1, form::LAST_CHANNEL_TYPE.into()), "The channel's type, in place of the recipient's own."),
            "stream_no": id("The stream that the message belongs to."),
            "tag_key": id("The server's own tag of receivers."),
            "payload": {
                "description": "An object, whose members stand over the payload, or a text that is all of it.",
                "anyOf": [{ "type": "object" }, { "type": "string", "minLength": 1 }],
            },
        }),
    )
}

#[cfg(test)]
mod tests {
    use interline_testkit::schema;

    #[test]
    fn the_schema_has_the_members_that_the_reader_allows() {
        schema::matches_reader(&crate::VENDOR);
    }
}
