//! The load: so many keep-alive connections, each with one request under way, the same in every case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::output::Failed;

/// One request, sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    pub(crate) path: &'static str,
    /// A body for each connection.
    pub(crate) bodies: Vec<Bytes>,
}

/// What a case came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Requests that were answered with success.
    pub(crate) good: u64,
    /// Requests that were answered otherwise, or not at all.
    pub(crate) bad: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// How long each successful request took, in microseconds, in ascending order.
    pub(crate) latencies: Vec<u32>,
    /// What the first bad answer was.
    pub(crate) trouble: Option<String>,
}

impl Tally {
    /// Adds what came afterwards.
    pub(crate) fn add(&mut self, more: Self) {
        self.good += more.good;
        self.bad += more.bad;
        self.took += more.took;
        self.latencies.extend(more.latencies);
        self.latencies.sort_unstable();
        self.trouble = self.trouble.take().or(more.trouble);
    }

    /// The latency that this share of the requests stays below, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list that fits in memory"
        )]
        let place = (last as f64 * share).round() as usize;
        self.latencies.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// A load that is ready: connected and warm, and not yet counted.
#[derive(Debug)]
pub(crate) struct Load {
    gate: Arc<Gate>,
    tasks: Vec<tokio::task::JoinHandle<Tally>>,
}

/// When the connections send: while they warm up, and again from the beginning to the end.
#[derive(Debug)]
struct Gate {
    warm: AtomicBool,
    /// Nothing is under way: what was sent to warm up has been answered.
    quiet: Barrier,
    begin: Barrier,
    over: AtomicBool,
}

impl Load {
    /// Connects, and sends without counting for `warming`.
    pub(crate) async fn warmed(target: &Target, warming: Duration) -> Result<Self, Failed> {
        let all = target.bodies.len() + 1;
        let (warm, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let gate = Arc::new(Gate { warm, quiet: Barrier::new(all), begin: Barrier::new(all), over });
        let mut tasks = Vec::new();
        for body in &target.bodies {
            let sender = connected(&target.authority).await?;
            let worker =
                Worker { sender, authority: target.authority.clone(), path: target.path, body: body.clone() };
            tasks.push(tokio::spawn(worker.run(Arc::clone(&gate))));
        }
        tokio::time::sleep(warming).await;
        gate.warm.store(true, Ordering::Relaxed);
        gate.quiet.wait().await;
        Ok(Self { gate, tasks })
    }

    /// Sends for so long and counts every answer, so that messages, arrivals and processor time are of
    /// the same requests.
    pub(crate) async fn measured(self, lasting: Duration) -> Tally {
        self.gate.begin.wait().await;
        let begun = Instant::now();
        tokio::time::sleep(lasting).await;
        self.gate.over.store(true, Ordering::Relaxed);
        let mut whole = Tally::default();
        for task in self.tasks {
            let Ok(part) = task.await else { continue };
            whole.good += part.good;
            whole.bad += part.bad;
            whole.latencies.extend(part.latencies);
            whole.trouble = whole.trouble.or(part.trouble);
        }
        whole.took = begun.elapsed();
        whole.latencies.sort_unstable();
        whole
    }
}

struct Worker {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    path: &'static str,
    body: Bytes,
}

impl Worker {
    async fn run(mut self, gate: Arc<Gate>) -> Tally {
        while !gate.warm.load(Ordering::Relaxed) {
            self.once().await.ok();
        }
        gate.quiet.wait().await;
        gate.begin.wait().await;
        let mut tally = Tally::default();
        while !gate.over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            match self.once().await {
                Ok(()) => {
                    tally.good += 1;
                    tally.latencies.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                Err(trouble) => {
                    tally.bad += 1;
                    tally.trouble.get_or_insert(trouble);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        tally
    }

    async fn once(&mut self) -> Result<(), String> {
        let request = Request::post(self.path)
            .header("host", self.authority.as_str())
            .header("content-type", "application/json")
            .body(Full::new(self.body.clone()))
            .map_err(|error| error.to_string())?;
        if self.sender.ready().await.is_err() {
            self.sender = connected(&self.authority).await.map_err(|_| "cannot connect again".to_owned())?;
        }
        let response = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        if status.is_success() {
            return Ok(());
        }
        let words: String = String::from_utf8_lossy(&body).chars().take(160).collect();
        Err(format!("{status}: {words}"))
    }
}

async fn connected(authority: &str) -> Result<SendRequest<Full<Bytes>>, Failed> {
    let broken = |why: &dyn std::fmt::Display| Failed::new(format!("cannot connect to {authority}: {why}"));
    let stream = TcpStream::connect(authority).await.map_err(|error| broken(&error))?;
    stream.set_nodelay(true).map_err(|error| broken(&error))?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(async move {
        connection.await.ok();
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_from_the_sorted_list() {
        let tally = Tally { latencies: (1..=100).map(|n| n * 1000).collect(), ..Tally::default() };
        assert!((tally.percentile(0.5) - 51.0).abs() < 1.0);
        assert!((tally.percentile(1.0) - 100.0).abs() < f64::EPSILON);
        assert!(Tally::default().percentile(0.99).abs() < f64::EPSILON);
    }
}
