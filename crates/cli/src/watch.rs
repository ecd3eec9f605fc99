//! `interline batch watch`: a batch as it changes, until it is settled. It listens to the server's events,
//! and asks again when they break off: a server that restarts takes up its batches, so does this.

use std::process::ExitCode;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::api::BatchAnswer;
use crate::args::{Common, OneBatch};
use crate::batch::no_batch;
use crate::client::{Answer, Client, Silence, encoded, reasons};
use crate::output::{Failed, count, grouped, line, note};
use crate::send::progress::Progress;
use crate::send::report;

/// How often progress is told where nothing changes.
const TICK: Duration = Duration::from_secs(1);
/// Between two questions to a server that went away.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a server that went away is asked before this gives up.
const TRIES: u32 = 60;
/// Between two streams of which the first ended well.
const NEXT_STREAM: Duration = Duration::from_millis(250);

/// Runs the verb.
pub(crate) async fn run(one: &OneBatch, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let mut watch = Watch {
        client: &client,
        id: &one.id,
        json: common.json,
        progress: None,
        found: false,
        shown: None,
        text: String::new(),
    };
    let mut tries = 0;
    loop {
        let lost = match watch.follow().await? {
            Ended::Over => return watch.over().await,
            Ended::Early => {
                tries = 0;
                sleep(NEXT_STREAM).await;
                continue;
            }
            Ended::Lost(silence, heard) => {
                tries = if heard { 1 } else { tries + 1 };
                silence
            }
        };
        if !watch.found || tries > TRIES {
            let failed = client.silent(&lost);
            return Err(if watch.found { failed.next(goes_on(&client, &one.id)) } else { failed });
        }
        if tries == 1 {
            let (Silence::Unreached(why) | Silence::Lost(why)) = &lost;
            watch.aside(&format!("lost {} ({why}); asking again until it is back", client.base()));
        }
        sleep(AGAIN).await;
    }
}

fn goes_on(client: &Client, id: &str) -> String {
    let again = client.hint(&format!("batch watch {id}"));
    format!("the batch goes on without you; ask again with {again}")
}

/// How a stream ended.
enum Ended {
    /// The batch is settled, as was shown last.
    Over,
    /// The server ended it, and the batch is not settled.
    Early,
    /// It broke off; whether anything was heard before that.
    Lost(Silence, bool),
}

/// What was shown so far.
struct Watch<'a> {
    client: &'a Client,
    id: &'a str,
    json: bool,
    progress: Option<Progress>,
    /// Whether the server knows the batch.
    found: bool,
    shown: Option<BatchAnswer>,
    /// The last snapshot as it came.
    text: String,
}

impl Watch<'_> {
    /// Listens to one stream.
    async fn follow(&mut self) -> Result<Ended, Failed> {
        let path = format!("/v1/batches/{}/events", encoded(self.id));
        let mut events = match self.client.open(&path).await {
            Ok(Ok(body)) => {
                self.found = true;
                Events { body, rest: Vec::new() }
            }
            // A server that is about to stop, or has just come back, says so.
            Ok(Err(answer)) if answer.status.is_server_error() && self.found => {
                return Ok(Ended::Lost(Silence::Lost(answer.status.to_string()), false));
            }
            Ok(Err(answer)) => return Err(self.refused(answer)),
            Err(silence) => return Ok(Ended::Lost(silence, false)),
        };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = false;
        loop {
            tokio::select! {
                snapshot = events.next() => match snapshot {
                    Ok(Some(text)) => {
                        heard = true;
                        self.saw(text)?;
                        if self.shown.as_ref().is_some_and(BatchAnswer::is_over) {
                            return Ok(Ended::Over);
                        }
                    }
                    Ok(None) if heard => return Ok(Ended::Early),
                    Ok(None) => return Ok(Ended::Lost(Silence::Lost("the stream was empty".to_owned()), false)),
                    Err(silence) => return Ok(Ended::Lost(silence, heard)),
                },
                _ = tick.tick() => self.show(),
            }
        }
    }

    fn refused(&self, answer: Answer) -> Failed {
        match self.client.good(answer) {
            Ok(_) => unreadable(),
            Err(failed) => no_batch(self.client, failed),
        }
    }

    /// Takes a snapshot and shows it.
    fn saw(&mut self, text: String) -> Result<(), Failed> {
        let batch: BatchAnswer = serde_json::from_str(&text).map_err(|_| unreadable())?;
        if self.json {
            if text != self.text {
                line(&text);
            }
        } else if self.progress.is_none() && !batch.is_over() {
            note(format!("{}  {}", batch.id, count(batch.counts.total, "message")));
            self.progress = Some(Progress::new("sending", Some(batch.counts.total)));
        }
        let before = self.shown.as_ref().map(|batch| batch.state.as_str());
        if batch.state == "paused" && before != Some("paused") {
            self.aside(&format!(
                "it is paused; {} lets it go on",
                self.client.hint(&format!("batch resume {}", batch.id))
            ));
        }
        self.text = text;
        self.shown = Some(batch);
        self.show();
        Ok(())
    }

    fn show(&mut self) {
        let (Some(progress), Some(batch)) = (&mut self.progress, &self.shown) else { return };
        let (done, said) = told(batch);
        progress.at(done, &said);
    }

    /// Tells what became of it.
    async fn over(self) -> Result<ExitCode, Failed> {
        drop(self.progress);
        let batch = self.shown.ok_or_else(unreadable)?;
        if self.json {
            Ok(report::exit(&batch.counts))
        } else {
            report::settled(self.client, &batch, false).await
        }
    }

    /// Writes a line beside the progress.
    fn aside(&self, text: &str) {
        match &self.progress {
            Some(progress) => progress.aside(text),
            None => note(text),
        }
    }
}

