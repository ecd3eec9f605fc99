//! Named places between two writes, where a crash test may kill the process.
//!
//! They live here because the engine knows this crate and core knows no environment. A build without debug
//! assertions has none of it: there both functions are empty, and nothing reads the environment.
//!
//! `INTERLINE_CRASH_AT=name:count` kills the process with SIGKILL when it gets to the named place for the
//! count-th time; work that shares a commit is counted once for each kind. `INTERLINE_SKIP=sending` is the
//! control: rows that say what is about to leave are not written then, and a crash test has to notice.

/// Every place there is. *Before commit*: written, and gone if the process dies. *After commit*: on disk, and
/// nobody has been told.
pub const NAMES: &[&str] = &[
    "accept.before_commit",
    "accept.after_commit",
    "stage.before_commit",
    "stage.after_commit",
    "stage_parcels.before_commit",
    "stage_parcels.after_commit",
    "amend.before_commit",
    "amend.after_commit",
    "publish.before_commit",
    "publish.after_commit",
    "discard.before_commit",
    "discard.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "renew.before_commit",
    "renew.after_commit",
    "begin_sending.before_commit",
    "begin_sending.after_commit",
    "settle.before_commit",
    "settle.after_commit",
    "release.before_commit",
    "release.after_commit",
    "reassign.before_commit",
    "reassign.after_commit",
    "revise.before_commit",
    "revise.after_commit",
    "begin_direct.before_commit",
    "begin_direct.after_commit",
    "record_direct.before_commit",
    "record_direct.after_commit",
    "set_state.before_commit",
    "set_state.after_commit",
    "cancel_slice.before_commit",
    "cancel_slice.after_commit",
    "drop_slice.before_commit",
    "drop_slice.after_commit",
    "take_events.before_commit",
    "take_events.after_commit",
    "end_attempt.before_commit",
    "end_attempt.after_commit",
    "recover.before_commit",
    "recover.after_commit",
    "call.before_write",
    "call.after_reply",
];

/// The two places around a commit of some kind of work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    /// Written, not committed.
    pub(crate) before: &'static str,
    /// Committed, not answered.
    pub(crate) after: &'static str,
}

/// Says that the process got to a place; it may end here.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn reach(_name: &'static str) {}

/// Whether something is left out for the sake of a test: never.
#[cfg(not(debug_assertions))]
#[inline(always)]
#[must_use]
pub const fn skips(_name: &'static str) -> bool {
    false
}

#[cfg(debug_assertions)]
pub use armed::{reach, skips};

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::NAMES;

    /// Where the process is to die, and how often it may get there before.
    struct Crash {
        name: String,
        left: AtomicU32,
    }

    static CRASH: OnceLock<Option<Crash>> = OnceLock::new();
    static SKIP: OnceLock<Option<String>> = OnceLock::new();

    /// Says that the process got to a place; it may end here.
    pub fn reach(name: &'static str) {
        debug_assert!(NAMES.contains(&name), "{name} is no boundary");
        let crash = CRASH.get_or_init(|| std::env::var("INTERLINE_CRASH_AT").ok().map(|text| parse(&text)));
        let Some(crash) = crash.as_ref().filter(|crash| crash.name == name) else { return };
        if crash.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            die();
        }
    }

    /// Whether something is left out for the sake of a test.
    #[must_use]
    pub fn skips(name: &'static str) -> bool {
        let skip = SKIP.get_or_init(|| std::env::var("INTERLINE_SKIP").ok());
        skip.as_deref() == Some(name)
    }

    /// A misspelt wish would make a crash test that never crashes, so it ends the process too.
    fn parse(text: &str) -> Crash {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let count = count.parse().ok().filter(|count| *count > 0);
        assert!(NAMES.contains(&name), "INTERLINE_CRASH_AT names no boundary: {text}");
        assert!(count.is_some(), "INTERLINE_CRASH_AT ends in no count: {text}");
        Crash { name: name.to_owned(), left: AtomicU32::new(count.unwrap_or(1)) }
    }

    #[cfg(unix)]
    fn die() -> ! {
        use rustix::process::{Signal, getpid, kill_process};
        // SIGKILL cannot fail for one's own process; were it to, the end below is as abrupt.
        kill_process(getpid(), Signal::KILL).ok();
        std::process::abort()
    }

    #[cfg(not(unix))]
    fn die() -> ! {
        std::process::abort()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::NAMES;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("boundary.rs") {
                found.push(path);
            }
        }
    }

    /// The string literals of a source that are spelt like a boundary.
    fn spelt(text: &str) -> impl Iterator<Item = &str> {
        let places = [".before_commit", ".after_commit", ".before_write", ".after_reply"];
        text.split('"').filter(move |piece| {
            let work = places.iter().find_map(|place| piece.strip_suffix(place));
            work.is_some_and(|work| work.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        })
    }

    #[test]
    fn each_boundary_is_reached_and_each_that_is_reached_is_listed() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        sources(&here.join("src"), &mut files);
        sources(&here.join("../engine/src"), &mut files);
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let reached: BTreeSet<&str> = texts.iter().flat_map(|text| spelt(text)).collect();
        let listed: BTreeSet<&str> = NAMES.iter().copied().collect();
        assert_eq!(listed.len(), NAMES.len(), "a name is listed twice");
        assert_eq!(listed, reached);
    }
}
