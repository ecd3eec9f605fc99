//! What became of messages, as the server would tell it. Ids are the vendor's own where it delivered; else
//! they are made of Interline's, equal for a repeat and as long as the server's.

use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Answer, Report, Told};
use interline_core::outcome::Status;
use interline_core::shared::Digest;
use serde_json::{Map, Value, json};

use super::codes;
use super::reply::success;
use crate::extensions::VENDOR;

/// The answer to one message.
pub(super) fn single(report: &Report<'_>, send_time: i64) -> Answer {
    match first(report) {
        Err(failure) => codes::answer(&failure, None),
        Ok(told) if taken(told) => success(&ids(told, told, report, send_time).into()),
        Ok(told) => codes::of(told),
    }
}

/// The answer to `isSendAll`: one entry, for nobody by name, says that all were meant and reached.
pub(super) fn everyone(report: &Report<'_>, send_time: i64) -> Answer {
    match first(report) {
        Err(failure) => codes::answer(&failure, None),
        Ok(told) if taken(told) => {
            let mut entry = ids(told, told, report, send_time);
            entry.insert("recvID".to_owned(), "".into());
            let failed = told.result.vendor_data.get("failedUserIDs").filter(|_| at_home(told));
            success(&json!({"results": [entry], "failedUserIDs": failed}))
        }
        Ok(told) => codes::of(told),
    }
}

/// The answer to a batch; `entries` are its recipients, and whether each was sent to at all. Who may have
/// been reached is in neither list.
pub(super) fn batch(report: &Report<'_>, entries: Vec<(String, bool)>, send_time: i64) -> Answer {
    let told = match report.told {
        Ok(told) => told,
        Err(failure) => return codes::answer(failure, None),
    };
    if let Some(answer) = none_reached(told) {
        return answer;
    }
    let (mut results, mut failed) = (Vec::new(), Vec::new());
    let mut rest = told.iter();
    for (id, sent) in entries {
        let own = if sent { rest.next() } else { None };
        match own {
            Some(own) if taken(own) => {
                let mut entry = ids(own, told.first().unwrap_or(own), report, send_time);
                entry.insert("recvID".to_owned(), id.into());
                results.push(entry);
            }
            Some(own) if own.result.status == Status::Unknown => {}
            None if sent => {}
            Some(_) | None => failed.push(id),
        }
    }
    lists(results, failed)
}

/// The answer to a batch that sends nothing.
pub(super) fn nobody(entries: Vec<(String, bool)>) -> Answer {
    lists(Vec::new(), entries.into_iter().map(|(id, _)| id).collect())
}

/// Where all messages fared alike, and lists could not say how: nobody can tell of any, or none left and each may
/// another time. Callers take who stands in the list of failures for lost. Recipients to whom nothing was sent
/// count as little as they do at the server.
fn none_reached(told: &[Told]) -> Option<Answer> {
    let first = told.first()?;
    let all = |alike: fn(&Told) -> bool| told.iter().all(alike);
    let lost = |told: &Told| told.result.status == Status::Unknown;
    // Who was merely out of time speaks for all: another's reason may sound final.
    let late = told.iter().find(|told| matches!(told.result.status, Status::Expired | Status::Cancelled));
    (all(lost) || all(is_withdrawn)).then(|| codes::of(late.unwrap_or(first)))
}

/// Whether it surely was not sent, and may be another time.
fn is_withdrawn(told: &Told) -> bool {
    match told.result.status {
        Status::Expired | Status::Cancelled => true,
        Status::Rejected => told.result.error.as_deref().is_some_and(|failure| failure.retryable),
        Status::Queued | Status::Sending | Status::Accepted | Status::Unknown => false,
    }
}

/// The server writes a list without entries as `null`.
fn lists(results: Vec<Map<String, Value>>, failed: Vec<String>) -> Answer {
    let results = (!results.is_empty()).then_some(results);
    let failed = (!failed.is_empty()).then_some(failed);
    success(&json!({"results": results, "failedUserIDs": failed}))
}

fn first<'r>(report: &Report<'r>) -> Result<&'r Told, Failure> {
    let told = report.told.map_err(Failure::clone)?;
    told.first().ok_or_else(|| Failure::unknown(ErrorCode::Internal, "nothing is known of the message"))
}

/// Success means *taken to be delivered*, which storing is too.
const fn taken(told: &Told) -> bool {
    matches!(told.result.status, Status::Accepted | Status::Queued | Status::Sending)
}

fn at_home(told: &Told) -> bool {
    told.result.vendor.as_deref() == Some(VENDOR)
}

/// Ids and time of a message. The server gives all messages of a request one client id: where ids are
/// Interline's, it is made of the first message's.
fn ids(told: &Told, first: &Told, report: &Report<'_>, send_time: i64) -> Map<String, Value> {
    let result = &told.result;
    let real =
        |id: &Option<Box<str>>| id.as_deref().filter(|id| at_home(told) && !id.is_empty()).map(str::to_owned);
    let server = real(&result.vendor_message_id).unwrap_or_else(|| format!("{:032x}", told.own_id));
    let client = real(&result.vendor_client_id).filter(|_| result.vendor_message_id.is_some());
    let client = client.unwrap_or_else(|| format!("{:032x}", Digest::of(&first.own_id).0));
    let asked = if send_time == 0 { report.now_ms } else { send_time };
    let mut ids = Map::new();
    ids.insert("serverMsgID".to_owned(), server.into());
    ids.insert("clientMsgID".to_owned(), client.into());
    ids.insert("sendTime".to_owned(), result.vendor_time_ms.unwrap_or(asked).into());
    if let Some(modify) = result.vendor_data.get("modify").filter(|_| at_home(told)) {
        ids.insert("modify".to_owned(), modify.clone());
    }
    ids
}
