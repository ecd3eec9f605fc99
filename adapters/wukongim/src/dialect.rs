//! The four ways in which servers of this vendor speak.

/// A way to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// What the vendor's page says: an array of different messages. No server tag speaks it.
    Published,
    /// Servers up to 1.2: stored before they answer.
    V1,
    /// Servers 2.x: queued in memory when they answer.
    V2,
    /// The rewrite: no batch, committed when it answers, recognises repeats.
    V3,
}

impl Dialect {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Published, Self::V1, Self::V2, Self::V3].into_iter().find(|dialect| dialect.as_str() == name)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    /// Whether batch calls carry one content to many persons.
    pub(crate) const fn fans_out(self) -> bool {
        match self {
            Self::V1 | Self::V2 => true,
            Self::Published | Self::V3 => false,
        }
    }
}
