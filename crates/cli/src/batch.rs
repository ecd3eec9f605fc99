//! `interline batch`: what a server knows of batches and their messages.

use std::process::ExitCode;

use comfy_table::Cell;

use crate::api::{BatchAnswer, BatchPage, ResultPage};
use crate::args::{Batch, BatchVerb, Common};
use crate::client::{Answer, Client};
use crate::output::{
    BOLD, DIM, Failed, count, faint_cell, grouped, json, line, note, paint, show, status_cell, table,
};
use crate::results::{result_row, results_table};
use crate::send::report;

/// Runs the verb.
pub(crate) async fn run(args: &Batch, common: &Common) -> Result<ExitCode, Failed> {
    match &args.verb {
        BatchVerb::List { state, app, limit, target } => {
            let limit = limit.to_string();
            let query = [("state", state.as_deref()), ("app", app.as_deref()), ("limit", Some(&*limit))];
            let answer = Client::new(target)?.get(&path("/v1/batches", &query)).await?;
            printed(&answer, common.json, list)
        }
        BatchVerb::Show { id, target } => {
            let client = Client::new(target)?;
            let answer = client.get(&format!("/v1/batches/{}", encoded(id))).await?;
            if common.json {
                json(&answer.value()?)?;
            } else {
                shown(&client, &answer.read()?).await?;
            }
            Ok(ExitCode::SUCCESS)
        }
        BatchVerb::Messages { id, status, limit, cursor, target } => {
            let limit = limit.to_string();
            let query =
                [("status", status.as_deref()), ("limit", Some(&*limit)), ("cursor", cursor.as_deref())];
            let from = format!("/v1/batches/{}/messages", encoded(id));
            let answer = Client::new(target)?.get(&path(&from, &query)).await?;
            printed(&answer, common.json, messages)
        }
    }
}

fn printed(
    answer: &Answer,
    as_json: bool,
    show: fn(&Answer) -> Result<(), Failed>,
) -> Result<ExitCode, Failed> {
    if as_json {
        json(&answer.value()?)?;
    } else {
        show(answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A path with those parts of the query that were given.
fn path(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut text = path.to_owned();
    for (name, value) in query {
        let Some(value) = value else { continue };
        text.push(if text.contains('?') { '&' } else { '?' });
        text.push_str(name);
        text.push('=');
        text.push_str(&encoded(value));
    }
    text
}

/// Percent-encodes what is no unreserved character of a URL.
fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

fn list(answer: &Answer) -> Result<(), Failed> {
    let page: BatchPage = answer.read()?;
    if page.batches.is_empty() {
        note("no batches; send one with `interline send FILE`");
        return Ok(());
    }
    let mut rows = table(&["batch", "state", "messages", "accepted", "rejected", "unknown", "created"]);
    for batch in &page.batches {
        let counts = &batch.counts;
        rows.add_row([
            Cell::new(&batch.id),
            status_cell(&batch.state),
            Cell::new(grouped(counts.total)),
            Cell::new(grouped(counts.accepted)),
            Cell::new(grouped(counts.rejected)),
            Cell::new(grouped(counts.unknown)),
            faint_cell(batch.created_at.as_deref().map_or_else(|| "-".to_owned(), short_time)),
        ]);
    }
    show(&rows);
    if page.next_cursor.is_some() {
        note("there are more; raise --limit");
    }
    Ok(())
}

/// `2026-11-21T02:53:09.123Z` as `11-21 02:53`.
fn short_time(time: &str) -> String {
    time.get(5..16).map_or_else(|| time.to_owned(), |short| short.replace('T', " "))
}

async fn shown(client: &Client, batch: &BatchAnswer) -> Result<(), Failed> {
    line(format!("{}  {}", paint(BOLD, &batch.id), batch.state));
    for (name, value) in [
        ("app", batch.app.as_deref()),
        ("created", batch.created_at.as_deref()),
        ("send at", batch.send_at.as_deref()),
        ("settled", batch.settled_at.as_deref()),
    ] {
        let Some(value) = value else { continue };
        line(format!("  {} {value}", paint(DIM, format!("{name:<8}"))));
    }
    for (label, value) in &batch.labels {
        line(format!("  {} {label}={value}", paint(DIM, format!("{:<8}", "label"))));
    }
    report::counts(&batch.counts);
    report::write_causes(&report::causes(client, batch).await?);
    Ok(())
}

fn messages(answer: &Answer) -> Result<(), Failed> {
    let page: ResultPage = answer.read()?;
    let mut rows = results_table();
    for result in &page.messages {
        rows.add_row(result_row(result));
    }
    show(&rows);
    let losses = page.messages.iter().filter(|result| !result.losses.is_empty()).count();
    if losses > 0 {
        note(format!("{} lost something on the way (--json says what)", count(losses as u64, "message")));
    }
    if let Some(cursor) = &page.next_cursor {
        note(format!("there are more: --cursor {cursor}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_what_was_given_and_is_encoded() {
        let asked = path("/v1/batches", &[("state", None), ("app", Some("my shop")), ("limit", Some("20"))]);
        assert_eq!(asked, "/v1/batches?app=my%20shop&limit=20");
    }

    #[test]
    fn times_are_shown_to_the_minute() {
        assert_eq!(short_time("2026-11-21T02:53:09.123Z"), "11-21 02:53");
        assert_eq!(short_time("soon"), "soon");
    }
}
