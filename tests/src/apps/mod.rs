//! Apps that were written for one vendor and know nothing of Interline: they ask as the vendor's pages and
//! SDKs do and are strict about what comes back. Whatever the vendor would never say ends the test. They
//! share no code with the adapters or the façades.

mod imkit;
mod netease;
mod openim;
mod wukongim;

pub use imkit::ImKit;
pub use netease::NetEase;
pub use openim::OpenIm;
pub use wukongim::WuKongIm;

use crate::client::{Answer, Client};

/// What an app wants.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A text for one user.
    User(String),
    /// A text for one group.
    Group(String),
    /// Texts for users in the vendor's batch call.
    Users(Vec<String>),
    /// Texts for one chat room, in its batch call where the vendor has one.
    Room(String, usize),
    /// Something that is no text, for one user: `image`, `audio`, `video`, `file`, `location` or `custom`.
    Content(&'static str, String),
    /// A text for one user under a wrong secret.
    WrongSecret,
    /// The same without any.
    NoSecret,
    /// A body that is none.
    Garbage,
    /// A body that lacks what the vendor demands.
    Lacking,
}

/// A request as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The path with its query.
    pub path: String,
    /// `Content-Type`.
    pub kind: &'static str,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Sending {
    /// Asks a server. None where it gave no whole answer.
    pub fn ask(&self, client: &Client) -> Option<Answer> {
        let client =
            self.headers.iter().fold(client.clone(), |client, (name, value)| client.with(name, value));
        client.ask("POST", &self.path, self.kind, &self.body).ok()
    }
}

/// What an app makes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The vendor took so many, refused so many, and does not say of the rest.
    Taken {
        /// Accepted.
        yes: usize,
        /// Refused.
        no: usize,
        /// Neither.
        silent: usize,
    },
    /// All of it was refused for good.
    Refused,
    /// Who asks may not.
    NotAdmitted,
    /// The request is wrong.
    Wrong,
    /// Nothing happened; another time it may.
    TryLater,
    /// The server is in trouble: the message may have arrived.
    Trouble,
}

impl Heard {
    /// How many messages the vendor says it took.
    pub const fn yes(self) -> usize {
        match self {
            Self::Taken { yes, .. } => yes,
            Self::Refused | Self::NotAdmitted | Self::Wrong | Self::TryLater | Self::Trouble => 0,
        }
    }
}

/// An app that speaks one vendor's wire format.
pub trait App {
    /// The request for a wish; `number` differs for each, the same gives the same request again.
    fn ask(&self, wish: &Wish, number: u64) -> Sending;

    /// Reads an answer as the vendor's own clients do, only stricter.
    ///
    /// # Panics
    /// When the vendor would never answer so.
    fn hear(&self, wish: &Wish, answer: &Answer) -> Heard;
}

/// The keys of an object, in order, for an exact comparison.
fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
    keys.sort_unstable();
    keys
}
