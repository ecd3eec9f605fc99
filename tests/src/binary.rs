//! Finds the program under test. Tests never build it: what runs is what a user would run. Tests that
//! kill it at named places need the debug build, because no other has those places.

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
    let target = target();
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

/// The debug build of the binary: `INTERLINE_DEBUG_BIN`, else the one in the target folder.
///
/// # Panics
/// When there is none; the message says what to run.
pub fn debug_binary() -> PathBuf {
    let named = std::env::var_os("INTERLINE_DEBUG_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| target().join("debug").join("interline"));
    assert!(
        path.is_file(),
        "no debug build at {}: run ./scripts/test, or `cargo build -p interline` first, or name one with \
         INTERLINE_DEBUG_BIN",
        path.display()
    );
    path
}

/// The folder that cargo builds in.
fn target() -> PathBuf {
    let here = std::env::current_exe().expect("a test knows its own path");
    // target/PROFILE/deps/TEST
    here.ancestors().nth(3).unwrap_or(Path::new("target")).to_owned()
}
