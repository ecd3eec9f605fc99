//! The page as a whole: what the service is, a list of all operations, each of them, each schema.

use serde_json::Value;

use super::html::{line, paragraphs, plain};
use super::operation::Shown;
use super::schema;

/// The page of a document.
pub(super) fn written(document: &Value) -> String {
    let operations = operations(document);
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut list = String::new();
    let mut body = String::new();
    for tag in tags {
        let own: Vec<&Shown<'_>> = operations.iter().filter(|one| one.is_under(tag)).collect();
        let name = tag["name"].as_str().unwrap_or_default();
        let (shown, anchor) = (plain(name), plain(&name.to_lowercase().replace(' ', "-")));
        let links: String = own.iter().map(|one| one.link()).collect();
        list.push_str(&format!("<p><a href=\"#{anchor}\">{shown}</a></p><ul>{links}</ul>"));
        let about = line(tag["description"].as_str().unwrap_or_default());
        body.push_str(&format!("<h2 id=\"{anchor}\">{shown}</h2><p class=\"muted\">{about}</p>"));
        body.extend(own.iter().map(|one| one.section()));
    }
    let schemas = document["components"]["schemas"].as_object();
    let links: String = schemas
        .into_iter()
        .flatten()
        .map(|(name, _)| format!("<li><a href=\"#schema-{0}\">{0}</a></li>", plain(name)))
        .collect();
    list.push_str(&format!("<p><a href=\"#schemas\">Schemas</a></p><ul>{links}</ul>"));
    body.push_str(
        "<h2 id=\"schemas\">Schemas</h2><p class=\"muted\">What bodies and answers are made of.</p>",
    );
    body.extend(schemas.into_iter().flatten().map(|(name, one)| schema::section(name, one)));
    framed(&document["info"], &list, &body)
}

fn operations(document: &Value) -> Vec<Shown<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let sent = document["webhooks"].as_object().into_iter().flatten();
    let all = paths.chain(sent).flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, what)| Shown {
            method: method.to_uppercase(),
            path,
            what,
        })
    });
    all.collect()
}

fn framed(info: &Value, list: &str, body: &str) -> String {
    let text = |key: &str| info[key].as_str().unwrap_or_default();
    let (version, about) = (plain(text("version")), paragraphs(text("description")));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Interline API</title><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/docs/docs.css\"></head><body>\
         <a class=\"skip\" href=\"#main\">To the text</a>\
         <nav aria-label=\"Contents\"><a class=\"brand\" href=\"#main\">Interline API</a>\
         <details open><summary>Contents</summary>{list}</details></nav>\
         <main id=\"main\" tabindex=\"-1\"><h1>Interline API <small>{version}</small></h1>{about}\
         <p>Keys go in <code>Authorization: Bearer il_…</code>. The same as a document for programs: \
         <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>{body}</main></body></html>\n"
    )
}
