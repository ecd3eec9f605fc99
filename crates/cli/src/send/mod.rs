//! `interline send`: hands a batch to a server, waits until it is settled, and says what became of it.
//!
//! Every upload carries an idempotency key, so that a lost answer is asked for again and never makes
//! a second batch.

pub(crate) mod csv;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod source;
pub(crate) mod upload;

use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::api::BatchAnswer;
use crate::args::{Common, Format, Input, Send};
use crate::client::{Answer, Client, Silence, whole};
use crate::output::{Failed, count, grouped, note};
use crate::{interrupt, watch};
use progress::Progress;
use source::Source;

/// What an interrupt leaves before that: a batch of which a part is missing is thrown away.
const NOTHING: &str = "the batch was not whole at the server, so nothing of it is sent";
/// Longest that the server may keep a repeat waiting for the first request's answer.
const REPEATS: u32 = 30;
/// Most messages of a direct send.
const DIRECT_MOST: usize = 1_000;
/// Seconds that a direct send may take at the server.
const DIRECT_TIMEOUT: u32 = 60;

/// Runs the verb.
pub(crate) async fn run(args: &Send, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(&args.target)?;
    let mut source = Source::of(&args.input)?;
    let key = key_of(args.idempotency_key.as_deref())?;
    interrupt::leaves(NOTHING, "the same command sends it");
    if args.direct {
        let body = whole_body(&mut source, &args.input, DIRECT_MOST)?;
        leaves_it(&client, &key);
        let path = format!("/v1/send?timeout={DIRECT_TIMEOUT}");
        let answer = twice(&client, &path, &body, &key).await?;
        return report::direct(&answer, common.json);
    }
    let answer = match source.format {
        Format::Json => {
            let body = source.text()?;
            leaves_it(&client, &key);
            twice(&client, "/v1/batches", &body, &key).await?
        }
        Format::Ndjson | Format::Csv => streamed(&client, &mut source, &args.input, &key).await?,
    };
    let taken: BatchAnswer = answer.read()?;
    if !common.json {
        let replayed = answer.header("idempotency-replayed").is_some();
        let again = if replayed { ", taken earlier under the same key" } else { "" };
        note(format!("{}  {} stored durably{again}", taken.id, count(taken.counts.total, "message")));
    }
    if args.no_wait {
        return report::taken(&client, &answer, common.json);
    }
    let settled = follow(&client, &taken).await?;
    report::settled(&client, &settled, common.json).await
}

/// What an interrupt leaves once all of a batch may be at the server.
fn leaves_it(client: &Client, key: &str) {
    interrupt::leaves(
        "the batch may have been stored",
        format!(
            "see whether it is there with {}\nthe same command with --idempotency-key {key} never sends it twice",
            client.hint("batch list")
        ),
    );
}

/// The idempotency key that was given, else a fresh one.
pub(crate) fn key_of(given: Option<&str>) -> Result<String, Failed> {
    let Some(key) = given else { return fresh_key() };
    if HeaderValue::from_str(key).is_err() {
        return Err(Failed::new(format!("cannot use {key:?} as the idempotency key"))
            .next("write it with characters that can be seen, on one line; nothing was sent"));
    }
    Ok(key.to_owned())
}

/// A key that no other upload has.
fn fresh_key() -> Result<String, Failed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failed::new(format!("cannot make an idempotency key: {error}")))?;
    Ok(format!("cli-{}", hex::encode(bytes)))
}

/// The source as one JSON body of at most `most` messages.
pub(crate) fn whole_body(source: &mut Source, input: &Input, most: usize) -> Result<String, Failed> {
    if source.format == Format::Json {
        return source.text();
    }
    let name = source.name.clone();
    let (head, lines) = if source.format == Format::Csv {
        let mut rows = csv::Rows::of(&name, source.open()?)?;
        let head = upload::head_for(&rows, &name, input)?;
        let mut lines = Vec::new();
        while let Some(line) = rows.next_line()? {
            lines.push(line);
            fits(lines.len(), most)?;
        }
        (head.line, lines)
    } else {
        let text = source.text()?;
        let mut lines = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned);
        let head = lines.next().ok_or_else(|| Failed::new(format!("{name} is empty")))?;
        (head, lines.collect())
    };
    fits(lines.len(), most)?;
    let wrong = |line: usize, error: &dyn std::fmt::Display| {
        Failed::new(format!("{name}:{line}: not JSON: {error}")).next("nothing was sent")
    };
    let mut body: Value = serde_json::from_str(&head).map_err(|error| wrong(1, &error))?;
    let messages: Result<Vec<Value>, Failed> = (lines.iter().enumerate())
        .map(|(place, line)| serde_json::from_str(line).map_err(|error| wrong(place + 2, &error)))
        .collect();
    let Some(object) = body.as_object_mut() else { return Err(wrong(1, &"expected an object")) };
    object.insert("messages".to_owned(), json!(messages?));
    Ok(body.to_string())
}

fn fits(messages: usize, most: usize) -> Result<(), Failed> {
    if messages <= most {
        return Ok(());
    }
    let next = if most == DIRECT_MOST {
        "leave out --direct: a queued batch may be as long as you like"
    } else {
        "plan a part of it: the first lines tell how the rest is treated"
    };
    Err(Failed::new(format!("more than {} messages", grouped(most as u64))).next(next))
}

