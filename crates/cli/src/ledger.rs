//! `interline ledger`: the store from outside. What it does works beside a running server or without one, but
//! for bringing the schema up to date, which needs the ledger for itself.

use std::process::ExitCode;

use interline_gateway::config;
use interline_ledger::upkeep::{self, StateCount, Survey};
use interline_ledger::{Error, ErrorKind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::args::{Common, Ledger, LedgerMigrate, LedgerVerb};
use crate::output::{
    BOLD, DIM, Failed, GOOD, ODD, Rows, cell, count, faint_cell, fields, grouped, json as print_json, line,
    note, paint, since, size, state_cell, status_cell,
};
use crate::{interrupt, serve};

/// Free space below which a status warns, as parts of the ledger's own size.
const TIGHT: u64 = 4;

/// Runs the verb.
pub(crate) async fn run(args: &Ledger, common: &Common) -> Result<ExitCode, Failed> {
    match &args.verb {
        LedgerVerb::Status { ledger } => status(&url(ledger.as_deref(), common)?, common).await,
        LedgerVerb::Migrate(args) => migrate(args, common).await,
        LedgerVerb::Copy { to, ledger } => copy(&url(ledger.as_deref(), common)?, to, common).await,
    }
}

/// The ledger that was named, else the one of the configuration.
fn url(named: Option<&str>, common: &Common) -> Result<String, Failed> {
    match named {
        Some(named) => Ok(as_url(named)),
        None => match config::load_ledger(common.config.as_deref()) {
            Ok(ledger) => Ok(ledger.url),
            Err(errors) => Err(serve::wrong(&errors)
                .next("correct that, or name the ledger itself with --ledger sqlite:PATH")),
        },
    }
}

/// A path is a file of SQLite.
fn as_url(named: &str) -> String {
    let scheme = named.split_once(':').is_some_and(|(scheme, _)| {
        matches!(scheme, "sqlite" | "postgres" | "postgresql" | "mysql" | "file" | "http" | "https")
    });
    if scheme { named.to_owned() } else { format!("sqlite:{named}") }
}

/// What went wrong, and what to do about it.
pub(crate) fn failed(error: &Error) -> Failed {
    let mut said = error.to_string();
    if let Some((said_only, advice)) = said.split_once(", to go on: ") {
        let (said_only, advice) = (said_only.to_owned(), advice.to_owned());
        return Failed::new(said_only).code("ledger").next(advice);
    }
    let next = match error.kind() {
        ErrorKind::NotFound => {
            "name the ledger with --ledger sqlite:PATH, or the configuration with --config; \
                                `interline serve` makes one"
        }
        ErrorKind::Unsupported if said.contains("PostgreSQL") => {
            "in this version a ledger is a file of SQLite, and copies go from file to file"
        }
        ErrorKind::Unsupported if said.contains("newer build") => {
            "use the build that wrote it, or a later one"
        }
        ErrorKind::Unsupported => "write it as sqlite:PATH",
        ErrorKind::Conflict => "name a file that does not exist yet; nothing is ever replaced",
        ErrorKind::Full => "make room on its disk",
        _ => "",
    };
    if let Some(source) = std::error::Error::source(error)
        && !said.contains("because")
    {
        said = format!("{said}: {source}");
    }
    let failed = Failed::new(said).code("ledger");
    if next.is_empty() { failed } else { failed.next(next) }
}

async fn status(url: &str, common: &Common) -> Result<ExitCode, Failed> {
    let found = upkeep::survey(url).await.map_err(|error| failed(&error))?;
    if common.json {
        print_json(&as_json(&found))?;
        return Ok(ExitCode::SUCCESS);
    }
    written(&found, Timestamp::now());
    Ok(ExitCode::SUCCESS)
}

fn written(found: &Survey, now: Timestamp) {
    let used = if found.in_use { paint(GOOD, "in use") } else { paint(DIM, "not in use") };
    line(format!("{}  {used}", paint(BOLD, found.path.display())));
    let schema = match found.schema.cmp(&found.newest_schema) {
        std::cmp::Ordering::Less => {
            cell(format!("{}; this build writes {}", found.schema, found.newest_schema)).styled(ODD)
        }
        _ => cell(format!("{}, the newest", found.schema)),
    };
    let waiting = match found.oldest_created_ms() {
        Some(oldest) => format!("{}, the oldest for {}", count(found.waiting(), "message"), ago(oldest, now)),
        None => "nothing".to_owned(),
    };
    let free = match found.free_bytes {
        0 => String::new(),
        free => format!(", {} of it free for new rows", size(free)),
    };
    fields([
        ("schema", Some(schema)),
        ("size", Some(cell(format!("{}{free}", size(found.bytes))))),
        ("log", Some(cell(format!("{} (-wal)", size(found.wal_bytes))))),
        ("disk", found.disk_free_bytes.map(|free| cell(format!("{} free", size(free))))),
        ("batches", Some(cell(grouped(found.batches())))),
        ("waiting", Some(cell(waiting))),
    ]);
    if !found.states.is_empty() {
        line("");
        states(found, now).show();
    }
    if !found.queues.is_empty() {
        line("");
        queues(found, now).show();
    }
    hints(found);
}

fn states(found: &Survey, now: Timestamp) -> Rows {
    let mut rows = Rows::new(&["state", "batches", "messages waiting", "oldest"]).right([1, 2, 3]);
    for state in &found.states {
        rows.add([
            status_cell(state.state.word()),
            cell(grouped(state.batches)),
            if state.open_messages == 0 { faint_cell(0) } else { cell(grouped(state.open_messages)) },
            state.oldest_created_ms.map_or_else(|| faint_cell("-"), |oldest| cell(ago(oldest, now))),
        ]);
    }
    rows
}

fn queues(found: &Survey, now: Timestamp) -> Rows {
    let mut rows = Rows::new(&["provider", "parcels", "messages waiting", "oldest"]).right([1, 2, 3]);
    for queue in &found.queues {
        rows.add([
            cell(&queue.provider),
            cell(grouped(queue.parcels)),
            cell(grouped(queue.messages)),
            state_cell("", &ago(queue.oldest_created_ms, now)),
        ]);
    }
    rows
}

fn hints(found: &Survey) {
    if found.schema < found.newest_schema {
        note(
            "a server of this build brings the schema up to date when it starts; `interline ledger migrate` does it now",
        );
    }
    let low = found.disk_free_bytes.is_some_and(|free| free < (found.bytes + found.wal_bytes) / TIGHT);
    if low {
        note(format!("{} there is less room on its disk than a quarter of its size", paint(ODD, "!")));
    }
    if !found.in_use && found.waiting() > 0 {
        note("no server has it open, so nothing is sent; `interline serve` goes on with it");
    }
}

fn ago(ms: i64, now: Timestamp) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| "-".to_owned(), |then| since(then, now))
}

