//! What the documents name has to exist: paths and symbols in backticks, metrics, and the other way
//! round every endpoint, error code and metric has to be documented.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of a file of the repository, or of all files below a folder; empty when there is none.
fn text(path: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(path) else {
        return std::fs::read_to_string(path).unwrap_or_default();
    };
    entries.flatten().map(|entry| text(&entry.path())).collect()
}

fn documents(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let nested = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() { documents(&path) } else { vec![(path.clone(), text(&path))] }
    });
    nested.flatten().filter(|(path, _)| path.extension().is_some_and(|end| end == "md")).collect()
}

/// What stands in backticks on one line, outside fenced blocks.
fn spans(document: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The words of a text, as a program's names are made of.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// Every text between `before` and the next quotation mark.
fn quoted<'t>(text: &'t str, before: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// The metrics that the code registers.
fn metrics() -> Vec<String> {
    let engine = text(&root().join("crates/engine/src/metrics.rs")).replace(char::is_whitespace, "");
    let gateway = text(&root().join("crates/gateway/src/metrics.rs")).replace(char::is_whitespace, "");
    let own = quoted(&engine, "registry.register(\"").map(|name| format!("interline_{name}"));
    own.chain(quoted(&gateway, "registry.register(\"").map(str::to_owned)).collect()
}

#[test]
fn paths_and_symbols_in_documents_exist() {
    const FOLDERS: [&str; 6] = ["crates/", "adapters/", "tests/", "docs/", "scripts/", "examples/"];
    let mut checked = 0;
    let mut missing = Vec::new();
    for (document, content) in documents(&root().join("docs")) {
        for span in spans(&content) {
            if !FOLDERS.iter().any(|folder| span.starts_with(folder)) {
                continue;
            }
            let (path, symbol) = span.split_once("::").unwrap_or((span, ""));
            let file = root().join(path);
            checked += 1;
            if !file.exists() || !symbol.is_empty() && !has_word(&text(&file), symbol) {
                missing.push(format!("{}: {span}", document.display()));
            }
        }
    }
    assert!(checked > 50, "only {checked} names were found");
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
}

#[test]
fn metrics_in_documents_exist_and_all_are_documented() {
    let known = metrics();
    assert!(known.len() >= 6, "{known:?}");
    let operations = text(&root().join("docs/OPERATIONS.md"));
    for name in &known {
        assert!(operations.contains(&format!("`{name}")), "docs/OPERATIONS.md does not tell of {name}");
    }
    for (document, content) in documents(&root().join("docs")) {
        for span in spans(&content).into_iter().filter(|span| span.starts_with("interline_")) {
            let ends = ["", "_total", "_bucket", "_sum", "_count"];
            let exists = known.iter().any(|name| ends.iter().any(|end| format!("{name}{end}") == span));
            assert!(exists, "{}: there is no metric {span}", document.display());
        }
    }
}

#[test]
fn endpoints_and_codes_are_documented() {
    let api = text(&root().join("docs/API.md"));
    let table = text(&root().join("crates/gateway/src/api/table.rs"));
    let rows = table.lines().filter(|line| line.contains("\" as \""));
    let paths: Vec<&str> = rows.filter_map(|row| row.split('"').nth(1)).collect();
    assert!(paths.len() >= 14, "{paths:?}");
    for path in paths {
        assert!(api.contains(&format!(" {path}`")), "docs/API.md does not tell of {path}");
    }
    let errors = text(&root().join("crates/core/src/error.rs"));
    let codes: Vec<&str> = quoted(&errors, "=> \"").collect();
    assert!(codes.len() >= 21, "{codes:?}");
    for code in codes {
        assert!(api.contains(&format!("`{code}`")), "docs/API.md does not tell of {code}");
    }
}

#[test]
fn body_fields_are_documented() {
    let api = text(&root().join("docs/API.md"));
    for file in ["batch.rs", "content.rs", "options.rs"] {
        let code = text(&root().join("crates/core/src/read").join(file));
        let keys: Vec<&str> = code
            .split("fields")
            .filter(|rest| rest.starts_with('.'))
            .filter_map(|rest| rest.split_once("(\""))
            .filter(|(call, _)| call.chars().all(|c| c.is_alphanumeric() || "._".contains(c)))
            .filter_map(|(_, rest)| rest.split('"').next())
            .collect();
        assert!(keys.len() > 8, "{file}: {keys:?}");
        for key in keys.into_iter().filter(|key| *key != "callback") {
            assert!(has_word(&api, key), "docs/API.md does not tell of the field {key}");
        }
    }
}
