//! The schemas of what is written and read, by name. What callers write is closed, as its reader refuses what it
//! does not know; what they read is open, as more may stand there one day.

mod answers;
mod batch;
mod callbacks;
mod content;
mod migrations;
mod service;

use interline_core::adapter::Vendor;
use serde_json::{Map, Value, json};

pub(super) use batch::recipient;

pub(super) type Schemas = Map<String, Value>;

/// All schemas.
pub(super) fn all(vendors: &[&'static Vendor]) -> Schemas {
    let mut schemas = Schemas::new();
    schemas.extend(batch::schemas(vendors));
    schemas.extend(content::schemas(vendors));
    schemas.extend(answers::schemas());
    schemas.extend(callbacks::schemas());
    schemas.extend(migrations::schemas());
    schemas.extend(service::schemas());
    schemas
}

/// A schema by its name.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A list.
fn list(items: Value, about: &str) -> Value {
    json!({ "type": "array", "items": items, "description": about })
}

/// A count.
fn count(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

fn number(about: &str) -> Value {
    json!({ "type": "number", "description": about })
}

/// A point in time.
fn time(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

/// An object whose values are texts.
fn texts_by_name(about: &str) -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": about })
}

/// An object as callers read it: all of its members are always there but those that are named `optional`.
fn open(about: &str, optional: &[&str], members: Value) -> Value {
    let names: Vec<&String> = members.as_object().into_iter().flat_map(Map::keys).collect();
    let required: Vec<_> = names.into_iter().filter(|name| !optional.contains(&name.as_str())).collect();
    json!({ "type": "object", "description": about, "required": required, "properties": members })
}

/// An object with the members of another schema and some more.
fn with(schema: &Value, about: &str, more: &Value) -> Value {
    let mut schema = schema.clone();
    for (name, member) in more.as_object().into_iter().flatten() {
        schema["properties"][name] = member.clone();
        if let Some(required) = schema["required"].as_array_mut() {
            required.push(json!(name));
        }
    }
    schema["description"] = about.into();
    schema
}
