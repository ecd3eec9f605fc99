//! Messages outside of rooms: one to one user or team, and one content to many users. None of them carries a
//! client id, so repeats are told by the request alone.

use std::collections::HashSet;

use interline_core::error::ErrorCode;
use interline_core::facade::{Answer, Asking, Report, Served, Told};
use serde_json::{Value, json};

use super::content::wrapped;
use super::flags::{self, Flags, Object};
use super::form::{Form, Read, Refused, within};
use super::words::{BUSY, Place, Word};
use super::{asked, members, told_id, told_time};
use crate::VENDOR_NAME;
use crate::limits::{ACCID, BODY, EXT, USERS};

/// Recipients of one user batch whose ids are wanted.
const USERS_WITH_IDS: usize = 100;

/// `POST /msg/sendMsg.action`.
pub(super) fn single(asking: &Asking<'_>) -> Served {
    let read = || {
        let form = Form::of(asking.request)?;
        let from = account(&form, "from")?.to_owned();
        let team = form.number("ope", (0, 1))? == 1;
        let to = format!("{}:{}", if team { "group" } else { "user" }, account(&form, "to")?);
        let mut flags = flags::direct(&form, true)?;
        let mut content = content(&form, &mut flags)?;
        if team && let Some(mentions) = mentions(&form)? {
            content.insert("mentions".to_owned(), mentions);
        }
        let message = json!({"to": to, "content": content});
        Ok(super::batch(&from, flags, vec![message]))
    };
    match read() {
        Ok(batch) => asked(asking, batch, Vec::new(), Box::new(render_single)),
        Err(refused) => Refused::into(refused),
    }
}

/// `POST /msg/sendBatchMsg.action`.
pub(super) fn users(asking: &Asking<'_>) -> Served {
    let read = || {
        let form = Form::of(asking.request)?;
        let from = account(&form, "fromAccid")?.to_owned();
        let ids = form.switch("returnMsgid")?.unwrap_or(false);
        form.required("toAccids")?;
        let mut accids = form.texts("toAccids")?.unwrap_or_default();
        if !(1..=if ids { USERS_WITH_IDS } else { USERS }).contains(&accids.len()) {
            return Err(Refused::parameter("toAccids size exceeded"));
        }
        // Results are told by account, so that one account has one message.
        let mut seen = HashSet::new();
        accids.retain(|accid| seen.insert(accid.clone()));
        let mut flags = flags::direct(&form, false)?;
        let content = content(&form, &mut flags)?;
        flags.options.insert("results".to_owned(), json!(if ids { "each" } else { "fast" }));
        let messages = accids.iter().map(|accid| json!({"to": format!("user:{accid}")})).collect();
        let mut batch = super::batch(&from, flags, messages);
        batch.insert("content".to_owned(), content.into());
        Ok((batch, Users { accids, ids }))
    };
    match read() {
        Ok((batch, users)) => asked(asking, batch, Vec::new(), Box::new(move |report| users.render(report))),
        Err(refused) => Refused::into(refused),
    }
}

fn account<'f>(form: &'f Form<'_>, name: &str) -> Read<&'f str> {
    within(name, form.required(name)?, ACCID)
}

fn content(form: &Form<'_>, flags: &mut Flags) -> Read<Object> {
    let kind = form.number("type", (0, i32::MAX.into()))?;
    let text = within("body", form.required("body")?, BODY)?;
    let body: Value = serde_json::from_str(text).map_err(|_| Refused::parameter("body is not json"))?;
    let parsed = wrapped(kind, text, body);
    if let Some(kind) = parsed.msg_type {
        flags.extensions.insert("msgType".to_owned(), kind.into());
    }
    let mut content = parsed.content;
    if let Some(ext) = form.text("ext", EXT)? {
        content.insert("ext".to_owned(), ext.into());
    }
    Ok(content)
}

