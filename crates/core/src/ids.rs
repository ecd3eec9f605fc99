//! How ids of apps become ids at a provider: a pattern or a table, for users, groups and rooms.
//! Two ids of apps never become one id there, so that what is said of a recipient is said of one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::content::{Content, Mentions};
use crate::error::{ErrorCode, Refusal};
use crate::message::Message;
use crate::options::{Options, Sender};
use crate::recipient::{Recipient, RecipientKind};
use crate::shared::Shared;

/// Where the id stands in a pattern.
const PLACE: &str = "{id}";

/// The ids of one provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Users: recipients, senders, who is mentioned and who is the audience.
    pub user: Rule,
    /// Groups.
    pub group: Rule,
    /// Chat rooms.
    pub room: Rule,
}

/// How ids of one kind are mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Rule {
    /// Not at all.
    #[default]
    Same,
    /// Something stands before or behind them there.
    Pattern(Pattern),
    /// Each has its own.
    Table(Arc<Table>),
}

/// What stands around an id there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: Box<str>,
    behind: Box<str>,
}

/// Ids in pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What people know it by: its file.
    name: Box<str>,
    there: HashMap<Box<str>, Box<str>>,
    back: HashMap<Box<str>, Box<str>>,
    keeps: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It does not hold `{id}` exactly once.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} does not hold {PLACE} exactly once");
        let (before, behind) = text.split_once(PLACE).ok_or_else(wrong)?;
        if behind.contains(PLACE) {
            return Err(wrong());
        }
        Ok(Self { before: before.into(), behind: behind.into() })
    }

    fn there(&self, id: &str) -> String {
        format!("{}{id}{}", self.before, self.behind)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{PLACE}{}", self.before, self.behind)
    }
}

impl Table {
    /// A table of `(line, id of apps, id there)`. Where `keeps` is set, ids that do not stand in it are the same
    /// there.
    ///
    /// # Errors
    /// Every line that is wrong, with its number.
    pub fn new<'r>(
        name: &str,
        keeps: bool,
        rows: impl IntoIterator<Item = (u64, &'r str, &'r str)>,
    ) -> Result<Self, Vec<String>> {
        let mut table = Self { name: name.into(), there: HashMap::new(), back: HashMap::new(), keeps };
        let mut lines: HashMap<Box<str>, u64> = HashMap::new();
        let mut wrong = Vec::new();
        for (line, app, vendor) in rows {
            if app.is_empty() || vendor.is_empty() {
                wrong.push(format!("line {line}: an id is empty"));
                continue;
            }
            if let Some(first) = lines.get(app) {
                wrong.push(format!("line {line}: {app:?} stands in line {first} already"));
                continue;
            }
            match table.back.entry(vendor.into()) {
                Entry::Occupied(other) => {
                    let (first, other) =
                        (lines.get(&**other.get()).copied().unwrap_or_default(), other.get());
                    wrong.push(format!(
                        "line {line}: {vendor:?} is what {other:?} becomes in line {first}; two ids must not become one"
                    ));
                    continue;
                }
                Entry::Vacant(place) => place.insert(app.into()),
            };
            table.there.insert(app.into(), vendor.into());
            lines.insert(app.into(), line);
        }
        if wrong.is_empty() { Ok(table) } else { Err(wrong) }
    }

    /// What people know it by: its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether ids that do not stand in it are the same there.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.keeps
    }

    /// How many ids stand in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.there.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.there.is_empty()
    }

    fn there<'i>(&'i self, id: &'i str) -> Result<&'i str, String> {
        if let Some(there) = self.there.get(id) {
            return Ok(there);
        }
        if !self.keeps {
            return Err(format!("{id:?} does not stand in {}", self.name));
        }
        match self.back.get(id) {
            Some(other) => Err(format!("{id:?} is what {other:?} becomes by {}", self.name)),
            None => Ok(id),
        }
    }
}

impl Rule {
    /// The id there.
    ///
    /// # Errors
    /// Why there is none.
    pub fn there<'i>(&'i self, id: &'i str) -> Result<Cow<'i, str>, String> {
        match self {
            Self::Same => Ok(Cow::Borrowed(id)),
            Self::Pattern(pattern) => Ok(Cow::Owned(pattern.there(id))),
            Self::Table(table) => table.there(id).map(Cow::Borrowed),
        }
    }
}

impl Ids {
    /// Whether nothing is mapped.
    #[must_use]
    pub fn are_same(&self) -> bool {
        [&self.user, &self.group, &self.room].into_iter().all(|rule| *rule == Rule::Same)
    }

    /// How ids of such recipients are mapped; none for everyone, who has no id.
    #[must_use]
    pub const fn of(&self, kind: RecipientKind) -> Option<&Rule> {
        match kind {
            RecipientKind::User => Some(&self.user),
            RecipientKind::Group => Some(&self.group),
            RecipientKind::Room => Some(&self.room),
            RecipientKind::Everyone => None,
        }
    }

