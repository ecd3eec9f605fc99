//! The adapter of Pigeon Post, a vendor that does not exist: `POST /v1/letters` takes up to fifty letters of one
//! text. It is the worked example of `docs/ADDING-A-VENDOR.md`, and holds the laws that every adapter holds.
//! The one thing to know: letters are told apart by `ref`, so nobody is guessed by position.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod check;
mod decode;
mod encode;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use interline_core::adapter::{
    self, Adapter, Built, Call, Header, Loss, Reply, Request, Seal, Slot, Vendor, Verdict,
};
use interline_core::error::{Error, FieldError, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::{Dedupe, Profile, QuotaClass, Rate};
use interline_core::recipient::RecipientKind;

use crate::settings::Settings;

const NAME: &str = "pigeon";
const DIALECT: &str = "v1";

/// Quota class of `POST /v1/letters`.
const LETTERS: &str = "letters";

/// Letters that the vendor takes in one call.
const MOST_LETTERS: usize = 50;

/// The vendor.
pub static VENDOR: Vendor = Vendor {
    name: NAME,
    dialects: &[DIALECT],
    settings: &settings::KEYS,
    extensions: check::schema,
    build,
    probes: |_| Vec::new(),
    recognise: |_| Some(DIALECT),
    facade: None,
};

#[derive(Debug)]
struct Pigeon {
    settings: Settings,
    profile: Profile,
}

fn build(settings: &adapter::Settings, dialect: &str) -> Built {
    let read = Settings::read(settings);
    if dialect != DIALECT {
        let mut errors = read.err().unwrap_or_default();
        errors.push(FieldError::new("/dialect", format!("{dialect:?} is not a dialect; allowed: {DIALECT}")));
        return Err(errors);
    }
    Ok(Arc::new(Pigeon { settings: read?, profile: profile() }))
}

fn profile() -> Profile {
    Profile {
        vendor: NAME,
        dialect: DIALECT,
        recipients: &[RecipientKind::User],
        contents: &["text"],
        classes: vec![QuotaClass {
            name: LETTERS,
            calls: Some(Rate::per_second(20)),
            messages: None,
            per_recipient: None,
            messages_per_call: MOST_LETTERS,
            serial: false,
        }],
        accepted_means: "the letter is in the loft's book and has an id",
        dedupe: Dedupe::Never,
        lookup: false,
        in_flight: 8,
        timeout: Duration::from_secs(10),
    }
}

impl Adapter for Pigeon {
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

    fn decode(&self, call: &Call, reply: &Reply) -> Verdict {
        decode::decode(call, reply)
    }

    fn credentials(&self, _seal: &Seal<'_>) -> Vec<Header> {
        vec![self.settings.api_key.header()]
    }
}
