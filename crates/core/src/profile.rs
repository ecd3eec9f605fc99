//! What one dialect of a vendor can do. Everything here is shown in plans and capability tables and
//! decides planning; the limits are defaults that a provider's configuration may change.

use std::time::Duration;

use serde::Serialize;

use crate::recipient::RecipientKind;

/// What a dialect can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// The vendor.
    pub vendor: &'static str,
    /// The dialect.
    pub dialect: &'static str,
    /// Kinds of recipients it can reach.
    pub recipients: &'static [RecipientKind],
    /// Content types it sends without loss.
    pub contents: &'static [&'static str],
    /// Quota classes with their default limits.
    pub classes: Vec<QuotaClass>,
    /// What `accepted` is worth.
    pub accepted_means: &'static str,
    /// Whether it recognises a repeated message.
    pub dedupe: Dedupe,
    /// Whether an unknown can be looked up.
    pub lookup: bool,
    /// Calls under way at once, by default.
    pub in_flight: usize,
    /// How long a call may take, by default.
    #[serde(rename = "timeout_ms", serialize_with = "milliseconds")]
    pub timeout: Duration,
}

impl Profile {
    /// The class of that name.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&QuotaClass> {
        self.classes.iter().find(|class| class.name == name)
    }
}

/// A vendor's own unit of rate limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuotaClass {
    /// The name in configuration, plans and metrics.
    pub name: &'static str,
    /// Calls in a period; none is unlimited.
    pub calls: Option<Rate>,
    /// Messages in a period; none is unlimited.
    pub messages: Option<Rate>,
    /// Messages to one recipient in a period; none is unlimited.
    pub per_recipient: Option<Rate>,
    /// Most messages in one call.
    pub messages_per_call: usize,
    /// Whether the server works off the messages of a call one after the other: calls are then kept so
    /// small that they end well before their timeout (see [`crate::budget`]).
    pub serial: bool,
}

/// So many in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// How many; never 0.
    pub count: u32,
    /// In how long, in milliseconds.
    #[serde(rename = "per_ms", serialize_with = "milliseconds")]
    pub per: Duration,
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl Rate {
    /// So many a second.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self { count, per: Duration::from_secs(1) }
    }

    /// So many a minute.
    #[must_use]
    pub const fn per_minute(count: u32) -> Self {
        Self { count, per: Duration::from_secs(60) }
    }

    /// The time that one takes.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        self.per.checked_div(self.count).unwrap_or(self.per)
    }
}

/// Whether a vendor recognises a message that is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dedupe {
    /// Never: a repeat is a second message.
    Never,
    /// For these quota classes, inside a window.
    Within {
        /// The quota classes whose calls are recognised.
        classes: &'static [&'static str],
        /// How long after the first attempt, in milliseconds.
        window_ms: u64,
        /// What is known of it and how well.
        evidence: &'static str,
    },
}

impl Dedupe {
    /// The window for calls of one class, in milliseconds; 0 is none.
    #[must_use]
    pub fn window_ms(&self, class: &str) -> u64 {
        match self {
            Self::Within { classes, window_ms, .. } if classes.contains(&class) => *window_ms,
            Self::Within { .. } | Self::Never => 0,
        }
    }
}
