//! The configuration in force as `GET /v1/config` and `GET /v1/routes` show it: secrets masked, defaults
//! filled in, times with their units.

use humantime::format_duration;
use interline_core::ids::Rule;
use interline_core::migration::Gates;
use interline_core::options::{Guarantee, OnLoss};
use interline_core::profile::Rate;
use interline_core::route::{Route, Target, When, Words};
use interline_engine::{ClassLimits, MigrationSettings};
use serde_json::{Map, Value, json};

use super::{App, Auth, Config, Facade, Provider, secrets};

impl Config {
    /// What is in force, secrets masked.
    #[must_use]
    pub fn shown(&self) -> Value {
        let mut providers: Map<String, Value> =
            self.providers.iter().map(|one| (one.name.to_string(), provider(one))).collect();
        for (name, to) in &self.drains {
            let shown = providers.entry(name.to_string()).or_insert_with(|| json!({}));
            if let Value::Object(shown) = shown {
                shown.insert("drain_to".to_owned(), (**to).into());
            }
        }
        json!({
            "file": self.file.display().to_string(),
            "server": {
                "listen": self.server.listen.to_string(),
                "auth": match self.server.auth { Auth::Keys => "keys", Auth::Off => "off" },
                "max_body_mb": self.server.max_body_mb,
                "max_line_kb": self.server.max_line_kb,
                "max_batch_messages": self.server.max_batch_messages,
            },
            "ledger": {
                "url": self.ledger.shown_url(),
                "retention": format_duration(self.ledger.retention).to_string(),
            },
            "console": {
                "enabled": self.console.enabled,
                "session": format_duration(self.console.session).to_string(),
            },
            "delivery": {
                "guarantee": guarantee(self.delivery.guarantee),
                "on_loss": on_loss(self.delivery.on_loss),
                "attempts": self.delivery.attempts,
                "deadline": format_duration(self.delivery.deadline).to_string(),
            },
            "log": { "format": self.log.format.as_str(), "level": self.log.level },
            "telemetry": {
                "otlp_endpoint": self.telemetry.otlp_endpoint.as_deref().map(ledger_url),
                "sample": self.telemetry.sample,
                "queue": self.telemetry.queue,
                "timeout": format_duration(self.telemetry.timeout).to_string(),
                "headers": self.telemetry.shown_headers(),
            },
            "callbacks": {
                "allow_private": self.callbacks.allow_private.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "timeout": format_duration(self.callbacks.timeout).to_string(),
                "retries": self.callbacks.retries.iter().map(|pause| format_duration(*pause).to_string())
                    .collect::<Vec<_>>(),
                "disable_after": format_duration(self.callbacks.disable_after).to_string(),
            },
            "apps": self.apps.iter().map(app).collect::<Vec<_>>(),
            "providers": providers,
            "routes": self.shown_routes(),
            "migrations": self.migrations.iter().map(migration).collect::<Map<_, _>>(),
            "facades": self.facades.iter().map(facade).collect::<Vec<_>>(),
        })
    }

    /// The routes in force, in order.
    #[must_use]
    pub fn shown_routes(&self) -> Vec<Value> {
        self.routes.iter().map(route).collect()
    }
}

fn migration(migration: &MigrationSettings) -> (String, Value) {
    let Gates { rejected_percent, unknown_percent, p95, min_messages } = migration.gates;
    let mut gates = Map::new();
    let limits = [("rejected_percent", rejected_percent), ("unknown_percent", unknown_percent)];
    for (key, percent) in limits {
        gates.extend(percent.map(|percent| (key.to_owned(), percent.into())));
    }
    gates.extend(p95.map(|p95| ("p95".to_owned(), format_duration(p95).to_string().into())));
    gates.insert("min_messages".to_owned(), min_messages.into());
    let mut shown = Map::new();
    for (key, name) in [("route", &migration.route), ("from", &migration.from), ("to", &migration.to)] {
        shown.insert(key.to_owned(), (**name).into());
    }
    shown.insert("gates".to_owned(), gates.into());
    shown.extend(
        migration.cohort.as_ref().map(|file| ("cohort".to_owned(), file.display().to_string().into())),
    );
    (migration.name.to_string(), shown.into())
}

const fn guarantee(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::AtMostOnce => "at_most_once",
        Guarantee::AtLeastOnce => "at_least_once",
    }
}

const fn on_loss(on_loss: OnLoss) -> &'static str {
    match on_loss {
        OnLoss::Degrade => "degrade",
        OnLoss::Reject => "reject",
    }
}

pub(super) fn ledger_url(written: &str) -> String {
    match written.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (_, place))) => format!("{scheme}://***@{place}"),
        None => written.to_owned(),
    }
}

fn app(app: &App) -> Value {
    let digests = app.keys.iter().map(|key| format!("{}…", hex::encode(key.split_at(4).0)));
    json!({
        "name": app.name,
        "key_sha256": digests.collect::<Vec<_>>(),
        "may": app.may.words().collect::<Vec<_>>(),
        "messages_per_second": app.messages_per_second,
        "callback_secrets": app.callback_secrets.iter().map(|one| secrets::shown(&one.written)).collect::<Vec<_>>(),
    })
}

