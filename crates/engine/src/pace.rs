//! The limits of one quota class: calls and messages per period, messages per recipient, and the
//! vendor's penalties. Spacing is even (burst 1), so that no window ever holds more than the contract.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use interline_core::profile::{QuotaClass, Rate};

use crate::settings::ClassLimits;

/// Recipients whose pace is remembered; the idle ones are forgotten when there are more.
const RECIPIENTS: usize = 10_000;

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
    call_limiter: Option<DefaultDirectRateLimiter>,
    permit: bool,
    message_limiter: Option<DefaultDirectRateLimiter>,
    per_recipient: Option<Rate>,
    /// When each recipient got its latest messages, Unix milliseconds.
    latest: HashMap<u64, VecDeque<i64>>,
    clock: DefaultClock,
}

impl Pace {
    /// The profile's limits where the settings say nothing.
    pub(crate) fn new(class: &QuotaClass, own: ClassLimits) -> Self {
        let calls = own.calls.or(class.calls);
        let messages = own.messages.or(class.messages);
        let messages_per_call = own.messages_per_call.unwrap_or(class.messages_per_call).max(1);
        let burst =
            u32::try_from(messages_per_call).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        Self {
            class: class.name,
            messages_per_call,
            calls,
            messages,
            frozen_until_ms: 0,
            call_limiter: calls.and_then(|rate| limiter(rate, NonZeroU32::MIN)),
            permit: false,
            message_limiter: messages.and_then(|rate| limiter(rate, burst)),
            per_recipient: own.per_recipient.or(class.per_recipient),
            latest: HashMap::new(),
            clock: DefaultClock::default(),
        }
    }

    /// Takes over what the class has used so far: a limit outlives the dialect it was learnt for.
    pub(crate) fn adopt(&mut self, before: Self) {
        if (before.calls, before.messages) == (self.calls, self.messages) {
            self.call_limiter = before.call_limiter;
            self.message_limiter = before.message_limiter;
            self.permit = before.permit;
        }
        self.frozen_until_ms = before.frozen_until_ms;
        self.latest = before.latest;
    }

    /// Keeps a permit for one call ready.
    ///
    /// # Errors
    /// How long to wait for it.
    pub(crate) fn ready(&mut self, now_ms: i64) -> Result<(), Duration> {
        if self.frozen_until_ms > now_ms {
            return Err(Duration::from_millis(
                u64::try_from(self.frozen_until_ms - now_ms).unwrap_or_default(),
            ));
        }
        if !self.permit
            && let Some(limiter) = &self.call_limiter
        {
            limiter.check().map_err(|early| early.wait_time_from(self.clock.now()))?;
        }
        self.permit = true;
        Ok(())
    }

    /// Takes the permit for a call of so many messages.
    ///
    /// # Errors
    /// How long to wait, where the messages' own limit is reached.
    pub(crate) fn take(&mut self, messages: usize) -> Result<(), Duration> {
        let count = u32::try_from(messages).ok().and_then(NonZeroU32::new);
        if let (Some(limiter), Some(count)) = (&self.message_limiter, count) {
            match limiter.check_n(count) {
                Ok(Ok(())) => {}
                Ok(Err(early)) => return Err(early.wait_time_from(self.clock.now())),
                // A single call above the burst cannot be held back by weight; the call limit still holds.
                Err(_) => {}
            }
        }
        self.permit = false;
        Ok(())
    }

    /// Whether recipients have a pace of their own.
    pub(crate) const fn paces_recipients(&self) -> bool {
        self.per_recipient.is_some()
    }

    /// When the recipient may get a message, Unix milliseconds; counts the message if that is now.
    pub(crate) fn recipient(&mut self, recipient: u64, now_ms: i64) -> Result<(), i64> {
        let Some(rate) = self.per_recipient else { return Ok(()) };
        let period = i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX);
        if self.latest.len() > RECIPIENTS {
            self.latest.retain(|_, latest| latest.back().is_some_and(|last| last + period > now_ms));
        }
        // The vendor counts within a period: its whole count may come at once, and no more in any period.
        let latest = self.latest.entry(recipient).or_default();
        while latest.front().is_some_and(|first| first + period <= now_ms) {
            latest.pop_front();
        }
        if let Some(first) = latest.front()
            && latest.len() >= rate.count.max(1) as usize
        {
            return Err(first + period);
        }
        latest.push_back(now_ms);
        Ok(())
    }

    /// Follows a wall clock that jumped.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.frozen_until_ms = self.frozen_until_ms.saturating_add(by_ms);
        for at in self.latest.values_mut().flatten() {
            *at = at.saturating_add(by_ms);
        }
    }

    /// Makes no call for so long.
    pub(crate) fn freeze(&mut self, now_ms: i64, pause: Duration) {
        let until = now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        self.frozen_until_ms = self.frozen_until_ms.max(until);
    }
}

fn limiter(rate: Rate, burst: NonZeroU32) -> Option<DefaultDirectRateLimiter> {
    Quota::with_period(rate.spacing()).map(|quota| RateLimiter::direct(quota.allow_burst(burst)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(per_recipient: Option<Rate>) -> QuotaClass {
        QuotaClass {
            name: "room",
            calls: Some(Rate::per_minute(2)),
            messages: None,
            per_recipient,
            messages_per_call: 10,
            serial: false,
        }
    }

    #[test]
    fn the_second_call_waits_its_spacing() {
        let mut pace = Pace::new(&class(None), ClassLimits::default());
        assert_eq!((pace.ready(0), pace.ready(0)), (Ok(()), Ok(())), "a permit is kept until it is taken");
        pace.take(10).unwrap();
        let wait = pace.ready(0).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(30), "{wait:?}");
    }

    #[test]
    fn a_penalty_stops_the_class() {
        let mut pace = Pace::new(&class(None), ClassLimits::default());
        pace.freeze(1_000, Duration::from_secs(10));
        assert_eq!(pace.ready(1_000), Err(Duration::from_secs(10)));
        assert_eq!(pace.ready(11_000), Ok(()));
    }

    #[test]
    fn a_recipient_never_gets_more_than_its_rate_in_any_second() {
        let mut pace = Pace::new(&class(Some(Rate::per_second(20))), ClassLimits::default());
        let mut sent = Vec::new();
        for now_ms in 0..5_000 {
            while pace.recipient(7, now_ms).is_ok() {
                sent.push(now_ms);
            }
        }
        for window in 0..4_000 {
            let inside = sent.iter().filter(|at| (window..window + 1_000).contains(*at)).count();
            assert!(inside <= 20, "{inside} within a second from {window}");
        }
        let steady = sent.iter().filter(|at| (2_000..4_000).contains(*at)).count();
        assert_eq!(steady, 40, "no more, and no less either");
    }
}
