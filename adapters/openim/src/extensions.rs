//! `extensions.openim`, typed: what only this vendor knows of a message. Anything else in there is an
//! error that names what is allowed.

use interline_core::content::Object;
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::read::{Fields, Path, Problems};
use serde_json_borrow::Value;

use crate::dialect::Dialect;
use crate::rules;
use crate::settings::header_safe;

/// The vendor's name, as extensions and `raw` contents write it.
pub(crate) const VENDOR: &str = "openim";

/// Where the extensions stand in a message.
pub(crate) const AT: &str = "/extensions/openim";

/// September 2001 and the year 2100 in milliseconds: what is outside was meant in another unit.
pub(crate) const PLAUSIBLE_MS: (i64, i64) = (1_000_000_000_000, 4_102_444_800_000);

/// Longest `operationID`: the server logs it with every line.
pub(crate) const MAX_OPERATION_ID: usize = 128;

/// What a message says for this vendor alone.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    /// The content type, where the content's own is not meant.
    pub(crate) content_type: Option<u32>,
    /// The content as the vendor has it, of the type above: it stands in for the message's own content
    /// where the server's line takes that type.
    pub(crate) content: Option<Object>,
    /// The session type, where the recipient's own is not meant.
    pub(crate) session_type: Option<u8>,
    /// An official-account notification (1400) in place of a chat message.
    pub(crate) notification: Option<Notification>,
    /// Opaque, stored and delivered; stands in for the content's `ext`.
    pub(crate) ex: Option<String>,
    /// The message's time in Unix milliseconds, for imports.
    pub(crate) send_time: Option<i64>,
    /// The trace id of the call.
    pub(crate) operation_id: Option<String>,
}

/// `notification`: the members of content type 1400.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) name: String,
    pub(crate) face_url: Option<String>,
    pub(crate) kind: i32,
    /// None takes the content's own text.
    pub(crate) text: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) mix_type: Option<u8>,
    pub(crate) picture: Option<Object>,
    pub(crate) sound: Option<Object>,
    pub(crate) video: Option<Object>,
    pub(crate) file: Option<Object>,
    pub(crate) ex: Option<String>,
}

impl Extensions {
    /// Reads a message's extensions; everything wrong is found at once.
    pub(crate) fn read(message: &Message) -> Result<Self, Refusal> {
        let Some(map) = message.extension(VENDOR) else { return Ok(Self::default()) };
        let members = map.iter().map(|(key, value)| (key.as_str(), Value::from(value)));
        let value = Value::Object(members.collect());
        let mut problems = Problems::default();
        let extensions = Fields::of(&value, Path::Root(AT), &mut problems)
            .map(|fields| read(fields, &mut problems))
            .unwrap_or_default();
        refuse(problems, ErrorCode::InvalidMessage)?;
        Ok(extensions)
    }
}

impl Extensions {
    /// The content that the message has for this vendor alone, where the line takes its type.
    pub(crate) fn own_form(&self, dialect: Dialect) -> Option<(u32, &Object)> {
        let (content_type, content) = (self.content_type?, self.content.as_ref()?);
        rules::taken(dialect).contains(&content_type).then_some((content_type, content))
    }

    /// The type that the message's own content is asked to have.
    pub(crate) fn own_type(&self) -> Option<u32> {
        self.content_type.filter(|_| self.content.is_none())
    }
}

/// Refuses when something was found.
pub(crate) fn refuse(problems: Problems, code: ErrorCode) -> Result<(), Refusal> {
    let (errors, _) = problems.into_parts();
    if errors.is_empty() { Ok(()) } else { Err(Refusal { code, errors }) }
}

fn read(mut fields: Fields<'_>, problems: &mut Problems) -> Extensions {
    let extensions = Extensions {
        content_type: fields.whole("contentType", (1, 9_999), problems),
        content: fields.json_object("content", problems),
        session_type: fields.whole("sessionType", (1, 4), problems),
        notification: fields.object("notification", problems, notification),
        ex: fields.string("ex", problems),
        send_time: send_time(&mut fields, problems),
        operation_id: operation_id(&mut fields, problems),
    };
    if extensions.content.is_some() && extensions.content_type.is_none() {
        fields.wrong("content", "is of no type; give contentType with it", problems);
    }
    fields.done(problems);
    extensions
}

