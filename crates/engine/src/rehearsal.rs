//! Rehearsals: a batch played through intake, drawing, limits, breakers and fallbacks on a clock that only
//! this file moves. Nothing is sent and nothing is stored; what a vendor would answer is the scene's to say.
//! The decisions are the ones that sending makes, so that a configuration can be tested.

mod calls;
mod desk;
mod follow;
mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interline_core::error::{Error, Failure};
use interline_core::options::Results;
use interline_core::outcome::Status;
use interline_core::read::{self, Path};

use crate::denied::{Denied, Errors};
use crate::intake::{self, Bad, Intake, Routed, Seen, Wrong, forbidding};
use crate::plan;
use crate::provider::Book;
use crate::settings::EngineSettings;
use crate::view::{Caller, PlannedMessage};
use stage::Stage;

/// Most messages of a rehearsal.
pub const MOST_REHEARSED: usize = 50_000;
/// What client ids are derived from: always the same, so that two rehearsals are equal.
const BATCH_ID: &str = "rehearsal";

/// Providers and routes to rehearse with.
#[derive(Debug)]
pub struct Rehearsal {
    book: Book,
}

/// What is played.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Who asks.
    pub caller: Caller,
    /// The body of `POST /v1/send`.
    pub body: String,
    /// When it begins, Unix milliseconds.
    pub at_ms: i64,
    /// How long a vendor takes to answer.
    pub answers_in: Duration,
    /// Providers whose servers do not do well.
    pub faults: BTreeMap<Arc<str>, Fault>,
    /// What a server speaks whose dialect is found out; where nothing is said, the likeliest.
    pub dialects: BTreeMap<Arc<str>, String>,
}

/// What is wrong with a provider's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It refuses connections.
    Down,
    /// It takes requests and never answers.
    Silent,
    /// It answers that it takes nothing for now.
    Busy,
}

/// How it went.
#[derive(Debug, Clone)]
pub struct Played {
    /// One of each message, in the batch's order.
    pub messages: Vec<PlayedMessage>,
    /// The calls that reached a server, in the order of leaving.
    pub calls: Vec<PlayedCall>,
    /// From the beginning until the last message was settled, on the scene's clock.
    pub took: Duration,
}

/// What became of one message.
#[derive(Debug, Clone)]
pub struct PlayedMessage {
    /// Its route and provider as a plan shows them.
    pub plan: PlannedMessage,
    /// Where it stands at the end.
    pub status: Status,
    /// Who had it last; none when nobody was to have it.
    pub provider: Option<String>,
    /// Who was to have it, in order.
    pub tried: Vec<String>,
    /// Who could stand in for the route's provider, in order: those that can express it.
    pub fallback: Vec<String>,
    /// What was lost on the way to whoever had it last.
    pub losses: Vec<String>,
    /// Why it was not accepted.
    pub error: Option<Failure>,
    /// When it was settled, from the beginning.
    pub settled_after: Duration,
}

/// A vendor call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedCall {
    /// The provider.
    pub provider: String,
    /// The vendor's unit of limits.
    pub quota_class: &'static str,
    /// How many messages were in it.
    pub messages: usize,
    /// When it left, from the beginning.
    pub at: Duration,
}

impl Rehearsal {
    /// Providers and routes as the engine would have them. Nothing is connected to.
    ///
    /// # Errors
    /// `config` when a provider's settings cannot work.
    pub fn new(settings: EngineSettings) -> Result<Self, Error> {
        Ok(Self { book: Book::new(settings, None)? })
    }

    /// Plays a scene to its end.
    ///
    /// # Errors
    /// The batch as a whole would be refused, or a provider's dialect is no dialect.
    pub fn play(&self, scene: &Scene) -> Result<Played, Denied> {
        let played = self.spoken(scene).and_then(|()| self.played(scene));
        // What one scene says is nothing to the next, also where it could not be played.
        for name in scene.dialects.keys() {
            if let Some(provider) = self.book.providers.get(name) {
                provider.doubt();
            }
        }
        played
    }

