//! The HTTP surface of Interline: configuration, keys, the API and its errors. Everything that decides or
//! sends lies below; here requests become calls of the engine and its answers become JSON.

mod admission;
mod api;
mod body;
pub mod config;
mod console;
mod docs;
mod facades;
#[cfg(test)]
mod house;
pub mod keys;
mod metrics;
mod ndjson;
mod openapi;
mod problem;
mod process;
mod reload;
mod server;
mod session;
mod standing;
pub mod vendors;

pub use server::{ServeError, Server, serve};
