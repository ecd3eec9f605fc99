//! Moving a route's traffic from one provider to another: where it stands, what an admin orders, and what was
//! found and seen.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use interline_core::migration::Order;
use interline_engine::Errors;
use serde_json::{Map, Value, json as object};

use super::query::Query;
use super::{Gateway, Named, Shared, json};
use crate::body::{text, whole};
use crate::config::Scope;
use crate::keys::Known;
use crate::problem::Problem;

fn by_readers(gateway: &Gateway, request: &Request) -> Result<Arc<Known>, Problem> {
    let app = gateway.authorise(request.headers(), Scope::Read)?;
    Query::of(request.uri().query(), &[])?;
    Ok(app)
}

pub(super) async fn list(State(gateway): Shared, request: Request) -> Result<Response, Problem> {
    by_readers(&gateway, &request)?;
    json(StatusCode::OK, &object!({ "migrations": gateway.engine.migrations() }))
}

pub(super) async fn show(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    by_readers(&gateway, &request)?;
    json(StatusCode::OK, &gateway.engine.migration(&name)?)
}

pub(super) async fn report(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let app = by_readers(&gateway, &request)?;
    let report = gateway.engine.migration_report(&name)?;
    // Causes are shown by messages of any app.
    json(StatusCode::OK, &if app.reads_all() { report } else { report.without_samples() })
}

/// What a request asks for in its body.
type Reader = fn(Map<String, Value>) -> Result<Order, (&'static str, String)>;

async fn order(
    gateway: Arc<Gateway>,
    name: String,
    request: Request,
    read: Reader,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    gateway.authorise(&parts.headers, Scope::Admin)?;
    Query::of(parts.uri.query(), &[])?;
    let body = whole(body, &parts.headers, gateway.limits()).await?;
    let body = text(&body)?.trim();
    let body = if body.is_empty() { "{}" } else { body };
    let wrong = |path: &str, detail: String| {
        Problem::invalid("the body is no order for a migration", Errors::one(path, detail))
    };
    let fields: Map<String, Value> =
        serde_json::from_str(body).map_err(|error| wrong("", format!("expected a JSON object: {error}")))?;
    let order = read(fields).map_err(|(path, detail)| wrong(path, detail))?;
    // A task of its own: what was begun is brought to an end also when the caller goes away.
    let task = tokio::spawn(async move { gateway.engine.order_migration(&name, order).await });
    json(StatusCode::OK, &task.await.map_err(|_| Problem::internal())??)
}

fn no_more(fields: &Map<String, Value>, allowed: &str) -> Result<(), (&'static str, String)> {
    match fields.keys().next() {
        Some(key) => Err(("", format!("unknown field {key:?}; allowed: {allowed}"))),
        None => Ok(()),
    }
}

fn to_start(mut fields: Map<String, Value>) -> Result<Order, (&'static str, String)> {
    let phase = fields.remove("phase").unwrap_or(Value::Null);
    no_more(&fields, "phase")?;
    match phase.as_str() {
        None if phase.is_null() => Ok(Order::Start { both: false }),
        Some("shadow") => Ok(Order::Start { both: false }),
        Some("both") => Ok(Order::Start { both: true }),
        Some(_) | None => {
            Err(("/phase", format!("{phase} is no phase to start with; allowed: shadow, both")))
        }
    }
}

fn to_set(mut fields: Map<String, Value>) -> Result<Order, (&'static str, String)> {
    let (percent, phase) = (fields.remove("percent"), fields.remove("phase"));
    no_more(&fields, "percent, phase")?;
    match (percent, phase) {
        (Some(percent), None) => {
            let whole = percent.as_u64().and_then(|whole| u8::try_from(whole).ok());
            let whole = whole.filter(|whole| *whole <= 100);
            let wrong = || ("/percent", format!("{percent} is not allowed; a whole number from 0 to 100"));
            whole.map(Order::Ramp).ok_or_else(wrong)
        }
        (None, Some(phase)) if phase == "both" => Ok(Order::Both),
        (None, Some(phase)) => {
            Err(("/phase", format!("{phase} cannot be set; allowed: both (a percent sets the ramp)")))
        }
        (None, None) => Err(("/percent", "required: a whole number from 0 to 100".to_owned())),
        (Some(_), Some(_)) => Err(("/phase", "stands beside percent; give one of the two".to_owned())),
    }
}

fn nothing(order: Order) -> impl Fn(Map<String, Value>) -> Result<Order, (&'static str, String)> {
    move |fields| match fields.is_empty() {
        true => Ok(order),
        false => Err(("", "this request takes no body".to_owned())),
    }
}

pub(super) async fn start(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    order(gateway, name, request, to_start).await
}

pub(super) async fn set(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    order(gateway, name, request, to_set).await
}

pub(super) async fn rollback(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    order(gateway, name, request, |fields| nothing(Order::Rollback)(fields)).await
}

pub(super) async fn finish(
    State(gateway): Shared,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    order(gateway, name, request, |fields| nothing(Order::Finish)(fields)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn percents_are_whole_numbers_up_to_a_hundred() {
        assert_eq!(to_set(fields(object!({"percent": 25}))), Ok(Order::Ramp(25)));
        for wrong in [object!(101), object!(-1), object!(2.5), object!("25"), object!(null)] {
            let (path, said) = to_set(fields(object!({"percent": wrong}))).unwrap_err();
            assert_eq!(path, "/percent");
            assert!(said.contains("0 to 100"), "{said}");
        }
    }

    #[test]
    fn both_is_for_those_who_ask_for_it() {
        assert_eq!(to_start(Map::new()), Ok(Order::Start { both: false }));
        assert_eq!(to_start(fields(object!({"phase": "both"}))), Ok(Order::Start { both: true }));
        assert_eq!(to_set(fields(object!({"phase": "both"}))), Ok(Order::Both));
        assert_eq!(to_set(fields(object!({"phase": "done"}))).unwrap_err().0, "/phase");
        assert_eq!(to_set(fields(object!({"phase": "both", "percent": 5}))).unwrap_err().0, "/phase");
        assert_eq!(to_start(fields(object!({"percent": 5}))).unwrap_err().0, "");
    }

    #[test]
    fn orders_without_choice_take_no_body() {
        assert_eq!(nothing(Order::Finish)(Map::new()), Ok(Order::Finish));
        assert!(nothing(Order::Finish)(fields(object!({"percent": 5}))).is_err());
    }
}
