//! NetEase IM (Yunxin in China, CommsEase elsewhere), server API v1: chat rooms in batches of ten,
//! one content to 500 users, single messages to users and teams, and broadcasts to everyone.
//!
//! The README is the vendor sheet: endpoints, codes, what is lost and where each vendor field lives.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod check;
mod codes;
mod content;
mod decode;
mod delivery;
mod encode;
mod extensions;
mod facade;
mod form;
mod limits;
mod route;
mod schema;
mod settings;
mod sign;
mod slot;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{
    Adapter, Call, Header, Loss, Reply, Request, Seal, Settings, Slot, Vendor, Verdict,
};
use interline_core::error::{Error, FieldError, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::{Dedupe, Profile, QuotaClass, Rate};
use interline_core::recipient::RecipientKind;

pub use crate::facade::FACADE;
use crate::limits::{ROOM_MESSAGES, USERS};
use crate::route::{BROADCAST, ROOM, SINGLE, USER_BATCH};
use crate::settings::Account;

const VENDOR_NAME: &str = "netease";
const DIALECT: &str = "v1";

/// The vendor: one dialect, and nothing to probe.
pub static VENDOR: Vendor = Vendor {
    name: VENDOR_NAME,
    dialects: &[DIALECT],
    settings: settings::KEYS,
    extensions: schema::extensions,
    build,
    probes: |_| Vec::new(),
    recognise: |_| Some(DIALECT),
    facade: Some(&FACADE),
};

const KINDS: &[RecipientKind] =
    &[RecipientKind::User, RecipientKind::Group, RecipientKind::Room, RecipientKind::Everyone];
const KINDS_BUT_EVERYONE: &[RecipientKind] =
    &[RecipientKind::User, RecipientKind::Group, RecipientKind::Room];
const CONTENTS: &[&str] = &["text", "image", "audio", "video", "file", "location", "notice", "custom", "raw"];

fn build(settings: &Settings, dialect: &str) -> Result<Arc<dyn Adapter>, Vec<FieldError>> {
    if dialect != DIALECT {
        let detail = format!("{dialect:?} is no dialect of {VENDOR_NAME}; allowed: {DIALECT}");
        return Err(vec![FieldError::new("/dialect", detail)]);
    }
    let account = Account::read(settings)?;
    let profile = profile(&account);
    Ok(Arc::new(NetEase { account, profile }))
}

/// The adapter of one provider.
#[derive(Debug)]
struct NetEase {
    account: Account,
    profile: Profile,
}

impl Adapter for NetEase {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn check(&self, message: &Message, results: Results) -> Result<Vec<Loss>, Refusal> {
        check::check(&self.account, message, results)
    }

    fn slot(&self, message: &Message, results: Results) -> Slot {
        slot::slot(&self.account, message, results)
    }

    fn encode(&self, call: &Call, seal: &Seal<'_>) -> Result<Request, Error> {
        encode::encode(&self.account, call, seal)
    }

    fn decode(&self, call: &Call, reply: &Reply) -> Verdict {
        decode::decode(call, reply)
    }

    fn credentials(&self, seal: &Seal<'_>) -> Vec<Header> {
        sign::headers(&self.account.app_key, &self.account.app_secret, seal)
    }
}

fn profile(account: &Account) -> Profile {
    Profile {
        vendor: VENDOR_NAME,
        dialect: DIALECT,
        recipients: if account.everyone { KINDS } else { KINDS_BUT_EVERYONE },
        contents: CONTENTS,
        classes: classes(),
        accepted_means: "accepted by the server, not delivered: a room member is shown at most 20 \
                         messages a second, and the rest is dropped",
        dedupe: dedupe(account.resend_window),
        lookup: false,
        in_flight: 16,
        timeout: Duration::from_secs(10),
    }
}

fn classes() -> Vec<QuotaClass> {
    let class = |name, calls, messages_per_call| QuotaClass {
        name,
        calls: Some(calls),
        messages: None,
        per_recipient: None,
        messages_per_call,
        serial: false,
    };
    vec![
        QuotaClass {
            messages: Some(Rate::per_second(1000)),
            per_recipient: Some(Rate::per_second(20)),
            ..class(ROOM, Rate::per_second(100), ROOM_MESSAGES)
        },
        class(SINGLE, Rate::per_second(100), 1),
        class(USER_BATCH, Rate::per_minute(120), USERS),
        class(BROADCAST, Rate::per_minute(10), 1),
    ]
}

fn dedupe(window: Duration) -> Dedupe {
    let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    if window_ms == 0 {
        return Dedupe::Never;
    }
    Dedupe::Within {
        classes: &[ROOM],
        window_ms,
        evidence: "documented: a resend with resendFlag=1 is de-duplicated by msgId. Not documented: for \
                   how long, in what scope, and what a suppressed repeat answers",
    }
}
