//! What the document says of one method of one path. Refusals are named by their codes; statuses and headers
//! follow from those.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::named;
use crate::config::Scope;
use crate::problem::Code;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    text: String,
    /// Any of these is enough; none where everybody may ask.
    scopes: &'static [Scope],
    parameters: Vec<Value>,
    body: Value,
    answers: BTreeMap<u16, Value>,
    codes: Vec<Code>,
}

impl Operation {
    /// An operation by its id, which clients name functions after, and what it does in a line.
    pub(crate) const fn new(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag: "Service",
            summary,
            text: String::new(),
            scopes: &[],
            parameters: Vec::new(),
            body: Value::Null,
            answers: BTreeMap::new(),
            codes: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.summary.is_empty()
    }

    /// Under what it stands.
    pub(super) const fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// More than the line says.
    pub(super) fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// Who may ask: whoever has one of these scopes.
    pub(super) fn scopes(mut self, scopes: &'static [Scope]) -> Self {
        self.scopes = scopes;
        self.refuses(&[Code::InvalidParameter, Code::Unauthorized, Code::Forbidden, Code::Internal])
    }

    /// Why it may be refused.
    pub(super) fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes.iter().filter(|code| !self.codes.contains(code)).collect::<Vec<_>>());
        self
    }

    /// The `{id}` or `{name}` of the path.
    pub(super) fn path(mut self, name: &str, about: &str, example: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": about,
            "schema": { "type": "string", "minLength": 1 }, "example": example,
        }));
        self
    }

    /// A parameter of the query.
    pub(super) fn query(mut self, name: &str, mut schema: Value, example: Value) -> Self {
        let about = schema.as_object_mut().and_then(|members| members.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "description": about, "schema": schema, "allowEmptyValue": true });
        if !example.is_null() {
            parameter["example"] = example;
        }
        self.parameters.push(parameter);
        self
    }

    /// A parameter of the query that has to be there.
    pub(super) fn required(self, name: &str, schema: Value, example: Value) -> Self {
        let mut operation = self.query(name, schema, example);
        if let Some(parameter) = operation.parameters.last_mut() {
            parameter["required"] = true.into();
        }
        operation
    }

    /// A header of the request.
    pub(super) fn header(mut self, name: &str, schema: &Value, about: &str, example: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "description": about, "schema": schema, "example": example,
        }));
        self
    }

    /// What the request carries as JSON, with examples by name.
    pub(super) fn body(mut self, schema: &str, examples: &Value) -> Self {
        self.body = json!({
            "required": true,
            "content": { JSON: { "schema": named(schema), "examples": examples } },
        });
        self.refuses(&[Code::InvalidBody, Code::BrokenBody, Code::IdleBody, Code::TooLarge])
    }

    /// The body may be left out.
    pub(super) fn optional_body(mut self, schema: &str, examples: &Value) -> Self {
        self = self.body(schema, examples);
        self.body["required"] = false.into();
        self
    }

    /// The same in another form.
    pub(super) fn or_body(mut self, kind: &str, about: &str, example: &str) -> Self {
        self.body["content"][kind] =
            json!({ "schema": { "type": "string", "description": about }, "example": example });
        self
    }

    /// An answer in JSON.
    pub(super) fn answer(
        self,
        status: u16,
        about: &str,
        schema: &str,
        example: Option<&'static str>,
    ) -> Self {
        let mut content = json!({ "schema": named(schema) });
        if let Some(example) = example.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            content["example"] = example;
        }
        self.answers(status, about, json!({ JSON: content }))
    }

    /// An answer in whatever form; none where it has no body.
    pub(super) fn answers(mut self, status: u16, about: &str, content: Value) -> Self {
        let mut answer = json!({ "description": about });
        if !content.is_null() {
            answer["content"] = content;
        }
        self.answers.insert(status, answer);
        self
    }

    /// The last answer in another form as well.
    pub(super) fn or_text(mut self, status: u16, kind: &str, about: &str, example: &str) -> Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            answer["content"][kind] =
                json!({ "schema": { "type": "string", "description": about }, "example": example });
        }
        self
    }

    /// A header that an answer may have.
    pub(super) fn tells(mut self, statuses: &[u16], name: &str, about: &str) -> Self {
        for status in statuses {
            if let Some(answer) = self.answers.get_mut(status) {
                answer["headers"][name] = json!({ "description": about, "schema": { "type": "string" } });
            }
        }
        self
    }

    /// What can be asked next with a member of an answer.
    pub(super) fn leads(mut self, statuses: &[u16], to: &[&str]) -> Self {
        for status in statuses {
            for id in to {
                if let Some(answer) = self.answers.get_mut(status) {
                    answer["links"][*id] =
                        json!({ "operationId": id, "parameters": { "id": "$response.body#/id" } });
                }
            }
        }
        self
    }

    pub(super) fn into_value(mut self) -> Value {
        let refusals: Vec<(u16, Value)> = self.refusals().collect();
        self.answers.extend(refusals);
        let answers: Map<String, Value> = std::mem::take(&mut self.answers)
            .into_iter()
            .map(|(status, one)| (status.to_string(), one))
            .collect();
        let mut value = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description(),
            "security": self.security(),
            "responses": answers,
        });
        if !self.parameters.is_empty() {
            value["parameters"] = self.parameters.into();
        }
        if !self.body.is_null() {
            value["requestBody"] = self.body;
        }
        value
    }

    fn description(&self) -> String {
        let scopes: Vec<String> = self.scopes.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
        let who = match &*scopes {
            [] => "Everybody may ask.".to_owned(),
            scopes => format!("Scope: {}.", scopes.join(" or ")),
        };
        if self.text.is_empty() { who } else { format!("{}\n\n{who}", self.text) }
    }

    fn security(&self) -> Vec<Value> {
        let with = |scheme: &'static str| {
            self.scopes.iter().map(move |scope| json!({ scheme: [scope.as_str()] })).collect::<Vec<_>>()
        };
        [with("key"), with("session")].concat()
    }

    /// The answers that say no, by status.
    fn refusals(&self) -> impl Iterator<Item = (u16, Value)> {
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in Code::ALL.iter().filter(|code| self.codes.contains(code)) {
            by_status.entry(code.status().as_u16()).or_default().push(*code);
        }
        by_status.into_iter().map(|(status, codes)| (status, refusal(status, &codes)))
    }
}

fn refusal(status: u16, codes: &[Code]) -> Value {
    let said: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}.", code.as_str(), code.when())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| {
            let title = code.status().canonical_reason();
            let value = json!({
                "type": code.page(), "title": title, "status": status, "code": code.as_str(),
                "detail": code.when(),
            });
            (code.as_str().to_owned(), json!({ "value": value }))
        })
        .collect();
    let mut answer = json!({
        "description": said.join("\n"),
        "content": { PROBLEM: { "schema": named("Problem"), "examples": examples } },
    });
    let text = json!({ "type": "string" });
    let seconds = json!({ "type": "integer", "minimum": 1 });
    let (name, about, schema, always) = match status {
        401 => ("WWW-Authenticate", "How to say who asks.", text, true),
        429 | 503 => ("Retry-After", "Seconds until it is worth trying again.", seconds, true),
        409 if codes.contains(&Code::InProgress) => {
            ("Retry-After", "With `in_progress`: seconds until it is worth trying again.", seconds, false)
        }
        _ => return answer,
    };
    answer["headers"] = json!({ name: { "description": about, "required": always, "schema": schema } });
    answer
}
