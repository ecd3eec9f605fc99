//! The four vendors and the dialects their servers speak.
//!
//! A dialect is chosen by name when a twin starts and may change while it runs; the first name in
//! each list is the one that a twin speaks when nothing was said.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A vendor that can be emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// WuKongIM, port base + 1.
    WuKongIm,
    /// OpenIM, port base + 2.
    OpenIm,
    /// IMKit, port base + 3.
    ImKit,
    /// NetEase Yunxin (CommsEase), port base + 4.
    NetEase,
}

impl Vendor {
    /// All vendors, in the order of their ports.
    pub const ALL: [Self; 4] = [Self::WuKongIm, Self::OpenIm, Self::ImKit, Self::NetEase];

    /// The vendor's name in configuration and in files: `wukongim`, `openim`, `imkit`, `netease`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WuKongIm => "wukongim",
            Self::OpenIm => "openim",
            Self::ImKit => "imkit",
            Self::NetEase => "netease",
        }
    }

    /// The dialects that the twin can speak, the default first.
    pub fn dialects(self) -> &'static [&'static str] {
        match self {
            Self::WuKongIm => &["v2", "published", "v1", "v3"],
            Self::OpenIm => &["v3.8.3", "published", "main"],
            Self::ImKit | Self::NetEase => &["v1"],
        }
    }

    /// What is added to the base port to get the twin's port.
    pub(crate) fn port_offset(self) -> u16 {
        match self {
            Self::WuKongIm => 1,
            Self::OpenIm => 2,
            Self::ImKit => 3,
            Self::NetEase => 4,
        }
    }

    /// Finds the place of a dialect in [`Vendor::dialects`]; an empty name is the default one.
    pub(crate) fn dialect_index(self, name: &str) -> Option<usize> {
        if name.is_empty() {
            return Some(0);
        }
        self.dialects().iter().position(|known| *known == name)
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Vendor {
    type Err = UnknownVendor;

    fn from_str(name: &str) -> Result<Self, UnknownVendor> {
        Self::ALL
            .into_iter()
            .find(|vendor| vendor.name() == name)
            .ok_or_else(|| UnknownVendor(name.to_owned()))
    }
}

/// A name that is none of the four vendors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVendor(pub String);

impl fmt::Display for UnknownVendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown vendor \"{}\", expected wukongim, openim, imkit or netease", self.0)
    }
}

impl std::error::Error for UnknownVendor {}
