//! `interline batch watch`: a batch as it changes, until it is settled. It listens to the server's events,
//! and asks again when they break off: a server that restarts takes up its batches, so does this.

use std::process::ExitCode;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::api::BatchAnswer;
use crate::args::{Common, OneBatch};
use crate::batch::no_batch;
use crate::client::{Answer, Client, Silence, encoded, reasons};
use crate::interrupt;
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
    let mut watch = Watch { lines: common.json, ..Watch::new(&client, &one.id) };
    let batch = watch.until_over().await?;
    drop(watch);
    if common.json { Ok(report::exit(&batch.counts)) } else { report::settled(&client, &batch, false).await }
}

/// Follows a batch that was just stored. One that is scheduled or paused was taken as asked, and is nothing to
/// wait for.
pub(crate) async fn follow(client: &Client, taken: &BatchAnswer) -> Result<BatchAnswer, Failed> {
    let mut watch = Watch { impatient: true, found: true, told: true, ..Watch::new(client, &taken.id) };
    watch.until_over().await
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
    /// Each snapshot is a line of the result.
    lines: bool,
    /// Does not wait for what waits for a time or a person.
    impatient: bool,
    progress: Option<Progress>,
    pace: Pace,
    /// Whether the server knows the batch.
    found: bool,
    /// Whether its id was told.
    told: bool,
    shown: Option<BatchAnswer>,
    /// The last snapshot as it came.
    text: String,
}

impl<'a> Watch<'a> {
    fn new(client: &'a Client, id: &'a str) -> Self {
        Watch {
            client,
            id,
            lines: false,
            impatient: false,
            progress: None,
            pace: Pace::default(),
            found: false,
            told: false,
            shown: None,
            text: String::new(),
        }
    }

    /// Listens until nothing more is to be waited for.
    async fn until_over(&mut self) -> Result<BatchAnswer, Failed> {
        interrupt::leaves(
            format!("{} goes on at {}", self.id, self.client.base()),
            format!(
                "follow it with {}\nwithdraw what is not sent yet with {}",
                self.client.hint(&format!("batch watch {}", self.id)),
                self.client.hint(&format!("batch cancel {}", self.id))
            ),
        );
        let mut tries = 0;
        loop {
            let lost = match self.follow().await? {
                Ended::Over => {
                    self.progress = None;
                    return self.shown.take().ok_or_else(unreadable);
                }
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
            if !self.found || tries > TRIES {
                let failed = self.client.silent(&lost);
                return Err(if self.found { failed.next(self.goes_on()) } else { failed });
            }
            if tries == 1 {
                let (Silence::Unreached(why) | Silence::Lost(why)) = &lost;
                self.aside(&format!("lost {} ({why}); asking again until it is back", self.client.base()));
            }
            sleep(AGAIN).await;
        }
    }

    fn goes_on(&self) -> String {
        let again = self.client.hint(&format!("batch watch {}", self.id));
        format!("the batch goes on without you; ask again with {again}")
    }

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
                        if self.is_over() {
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

    /// Whether there is nothing more to wait for.
    fn is_over(&self) -> bool {
        let Some(batch) = &self.shown else { return false };
        let held = matches!(batch.state.as_str(), "scheduled" | "paused") && batch.counts.sending == 0;
        if self.impatient && held {
            self.aside(&format!("{} is {}; not waiting for it", batch.id, batch.state));
        }
        batch.is_over() || self.impatient && held
    }

    /// Takes a snapshot and shows it.
    fn saw(&mut self, text: String) -> Result<(), Failed> {
        let batch: BatchAnswer = serde_json::from_str(&text).map_err(|_| unreadable())?;
        if self.lines {
            if text != self.text {
                line(&text);
            }
        } else if self.progress.is_none() && !batch.is_over() {
            if !self.told {
                note(format!("{}  {}", batch.id, count(batch.counts.total, "message")));
            }
            self.progress = Some(Progress::new("sending", Some(batch.counts.total)));
        }
        let before = self.shown.as_ref().map(|batch| batch.state.as_str());
        if batch.state == "paused" && before != Some("paused") && !self.impatient {
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
        let (done, mut said) = told(batch);
        said.push_str(&self.pace.told(done, batch.counts.total, Instant::now()));
        progress.at(done, &said);
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

/// How fast it goes.
#[derive(Debug, Default)]
struct Pace {
    began: Option<(Instant, u64)>,
}

impl Pace {
    /// The rate since the first look, and how long the rest takes at it; nothing while that says little.
    fn told(&mut self, done: u64, total: u64, now: Instant) -> String {
        let (began, before) = *self.began.get_or_insert((now, done));
        let seconds = now.duration_since(began).as_secs_f64();
        let settled = done.saturating_sub(before);
        if seconds < 2.0 || settled == 0 || done >= total {
            return String::new();
        }
        let rate = settled as f64 / seconds;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate, and a time, are positive"
        )]
        let (rate, left) = (rate.ceil() as u64, ((total - done) as f64 / rate).ceil() as u64);
        let left = humantime::format_duration(Duration::from_secs(left));
        format!(" · {}/s, {left} left", grouped(rate))
    }
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
    fn the_pace_is_told_once_it_says_something() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(pace.told(1_000, 5_000, at(0)), "");
        assert_eq!(pace.told(1_200, 5_000, at(1)), "");
        assert_eq!(pace.told(2_000, 5_000, at(4)), " · 250/s, 12s left");
        assert_eq!(pace.told(5_000, 5_000, at(16)), "");
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
