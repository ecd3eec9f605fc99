//! What is shown of accounts, vendors, routes and the configuration.

use interline_core::content::CONTENT_TYPES;
use interline_core::recipient::RecipientKind;
use interline_core::schema::{any_object, closed, nullable, switch, text, word};
use serde_json::{Map, Value, json};

use super::{Schemas, count, list, named, open, time};
use crate::config::Scope;

pub(super) fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    let mut add = |name: &str, schema| schemas.insert(name.to_owned(), schema);
    add("Rate", rate());
    add("Provider", provider());
    let all =
        json!({ "providers": list(named("Provider"), "All that are configured, and those that go away.") });
    add("Providers", open("All accounts.", &[], all));
    add("Probed", probed());
    add("Profile", profile());
    add("Vendors", vendors());
    add("Route", route());
    let all = json!({ "routes": list(named("Route"), "In order; the first that takes a message has it.") });
    add("Routes", open("All routes.", &[], all));
    add("Config", config());
    add("Reloaded", reloaded());
    add("SessionRequest", session_request());
    add("Session", session());
    schemas
}

fn strings(about: &str) -> Value {
    list(json!({ "type": "string" }), about)
}

fn rate() -> Value {
    let members = json!({ "count": count("How many."), "per_ms": count("In how many milliseconds.") });
    open("So many in a period.", &[], members)
}

fn provider() -> Value {
    let class = json!({
        "name": text("Its name."), "calls": nullable(named("Rate")), "messages": nullable(named("Rate")),
        "messages_per_call": count("The most messages of a call."),
        "frozen_until": nullable(text("Until when the vendor's penalty lasts.")),
    });
    open(
        "An account at a vendor.",
        &[],
        json!({
            "name": text("Its name."), "vendor": text("Its vendor."), "base_url": text("Its address."),
            "dialect_setting": text("What the configuration says: a dialect or `auto`."),
            "dialect": nullable(text("What its server speaks; `null` while that is not known.")),
            "state": word(&["ready", "paused", "waiting", "draining"], "Whether calls are made."),
            "breaker": word(&["closed", "open", "half_open", "restarting"], "Whether calls are let through."),
            "breaker_until": nullable(text("When an open breaker lets a call try.")),
            "trouble": nullable(text("The last thing that kept it from sending.")),
            "waiting": count("Messages that wait."), "in_flight": count("Calls under way."),
            "in_flight_limit": count("The most of them."), "timeout_ms": count("How long a call may take."),
            "classes": list(open("A quota class.", &[], class), "The vendor's own units of rate limit."),
            "accepted_means": nullable(text("What `accepted` is worth.")),
        }),
    )
}

fn probed() -> Value {
    let members = json!({
        "provider": text("The account."), "reachable": switch("Whether anything answered."),
        "dialect": nullable(text("What it speaks; `null` where nothing that is known answered.")),
    });
    open("What a vendor's server said of itself.", &[], members)
}

fn profile() -> Value {
    let kinds = [RecipientKind::User, RecipientKind::Group, RecipientKind::Room, RecipientKind::Everyone];
    let kinds = kinds.map(RecipientKind::as_str);
    let class = json!({
        "name": text("Its name."), "calls": nullable(named("Rate")), "messages": nullable(named("Rate")),
        "per_recipient": nullable(named("Rate")), "messages_per_call": count("The most messages of a call."),
        "serial": switch("Whether the server works off a call's messages one after the other."),
    });
    let within = json!({
        "classes": strings("In calls of these quota classes."), "window_ms": count("For so long."),
        "evidence": text("How that is known."),
    });
    open(
        "What a dialect can do.",
        &[],
        json!({
            "vendor": text("The vendor."), "dialect": text("The dialect."),
            "recipients": list(json!({ "type": "string", "enum": kinds }), "Whom it reaches."),
            "contents": list(json!({ "type": "string", "enum": CONTENT_TYPES }), "What it sends without loss."),
            "classes": list(open("A quota class.", &[], class), "With the limits that hold by default."),
            "accepted_means": text("What `accepted` is worth."),
            "dedupe": {
                "description": "Whether it recognises a message that is sent again.",
                "anyOf": [
                    { "type": "string", "enum": ["never"] },
                    open("It does.", &[], json!({ "within": open("Where and how long.", &[], within) })),
                ],
            },
            "lookup": switch("Whether it can be asked for a message whose outcome is unknown."),
            "in_flight": count("Calls under way at once, by default."),
            "timeout_ms": count("How long a call may take, by default."),
        }),
    )
}

fn vendors() -> Value {
    let vendor = json!({
        "name": text("Its name."), "settings": strings("The keys that an account may have of its own."),
        "dialects": list(named("Profile"), "What its servers speak."),
    });
    open("All vendors.", &[], json!({ "vendors": list(open("A vendor.", &[], vendor), "All of them.") }))
}

fn route() -> Value {
    open(
        "A rule that says which provider takes a message.",
        &["provider", "split", "fallback", "on_loss", "guarantee"],
        json!({
            "name": text("Its name."), "when": any_object("Its conditions, as the configuration has them."),
            "provider": text("The provider."),
            "split": { "type": "object", "additionalProperties": { "type": "integer" }, "description": "Or several, by weight." },
            "fallback": strings("Who stands in."),
            "on_loss": super::batch::on_loss(), "guarantee": super::batch::guarantee(),
        }),
    )
}

fn config() -> Value {
    let tables: Map<String, Value> = [
        "server",
        "log",
        "telemetry",
        "ledger",
        "delivery",
        "console",
        "callbacks",
        "providers",
        "migrations",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), any_object("As the configuration has it.")))
    .collect();
    let mut members = Value::from(tables);
    members["file"] = text("The file.");
    for name in ["apps", "routes", "facades"] {
        members[name] = list(json!({ "type": "object" }), "As the configuration has it.");
    }
    open("The configuration in force, secrets masked, defaults filled in.", &[], members)
}

fn reloaded() -> Value {
    let members = json!({
        "reloaded": switch("It was."), "added": strings("Providers that are new."),
        "changed": strings("Providers that are configured otherwise."), "removed": strings("Providers that are gone."),
    });
    open("What a reload changed.", &[], members)
}

fn session_request() -> Value {
    closed(
        "A key.",
        &["key"],
        json!({ "key": { "type": "string", "description": "The key of an app.", "writeOnly": true } }),
    )
}

fn session() -> Value {
    let scopes = Scope::ALL.map(Scope::as_str);
    open(
        "Who one is.",
        &[],
        json!({
            "auth": word(&["keys", "off"], "Whether keys are needed."),
            "app": nullable(text("The app; `null` where nobody is signed in.")),
            "may": list(json!({ "type": "string", "enum": scopes }), "What it may do."),
            "expires": nullable(time("When the session ends; `null` where it is none.")),
        }),
    )
}
