//! The OpenAPI document of a running server, and what it promises: answers are held against it, more strictly
//! than clients have to be, so that nothing is answered that it does not tell of.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::client::{Answer, Client};

/// The document.
#[derive(Debug)]
pub struct Contract {
    /// As it was served.
    pub document: Value,
    components: Value,
}

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// What the document says of it.
    pub about: Value,
}

/// Closes every object whose members are told, so that one that is not told is an error.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let open = members.get("properties").is_some_and(Value::is_object);
            if open && members.get("type") == Some(&json!("object")) {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

impl Contract {
    /// Reads the document of a server.
    ///
    /// # Panics
    /// When it has none.
    pub fn of(client: &Client) -> Self {
        let document = client.get("/openapi.json").of(200);
        let mut components = document["components"].clone();
        close(&mut components);
        Self { document, components }
    }

    /// All operations.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.document["paths"].as_object().into_iter().flatten();
        let all = paths.flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(|(method, about)| Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                about: about.clone(),
            })
        });
        all.collect()
    }

    /// What checks values against a schema of the document.
    ///
    /// # Panics
    /// When it is no schema.
    pub fn checks(&self, schema: &Value) -> Validator {
        let mut own = schema.clone();
        close(&mut own);
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.components, "allOf": [own],
        });
        jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("{schema}: {error}"))
    }

    /// What is wrong with a value by one of the document's named schemas.
    pub fn wrong(&self, name: &str, value: &Value) -> Vec<String> {
        let checks = self.checks(&json!({ "$ref": format!("#/components/schemas/{name}") }));
        checks.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// An answer is one that the document tells of.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn tells_of(&self, method: &str, path: &str, answer: &Answer) {
        let at = format!("{method} {path} {}", answer.status);
        let about = &self.document["paths"][path][method.to_lowercase()];
        let told = &about["responses"][answer.status.to_string()];
        assert!(told.is_object(), "{at} is not told of: {}", answer.text());
        for (name, header) in told["headers"].as_object().into_iter().flatten() {
            let there = answer.header(&name.to_lowercase()).is_some();
            assert!(there || header["required"] != true, "{at} lacks {name}");
        }
        let Some(forms) = told["content"].as_object() else { return };
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let form = forms.get(kind).unwrap_or_else(|| panic!("{at} as {kind} is not told of"));
        if kind.ends_with("json") {
            let wrong: Vec<String> = self
                .checks(&form["schema"])
                .iter_errors(&answer.json())
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{at}: {wrong:#?}\n{}", answer.text());
        }
    }

    /// A schema by name, as it was served.
    pub fn schema(&self, name: &str) -> &Value {
        &self.document["components"]["schemas"][name]
    }

    /// Examples of a request's JSON body, by name.
    pub fn bodies(operation: &Operation) -> Map<String, Value> {
        let content = &operation.about["requestBody"]["content"]["application/json"]["examples"];
        let examples = content.as_object().into_iter().flatten();
        examples.map(|(name, example)| (name.clone(), example["value"].clone())).collect()
    }
}
