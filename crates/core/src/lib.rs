//! The vocabulary of Interline and all of its pure decisions: what a batch is, which provider takes a
//! message, which messages share a call, what an answer means and what follows from it. No network,
//! no clock, no environment: time and chance come in as arguments, so that every rule can be tested.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod adapter;
pub mod breaker;
pub mod budget;
pub mod callback;
pub mod content;
pub mod decide;
pub mod draw;
pub mod error;
pub mod facade;
pub mod id;
pub mod ids;
pub mod json;
pub mod message;
pub mod migration;
pub mod options;
pub mod outcome;
pub mod pack;
pub mod profile;
pub mod read;
pub mod recipient;
pub mod record;
pub mod route;
pub mod schema;
pub mod shared;
pub mod template;
