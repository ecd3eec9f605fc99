//! `interline serve`: the gateway in the foreground, until interrupted.

use std::process::ExitCode;

use interline_gateway::config::{self, Config, ConfigError, ConfigErrors};
use interline_gateway::{ServeError, Server, config::Auth};
use serde_json::json;

use crate::args::{Common, Serve};
use crate::output::{Failed, LINK, json as print_json, line, note, paint};
use crate::{ledger, log, telemetry};

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
    let server = bound(config, args.paused).await?;
    let who = if open { "everybody on this machine" } else { "apps with a key" };
    let url = format!("http://{}", server.local_addr());
    if common.json {
        print_json(&json!({"url": url, "auth": if open { "off" } else { "keys" }}))?;
    } else {
        line(format!("interline listens on {} for {who}", paint(LINK, url)));
        if args.paused {
            note("every provider is paused; `interline provider resume NAME` lets one go on");
        }
    }
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
    let keys =
        |error: &ConfigError| json!({"path": error.key, "detail": error.detail, "origin": error.origin});
    let failed = Failed::new(errors.to_string()).errors(errors.0.iter().map(keys).collect());
    // Which one was looked for, and how to name another, stands in the error.
    if errors.0.iter().any(|error| error.detail.starts_with("there is no such file")) {
        return failed.next("the config.toml that comes with Interline runs as it stands");
    }
    failed.next("correct what is named above; `interline check` tells when it is sound")
}

/// Opens the ledger, starts the engine and takes the port; `paused`: with every provider paused.
pub(crate) async fn bound(config: Config, paused: bool) -> Result<Server, Failed> {
    let bound = if paused { Server::bind_paused(config).await } else { Server::bind(config).await };
    bound.map_err(|error| match &error {
        ServeError::Config(errors) => wrong(errors),
        ServeError::Ledger(cause) => ledger::failed(cause)
            .or_next(|| "ledger.url names it; `interline ledger status` tells more".to_owned()),
        ServeError::Listen(address, why) => Failed::new(format!("cannot listen on {address}: {why}"))
            .next("free it, or change server.listen or the `listen` of a façade"),
        ServeError::Engine(_) => {
            Failed::new(error.to_string()).next("`interline check` looks at what it was told")
        }
    })
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
