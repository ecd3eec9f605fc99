//! One provider in a rehearsal: what a lane has of it, without its task, its ledger and its connections.

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::Adapter;
use interline_core::breaker::{Breaker, BreakerSettings};
use interline_core::draw::{Drawer, Waiting};
use interline_core::error::{ErrorCode, Failure};
use interline_core::outcome::{Outcome, Receipt};

use super::Fault;
use crate::lane::{CALL_SLACK, Ticket};
use crate::pace::{Ending, Pace};
use crate::provider::Provider;

/// A provider's queue, limits and breaker.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) provider: Arc<Provider>,
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) fault: Option<Fault>,
    pub(super) drawer: Drawer<Ticket>,
    pub(super) paces: Vec<Pace>,
    pub(super) breaker: Breaker,
    pub(super) in_flight: usize,
    /// What waits for the breaker, because nobody else can take it now.
    pub(super) aside: Vec<Waiting<Ticket>>,
    /// The class that is served first next time.
    turn: usize,
}

impl Desk {
    /// A provider that nothing happened to yet.
    pub(super) fn new(provider: Arc<Provider>, fault: Option<Fault>) -> Self {
        let adapter = provider.assumed();
        let call_timeout_ms = provider.timeout().saturating_add(CALL_SLACK).as_millis();
        let settings = BreakerSettings {
            call_timeout_ms: i64::try_from(call_timeout_ms).unwrap_or(i64::MAX),
            ..BreakerSettings::default()
        };
        let paces = provider.paces(adapter.profile());
        Self {
            provider,
            adapter,
            fault,
            drawer: Drawer::default(),
            paces,
            breaker: Breaker::new(settings),
            in_flight: 0,
            aside: Vec::new(),
            turn: 0,
        }
    }

    /// The provider's name.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.provider.settings.name
    }

    /// The class whose turn it is among those that do not rest.
    pub(super) fn next_class(&mut self, resting: &[bool]) -> Option<usize> {
        let count = resting.len();
        let turn = (0..count).map(|after| (self.turn + after) % count);
        let index = turn.into_iter().find(|index| resting.get(*index) == Some(&false))?;
        self.turn = (index + 1) % count;
        Some(index)
    }

    /// What was set aside waits in the drawer again, in its order.
    pub(super) fn put_back_aside(&mut self) {
        for waiting in std::mem::take(&mut self.aside).into_iter().rev() {
            self.drawer.put_back(waiting);
        }
    }

    /// Whether anything waits here.
    pub(super) fn has_work(&self) -> bool {
        !self.drawer.is_empty() || !self.aside.is_empty()
    }

    /// How a call ends for each of its messages, and after how long.
    pub(super) fn ending(&self, answers_in: Duration) -> (Outcome, Ending, Duration) {
        match self.fault {
            None => (Outcome::Accepted(Receipt::default()), Ending::Answered, answers_in),
            Some(Fault::Down) => {
                let detail = "the server refused the connection";
                let failure = Failure::not_sent(ErrorCode::VendorUnavailable, detail);
                (Outcome::Rejected(failure), Ending::Lost, Duration::ZERO)
            }
            Some(Fault::Silent) => {
                let failure = Failure::unknown(ErrorCode::Timeout, "no answer came in time");
                (Outcome::Unknown(failure), Ending::TimedOut, self.provider.timeout())
            }
            Some(Fault::Busy) => {
                let detail = "the vendor takes nothing for now";
                let failure = Failure::refused(ErrorCode::RateLimited, detail).for_now();
                (Outcome::Rejected(failure), Ending::Answered, answers_in)
            }
        }
    }
}
