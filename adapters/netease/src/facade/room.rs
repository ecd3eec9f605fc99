//! Messages to one chat room: up to ten in `msgList`, or one flat. Results are told by `msgId`; the record of
//! a message that was taken is made of strings throughout. The canonical message's `id` is a digest of what it
//! says, so that a resend which says something else is told from one that does not.

use std::collections::HashSet;
use std::time::Duration;

use interline_core::facade::{Answer, Asking, Mark, Report, Served, Told};
use interline_core::shared::Digest;
use serde_json::{Number, Value, json};

use super::content::attached;
use super::flags::{self, Flags, Object};
use super::form::{Form, Read, Refused, decimal, invalid, within};
use super::words::{Place, RESEND, Word};
use super::{asked, members, told_time};
use crate::VENDOR_NAME;
use crate::limits::{ACCID, ATTACH, ROOM_EXT, ROOM_MESSAGES};

/// How long a room remembers its message ids. The vendor does not say how long it does; a day is longer than
/// anybody waits before a resend.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest id that is a message's own client id at whatever vendor delivers it, in characters.
const CLIENT_ID: usize = 64;

/// What the ids of messages begin with that are made of what they say.
const SAID: &str = "said-";
/// The answer to a resend that says something else: the first message stands, and this one went nowhere.
const OTHER: &str = "msgId is known with another content";

/// `POST /chatroom/batchSendMsg.action`.
pub(super) fn batch(asking: &Asking<'_>) -> Served {
    serve(asking, |form| {
        let list: Vec<Value> =
            serde_json::from_str(form.required("msgList")?).map_err(|_| invalid("msgList"))?;
        if !(1..=ROOM_MESSAGES).contains(&list.len()) {
            return Err(Refused::parameter("msgList size exceeded"));
        }
        let items = list.iter().map(Item::listed).collect::<Read<Vec<_>>>()?;
        let mut seen = HashSet::new();
        if !items.iter().all(|item| seen.insert(item.id.as_str())) {
            return Err(Refused::parameter("msgId is repeated in msgList"));
        }
        Ok((items, Request::render as Renders))
    })
}

/// `POST /chatroom/sendMsg.action`.
pub(super) fn single(asking: &Asking<'_>) -> Served {
    serve(asking, |form| Ok((vec![Item::flat(form)?], Request::render_alone as Renders)))
}

type Renders = fn(&Request, &Report<'_>) -> Answer;

fn serve(asking: &Asking<'_>, items: impl FnOnce(&Form<'_>) -> Read<(Vec<Item>, Renders)>) -> Served {
    let read = || {
        let form = Form::of(asking.request)?;
        let room = form.number("roomid", (1, i64::MAX))?.to_string();
        form.required("fromAccid")?;
        let from = form.text("fromAccid", ACCID)?.unwrap_or_default().to_owned();
        let flags = flags::room(&form)?;
        let (items, render) = items(&form)?;
        Ok((Request { room, from, items }, flags, render))
    };
    let (request, flags, render) = match read() {
        Ok(read) => read,
        Err(refused) => return Refused::into(refused),
    };
    let marks = request.items.iter().map(|item| Some(request.mark(item))).collect();
    let batch = request.batch(flags);
    asked(asking, batch, marks, Box::new(move |report| render(&request, report)))
}

/// One message of a request.
#[derive(Debug)]
struct Item {
    id: String,
    kind: i64,
    attach: String,
    ext: String,
    resend: bool,
    extensions: Object,
}

/// A message's own fields, wherever they stand.
type Fields<'f> = &'f dyn Fn(&str) -> Option<Value>;

impl Item {
    /// An element of `msgList`.
    fn listed(value: &Value) -> Read<Self> {
        let Some(members) = value.as_object() else { return Err(invalid("msgList")) };
        Self::read(&|name| members.get(name).cloned())
    }

    /// The same fields as the request's own.
    fn flat(form: &Form<'_>) -> Read<Self> {
        Self::read(&|name| form.get(name).map(Value::from))
    }

