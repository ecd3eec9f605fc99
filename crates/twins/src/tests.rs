//! Tests over HTTP: for each quirk a request that a caller who trusts the published pages, or the
//! status line, gets wrong.

mod client;
mod control;
mod faults;
mod imkit;
mod netease;
mod openim;
mod soup;
mod wukongim;
