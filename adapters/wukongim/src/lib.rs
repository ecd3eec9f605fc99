//! The WuKongIM adapter: four dialects of one vendor. `published` is the array batch of the vendor's
//! page, `v1` and `v2` are the servers in use, `v3` is the rewrite. What each file does stands in its
//! head; what is known of the vendor, and how well, stands in the README beside this crate.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

use std::sync::Arc;

use interline_core::adapter::{
    Adapter, Call, Exchange, Finding, Header, Loss, Reply, Request, Seal, Sent, Settings, Slot, Vendor,
    Verdict,
};
use interline_core::error::{Error, FieldError, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::Profile;

mod check;
mod content;
mod decode;
mod dialect;
mod encode;
mod extensions;
mod facade;
mod form;
mod lookup;
mod probe;
mod profile;
mod reason;
mod schema;
mod settings;
mod slot;
pub mod wire;

pub use facade::FACADE;

use dialect::Dialect;
use settings::Account;

/// The name in configuration, results and extensions.
const NAME: &str = "wukongim";

/// The quota class of single sends.
const SEND: &str = "send";

/// The quota class of batch calls.
const SENDBATCH: &str = "sendbatch";

/// WuKongIM and its dialects.
pub static VENDOR: Vendor = Vendor {
    name: NAME,
    dialects: &["v2", "v1", "v3", "published"],
    settings: &settings::KEYS,
    extensions: schema::extensions,
    build,
    probes: probe::probes,
    recognise: probe::recognise,
    facade: Some(&FACADE),
};

fn build(settings: &Settings, dialect: &str) -> Result<Arc<dyn Adapter>, Vec<FieldError>> {
    let account = Account::read(settings)?;
    let Some(dialect) = Dialect::parse(dialect) else {
        let allowed = VENDOR.dialects.join(", ");
        return Err(vec![FieldError::new("/dialect", format!("{dialect:?} is none of {allowed}"))]);
    };
    Ok(Arc::new(WuKongIm { dialect, account, profile: profile::of(dialect) }))
}

/// One dialect with one provider's settings.
#[derive(Debug)]
struct WuKongIm {
    dialect: Dialect,
    account: Account,
    profile: Profile,
}

impl Adapter for WuKongIm {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn check(&self, message: &Message, _results: Results) -> Result<Vec<Loss>, Refusal> {
        check::check(self.dialect, &self.account, message)
    }

    fn slot(&self, message: &Message, results: Results) -> Slot {
        slot::slot(self.dialect, &self.account, message, results)
    }

    fn encode(&self, call: &Call, _seal: &Seal<'_>) -> Result<Request, Error> {
        encode::encode(self.dialect, &self.account, call)
    }

    fn decode(&self, call: &Call, reply: &Reply) -> Verdict {
        decode::decode(self.dialect, call, reply)
    }

    fn credentials(&self, _seal: &Seal<'_>) -> Vec<Header> {
        self.account.header().into_iter().collect()
    }

    fn lookup(&self, sent: &Sent<'_>, _seal: &Seal<'_>) -> Option<Exchange<Finding>> {
        lookup::lookup(self.dialect, &self.account, sent)
    }
}
