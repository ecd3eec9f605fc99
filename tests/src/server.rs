//! The server as a process: started, asked, killed. Whatever it logs stays in the folder and is shown
//! when it does not start.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::place::Place;
use crate::wait::{eventually, holds_within};

/// The file in the folder that holds what servers log.
const LOG: &str = "server.log";

/// A running server, and a client of it. It is killed when it goes out of scope.
#[derive(Debug)]
pub struct Server {
    child: Child,
    client: Client,
    log: PathBuf,
    _folder: Arc<TempDir>,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Reads lines of a child's output until one names an address; the rest is read away by a thread.
pub(crate) fn announced(child: &mut Child) -> Option<SocketAddr> {
    let mut reader = BufReader::new(child.stdout.take()?);
    let mut line = String::new();
    let addr = loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            break None;
        }
        let (_, rest) = line.split_once("http://").unwrap_or_default();
        let addr = rest.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if let Ok(addr) = addr.parse() {
            break Some(addr);
        }
    };
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).ok();
    });
    addr
}

impl Server {
    #[track_caller]
    pub(crate) fn start(place: &Place, options: &[&str]) -> Self {
        let Some(server) = Self::try_start(place, options, &[]) else {
            let log = std::fs::read_to_string(place.path(LOG)).unwrap_or_default();
            panic!("the server did not start: {log}");
        };
        server
    }

    #[track_caller]
    pub(crate) fn try_start(place: &Place, options: &[&str], variables: &[(&str, &str)]) -> Option<Self> {
        let log = place.path(LOG);
        let file = File::options().create(true).append(true).open(&log).expect("a log in the folder");
        let mut command = place.command();
        command.args(["serve", "--config", "config.toml"]).args(options).env("INTERLINE_LOG", "warn");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().expect("the binary starts");
        let Some(addr) = announced(&mut child) else {
            child.wait().ok();
            return None;
        };
        let mut server = Self { child, client: Client::new(addr), log, _folder: place.folder() };
        let ready = eventually("the server is ready", Duration::from_secs(30), || {
            let ready = server.client.ask("GET", "/readyz", "", b"").is_ok_and(|answer| answer.status == 200);
            if ready { Some(true) } else { (!server.runs()).then_some(false) }
        });
        ready.then_some(server)
    }

    /// A client of it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Asks it to terminate (SIGTERM).
    ///
    /// # Panics
    /// When there is no shell to send the signal with.
    pub fn terminate(&self) {
        let signal = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &signal]).status().expect("a shell");
        assert!(sent.success(), "{signal}");
    }

    /// How it ended; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The most memory that it has held, in KiB.
    ///
    /// # Panics
    /// Where there is no `/proc`.
    pub fn peak_kib(&self) -> u64 {
        let mut text = String::new();
        let status = File::open(format!("/proc/{}/status", self.child.id()));
        status.and_then(|mut file| file.read_to_string(&mut text)).expect("/proc tells of memory");
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let digits = line.and_then(|line| line.split_whitespace().next());
        digits.and_then(|digits| digits.parse().ok()).expect("VmHWM in KiB")
    }

    /// The counts of a batch.
    ///
    /// # Panics
    /// When there is no such batch.
    #[track_caller]
    pub fn batch(&self, id: &str) -> Value {
        self.get(&format!("/v1/batches/{id}")).of(200)
    }

    /// Waits until a batch is settled and gives it.
    ///
    /// # Panics
    /// When it is not settled within the time.
    #[track_caller]
    pub fn settled(&self, id: &str, within: Duration) -> Value {
        let mut last = Value::Null;
        let settled = holds_within(within, || {
            last = self.batch(id);
            last["state"] == "settled"
        });
        assert!(settled, "not settled within {within:?}: {last}\n{}", self.unsettled(id));
        last
    }

    /// What the providers say of themselves and what waits of a batch, for whom it does not settle.
    fn unsettled(&self, id: &str) -> String {
        let open = |result: &Value| matches!(result["status"].as_str(), Some("queued" | "sending"));
        let waiting: Vec<_> = self.results(id).into_iter().filter(open).map(|one| one.to_string()).collect();
        format!("{}\n{}", waiting.join("\n"), self.get("/v1/providers").text())
    }

    /// All results of a batch.
    ///
    /// # Panics
    /// When there is no such batch.
    #[track_caller]
    pub fn results(&self, id: &str) -> Vec<Value> {
        let lines = self.with("accept", "application/x-ndjson").get(&format!("/v1/batches/{id}/messages"));
        assert_eq!(lines.status, 200, "{}", lines.text());
        let results = lines.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        results.map(|line| serde_json::from_slice(line).expect("each line is a result")).collect()
    }

    /// A whole number among the metrics, by its name with its labels; 0 where it is not shown.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or_default()
    }

    /// How many batches there are.
    ///
    /// # Panics
    /// When the server does not say.
    #[track_caller]
    pub fn batches(&self) -> usize {
        self.get("/v1/batches").of(200)["batches"].as_array().map_or(0, Vec::len)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
