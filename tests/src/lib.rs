//! What the end-to-end tests share: the real binary in a folder of its own, a plain HTTP client, twins,
//! and a vendor server that answers what it is told to. Everything blocks, and everything that waits
//! has a deadline. A set-up that fails ends the test with a sentence.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "this code runs in tests only: a set-up that fails has to end the test"
)]

pub mod apps;
mod audit;
mod binary;
mod client;
mod collector;
pub mod config;
mod contract;
mod dice;
pub mod documents;
mod held;
mod load;
mod place;
pub mod scene;
mod scripted;
mod server;
mod stage;
mod troupe;
mod wait;

pub use audit::{Audit, Breach};
pub use binary::{binary, debug_binary};
pub use client::{Answer, Client, Upload};
pub use collector::{Collector, Relay, attribute, hex};
pub use contract::{Contract, Operation};
pub use dice::Dice;
pub use held::HeldLedger;
pub use load::{Caller, Handed, Heard, Load, Request, Way, users};
pub use place::{Place, Ran, deaf};
pub use scripted::Scripted;
pub use server::Server;
pub use stage::{Stage, TwinProcess, arrived_once, refuse, shut};
pub use troupe::Troupe;
pub use wait::{eventually, holds_within, in_seconds};

/// How much of a share to ask for: all of it on a machine that does nothing else (`INTERLINE_MEASURE=1`),
/// else half, as its neighbours are no fault of the program.
pub fn share_of(whole: f64) -> f64 {
    if std::env::var_os("INTERLINE_MEASURE").is_some() { whole } else { whole / 2.0 }
}
