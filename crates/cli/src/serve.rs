//! `interline serve`: the gateway in the foreground, until interrupted.

use std::process::ExitCode;

use interline_gateway::config::{self, Config, ConfigErrors};
use interline_gateway::{Server, config::Auth};

use crate::args::{Common, Serve};
use crate::output::{Failed, LINK, line, note, paint};
use crate::{log, telemetry};

/// Runs the verb.
pub(crate) async fn run(args: &Serve, common: &Common) -> Result<ExitCode, Failed> {
    let config = loaded(common)?;
    log::start(&config.log, args.log_format)?;
    let traces = telemetry::start(&config.telemetry)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    outlive_file_limits();
    let open = config.server.auth == Auth::Off;
    let server = bound(config).await?;
    let who = if open { "everybody on this machine" } else { "apps with a key" };
    line(format!(
        "interline listens on {} for {who}",
        paint(LINK, format!("http://{}", server.local_addr()))
    ));
    server.run(interrupted()).await;
    traces.end().await;
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration, or says everything that is wrong with it.
pub(crate) fn loaded(common: &Common) -> Result<Config, Failed> {
    config::load(common.config.as_deref()).map_err(|errors| wrong(&errors))
}

/// What to say of a configuration that cannot be used; it names files and keys itself.
pub(crate) fn wrong(errors: &ConfigErrors) -> Failed {
    Failed::new(errors.to_string())
}

/// Opens the ledger, starts the engine and takes the port.
pub(crate) async fn bound(config: Config) -> Result<Server, Failed> {
    Server::bind(config).await.map_err(|error| Failed::new(error.to_string()))
}

/// A limit on the size of files (`ulimit -f`) shall be an error of the write that meets it: the ledger goes on
/// from that. Without a handler it ends the process.
#[cfg(unix)]
fn outlive_file_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    const SIGXFSZ: i32 = 25;
    if let Err(error) = signal(SignalKind::from_raw(SIGXFSZ)) {
        tracing::debug!(%error, "cannot take the signal of the file size limit");
    }
}

#[cfg(not(unix))]
fn outlive_file_limits() {}

/// Ends with the first interrupt or request to terminate; a second one ends the process.
pub(crate) async fn interrupted() {
    wait_for_signal().await;
    tokio::spawn(async {
        wait_for_signal().await;
        note("stopped without finishing");
        std::process::exit(130);
    });
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    tokio::signal::ctrl_c().await.ok();
}
