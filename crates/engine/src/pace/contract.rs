//! What a vendor allows for one quota class, and how much of it is used: pure, the time is an argument
//! in nanoseconds of a clock that never goes back.
//!
//! Two things hold together. Calls are spaced evenly, a little wider than the contract. And every call is
//! counted in windows that slide, from before it can be written until a period after the vendor can have
//! got it, so that no window holds more than the contract, however late or jerkily calls leave or arrive.

use interline_core::budget::Tempo;
use interline_core::profile::Rate;

use super::gate::Ending;
use super::recipients::Recipients;
use super::spacing::Spacing;
use super::window::Window;

/// Calls are spaced wider than the contract by so many thousandths, and windows last longer by half of it:
/// calls do not all take the same time to a vendor.
const HEADROOM: u64 = 15;
/// A slot that was missed by more is reserved again, nanoseconds.
const TOLERANCE: u64 = 50_000_000;
/// A call that took longer than others may have arrived later than others: it counts from then on, but
/// from no later than this part of a period after it was written.
const LATEST: u64 = 2;
/// Calls are reserved ahead by no more than this, nanoseconds.
const LONGEST_AHEAD: u64 = 500_000_000;
/// While messages are short, a call waits for this part of their contract: fewer and larger calls.
const LEAST_PART: u64 = 128;

/// The rates of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) calls: Option<Rate>,
    pub(super) messages: Option<Rate>,
    pub(super) per_recipient: Option<Rate>,
}

/// What a call takes of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) messages: u64,
    /// Recipients with a pace of their own, and how many messages each gets.
    pub(super) recipients: Vec<(u64, u64)>,
}

/// When a call may leave: not before the one, and not after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) at: u64,
    pub(super) by: u64,
}

/// A contract and its use.
#[derive(Debug)]
pub(super) struct Contract {
    limits: Limits,
    spacing: Option<Spacing>,
    calls: Option<Window>,
    messages: Option<Window>,
    recipients: Option<Recipients>,
    /// Until when the vendor's penalty lasts.
    pub(super) frozen_until: u64,
    /// The latest slot; none lies before it.
    latest: u64,
    /// Whether somebody waits for the next slot since before it was due.
    pub(super) awaited: bool,
    /// How long calls took to be written down: a mean, and the mean distance from it.
    prepared: (u64, u64),
    /// How long calls take there and back at least, mostly; 0 is not known yet.
    trip: u64,
    /// What a message costs where the server works them off one after the other.
    pub(super) tempo: Tempo,
}

