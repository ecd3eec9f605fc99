//! What may stand in `extensions.netease`, as a JSON schema for the API's document. The reader in `extensions`
//! decides; the test holds the two together.

use interline_core::schema::{closed, switch, whole};
use serde_json::{Value, json};

use crate::extensions::MESSAGE_TYPES;
use crate::limits::{ANTISPAM, ENV, MSG_DESC, PUSH_CONTENT, TAGS, YIDUN};

/// The schema.
pub(crate) fn extensions() -> Value {
    // The vendor counts UTF-16 units, of which no character has less than one.
    let text = |most: usize, about: &str| json!({ "type": "string", "minLength": 1, "maxLength": most, "description": about });
    let json_text = |most: usize, about: &str| json!({ "description": about, "anyOf": [{ "type": "object" }, { "type": "string", "maxLength": most }] });
    let number = |about: &str| json!({ "type": "number", "description": about });
    closed(
        "NetEase's own fields. One that a route of the vendor has not is a loss there.",
        &[],
        json!({
            "ignoreMute": switch("Whether muted senders are heard. Rooms."),
            "abandonRatio": whole((0, 9_999), "How many of 10,000 may be dropped under load; not with `highPriority`. Rooms."),
            "highPriority": switch("Whether it goes first. Rooms."),
            "needHighPriorityMsgResend": switch("Whether it is sent again to who was away. Rooms."),
            "forbiddenIfHighPriorityMsgFreq": whole((0, 1), "1: refused when there are too many of high priority. Rooms."),
            "chatMsgPriority": whole((0, 3), "The vendor's own priority. Rooms."),
            "notifyTargetTags": text(TAGS, "Only visitors with these tags. Rooms."),
            "route": whole((0, 1), "1: the vendor copies it to the app's server."),
            "useYidun": whole((0, 0), "0: without the vendor's moderation."),
            "yidunAntiCheating": json_text(YIDUN, "For the vendor's moderation: JSON, or its text."),
            "yidunAntiSpamExt": json_text(YIDUN, "For the vendor's moderation: JSON, or its text."),
            "bid": { "type": "string", "minLength": 1, "description": "The moderation's business id." },
            "antispam": switch("Whether `antispamCustom` is moderated."),
            "antispamCustom": json_text(ANTISPAM, "What is moderated: `{\"type\": 1, \"data\": \"…\"}`."),
            "env": text(ENV, "The vendor's name of the environment."),
            "subType": whole((1, i32::MAX.into()), "The app's own subtype."),
            "resendFlag": whole((0, 1), "1: the vendor drops it if it has the client id. Rooms."),
            "locX": number("Where in the room. Rooms."),
            "locY": number("Where in the room. Rooms."),
            "locZ": number("Where in the room. Rooms."),
            "msgType": {
                "type": "integer", "enum": MESSAGE_TYPES,
                "description": "The message type, in place of the content's own.",
            },
            "msgDesc": text(MSG_DESC, "What lists of chats show. Users and teams."),
            "forcepushcontent": text(PUSH_CONTENT, "The push's text for who is mentioned. Single sends."),
            "markRead": whole((0, 1), "1: read receipts in a team. Single sends."),
            "checkFriend": switch("Only to friends. Single sends."),
            "msgSenderNoSense": whole((0, 1), "1: the sender does not see it."),
            "msgReceiverNoSense": whole((0, 1), "1: the recipient does not see it. Single sends."),
            "roam": switch("Whether other devices get it later."),
            "needPushNick": switch("Whether the push shows the sender's name."),
            "sessionUpdate": switch("Whether it moves the chat up in lists."),
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
