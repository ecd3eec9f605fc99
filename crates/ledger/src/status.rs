//! The states of a message, and how many messages are in each.
//!
//! A message's status is one byte in its parcel's row, so the numbers here are part of the stored format
//! and never change their meaning.

/// What is known of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// Waiting for its turn.
    Queued = 0,
    /// Bytes may be on their way.
    Sending = 1,
    /// The vendor took it.
    Accepted = 2,
    /// The vendor or Interline refused it.
    Rejected = 3,
    /// Bytes may have reached the vendor and no usable answer came.
    Unknown = 4,
    /// Withdrawn before it was sent.
    Cancelled = 5,
    /// Too late to be sent.
    Expired = 6,
}

impl Status {
    /// Every status, in the order of the stored numbers.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Accepted,
        Self::Rejected,
        Self::Unknown,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The status of a stored number.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// Whether nothing more will be done by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }
}

/// How many messages of a batch are in each status, and how many vendor calls were made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All messages.
    pub total: u64,
    /// Waiting.
    pub queued: u64,
    /// On their way.
    pub sending: u64,
    /// Taken by the vendor.
    pub accepted: u64,
    /// Refused.
    pub rejected: u64,
    /// Not known.
    pub unknown: u64,
    /// Withdrawn.
    pub cancelled: u64,
    /// Too late.
    pub expired: u64,
    /// Vendor calls.
    pub calls: u64,
}