    /// Has the servers speak what the scene says.
    fn spoken(&self, scene: &Scene) -> Result<(), Denied> {
        for (name, dialect) in &scene.dialects {
            let Some(provider) = self.book.providers.get(name) else { continue };
            if !provider.is_auto() {
                let detail =
                    format!("the dialect of {name} is configured; a test can say it only of \"auto\"");
                return Err(Denied::Conflict(detail));
            }
            provider.speak(dialect).map_err(|error| Denied::Conflict(error.to_string()))?;
        }
        Ok(())
    }

    fn played(&self, scene: &Scene) -> Result<Played, Denied> {
        let document = read::read_document(&scene.body)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = Wrong::default();
        let head = intake::head(&self.book, BATCH_ID, &head_text, Path::Root(""), &mut wrong);
        wrong.verdict()?;
        let head = head.ok_or(Denied::NotFound)?;
        let texts = document.messages.unwrap_or_default();
        if texts.is_empty() {
            let Bad { errors, total, .. } = Bad::missing_messages();
            return Err(Denied::Invalid(Errors { listed: errors, total }));
        }
        if texts.len() > MOST_REHEARSED {
            let detail =
                format!("a rehearsal has {MOST_REHEARSED} messages at most, this one {}", texts.len());
            return Err(Denied::TooLarge(detail));
        }
        let mut intake = Intake::new(&self.book, &scene.caller, BATCH_ID, &head);
        intake.moment = self.book.moment(head.send_at_ms.map_or(scene.at_ms, |at_ms| at_ms.max(scene.at_ms)));
        let mut seen = Seen::of(&head, texts.iter().copied());
        let root = Path::Root("/messages");
        let (mut messages, mut cast) = (Vec::with_capacity(texts.len()), Vec::new());
        for (index, text) in (0u64..).zip(texts) {
            match intake.take(text, index, Path::Index(&root, index), &mut seen) {
                Ok(routed) => {
                    messages.push(self.queued(&intake, &routed, seen.results()));
                    cast.push((messages.len() - 1, routed));
                }
                Err(bad) => messages.push(refused(text.get(), index, &bad)),
            }
        }
        let mut stage = Stage::set(&self.book, scene, &head, (&cast, seen.results()));
        stage.run();
        Ok(stage.told(messages, &cast))
    }

    /// A message that is to be sent, before anything happened to it.
    fn queued(&self, intake: &Intake<'_>, routed: &Routed<'_>, default: Results) -> PlayedMessage {
        let results = routed.message.results(default);
        let expressible = |name: &Arc<str>| {
            let provider = self.book.providers.get(name)?;
            let (_, losses) = provider.check(&*provider.assumed(), &routed.message, results).ok()?;
            let stands_in = *name != routed.provider.settings.name;
            let whole = forbidding(&losses, routed.terms.on_loss, name).is_none();
            (stands_in && whole).then(|| name.to_string())
        };
        let named = routed.fallback.iter().flat_map(|names| names.iter());
        PlayedMessage {
            plan: plan::planned(intake, routed, default),
            status: Status::Queued,
            provider: None,
            tried: Vec::new(),
            fallback: named.filter_map(expressible).collect(),
            losses: Vec::new(),
            error: None,
            settled_after: Duration::ZERO,
        }
    }
}

/// A message that is refused before anything is sent.
fn refused(text: &str, index: u64, bad: &Bad) -> PlayedMessage {
    let named = crate::results::named(text, BATCH_ID, index);
    PlayedMessage {
        plan: plan::refused(named, bad),
        status: Status::Rejected,
        provider: None,
        tried: Vec::new(),
        fallback: Vec::new(),
        losses: Vec::new(),
        error: Some(bad.failure()),
        settled_after: Duration::ZERO,
    }
}
