//! Every path that is served, once: router, names in metrics and the OpenAPI document are all made from this
//! table, so that there is no path that nobody counts or describes. Paths of façades are not in here: they are
//! the vendors', and the configuration says which there are.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{self, MethodRouter};

use super::{
    Gateway, batches, callbacks, causes, events, health, migrations, no_method, overview, plan, read, reload,
};
use super::{send, session, steer};
use crate::console;
use crate::docs;
use crate::facades;
use crate::openapi::{self, Operation, about};
use crate::session::guard;

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// In lower case, as OpenAPI has it.
    pub(crate) method: &'static str,
    /// With its parameters in braces.
    pub(crate) path: &'static str,
    /// What requests are counted under.
    counted: &'static str,
    answers: fn() -> MethodRouter<Arc<Gateway>>,
    /// What the OpenAPI document says of it.
    pub(crate) about: fn() -> Operation,
}

macro_rules! table {
    ($($method:ident $path:literal as $counted:literal => $answers:path, $about:path;)*) => {
        &[$(Row {
            method: stringify!($method),
            path: $path,
            counted: $counted,
            answers: || routing::$method($answers),
            about: $about,
        }),*]
    };
}

/// The table. A path with several methods stands in it several times, counted under one name.
pub(crate) const TABLE: &[Row] = table! {
    post "/v1/send" as "/v1/send" => send::send, about::send;
    post "/v1/batches" as "/v1/batches" => batches::accept, about::accept;
    post "/v1/plan" as "/v1/plan" => plan::plan, about::plan;
    get "/v1/batches" as "/v1/batches" => read::batches, about::batches;
    get "/v1/batches/{id}" as "/v1/batches/{id}" => read::batch, about::batch;
    get "/v1/batches/{id}/messages" as "/v1/batches/{id}/messages" => read::messages, about::messages;
    get "/v1/batches/{id}/events" as "/v1/batches/{id}/events" => events::of_batch, about::batch_events;
    get "/v1/batches/{id}/causes" as "/v1/batches/{id}/causes" => causes::causes, about::causes;
    get "/v1/events" as "/v1/events" => overview::of_all, about::events;
    post "/v1/batches/{id}/cancel" as "steering" => steer::cancel, about::cancel;
    post "/v1/batches/{id}/pause" as "steering" => steer::pause, about::pause;
    post "/v1/batches/{id}/resume" as "steering" => steer::resume, about::resume;
    post "/v1/batches/{id}/redrive" as "steering" => batches::redrive, about::redrive;
    get "/v1/messages" as "/v1/messages" => read::find, about::find;
    get "/v1/providers" as "settings" => read::providers, about::providers;
    post "/v1/providers/{name}/pause" as "steering" => steer::pause_provider, about::pause_provider;
    post "/v1/providers/{name}/resume" as "steering" => steer::resume_provider, about::resume_provider;
    post "/v1/providers/{name}/probe" as "steering" => steer::probe_provider, about::probe_provider;
    get "/v1/migrations" as "migrations" => migrations::list, about::migrations;
    get "/v1/migrations/{name}" as "migrations" => migrations::show, about::migration;
    post "/v1/migrations/{name}/start" as "migrations" => migrations::start, about::start_migration;
    post "/v1/migrations/{name}/set" as "migrations" => migrations::set, about::set_migration;
    post "/v1/migrations/{name}/rollback" as "migrations" => migrations::rollback, about::roll_back_migration;
    post "/v1/migrations/{name}/finish" as "migrations" => migrations::finish, about::finish_migration;
    get "/v1/migrations/{name}/report" as "migrations" => migrations::report, about::migration_report;
    get "/v1/callbacks" as "callbacks" => callbacks::list, about::callbacks;
    post "/v1/callbacks/{id}/enable" as "callbacks" => callbacks::enable, about::enable_callback;
    post "/v1/callbacks/{id}/replay" as "callbacks" => callbacks::replay, about::replay_callback;
    get "/v1/vendors" as "settings" => read::vendors, about::vendors;
    get "/v1/routes" as "settings" => read::routes, about::routes;
    get "/v1/config" as "settings" => read::config, about::config;
    post "/v1/config/reload" as "settings" => reload::reload, about::reload;
    post "/v1/session" as "session" => session::begin, about::begin_session;
    get "/v1/session" as "session" => session::show, about::show_session;
    delete "/v1/session" as "session" => session::end, about::end_session;
    get "/livez" as "health" => health::live, about::live;
    get "/readyz" as "health" => health::ready, about::ready;
    get "/metrics" as "health" => health::metrics, about::metrics;
    get "/openapi.json" as "docs" => openapi::answer, about::document;
    get "/docs" as "docs" => docs::page, about::docs;
    get "/docs/docs.css" as "docs" => docs::style, about::docs_style;
};

/// All paths.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let router = TABLE.iter().fold(Router::new(), |router, row| router.route(row.path, (row.answers)()));
    let router = router.route_layer(middleware::from_fn(guard));
    let router = router.merge(console::router());
    router.fallback(facades::main).method_not_allowed_fallback(no_method).with_state(gateway)
}

/// The name that requests of a path are counted under; `other` where the table has none.
pub(crate) fn endpoint(path: &str) -> &'static str {
    let other = if console::is_path(path) { "console" } else { "other" };
    TABLE.iter().find(|row| is(row.path, path)).map_or(other, |row| row.counted)
}

/// Whether the path of a request is one of these.
fn is(template: &str, path: &str) -> bool {
    if !template.contains('{') {
        return template == path;
    }
    let mut parts = path.split('/');
    for wanted in template.split('/') {
        if wanted.starts_with("{*") {
            return parts.next().is_some_and(|part| !part.is_empty());
        }
        match parts.next() {
            Some(part) if wanted.starts_with('{') && !part.is_empty() => {}
            Some(part) if wanted == part => {}
            Some(_) | None => return false,
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_counted_under_the_name_of_their_row() {
        for (path, name) in [
            ("/v1/send", "/v1/send"),
            ("/v1/batches", "/v1/batches"),
            ("/v1/batches/bat_1", "/v1/batches/{id}"),
            ("/v1/batches/bat_1/messages", "/v1/batches/{id}/messages"),
            ("/v1/batches/bat_1/cancel", "steering"),
            ("/v1/migrations/a/report", "migrations"),
            ("/v1/config/reload", "settings"),
            ("/readyz", "health"),
            ("/console/batches/bat_1", "console"),
            ("/consoles", "other"),
            ("/v1/batches/", "other"),
            ("/v1/batches/bat_1/messages/7", "other"),
            ("/message/send", "other"),
            ("", "other"),
        ] {
            assert_eq!(endpoint(path), name, "{path}");
        }
    }

    #[test]
    fn every_row_is_found_by_its_own_path_and_says_what_it_is() {
        for row in TABLE {
            let path = row.path.replace(['{', '}', '*'], "");
            assert_eq!(endpoint(&path), row.counted, "{path}");
            assert!(!(row.about)().is_empty(), "{path}");
        }
    }
}
