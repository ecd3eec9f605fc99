//! The service itself: accounts, vendors, routes, configuration, health and this document.

use serde_json::{Value, json};

use super::{Operation, examples};
use crate::config::Scope;
use crate::problem::Code;

const TAG: &str = "Accounts and routes";

fn text(kind: &str, about: &str, example: &str) -> Value {
    json!({ kind: { "schema": { "type": "string", "description": about }, "example": example } })
}

pub(crate) fn providers() -> Operation {
    Operation::new("listProviders", "Accounts at vendors, with limits and queues")
        .tag(TAG)
        .scopes(&[Scope::Read])
        .answer(200, "All accounts.", "Providers", Some(examples::PROVIDERS))
}

pub(crate) fn vendors() -> Operation {
    Operation::new("listVendors", "What each dialect of each vendor can do")
        .tag(TAG)
        .scopes(&[Scope::Read])
        .answer(200, "All vendors.", "Vendors", Some(examples::VENDORS))
}

pub(crate) fn routes() -> Operation {
    Operation::new("listRoutes", "Who goes where").tag(TAG).scopes(&[Scope::Read]).answer(
        200,
        "The routes in force.",
        "Routes",
        Some(examples::ROUTES),
    )
}

pub(crate) fn config() -> Operation {
    Operation::new("getConfig", "The configuration in force, secrets masked")
        .tag(TAG)
        .scopes(&[Scope::Admin])
        .answer(200, "The configuration.", "Config", Some(examples::CONFIG))
}

pub(crate) fn reload() -> Operation {
    Operation::new("reloadConfig", "Reads the configuration again")
        .tag(TAG)
        .text("Checked first, then in force as a whole; what is wrong leaves everything as it was.")
        .scopes(&[Scope::Admin])
        .answer(200, "What changed.", "Reloaded", Some(examples::RELOADED))
        .refuses(&[Code::InvalidConfig, Code::Unavailable])
}

pub(crate) fn live() -> Operation {
    Operation::new("live", "Whether the process runs").answers(
        200,
        "It runs.",
        text("text/plain", "A word.", "ok\n"),
    )
}

pub(crate) fn ready() -> Operation {
    Operation::new("ready", "Whether batches can be taken now")
        .answers(200, "They can.", text("text/plain", "A word.", "ready\n"))
        .refuses(&[Code::Unavailable])
}

pub(crate) fn metrics() -> Operation {
    let example = "# TYPE interline_http_requests counter\n# EOF\n";
    Operation::new("metrics", "Counts for Prometheus").answers(
        200,
        "The counts.",
        text("application/openmetrics-text", "OpenMetrics 1.0.", example),
    )
}

pub(crate) fn document() -> Operation {
    let any = json!({ "application/json": { "schema": { "type": "object" } } });
    Operation::new("document", "This document").answers(200, "The document.", any)
}

pub(crate) fn docs() -> Operation {
    Operation::new("docs", "This document as a page for people").answers(
        200,
        "The page.",
        json!({ "text/html": { "schema": { "type": "string", "description": "HTML." } } }),
    )
}

pub(crate) fn docs_style() -> Operation {
    Operation::new("docsStyle", "How that page looks").answers(
        200,
        "The style.",
        json!({ "text/css": { "schema": { "type": "string", "description": "CSS." } } }),
    )
}
