//! The outside world of the engine: the time and chance that pure code gets as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Random bytes. Falls back to the clock where the system has no randomness to give.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        for (byte, clock) in bytes.iter_mut().zip(now_ms().to_le_bytes().into_iter().cycle()) {
            *byte = clock;
        }
    }
    bytes
}

/// 32 hex digits that were never used before.
pub(crate) fn nonce() -> String {
    format!("{:032x}", u128::from_le_bytes(random()))
}

/// Uniform in 0..1.
pub(crate) fn chance() -> f64 {
    f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX)
}
