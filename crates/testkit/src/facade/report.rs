//! Reports as random as they come: what the façade answers, the vendor's own adapter must understand as
//! what happened, and never as more.

use std::sync::Arc;

use interline_core::adapter::Call;
use interline_core::error::{ErrorCode, Failure, Fate};
use interline_core::facade::{Report, Told};
use interline_core::message::Message;
use interline_core::outcome::{ClientId, Outcome, Receipt, Status};
use interline_core::record::MessageResult;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;

use super::{Ends, Mirror, Tried, reply, shown};
use crate::build;
use crate::conformance::distinct;

/// What the answer to one class of calls tells of each message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carries {
    /// Each accepted message's own id.
    pub ids: bool,
    /// Each accepted message's time.
    pub times: bool,
    /// One answer for all messages: where they fared differently, *unknown* may stand for any of them.
    pub blurred: bool,
}

/// What became of one message, before it is known which.
#[derive(Debug, Clone)]
struct Fared {
    status: Status,
    failure: Failure,
    /// Whether the façade's own vendor delivered.
    at_home: bool,
    number: i64,
    repeated: bool,
}

/// Codes of messages that may have arrived.
const UNKNOWN: [ErrorCode; 5] = [
    ErrorCode::Timeout,
    ErrorCode::ConnectionLost,
    ErrorCode::BadVendorReply,
    ErrorCode::VendorError,
    ErrorCode::VendorUnavailable,
];

fn failure(codes: &'static [ErrorCode]) -> impl Strategy<Value = Failure> {
    (select(codes), any::<bool>(), any::<bool>()).prop_map(|(code, sent, retryable)| {
        let words = "this is why";
        let failure = if sent { Failure::refused(code, words) } else { Failure::not_sent(code, words) };
        Failure { retryable, ..failure }
    })
}

fn fared() -> impl Strategy<Value = Fared> {
    let status = select(vec![
        Status::Accepted,
        Status::Accepted,
        Status::Queued,
        Status::Rejected,
        Status::Unknown,
        Status::Expired,
        Status::Cancelled,
    ]);
    let unknown = select(&UNKNOWN[..]).prop_map(|code| Failure::unknown(code, "nobody can tell"));
    let parts = (status, failure(&ErrorCode::ALL), unknown, any::<bool>(), 1..i64::MAX, any::<bool>());
    parts.prop_map(|(status, refused, unknown, at_home, number, repeated)| {
        let failure = match status {
            Status::Unknown => unknown,
            Status::Expired => Failure::not_sent(ErrorCode::Expired, "too late").for_good(),
            Status::Cancelled => Failure::not_sent(ErrorCode::Cancelled, "withdrawn").for_good(),
            Status::Queued | Status::Sending | Status::Accepted | Status::Rejected => refused,
        };
        Fared { status, failure, at_home, number, repeated }
    })
}

/// How all messages of a call fared: alike as often as not.
fn fares() -> impl Strategy<Value = Vec<Fared>> {
    let alike = (fared(), proptest::collection::vec(1..i64::MAX, 8)).prop_map(|(one, numbers)| {
        numbers.into_iter().map(|number| Fared { number, ..one.clone() }).collect()
    });
    prop_oneof![alike, proptest::collection::vec(fared(), 8)]
}

impl Fared {
    fn told(&self, message: &Arc<Message>, vendor: &str) -> Told {
        let mut result = MessageResult::of(message);
        result.status = self.status;
        match self.status {
            Status::Accepted => {
                let delivered_by = if self.at_home { vendor } else { "elsewhere" };
                (result.provider, result.vendor) = (Some("p".into()), Some(delivered_by.into()));
                if self.at_home {
                    result.vendor_message_id = Some(self.number.to_string().into());
                    result.vendor_seq = Some((self.number % 1_000 + 1).to_string().into());
                    result.vendor_time_ms = Some(1_600_000_000_000 + self.number % 1_000_000);
                }
            }
            Status::Queued | Status::Sending => {}
            Status::Rejected | Status::Unknown | Status::Expired | Status::Cancelled => {
                result.error = Some(Box::new(self.failure.clone()));
            }
        }
        Told { result, own_id: self.number ^ 0x5555, repeated: self.repeated, same_request: false }
    }
}

/// What the façade answers is read back: the same status of each message, the same ids and times where the
/// answer carries them. An answer for all may leave *unknown* where messages fared differently, but nothing
/// is accepted that was not, and nothing refused that may have arrived.
pub fn reports_survive(mirror: &Mirror<'_>) {
    let ends = Ends::of(mirror);
    let tried = Tried::default();
    let survive = |(calls, fares): (Vec<Call>, Vec<Fared>)| {
        for call in calls {
            let told: Vec<Told> = call
                .messages
                .iter()
                .zip(fares.iter().cycle())
                .map(|(of, fared)| fared.told(&of.message, mirror.vendor.name))
                .collect();
            survives(&ends, &call, &told)?;
            tried.note(call.class);
        }
        Ok(())
    };
    let values = (ends.calls(), fares());
    tried.until_all(mirror, || ends.hold("reports survive", &values, survive));
    let nothing_sent = (ends.calls(), failure(&ErrorCode::ALL));
    ends.hold("what was not sent at all is refused", &nothing_sent, |(calls, failure)| {
        for call in calls {
            let outcomes = answered(&ends, &call, Err(&failure))?;
            for outcome in outcomes.0 {
                prop_assert_eq!(outcome.status(), Status::Rejected, "{:?} as {}", failure, outcomes.1);
            }
        }
        Ok(())
    });
}

