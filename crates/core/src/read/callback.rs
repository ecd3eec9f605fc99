//! Reads `callback`.

use super::field::{Fields, Problems};
use crate::callback::{Callback, read_url};

/// Who is told what became of the batch.
pub(super) fn callback(mut fields: Fields<'_>, problems: &mut Problems) -> Option<Callback> {
    let found = fields.text("url", problems);
    let url = fields.required("url", found, problems);
    let url = url.and_then(|text| read_url(text).map_err(|why| fields.wrong("url", why, problems)).ok());
    let each = fields.boolean("each", problems).unwrap_or(false);
    fields.done(problems);
    Some(Callback { url: url?, each })
}

#[cfg(test)]
mod tests {
    use crate::read::{Identity, Path, Problems, read_head};

    fn read(callback: &str) -> (Option<(String, bool)>, Vec<String>) {
        let mut problems = Problems::default();
        let text = format!(r#"{{"callback":{callback}}}"#);
        let identity = Identity { batch_id: "b", vendors: &[] };
        let head = read_head(&text, &identity, Path::Root(""), &mut problems).unwrap();
        let found = head.callback.map(|callback| (callback.url.clone(), callback.each));
        (found, problems.errors().iter().map(|error| error.path.clone()).collect())
    }

    #[test]
    fn a_callback_is_a_url_and_whether_each_message_is_told() {
        let url = "https://example.com/hook";
        let is = |each| (Some((url.to_owned(), each)), Vec::new());
        assert_eq!(read(&format!(r#"{{"url":"{url}"}}"#)), is(false));
        assert_eq!(read(&format!(r#"{{"url":"{url}","each":true}}"#)), is(true));
        assert_eq!(read("null"), (None, Vec::new()));
    }

    #[test]
    fn what_is_wrong_with_a_callback_is_named_by_its_path() {
        for (callback, path) in [
            (r#"{}"#, "/callback/url"),
            (r#"{"url":7}"#, "/callback/url"),
            (r#"{"url":"ftp://a/"}"#, "/callback/url"),
            (r#"{"url":"https://a/","each":1}"#, "/callback/each"),
            (r#"{"url":"https://a/","secret":"x"}"#, "/callback/secret"),
            (r#""https://a/""#, "/callback"),
        ] {
            assert_eq!(read(callback).1, [path], "{callback}");
        }
    }
}
