//! Reads `[[apps]]`: who may ask, for what, and how much.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::callbacks::{CallbackSecret, callback_secrets};
use super::file::{NAMES, Table, is_name};
use super::secrets;

/// Who calls Interline.
#[derive(Debug, Clone)]
pub struct App {
    /// Its name.
    pub name: Arc<str>,
    /// SHA-256 of each of its keys.
    pub keys: Vec<[u8; 32]>,
    /// What it may do.
    pub may: Scopes,
    /// How many messages it may hand over in a second; none is unlimited.
    pub messages_per_second: Option<u32>,
    /// What its callbacks are signed with; without, it has none.
    pub callback_secrets: Vec<CallbackSecret>,
}

/// One thing that an app may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// Send and plan.
    Send = 1,
    /// Read its own batches, and what providers and routes there are.
    Read = 2,
    /// Read everybody's batches and the configuration.
    Admin = 4,
    /// Address `everyone`.
    Broadcast = 8,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Send, Self::Read, Self::Admin, Self::Broadcast];

    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Admin => "admin",
            Self::Broadcast => "broadcast",
        }
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self(15);

    /// Whether the scope is among them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope as u8)
    }

    /// The words of the configuration.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope)).map(Scope::as_str)
    }
}

/// Reads all apps; one that cannot be read is left out, its errors noted.
pub(super) fn apps(root: &Table<'_>) -> Vec<App> {
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut found = Vec::new();
    for table in root.tables("apps") {
        let name = table.required("name");
        if let Some(name) = &name {
            if !is_name(name) {
                table.wrong("name", format!("{name:?} is no name for an app; {NAMES}"));
            }
            if !names.insert(name.clone()) {
                table.wrong("name", format!("{name:?} is the name of an app before it; names are unique"));
            }
        }
        let keys = keys(&table);
        if keys.iter().any(|key| !seen.insert(*key)) {
            table.wrong("key_sha256", "the same key stands twice; each key belongs to one app");
        }
        let may = scopes(&table);
        let messages_per_second = table.whole("messages_per_second", 1..=10_000_000);
        let callback_secrets = callback_secrets(&table);
        table.done();
        if let Some(name) = name {
            found.push(App { name: name.into(), keys, may, messages_per_second, callback_secrets });
        }
    }
    found
}

fn keys(table: &Table<'_>) -> Vec<[u8; 32]> {
    const WANTED: &str = "`interline keys new APP` prints a key and its line";
    let Some(written) = table.words("key_sha256") else {
        if table.get("key_sha256").is_none() {
            table.wrong("key_sha256", format!("required, but not given; {WANTED}"));
        }
        return Vec::new();
    };
    let mut keys = Vec::with_capacity(written.len());
    for text in written {
        let text = match secrets::look_up(&text, table.source()) {
            Ok(text) => text,
            Err(why) => {
                table.wrong("key_sha256", why);
                continue;
            }
        };
        let mut hash = [0; 32];
        match hex::decode_to_slice(text.as_bytes(), &mut hash) {
            Ok(()) => keys.push(hash),
            Err(_) => {
                table.wrong("key_sha256", format!("is no SHA-256: allowed are 64 hex digits; {WANTED}"));
            }
        }
    }
    keys
}

fn scopes(table: &Table<'_>) -> Scopes {
    let Some(words) = table.words("may") else {
        return Scopes::default().with(Scope::Send).with(Scope::Read);
    };
    let mut scopes = Scopes::default();
    for word in words {
        let Some(scope) = Scope::ALL.into_iter().find(|scope| scope.as_str() == word) else {
            let allowed: Vec<_> = Scopes::ALL.words().collect();
            table.wrong("may", format!("{word:?} is not allowed; allowed: {}", allowed.join(", ")));
            continue;
        };
        scopes = scopes.with(scope);
    }
    scopes
}
