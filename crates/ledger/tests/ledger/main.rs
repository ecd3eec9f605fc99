//! The ledger's rules, on real SQLite files.
//!
//! One binary, so that it links once. Time is always passed in; nothing sleeps.

#[cfg(test)]
mod builders;
#[cfg(test)]
mod callbacks;
mod claims;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod states;
#[cfg(test)]
mod submit;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod uploads;
