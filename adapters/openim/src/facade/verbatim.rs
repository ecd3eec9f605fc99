//! What would come out differently if this vendor delivered it again is given along as it came in, for this
//! vendor alone: a second picture, keys of the app's own, the spaces in somebody's JSON. Every other vendor
//! gets the canonical content.

use interline_core::content::Object;
use interline_core::read::{Identity, Path, Problems, read_head, read_message};
use serde_json::{Value, json};

use super::content::Canonical;
use crate::content::{Frame, shape};
use crate::dialect::Dialect;
use crate::extensions::{Extensions, VENDOR};
use crate::rules;

/// Adds the content as it came in, where that says more than the canonical one for this recipient.
pub(super) fn keep(canonical: &mut Canonical, to: &str, content_type: i64, given: &Object) {
    let Ok(number) = u32::try_from(content_type) else { return };
    if canonical.as_published || comes_out(canonical, to).is_some_and(|out| out == (number, given.clone())) {
        return;
    }
    let mut problems = Problems::default();
    let at = (&Path::Root("/contentType"), &Path::Root("/content"));
    rules::check_content((number, given), Dialect::Main, at, &mut problems);
    // What the server would decode weakly, this vendor's adapter would not send.
    if problems.is_empty() {
        canonical.own.remove("notification");
        canonical.own.insert("contentType".to_owned(), content_type.into());
        canonical.own.insert("content".to_owned(), given.clone().into());
    }
}

/// What the adapter would write for the main line.
fn comes_out(canonical: &Canonical, to: &str) -> Option<(u32, Object)> {
    let message = json!({
        "to": to, "from": "x", "content": canonical.content, "extensions": {VENDOR: canonical.own},
    });
    let (identity, mut problems) = (Identity { batch_id: "", vendors: &[VENDOR] }, Problems::default());
    let head = read_head("{}", &identity, Path::Root(""), &mut problems)?;
    let text = message.to_string();
    let message = read_message(text.as_str(), (&head, &identity), 0, Path::Root(""), &mut problems)?;
    let extensions = Extensions::read(&message).ok()?;
    let frame = Frame { dialect: Dialect::Main, to: message.to.kind(), extensions: &extensions };
    let shaped = shape(&message.content, frame).ok()?;
    match serde_json::to_value(&shaped.payload).ok()? {
        Value::Object(members) => Some((shaped.content_type, members)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}
