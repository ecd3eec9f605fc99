//! Links between documents, and their anchors as GitHub makes them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::parse::Document;

/// Where a link points that leads nowhere, as `DOCUMENT: TARGET`.
pub fn broken_links(root: &Path, documents: &[Document]) -> Vec<String> {
    let mut broken = Vec::new();
    for document in documents {
        for target in targets(document) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = resolved(&document.name, path);
            let text = if path.is_empty() { Some(document.text.clone()) } else { None };
            let exists = path.is_empty() || root.join(&file).exists();
            let anchored = anchor.is_empty() || {
                let text = text.or_else(|| std::fs::read_to_string(root.join(&file)).ok());
                text.is_some_and(|text| anchors(&text).contains(anchor))
            };
            if !exists || !anchored {
                broken.push(format!("{}: {target}", document.name));
            }
        }
    }
    broken
}

/// The documents that one gets to from `start` by links.
pub fn reachable(start: &str, documents: &[Document]) -> BTreeSet<String> {
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut open = vec![start.to_owned()];
    while let Some(name) = open.pop() {
        let Some(document) = documents.iter().find(|document| document.name == name) else { continue };
        for target in targets(document) {
            let path = target.split('#').next().unwrap_or_default();
            let file = resolved(&name, path).to_string_lossy().into_owned();
            if !path.is_empty() && seen.insert(file.clone()) {
                open.push(file);
            }
        }
    }
    seen
}

/// What the links and pictures of a document point to on this side of the network.
fn targets(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for line in document.prose() {
        let line = without_code(line);
        let linked = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let pictured = line.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let sources = line.split("srcset=\"").skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(linked.chain(pictured).chain(sources).map(|target| target.trim().to_owned()));
    }
    found.retain(|target| !target.contains("://") && !target.starts_with("mailto:"));
    found
}

/// The line without what stands in backticks: a link there is a sample. Link texts in backticks stay links.
fn without_code(line: &str) -> String {
    line.split('`')
        .enumerate()
        .filter(|(at, part)| at % 2 == 0 || !part.contains("]("))
        .map(|(_, part)| part)
        .collect()
}

fn resolved(document: &str, path: &str) -> PathBuf {
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut out = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    out
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase().replace(' ', "-");
        let anchor: String = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
        let nth = (1..).map(|n| format!("{anchor}-{n}")).find(|name| !found.contains(name));
        let taken = found.contains(&anchor);
        found.insert(if taken { nth.unwrap_or_default() } else { anchor });
    }
    for rest in text.split("id=\"").skip(1) {
        found.extend(rest.split('"').next().map(str::to_owned));
    }
    found
}
