//! The control endpoints under `/_twin/`: what arrived, faults, reset, dialect.
//!
//! They are the same at every twin, need no credentials and are never hit by a fault.

use std::sync::atomic::Ordering;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use crate::call::{Answer, JSON};
use crate::fault::Fault;
use crate::server::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DialectChange<'a> {
    dialect: &'a str,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Fault),
    Many(Vec<Fault>),
}

pub(crate) fn answer(shared: &Shared, method: &Method, target: (&str, &str), body: &[u8]) -> Answer {
    match (method, target.0) {
        (&Method::GET, "received") => received(shared, target.1),
        (&Method::POST, "faults") => faults(shared, body),
        (&Method::DELETE, "faults") => {
            shared.disarm();
            Answer::json(200, &json!({"armed": 0}))
        }
        (&Method::POST, "reset") => {
            shared.reset();
            Answer::json(200, &json!({"reset": true}))
        }
        (&Method::POST, "dialect") => dialect(shared, body),
        (&Method::GET, "dialect") => Answer::json(200, &json!({"dialect": shared.dialect()})),
        _ => Answer::json(404, &json!({"error": "no such control", "controls": CONTROLS})),
    }
}

const CONTROLS: [&str; 6] = [
    "GET /_twin/received[?summary=1]",
    "POST /_twin/faults",
    "DELETE /_twin/faults",
    "POST /_twin/reset",
    "GET /_twin/dialect",
    "POST /_twin/dialect",
];

fn received(shared: &Shared, query: &str) -> Answer {
    if form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "summary" && value != "0") {
        let (total, calls) = shared.log.counts();
        let open = shared.open.load(Ordering::Relaxed);
        return Answer::json(200, &json!({"total": total, "calls": calls, "open": open}));
    }
    Answer::new(200, JSON, shared.log.to_json())
}

fn faults(shared: &Shared, body: &[u8]) -> Answer {
    // Tried in this order so that the message names the misspelt field and not the untagged enum.
    let faults = match serde_json::from_slice::<Fault>(body) {
        Ok(fault) => vec![fault],
        Err(error) => match serde_json::from_slice(body) {
            Ok(OneOrMany::Many(faults)) => faults,
            Ok(OneOrMany::One(fault)) => vec![fault],
            Err(_) => return bad_control(&error.to_string()),
        },
    };
    let armed = faults.len();
    for fault in faults {
        shared.arm(fault);
    }
    Answer::json(200, &json!({"armed": armed}))
}

fn dialect(shared: &Shared, body: &[u8]) -> Answer {
    let change: DialectChange<'_> = match serde_json::from_slice(body) {
        Ok(change) => change,
        Err(error) => return bad_control(&error.to_string()),
    };
    if shared.speak(change.dialect) {
        return Answer::json(200, &json!({"dialect": shared.dialect()}));
    }
    let known = shared.vendor.dialects().join(", ");
    bad_control(&format!("unknown dialect \"{}\", expected one of {known}", change.dialect))
}

fn bad_control(why: &str) -> Answer {
    Answer::json(400, &json!({"error": why}))
}