fn send_time(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<i64> {
    let time = fields.whole("sendTime", (i64::MIN, i64::MAX), problems)?;
    if time < PLAUSIBLE_MS.0 || time > PLAUSIBLE_MS.1 {
        let detail = format!(
            "{time} is no plausible time in milliseconds: expected {} to {}",
            PLAUSIBLE_MS.0, PLAUSIBLE_MS.1
        );
        fields.wrong("sendTime", detail, problems);
        return None;
    }
    Some(time)
}

fn operation_id(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    let id = fields.string("operationID", problems)?;
    if !header_safe(&id) || id.len() > MAX_OPERATION_ID {
        let detail = format!("is a header: expected 1 to {MAX_OPERATION_ID} visible ASCII characters");
        fields.wrong("operationID", detail, problems);
        return None;
    }
    Some(id)
}

fn notification(mut fields: Fields<'_>, problems: &mut Problems) -> Option<Notification> {
    let name = fields.filled("notificationName", problems);
    let found = fields.whole("notificationType", (i32::MIN, i32::MAX), problems);
    let kind = fields.required("notificationType", found, problems);
    if kind == Some(0) {
        fields.wrong("notificationType", "must not be 0", problems);
    }
    let text = fields.string("text", problems);
    if text.as_deref() == Some("") {
        fields.wrong("text", "must not be empty; leave it out to take the content's text", problems);
    }
    let notification = Notification {
        name: String::new(),
        face_url: fields.string("notificationFaceURL", problems),
        kind: 0,
        text,
        url: fields.string("url", problems),
        mix_type: fields.whole("mixType", (0, 5), problems),
        picture: element(&mut fields, "pictureElem", &rules::PICTURE, problems),
        sound: element(&mut fields, "soundElem", &rules::SOUND, problems),
        video: element(&mut fields, "videoElem", &rules::VIDEO, problems),
        file: element(&mut fields, "fileElem", &rules::FILE, problems),
        ex: fields.string("ex", problems),
    };
    fields.done(problems);
    Some(Notification { name: name?, kind: kind?, ..notification })
}

fn element(
    fields: &mut Fields<'_>,
    key: &'static str,
    rules: &rules::Rules,
    problems: &mut Problems,
) -> Option<Object> {
    let object = fields.json_object(key, problems)?;
    rules::check(&object, rules, &Path::Key(fields.path(), key), problems);
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_testkit::build;
    use serde_json::json;

    fn read(own: &serde_json::Value) -> Result<Extensions, Vec<String>> {
        let message = build::message(&json!({
            "to": "user:u1", "content": {"type": "text", "text": "hi"}, "extensions": {"openim": own},
        }));
        Extensions::read(&message).map_err(|refusal| refusal.errors.iter().map(ToString::to_string).collect())
    }

    fn only_error(own: &serde_json::Value) -> String {
        let errors = read(own).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.concat()
    }

    #[test]
    fn unknown_keys_are_named_with_what_is_allowed() {
        let error = only_error(&json!({"sendtime": 1}));
        assert!(error.starts_with("/extensions/openim/sendtime: unknown field; allowed: contentType, "));
        let error = only_error(&json!({"notification": {
            "notificationName": "n", "notificationType": 1, "title": "t",
        }}));
        assert!(error.starts_with("/extensions/openim/notification/title: unknown field"), "{error}");
    }

    #[test]
    fn a_content_of_ones_own_needs_its_type() {
        let error = only_error(&json!({"content": {"content": "hi"}}));
        assert!(error.ends_with("content: is of no type; give contentType with it"), "{error}");
    }

    #[test]
    fn a_content_of_ones_own_is_sent_where_the_line_takes_its_type() {
        let own = read(&json!({"contentType": 118, "content": {"content": "*hi*"}})).unwrap();
        assert!(own.own_form(Dialect::Main).is_some() && own.own_form(Dialect::V383).is_none());
        assert_eq!(own.own_type(), None);
    }

    #[test]
    fn a_notification_needs_its_name_and_type() {
        let errors = read(&json!({"notification": {"mixType": 6}})).unwrap_err();
        assert_eq!(
            errors,
            [
                "/extensions/openim/notification/notificationName: required",
                "/extensions/openim/notification/notificationType: required",
                "/extensions/openim/notification/mixType: expected a whole number from 0 to 5",
            ]
        );
        let error = only_error(&json!({"notification": {"notificationName": "n", "notificationType": 0}}));
        assert!(error.ends_with("notificationType: must not be 0"), "{error}");
    }

    #[test]
    fn elements_of_a_notification_are_checked_as_the_server_checks_them() {
        let error = only_error(&json!({"notification": {
            "notificationName": "n", "notificationType": 1, "fileElem": {"sourceUrl": "u", "fileName": "f"},
        }}));
        assert_eq!(error, "/extensions/openim/notification/fileElem/fileSize: required");
    }

    #[test]
    fn operation_ids_fit_a_header() {
        for id in ["", "a b", "a\nb", "ключ"] {
            assert!(only_error(&json!({"operationID": id})).contains("visible ASCII"), "{id:?}");
        }
        assert_eq!(read(&json!({"operationID": "op-1"})).unwrap().operation_id.as_deref(), Some("op-1"));
    }
}
