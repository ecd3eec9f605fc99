//! Another configuration while everything runs: at a signal (SIGHUP), when a file of it changed, and when the
//! API asks. It is read and checked as a whole first; what is wrong with it leaves everything as it was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use interline_engine::Reloaded;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::Gateway;
use crate::config::{self, Config, ConfigError, ConfigErrors, Looks};
use crate::facades::Facades;
use crate::standing::Standing;

/// How often the files are looked at. Asking by name and not by what the system tells survives editors that
/// put another file in the place of the old one, and file systems that tell nothing.
const LOOK: Duration = Duration::from_millis(1_000);

impl Gateway {
    /// Reads the configuration again and puts it in force.
    ///
    /// # Errors
    /// Everything that is wrong with it, or cannot change while the server runs; all is as it was then.
    pub(crate) async fn reload(&self) -> Result<Reloaded, ConfigErrors> {
        let mut in_force = self.config.lock().await;
        let file = in_force.file.clone();
        let read = tokio::task::spawn_blocking(move || config::load(Some(&file))).await;
        let reloaded = match read {
            Ok(Ok(config)) => self.put_in_force(&mut in_force, config).await,
            Ok(Err(errors)) => Err(errors),
            Err(_) => Err(ConfigErrors::one(
                in_force.file.display().to_string(),
                "reading it ended before it was read",
            )),
        };
        self.metrics.reloaded(reloaded.is_ok());
        match &reloaded {
            Ok(Reloaded { added, changed, removed }) => {
                tracing::info!(
                    ?added,
                    ?changed,
                    ?removed,
                    "the configuration was read again and is in force"
                );
            }
            Err(errors) => tracing::error!(%errors, "the configuration stays as it was"),
        }
        reloaded
    }

    async fn put_in_force(&self, in_force: &mut Config, config: Config) -> Result<Reloaded, ConfigErrors> {
        let fixed = unchangeable(in_force, &config);
        if !fixed.is_empty() {
            return Err(ConfigErrors(fixed));
        }
        let settings = config.engine_settings()?;
        let standing = Standing::of(&config, Some(&self.standing()));
        // The last thing that can fail, and it swaps all or nothing.
        let reloaded = self
            .engine
            .reload(settings)
            .await
            .map_err(|error| ConfigErrors::one(config.file.display().to_string(), error.to_string()))?;
        self.put(standing);
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        *in_force = config;
        Ok(reloaded)
    }
}

/// What differs and is taken at the start only.
fn unchangeable(old: &Config, new: &Config) -> Vec<ConfigError> {
    let error = |key: &str, old: String| ConfigError {
        origin: new.file.display().to_string(),
        key: key.to_owned(),
        detail: format!("cannot change while the server runs (it is {old} now); restart it for that"),
    };
    let mut errors = Vec::new();
    if old.server.listen != new.server.listen {
        errors.push(error("server.listen", old.server.listen.to_string()));
    }
    let before = Facades::addresses(old);
    if before != Facades::addresses(new) {
        let own: Vec<String> = before.iter().map(ToString::to_string).collect();
        let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
        errors.push(error("facades", format!("the addresses of their own: {own}")));
    }
    if old.log != new.log {
        errors.push(error("log", format!("{} at {}", old.log.format.as_str(), old.log.level)));
    }
    if old.telemetry != new.telemetry {
        let was = if old.telemetry.otlp_endpoint.is_some() { "on, with other values" } else { "off" };
        errors.push(error("telemetry", was.to_owned()));
    }
    if old.ledger.url != new.ledger.url {
        errors.push(error("ledger.url", old.ledger.shown_url()));
    }
    errors
}

/// Reloads whenever a file of the configuration changed, until it is aborted.
pub(crate) async fn watch(gateway: Arc<Gateway>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut refused) = (Looks::new(), Looks::new());
    loop {
        ticks.tick().await;
        let in_force = gateway.config.lock().await.files().clone();
        let paths: Vec<PathBuf> = in_force.keys().cloned().collect();
        let now = looks(paths).await;
        // Half a file is no file: whoever writes it has to be done, and it has to be there.
        let settled = now == last && now.values().all(Option::is_some);
        last.clone_from(&now);
        if settled && now != in_force && now != refused && gateway.reload().await.is_err() {
            refused = now;
        }
    }
}

async fn looks(paths: Vec<PathBuf>) -> Looks {
    let look = move || paths.into_iter().map(|path| (path.clone(), config::look(&path))).collect();
    // Only a runtime that ends runs nothing any more.
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// Reloads at each SIGHUP, until it is aborted.
#[cfg(unix)]
pub(crate) async fn on_signal(gateway: Arc<Gateway>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut signals = match signal(SignalKind::hangup()) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!(%error, "cannot take SIGHUP; reload by the API");
            return;
        }
    };
    while signals.recv().await.is_some() {
        // What is wrong was logged; everything is as it was.
        drop(gateway.reload().await);
    }
}

#[cfg(not(unix))]
pub(crate) async fn on_signal(_gateway: Arc<Gateway>) {}
