//! What the documents name has to exist: paths and symbols in backticks, metrics, and the other way
//! round every endpoint, error code and metric has to be documented. What they tell to type is typed, from top
//! to bottom, and has to do what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use interline_core::error::ErrorCode;
use interline_tests::documents::{
    broken_links, documents as all_documents, follow, parses_as_json, reachable, wrong_batches, wrong_toml,
};

/// Follows each document in a test of its own.
macro_rules! followed {
    ($($test:ident: $name:literal,)*) => {
        /// The documents with commands to be followed.
        const FOLLOWED: &[&str] = &[$($name),*];

        $(
            #[test]
            fn $test() {
                let all = all_documents();
                let document = all.iter().find(|document| document.name == $name);
                let document = document.unwrap_or_else(|| panic!("there is no {}", $name));
                let followed = follow(document);
                assert!(followed.commands > 0, "{} has no command", $name);
                assert!(followed.wrong.is_empty(), "{}", followed.wrong.join("\n\n"));
                println!("{}: {} commands, {} outputs", $name, followed.commands, followed.compared);
            }
        )*
    };
}

followed! {
    the_front_page_works_word_by_word: "README.md",
    the_api_guide_works_word_by_word: "docs/API.md",
    the_guide_to_migrating_works_word_by_word: "docs/MIGRATING.md",
    operations_work_word_by_word: "docs/OPERATIONS.md",
    the_quick_start_works_word_by_word: "docs/guides/quick-start.md",
    the_guide_to_one_api_works_word_by_word: "docs/guides/one-api.md",
    the_guide_to_routing_works_word_by_word: "docs/guides/routing.md",
    the_guide_to_facades_works_word_by_word: "docs/guides/facades.md",
    the_guide_to_results_works_word_by_word: "docs/guides/results.md",
    the_page_on_capacity_works_word_by_word: "docs/CAPACITY.md",
    the_guide_to_security_works_word_by_word: "docs/guides/security.md",
    the_ledgers_page_works_word_by_word: "docs/LEDGER.md",
}

/// Why a block of commands is not run, with the number of blocks of which that is said.
const NOT_RUN: &[(&str, usize)] = &[
    ("a test of the workspace, which runs by itself", 1),
    ("it installs a service on the machine", 1),
    ("it is what runs this test", 1),
];

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
    let engine = text(&root().join("crates/engine/src"));
    let engine = engine.replace(char::is_whitespace, "");
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

/// The guide and `hint` in the API say the same about each code.
#[test]
fn the_guide_to_results_says_what_the_hints_say() {
    let guide = text(&root().join("docs/guides/results.md"));
    let (_, guide) = guide.split_once("## What to do on each code").expect("its chapter on codes");
    for code in ErrorCode::ALL {
        let row = guide.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{code}`")));
        let row = row.unwrap_or_else(|| panic!("docs/guides/results.md has no row for {code}"));
        assert!(row.ends_with(&format!("| {} |", code.hint())), "{code}: {row}");
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
        for key in keys {
            assert!(has_word(&api, key), "docs/API.md does not tell of the field {key}");
        }
    }
}

#[test]
fn every_document_with_commands_is_followed() {
    let all = all_documents();
    let with: BTreeSet<&str> = all
        .iter()
        .filter(|document| document.commands().next().is_some())
        .map(|document| document.name.as_str())
        .collect();
    assert_eq!(
        with,
        FOLLOWED.iter().copied().collect(),
        "the list at the head of this file is to be all of them"
    );
}

#[test]
fn what_is_not_run_is_little_and_known() {
    let all = all_documents();
    let mut found: Vec<(&str, usize)> = Vec::new();
    for why in all.iter().flat_map(|document| &document.blocks).filter_map(|block| block.not_run()) {
        match found.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => *count += 1,
            None => found.push((why, 1)),
        }
    }
    found.sort_unstable();
    let mut known = NOT_RUN.to_vec();
    known.sort_unstable();
    assert_eq!(found, known, "a block that no test runs needs a reason that is listed here");
}

#[test]
fn links_lead_somewhere_and_every_document_is_linked() {
    let all = all_documents();
    let broken = broken_links(&root(), &all);
    assert!(broken.is_empty(), "{broken:#?}");
    let reached = reachable("README.md", &all);
    let lost: Vec<_> =
        all.iter().map(|document| &document.name).filter(|name| !reached.contains(*name)).collect();
    assert!(lost.is_empty(), "no link leads from README.md to {lost:?}");
}

#[test]
fn samples_of_json_and_of_the_configuration_are_right() {
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for document in all_documents() {
        for block in &document.blocks {
            let complaint = match block.language.as_str() {
                "json" => parses_as_json(&block.text).err().or_else(|| wrong_batches(block)),
                "toml" => wrong_toml(block),
                _ => continue,
            };
            looked_at += 1;
            wrong.extend(complaint.map(|complaint| format!("{}:{}: {complaint}", document.name, block.line)));
        }
    }
    assert!(looked_at > 5, "only {looked_at} samples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A block of Rust whose first line names a file has to stand there, line by line, `// …` aside.
#[test]
fn code_in_documents_stands_in_the_files_that_it_names() {
    let mut checked = 0;
    let mut missing = Vec::new();
    for document in all_documents() {
        for block in document.blocks.iter().filter(|block| block.language == "rust") {
            let Some((head, code)) = block.text.split_once('\n') else { continue };
            let Some(path) = head.strip_prefix("// ").filter(|path| path.ends_with(".rs")) else { continue };
            checked += 1;
            let file = text(&root().join(path));
            let mut rest = file.as_str();
            for piece in code.split("// …\n") {
                let piece = piece.trim_end();
                match rest.split_once(piece) {
                    Some((_, behind)) => rest = behind,
                    None => {
                        missing.push(format!("{}:{}: {path} has not:\n{piece}", document.name, block.line))
                    }
                }
            }
        }
    }
    assert!(checked >= 8, "only {checked} pieces of code were found");
    assert!(missing.is_empty(), "{}", missing.join("\n\n"));
}

/// The picture in the README is drawn by `scripts/demo-picture` from what the demo prints.
#[test]
fn the_picture_of_the_demo_shows_what_it_prints() {
    let picture = text(&root().join("docs/images/demo.svg"));
    let printed = interline_tests::Place::empty().run(&["demo", "--once"]).out;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Milliseconds and ids differ from run to run, and stand last or next to last.
    let stable =
        |line: &str| words(line).into_iter().filter(|word| word.parse::<u64>().is_err()).collect::<Vec<_>>();
    let printed: BTreeSet<Vec<String>> = printed.lines().map(stable).collect();
    let mut lines = 0;
    for drawn in picture.lines().filter(|line| line.starts_with("<text")) {
        let plain: String =
            drawn.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, text)| text).collect();
        if plain.starts_with('$') {
            continue;
        }
        lines += 1;
        assert!(
            printed.contains(&stable(&plain)),
            "run scripts/demo-picture: the demo does not print {plain:?}"
        );
    }
    assert!(lines > 15, "only {lines} lines are drawn");
}