/// A forced push is the vendor's word for a mention in a team.
fn mentions(form: &Form<'_>) -> Read<Option<Value>> {
    for name in ["forcepushall", "forcePushAll"] {
        if form.switch(name)? == Some(true) {
            return Ok(Some(json!({"all": true})));
        }
    }
    for name in ["forcepushlist", "forcePushList"] {
        if let Some(users) = form.texts(name)?.filter(|users| !users.is_empty()) {
            return Ok(Some(json!({"users": users})));
        }
    }
    Ok(None)
}

fn render_single(report: &Report<'_>) -> Answer {
    let told = match report.told {
        Ok(told) => told.first(),
        Err(failure) => return Word::whole(failure, Place::Direct).answer(),
    };
    let id = told.map(told_id);
    let data = |antispam: bool| {
        let data = json!({"msgid": id, "timetag": told_time(told, report), "antispam": antispam});
        Answer::json(200, &json!({"code": 200, "data": data}))
    };
    match Word::of(told, Place::Direct).alone() {
        None => data(false),
        Some(_) if told.is_some_and(stopped_by_vendor) => data(true),
        Some(refused) => refused.answer(),
    }
}

/// Whether it was the vendor's own moderation: that says 200, and the reason beside the id.
fn stopped_by_vendor(told: &Told) -> bool {
    let own = told.result.vendor.as_deref() == Some(VENDOR_NAME);
    told.result.error.as_deref().is_some_and(|failure| {
        own && failure.code == ErrorCode::Moderated && failure.vendor_code.as_deref() == Some("200")
    })
}

/// The recipients of a user batch, and whether their messages' ids are wanted.
#[derive(Debug)]
struct Users {
    accids: Vec<String>,
    ids: bool,
}

impl Users {
    fn render(&self, report: &Report<'_>) -> Answer {
        let told = match report.told {
            Ok(told) => told,
            Err(failure) => return Word::whole(failure, Place::Direct).answer(),
        };
        let words: Vec<Word> =
            (0..self.accids.len()).map(|at| Word::of(told.get(at), Place::Direct)).collect();
        if let Some(whole) = whole(&words) {
            return whole.answer();
        }
        let (mut unregister, mut msgids) = (Vec::new(), Object::new());
        for (at, (accid, word)) in self.accids.iter().zip(words).enumerate() {
            if word != Word::Taken {
                unregister.push(accid);
            } else if let Some(told) = told.get(at).filter(|_| self.ids) {
                msgids.insert(accid.clone(), told_id(told).into());
            }
        }
        // One time for all: a vendor's, where there is one.
        let real = told.iter().filter_map(|told| told.result.vendor_time_ms).max();
        let timetag = real.unwrap_or_else(|| told_time(told.first(), report));
        let mut answer = members([
            ("code", json!(200)),
            ("timetag", json!(timetag)),
            ("unregister", json!(json!(unregister).to_string())),
        ]);
        if self.ids {
            answer.insert("msgids".to_owned(), msgids.into());
        }
        Answer::json(200, &answer.into())
    }
}

/// The answer to the whole request where the list of accounts that do not exist cannot give it. Callers may act
/// on that list for good, so that it names nobody else: not who was refused for another reason, nor who may get
/// the message later, nor of whom nobody can tell.
fn whole(words: &[Word]) -> Option<Refused> {
    let find = |of: fn(&Word) -> bool| words.iter().find(|word| of(word)).cloned();
    if let Some(open) = find(|word| matches!(word, Word::Open(_))) {
        return open.alone();
    }
    // Who was merely out of time speaks before one whose refusal sounds final.
    let late = find(|word| matches!(word, Word::Later(refused) if refused.code == BUSY));
    let later = late.or_else(|| find(|word| matches!(word, Word::Later(_))));
    let exists =
        |word: &Word| *word != Word::Taken && word.unsent().is_none_or(|refused| refused.code != 404);
    let other = later.or_else(|| find(exists));
    if words.contains(&Word::Taken) {
        let words = match &other {
            Some(Word::Later(_)) => "some were sent the message and others not yet".to_owned(),
            Some(Word::Refused(why)) => format!("some were sent the message and others not: {}", why.desc),
            _ => "some were sent the message and others not".to_owned(),
        };
        return other.map(|_| Refused::new(500, words));
    }
    other?.alone()
}
