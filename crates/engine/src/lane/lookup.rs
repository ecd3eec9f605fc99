//! Asks vendors for messages whose outcome is unknown, where they can be asked: soon, then ever less
//! often, for ten seconds. Only *arrived* changes an outcome; *absent* is told and permits nothing, as the
//! message may still be on its way.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Finding, Seal};
use interline_core::draw::Waiting;
use interline_core::error::{ErrorCode, Failure};
use interline_core::message::Message;
use interline_core::record::CallRecord;

use super::parcel::{After, Judgement};
use super::{Event, Lane, Ticket};
use crate::clock;
use crate::provider::Provider;
use crate::trace;

/// The pause before the first question; it doubles with each.
const FIRST_MS: i64 = 200;
/// The longest pause between two questions.
const LONGEST_MS: i64 = 2_000;
/// How long a message is asked for.
const PATIENCE_MS: i64 = 10_000;
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Questions under way at once.
const AT_ONCE: usize = 32;
/// What could not be asked for by then for all the others is not asked for any more.
const TOO_LATE_MS: i64 = 2 * PATIENCE_MS;

/// A message that the vendor is asked about.
#[derive(Debug)]
pub(crate) struct Asking {
    waiting: Waiting<Ticket>,
    /// Whom to ask.
    provider: Arc<Provider>,
    class: &'static str,
    /// Why its outcome is unknown.
    why: Failure,
    since_ms: i64,
    asked: u32,
    /// What the vendor answered last.
    last: &'static str,
    /// Whom nobody can ask any more, as the configuration has forgotten them.
    gone: Option<Arc<str>>,
}

impl Asking {
    pub(super) const fn waiting_mut(&mut self) -> &mut Waiting<Ticket> {
        &mut self.waiting
    }
}

/// What became of a question.
#[derive(Debug)]
pub(crate) struct Answer {
    asking: Asking,
    finding: Finding,
}

impl Lane {
    /// Has the vendor asked what became of a message.
    pub(super) fn ask_later(&mut self, waiting: Waiting<Ticket>, class: &'static str, why: Failure) {
        let since_ms = clock::now_ms();
        let pinned = self.entry(waiting.ticket).and_then(|entry| entry.pinned.clone());
        let pinned = pinned.filter(|name| *name != self.provider.settings.name);
        let book = self.around.book.now();
        let other = pinned.as_ref().and_then(|name| book.providers.get(name));
        let gone = pinned.as_ref().filter(|_| other.is_none()).cloned();
        let provider = Arc::clone(other.unwrap_or(&self.provider));
        let last = "gave no answer";
        let asking = Asking { waiting, provider, class, why, since_ms, asked: 0, last, gone };
        self.put_question(since_ms + FIRST_MS, asking);
    }

    /// Goes on asking about what was asked about when its holder ended.
    pub(super) fn ask_again(&mut self, key: u32, positions: Vec<u16>) {
        let (adapter, book) = (self.provider.assumed(), self.around.book.now());
        for position in positions {
            let waiting = self.parcels.get(&key).and_then(|parcel| parcel.waiting(key, position, &*adapter));
            let Some(mut waiting) = waiting else { continue };
            // Order is not promised after an unknown: what comes after it is on its way already.
            waiting.ordered = false;
            // Whoever may have it sorts messages in its own way.
            let pinned = self.entry((key, position)).and_then(|entry| {
                let sender = book.providers.get(entry.pinned.as_ref()?)?;
                let mapped = sender.settings.ids.map(&entry.message).ok()?;
                let there = mapped.as_ref().unwrap_or(&entry.message);
                Some(sender.assumed().slot(there, entry.results).class)
            });
            let class = pinned.unwrap_or(waiting.slot.class);
            let detail = "Interline was stopped while the call was under way";
            self.ask_later(waiting, class, Failure::unknown(ErrorCode::ConnectionLost, detail));
        }
    }

    fn put_question(&mut self, at_ms: i64, asking: Asking) {
        self.later_count += 1;
        self.questions.insert((at_ms, self.later_count), asking);
    }

