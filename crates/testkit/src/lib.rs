//! For tests only: messages made from the JSON that callers write, calls made of them, and suites that
//! any adapter must pass. Everything here panics when a test is wrong.

#![expect(clippy::panic, clippy::expect_used, reason = "a test that is wrong should stop")]

pub mod build;
pub mod cases;
pub mod conformance;
pub mod facade;
pub mod held;
pub mod schema;
pub mod strategy;
