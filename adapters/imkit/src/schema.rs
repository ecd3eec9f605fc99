//! What may stand in `extensions.imkit`, as a JSON schema for the API's document. The reader in `extensions`
//! decides; the test holds the two together.

use interline_core::schema::{any_object, closed, filled, switch};
use serde_json::{Value, json};

/// The schema.
pub(crate) fn extensions() -> Value {
    closed(
        "IMKit's own fields.",
        &[],
        json!({
            "messageType": filled("The type that clients choose a view by; none of the vendor's own signals."),
            "skipTotalBadge": switch("Whether the sender's total of unread messages is left alone."),
            "extra": {
                "description": "The app's own addition, exactly as it is to stand in the body.",
                "anyOf": [{ "type": "object" }, { "type": "string" }],
            },
            "body": any_object("What this vendor gets in the content's place."),
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
