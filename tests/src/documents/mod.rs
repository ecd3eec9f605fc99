//! The documents as a program reads them: fenced blocks and what their markers ask for, links, a reader
//! who follows them in a folder of their own, and a comparison of what they show with what came out.
//!
//! A marker is a comment on a line of its own before a block: `<!-- test: not run: REASON -->`,
//! `<!-- test: fails: REASON -->`, `<!-- test: stop serve -->`, `<!-- test: runs beside, on port 9000 -->`,
//! and before what is shown `<!-- test: figures vary -->` or `<!-- test: not output: REASON -->`.

mod compare;
mod links;
mod parse;
mod ports;
mod reader;
mod snippets;

use std::path::{Path, PathBuf};

pub use compare::missing;
pub use links::{broken_links, reachable};
pub use parse::{Block, Document, Marker};
pub use reader::{Followed, follow};
pub use snippets::{parses_as_json, wrong_batches, wrong_toml};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// Every document that people are to read: the front page, what is under `docs`, vendor sheets, the twins.
///
/// # Panics
/// When one cannot be read.
pub fn documents() -> Vec<Document> {
    let root = root();
    let mut paths = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    below(&root.join("docs"), &mut paths);
    for folder in ["adapters", "crates", "examples"] {
        for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            paths.push(entry.path().join("README.md"));
        }
    }
    let found = paths.into_iter().filter(|path| path.is_file());
    let mut documents: Vec<_> = found.map(|path| Document::read(&root, &path)).collect();
    documents.sort_by(|one, other| one.name.cmp(&other.name));
    documents
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}
