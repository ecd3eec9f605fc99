//! Cases of the wire in files: what an adapter's golden tests and its façade's run through.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The cases of a folder in the order of their names, each with the name of its file. Folders in it are left
/// out. Panics when there are fewer than `least`: then some were lost.
#[must_use]
pub fn in_folder(folder: impl AsRef<Path>, least: usize) -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(folder).expect("a folder of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of the folder").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    assert!(paths.len() >= least, "only {} cases were found: {paths:?}", paths.len());
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, case)
    };
    paths.iter().map(read).collect()
}
