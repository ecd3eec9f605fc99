//! The outside world of the engine: the time and chance that pure code gets as arguments.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock may be corrected by so much without anybody taking notice.
const TREMOR_MS: i64 = 1_000;

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

/// Nanoseconds of a clock that never goes back. It begins a day before the process, so that there is a
/// past to look back into.
pub(crate) fn ticks() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = BEGAN.elapsed() + Duration::from_secs(24 * 60 * 60);
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Sees when the wall clock jumps: pauses are kept as wall times, and nobody wants to wait an hour longer
/// because the clock went back by one.
#[derive(Debug)]
pub(crate) struct JumpWatch {
    started: Instant,
    offset_ms: i64,
}

impl JumpWatch {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), offset_ms: now_ms() }
    }

    /// By how much the wall clock went forward (or back, below 0) since the last call, beyond the time that
    /// really passed; 0 for a tremor.
    pub(crate) fn jump_ms(&mut self) -> i64 {
        let steady_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.jump(now_ms(), steady_ms)
    }

    fn jump(&mut self, wall_ms: i64, steady_ms: i64) -> i64 {
        let jump = wall_ms.saturating_sub(steady_ms).saturating_sub(self.offset_ms);
        if jump.abs() < TREMOR_MS {
            return 0;
        }
        self.offset_ms = self.offset_ms.saturating_add(jump);
        jump
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_seen_once_and_a_tremor_never() {
        let mut watch = JumpWatch { started: Instant::now(), offset_ms: 1_000_000 };
        assert_eq!(watch.jump(1_000_900, 100), 0, "800 ms are a correction");
        assert_eq!(watch.jump(1_000_000 - 3_600_000 + 200, 200), -3_600_000);
        assert_eq!(watch.jump(1_000_000 - 3_600_000 + 300, 300), 0);
        assert_eq!(watch.jump(1_000_400, 400), 3_600_000);
    }
}
