//! The gate that every call of a quota class passes: the lane reserves, the call itself says when it is
//! written. Both hold the lock for a moment only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::contract::{Contract, Limits, Load, Slot};

/// The contract of one class, shared by the lane and its calls.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    contract: Arc<Mutex<Contract>>,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        Self { contract: Arc::new(Mutex::new(Contract::new(limits))) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contract> {
        self.contract.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next slot for a call, if it is near enough; `waiting` messages could stand in it. A call that is
    /// written down first is reserved as much earlier as that takes (`early`).
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn open(&self, now: u64, waiting: usize, early: bool) -> Result<Opening<'_>, Duration> {
        let mut contract = self.lock();
        let (at, room) = contract.next(now, waiting as u64);
        let ahead = if early { contract.ahead() } else { 0 };
        let wait = at.saturating_sub(now.saturating_add(ahead));
        if wait > 0 {
            contract.awaited = true;
            return Err(Duration::from_nanos(wait));
        }
        let messages = usize::try_from(room).unwrap_or(usize::MAX);
        Ok(Opening { gate: self, contract, now, at, messages, recipients: Vec::new() })
    }
}

/// A slot that can be taken; nobody else takes one meanwhile.
#[derive(Debug)]
pub(crate) struct Opening<'g> {
    gate: &'g Gate,
    contract: MutexGuard<'g, Contract>,
    now: u64,
    at: u64,
    /// Most messages that the contract has room for.
    pub(crate) messages: usize,
    recipients: Vec<(u64, u64)>,
}

impl Opening<'_> {
    /// Whether recipients have a pace of their own.
    pub(crate) fn paces_recipients(&self) -> bool {
        self.contract.paces_recipients()
    }

    /// Counts a message of the call for its recipient.
    ///
    /// # Errors
    /// How long from now on the recipient may not get it.
    pub(crate) fn recipient(&mut self, recipient: u64) -> Result<(), Duration> {
        let known = self.recipients.iter().position(|(known, _)| *known == recipient);
        let before = known.and_then(|known| self.recipients.get(known)).map_or(0, |(_, count)| *count);
        let opens = self.contract.recipient(recipient, before + 1, self.now);
        if opens > self.at {
            return Err(Duration::from_nanos(opens.saturating_sub(self.now)));
        }
        match known.and_then(|known| self.recipients.get_mut(known)) {
            Some((_, count)) => *count += 1,
            None => self.recipients.push((recipient, 1)),
        }
        Ok(())
    }

    /// Takes the slot for a call of so many messages.
    pub(crate) fn take(mut self, messages: usize) -> Permit {
        let load = Load { messages: messages as u64, recipients: std::mem::take(&mut self.recipients) };
        let slot = self.contract.take(self.at, &load, self.now);
        Permit { gate: self.gate.clone(), load, hold: Hold::Slot(slot) }
    }
}

/// What a call needs to leave. One that is dropped unwritten is given back.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Gate,
    load: Load,
    hold: Hold,
}

/// What a permit has of its gate.
#[derive(Debug, Clone, Copy)]
enum Hold {
    /// A slot.
    Slot(Slot),
    /// The call was written at this time.
    Written(u64),
    /// Nothing any more.
    Nothing,
}

/// Why a call does not leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotYet {
    /// Its slot comes after this time.
    Wait(Duration),
    /// It has no slot: what was true when it was drawn is not any more, it has to be drawn again.
    Gone,
}

/// How a call that was written ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an answer.
    Answered,
    /// With none in time.
    TimedOut,
    /// Otherwise.
    Lost,
}

impl Permit {
    /// Says that the call is written now, if it may be. A slot that was missed, or that a penalty took, is
    /// reserved again.
    ///
    /// # Errors
    /// It must not be written now.
    pub(crate) fn leave(&mut self, now: u64) -> Result<(), NotYet> {
        let Hold::Slot(mut slot) = self.hold else { return Err(NotYet::Gone) };
        let mut contract = self.gate.lock();
        if contract.refuses(slot, now) {
            contract.give_back(slot, &self.load);
            self.hold = Hold::Nothing;
            let at = contract.again(now, &self.load).ok_or(NotYet::Gone)?;
            slot = contract.take(at, &self.load, now);
            self.hold = Hold::Slot(slot);
        }
        if slot.at > now {
            return Err(NotYet::Wait(Duration::from_nanos(slot.at - now)));
        }
        contract.written(slot, &self.load, now);
        self.hold = Hold::Written(now);
        Ok(())
    }

    /// Says how long it took to write the call down beforehand.
    pub(crate) fn prepared(&self, took: Duration) {
        self.gate.lock().prepared(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Says how the call ended.
    pub(crate) fn over(&self, now: u64, ending: Ending) {
        if let Hold::Written(written) = self.hold {
            self.gate.lock().over(written, &self.load, now, ending);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Hold::Slot(slot) = self.hold {
            self.gate.lock().give_back(slot, &self.load);
        }
    }
}