fn as_json(found: &Survey) -> Value {
    let moment = |ms: i64| Timestamp::from_millisecond(ms).map(|moment| moment.to_string()).ok();
    let state = |state: &StateCount| {
        json!({"state": state.state.word(), "batches": state.batches, "messages_waiting": state.open_messages,
            "oldest": state.oldest_created_ms.and_then(moment)})
    };
    let queue = |queue: &interline_ledger::QueueStatus| {
        json!({"provider": queue.provider, "parcels": queue.parcels, "messages_waiting": queue.messages,
            "oldest": moment(queue.oldest_created_ms)})
    };
    json!({
        "path": found.path, "in_use": found.in_use, "schema": found.schema, "newest_schema": found.newest_schema,
        "bytes": found.bytes, "free_bytes": found.free_bytes, "wal_bytes": found.wal_bytes,
        "disk_free_bytes": found.disk_free_bytes, "batches": found.batches(),
        "messages_waiting": found.waiting(), "oldest": found.oldest_created_ms().and_then(moment),
        "states": found.states.iter().map(state).collect::<Vec<_>>(),
        "queues": found.queues.iter().map(queue).collect::<Vec<_>>(),
    })
}

async fn migrate(args: &LedgerMigrate, common: &Common) -> Result<ExitCode, Failed> {
    let url = url(args.ledger.as_deref(), common)?;
    let found = upkeep::survey(&url).await.map_err(|error| failed(&error))?;
    let path = found.path.display();
    let (from, to) = (found.schema, found.newest_schema);
    if args.dry_run || from == to {
        if common.json {
            print_json(&json!({"path": found.path, "from": from, "to": to, "migrated": false}))?;
        } else if from == to {
            line(format!("{path} has schema {to}, the newest; there is nothing to do"));
        } else {
            line(format!("{path} would go from schema {from} to {to}; nothing was done"));
            backup();
        }
        return Ok(ExitCode::SUCCESS);
    }
    backup();
    let done = upkeep::migrate(&url).await.map_err(|error| failed(&error))?;
    if common.json {
        print_json(&json!({"path": found.path, "from": done.from, "to": done.to, "migrated": true}))?;
    } else {
        line(format!("{} {path} went from schema {} to {}", paint(GOOD, "✓"), done.from, done.to));
    }
    Ok(ExitCode::SUCCESS)
}

fn backup() {
    note("older builds cannot open it afterwards; `interline ledger copy FILE` keeps it as it is");
}

async fn copy(from: &str, to: &str, common: &Common) -> Result<ExitCode, Failed> {
    interrupt::leaves(
        "no copy was made",
        format!("{to}.partial may be deleted; the next copy to {to} begins anew"),
    );
    let original = upkeep::survey(from).await.map_err(|error| failed(&error))?;
    note(format!("copying {} ({})", original.path.display(), size(original.bytes + original.wal_bytes)));
    let copied = upkeep::copy(from, &as_url(to)).await.map_err(|error| failed(&error))?;
    let survey = &copied.survey;
    if common.json {
        let mut told = as_json(survey);
        told["unchanged_meanwhile"] = copied.same.into();
        print_json(&told)?;
        return Ok(ExitCode::SUCCESS);
    }
    let how = if copied.same {
        "as many rows as the original"
    } else {
        "all of one moment; the original was written to meanwhile"
    };
    line(format!(
        "{} {}: {} in {}, checked: {how}",
        paint(GOOD, "✓"),
        survey.path.display(),
        count(survey.batches(), "batch"),
        size(survey.bytes)
    ));
    if survey.waiting() > 0 {
        note(format!(
            "{} {} wait in the copy, and whoever serves it sends them: never serve both the original and the copy",
            paint(ODD, "!"),
            count(survey.waiting(), "message")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_of_sqlite() {
        for (given, url) in [
            ("backup.db", "sqlite:backup.db"),
            ("/var/a:b.db", "sqlite:/var/a:b.db"),
            ("sqlite:x.db", "sqlite:x.db"),
            ("postgres://h/db", "postgres://h/db"),
        ] {
            assert_eq!(as_url(given), url);
        }
    }
}
