//! Reads the head and single messages. The head is read first, then each message over
//! it; both may come from a JSON body, from NDJSON lines or from the ledger, by the same functions.

use std::sync::Arc;

use serde_json_borrow::Value;
use smol_str::SmolStr;

use super::callback::callback;
use super::content::content;
use super::document::MessageText;
use super::field::{Fields, Path, Problems};
use super::options::{extensions, options, sender};
use super::plain::Plain;
use crate::content::{Content, Template};
use crate::message::{Head, Message};
use crate::options::{Guarantee, OnLoss, Options, Validation, Vars};
use crate::recipient::Recipient;
use crate::shared::Shared;
use crate::template;

/// Longest `id` and `client_id`, in characters.
const MAX_ID: usize = 64;

/// What reading needs to know of its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The batch's id: client ids are derived from it.
    pub batch_id: &'a str,
    /// The vendors whose extensions may be given.
    pub vendors: &'a [&'a str],
}

fn parse<'t>(text: &'t str, path: &Path<'_>, problems: &mut Problems) -> Option<Value<'t>> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            problems.add(path, format!("not JSON: {error}"));
            None
        }
    }
}

fn guarantees() -> [(&'static str, Guarantee); 2] {
    [("at_most_once", Guarantee::AtMostOnce), ("at_least_once", Guarantee::AtLeastOnce)]
}

fn losses() -> [(&'static str, OnLoss); 2] {
    [("degrade", OnLoss::Degrade), ("reject", OnLoss::Reject)]
}

/// Reads what a batch says once. `text` is an object without `messages`.
pub fn read_head(
    text: &str,
    identity: &Identity<'_>,
    path: Path<'_>,
    problems: &mut Problems,
) -> Option<Head> {
    let value = parse(text, &path, problems)?;
    let mut fields = Fields::of(&value, path, problems)?;
    let from = fields.get("from").and_then(|value| sender(value, Path::Key(&path, "from"), problems));
    let content =
        fields.get("content").and_then(|value| content(value, Path::Key(&path, "content"), problems));
    let options = fields
        .get("options")
        .and_then(|value| options(value, Path::Key(&path, "options"), &Options::default(), problems));
    let extensions = fields.get("extensions").and_then(|value| {
        let none = crate::options::Extensions::new();
        extensions(value, Path::Key(&path, "extensions"), (&none, identity.vendors), problems)
    });
    let validations = [("strict", Validation::Strict), ("permissive", Validation::Permissive)];
    let head = Head {
        from: from.map(Shared::new),
        content: content.map(Shared::new),
        options: options.map(Shared::new).unwrap_or_default(),
        extensions: extensions.map(Shared::new).unwrap_or_default(),
        vars: Arc::new(vars(&mut fields, problems).unwrap_or_default()),
        labels: Arc::new(fields.string_map("labels", problems).unwrap_or_default()),
        route: fields.string("route", problems),
        guarantee: fields.one_of("guarantee", &guarantees(), problems),
        on_loss: fields.one_of("on_loss", &losses(), problems),
        validation: fields.one_of("validation", &validations, problems).unwrap_or_default(),
        send_at_ms: fields.time("send_at", problems),
        expires_at_ms: fields.time("expires_at", problems),
        ordered: fields.boolean("ordered", problems).unwrap_or(true),
        trace_id: fields.string("trace_id", problems),
        callback: fields.object("callback", problems, callback).map(Arc::new),
    };
    fields.done(problems);
    Some(head)
}

fn vars(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vars> {
    let vars = fields.string_map("vars", problems)?;
    for name in vars.keys().filter(|name| !template::is_name(name)) {
        let detail = format!("{name:?} is no name; names match [A-Za-z_][A-Za-z0-9_]{{0,63}}");
        problems.add(&Path::Key(&Path::Key(fields.path(), "vars"), name), detail);
    }
    Some(vars)
}

/// Reads one message over its head. `index` counts from 0 in the batch.
pub fn read_message<'t>(
    text: impl Into<MessageText<'t>>,
    (head, identity): (&Head, &Identity<'_>),
    index: u64,
    path: Path<'_>,
    problems: &mut Problems,
) -> Option<Arc<Message>> {
    let text = text.into();
    if let Some(message) = text.plain().and_then(|plain| plain_message(plain, (head, identity), index)) {
        return Some(message);
    }
    let errors_before = problems.total();
    let value = parse(text.get(), &path, problems)?;
    let mut fields = Fields::of(&value, path, problems)?;
    let to = recipient(&mut fields, problems);
    let given = id(&mut fields, "id", problems);
    if let Some(id) = given.as_deref().filter(|id| reserved(id, index)) {
        fields.wrong(
            "id",
            format!("{id:?} is an id that Interline makes itself; choose another form"),
            problems,
        );
    }
    let client_id = id(&mut fields, "client_id", problems);
    let from = fields.get("from").and_then(|value| sender(value, Path::Key(&path, "from"), problems));
    let own = fields.get("content").map(|value| content(value, Path::Key(&path, "content"), problems));
    let inherits_content = own.is_none();
    let content = match own {
        Some(own) => own.map(Shared::new),
        None if head.content.is_none() => {
            fields.wrong("content", "required: neither the message nor the batch has one", problems);
            None
        }
        None => head.content.clone(),
    };
    let options = fields
        .get("options")
        .and_then(|value| options(value, Path::Key(&path, "options"), &head.options, problems));
    let extensions = fields.get("extensions").and_then(|value| {
        extensions(value, Path::Key(&path, "extensions"), (&head.extensions, identity.vendors), problems)
    });
    let vars = merged(&head.vars, vars(&mut fields, problems));
    let labels = merged(&head.labels, fields.string_map("labels", problems));
    let guarantee = fields.one_of("guarantee", &guarantees(), problems).or(head.guarantee);
    let on_loss = fields.one_of("on_loss", &losses(), problems).or(head.on_loss);
    let expires_at_ms = fields.time("expires_at", problems).or(head.expires_at_ms);
    let options = options.map_or_else(|| head.options.clone(), Shared::new);
    if let Some(content) = &content {
        check_template(content, &options, &vars, &fields, problems);
    }
    fields.done(problems);
    let (to, content) = (to?, content?);
    if problems.total() > errors_before {
        return None;
    }
    Some(Arc::new(Message {
        index,
        id_given: given.is_some(),
        id: given.unwrap_or_else(|| made_id(index)).into(),
        client_id: client_id.unwrap_or_else(|| derived_client_id(identity.batch_id, index)).into_boxed_str(),
        to,
        from: from.map(Shared::new).or_else(|| head.from.clone()),
        content,
        inherits_content,
        options,
        extensions: extensions.map_or_else(|| head.extensions.clone(), Shared::new),
        vars,
        labels,
        guarantee,
        on_loss,
        expires_at_ms,
    }))
}

/// Reads a message that takes everything but its names from the batch; none leaves it to the full reader.
fn plain_message(
    plain: Plain<'_>,
    (head, identity): (&Head, &Identity<'_>),
    index: u64,
) -> Option<Arc<Message>> {
    let content = head.content.as_ref().filter(|content| content.template == Template::Off)?;
    let fits = |id: Option<&str>| id.is_none_or(is_id);
    if !head.vars.is_empty()
        || !fits(plain.id)
        || !fits(plain.client_id)
        || plain.id.is_some_and(|id| reserved(id, index))
    {
        return None;
    }
    let client_id = || derived_client_id(identity.batch_id, index).into_boxed_str();
    Some(Arc::new(Message {
        index,
        id_given: plain.id.is_some(),
        id: plain.id.map_or_else(|| made_id(index).into(), SmolStr::from),
        client_id: plain.client_id.map_or_else(client_id, Box::from),
        to: plain.to.parse().ok()?,
        from: head.from.clone(),
        content: content.clone(),
        inherits_content: true,
        options: head.options.clone(),
        extensions: head.extensions.clone(),
        vars: Arc::clone(&head.vars),
        labels: Arc::clone(&head.labels),
        guarantee: head.guarantee,
        on_loss: head.on_loss,
        expires_at_ms: head.expires_at_ms,
    }))
}

fn is_id(text: &str) -> bool {
    // No character has less than a byte.
    !text.is_empty() && (text.len() <= MAX_ID || text.chars().count() <= MAX_ID)
}

fn recipient(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Recipient> {
    let found = fields.text("to", problems);
    let text = fields.required("to", found, problems)?;
    text.parse().map_err(|detail: String| fields.wrong("to", detail, problems)).ok()
}

fn id(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let text = fields.text(key, problems)?;
    if !is_id(text) {
        let length = text.chars().count();
        fields.wrong(key, format!("has {length} characters; allowed are 1 to {MAX_ID}"), problems);
        return None;
    }
    Some(text.to_owned())
}

/// The id of a message whose caller gave none.
#[must_use]
pub fn made_id(index: u64) -> String {
    format!("msg_{index}")
}

/// Ids that Interline makes must not be taken by another message of the batch.
fn reserved(id: &str, index: u64) -> bool {
    let number = id.strip_prefix("msg_").and_then(|digits| digits.parse::<u64>().ok());
    number.is_some_and(|number| number != index && made_id(number) == id)
}

fn merged<M>(base: &Arc<M>, own: Option<M>) -> Arc<M>
where
    M: IntoIterator + Clone + Extend<M::Item>,
{
    let Some(own) = own else { return Arc::clone(base) };
    let mut map = M::clone(base);
    map.extend(own);
    Arc::new(map)
}

/// The client id of a message whose caller gave none: 32 hex digits from batch and index.
#[must_use]
pub fn derived_client_id(batch_id: &str, index: u64) -> String {
    let digest = xxhash_rust::xxh3::xxh3_128_with_seed(batch_id.as_bytes(), index);
    let mut text = Vec::with_capacity(32);
    for bytes in digest.to_be_bytes().as_chunks().0 {
        text.extend_from_slice(&hex_digits(u32::from_be_bytes(*bytes)));
    }
    // Hex digits are text.
    String::from_utf8(text).unwrap_or_default()
}

/// The digits of a number, all eight at once: each four bits get a byte of their own.
const fn hex_digits(number: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = number as u64;
    nibbles = (nibbles | (nibbles << 16)) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | (nibbles << 8)) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | (nibbles << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((nibbles + 6 * EACH) >> 4) & EACH;
    (nibbles + EACH * b'0' as u64 + letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

fn check_template(
    content: &Content,
    options: &Options,
    vars: &Vars,
    fields: &Fields<'_>,
    problems: &mut Problems,
) {
    if content.template == Template::Off {
        if !vars.is_empty() {
            fields.wrong(
                "vars",
                "given, but the content is no template; set `template: true` in it",
                problems,
            );
        }
        return;
    }
    let names = template::names(content, &options.push);
    if content.template == Template::Strict {
        for name in names.iter().filter(|name| !vars.contains_key(**name)) {
            fields.wrong("vars", format!("no value for the placeholder ${name}$"), problems);
        }
    }
    for name in vars.keys().filter(|name| !names.contains(name.as_str())) {
        let at = Path::Key(fields.path(), "vars");
        problems.add(&Path::Key(&at, name), "a value without a placeholder");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_hex_digits() {
        for number in [0, 9, 0x89ab_cdef, 0x0123_4567, u32::MAX] {
            assert_eq!(hex_digits(number), *format!("{number:08x}").as_bytes());
        }
        assert_eq!(derived_client_id("b", 1).len(), 32);
    }

    #[test]
    fn plain_messages_are_what_the_full_reader_makes_of_them() {
        let identity = Identity { batch_id: "b", vendors: &[] };
        let head = r#"{"from":"shop","content":{"type":"text","text":"hi"},"labels":{"a":"b"},
            "options":{"store":false},"guarantee":"at_least_once","on_loss":"reject",
            "expires_at":"2026-12-01T09:00:00Z"}"#;
        let mut problems = Problems::default();
        let head = read_head(head, &identity, Path::Root(""), &mut problems).unwrap();
        let long = "é".repeat(MAX_ID);
        let too_long = "x".repeat(MAX_ID + 1);
        let read = |text: &str| {
            let mut problems = Problems::default();
            let message = read_message(text, (&head, &identity), 7, Path::Root(""), &mut problems);
            format!("{message:?} {problems:?}")
        };
        for (to, id) in [
            ("user:a", "m"),
            ("everyone", &long),
            ("group:é", "msg_7"),
            ("", "m"),
            ("user:a", ""),
            ("user:a", "msg_1"),
            ("chat:1", "m"),
            ("user:a", &too_long),
        ] {
            for client_id in ["", r#","client_id":"c""#] {
                let text = format!(r#"{{"to":"{to}","id":"{id}"{client_id}}}"#);
                // What is null counts as absent, and is for the full reader alone.
                let full = text.replacen('{', r#"{"vars":null,"#, 1);
                assert_eq!(read(&text), read(&full));
            }
        }
        assert_eq!(read(r#"{"to":"user:a"}"#), read(r#"{"to":"user:a","id":null}"#));
    }
}
