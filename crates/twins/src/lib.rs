//! Emulated vendor servers: WuKongIM, OpenIM, IMKit and NetEase.
//!
//! A twin checks what the real server checks and answers what it answers, quirks included; it can be
//! told to fail in the ways networks and vendors fail, and it tells what arrived. It's written from
//! the vendors' facts alone and shares no code with anything that talks to them.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use interline_twins::{Fault, FaultKind, Twins, TwinsConfig};
//!
//! let twins = Twins::start(TwinsConfig::ephemeral()).await?;
//! twins.netease().set_fault(Fault::new(FaultKind::Code).value(416).times(1));
//! println!("{}", twins.netease().url());
//! assert_eq!(twins.netease().received().total, 0);
//! # Ok(()) }
//! ```

mod call;
mod clock;
mod control;
mod fault;
mod gojson;
mod imkit;
mod limit;
mod netease;
mod openim;
mod received;
mod server;
mod twin;
mod vendor;
mod wukongim;

#[cfg(test)]
mod tests;

pub use fault::{Fault, FaultKind, Faults};
pub use received::{Received, ReceivedMessage};
pub use twin::{Twin, Twins, TwinsConfig};
pub use vendor::{UnknownVendor, Vendor};
