//! One operation for people: what it does, what it takes, a line for a shell, what it answers.

use serde_json::Value;

use super::html::{code, line, paragraphs, plain, table};
use super::schema::kind;

const URL: &str = "http://127.0.0.1:8400";

/// An operation with where it stands.
pub(super) struct Shown<'d> {
    pub(super) method: String,
    pub(super) path: &'d str,
    pub(super) what: &'d Value,
}

fn text<'d>(value: &'d Value, key: &str) -> &'d str {
    value[key].as_str().unwrap_or_default()
}

impl Shown<'_> {
    pub(super) fn id(&self) -> &str {
        text(self.what, "operationId")
    }

    pub(super) fn is_under(&self, tag: &Value) -> bool {
        self.what["tags"][0] == tag["name"]
    }

    /// Its line in the list of all.
    pub(super) fn link(&self) -> String {
        format!(
            "<li><a href=\"#{}\"><span class=\"verb {2}\">{1}</span> <span>{3}</span></a></li>",
            plain(self.id()),
            self.method,
            self.method.to_lowercase(),
            plain(self.path)
        )
    }

    pub(super) fn section(&self) -> String {
        let parts = [
            paragraphs(text(self.what, "description")),
            self.parameters(),
            self.body(),
            self.shell(),
            self.answers(),
        ];
        format!(
            "<section class=\"card\" id=\"{}\"><h3><span class=\"verb {}\">{}</span> <code>{}</code></h3>\
             <p class=\"sum\">{}</p>{}</section>",
            plain(self.id()),
            self.method.to_lowercase(),
            self.method,
            plain(self.path),
            line(text(self.what, "summary")),
            parts.concat()
        )
    }

    /// A line for a shell; none of what the server sends by itself.
    fn shell(&self) -> String {
        if !self.path.starts_with('/') {
            return String::new();
        }
        format!("<h4>In a shell</h4>{}", code(&format!("{} in a shell", self.id()), &self.curl()))
    }

    fn parameters(&self) -> String {
        let parameters = self.what["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        if parameters.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = parameters
            .iter()
            .map(|one| {
                let mark = if one["required"] == true { " <span class=\"must\">required</span>" } else { "" };
                let example = one.get("example").map(|example| {
                    let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                    format!(" <small>Example: <code>{}</code></small>", plain(&example))
                });
                vec![
                    format!("<code>{}</code>{mark}", plain(text(one, "name"))),
                    plain(text(one, "in")),
                    kind(&one["schema"]),
                    format!("{}{}", line(text(one, "description")), example.unwrap_or_default()),
                ]
            })
            .collect();
        table(&format!("Parameters of {}", self.id()), &["Parameter", "In", "Is", "About"], &rows)
    }

    fn body(&self) -> String {
        let Some(forms) = self.what["requestBody"]["content"].as_object() else { return String::new() };
        let may = if self.what["requestBody"]["required"] == true { "" } else { " (may be left out)" };
        let mut out = format!("<h4>Body{may}</h4>");
        for (form, content) in forms {
            let about = line(text(&content["schema"], "description"));
            out.push_str(&format!(
                "<p><code>{}</code>: {} {about}</p>",
                plain(form),
                kind(&content["schema"])
            ));
            for (name, example) in content["examples"].as_object().into_iter().flatten() {
                let shown = pretty(&example["value"]);
                let summary = line(text(example, "summary"));
                let label = format!("{} example {name}", self.id());
                out.push_str(&format!(
                    "<details><summary>{summary}</summary>{}</details>",
                    code(&label, &shown)
                ));
            }
            if let Some(example) = content["example"].as_str() {
                let label = format!("{} example as {form}", self.id());
                out.push_str(&format!(
                    "<details><summary>Example</summary>{}</details>",
                    code(&label, example)
                ));
            }
        }
        out
    }

    /// A command that does it.
    fn curl(&self) -> String {
        let parameters = self.what["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut url = format!("{URL}{}", self.path);
        let mut query = Vec::new();
        for one in parameters {
            let example = one["example"].as_str().unwrap_or_default();
            match text(one, "in") {
                "path" => url = url.replace(&format!("{{{}}}", text(one, "name")), example),
                "query" if one["required"] == true => query.push(format!("{}={example}", text(one, "name"))),
                _ => {}
            }
        }
        if !query.is_empty() {
            url = format!("{url}?{}", query.join("&"));
        }
        let mut command = String::from("curl -s");
        if self.method != "GET" {
            command.push_str(&format!(" -X {}", self.method));
        }
        command.push_str(&format!(" '{url}'"));
        if self.what["security"].as_array().is_some_and(|some| !some.is_empty()) {
            command.push_str(" \\\n  -H \"Authorization: Bearer $INTERLINE_KEY\"");
        }
        let examples = &self.what["requestBody"]["content"]["application/json"]["examples"];
        let shortest = examples.as_object().into_iter().flatten().map(|(_, one)| pretty(&one["value"]));
        if let Some(example) = shortest.min_by_key(String::len) {
            let body = example.replace('\'', "'\\''");
            command.push_str(&format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"));
        }
        command
    }

    fn answers(&self) -> String {
        let mut rows = Vec::new();
        let mut examples = String::new();
        for (status, answer) in self.what["responses"].as_object().into_iter().flatten() {
            let forms = answer["content"].as_object();
            let kinds = forms.into_iter().flatten().map(|(form, content)| {
                let what = if form.starts_with("application/problem") {
                    kind(&content["schema"])
                } else {
                    format!("{} <small>{}</small>", kind(&content["schema"]), plain(form))
                };
                if let Some(example) = content.get("example") {
                    let shown = example.as_str().map_or_else(|| pretty(example), str::to_owned);
                    let label = format!("{} answer {status} {form}", self.id());
                    examples.push_str(&format!(
                        "<details><summary>Example of {status} <small>{}</small></summary>{}</details>",
                        plain(form),
                        code(&label, &shown)
                    ));
                }
                what
            });
            let kinds: Vec<String> = kinds.collect();
            let headers = answer["headers"].as_object().into_iter().flatten().map(|(name, header)| {
                format!(
                    "<br><small><code>{}</code> {}</small>",
                    plain(name),
                    line(text(header, "description"))
                )
            });
            let about = line(text(answer, "description")) + &headers.collect::<String>();
            rows.push(vec![format!("<b>{}</b>", plain(status)), kinds.join("<br>"), about]);
        }
        table(&format!("Answers of {}", self.id()), &["Status", "Is", "About"], &rows) + &examples
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