/// Posts JSON, and once more under the same key when the answer got lost.
pub(crate) async fn twice(client: &Client, path: &str, body: &str, key: &str) -> Result<Answer, Failed> {
    let post = || async {
        let headers = [(CONTENT_TYPE.as_str(), "application/json"), ("idempotency-key", key)];
        client.ask(Method::POST, path, &headers, whole(body.to_owned())).await
    };
    let lost = match post().await {
        Ok(answer) => return client.good(answer),
        Err(silence @ Silence::Unreached(_)) => return Err(client.silent(&silence)),
        Err(silence) => silence,
    };
    said_lost(&lost);
    for _ in 0..REPEATS {
        let answer = post().await.map_err(|silence| ended(client, &silence, key))?;
        if !is_running(&answer) {
            return client.good(answer);
        }
        tokio::time::sleep(answer.retry_after().unwrap_or(Duration::from_secs(1))).await;
    }
    Err(ended(client, &lost, key))
}

/// Whether the first request under the key is still under way.
fn is_running(answer: &Answer) -> bool {
    answer.status.as_u16() == 409 && answer.problem().code.as_deref() == Some("in_progress")
}

fn said_lost(silence: &Silence) {
    let (Silence::Unreached(why) | Silence::Lost(why)) = silence;
    note(format!("the answer got lost ({why}); asking again under the same idempotency key"));
}

fn ended(client: &Client, silence: &Silence, key: &str) -> Failed {
    client.silent(silence).next(format!(
        "the batch may have been stored; the same command with --idempotency-key {key} never makes a second one"
    ))
}

/// Uploads NDJSON or CSV in pieces, and once more when the answer got lost and the source repeats.
async fn streamed(client: &Client, source: &mut Source, input: &Input, key: &str) -> Result<Answer, Failed> {
    if source.format == Format::Csv && source.repeats() {
        upload::check_rows(source, input)?;
    }
    let lost = match uploaded(client, source, input, key).await? {
        Ok(answer) => return client.good(answer),
        Err(silence @ Silence::Unreached(_)) => return Err(client.silent(&silence)),
        Err(silence) => silence,
    };
    if !source.repeats() {
        return Err(ended(client, &lost, key));
    }
    said_lost(&lost);
    for _ in 0..REPEATS {
        let answer = uploaded(client, source, input, key).await?;
        let answer = answer.map_err(|silence| ended(client, &silence, key))?;
        if !is_running(&answer) {
            return client.good(answer);
        }
        tokio::time::sleep(answer.retry_after().unwrap_or(Duration::from_secs(1))).await;
    }
    Err(ended(client, &lost, key))
}

async fn uploaded(
    client: &Client,
    source: &mut Source,
    input: &Input,
    key: &str,
) -> Result<Result<Answer, Silence>, Failed> {
    let (to, named) = (client.clone(), key.to_owned());
    let upload = upload::begin(source, input, move || leaves_it(&to, &named))?;
    let mut progress = Progress::new("uploading", source.size());
    let headers = [(CONTENT_TYPE.as_str(), "application/x-ndjson"), ("idempotency-key", key)];
    let asked = client.ask(Method::POST, "/v1/batches", &headers, upload.body);
    let mut asked = std::pin::pin!(asked);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let answer = loop {
        tokio::select! {
            answer = &mut asked => break answer,
            _ = tick.tick() => {
                let read = count(upload.sent.messages(), "message");
                let over = upload.reading.is_finished();
                let said = if over { format!("{read} sent; the server checks and stores them") } else { format!("{read} read") };
                progress.at(upload.sent.bytes(), &said);
            }
        }
    };
    progress.done();
    // A source that broke off is the reason for whatever the connection says.
    if answer.is_err() || upload.reading.is_finished() {
        let read = upload.reading.await;
        read.map_err(|error| Failed::new(format!("cannot read {}: {error}", source.name)))??;
    }
    Ok(answer)
}

/// Follows a batch that was just stored, until it is settled.
pub(crate) async fn follow(client: &Client, taken: &BatchAnswer) -> Result<BatchAnswer, Failed> {
    watch::follow(client, taken).await.map_err(|failed| left(failed, &taken.id))
}

fn left(failed: Failed, id: &str) -> Failed {
    failed.partly().next(format!(
        "the batch is stored and goes on without you; ask for it with `interline batch show {id}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn fresh_keys_differ() {
        assert_ne!(fresh_key().unwrap(), fresh_key().unwrap());
    }

    /// Reads one request whole and gives its idempotency key.
    async fn request(stream: &mut tokio::net::TcpStream) -> String {
        let mut seen = Vec::new();
        loop {
            stream.read_buf(&mut seen).await.unwrap();
            let text = String::from_utf8_lossy(&seen).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.contains("\"messages\":[]}")
            {
                let mut lines = head.lines();
                return lines.find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap().to_owned();
            }
        }
    }

    #[tokio::test]
    async fn a_lost_answer_is_asked_for_again_under_the_same_key() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::at(&server, None).unwrap();
        let serving = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            let lost = request(&mut first).await;
            drop(first);
            let (mut second, _) = listener.accept().await.unwrap();
            let again = request(&mut second).await;
            let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
            second.write_all(answer.as_bytes()).await.unwrap();
            (lost, again)
        });
        let answer = twice(&client, "/v1/batches", r#"{"messages":[]}"#, "key-1").await.unwrap();
        assert_eq!(answer.status.as_u16(), 202);
        assert_eq!(serving.await.unwrap(), ("key-1".to_owned(), "key-1".to_owned()));
    }

    #[test]
    fn a_direct_send_is_bounded() {
        assert!(fits(1_000, DIRECT_MOST).is_ok());
        assert!(fits(1_001, DIRECT_MOST).unwrap_err().text().contains("leave out --direct"));
    }
}
