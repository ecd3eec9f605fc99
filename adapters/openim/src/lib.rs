//! Interline: the OpenIM adapter. The README beside this folder is the vendor sheet: endpoints, codes,
//! what is lost, and where each of the vendor's fields has its home.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod check;
mod codes;
mod content;
mod decode;
mod dialect;
mod encode;
mod extensions;
mod facade;
mod media;
mod rules;
mod schema;
mod settings;
mod wire;

use std::sync::Arc;

pub use facade::FACADE;

use interline_core::adapter::{
    Adapter, Call, Exchange, Finding, Header, Loss, Reply, Request, Seal, Sent, Settings, Slot, Token,
    Vendor, Verdict,
};
use interline_core::content::Body;
use interline_core::error::{Error, FieldError, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::Profile;
use interline_core::recipient::RecipientKind;
use interline_core::shared::Digest;

use check::{Way, way};
use dialect::{BATCH, Dialect, SEND};
use encode::Desk;
use settings::Access;

/// The vendor.
pub static VENDOR: Vendor = Vendor {
    name: extensions::VENDOR,
    dialects: &dialect::NAMES,
    settings: &settings::KEYS,
    extensions: schema::extensions,
    build,
    probes: dialect::probes,
    recognise: dialect::recognise,
    facade: Some(&facade::FACADE),
};

/// Most recipients of a batch call whatever is configured: the server has no limit of its own, and
/// goes on through its list when the caller has long given up.
const MOST_PER_BATCH: usize = 5_000;

#[derive(Debug)]
struct OpenIm {
    dialect: Dialect,
    profile: Profile,
    settings: settings::Settings,
}

fn build(settings: &Settings, dialect: &str) -> Result<Arc<dyn Adapter>, Vec<FieldError>> {
    let Some(dialect) = Dialect::parse(dialect) else {
        let detail = format!("{dialect:?} is no dialect; allowed: {}", dialect::NAMES.join(", "));
        return Err(vec![FieldError::new("/dialect", detail)]);
    };
    let settings = settings::Settings::read(settings)?;
    Ok(Arc::new(OpenIm { dialect, profile: dialect.profile(settings.everyone), settings }))
}

impl OpenIm {
    fn token<'a>(&'a self, seal: &Seal<'a>) -> &'a str {
        match &self.settings.access {
            Access::Token(token) => token.expose(),
            Access::Login { .. } => seal.token.unwrap_or_default(),
        }
    }
}

impl Adapter for OpenIm {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn check(&self, message: &Message, _results: Results) -> Result<Vec<Loss>, Refusal> {
        let sender = message.sender(self.settings.default_sender.as_ref())?;
        check::check(message, sender, self.dialect, self.settings.everyone)
    }

    fn slot(&self, message: &Message, results: Results) -> Slot {
        let (class, max) = match (way(message, results, self.dialect), message.to.kind()) {
            (Way::Batch, RecipientKind::Everyone) => (BATCH, 1),
            (Way::Batch, RecipientKind::User | RecipientKind::Group | RecipientKind::Room) => {
                (BATCH, MOST_PER_BATCH)
            }
            (Way::Single | Way::Command, _) => (SEND, 1),
        };
        let own = message.to.id().len() + 3;
        let bytes = if max == 1 { own + estimate(message) } else { own };
        // A single stands in no company: its key decides nothing.
        let key = if max == 1 { Digest::default() } else { said_once(message) };
        Slot { class, key, bytes, max, repeats: false }
    }

    fn encode(&self, call: &Call, seal: &Seal<'_>) -> Result<Request, Error> {
        let desk = Desk {
            dialect: self.dialect,
            default_sender: self.settings.default_sender.as_ref(),
            token: self.token(seal),
        };
        encode::encode(call, desk)
    }

    fn decode(&self, call: &Call, reply: &Reply) -> Verdict {
        let can_login = matches!(self.settings.access, Access::Login { .. });
        decode::decode(call, reply, self.dialect, can_login)
    }

    fn login(&self, seal: &Seal<'_>) -> Option<Exchange<Token>> {
        let Access::Login { admin_user_id, secret } = &self.settings.access else { return None };
        let request = encode::login(admin_user_id, secret.expose(), seal)?;
        Some(Exchange { request, read: decode::token })
    }

    fn credentials(&self, seal: &Seal<'_>) -> Vec<Header> {
        encode::credentials(self.token(seal))
    }

    fn refuses_token(&self, reply: &Reply) -> bool {
        decode::refuses_token(reply)
    }

    fn lookup(&self, sent: &Sent<'_>, seal: &Seal<'_>) -> Option<Exchange<Finding>> {
        if !self.profile.lookup {
            return None;
        }
        let request = encode::lookup(sent, self.token(seal))?;
        Some(Exchange { request, read: decode::finding })
    }
}

/// The digest of what a batch call says once.
fn said_once(message: &Message) -> Digest {
    let (content, options) = if message.is_template() {
        (Digest::of(&*message.rendered()), Digest::of(&*message.rendered_options()))
    } else {
        (message.content.digest(), message.options.digest())
    };
    let sender = message.from.as_ref().map(interline_core::shared::Shared::digest);
    Digest::of(&(sender, content, options, message.extensions.digest()))
}

/// What a content adds to a body, roughly.
fn estimate(message: &Message) -> usize {
    let body = match &message.content.body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) | Body::Quote { text, .. } => text.len(),
        Body::Image(_) | Body::Audio(_) | Body::Video(_) | Body::File(_) | Body::Location(_) => 512,
        Body::Command { .. } | Body::Custom { .. } | Body::Raw { .. } => 1_024,
    };
    256 + body
}