    /// The message as the provider sees it: recipient, sender, mentions and audience by their ids there; none
    /// where they are the same.
    ///
    /// # Errors
    /// An id that is none there; the path says which.
    pub fn map(&self, message: &Message) -> Result<Option<Arc<Message>>, Refusal> {
        if self.are_same() {
            return Ok(None);
        }
        let mut there = Message::clone(message);
        let kind = message.to.kind();
        if let Some(rule) = self.of(kind) {
            let no = |why| Refusal::new(ErrorCode::RecipientNotFound, "/to", why);
            there.to = Recipient::new(kind, &rule.there(message.to.id()).map_err(no)?);
        }
        if self.user == Rule::Same {
            return Ok(Some(Arc::new(there)));
        }
        if let Some(sender) = &message.from {
            let no = |why| Refusal::new(ErrorCode::SenderInvalid, "/from", why);
            let id = self.user.there(&sender.id).map_err(no)?.into_owned();
            there.from = Some(Shared::new(Sender { id, ..Sender::clone(sender) }));
        }
        let users = |users: &[String], path: &str| {
            let user = |(at, id): (usize, &String)| {
                let no = |why| Refusal::new(ErrorCode::RecipientNotFound, format!("{path}/{at}"), why);
                self.user.there(id).map(Cow::into_owned).map_err(no)
            };
            users.iter().enumerate().map(user).collect::<Result<Vec<String>, Refusal>>()
        };
        if let Some(mentions) =
            message.content.mentions.as_ref().filter(|mentions| !mentions.users.is_empty())
        {
            let users = users(&mentions.users, "/content/mentions/users")?;
            let mentions = Some(Mentions { users, ..mentions.clone() });
            there.content = Shared::new(Content { mentions, ..Content::clone(&message.content) });
        }
        if let Some(audience) = &message.options.audience {
            let audience = Some(users(audience, "/options/audience/users")?);
            there.options = Shared::new(Options { audience, ..Options::clone(&message.options) });
        }
        Ok(Some(Arc::new(there)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Head;
    use crate::read::{Identity, Path, Problems, read_message};

    fn message(text: &str) -> Arc<Message> {
        let head = Head { content: Some(Shared::new(Content::text("hi"))), ..Head::default() };
        let identity = Identity { batch_id: "b", vendors: &[] };
        read_message(text, (&head, &identity), 0, Path::Root(""), &mut Problems::default()).unwrap()
    }

    fn table(keeps: bool, rows: &[(u64, &'static str, &'static str)]) -> Result<Rule, Vec<String>> {
        Table::new("users.csv", keeps, rows.iter().copied()).map(|table| Rule::Table(Arc::new(table)))
    }

    fn pattern(text: &str) -> Rule {
        Rule::Pattern(Pattern::read(text).unwrap())
    }

    #[test]
    fn a_pattern_has_one_place_for_the_id() {
        let rule = pattern("app-{id}@x");
        assert_eq!(rule.there("7").unwrap(), "app-7@x");
        for text in ["", "id", "{id}{id}", "{ID}"] {
            assert!(Pattern::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tables_say_what_they_lack() {
        let rejects = table(false, &[(2, "a", "1"), (3, "b", "2")]).unwrap();
        assert_eq!(rejects.there("a").unwrap(), "1");
        assert!(rejects.there("c").unwrap_err().contains("users.csv"));
        let keeps = table(true, &[(2, "a", "b")]).unwrap();
        assert_eq!((&*keeps.there("a").unwrap(), &*keeps.there("c").unwrap()), ("b", "c"));
        assert!(keeps.there("b").is_err(), "two ids must not become one");
    }

    #[test]
    fn a_table_that_does_not_go_both_ways_is_refused_by_line() {
        let wrong = table(false, &[(2, "a", "1"), (3, "a", "2"), (4, "b", "1"), (5, "", "3")]).unwrap_err();
        assert_eq!(wrong.len(), 3);
        assert!(wrong[0].contains("line 3") && wrong[0].contains("line 2"), "{wrong:?}");
        assert!(wrong[1].contains("line 4") && wrong[1].contains("line 2"), "{wrong:?}");
    }

    #[test]
    fn a_message_is_mapped_wherever_it_names_somebody() {
        let ids = Ids { user: pattern("u-{id}"), group: pattern("g-{id}"), room: Rule::Same };
        let sent = message(
            r#"{"to":"group:1","from":{"id":"shop","name":"Shop"},"options":{"audience":{"users":["a"]}},
            "content":{"type":"text","text":"hi","mentions":{"users":["b"]}}}"#,
        );
        let there = ids.map(&sent).unwrap().unwrap();
        assert_eq!(there.to.as_str(), "group:g-1");
        assert_eq!(
            there.from.as_ref().map(|from| (&*from.id, from.name.as_deref())),
            Some(("u-shop", Some("Shop")))
        );
        assert_eq!(there.options.audience.as_deref(), Some(&["u-a".to_owned()][..]));
        assert_eq!(there.content.mentions.as_ref().unwrap().users, ["u-b"]);
        assert_eq!((sent.to.as_str(), &sent.client_id), ("group:1", &there.client_id));
        let room = message(r#"{"to":"room:1"}"#);
        assert_eq!(ids.map(&room).unwrap().unwrap().to, room.to);
        assert!(Ids::default().map(&room).unwrap().is_none(), "nobody copies what stays the same");
    }

    #[test]
    fn who_is_unknown_there_is_refused_by_path() {
        let ids = Ids { user: table(false, &[(2, "a", "1")]).unwrap(), ..Ids::default() };
        for (text, code, path) in [
            (r#"{"to":"user:x"}"#, ErrorCode::RecipientNotFound, "/to"),
            (r#"{"to":"user:a","from":"x"}"#, ErrorCode::SenderInvalid, "/from"),
            (
                r#"{"to":"group:g","options":{"audience":{"users":["a","x"]}}}"#,
                ErrorCode::RecipientNotFound,
                "/options/audience/users/1",
            ),
        ] {
            let refusal = ids.map(&message(text)).unwrap_err();
            assert_eq!((refusal.code, &*refusal.errors[0].path), (code, path), "{text}");
        }
        assert!(ids.map(&message(r#"{"to":"everyone"}"#)).is_ok());
    }
}
