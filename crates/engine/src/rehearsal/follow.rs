//! What follows from a call in a rehearsal: the lanes' own judgement, and who has the message next.

use std::sync::Arc;

use interline_core::decide;
use interline_core::draw::{CallLimits, Waiting};
use interline_core::outcome::{Outcome, Status};

use super::stage::{MILLISECOND, Stage};
use crate::intake::forbidding;
use crate::lane::{After, Judgement, Ticket, too_late};

/// Chance is not played with: every pause is the longest.
const PAUSES: f64 = 1.0;

impl Stage {
    /// Decides what follows for one message of a call.
    pub(super) fn judge(
        &mut self,
        (index, class): (usize, &'static str),
        waiting: Waiting<Ticket>,
        outcome: Outcome,
    ) {
        let position = waiting.ticket.1;
        let lent = self.home(position) != index;
        let next = match &outcome {
            Outcome::Rejected(failure) if failure.retryable => self.elsewhere(position),
            Outcome::Accepted(_) | Outcome::Rejected(_) | Outcome::Unknown(_) => None,
        };
        let now_ms = self.now_ms();
        let Some(desk) = self.desks.get(index) else { return };
        let judge = Judgement {
            now_ms,
            // Who gives no answer gives none to a question either.
            ask: None,
            provider: desk.name(),
            elsewhere: next.is_some() || lent,
            dedupe_window_ms: desk.adapter.profile().dedupe.window_ms(class),
            free: false,
            chance: PAUSES,
        };
        let Some((note, after)) = self.parcel.attempted(position, outcome, judge) else {
            self.over(index, &waiting);
            return;
        };
        if let Some(part) = self.part(position) {
            part.failure = note.failure;
        }
        match (after, next) {
            (After::Elsewhere, Some(next)) => self.move_on(index, waiting, next),
            (After::Elsewhere, None) => self.home_again(index, waiting),
            (After::Again(at_ms), _) => self.put_later(self.at(at_ms), index, waiting),
            (After::TooLate, _) => {
                self.settle(position, Status::Expired, too_late());
                self.over(index, &waiting);
            }
            (After::Final | After::Ask, _) => {
                let now = self.now;
                self.part(position).into_iter().for_each(|part| part.settled_at = now);
                self.over(index, &waiting);
            }
        }
    }

    /// Hands a message on to another desk. It keeps its place in the home desk's order.
    fn move_on(&mut self, from: usize, waiting: Waiting<Ticket>, (hop, to): (usize, usize)) {
        let position = waiting.ticket.1;
        if self.home(position) == from {
            self.part(position).into_iter().for_each(|part| part.lent = Some(waiting.clone()));
        } else if let Some(desk) = self.desks.get_mut(from) {
            desk.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
        }
        self.goes_to(position, hop, to);
        self.queue(to, position);
    }

    /// Nobody else could take it: the home desk tries again, after a pause.
    fn home_again(&mut self, from: usize, waiting: Waiting<Ticket>) {
        let position = waiting.ticket.1;
        let home = self.home(position);
        if let Some(desk) = self.desks.get_mut(from).filter(|_| home != from) {
            desk.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
        }
        self.goes_to(position, 0, home);
        let tries = self.entry(position).map_or(0, |entry| entry.tries);
        let pause = decide::backoff_ms(tries + 1, PAUSES).saturating_mul(MILLISECOND);
        let at_home = self.part(position).and_then(|part| part.lent.take()).unwrap_or(waiting);
        self.put_later(self.now.saturating_add(pause), home, at_home);
    }

    fn goes_to(&mut self, position: u16, hop: usize, to: usize) {
        let Some(entry) = self.parcel.entries.get_mut(usize::from(position)) else { return };
        entry.hop = hop;
        if !entry.prior_unknown {
            entry.first_sent_ms = 0;
        }
        if let Some(desk) = self.desks.get(to) {
            let checked = desk.provider.check(&*desk.adapter, &entry.message, entry.results);
            if let Ok(checked) = checked {
                (entry.mapped, entry.losses) = checked;
            }
        }
    }

    /// A drawn message is settled: what comes after it for its recipient may go.
    pub(super) fn over(&mut self, index: usize, waiting: &Waiting<Ticket>) {
        let position = waiting.ticket.1;
        let (home, lent) = (self.home(position), self.part(position).and_then(|part| part.lent.take()));
        let of_home = lent.filter(|_| home != index);
        for (at, waiting) in [(index, Some(waiting)), (home, of_home.as_ref())] {
            if let (Some(desk), Some(waiting)) = (self.desks.get_mut(at), waiting) {
                desk.drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            }
        }
    }

    /// Who may take the message instead: the next of its providers that is up and can express it.
    fn elsewhere(&self, position: u16) -> Option<(usize, usize)> {
        let entry = self.parcel.entries.get(usize::from(position))?;
        let home = self.parts.get(usize::from(position))?.home;
        let unseen = entry.pinned.is_none() && !entry.prior_unknown;
        let fallback = entry.fallback.as_ref().filter(|_| unseen)?;
        let now_ms = self.now_ms();
        let willing = |name: &Arc<str>| {
            let index = self.desks.iter().position(|desk| desk.name() == name)?;
            let desk = self.desks.get(index).filter(|desk| !desk.breaker.refuses(now_ms))?;
            let (_, losses) = desk.provider.check(&*desk.adapter, &entry.message, entry.results).ok()?;
            let whole = forbidding(&losses, entry.terms.on_loss, name).is_none();
            (index != home && whole).then_some(index)
        };
        let mut others = (1usize..).zip(fallback.iter()).skip(entry.hop);
        others.find_map(|(hop, name)| Some((hop, willing(name)?)))
    }

    /// While a breaker refuses, what has a fallback goes there; the rest is set aside.
    pub(super) fn divert(&mut self, index: usize, news: bool) {
        let now_ms = self.now_ms();
        let Some(desk) = self.desks.get_mut(index) else { return };
        let refuses = desk.breaker.refuses(now_ms);
        if news || !refuses {
            desk.put_back_aside();
        }
        if !refuses {
            return;
        }
        let mut drawn = Vec::new();
        let all = CallLimits { messages: usize::MAX, bytes: usize::MAX };
        for pace in &desk.paces {
            while let Some(more) = desk.drawer.draw(pace.class, all) {
                drawn.extend(more);
            }
        }
        let name = Arc::clone(desk.name());
        for waiting in drawn {
            let position = waiting.ticket.1;
            let lent = self.home(position) != index;
            let (seen, settled) = self
                .entry(position)
                .map_or((true, true), |entry| (entry.prior_unknown, entry.state.is_final()));
            match self.elsewhere(position) {
                _ if settled => self.over(index, &waiting),
                Some(next) => {
                    self.tried(position, &name);
                    self.move_on(index, waiting, next);
                }
                None if lent && !seen => self.home_again(index, waiting),
                None => {
                    if let Some(desk) = self.desks.get_mut(index) {
                        desk.aside.push(waiting);
                    }
                }
            }
        }
    }
}
