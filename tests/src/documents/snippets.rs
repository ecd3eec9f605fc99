//! Blocks that are no commands: JSON has to parse, a batch has to be one that the shipped configuration can
//! plan, and a piece of configuration has to be right where it would stand.

use serde_json::Value;
use toml::Table;

use super::parse::Block;
use super::root;
use crate::place::Place;

/// Whether it is JSON, one value or several, once `…` stands for what was left out.
pub fn parses_as_json(text: &str) -> Result<Vec<Value>, String> {
    let mut text = text.replace(", …", "").replace(",…", "").replace("{…}", "{}").replace("[…]", "[]");
    while let Some(at) = text.find("\n…") {
        text.replace_range(at..at + "\n…".len(), "");
    }
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    values.collect::<Result<_, _>>().map_err(|error| format!("{error} in {text}"))
}

/// What `interline plan` has against the batch that a block of JSON is, if it is one.
pub fn wrong_batches(block: &Block) -> Option<String> {
    let values = parses_as_json(&block.text).ok()?;
    let [batch] = values.as_slice() else { return None };
    let mut batch = batch.clone();
    let is_batch =
        batch["messages"].as_array().is_some_and(|all| all.iter().all(|one| one["to"].is_string()));
    let is_result = batch.get("calls").is_some() || batch["messages"][0].get("status").is_some();
    if !is_batch || is_result {
        return None;
    }
    let place = Place::empty();
    let config = std::fs::read(root().join("config.toml")).expect("the shipped configuration");
    place.write("config.toml", &config);
    // Callbacks need a secret, which the shipped configuration has not.
    batch.as_object_mut()?.remove("callback");
    place.write("batch.json", batch.to_string().as_bytes());
    let ran = place.run(&["plan", "batch.json"]);
    (ran.code != 0).then(|| ran.said())
}

/// What `interline check` has against a piece of configuration, put over the shipped one.
pub fn wrong_toml(block: &Block) -> Option<String> {
    let piece: Table = match block.text.parse() {
        Ok(piece) => piece,
        Err(error) => return Some(format!("{error}")),
    };
    // A piece of a crate's manifest is no configuration.
    if piece.contains_key("dependencies") || piece.contains_key("package") {
        return None;
    }
    let shipped = std::fs::read_to_string(root().join("config.toml")).expect("the shipped configuration");
    let mut whole: Table = shipped.parse().expect("the shipped configuration is TOML");
    // Its tests are about the shipped routes.
    whole.remove("tests");
    put_over(&mut whole, piece);
    let mut place = Place::empty();
    for name in variables(&block.text) {
        place = place.variable(&name, "x-a-value-for-this-test");
    }
    for name in ["users.csv", "rooms.csv"] {
        place.write(name, b"app,vendor\nalice,a-1\n");
    }
    place.write("migrated.csv", b"user:alice\n");
    place.write("config.toml", toml::to_string(&whole).expect("TOML").as_bytes());
    let ran = place.run(&["check"]);
    (ran.code != 0).then(|| ran.said())
}

/// Tables are merged by key; of lists of tables what has a name replaces its namesake, and goes before the rest.
fn put_over(whole: &mut Table, piece: Table) {
    for (key, value) in piece {
        match (whole.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => put_over(old, new),
            (Some(toml::Value::Array(old)), toml::Value::Array(new))
                if new.iter().all(toml::Value::is_table) =>
            {
                let name = |one: &toml::Value| one.get("name").cloned();
                old.retain(|one| new.iter().all(|other| name(one) != name(other)));
                old.splice(0..0, new);
            }
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}

/// The variables that secrets are read from.
fn variables(text: &str) -> Vec<String> {
    let named = text.split("\"env:").skip(1).filter_map(|rest| rest.split('"').next());
    named.map(str::to_owned).collect()
}
