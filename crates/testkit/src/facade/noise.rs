//! Requests that nobody should send: each gets an answer, and whatever is taken for a message is a batch
//! that can be read.

use std::cell::Cell;

use interline_core::adapter::Settings;
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Answer, Incoming, Report, Served, Told};
use interline_core::outcome::Status;
use interline_core::record::MessageResult;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseResult;
use serde_json::Value;

use super::{Ends, Mirror, ROUNDS};
use crate::build::BATCH_ID;
use crate::strategy;

/// What is put into a body that was good before.
const STRAWS: [&str; 14] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e400",
    "18446744073709551616",
    "true",
    "\u{0}",
    "%zz",
    "&",
    "=",
    "\\ud800",
    "[[[[[[[[[[[[",
];

/// A good body with a few things wrong.
fn damaged(samples: &[Vec<u8>]) -> BoxedStrategy<Vec<u8>> {
    let harm = (any::<Index>(), 0..12_usize, select(&STRAWS[..]));
    (select(samples.to_vec()), vec(harm, 0..4))
        .prop_map(|(mut body, harms)| {
            for (at, length, straw) in harms {
                let at = at.index(body.len() + 1);
                let end = (at + length).min(body.len());
                body.splice(at..end, straw.bytes());
            }
            body
        })
        .boxed()
}

/// A good JSON body with one member changed, or noise in its shape.
fn near(samples: &[Vec<u8>]) -> Option<BoxedStrategy<Vec<u8>>> {
    let read = |body: &Vec<u8>| serde_json::from_slice::<Value>(body).ok();
    let samples: Vec<Value> = samples.iter().filter_map(read).collect();
    if samples.is_empty() {
        return None;
    }
    let changed = (select(samples), any::<Index>(), any::<Index>(), strategy::any_json());
    let changed = changed.prop_map(|(mut sample, item, member, new)| {
        let at = match &mut sample {
            Value::Array(items) if !items.is_empty() => {
                let at = item.index(items.len());
                items.get_mut(at)
            }
            whole => Some(whole),
        };
        if let Some(fields) = at.and_then(Value::as_object_mut).filter(|fields| !fields.is_empty()) {
            let member = member.index(fields.len());
            fields.values_mut().nth(member).into_iter().for_each(|field| *field = new.clone());
        }
        sample.to_string().into_bytes()
    });
    Some(changed.boxed())
}

/// Requests, some of them with good bodies that were harmed.
fn requests(ends: &Ends<'_>, bodies: &[&str]) -> BoxedStrategy<Incoming> {
    let samples: Vec<Vec<u8>> = bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
    let any_bytes = vec(any::<u8>(), 0..64).boxed();
    let json = strategy::any_json().prop_map(|value| value.to_string().into_bytes()).boxed();
    let body = prop_oneof![
        1 => any_bytes,
        1 => json.clone(),
        3 => damaged(&samples),
        4 => near(&samples).unwrap_or(json),
    ];
    let paths: Vec<&'static str> = ends.facade.endpoints.iter().map(|endpoint| endpoint.path).collect();
    let path = prop_oneof![4 => select(paths).prop_map(str::to_owned), 1 => ".{0,12}"];
    let names = vec![
        "authorization",
        "token",
        "operationid",
        "content-type",
        "appkey",
        "nonce",
        "curtime",
        "checksum",
        "im-api-key",
        "api_key",
        "im-authorization",
        "client_key",
        "x",
    ];
    let header = (select(names).prop_map(str::to_owned), strategy::text());
    let parts = (
        prop_oneof![4 => Just("POST".to_owned()), 1 => Just("GET".to_owned())],
        path,
        proptest::option::of(".{0,12}"),
        vec(header, 0..4),
        body,
    );
    let requests = parts.prop_map(|(method, path, query, headers, body)| Incoming {
        method,
        path,
        query,
        headers,
        body,
    });
    requests.boxed()
}

/// Arbitrary requests get an answer, also those that are admitted. `bodies` are good ones, to be harmed.
pub fn never_panics(mirror: &Mirror<'_>, bodies: &[&str]) {
    let ends = Ends::of(mirror);
    let request = requests(&ends, bodies);
    let (sent, open) = (Cell::new(0), Settings::new());
    let hold_once = || {
        ends.hold("any request gets an answer", &(request.clone(), any::<bool>()), |(request, durable)| {
            let mut asking = ends.asking(&request);
            let _: bool = (ends.facade.is_ours)(&request);
            if let Err(answer) = (ends.facade.admit)(&asking) {
                sound(&answer)?;
            }
            asking.settings = &open;
            prop_assert!((ends.facade.admit)(&asking).is_ok(), "without credentials anybody may ask");
            for endpoint in ends.facade.endpoints {
                match (endpoint.serve)(&asking) {
                    Served::Answer(answer) => sound(&answer)?,
                    Served::Find(find) => sound(&(find.answer)(None))?,
                    Served::Send(asked) => {
                        let count = asked.batch.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
                        prop_assert!(count > 0, "nothing is to be sent");
                        prop_assert!(asked.marks.len() <= count && !asked.batch.contains_key("route"));
                        let status = if durable { Status::Queued } else { Status::Accepted };
                        let told: Vec<Told> = (1..=count).map(|number| told(number, status)).collect();
                        let failure = Failure::not_sent(ErrorCode::RateLimited, "too much");
                        let told = if count % 2 == 0 { Err(&failure) } else { Ok(&*told) };
                        let report = Report { told, now_ms: asking.now_ms, batch_id: BATCH_ID };
                        sound(&(asked.answer)(&report))?;
                        sent.set(sent.get() + 1);
                    }
                }
            }
            Ok(())
        });
    };
    // Good requests are few among the noise.
    for _ in 0..ROUNDS {
        if sent.get() == 0 {
            hold_once();
        }
    }
    assert!(sent.get() > 0, "no request was taken for a message: are the bodies good?");
    for code in ErrorCode::ALL {
        let answer = (ends.facade.fail)(&Failure::not_sent(code, "the reason"));
        assert!(sound(&answer).is_ok(), "{code}");
    }
}

fn told(number: usize, status: Status) -> Told {
    let mut result = MessageResult::queued(number.to_string(), "user:1", number.to_string());
    result.status = status;
    Told { result, own_id: i64::try_from(number).unwrap_or(i64::MAX), repeated: false, same_request: false }
}

fn sound(answer: &Answer) -> TestCaseResult {
    prop_assert!((200..600).contains(&answer.status), "status {}", answer.status);
    let json = answer.content_type.starts_with("application/json");
    prop_assert!(!json || serde_json::from_slice::<Value>(&answer.body).is_ok(), "not JSON");
    Ok(())
}
