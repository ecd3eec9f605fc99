//! From a body to routed messages: reads, routes and checks each message and sorts what is wrong into
//! the three ways a request can be refused. Sending, storing and planning all start here.

use std::cell::{Ref, RefCell};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashSet;
use interline_core::adapter::{Adapter, Loss};
use interline_core::error::{ErrorCode, Failure, FieldError};
use interline_core::message::{FAST_ABOVE, Head, Message, default_results};
use interline_core::migration::Phase;
use interline_core::options::{Guarantee, OnLoss, Results, Sender};
use interline_core::read::{self, Identity, MessageText, Path, Problems};
use interline_core::recipient::RecipientKind;
use interline_core::route::{Choice, Moment, Route};
use interline_core::shared::Shared;

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::migration::{Migration, made_for};
use crate::provider::{Book, Provider};
use crate::settings::Delivery;
use crate::view::Caller;

/// A message that can be sent, and by whom.
#[derive(Debug)]
pub(crate) struct Routed<'b> {
    pub(crate) message: Arc<Message>,
    /// The same by the ids that the provider knows, where they are others.
    pub(crate) mapped: Option<Arc<Message>>,
    pub(crate) route: &'b str,
    pub(crate) provider: &'b Arc<Provider>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) terms: Terms,
    /// Who stands in for the provider; nobody for what everybody would see twice.
    pub(crate) fallback: Fallback,
    /// The migration that has a say in it, also where it leaves it to the route's own choice.
    pub(crate) migration: Option<&'b Arc<Migration>>,
}

impl Routed<'_> {
    /// The message as the provider knows it.
    pub(crate) fn there(&self) -> &Arc<Message> {
        self.mapped.as_ref().unwrap_or(&self.message)
    }
}

/// What holds for a message that it may leave to its route, and that to the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What happens with losses.
    pub(crate) on_loss: OnLoss,
    /// What may follow an unknown.
    pub(crate) guarantee: Guarantee,
}

impl Terms {
    /// What the message says, else the route, else the configuration.
    pub(crate) fn of(message: &Message, route: Option<&Route>, delivery: &Delivery) -> Self {
        let of_route = |route: &Route| (route.on_loss, route.guarantee);
        let (on_loss, guarantee) = route.map(of_route).unwrap_or_default();
        Self {
            on_loss: message.on_loss.or(on_loss).unwrap_or(delivery.on_loss),
            guarantee: message.guarantee.or(guarantee).unwrap_or(delivery.guarantee),
        }
    }
}

/// The providers that stand in for a route's target, in order.
pub(crate) type Fallback = Option<Arc<[Arc<str>]>>;

/// Why these losses forbid sending; none when they are only to be told.
pub(crate) fn forbidding(losses: &[Loss], on_loss: OnLoss, provider: &str) -> Option<String> {
    // Sent without it, the message would be read by people it is not for: never a mere loss.
    if losses.contains(&"audience") {
        return Some(format!("{provider} cannot keep a message to some members (`options.audience`)"));
    }
    (on_loss == OnLoss::Reject && !losses.is_empty())
        .then(|| format!("{provider} cannot express {}", losses.join(", ")))
}

/// Why one message cannot be sent: the first code, for its result, and the errors.
#[derive(Debug, Clone)]
pub(crate) struct Bad {
    pub(crate) code: ErrorCode,
    pub(crate) errors: Vec<FieldError>,
    /// Errors beyond those listed.
    pub(crate) total: usize,
}

impl Bad {
    fn new(code: ErrorCode, problems: Problems) -> Self {
        let (errors, total) = problems.into_parts();
        Self { code, errors, total }
    }

    pub(crate) fn one(code: ErrorCode, path: &Path<'_>, detail: impl Into<String>) -> Self {
        let mut problems = Problems::default();
        problems.add(path, detail);
        Self::new(code, problems)
    }

    /// The same where the head stands elsewhere than at the root of the body.
    pub(crate) fn with_head_at(mut self, place: &str) -> Self {
        for error in self.errors.iter_mut().filter(|error| !error.path.starts_with("/messages")) {
            if !error.path.starts_with("line ") {
                error.path.insert_str(0, place);
            }
        }
        self
    }

