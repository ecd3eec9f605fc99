//! Processor time of a process, from `/proc/<pid>/stat`: user and system together.

use std::time::Duration;

/// Ticks in a second; the kernel reports in these on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// What a process has used since it began; none where the system has no `/proc`.
pub(crate) fn used(process: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    parsed(&text)
}

/// The name in parentheses may hold blanks and parentheses of its own; numbers begin behind the last.
fn parsed(stat: &str) -> Option<Duration> {
    let (_, numbers) = stat.rsplit_once(')')?;
    let mut numbers = numbers.split_whitespace().skip(11);
    let user: u64 = numbers.next()?.parse().ok()?;
    let system: u64 = numbers.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_add_up_whatever_the_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 1 0 1 1 1";
        assert_eq!(parsed(stat), Some(Duration::from_millis(1750)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_read() {
        assert!(used(std::process::id()).is_some());
    }
}
