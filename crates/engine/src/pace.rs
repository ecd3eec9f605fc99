//! The limits of one quota class: calls and messages per period, messages per recipient, and the
//! vendor's penalties. A call takes a [`Permit`] at the [`Gate`] when it is drawn and shows it again when
//! it is written; in between it may be written down, and wait for its slot.

mod contract;
mod gate;
mod recipients;
mod spacing;
#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

use contract::Limits;
use interline_core::profile::{QuotaClass, Rate};

pub(crate) use gate::{Ending, Gate, NotYet, Opening, Permit};

use crate::clock;
use crate::settings::ClassLimits;

/// The limits in force for one quota class.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Its name.
    pub(crate) class: &'static str,
    /// Most messages in one call.
    pub(crate) messages_per_call: usize,
    /// Calls in a period.
    pub(crate) calls: Option<Rate>,
    /// Messages in a period.
    pub(crate) messages: Option<Rate>,
    /// Until when the vendor's penalty lasts, Unix milliseconds.
    pub(crate) frozen_until_ms: i64,
    /// Where its calls get their permits.
    pub(crate) gate: Gate,
    limits: Limits,
    serial: bool,
}

impl Pace {
    /// The profile's limits where the settings say nothing.
    pub(crate) fn new(class: &QuotaClass, own: ClassLimits) -> Self {
        let calls = own.calls.or(class.calls);
        let messages = own.messages.or(class.messages);
        let limits = Limits { calls, messages, per_recipient: own.per_recipient.or(class.per_recipient) };
        Self {
            class: class.name,
            messages_per_call: own.messages_per_call.unwrap_or(class.messages_per_call).max(1),
            calls,
            messages,
            frozen_until_ms: 0,
            gate: Gate::new(limits),
            limits,
            serial: class.serial,
        }
    }

    /// Most messages in the next call, by the server's tempo where it works them off one after the other.
    pub(crate) fn size(&self, timeout: Duration) -> usize {
        if !self.serial {
            return self.messages_per_call;
        }
        self.messages_per_call.min(self.gate.lock().tempo.most_messages(timeout))
    }

    /// Takes over what the class has used so far: a limit outlives the dialect and the configuration that it
    /// was learnt from. Calls under way keep their permits.
    pub(crate) fn adopt(&mut self, before: Self) {
        before.gate.lock().change(self.limits, clock::ticks());
        self.gate = before.gate;
        self.frozen_until_ms = before.frozen_until_ms;
    }

    /// Makes no call for so long.
    pub(crate) fn freeze(&mut self, now_ms: i64, pause: Duration) {
        let until = now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        self.frozen_until_ms = self.frozen_until_ms.max(until);
        let pause = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        let mut contract = self.gate.lock();
        contract.frozen_until = contract.frozen_until.max(clock::ticks().saturating_add(pause));
    }

    /// Follows a wall clock that jumped; what is counted is counted by a clock that does not.
    pub(crate) const fn shift(&mut self, by_ms: i64) {
        self.frozen_until_ms = self.frozen_until_ms.saturating_add(by_ms);
    }
}
