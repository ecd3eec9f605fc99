//! Laws of reading: replies to calls, to the adapter's own requests, and to probes.

use std::cell::Cell;
use std::time::Duration;

use interline_core::adapter::{CallMessage, Reply, Sent, Signal};
use interline_core::error::Fate;
use interline_core::outcome::Outcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Subject;
use crate::{build, strategy};

/// Whatever comes back, each message has exactly one outcome, acceptance needs a 2xx, outcomes and
/// fates agree, and what is read by lookups and logins is read without a panic.
pub fn every_reply_gives_one_outcome_a_message(subject: &Subject<'_>) {
    let values = (subject.calls(), strategy::reply::status(), strategy::reply::body(subject.samples.replies));
    subject.hold("every reply gives one outcome a message", &values, |(calls, status, body)| {
        let adapter = &*subject.adapter;
        for call in calls {
            let first = &call.messages[0];
            let reply = Reply { status, retry_after: None, body: body.bytes(first) };
            let verdict = adapter.decode(&call, &reply);
            prop_assert_eq!(verdict.outcomes.len(), call.messages.len());
            for outcome in &verdict.outcomes {
                match outcome {
                    Outcome::Accepted(_) => prop_assert!((200..300).contains(&status)),
                    Outcome::Rejected(failure) => prop_assert_ne!(failure.fate, Fate::Unknown),
                    Outcome::Unknown(failure) => prop_assert_eq!(failure.fate, Fate::Unknown),
                }
                prop_assert!(outcome.failure().is_none_or(|failure| !failure.message.is_empty()));
            }
            if let Signal::Freeze(class, _) = verdict.signal {
                prop_assert!(adapter.profile().class(class).is_some(), "{class}");
            }
            let sent =
                Sent { message: &first.message, recipient_id: first.recipient_id(), class: call.class };
            let lookup = adapter.lookup(&sent, &build::seal());
            prop_assert!(adapter.profile().lookup || lookup.is_none());
            let found = lookup.map(|lookup| (lookup.read)(&reply));
            let token = adapter.login(&build::seal()).map(|login| (login.read)(&reply));
            prop_assert!(
                (200..300).contains(&status) || token.is_none_or(|token| token.is_err()),
                "{found:?}"
            );
        }
        Ok(())
    });
}

/// A 2xx without a readable answer, and a 5xx without any, leave every message unknown.
pub fn what_cannot_be_read_is_unknown(subject: &Subject<'_>) {
    let noise = prop_oneof![
        Just(Vec::new()),
        Just(b" \r\n".to_vec()),
        Just(b"<html><body>Bad Gateway</body></html>".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..32),
    ];
    let torn = strategy::reply::torn(subject.samples.replies);
    let values = (subject.calls(), 200..300_u16, 500..600_u16, noise, torn);
    subject.hold("what cannot be read is unknown", &values, |(calls, fine, broken, noise, torn)| {
        let readable = serde_json::from_slice::<Value>(&noise).is_ok();
        for call in calls {
            let torn = torn.bytes(&call.messages[0]);
            for (status, body) in [(fine, &noise), (broken, &noise), (fine, &torn), (broken, &torn)] {
                let reply = Reply { status, retry_after: None, body: body.clone() };
                let verdict = subject.adapter.decode(&call, &reply);
                let unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(_));
                let text = String::from_utf8_lossy(body);
                prop_assert!(
                    readable || verdict.outcomes.iter().all(unknown),
                    "{status} {text}: {:?}",
                    verdict.outcomes
                );
            }
        }
        Ok(())
    });
}

/// The sample replies are what they are meant to be: an answer that accepts, in every dialect.
pub fn the_samples_are_accepted(subject: &Subject<'_>) {
    let accepted = Cell::new(0);
    subject.hold("the samples are accepted", &subject.calls(), |calls| {
        for call in calls {
            for sample in subject.samples.replies {
                let body = strategy::reply::Body::Json(sample.clone()).bytes(&call.messages[0]);
                let verdict = subject.adapter.decode(&call, &Reply { status: 200, retry_after: None, body });
                let taken = verdict.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted(_)));
                accepted.set(accepted.get() + taken.count());
            }
        }
        Ok(())
    });
    assert!(accepted.get() > 0, "{} {}: no sample reply accepts", subject.vendor.name, subject.dialect);
}

/// Probes say nothing that could reach anybody, and no reply to them is taken for more than a dialect
/// of the vendor.
pub fn probes_are_harmless(subject: &Subject<'_>) {
    let probes = (subject.vendor.probes)(subject.settings);
    assert!(subject.vendor.dialects.len() == 1 || !probes.is_empty(), "nothing tells the dialects apart");
    for probe in &probes {
        let empty = matches!(&*probe.body, b"" | b"{}" | b"[]");
        assert!(probe.path.starts_with('/') && (probe.method == "GET" || empty), "{}", probe.path);
    }
    let reply = (strategy::reply::status(), strategy::reply::body(subject.samples.replies), any::<u8>());
    let replies = proptest::collection::vec(proptest::option::of(reply), 0..probes.len() + 2);
    let message = build::message(&json!({"to": "user:1", "content": {"type": "text", "text": "hi"}}));
    let first = CallMessage::first(message);
    subject.hold("probes are harmless", &replies, |replies| {
        let replies: Vec<Option<Reply>> = replies
            .into_iter()
            .map(|reply| {
                let (status, body, seconds) = reply?;
                let retry_after = Some(Duration::from_secs(u64::from(seconds)));
                Some(Reply { status, retry_after, body: body.bytes(&first) })
            })
            .collect();
        let known = (subject.vendor.recognise)(&replies);
        prop_assert!(known.is_none_or(|known| subject.vendor.dialects.contains(&known)), "{known:?}");
        Ok(())
    });
}