    fn read(field: Fields<'_>) -> Read<Self> {
        let id = text(field("msgId"));
        if id.is_empty() {
            return Err(Refused::parameter("msgId is required"));
        }
        let kind = whole(field, "msgType", (0, i32::MAX.into()))?;
        let kind = kind.ok_or_else(|| Refused::parameter("msgType is required"))?;
        let (attach, ext) = (text(field("attach")), text(field("ext")));
        within("msgContents", &attach, ATTACH)?;
        within("ext", &ext, ROOM_EXT)?;
        let mut extensions = Object::new();
        // Zero is what leaving it out says.
        if let Some(sub_type) = whole(field, "subType", (0, i32::MAX.into()))?.filter(|kind| *kind > 0) {
            extensions.insert("subType".to_owned(), sub_type.into());
        }
        let resend = whole(field, "resendFlag", (0, 1))? == Some(1);
        if resend {
            extensions.insert("resendFlag".to_owned(), 1.into());
        }
        for name in ["locX", "locY", "locZ"] {
            if let Some(place) = coordinate(field, name)? {
                extensions.insert(name.to_owned(), place.into());
            }
        }
        Ok(Self { id, kind, attach, ext, resend, extensions })
    }

    /// The id of the message: a digest of all that a resend of it repeats.
    fn said(&self, from: &str) -> String {
        let mut extensions = self.extensions.clone();
        extensions.remove("resendFlag");
        let extensions = Value::Object(extensions).to_string();
        let Digest(digest) = Digest::of(&(&self.id, from, self.kind, &self.attach, &self.ext, extensions));
        format!("{SAID}{digest:032x}")
    }

    fn message(&self, from: &str, to: &str) -> Value {
        let mut parsed = attached(self.kind, &self.attach);
        if !self.ext.is_empty() {
            parsed.content.insert("ext".to_owned(), json!(self.ext));
        }
        let mut extensions = self.extensions.clone();
        if let Some(kind) = parsed.msg_type {
            extensions.insert("msgType".to_owned(), kind.into());
        }
        let id = json!(self.said(from));
        let mut message = members([("id", id), ("to", json!(to)), ("content", parsed.content.into())]);
        if self.id.chars().count() <= CLIENT_ID {
            message.insert("client_id".to_owned(), json!(self.id));
        }
        if !extensions.is_empty() {
            message.insert("extensions".to_owned(), json!({ VENDOR_NAME: extensions }));
        }
        message.into()
    }
}

/// A text; anything else as its JSON, which is how the vendor's own library reads it.
fn text(value: Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    }
}

fn given(field: Fields<'_>, name: &str) -> Option<Value> {
    field(name).filter(|value| !value.is_null() && *value != "")
}

/// A whole number, which may come as text.
fn whole(field: Fields<'_>, name: &str, range: (i64, i64)) -> Read<Option<i64>> {
    let Some(value) = given(field, name) else { return Ok(None) };
    let number = value.as_i64().or_else(|| value.as_str().and_then(decimal));
    number.filter(|number| (range.0..=range.1).contains(number)).map(Some).ok_or_else(|| invalid(name))
}

fn coordinate(field: Fields<'_>, name: &str) -> Read<Option<Number>> {
    let Some(value) = given(field, name) else { return Ok(None) };
    let number = match &value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.map(Some).ok_or_else(|| invalid(name))
}

/// What was asked for, as far as the answer repeats it: at most ten messages.
#[derive(Debug)]
struct Request {
    room: String,
    from: String,
    items: Vec<Item>,
}

impl Request {
    fn mark(&self, item: &Item) -> Mark {
        Mark { key: format!("room:{}:{}", self.room, item.id), lasts: REMEMBERED }
    }

    fn batch(&self, flags: Flags) -> Object {
        let to = format!("room:{}", self.room);
        let messages: Vec<Value> = self.items.iter().map(|item| item.message(&self.from, &to)).collect();
        super::batch(&self.from, flags, messages)
    }

