//! `interline batch`: what a server knows of batches and their messages, and what a person may still do
//! with them. What was sent cannot be taken back: each verb says what it reached.

use std::process::ExitCode;

use serde_json::{Map, Value, json as object};

use crate::api::{BatchAnswer, BatchPage, ResultPage};
use crate::args::{Batch, BatchVerb, Common, OneBatch, Redrive};
use crate::client::{Answer, Client, encoded, path};
use crate::output::{
    BOLD, Cell, DIM, Failed, Rows, age, cell, count, faint_cell, fields, grouped, json, line, note, paint,
    state_cell, status_cell, status_style, tame,
};
use crate::results::{result_row, results_table};
use crate::send::{follow, key_of, report, twice};
use crate::watch;

/// Runs the verb.
pub(crate) async fn run(args: &Batch, common: &Common) -> Result<ExitCode, Failed> {
    match &args.verb {
        BatchVerb::List { state, app, label, limit, cursor, target } => {
            let limit = limit.to_string();
            let query = [
                ("state", state.as_deref()),
                ("app", app.as_deref()),
                ("label", label.as_deref()),
                ("limit", Some(&*limit)),
                ("cursor", cursor.as_deref()),
            ];
            let answer = Client::new(target)?.get(&path("/v1/batches", &query)).await;
            let answer = answer.map_err(|failed| begins_anew(failed, cursor.as_deref()))?;
            printed(&answer, common.json, list)
        }
        BatchVerb::Show(OneBatch { id, target }) => {
            let client = Client::new(target)?;
            let answer = client.get(&format!("/v1/batches/{}", encoded(id))).await;
            let answer = answer.map_err(|failed| no_batch(&client, failed))?;
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
            let client = Client::new(target)?;
            let answer = client.get(&path(&from, &query)).await;
            let answer =
                answer.map_err(|failed| begins_anew(no_batch(&client, failed), cursor.as_deref()))?;
            printed(&answer, common.json, messages)
        }
        BatchVerb::Watch(one) => watch::run(one, common).await,
        BatchVerb::Cancel(one) => steer(one, "cancel", common, cancelled).await,
        BatchVerb::Pause(one) => steer(one, "pause", common, paused).await,
        BatchVerb::Resume(one) => steer(one, "resume", common, resumed).await,
        BatchVerb::Redrive(args) => redrive(args, common).await,
    }
}

/// An error about a batch, with where to find the ones there are.
pub(crate) fn no_batch(client: &Client, failed: Failed) -> Failed {
    failed.or_next(|| format!("{} shows the batches there are", client.hint("batch list")))
}

