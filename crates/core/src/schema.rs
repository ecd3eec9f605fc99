//! The little that JSON schemas of what callers write have in common. A schema says what a reader takes; the
//! tests of each hold it against its reader.

use serde_json::{Map, Value, json};

/// A text.
#[must_use]
pub fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

/// A text of at least one character.
#[must_use]
pub fn filled(about: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": about })
}

/// True or false.
#[must_use]
pub fn switch(about: &str) -> Value {
    json!({ "type": "boolean", "description": about })
}

/// A whole number within a range, its ends included.
#[must_use]
pub fn whole(range: (i64, i64), about: &str) -> Value {
    json!({ "type": "integer", "minimum": range.0, "maximum": range.1, "description": about })
}

/// One of a few words.
#[must_use]
pub fn word(words: &[&str], about: &str) -> Value {
    json!({ "type": "string", "enum": words, "description": about })
}

/// Any object.
#[must_use]
pub fn any_object(about: &str) -> Value {
    json!({ "type": "object", "description": about })
}

/// The same, or `null`.
#[must_use]
pub fn nullable(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    let kind = members.get("type").and_then(Value::as_str).map(str::to_owned);
    match kind {
        Some(kind) if !members.contains_key("const") && !members.contains_key("enum") => {
            members.insert("type".to_owned(), json!([kind, "null"]));
            schema
        }
        // Generators of clients make one type of a list of words, and several of one with `null` in it.
        Some(_) => either(schema),
        // Without a type anything goes, `null` as well, unless other schemas say what it is.
        None if ["$ref", "anyOf", "oneOf"].iter().any(|key| members.contains_key(*key)) => either(schema),
        None => schema,
    }
}

fn either(mut schema: Value) -> Value {
    let about = schema.as_object_mut().and_then(|members| members.remove("description"));
    let mut both = json!({ "anyOf": [schema, { "type": "null" }] });
    if let (Some(about), Some(members)) = (about, both.as_object_mut()) {
        members.insert("description".to_owned(), about);
    }
    both
}

/// An object as callers write it: no other members than these, and those that are not `required` may be
/// `null`, which is as if they were not there.
#[must_use]
pub fn closed(about: &str, required: &[&str], members: Value) -> Value {
    let Value::Object(members) = members else { return members };
    let members: Map<String, Value> = members
        .into_iter()
        .map(|(name, schema)| {
            let schema = if required.contains(&&*name) { schema } else { nullable(schema) };
            (name, schema)
        })
        .collect();
    let mut schema = json!({
        "type": "object", "description": about, "properties": members, "additionalProperties": false,
    });
    if let (false, Some(schema)) = (required.is_empty(), schema.as_object_mut()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_left_out_may_be_null() {
        let schema = closed(
            "a thing",
            &["a"],
            json!({ "a": text(""), "b": word(&["x"], ""), "c": { "$ref": "#/c" }, "d": {} }),
        );
        let members = &schema["properties"];
        assert_eq!(members["a"]["type"], "string");
        assert_eq!(members["b"]["anyOf"][0]["enum"], json!(["x"]));
        assert_eq!(members["c"]["anyOf"], json!([{ "$ref": "#/c" }, { "type": "null" }]));
        assert_eq!(members["d"], json!({}));
        assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["a"]), &json!(false)));
    }
}