fn answered(
    ends: &Ends<'_>,
    call: &Call,
    told: Result<&[Told], &Failure>,
) -> Result<(Vec<Outcome>, String), TestCaseError> {
    let asked = ends.asked(call).map_err(TestCaseError::fail)?;
    let report = Report { told, now_ms: build::seal().now_ms, batch_id: build::BATCH_ID };
    let answer = (asked.answer)(&report);
    let verdict = ends.adapter.decode(call, &reply(&answer));
    prop_assert_eq!(verdict.outcomes.len(), call.messages.len());
    Ok((verdict.outcomes, shown(&answer)))
}

fn survives(ends: &Ends<'_>, call: &Call, told: &[Told]) -> TestCaseResult {
    let carries = (ends.mirror.carries)(call.class);
    let (outcomes, answer) = answered(ends, call, Ok(told))?;
    let carried = carries_client_ids(ends, call);
    let blurred = carries.blurred && told.iter().any(|other| other.result.status != told[0].result.status);
    let times: Vec<Option<i64>> = told.iter().map(|told| told.result.vendor_time_ms).collect();
    for (told, outcome) in told.iter().zip(&outcomes) {
        let status = told.result.status;
        let wanted = match status {
            Status::Accepted | Status::Queued | Status::Sending => Status::Accepted,
            Status::Rejected | Status::Expired | Status::Cancelled => Status::Rejected,
            Status::Unknown => Status::Unknown,
        };
        let read = outcome.status();
        // A vendor may say of a repeat that it is one.
        let as_repeat = told.repeated
            && wanted == Status::Accepted
            && outcome.failure().is_some_and(|failure| failure.code == ErrorCode::Duplicate);
        let allowed = read == wanted || as_repeat || (blurred && read == Status::Unknown);
        prop_assert!(
            allowed,
            "{} {:?} is read as {:?} from {}",
            status.as_str(),
            told.result.error,
            outcome,
            answer
        );
        if let Outcome::Accepted(receipt) = outcome {
            ids_survive(carries, told, receipt, (carried, &answer))?;
            // One time for all messages is that of one of them.
            let shared = carries.blurred && times.contains(&receipt.time_ms);
            let real = told.result.vendor_time_ms;
            let same = receipt.time_ms.is_none() || real.is_none() || receipt.time_ms == real;
            prop_assert!(same || shared, "another time in {}", answer);
        }
        let Outcome::Rejected(failure) = outcome else { continue };
        prop_assert_ne!(failure.fate, Fate::Unknown);
        if matches!(status, Status::Expired | Status::Cancelled) {
            // A list of who failed gives no reasons.
            let bare = failure.code == ErrorCode::VendorError && failure.vendor_code.is_none();
            let temporary = failure.retryable || failure.fate == Fate::NotSent || bare;
            prop_assert!(temporary, "withdrawn, but final: {} as {:?}", answer, failure);
        }
    }
    if carries.ids {
        let ids = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Accepted(receipt) => receipt.message_id.clone(),
            Outcome::Rejected(_) | Outcome::Unknown(_) => None,
        });
        let ids: Vec<_> = ids.collect();
        let numbers: std::collections::HashSet<i64> = told.iter().map(|told| told.own_id).collect();
        prop_assert!(numbers.len() < told.len() || distinct(&ids), "one id for two in {}", answer);
    }
    Ok(())
}

/// Whether such a call gives the vendor client ids.
fn carries_client_ids(ends: &Ends<'_>, call: &Call) -> bool {
    const MARK: &str = "0123456789abcdefmark";
    let mut marked = call.clone();
    for own in &mut marked.messages {
        own.message = Arc::new(Message { client_id: MARK.into(), ..Message::clone(&own.message) });
    }
    let written = ends.adapter.encode(&marked, &ends.seal()).map(|request| request.body).unwrap_or_default();
    String::from_utf8_lossy(&written).contains(MARK)
}

/// `carried` says whether the call gave the vendor a client id: else it makes one of its own.
fn ids_survive(
    carries: Carries,
    told: &Told,
    receipt: &Receipt,
    (carried, answer): (bool, &str),
) -> TestCaseResult {
    let result = &told.result;
    prop_assert!(!carries.ids || receipt.message_id.is_some(), "no id in {}", answer);
    prop_assert!(!carries.times || receipt.time_ms.is_some(), "no time in {}", answer);
    let same = |read: Option<&str>, real: Option<&str>| read.is_none() || real.is_none() || read == real;
    let (id, seq) = (receipt.message_id.as_deref(), receipt.seq.as_deref());
    prop_assert!(same(id, result.vendor_message_id.as_deref()), "another id in {}", answer);
    prop_assert!(same(seq, result.vendor_seq.as_deref()), "another sequence in {}", answer);
    let at_home = result.vendor_message_id.is_some();
    let made =
        |id: &ClientId| !carried && (!at_home || Some(id.text("")) == result.vendor_client_id.as_deref());
    let own = receipt.client_id.as_ref().is_none_or(|id| *id == ClientId::Own || made(id));
    prop_assert!(own, "another client id in {}", answer);
    Ok(())
}