/// A refusal of a page, with what to do where it is the cursor.
fn begins_anew(failed: Failed, cursor: Option<&str>) -> Failed {
    match (failed.blames("cursor"), cursor) {
        (true, Some(_)) => failed.next("nothing was done; without --cursor it begins at the first page"),
        _ => failed,
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

fn list(answer: &Answer) -> Result<(), Failed> {
    let page: BatchPage = answer.read()?;
    if page.batches.is_empty() {
        note("no batches; send one with `interline send FILE`");
        return Ok(());
    }
    let mut rows =
        Rows::new(&["batch", "state", "total", "rejected", "unknown", "age"]).right(2..6).shed([5, 4, 3]);
    let now = jiff::Timestamp::now();
    for batch in &page.batches {
        let counts = &batch.counts;
        rows.add([
            cell(&batch.id),
            status_cell(&batch.state),
            cell(grouped(counts.total)),
            failures("rejected", counts.rejected),
            failures("unknown", counts.unknown),
            faint_cell(batch.created_at.as_deref().map_or_else(String::new, |time| age(time, now))),
        ]);
    }
    rows.show();
    if let Some(cursor) = &page.next_cursor {
        note(format!("there are more: --cursor {cursor}, or raise --limit"));
    }
    Ok(())
}

fn failures(status: &str, number: u64) -> Cell {
    if number == 0 { faint_cell(0) } else { state_cell(status, &grouped(number)) }
}

fn title(batch: &BatchAnswer) -> String {
    format!("{}  {}", paint(BOLD, &batch.id), paint(status_style(&batch.state), &batch.state))
}

async fn shown(client: &Client, batch: &BatchAnswer) -> Result<(), Failed> {
    line(title(batch));
    fields([
        ("app", batch.app.as_ref().map(cell)),
        ("created", batch.created_at.as_ref().map(cell)),
        ("send at", batch.send_at.as_ref().map(cell)),
        ("settled", batch.settled_at.as_ref().map(cell)),
        ("again of", batch.redriven_from.as_ref().map(cell)),
    ]);
    for (label, value) in &batch.labels {
        line(format!("  {} {}={}", paint(DIM, format!("{:<8}", "label")), tame(label), tame(value)));
    }
    report::counts(&batch.counts);
    let (causes, others) = report::causes(client, batch).await?;
    report::write_causes(&causes, others);
    Ok(())
}

fn messages(answer: &Answer) -> Result<(), Failed> {
    let page: ResultPage = answer.read()?;
    if page.messages.is_empty() {
        note("no such messages; `interline batch show` counts them by state");
        return Ok(());
    }
    let mut rows = results_table();
    for result in &page.messages {
        rows.add(result_row(result));
    }
    rows.show();
    let losses = page.messages.iter().filter(|result| !result.losses.is_empty()).count();
    if losses > 0 {
        note(format!("{} lost something on the way (--json says what)", count(losses as u64, "message")));
    }
    if let Some(cursor) = &page.next_cursor {
        note(format!("there are more: --cursor {cursor}"));
    }
    Ok(())
}

/// Asks for a batch to be held, let go or withdrawn, and shows what it is now.
async fn steer(
    one: &OneBatch,
    verb: &str,
    common: &Common,
    hint: fn(&Client, &BatchAnswer) -> String,
) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let path = format!("/v1/batches/{}/{verb}", encoded(&one.id));
    let answer = client.post(&path, "").await.map_err(|failed| stands(&client, failed, &one.id))?;
    if common.json {
        json(&answer.value()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let batch: BatchAnswer = answer.read()?;
    line(title(&batch));
    report::counts(&batch.counts);
    if !batch.is_over() {
        note(hint(&client, &batch));
    }
    Ok(ExitCode::SUCCESS)
}

/// A refusal for what the batch is, with where to see that.
fn stands(client: &Client, failed: Failed, id: &str) -> Failed {
    match failed.status() {
        Some(409) => failed
            .or_next(|| format!("see where it stands with {}", client.hint(&format!("batch show {id}")))),
        _ => no_batch(client, failed),
    }
}

fn cancelled(client: &Client, batch: &BatchAnswer) -> String {
    let left = count(batch.counts.queued.saturating_add(batch.counts.sending), "message");
    format!("{left} not settled yet, as they may be under way; {}", watch_it(client, batch))
}

fn paused(client: &Client, batch: &BatchAnswer) -> String {
    format!("{} lets it go on", client.hint(&format!("batch resume {}", batch.id)))
}

fn resumed(client: &Client, batch: &BatchAnswer) -> String {
    watch_it(client, batch)
}

fn watch_it(client: &Client, batch: &BatchAnswer) -> String {
    format!("follow it with {}", client.hint(&format!("batch watch {}", batch.id)))
}

/// Makes a new batch of messages that failed.
async fn redrive(args: &Redrive, common: &Common) -> Result<ExitCode, Failed> {
    let body = wanted(args)?;
    let client = Client::new(&args.target)?;
    let path = format!("/v1/batches/{}/redrive", encoded(&args.id));
    let key = key_of(args.idempotency_key.as_deref())?;
    let answer = twice(&client, &path, &body.to_string(), &key).await;
    let answer = answer.map_err(|failed| stands(&client, failed, &args.id))?;
    let taken: BatchAnswer = answer.read()?;
    if !common.json {
        let messages = count(taken.counts.total, "message");
        note(format!("{}  {messages} of {} stored durably, to be sent again", taken.id, args.id));
    }
    if !args.wait {
        return report::taken(&client, &answer, common.json);
    }
    let settled = follow(&client, &taken).await?;
    report::settled(&client, &settled, common.json).await
}

/// The body of a redrive: only what was asked for.
fn wanted(args: &Redrive) -> Result<Value, Failed> {
    let mut body = Map::new();
    if !args.status.is_empty() {
        body.insert("status".to_owned(), object!(args.status));
    }
    if !args.message.is_empty() {
        body.insert("message_ids".to_owned(), object!(args.message));
    }
    if let Some(patch) = &args.patch {
        body.insert("patch".to_owned(), patch_of(patch)?);
    }
    Ok(Value::Object(body))
}

fn patch_of(given: &str) -> Result<Value, Failed> {
    let read;
    let (name, text) = match given.strip_prefix('@') {
        Some(file) => {
            read = std::fs::read_to_string(file).map_err(|error| {
                Failed::new(format!("cannot read {file}: {error}"))
                    .next("name a file after the @, or write the JSON itself")
            })?;
            (file, read.as_str())
        }
        None => ("--patch", given),
    };
    let form = "write an object, for example --patch '{\"options\":{\"ttl\":\"1h\"}}', or @FILE";
    let patch: Value = serde_json::from_str(text)
        .map_err(|error| Failed::new(format!("{name} is no JSON: {error}")).next(form))?;
    if patch.is_object() {
        Ok(patch)
    } else {
        Err(Failed::new(format!("{name} is no JSON object")).next(form))
    }
}