    /// A body without messages.
    pub(crate) fn missing_messages() -> Self {
        let detail = "required: an array with at least one message";
        Self::one(ErrorCode::InvalidMessage, &Path::Root("/messages"), detail)
    }

    /// The failure that the message's own result carries.
    pub(crate) fn failure(&self) -> Failure {
        let text: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        Failure::not_sent(self.code, text.join("; ")).for_good()
    }
}

/// All that is wrong with a body, each error once.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    invalid: Problems,
    unroutable: Problems,
    forbidden: Problems,
    seen: HashSet<(String, String)>,
}

impl Wrong {
    /// Adds what is wrong with one message. What stands once in the batch is listed once.
    pub(crate) fn add(&mut self, bad: Bad) {
        let unlisted = bad.total.saturating_sub(bad.errors.len());
        let list = if bad.code == ErrorCode::NotRoutable {
            &mut self.unroutable
        } else if bad.code == ErrorCode::Forbidden {
            &mut self.forbidden
        } else {
            &mut self.invalid
        };
        for mut error in bad.errors {
            error.path.truncate(error.path.trim_end().len());
            let of_batch = !error.path.starts_with("/messages") && !error.path.starts_with("line ");
            let of_head = of_batch || error.path.starts_with("line 1 ");
            if !of_head || self.seen.insert((error.path.clone(), error.detail.clone())) {
                list.push(error);
            }
        }
        list.count(unlisted);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.invalid.is_empty() && self.unroutable.is_empty() && self.forbidden.is_empty()
    }

    pub(crate) fn invalid(&mut self) -> &mut Problems {
        &mut self.invalid
    }

    /// Refuses the request if anything is wrong with it.
    pub(crate) fn verdict(self) -> Result<(), Denied> {
        let errors = |problems: Problems| {
            let (listed, total) = problems.into_parts();
            Errors { listed, total }
        };
        if !self.invalid.is_empty() {
            return Err(Denied::Invalid(errors(self.invalid)));
        }
        if !self.forbidden.is_empty() {
            return Err(Denied::Forbidden(errors(self.forbidden)));
        }
        if !self.unroutable.is_empty() {
            return Err(Denied::NotRoutable(errors(self.unroutable)));
        }
        Ok(())
    }
}

/// What is known of a whole body: the ids so far, and what `results` defaults to in it.
#[derive(Debug)]
pub(crate) struct Seen {
    named: HashSet<Named>,
    results: Results,
}

impl Seen {
    /// Counts who shares the batch's content, where there are enough messages for it to matter: every
    /// message is checked with the default that it will be sent with.
    pub(crate) fn of<'t>(head: &Head, texts: impl ExactSizeIterator<Item = MessageText<'t>>) -> Self {
        let matters = head.content.is_some() && texts.len() as u64 > FAST_ABOVE;
        let count = texts.len();
        let sharing = if matters { texts.filter(|text| text.shares_content()).count() } else { 0 };
        Self { named: HashSet::with_capacity(count), results: default_results(sharing as u64) }
    }

    /// What `results` defaults to.
    pub(crate) const fn results(&self) -> Results {
        self.results
    }
}

/// A message by its id.
#[derive(Debug)]
struct Named(Arc<Message>);

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Named {}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

/// A provider and the adapter for what it speaks.
type Spoken<'b> = (&'b Arc<Provider>, Arc<dyn Adapter>);

/// Reads the messages of one batch.
#[derive(Debug)]
pub(crate) struct Intake<'a> {
    pub(crate) book: &'a Book,
    pub(crate) caller: &'a Caller,
    pub(crate) batch_id: &'a str,
    pub(crate) head: &'a Head,
    /// When it is routed: the same for all of a body.
    pub(crate) moment: Moment<'a>,
    /// The provider asked for last.
    last: RefCell<Option<Spoken<'a>>>,
}

/// Reads the head of a batch, with everything that is wrong with it alone.
pub(crate) fn head(
    book: &Book,
    batch_id: &str,
    text: &str,
    path: Path<'_>,
    wrong: &mut Wrong,
) -> Option<Head> {
    let identity = Identity { batch_id, vendors: &book.vendor_names };
    let head = read::read_head(text, &identity, path, &mut wrong.invalid)?;
    if let Some(name) = &head.route
        && !book.routes.all().iter().any(|route| *route.name == **name)
    {
        let names: Vec<&str> = book.routes.all().iter().map(|route| &*route.name).collect();
        let detail = format!("{name:?} is no route; the routes are {}", names.join(", "));
        wrong.invalid.add(&Path::Key(&path, "route"), detail);
    }
    Some(head)
}

