//! What became of a batch: counts, failures by cause with the vendor's own words, and the exit code.

use std::collections::BTreeMap;
use std::process::ExitCode;

use interline_core::outcome::{Counts, Status};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{BatchAnswer, BatchCauseAnswer, CausesAnswer, ResultAnswer};
use crate::client::{Answer, Client, encoded};
use crate::output::{
    BAD, DIM, Failed, GOOD, ODD, Rows, cell, count, faint_cell, grouped, json as print_json, line, note,
    paint, status_cell,
};

/// Ids shown for each cause.
const EXAMPLES: usize = 3;
/// The states of messages that did not arrive as far as anybody knows.
const FAILED: [Status; 4] = [Status::Rejected, Status::Unknown, Status::Expired, Status::Cancelled];

/// Messages that failed for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    status: Status,
    code: String,
    provider: Option<String>,
    vendor_code: Option<String>,
    /// The vendor's own words, else Interline's.
    message: String,
    /// What to do about the code.
    hint: Option<&'static str>,
    count: u64,
    examples: Vec<String>,
}

/// Adds messages up by what they failed of, the commonest first.
#[derive(Debug, Default)]
pub(crate) struct Causes(BTreeMap<(Status, [Option<String>; 4]), Cause>);

impl Causes {
    /// Adds one message; those that were accepted are no failures.
    pub(crate) fn add(&mut self, result: &ResultAnswer) {
        if !FAILED.contains(&result.status) {
            return;
        }
        let failure = result.error.as_ref();
        let code =
            failure.map_or_else(|| result.status.as_str().to_owned(), |failure| failure.code.to_string());
        let vendor_code = failure.and_then(|failure| failure.vendor_code.clone());
        let message = failure.map_or_else(String::new, |failure| {
            failure.vendor_message.clone().unwrap_or_else(|| failure.message.clone())
        });
        let key = (
            result.status,
            [Some(code.clone()), result.provider.clone(), vendor_code.clone(), Some(message.clone())],
        );
        let cause = self.0.entry(key).or_insert_with(|| Cause {
            status: result.status,
            code,
            provider: result.provider.clone(),
            vendor_code,
            message,
            hint: failure.map(|failure| failure.code.hint()),
            count: 0,
            examples: Vec::new(),
        });
        cause.count += 1;
        if cause.examples.len() < EXAMPLES {
            cause.examples.push(result.id.clone());
        }
    }

    /// The causes, the commonest first.
    pub(crate) fn sorted(self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = self.0.into_values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        causes
    }
}

/// Why messages of a batch failed, as its server adds them up, and how many failed for yet other reasons.
pub(crate) async fn causes(client: &Client, batch: &BatchAnswer) -> Result<(Vec<Cause>, u64), Failed> {
    let mut counts = batch.counts;
    if FAILED.iter().all(|status| *counts.of(*status) == 0) {
        return Ok((Vec::new(), 0));
    }
    let found: CausesAnswer =
        client.get(&format!("/v1/batches/{}/causes", encoded(&batch.id))).await?.read()?;
    Ok((found.causes.into_iter().map(Cause::from).collect(), found.others))
}

impl From<BatchCauseAnswer> for Cause {
    fn from(cause: BatchCauseAnswer) -> Self {
        let failure = cause.failure;
        Self {
            status: cause.status,
            code: failure.code.to_string(),
            hint: Some(failure.code.hint()),
            provider: cause.provider,
            vendor_code: failure.vendor_code,
            message: failure.vendor_message.unwrap_or(failure.message),
            count: cause.count,
            examples: cause.messages.into_iter().take(EXAMPLES).collect(),
        }
    }
}