    /// The word for each message. An id that the room holds already wants the flag of a resend, and the first
    /// content: what stands in the room is the first message.
    fn word(&self, item: &Item, told: Option<&Told>) -> Word {
        let word = Word::of(told, Place::Room);
        let Some(known) = told.filter(|told| told.repeated && !told.same_request && word == Word::Taken)
        else {
            return word;
        };
        if !item.resend {
            return Word::Failed(RESEND.to_owned());
        }
        let first = &*known.result.id;
        if first.starts_with(SAID) && *first != *item.said(&self.from) {
            return Word::Refused(Refused::parameter(OTHER));
        }
        word
    }

    fn render(&self, report: &Report<'_>) -> Answer {
        let told = match report.told {
            Ok(told) => told,
            Err(failure) => return Word::whole(failure, Place::Room).answer(),
        };
        let words: Vec<Word> =
            self.items.iter().enumerate().map(|(at, item)| self.word(item, told.get(at))).collect();
        if let Some(whole) = none_taken(&words) {
            return whole.answer();
        }
        let (mut success, mut fail) = (Vec::new(), Vec::new());
        for (at, (item, word)) in self.items.iter().zip(words).enumerate() {
            let id = &item.id;
            match word {
                Word::Taken => success.push(json!({ id: self.record(item, told.get(at), report) })),
                Word::Failed(words) => fail.push(json!({ id: words })),
                Word::Refused(refused) | Word::Later(refused) => fail.push(json!({ id: refused.desc })),
                // In neither list, as the vendor leaves what it does not know.
                Word::Open(_) => {}
            }
        }
        Answer::json(200, &json!({"code": 200, "success": success, "fail": fail}))
    }

    fn render_alone(&self, report: &Report<'_>) -> Answer {
        let (told, item) = match (report.told, self.items.first()) {
            (Ok(told), Some(item)) => (told.first(), item),
            (Err(failure), _) => return Word::whole(failure, Place::Room).answer(),
            (Ok(_), None) => return invalid("msgId").answer(),
        };
        if let Some(refused) = self.word(item, told).alone() {
            return refused.answer();
        }
        let mut record = members([("fromAvator", json!("")), ("msgAbandonFlag", json!("0"))]);
        record.extend(self.record(item, told, report));
        Answer::json(200, &json!({"code": 200, "desc": record}))
    }

    /// The record of a message that was taken, in the words of the request. What only the vendor can know is
    /// taken from the vendor where it is who delivered.
    fn record(&self, item: &Item, told: Option<&Told>, report: &Report<'_>) -> Object {
        const VENDORS: [&str; 6] =
            ["time", "fromNick", "fromAvator", "fromClientType", "highPriorityFlag", "msgAbandonFlag"];
        let mut record = members([
            ("ext", json!(item.ext)),
            ("fromNick", json!(self.from)),
            ("msgid_client", json!(item.id)),
            ("fromAccount", json!(self.from)),
            ("fromClientType", json!("REST")),
            ("attach", json!(item.attach)),
            ("time", json!(told_time(told, report).to_string())),
            ("type", json!(item.kind.to_string())),
            // Nobody else has the vendor's ten places a second, so none was given.
            ("highPriorityFlag", json!("0")),
            ("roomId", json!(self.room)),
        ]);
        let own =
            told.map(|told| &told.result).filter(|result| result.vendor.as_deref() == Some(VENDOR_NAME));
        for name in VENDORS {
            if let Some(value) = own.and_then(|result| result.vendor_data.get(name)) {
                record.insert(name.to_owned(), text(Some(value.clone())).into());
            }
        }
        record
    }
}

/// The answer to the whole request where no message was taken: that nobody can tell, as soon as that is so of
/// one of them, or the code that all of them share.
fn none_taken(words: &[Word]) -> Option<Refused> {
    if words.contains(&Word::Taken) {
        return None;
    }
    let open = words.iter().find_map(|word| match word {
        Word::Open(open) => Some(open),
        Word::Taken | Word::Refused(_) | Word::Failed(_) | Word::Later(_) => None,
    });
    let shared = || {
        let first = words.first().and_then(Word::unsent)?;
        let same = |word: &Word| word.unsent().is_some_and(|other| other.code == first.code);
        words.iter().all(same).then_some(first)
    };
    open.or_else(shared).cloned()
}
