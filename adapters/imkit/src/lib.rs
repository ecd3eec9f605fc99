//! Interline's adapter for `IMKit` (FUNTEK, imkit.io): `POST /messages/batch` and `POST /messages` of
//! the platform API. The README beside it is the vendor sheet. The one thing to know: a batch answers
//! with a task id and nothing more, ever, so `accepted` means queued.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod check;
mod content;
mod decode;
mod encode;
mod extensions;
mod facade;
mod payload;
mod schema;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{
    self, Adapter, Call, Header, Loss, Reply, Request, Seal, Slot, Vendor, Verdict,
};
use interline_core::error::{Error, FieldError, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::{Dedupe, Profile, QuotaClass, Rate};
use interline_core::recipient::RecipientKind;

use crate::settings::Settings;

pub use crate::facade::FACADE;

/// The vendor.
pub static VENDOR: Vendor = Vendor {
    name: extensions::VENDOR,
    dialects: &[DIALECT],
    settings: &settings::KEYS,
    extensions: schema::extensions,
    build,
    probes: |_| Vec::new(),
    recognise: |_| Some(DIALECT),
    facade: Some(&FACADE),
};

const DIALECT: &str = "v1";

/// Quota class of `POST /messages/batch`.
const BATCH: &str = "batch";

/// Quota class of `POST /messages`.
const SEND: &str = "send";

/// Entries of `paras` by default: what the vendor's own web client puts into a call. No limit is
/// documented.
const PARAS: usize = 200;

/// Entries of `paras` that a configuration may allow at most, to keep bodies of a sane size.
const MOST_PARAS: usize = 1_000;

#[derive(Debug)]
struct Imkit {
    settings: Settings,
    profile: Profile,
}

fn build(settings: &adapter::Settings, dialect: &str) -> Result<Arc<dyn Adapter>, Vec<FieldError>> {
    let read = Settings::read(settings);
    if dialect != DIALECT {
        let detail = format!("{dialect:?} is not a dialect; allowed: {DIALECT}");
        let mut errors = read.err().unwrap_or_default();
        errors.push(FieldError::new("/dialect", detail));
        return Err(errors);
    }
    Ok(Arc::new(Imkit { settings: read?, profile: profile() }))
}

fn profile() -> Profile {
    // 1,000 requests a minute are what one key may make in all; the classes share them out.
    let class = |name, per_minute, messages_per_call| QuotaClass {
        name,
        calls: Some(Rate::per_minute(per_minute)),
        messages: None,
        per_recipient: None,
        messages_per_call,
        serial: false,
    };
    Profile {
        vendor: extensions::VENDOR,
        dialect: DIALECT,
        recipients: &[RecipientKind::User, RecipientKind::Group, RecipientKind::Room],
        contents: &["text", "custom", "raw"],
        classes: vec![class(BATCH, 600, PARAS), class(SEND, 400, 1)],
        accepted_means: "batch: a task was queued, and its id is all that will ever be known; \
                         send: the message was created and has an id",
        dedupe: Dedupe::Never,
        lookup: false,
        in_flight: 4,
        timeout: Duration::from_secs(10),
    }
}

impl Adapter for Imkit {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn check(&self, message: &Message, _results: Results) -> Result<Vec<Loss>, Refusal> {
        check::check(message, &self.settings)
    }

    fn slot(&self, message: &Message, _results: Results) -> Slot {
        encode::slot(message, &self.settings)
    }

    fn encode(&self, call: &Call, _seal: &Seal<'_>) -> Result<Request, Error> {
        encode::encode(call, &self.settings)
    }

    fn credentials(&self, _seal: &Seal<'_>) -> Vec<Header> {
        let value = self.settings.api_key.expose().to_owned();
        vec![Header { name: "IM-API-KEY", value, secret: true }]
    }

    fn decode(&self, call: &Call, reply: &Reply) -> Verdict {
        decode::decode(call, reply, &self.settings.api_key)
    }
}
