//! Schemas in words: what something is, in a cell, and what its members are, in a table.

use serde_json::{Map, Value};

use super::html::{line, plain, table};

/// The name at the end of a reference.
fn name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}

fn code(value: &Value) -> String {
    format!("<code>{}</code>", plain(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

/// What something is, in a few words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = plain(name(reference));
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(one) = schema.get("const") {
        return code(one);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(code).collect::<Vec<_>>().join(" · ");
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(options) = schema[key].as_array() {
            return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return "any JSON".to_owned(),
    };
    let words: Vec<String> = types.iter().map(|one| typed(one, schema)).collect();
    format!("{}{}", words.join(" or "), limits(schema))
}

fn typed(word: &str, schema: &Value) -> String {
    match word {
        "array" => format!("array of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"]["type"].is_string() => {
            format!(
                "object of {}s",
                plain(schema["additionalProperties"]["type"].as_str().unwrap_or_default())
            )
        }
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        word => plain(word),
    }
}

/// The bounds of numbers and texts.
fn limits(schema: &Value) -> String {
    let of = |key: &str| schema.get(key).filter(|value| !value.is_null());
    let large = |value: &&Value| value.as_i64().is_some_and(|number| number.unsigned_abs() > 1 << 40);
    let range = match (of("minimum"), of("maximum").filter(|most| !large(most))) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) if *least != 0 => format!("{least} or more"),
        _ => String::new(),
    };
    let length = match (of("minLength"), of("maxLength")) {
        (Some(least), Some(most)) => format!("{least} to {most} characters"),
        (None, Some(most)) => format!("at most {most} characters"),
        _ => String::new(),
    };
    let said: Vec<String> = [range, length].into_iter().filter(|text| !text.is_empty()).collect();
    if said.is_empty() { String::new() } else { format!(" <small>{}</small>", said.join(", ")) }
}

/// The object that a schema describes by itself: it, one that may be `null`, or the items of a list.
fn inner(schema: &Value) -> Option<(&Map<String, Value>, &Value, &'static str)> {
    if let Some(members) = schema["properties"].as_object() {
        return Some((members, schema, ""));
    }
    if let Some(found) = schema.get("items").and_then(inner) {
        return Some((found.0, found.1, "[]"));
    }
    let options = schema["anyOf"].as_array().or(schema["oneOf"].as_array())?;
    options.iter().find_map(inner)
}

/// The rows of an object's members and of the members of those.
fn rows(schema: &Value, at: &str, out: &mut Vec<Vec<String>>) {
    let Some((members, object, list)) = inner(schema) else { return };
    let at = if at.is_empty() { String::new() } else { format!("{at}{list}.") };
    let required = object["required"].as_array();
    for (name, member) in members {
        let path = format!("{at}{name}");
        let needed = required.is_some_and(|names| names.iter().any(|known| *known == **name));
        let mark = if needed { " <span class=\"must\">required</span>" } else { "" };
        let about = member["description"].as_str().unwrap_or_default();
        out.push(vec![format!("<code>{}</code>{mark}", plain(&path)), kind(member), line(about)]);
        rows(member, &path, out);
    }
}

/// Words that each have a sentence, in a table whose rows can be linked to.
fn explained(name: &str, schema: &Value) -> Option<String> {
    let words = schema["enum"].as_array()?.iter().filter_map(Value::as_str).map(plain);
    let sentences = schema["x-enum-descriptions"].as_array()?.iter().filter_map(Value::as_str);
    let rows = words
        .zip(sentences)
        .map(|(word, about)| vec![format!("<code id=\"{name}-{word}\">{word}</code>"), line(about)]);
    Some(table(&format!("Words of {name}"), &["Word", "About"], &rows.collect::<Vec<_>>()))
}

/// A schema with its members.
pub(super) fn section(name: &str, schema: &Value) -> String {
    let about = line(schema["description"].as_str().unwrap_or_default());
    let name = plain(name);
    let mut found = Vec::new();
    rows(schema, "", &mut found);
    let members = if let Some(words) = explained(&name, schema) {
        words
    } else if found.is_empty() {
        format!("<p>{}</p>", kind(schema))
    } else {
        table(&format!("Members of {name}"), &["Member", "Is", "About"], &found)
    };
    format!("<section class=\"card\" id=\"schema-{name}\"><h3>{name}</h3><p>{about}</p>{members}</section>")
}