fn unreadable() -> Failed {
    Failed::new("cannot read the server's events").next("is it an Interline server, and of this version?")
}

/// How many messages are settled, and that in words.
fn told(batch: &BatchAnswer) -> (u64, String) {
    let counts = &batch.counts;
    let done = counts.total.saturating_sub(counts.queued.saturating_add(counts.sending));
    let mut said = format!("{}/{} {}", grouped(done), grouped(counts.total), batch.state);
    for (number, word) in [
        (counts.rejected, "rejected"),
        (counts.unknown, "unknown"),
        (counts.expired, "expired"),
        (counts.cancelled, "cancelled"),
    ] {
        if number > 0 {
            said.push_str(&format!(", {} {word}", grouped(number)));
        }
    }
    (done, said)
}

/// Server-Sent Events: of each only its data.
struct Events {
    body: Incoming,
    /// What came after the last whole line.
    rest: Vec<u8>,
}

impl Events {
    /// The data of the next event; none at the end of the stream. May be dropped while it waits.
    async fn next(&mut self) -> Result<Option<String>, Silence> {
        loop {
            if let Some(text) = next_data(&mut self.rest) {
                return Ok(Some(text));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Silence::Lost(reasons(&error))),
                Some(Ok(frame)) => self.rest.extend(frame.data_ref().into_iter().flatten()),
            }
        }
    }
}

/// Takes lines away up to the next that holds data, and gives that data.
fn next_data(bytes: &mut Vec<u8>) -> Option<String> {
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let taken: Vec<u8> = bytes.drain(..=end).collect();
        let text = String::from_utf8_lossy(&taken);
        if let Some(data) = text.trim_end().strip_prefix("data:") {
            return Some(data.trim_start().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_however_it_is_cut() {
        let stream = "id: 1\nevent: batch\ndata: {\"a\":\"信\"}\n\n: still here\n\ndata: 2\r\n\n";
        let mut rest = Vec::new();
        let mut found = Vec::new();
        for byte in stream.bytes() {
            rest.push(byte);
            found.extend(next_data(&mut rest));
        }
        assert_eq!(found, ["{\"a\":\"信\"}", "2"]);
    }

    #[test]
    fn progress_names_what_did_not_go_well() {
        let batch = serde_json::from_value(serde_json::json!({"id": "bat_1", "state": "sending",
            "counts": {"total": 5000, "queued": 3000, "sending": 800, "accepted": 1197, "rejected": 0,
                "unknown": 3, "cancelled": 0, "expired": 0, "calls": 12}}));
        let (done, said) = told(&batch.unwrap());
        assert_eq!((done, said.as_str()), (1_200, "1,200/5,000 sending, 3 unknown"));
    }
}
