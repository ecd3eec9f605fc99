//! What callbacks are told: secrets by app, which private places may be asked, how often and how long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Everything that callbacks are told.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// What each app's callbacks are signed with; an app without has none. A callback carries one signature a
    /// secret, so that receivers can change theirs at leisure.
    pub secrets: BTreeMap<Arc<str>, Vec<Secret>>,
    /// Addresses that may be asked although they are nobody's on the internet.
    pub allow_private: Vec<IpNet>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The pauses between the attempts of one event. After the last it is given up.
    pub retries: Vec<Duration>,
    /// How long a receiver may only fail before it is told nothing more.
    pub disable_after: Duration,
}

impl Default for CallbackSettings {
    fn default() -> Self {
        let pauses = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 6 * HOUR];
        Self {
            secrets: BTreeMap::new(),
            allow_private: Vec::new(),
            timeout: Duration::from_secs(15),
            retries: pauses.map(Duration::from_secs).to_vec(),
            disable_after: Duration::from_secs(3 * 24 * HOUR),
        }
    }
}

/// What callbacks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads a secret: `whsec_` and base64, as the Standard Webhooks specification writes them, or plain text.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let Some(coded) = text.strip_prefix("whsec_") else {
            return Ok(Self(text.as_bytes().to_vec()));
        };
        match BASE64_STANDARD.decode(coded) {
            Ok(bytes) if bytes.is_empty() => Err("holds nothing behind whsec_"),
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err("begins with whsec_, and what follows is no base64"),
        }
    }

    /// The bytes that sign.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is too short to be hard to guess.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.0.len() < 24
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