/// Notes a callback of an app that has nothing to sign it with.
pub(crate) fn check_callback(book: &Book, app: &str, head: &Head, path: &Path<'_>, wrong: &mut Wrong) {
    let signed = book.callbacks.secrets.get(app).is_some_and(|secrets| !secrets.is_empty());
    if head.callback.is_some() && !signed {
        let detail = format!(
            "callbacks are signed, and the app {app} has nothing to sign with; give it callback_secrets in its [[apps]]"
        );
        wrong.invalid.add(&Path::Key(path, "callback"), detail);
    }
}

/// The same for copies that are sent again: they go where they were made for, as long as that is there.
pub(crate) fn head_of_copies(
    book: &Book,
    batch_id: &str,
    text: &str,
    path: Path<'_>,
    wrong: &mut Wrong,
) -> Option<Head> {
    let identity = Identity { batch_id, vendors: &book.vendor_names };
    let head = read::read_head(text, &identity, path, &mut wrong.invalid)?;
    let to = head.route.as_deref().and_then(made_for).unwrap_or_default();
    if !book.providers.contains_key(to) {
        let detail = format!("these are copies made for {to:?}, which is no provider any more");
        wrong.invalid.add(&Path::Key(&path, "route"), detail);
    }
    Some(head)
}

impl<'a> Intake<'a> {
    pub(crate) fn new(book: &'a Book, caller: &'a Caller, batch_id: &'a str, head: &'a Head) -> Self {
        // What is scheduled is routed for the time when it begins.
        let now_ms = clock::now_ms();
        let moment = book.moment(head.send_at_ms.map_or(now_ms, |begins| begins.max(now_ms)));
        Self { book, caller, batch_id, head, moment, last: RefCell::new(None) }
    }

    /// The provider of this name; the last one is kept, as neighbours mostly go to the same.
    fn provider(&self, name: &str) -> Option<Ref<'_, Spoken<'a>>> {
        let other = |(provider, _): &Spoken<'_>| *provider.settings.name != *name;
        if self.last.borrow().as_ref().is_none_or(other) {
            let provider = self.book.providers.get(name)?;
            self.last.replace(Some((provider, provider.assumed())));
        }
        Ref::filter_map(self.last.borrow(), Option::as_ref).ok()
    }

