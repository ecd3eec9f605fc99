//! Finds the program under test. Tests never build it: what runs is what a user would run.

use std::path::{Path, PathBuf};

/// The binary: `INTERLINE_BIN`, else the newest of `release` and `debug` in the target folder.
///
/// # Panics
/// When there is none; the message says what to run.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("INTERLINE_BIN") {
        let path = PathBuf::from(named);
        assert!(path.is_file(), "INTERLINE_BIN names {}, which is no file", path.display());
        return path;
    }
    let here = std::env::current_exe().expect("a test knows its own path");
    // target/PROFILE/deps/TEST
    let target = here.ancestors().nth(3).unwrap_or(Path::new("target"));
    let built = ["release", "debug"].map(|profile| target.join(profile).join("interline"));
    let newest = built.into_iter().filter_map(|path| {
        let at = path.metadata().ok()?.modified().ok()?;
        Some((at, path))
    });
    let Some((_, path)) = newest.max() else {
        panic!(
            "no interline binary in {}: run ./scripts/test, or `cargo build --release -p interline` first, \
             or name one with INTERLINE_BIN",
            target.display()
        );
    };
    path
}
