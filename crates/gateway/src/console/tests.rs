//! What is served of the console, and what is not.

use super::*;

fn served(path: &str) -> Option<String> {
    find(path).map(|(name, _)| name.to_owned())
}

#[test]
fn every_page_begins_with_the_shell() {
    for path in ["index.html", "batches", "batches/bat_01a1", "find", "providers/wk-main"] {
        assert_eq!(served(path).as_deref(), Some(SHELL), "{path}");
    }
}

#[test]
fn a_missing_file_is_no_page() {
    for path in
        ["nothing.js", "pages/nothing.js", "pages/nothing", "vendor/x.mjs", "old.css", "../Cargo.toml.js"]
    {
        assert_eq!(served(path), None, "{path}");
    }
}

#[test]
fn every_file_has_a_type_and_its_own_tag() {
    let none = HeaderMap::new();
    let mut tags = std::collections::BTreeSet::new();
    for name in Files::iter() {
        let file = Files::get(&name).unwrap();
        let response = answer(&name, &file, &none);
        let headers = response.headers();
        assert_eq!(response.status(), 200);
        assert!(kind(&name).is_some() || name.starts_with("vendor/LICENSE-"), "{name}");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(tags.insert(headers[ETAG].clone()), "{name}");
        let again = HeaderMap::from_iter([(IF_NONE_MATCH, headers[ETAG].clone())]);
        assert_eq!(answer(&name, &file, &again).status(), StatusCode::NOT_MODIFIED, "{name}");
    }
    assert!(tags.len() > 10, "{}", tags.len());
}

#[test]
fn nothing_runs_but_files_of_our_own() {
    assert!(!POLICY.contains("unsafe") && !POLICY.contains("http") && POLICY.contains("default-src 'none'"));
    for name in Files::iter().filter(|name| name.ends_with(".html")) {
        let text = String::from_utf8(Files::get(&name).unwrap().data.into_owned()).unwrap();
        assert!(!text.contains("style=") && !text.contains("onclick") && !text.contains("//"), "{name}");
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches("src=\"/console/").count(), "{name}: a script inside the page");
    }
}

#[test]
fn what_modules_import_is_there() {
    for name in Files::iter().filter(|name| name.ends_with(".js")) {
        let text = String::from_utf8(Files::get(&name).unwrap().data.into_owned()).unwrap();
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        for piece in text.split("from '").skip(1).chain(text.split("import('").skip(1)) {
            let path = piece.split('\'').next().unwrap();
            assert!(path.starts_with('.'), "{name} imports {path}");
            let mut whole: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in path.split('/') {
                match part {
                    "." => {}
                    ".." => drop(whole.pop()),
                    part => whole.push(part),
                }
            }
            let whole = whole.join("/");
            assert!(Files::get(&whole).is_some(), "{name} imports {path}, and there is no {whole}");
        }
    }
}
