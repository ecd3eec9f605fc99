//! What may stand in `extensions.openim`, as a JSON schema for the API's document. The reader in `extensions`
//! decides; the test holds the two together.

use interline_core::schema::{any_object, closed, filled, text, whole};
use serde_json::{Value, json};

use crate::extensions::{MAX_OPERATION_ID, PLAUSIBLE_MS};

/// The schema.
pub(crate) fn extensions() -> Value {
    closed(
        "OpenIM's own fields.",
        &[],
        json!({
            "contentType": whole((1, 9_999), "The content type, in place of the content's own."),
            "content": any_object("The content as the vendor has it; needs `contentType`."),
            "sessionType": whole((1, 4), "The session type, in place of the recipient's own."),
            "notification": notification(),
            "ex": text("Opaque; stands in for the content's `ext`."),
            "sendTime": whole(PLAUSIBLE_MS, "The message's time in Unix milliseconds, for imports."),
            "operationID": {
                "type": "string", "minLength": 1, "maxLength": MAX_OPERATION_ID, "pattern": "^[!-~]+$",
                "description": "The trace id of the call.",
            },
        }),
    )
}

fn notification() -> Value {
    closed(
        "A notification of an official account (1400) in place of a chat message.",
        &["notificationName", "notificationType"],
        json!({
            "notificationName": filled("The account's name."),
            "notificationType": {
                "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX, "not": { "const": 0 },
                "description": "The app's own type; not 0.",
            },
            "text": filled("By default the content's own text."),
            "notificationFaceURL": text("The account's picture."),
            "url": text("Where a tap leads."),
            "mixType": whole((0, 5), "What it holds beside text: 1 picture, 2 film, 3 sound, 4 file, 5 several."),
            "pictureElem": any_object("A picture as the vendor has it."),
            "soundElem": any_object("A sound as the vendor has it."),
            "videoElem": any_object("A film as the vendor has it."),
            "fileElem": any_object("A file as the vendor has it."),
            "ex": text("Opaque."),
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