    /// Asks what is due. Returns when the next question is.
    pub(super) fn ask_vendor(&mut self, now_ms: i64) -> Option<i64> {
        while self.asks_under_way < AT_ONCE {
            let (at_ms, _) = *self.questions.first_key_value()?.0;
            if at_ms > now_ms {
                return Some(at_ms);
            }
            let (_, asking) = self.questions.pop_first()?;
            let there = |message: &Arc<Message>| {
                let mapped = asking.provider.settings.ids.map(message).ok()?;
                Some(mapped.unwrap_or_else(|| Arc::clone(message)))
            };
            let message = self.entry(asking.waiting.ticket).map(|entry| there(&entry.message));
            let Some(message) = message else {
                self.drawer.settled(asking.waiting.flow, asking.waiting.recipient, asking.waiting.ordered);
                continue;
            };
            self.asks_under_way += 1;
            if asking.gone.is_some() || now_ms > asking.since_ms.saturating_add(TOO_LATE_MS) {
                self.answered(Answer { asking, finding: Finding::CannotTell });
                continue;
            }
            let events = self.events.clone();
            let origin = self.parcels.get(&asking.waiting.ticket.0);
            let origin = origin.and_then(|parcel| parcel.batch.origin.as_deref()).cloned();
            tokio::spawn(trace::on_behalf(origin.as_ref(), async move {
                let finding = match message {
                    Some(message) => ask(&asking.provider, &message, asking.class).await,
                    None => Finding::CannotTell,
                };
                // The lane may be gone by now.
                drop(events.send(Event::Answered(Box::new(Answer { asking, finding }))));
            }));
        }
        None
    }

    /// Takes an answer.
    pub(super) fn answered(&mut self, answer: Answer) {
        self.asks_under_way = self.asks_under_way.saturating_sub(1);
        let Answer { mut asking, finding } = answer;
        let now_ms = clock::now_ms();
        let (key, position) = asking.waiting.ticket;
        let receipt = match finding {
            Finding::Arrived(receipt) => Some(receipt),
            Finding::Absent => {
                asking.last = "does not show it";
                None
            }
            Finding::CannotTell => None,
        };
        if receipt.is_none()
            && asking.gone.is_none()
            && now_ms < asking.since_ms + PATIENCE_MS
            && now_ms >= asking.since_ms
        {
            asking.asked += 1;
            let pause = FIRST_MS.saturating_mul(1 << asking.asked.min(8)).min(LONGEST_MS);
            self.put_question(now_ms + pause, asking);
            return;
        }
        let Asking { waiting, provider, mut why, last, since_ms, gone, .. } = asking;
        if let Some(parcel) = self.parcels.get_mut(&key) {
            parcel.asking = parcel.asking.saturating_sub(1);
        }
        let noted = match receipt {
            Some(receipt) => self
                .parcels
                .get_mut(&key)
                .and_then(|parcel| parcel.found(position, receipt))
                .map(|note| (note, After::Final)),
            None => {
                let seconds = (now_ms - since_ms) / 1_000;
                why.message = match gone {
                    Some(name) => format!("{}; {name} is gone and cannot be asked", why.message),
                    None => format!("{}; the vendor was asked for {seconds} s and {last}", why.message),
                };
                let judge = Judgement {
                    now_ms,
                    ask: None,
                    provider: &provider.settings.name,
                    elsewhere: false,
                    dedupe_window_ms: 0,
                    free: false,
                    chance: clock::chance(),
                };
                self.parcels.get_mut(&key).and_then(|parcel| parcel.not_found(position, why, judge))
            }
        };
        let Some((note, after)) = noted else {
            self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            self.after_stop(key);
            return;
        };
        match after {
            After::Again(at_ms) => self.put_later(at_ms, waiting),
            // What may have arrived never expires.
            After::Final | After::Elsewhere | After::Ask | After::TooLate => {
                self.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            }
        }
        let (name, vendor) = (Arc::clone(&provider.settings.name), provider.settings.vendor.name.into());
        self.write_record(key, CallRecord::decision(name, vendor, now_ms, vec![note]), Vec::new(), 0);
        self.after_stop(key);
    }
}

async fn ask(provider: &Provider, message: &Message, class: &'static str) -> Finding {
    let Some(adapter) = provider.adapter() else { return Finding::CannotTell };
    let Ok(token) = provider.token.get(&*adapter, provider).await else {
        return Finding::CannotTell;
    };
    let nonce = clock::nonce();
    let seal = Seal { now_ms: clock::now_ms(), nonce: &nonce, token: token.as_deref() };
    let sent = interline_core::adapter::Sent { message, recipient_id: message.to.id(), class };
    let Some(exchange) = adapter.lookup(&sent, &seal) else { return Finding::CannotTell };
    match provider.exchange("lookup", exchange.request, TIMEOUT).await {
        Ok(reply) => (exchange.read)(&reply).unwrap_or(Finding::CannotTell),
        Err(_) => Finding::CannotTell,
    }
}
