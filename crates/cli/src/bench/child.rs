//! The measured servers as processes of their own, so that the processor time of each can be told.
//!
//! A child is this same program; it prints the address that it listens on and ends with its parent.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use interline_twins::{Twin, TwinsConfig, Vendor};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::output::{Failed, line};
use crate::serve::interrupted;

/// How long a child may take to listen.
const STARTING: Duration = Duration::from_secs(20);

/// A server that runs beside this process.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    process: u32,
    _child: Child,
}

impl Running {
    /// Starts this program with `arguments` and waits for its address.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self, Failed> {
        let name = arguments.join(" ");
        let broken =
            |why: &dyn std::fmt::Display| Failed::new(format!("cannot start `interline {name}`: {why}"));
        let program = std::env::current_exe().map_err(|error| broken(&error))?;
        let mut child = Command::new(program)
            .args(arguments)
            .env("INTERLINE_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| broken(&error))?;
        let output = child.stdout.take().ok_or_else(|| broken(&"it has no output"))?;
        let mut lines = BufReader::new(output).lines();
        let first = tokio::time::timeout(STARTING, lines.next_line()).await;
        let first = first.map_err(|_| broken(&"it does not listen"))?.map_err(|error| broken(&error))?;
        let url = first.as_deref().and_then(address).ok_or_else(|| broken(&"it ended before it listened"))?;
        // Whatever else it says must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let process = child.id().ok_or_else(|| broken(&"it has ended"))?;
        Ok(Self { url, process, _child: child })
    }

    /// The gateway with a configuration.
    pub(crate) async fn gateway(config: &Path) -> Result<Self, Failed> {
        Self::start(&["serve", "--config", &config.display().to_string()]).await
    }

    /// Processor time used so far.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        super::cpu::used(self.process)
    }
}

/// Tells the parent where this child listens.
pub(crate) fn announce(addr: SocketAddr) {
    line(format!("http://{addr}"));
}

fn address(text: &str) -> Option<String> {
    text.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
}

/// The hidden `bench-twin`: WuKongIM as its page has it, without limits and with a short memory.
pub(crate) async fn twin() -> Result<ExitCode, Failed> {
    let config = TwinsConfig { keep: 1_000, ..TwinsConfig::ephemeral() };
    let config = config.dialect(Vendor::WuKongIm, "published").unlimited();
    let twin = Twin::start_with(&config, Vendor::WuKongIm, SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let twin = twin.map_err(|error| Failed::new(format!("cannot start the twin: {error}")))?;
    announce(twin.addr());
    interrupted().await;
    twin.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_a_child_says() {
        assert_eq!(address("http://127.0.0.1:9").as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(
            address("interline listens on http://127.0.0.1:9 for x").as_deref(),
            Some("http://127.0.0.1:9")
        );
        assert_eq!(address("no"), None);
    }
}