impl Contract {
    /// A contract that nothing was used of.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            spacing: limits.calls.map(|rate| Spacing::new(step(rate))),
            calls: limits.calls.map(|rate| Window::new(u64::from(rate.count), period(rate))),
            messages: limits.messages.map(|rate| Window::new(u64::from(rate.count), period(rate))),
            recipients: limits.per_recipient.map(|rate| Recipients::new(u64::from(rate.count), period(rate))),
            frozen_until: 0,
            latest: 0,
            awaited: false,
            prepared: (0, 0),
            trip: 0,
            tempo: Tempo::default(),
        }
    }

    /// Goes on under other limits. A quota that changed starts drained: what is remembered of its use goes on
    /// counting, what is not counts as an even use of the new contract, and the first call leaves after one
    /// spacing.
    pub(super) fn change(&mut self, limits: Limits, now: u64) {
        let before = self.limits;
        self.limits = limits;
        let following = |window: &mut Option<Window>, rate: Option<Rate>| {
            let before = window.take();
            *window = rate.map(|rate| Window::following(before, u64::from(rate.count), period(rate), now));
        };
        if limits.calls != before.calls {
            following(&mut self.calls, limits.calls);
            self.spacing = limits.calls.map(|rate| {
                let mut spacing = Spacing::new(step(rate));
                spacing.take(now);
                spacing
            });
        }
        if limits.messages != before.messages {
            following(&mut self.messages, limits.messages);
        }
        if limits.per_recipient != before.per_recipient {
            let known = self.recipients.take();
            self.recipients = limits
                .per_recipient
                .map(|rate| Recipients::following(known, u64::from(rate.count), period(rate), now));
        }
    }

    /// The next slot, and how many messages its call may hold. `waiting` messages wait for it.
    pub(super) fn next(&mut self, now: u64, waiting: u64) -> (u64, u64) {
        let wanted =
            self.messages.as_ref().map_or(waiting, |window| waiting.min((window.most() / LEAST_PART).max(1)));
        self.from(now, wanted)
    }

    fn from(&mut self, now: u64, wanted: u64) -> (u64, u64) {
        let mut open = self.frozen_until.max(self.latest);
        for (window, wanted) in [(&mut self.calls, 1), (&mut self.messages, wanted)] {
            if let Some(window) = window {
                window.forget(now);
                open = open.max(window.opening(wanted));
            }
        }
        let at = self.spacing.as_ref().map_or(now, |spacing| spacing.next(now, self.awaited)).max(open);
        let room = self.messages.as_ref().map_or(u64::MAX, |window| window.room(at));
        (at, room)
    }

    /// The next slot for a call that missed its own, or that a penalty holds back; none when a recipient
    /// would hold it up.
    pub(super) fn again(&mut self, now: u64, load: &Load) -> Option<u64> {
        let (at, _) = self.from(now, load.messages);
        let held =
            load.recipients.iter().any(|(recipient, count)| self.recipient(*recipient, *count, now) > at);
        (!held).then_some(at)
    }

    /// From when on a recipient may get so many messages.
    pub(super) fn recipient(&mut self, recipient: u64, count: u64, now: u64) -> u64 {
        self.recipients.as_mut().map_or(0, |recipients| recipients.opening(recipient, count, now))
    }

    /// Whether recipients have a pace of their own.
    pub(super) const fn paces_recipients(&self) -> bool {
        self.recipients.is_some()
    }

    /// Takes a slot. Until it is known when the call was written, it counts as written as late as can be.
    pub(super) fn take(&mut self, at: u64, load: &Load, now: u64) -> Slot {
        if let Some(spacing) = &mut self.spacing {
            spacing.take(at);
        }
        self.latest = self.latest.max(at);
        // Who is late for this one is late for the next one too, if that is due.
        self.awaited &= at < now;
        let slot = Slot { at, by: at.max(now).saturating_add(TOLERANCE) };
        self.count(slot.by, load, now);
        slot
    }

    /// Whether a slot is no longer good: missed, or within a penalty.
    pub(super) const fn refuses(&self, slot: Slot, now: u64) -> bool {
        now > slot.by || (self.frozen_until > slot.at && self.frozen_until > now)
    }

    /// The call of a slot is written now.
    pub(super) fn written(&mut self, slot: Slot, load: &Load, now: u64) {
        self.uncount(slot.by, load);
        self.count(now, load, now);
    }

    /// The call of a slot is not written.
    pub(super) fn give_back(&mut self, slot: Slot, load: &Load) {
        if let Some(spacing) = &mut self.spacing {
            spacing.give_back(slot.at);
        }
        self.uncount(slot.by, load);
    }

    /// A call that was written at a time is over now. What took longer than usual may have arrived later
    /// than usual, and what was not answered at any time.
    pub(super) fn over(&mut self, written: u64, load: &Load, now: u64, ending: Ending) {
        let took = now.saturating_sub(written);
        if ending == Ending::Answered {
            self.trip = match self.trip {
                0 => took,
                trip if took < trip => trip - (trip - took) / 8,
                // Many that are held up at once must not look usual.
                trip => trip + ((took - trip) / 128).min(trip / 256 + 1_000),
            };
        }
        if ending != Ending::Lost {
            let messages = usize::try_from(load.messages).unwrap_or(usize::MAX);
            self.tempo.heard(messages, u32::try_from(took / 1_000_000).unwrap_or(u32::MAX));
        }
        self.late(
            written,
            load,
            if ending == Ending::Answered { took.saturating_sub(self.trip) } else { took },
        );
    }

    fn late(&mut self, written: u64, load: &Load, late: u64) {
        if late == 0 {
            return;
        }
        for (window, count) in [(&mut self.calls, 1), (&mut self.messages, load.messages)] {
            if let Some(window) = window {
                let late = late.min(window.period() / LATEST);
                window.remove(written, count);
                window.add(written.saturating_add(late), count);
            }
        }
    }

    /// Writing a call down took so long.
    pub(super) fn prepared(&mut self, took: u64) {
        let took = took.min(2 * LONGEST_AHEAD);
        let (mean, spread) = self.prepared;
        self.prepared = match mean {
            0 => (took, took / 2),
            mean => (mean - mean / 8 + took / 8, spread - spread / 4 + took.abs_diff(mean) / 4),
        };
    }

    /// How long before its slot a call should be drawn that is written down first.
    pub(super) fn ahead(&self) -> u64 {
        let (mean, spread) = self.prepared;
        (mean + 2 * spread).min(LONGEST_AHEAD)
    }

    fn count(&mut self, at: u64, load: &Load, now: u64) {
        if let Some(window) = &mut self.calls {
            window.add(at, 1);
        }
        if let Some(window) = &mut self.messages {
            window.add(at, load.messages);
        }
        if let Some(recipients) = &mut self.recipients {
            for (recipient, count) in &load.recipients {
                recipients.add(*recipient, at, *count, now);
            }
        }
    }

    fn uncount(&mut self, at: u64, load: &Load) {
        if let Some(window) = &mut self.calls {
            window.remove(at, 1);
        }
        if let Some(window) = &mut self.messages {
            window.remove(at, load.messages);
        }
        if let Some(recipients) = &mut self.recipients {
            for (recipient, count) in &load.recipients {
                recipients.remove(*recipient, at, *count);
            }
        }
    }
}

fn nanos(rate: Rate) -> u64 {
    u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// The time from one call to the next.
fn step(rate: Rate) -> u64 {
    let nanos = u128::from(nanos(rate)) * 1000;
    let step = nanos.div_ceil(u128::from(rate.count.max(1)) * u128::from(1000 - HEADROOM));
    u64::try_from(step).unwrap_or(u64::MAX)
}

/// The time that a window looks back.
fn period(rate: Rate) -> u64 {
    let nanos = nanos(rate);
    nanos.saturating_add(nanos / 2000 * HEADROOM)
}