    /// Reads one message, without routing it.
    pub(crate) fn read<'t>(
        &self,
        text: impl Into<MessageText<'t>>,
        index: u64,
        path: Path<'_>,
    ) -> Result<Arc<Message>, Bad> {
        let identity = Identity { batch_id: self.batch_id, vendors: &self.book.vendor_names };
        let mut problems = Problems::default();
        read::read_message(text, (self.head, &identity), index, path, &mut problems)
            .ok_or_else(|| Bad::new(ErrorCode::InvalidMessage, problems))
    }

    /// Finds who takes the message and checks that it can be sent there.
    pub(crate) fn route(
        &self,
        message: Arc<Message>,
        results: Results,
        path: Path<'_>,
    ) -> Result<Routed<'a>, Bad> {
        let at = Path::Key(&path, "to");
        if message.to.kind() == RecipientKind::Everyone && !self.caller.broadcast {
            return Err(Bad::one(ErrorCode::Forbidden, &at, "`everyone` needs the scope `broadcast`"));
        }
        let forced = self.head.route.as_deref();
        let choice = self.book.routes.choose(&message, &self.caller.app, forced, &self.moment);
        let copies = forced.and_then(|name| Some((name, made_for(name)?)));
        let chosen = choice.map(|choice| (&*choice.route.name, &**choice.provider));
        let Some((route, to)) = chosen.or(copies) else {
            return Err(Bad::one(ErrorCode::NotRoutable, &at, "no route takes this message"));
        };
        let Some(spoken) = self.provider(to) else {
            let detail = format!("the route {route} names the unknown provider {to}");
            return Err(Bad::one(ErrorCode::NotRoutable, &at, detail));
        };
        let (provider, adapter) = &*spoken;
        let checked = provider.check(&**adapter, &message, message.results(results));
        let (mapped, losses) = match checked {
            Ok(checked) => checked,
            Err(refusal) => {
                let mut problems = Problems::default();
                for error in refusal.errors {
                    let prefix = if self.stands_in_head(&message, &error.path) {
                        batch_path(&path).to_owned()
                    } else {
                        path.to_string()
                    };
                    let detail = format!("{} (provider {})", error.detail, provider.settings.name);
                    problems.push(FieldError::new(format!("{prefix}{}", error.path), detail));
                }
                return Err(Bad::new(refusal.code, problems));
            }
        };
        let terms = Terms::of(&message, choice.map(|choice| choice.route), &self.book.delivery);
        if let Some(detail) = forbidding(&losses, terms.on_loss, &provider.settings.name) {
            return Err(Bad::one(ErrorCode::Unsupported, &path, detail));
        }
        let mut fallback = choice.and_then(|choice| fallback(choice, &message));
        let migration =
            choice.and_then(|choice| self.book.migrations.of_choice(&choice.route.name, choice.picked));
        if let Some(migration) = migration.filter(|migration| migration.phase() == Phase::Both) {
            fallback = migration.beside_copy(fallback);
        }
        Ok(Routed { message, mapped, route, provider, losses, terms, fallback, migration })
    }

    /// Whether what is wrong with a message stands in the batch's head, and not in the message.
    fn stands_in_head(&self, message: &Message, path: &str) -> bool {
        let inherits = |own: Option<&Shared<Sender>>, head: Option<&Shared<Sender>>| {
            own.zip(head).is_some_and(|(own, head)| own.same(head))
        };
        match path.split('/').nth(1) {
            Some("content") => message.inherits_content,
            Some("options") => message.options.same(&self.head.options),
            Some("extensions") => message.extensions.same(&self.head.extensions),
            Some("from") => inherits(message.from.as_ref(), self.head.from.as_ref()),
            Some(_) | None => false,
        }
    }

    /// Reads, routes and checks one message.
    pub(crate) fn read_and_route(
        &self,
        text: &str,
        index: u64,
        path: Path<'_>,
        results: Results,
    ) -> Result<Routed<'a>, Bad> {
        let message = self.read(text, index, path)?;
        self.route(message, results, path)
    }

    /// The same for a message of a whole body, where ids must differ.
    pub(crate) fn take(
        &self,
        text: MessageText<'_>,
        index: u64,
        path: Path<'_>,
        seen: &mut Seen,
    ) -> Result<Routed<'a>, Bad> {
        let message = self.read(text, index, path)?;
        if message.id_given
            && let Some(Named(first)) = seen.named.replace(Named(Arc::clone(&message)))
        {
            let first = first.index;
            let detail = format!("{:?} is the id of /messages/{first} already", message.id);
            return Err(Bad::one(ErrorCode::InvalidMessage, &Path::Key(&path, "id"), detail));
        }
        self.route(message, seen.results, path)
    }
}

/// Who stands in for the chosen provider. What goes to everyone goes once, to one provider.
pub(crate) fn fallback(choice: Choice<'_>, message: &Message) -> Fallback {
    if message.to.kind() == RecipientKind::Everyone { None } else { choice.route.fallback.clone() }
}

/// Where the batch stands whose message stands at `path`.
fn batch_path(path: &Path<'_>) -> &'static str {
    if path.to_string().starts_with("line ") { "line 1 " } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interline_core::content::Content;
    use interline_core::shared::Shared;

    #[test]
    fn all_messages_of_a_body_are_judged_with_the_results_they_are_sent_with() {
        let head = Head { content: Some(Shared::new(Content::text("hi"))), ..Head::default() };
        let sharing = [r#"{"to":"user:a"}"#, r#"{"to":"user:a","content":null}"#];
        let own = r#"{"to":"user:a","content":{"type":"text","text":"x"}}"#;
        for (count, more, results) in [(100, 50, Results::Each), (101, 0, Results::Fast)] {
            let texts: Vec<MessageText<'_>> =
                sharing.iter().copied().cycle().take(count).chain(vec![own; more]).map(Into::into).collect();
            assert_eq!(Seen::of(&head, texts.into_iter()).results(), results);
        }
    }
}
