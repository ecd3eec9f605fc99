//! Tells the dialects apart with requests that reach nobody. `/readyz` is v3's alone; an empty array
//! is an answer on a server that speaks as the page does, and a complaint on v1 and v2; those two are
//! told apart by `/health`, which v1 lacks, and by the version in `/varz`.

use interline_core::adapter::{Reply, Request, Settings};
use serde::Deserialize;
use serde_json::Value;

use crate::settings::Account;
use crate::wire::Complaint;

pub(crate) fn probes(settings: &Settings) -> Vec<Request> {
    let requests = [
        Request::get("/readyz"),
        Request::get("/health"),
        Request::post("/message/sendbatch", "application/json", b"[]".to_vec()),
        Request::get("/varz"),
    ];
    match Account::read(settings) {
        Ok(account) => requests.into_iter().map(|request| account.authorise(request)).collect(),
        Err(_) => requests.into(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Varz {
    version: Option<String>,
}

pub(crate) fn recognise(replies: &[Option<Reply>]) -> Option<&'static str> {
    let reply = |index: usize| replies.get(index)?.as_ref();
    // A server that is not ready yet says so with 503, or 500 up to v2: it is there all the same.
    let speaks = |index: usize, statuses: [u16; 2]| {
        reply(index).is_some_and(|reply| statuses.contains(&reply.status) && is_object(reply))
    };
    if speaks(0, [200, 503]) && reply(0).is_some_and(is_readiness) {
        return Some("v3");
    }
    let health = speaks(1, [200, 500]);
    let array = reply(2)?;
    if array.status == 200 && matches!(serde_json::from_slice(&array.body), Ok(Value::Array(_))) {
        return Some("published");
    }
    let complains = array.status == 400
        && serde_json::from_slice(&array.body)
            .is_ok_and(|complaint: Complaint| complaint.msg.is_some() && complaint.status.is_some());
    if health && complains {
        return Some("v2");
    }
    let varz = reply(3)?;
    let version = serde_json::from_slice::<Varz>(&varz.body).ok().and_then(|varz| varz.version);
    match version.as_deref().map(|version| version.trim_start_matches('v')) {
        Some(version) if version.starts_with("1.") => Some("v1"),
        Some(version) if version.starts_with("2.") => Some("v2"),
        Some(_) | None => (complains && !health).then_some("v1"),
    }
}

/// Whether it is v3 that says whether it is ready: other servers have that path too, and with 503 an error of
/// their own.
fn is_readiness(reply: &Reply) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else { return false };
    let says = |name: &str, fits: fn(&Value) -> bool| body.get(name).is_some_and(fits);
    says("ready", Value::is_boolean) || says("status", Value::is_string)
}

fn is_object(reply: &Reply) -> bool {
    matches!(serde_json::from_slice(&reply.body), Ok(Value::Object(_)))
}
