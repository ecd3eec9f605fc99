//! `interline check --diff`: the configuration as it stands beside the one that a server has in force. Both are
//! shown by the same code with secrets masked, so a secret that changed does not show.

use std::collections::BTreeMap;
use std::process::ExitCode;

use interline_gateway::config::Config;
use serde_json::{Value, json};

use crate::args::Target;
use crate::client::Client;
use crate::output::{BAD, BOLD, DIM, Failed, GOOD, ODD, count, json as print_json, line, note, paint};

/// A key whose value is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    key: String,
    /// None where only the file has it.
    server: Option<String>,
    /// None where only the server has it.
    file: Option<String>,
}

/// Asks the server and compares. Exit code 0: the same; 1: not.
pub(super) async fn run(config: &Config, target: &Target, as_json: bool) -> Result<ExitCode, Failed> {
    let client = Client::new(target)?;
    let server = client.get("/v1/config").await?.value()?;
    let changes = changes(&server, &config.shown());
    let exit = ExitCode::from(u8::from(!changes.is_empty()));
    if as_json {
        let changes: Vec<Value> = changes.iter().map(told).collect();
        print_json(&json!({"server": client.base(), "file": config.file, "changes": changes}))?;
        return Ok(exit);
    }
    let file = config.file.display();
    if changes.is_empty() {
        line(format!("{} {} has {file} in force", paint(GOOD, "✓"), client.base()));
        return Ok(exit);
    }
    let number = count(changes.len() as u64, "key");
    line(format!("{} in {file} not as at {}", paint(BOLD, number), client.base()));
    for change in &changes {
        written(change);
    }
    note(paint(DIM, "secrets are masked: one that changed does not show"));
    Ok(exit)
}

fn told(change: &Change) -> Value {
    json!({"key": change.key, "server": change.server, "file": change.file})
}

fn written(change: &Change) {
    let Change { key, server, file } = change;
    match (server, file) {
        (None, Some(file)) => line(format!("{} {key} = {file}", paint(GOOD, "+"))),
        (Some(server), None) => line(format!("{} {key} = {server}", paint(BAD, "-"))),
        (Some(server), Some(file)) => {
            let arrow = paint(DIM, "→");
            line(format!("{} {key} = {server} {arrow} {file}", paint(ODD, "~")));
        }
        (None, None) => {}
    }
}

/// What differs, by key.
fn changes(server: &Value, file: &Value) -> Vec<Change> {
    let (mut server, file) = (flat(server), flat(file));
    let mut found: Vec<Change> = Vec::new();
    for (key, value) in file {
        let before = server.remove(&key);
        if before.as_ref() != Some(&value) {
            found.push(Change { key, server: before, file: Some(value) });
        }
    }
    found.extend(server.into_iter().map(|(key, value)| Change { key, server: Some(value), file: None }));
    found.sort_by(|one, other| one.key.cmp(&other.key));
    found
}

/// Each value under its dotted key. Lists of things with names stand under those, and their order is a value.
fn flat(config: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (section, value) in config.as_object().into_iter().flatten() {
        // Where it was read from is no setting.
        if section != "file" {
            put(section, value, &mut found);
        }
    }
    found
}

fn put(key: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if members.is_empty() => {
            found.insert(key.to_owned(), "{}".to_owned());
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| put(&format!("{key}.{name}"), value, found));
        }
        Value::Array(items) => {
            let names: Vec<&str> = items.iter().filter_map(|item| item.get("name")?.as_str()).collect();
            if names.is_empty() || names.len() < items.len() {
                found.insert(key.to_owned(), value.to_string());
                return;
            }
            found.insert(format!("{key} (order)"), names.join(", "));
            for (name, item) in names.iter().zip(items) {
                for (member, value) in
                    item.as_object().into_iter().flatten().filter(|(one, _)| *one != "name")
                {
                    put(&format!("{key}.{name}.{member}"), value, found);
                }
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(key.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(routes: &Value) -> Value {
        json!({"file": "a", "server": {"listen": "127.0.0.1:1"}, "routes": routes})
    }

    #[test]
    fn what_was_added_removed_and_changed_is_named_by_its_key() {
        let server =
            config(&json!([{"name": "a", "when": {}, "provider": "wk"}, {"name": "b", "provider": "ne"}]));
        let mut file = config(&json!([{"name": "a", "when": {"to": ["room"]}, "provider": "wk"}]));
        file["file"] = "b".into();
        file["server"]["listen"] = "127.0.0.1:2".into();
        let told: Vec<_> = changes(&server, &file)
            .into_iter()
            .map(|one| (one.key, one.server.unwrap_or_default(), one.file.unwrap_or_default()))
            .collect();
        let wanted = [
            ("routes (order)", "a, b", "a"),
            ("routes.a.when", "{}", ""),
            ("routes.a.when.to", "", r#"["room"]"#),
            ("routes.b.provider", r#""ne""#, ""),
            ("server.listen", r#""127.0.0.1:1""#, r#""127.0.0.1:2""#),
        ];
        let wanted = wanted.map(|(key, server, file)| (key.to_owned(), server.to_owned(), file.to_owned()));
        assert_eq!(told, wanted);
    }

    #[test]
    fn the_order_of_routes_is_a_difference() {
        let (a, b) = (json!({"name": "a", "provider": "wk"}), json!({"name": "b", "provider": "ne"}));
        let changed = changes(&config(&json!([a, b])), &config(&json!([b, a])));
        assert_eq!(changed.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["routes (order)"]);
    }
}
