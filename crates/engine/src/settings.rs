//! What the engine is told: providers with their limits, routes, and the defaults of delivery. All of
//! it was checked by whoever read the configuration; secrets stand resolved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{Settings, Vendor};
use interline_core::ids::Ids;
use interline_core::options::{Guarantee, OnLoss};
use interline_core::profile::Rate;
use interline_core::route::Routes;

use crate::callback::CallbackSettings;
use crate::migration::MigrationSettings;

/// Everything the engine is told.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The accounts at vendors.
    pub providers: Vec<ProviderSettings>,
    /// Who goes where.
    pub routes: Routes,
    /// What moves from one provider to another.
    pub migrations: Vec<MigrationSettings>,
    /// Defaults that a batch may override.
    pub delivery: Delivery,
    /// All vendors, for the names that extensions may have.
    pub vendors: Vec<&'static Vendor>,
    /// Most messages of one batch.
    pub max_batch_messages: u64,
    /// Who is told of batches, and how.
    pub callbacks: CallbackSettings,
}

/// Defaults of delivery.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// What may follow an unknown.
    pub guarantee: Guarantee,
    /// What happens with losses.
    pub on_loss: OnLoss,
    /// Most attempts of a message, over retries together.
    pub attempts: u32,
    /// How long a message is tried, from its acceptance or its `send_at`.
    pub deadline: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            guarantee: Guarantee::AtMostOnce,
            on_loss: OnLoss::Degrade,
            attempts: 6,
            deadline: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// One account at a vendor.
#[derive(Clone)]
pub struct ProviderSettings {
    /// Its name in routes and results.
    pub name: Arc<str>,
    /// The vendor.
    pub vendor: &'static Vendor,
    /// Where its server is, without a trailing slash.
    pub base_url: String,
    /// The dialect; none is `auto`.
    pub dialect: Option<String>,
    /// The vendor's own settings, secrets resolved.
    pub settings: Settings,
    /// Calls under way at once; none is the vendor's default.
    pub in_flight: Option<usize>,
    /// How long a call may take; none is the vendor's default.
    pub timeout: Option<Duration>,
    /// Limits by quota class; what is none comes from the vendor's profile.
    pub limits: BTreeMap<String, ClassLimits>,
    /// How ids of apps become ids there.
    pub ids: Ids,
}

impl ProviderSettings {
    /// Whether everything is the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.is_at(other)
            && self.dialect == other.dialect
            && self.settings == other.settings
            && self.in_flight == other.in_flight
            && self.timeout == other.timeout
            && self.limits == other.limits
            && self.ids == other.ids
    }

    /// Whether it is the same server of the same vendor.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.vendor.name == other.vendor.name && self.base_url == other.base_url
    }

    /// Whether it is the same account there: all of the vendor's keys are the same, but for who sends where a
    /// message names nobody.
    pub(crate) fn is_account(&self, other: &Self) -> bool {
        let own = |settings: &Settings| {
            let mut settings = settings.clone();
            settings.remove("default_sender");
            settings
        };
        self.is_at(other) && own(&self.settings) == own(&other.settings)
    }
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSettings")
            .field("name", &self.name)
            .field("vendor", &self.vendor.name)
            .field("base_url", &self.base_url)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// The limits of one quota class, where they differ from the profile's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassLimits {
    /// Calls in a period.
    pub calls: Option<Rate>,
    /// Messages in a period.
    pub messages: Option<Rate>,
    /// Messages to one recipient in a period.
    pub per_recipient: Option<Rate>,
    /// Most messages in one call.
    pub messages_per_call: Option<usize>,
}