fn provider(provider: &Provider) -> Value {
    let mut shown = Map::new();
    shown.insert("vendor".to_owned(), provider.vendor.name.into());
    shown.insert("base_url".to_owned(), provider.base_url.clone().into());
    shown.insert("dialect".to_owned(), provider.dialect.as_deref().unwrap_or("auto").into());
    for (key, setting) in &provider.settings {
        let value = match &setting.written {
            Value::String(text) if secrets::is_secret(key) => secrets::shown(text).into(),
            other => other.clone(),
        };
        shown.insert(key.clone(), value);
    }
    let mut limits: Map<String, Value> =
        provider.limits.iter().map(|(class, one)| (class.clone(), class_limits(one))).collect();
    if let Some(in_flight) = provider.in_flight {
        limits.insert("in_flight".to_owned(), in_flight.into());
    }
    if let Some(timeout) = provider.timeout {
        limits.insert("timeout".to_owned(), format_duration(timeout).to_string().into());
    }
    shown.insert("limits".to_owned(), limits.into());
    if !provider.ids.are_same() {
        let ids = &provider.ids;
        let rules = [("user", &ids.user), ("group", &ids.group), ("room", &ids.room)];
        let mapped = rules.into_iter().filter_map(|(key, rule)| Some((key.to_owned(), id_rule(rule)?)));
        shown.insert("ids".to_owned(), mapped.collect::<Map<String, Value>>().into());
    }
    shown.into()
}

fn facade(facade: &Facade) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), (*facade.name).into());
    shown.insert("vendor".to_owned(), facade.vendor.name.into());
    shown.insert("app".to_owned(), (*facade.app).into());
    shown.insert("route".to_owned(), facade.route.clone().into());
    shown.insert("listen".to_owned(), facade.listen.map(|listen| listen.to_string()).into());
    shown.insert("mode".to_owned(), facade.mode.as_str().into());
    shown.insert("answer_within".to_owned(), format_duration(facade.answer_within).to_string().into());
    shown.insert("passthrough".to_owned(), facade.passthrough.as_deref().into());
    for (key, credential) in &facade.credentials {
        let secret = secrets::is_secret(key);
        let value = if secret { secrets::shown(&credential.written) } else { credential.written.clone() };
        shown.insert(key.clone(), value.into());
    }
    shown.into()
}

fn id_rule(rule: &Rule) -> Option<Value> {
    match rule {
        Rule::Same => None,
        Rule::Pattern(pattern) => Some(pattern.to_string().into()),
        Rule::Table(table) => {
            let on_missing = if table.keeps() { "keep" } else { "reject" };
            Some(json!({ "file": table.name(), "on_missing": on_missing, "ids": table.len() }))
        }
    }
}

fn class_limits(limits: &ClassLimits) -> Value {
    let mut shown = Map::new();
    let mut rate = |name: &str, rate: Option<Rate>| {
        let Some(rate) = rate else { return };
        let unit = if rate.per.as_secs() == 60 { "minute" } else { "second" };
        shown.insert(format!("{name}_per_{unit}"), rate.count.into());
    };
    rate("calls", limits.calls);
    rate("messages", limits.messages);
    rate("per_recipient", limits.per_recipient);
    if let Some(most) = limits.messages_per_call {
        shown.insert("messages_per_call".to_owned(), most.into());
    }
    shown.into()
}

fn route(route: &Route) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), (*route.name).into());
    shown.insert("when".to_owned(), when(&route.when));
    match &route.target {
        Target::Provider(provider) => shown.insert("provider".to_owned(), (**provider).into()),
        Target::Split(shares) => {
            let shares: Map<String, Value> =
                shares.iter().map(|(provider, weight)| (provider.to_string(), (*weight).into())).collect();
            shown.insert("split".to_owned(), shares.into())
        }
    };
    if let Some(fallback) = &route.fallback {
        shown.insert("fallback".to_owned(), fallback.iter().map(|name| &**name).collect::<Vec<_>>().into());
    }
    if let Some(choice) = route.on_loss {
        shown.insert("on_loss".to_owned(), on_loss(choice).into());
    }
    if let Some(choice) = route.guarantee {
        shown.insert("guarantee".to_owned(), guarantee(choice).into());
    }
    shown.into()
}

fn when(when: &When) -> Value {
    let mut shown = Map::new();
    let keys = [
        ("to", &when.to),
        ("id", &when.id),
        ("from", &when.from),
        ("app", &when.app),
        ("content", &when.content),
    ];
    for (key, Words(words)) in keys.into_iter().filter(|(_, words)| !words.0.is_empty()) {
        shown.insert(key.to_owned(), words.clone().into());
    }
    if !when.label.is_empty() {
        let labels: Map<String, Value> =
            when.label.iter().map(|(label, words)| (label.clone(), words.0.clone().into())).collect();
        shown.insert("label".to_owned(), labels.into());
    }
    if !when.between.0.is_empty() {
        let windows: Vec<String> = when.between.0.iter().map(ToString::to_string).collect();
        shown.insert("between".to_owned(), windows.into());
    }
    if let Some(not) = &when.not {
        shown.insert("not".to_owned(), self::when(not));
    }
    shown.into()
}
