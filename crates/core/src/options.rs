//! How a message is to be delivered: the canonical options that two or more vendors share, who sends,
//! and the vendors' own extensions (opaque here, typed by their adapters).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The caller's variables for templates, by name.
pub type Vars = BTreeMap<String, String>;

/// The caller's labels, by name.
pub type Labels = BTreeMap<String, String>;

/// Extensions by vendor; what stands inside is the adapter's.
pub type Extensions = BTreeMap<String, Map<String, Value>>;

/// Who a message is from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender {
    /// The vendor's user id.
    pub id: String,
    /// Shown name, where the vendor does not fill it in.
    pub name: Option<String>,
    /// Shown picture.
    pub avatar_url: Option<String>,
    /// The device kind that is simulated.
    pub platform: Option<Platform>,
}

impl Sender {
    /// A sender that is just an id.
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self { id: id.into(), name: None, avatar_url: None, platform: None }
    }
}

/// A device kind, by the number that OpenIM gives it; other numbers pass as `platform:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Platform(pub u16);

impl Platform {
    const NAMES: [(&'static str, u16); 9] = [
        ("ios", 1),
        ("android", 2),
        ("windows", 3),
        ("macos", 4),
        ("web", 5),
        ("mini_web", 6),
        ("linux", 7),
        ("android_pad", 8),
        ("ipad", 9),
    ];

    /// Reads `ios` … `ipad` or `platform:N`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((_, number)) = Self::NAMES.iter().find(|(name, _)| *name == text) {
            return Some(Self(*number));
        }
        text.strip_prefix("platform:")?.parse().ok().map(Self)
    }
}

/// Delivery options, resolved: the message's over the batch's over the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Options {
    /// Kept in the vendor's history.
    pub store: bool,
    /// Only for who is online now; implies no push.
    pub online_only: bool,
    /// Counts as unread.
    pub badge: bool,
    /// Shown in the sender's own chats.
    pub sync_sender: bool,
    /// The vendor's message lifetime; zero is none.
    pub ttl: Duration,
    /// How much is to be known of each message; none leaves it to the batch's size.
    pub results: Option<Results>,
    /// Interline's queue.
    pub priority: Priority,
    /// Only these members of a group or room.
    pub audience: Option<Vec<String>>,
    /// Offline push.
    pub push: Push,
}

/// Offline push of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Push {
    /// Whether offline devices are notified.
    pub enabled: bool,
    /// Title of the notification.
    pub title: Option<String>,
    /// Text of the notification.
    pub body: Option<String>,
    /// Sound name.
    pub sound: Option<String>,
    /// The app's own payload.
    pub ext: Option<String>,
    /// Whether the icon's badge counts up; none leaves it to the vendor.
    pub badge: Option<bool>,
}

impl Default for Push {
    fn default() -> Self {
        Self { enabled: true, title: None, body: None, sound: None, ext: None, badge: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            store: true,
            online_only: false,
            badge: true,
            sync_sender: false,
            ttl: Duration::ZERO,
            results: None,
            priority: Priority::Normal,
            audience: None,
            push: Push::default(),
        }
    }
}

impl Options {
    /// Whether a push is wanted: `online_only` implies none.
    #[must_use]
    pub const fn wants_push(&self) -> bool {
        self.push.enabled && !self.online_only
    }

    /// Whether the vendor should keep the message: `online_only` implies not.
    #[must_use]
    pub const fn wants_store(&self) -> bool {
        self.store && !self.online_only
    }
}

/// What is to be known of each message where a vendor's batch call answers only for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Results {
    /// Ids, reasons and lookups: single calls where needed.
    Each,
    /// The largest call.
    Fast,
}

/// Order in Interline's queue; vendors' own priorities are extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name says it")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

/// What may follow an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Never sent again unless surely not sent before.
    #[default]
    AtMostOnce,
    /// Sent again within the budget; the result says that it may be a duplicate.
    AtLeastOnce,
}

/// What happens when a provider cannot express something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLoss {
    /// Sends and lists the losses.
    #[default]
    Degrade,
    /// Refuses the message before anything is sent.
    Reject,
}

/// What one bad message does to its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// The batch is refused, nothing is stored.
    #[default]
    Strict,
    /// The good ones are taken, the bad ones come back as rejected.
    Permissive,
}