/// After `--no-wait`.
pub(crate) fn taken(client: &Client, answer: &Answer, as_json: bool) -> Result<ExitCode, Failed> {
    if as_json {
        print_json(&answer.value()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let batch: BatchAnswer = answer.read()?;
    line(&batch.id);
    note(format!("follow it with {}", client.hint(&format!("batch watch {}", batch.id))));
    Ok(ExitCode::SUCCESS)
}

/// After waiting. A batch that is scheduled or paused was taken as asked, and is nothing to wait for.
pub(crate) async fn settled(client: &Client, batch: &BatchAnswer, as_json: bool) -> Result<ExitCode, Failed> {
    let (causes, others) = causes(client, batch).await?;
    if as_json {
        print_json(
            &json!({"id": batch.id, "state": batch.state, "counts": batch.counts, "failures": causes, "other_failures": others}),
        )?;
    } else {
        counts(&batch.counts);
        write_causes(&causes, others);
        if !causes.is_empty() {
            note(format!("each one: {}", client.hint(&format!("batch messages {}", batch.id))));
        }
    }
    if !batch.is_over() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(exit(&batch.counts))
}

/// After a direct send.
pub(crate) fn direct(answer: &Answer, as_json: bool) -> Result<ExitCode, Failed> {
    let batch: BatchAnswer = answer.read()?;
    if as_json {
        let body: Value = answer.value()?;
        print_json(&body)?;
        return Ok(exit(&batch.counts));
    }
    counts(&batch.counts);
    let mut causes = Causes::default();
    batch.results.iter().for_each(|result| causes.add(result));
    write_causes(&causes.sorted(), 0);
    Ok(exit(&batch.counts))
}

/// 0 if all of it was accepted, else 1.
pub(crate) fn exit(counts: &Counts) -> ExitCode {
    if counts.accepted == counts.total { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// One line: how many are in which state, and in how many vendor calls.
pub(crate) fn counts(counts: &Counts) {
    line(counts_line(counts));
}

fn counts_line(counts: &Counts) -> String {
    let mut all = *counts;
    let mut parts = Vec::new();
    for status in Status::ALL {
        let number = *all.of(status);
        if number == 0 && status != Status::Accepted {
            continue;
        }
        let style = match status {
            Status::Accepted if number > 0 => GOOD,
            Status::Rejected | Status::Expired | Status::Cancelled => BAD,
            Status::Unknown => ODD,
            Status::Accepted | Status::Queued | Status::Sending => DIM,
        };
        parts.push(paint(style, format!("{} {}", grouped(number), status.as_str())));
    }
    let calls = count(counts.calls, "vendor call");
    let of = paint(DIM, format!("· {} in {calls}", count(counts.total, "message")));
    format!("{} {of}", parts.join(", "))
}

/// A table of causes.
pub(crate) fn write_causes(causes: &[Cause], others: u64) {
    if causes.is_empty() {
        return;
    }
    let mut rows =
        Rows::new(&["messages", "status", "code", "provider", "the vendor's words", "for example"])
            .right([0])
            .shed([5, 3, 1])
            .flow([4, 5]);
    for cause in causes {
        let words = match &cause.vendor_code {
            Some(code) => format!("{code} {}", cause.message),
            None => cause.message.clone(),
        };
        rows.add([
            cell(grouped(cause.count)),
            status_cell(cause.status.as_str()),
            cell(&cause.code),
            cell(cause.provider.as_deref().unwrap_or("-")),
            cell(words),
            faint_cell(cause.examples.join(", ")),
        ]);
    }
    rows.show();
    if others > 0 {
        note(format!("{} did not arrive for yet other reasons", count(others, "message")));
    }
    hints(causes).into_iter().for_each(note);
}

/// What to do about each code, once.
fn hints(causes: &[Cause]) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for (code, hint) in causes.iter().filter_map(|cause| Some((&cause.code, cause.hint?))) {
        let hint = format!("→ {code}: {hint}");
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use interline_core::error::ErrorCode;

    use super::*;

    fn result(id: &str, status: &str, error: Value) -> ResultAnswer {
        serde_json::from_value(
            json!({"id": id, "to": "room:1", "status": status, "provider": "ne", "error": error}),
        )
        .unwrap()
    }

    #[test]
    fn messages_with_the_same_reason_are_one_cause() {
        let refused = json!({"code": "recipient_not_found", "message": "no such room", "fate": "refused",
            "retryable": false, "vendor_code": "404", "vendor_message": "聊天室不存在"});
        let mut causes = Causes::default();
        for (id, status, error) in [
            ("a", "accepted", Value::Null),
            ("b", "rejected", refused.clone()),
            ("c", "expired", Value::Null),
            ("d", "rejected", refused),
        ] {
            causes.add(&result(id, status, error));
        }
        let causes = causes.sorted();
        let shown: Vec<_> = causes.iter().map(|c| (c.code.as_str(), c.message.as_str(), c.count)).collect();
        assert_eq!(shown, [("recipient_not_found", "聊天室不存在", 2), ("expired", "", 1)]);
        let told = format!("→ recipient_not_found: {}", ErrorCode::RecipientNotFound.hint());
        assert_eq!(hints(&causes), [told]);
    }

    #[test]
    fn the_counts_name_only_states_that_occur() {
        let counts = Counts { total: 1200, accepted: 1198, unknown: 2, calls: 12, ..Counts::default() };
        let text = crate::output::plain(&counts_line(&counts));
        insta::assert_snapshot!(text, @"1,198 accepted, 2 unknown · 1,200 messages in 12 vendor calls");
    }
}
