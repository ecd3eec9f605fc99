//! Starts and stops: opens the ledger, starts the engine, accepts connections. At the end connections get
//! a little time to finish, then the engine settles what is in flight and closes the ledger.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use interline_engine::Engine;
use interline_engine::trace::RequestSpan;
use interline_ledger::Ledger;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower::ServiceExt;

use crate::api::{self, Gateway};
use crate::config::{Config, ConfigErrors};
use crate::console::board;
use crate::facades::{self, Facades, Label};
use crate::reload;

/// How long connections may take to finish at the end.
const CONNECTIONS_END: Duration = Duration::from_secs(12);

/// How long calls in flight may take to finish at the end.
const CALLS_END: Duration = Duration::from_secs(10);

/// How long a connection may be silent between requests, and take for the head of one.
const HEAD: Duration = Duration::from_secs(90);

/// How often the ledger is pruned, and how many batches at once.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
const PRUNE_BATCHES: usize = 1_000;

/// Why the server cannot start.
#[derive(Debug)]
pub enum ServeError {
    /// The configuration cannot be used.
    Config(ConfigErrors),
    /// The ledger cannot be opened.
    Ledger(interline_ledger::Error),
    /// The engine cannot be started.
    Engine(interline_core::error::Error),
    /// The address cannot be listened on.
    Listen(SocketAddr, std::io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => errors.fmt(f),
            Self::Ledger(error) => write!(f, "cannot open the ledger that ledger.url names: {error}"),
            Self::Engine(error) => write!(f, "cannot start the engine: {error}"),
            Self::Listen(address, error) => {
                write!(
                    f,
                    "cannot listen on {address}: {error}; free it, or change server.listen or the `listen` of a façade"
                )
            }
        }
    }
}

impl std::error::Error for ServeError {}

/// An address with what is served there.
#[derive(Debug)]
struct Door {
    listener: TcpListener,
    router: Router,
}

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    /// Addresses that are only façades'.
    others: Vec<Door>,
    engine: Engine,
    ledger: Ledger,
    router: Router,
    gateway: Arc<Gateway>,
    closing: watch::Sender<bool>,
}

/// Serves until `shutdown` is done, then stops gracefully.
///
/// # Errors
/// When it cannot start.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(config).await?.run(shutdown).await;
    Ok(())
}

impl Server {
    /// Listens, opens the ledger and starts the engine. Port 0 is any free one.
    ///
    /// # Errors
    /// When one of them fails; nothing is left running then.
    pub async fn bind(config: Config) -> Result<Self, ServeError> {
        Self::open(config, false).await
    }

    /// The same with every provider paused in the ledger first, as a person does it: what waits there stays until
    /// its provider is resumed.
    ///
    /// # Errors
    /// As of `bind`.
    pub async fn bind_paused(config: Config) -> Result<Self, ServeError> {
        Self::open(config, true).await
    }

    async fn open(config: Config, paused: bool) -> Result<Self, ServeError> {
        let settings = config.engine_settings().map_err(ServeError::Config)?;
        let wanted = config.server.listen;
        // First: a second server on the same address must not touch the ledger of the first.
        let listener = TcpListener::bind(wanted).await.map_err(|error| ServeError::Listen(wanted, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::Listen(wanted, error))?;
        let mut doors = Vec::new();
        for listen in Facades::addresses(&config) {
            let bound = TcpListener::bind(listen).await.map_err(|error| ServeError::Listen(listen, error))?;
            doors.push((listen, bound));
        }
        let ledger = Ledger::open(&config.ledger.url).await.map_err(ServeError::Ledger)?;
        if paused && let Err(error) = Engine::pause_all(&settings, &ledger).await {
            ledger.close().await;
            return Err(ServeError::Ledger(error));
        }
        let engine = match Engine::start(settings, ledger.clone()).await {
            Ok(engine) => engine,
            Err(error) => {
                ledger.close().await;
                return Err(ServeError::Engine(error));
            }
        };
        let (closing, closes) = watch::channel(false);
        let gateway = Arc::new(Gateway::new(config, engine.clone(), closes));
        let router = api::router(Arc::clone(&gateway));
        let door =
            |(listen, listener)| Door { listener, router: facades::router(Arc::clone(&gateway), listen) };
        let others = doors.into_iter().map(door).collect();
        Ok(Self { listener, address, others, engine, ledger, router, gateway, closing })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The engine behind it.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Serves until `shutdown` is done, then stops gracefully, within about twelve seconds: what is under way
    /// ends, callers get what is known, and what is queued stays queued.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tracing::info!(listen = %self.address, "serving");
        for Door { listener, .. } in &self.others {
            tracing::info!(
                listen = listener.local_addr().ok().map(tracing::field::display),
                "serving façades"
            );
        }
        let graceful = GracefulShutdown::new();
        let beside = [
            tokio::spawn(prune(self.ledger.clone(), Arc::clone(&self.gateway))),
            tokio::spawn(reload::watch(Arc::clone(&self.gateway))),
            tokio::spawn(board::keep(Arc::clone(&self.gateway))),
            tokio::spawn(reload::on_signal(Arc::clone(&self.gateway))),
        ];
        let mut shutdown = pin!(shutdown);
        loop {
            let (router, accepted) = tokio::select! {
                accepted = self.accept() => accepted,
                () = &mut shutdown => break,
            };
            match accepted {
                Ok(stream) => self.connection(stream, router, &graceful),
                Err(error) => {
                    // Out of descriptors, mostly: others have to close first.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        drop(self.others);
        tracing::info!("stopping");
        self.closing.send_replace(true);
        beside.iter().for_each(tokio::task::JoinHandle::abort);
        let connections = timeout(CONNECTIONS_END, graceful.shutdown());
        let (connections, ()) = tokio::join!(connections, self.engine.stop(CALLS_END));
        if connections.is_err() {
            tracing::warn!("connections were still open at the end and are dropped");
        }
        self.ledger.close().await;
        tracing::info!("stopped");
    }

    /// The next connection on any address, and what is served there.
    async fn accept(&self) -> (&Router, std::io::Result<TcpStream>) {
        poll_fn(|context| {
            let others = self.others.iter().map(|door| (&door.listener, &door.router));
            for (listener, router) in std::iter::once((&self.listener, &self.router)).chain(others) {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready((router, accepted.map(|(stream, _)| stream)));
                }
            }
            Poll::Pending
        })
        .await
    }

    fn connection(&self, stream: TcpStream, router: &Router, graceful: &GracefulShutdown) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off the delay of small packets");
        }
        let (router, gateway) = (router.clone(), Arc::clone(&self.gateway));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (router, gateway) = (router.clone(), Arc::clone(&gateway));
            let endpoint = api::endpoint(request.uri().path());
            let span = span(&request, endpoint);
            async move {
                let answering = router.oneshot(request.map(Body::new));
                let response = match &span {
                    Some(span) => span.around(answering).await,
                    None => answering.await,
                };
                if let Ok(response) = &response {
                    let status = response.status().as_u16();
                    let facade = response.extensions().get::<Label>().map(|Label(facade)| &**facade);
                    match facade {
                        Some(facade) => gateway.metrics.answered(facade.to_owned(), status),
                        None => gateway.metrics.answered(endpoint, status),
                    }
                    tracing::debug!(endpoint, facade, status, "answered");
                    span.into_iter().for_each(|span| span.end(facade, status));
                }
                response
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
    }
}

/// The span of a request, where there are spans; who only looks whether all is well has none.
fn span(request: &hyper::Request<Incoming>, endpoint: &'static str) -> Option<RequestSpan> {
    if endpoint == "health" {
        return None;
    }
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    RequestSpan::begin(request.method().as_str(), endpoint, header)
}

/// Deletes what is older than the retention, now and every hour.
async fn prune(ledger: Ledger, gateway: Arc<Gateway>) {
    let mut hours = interval(PRUNE_EVERY);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        hours.tick().await;
        let retention = gateway.standing().retention;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = i64::try_from(now.saturating_sub(retention).as_millis()).unwrap_or(0);
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let mut all = 0;
        let failed = loop {
            match ledger.prune(before, now_ms, PRUNE_BATCHES).await {
                Ok(pruned) => {
                    all += pruned;
                    if pruned < PRUNE_BATCHES {
                        break None;
                    }
                }
                Err(error) => break Some(error),
            }
        };
        let keys = ledger.prune_keys(now_ms).await.and(ledger.prune_marks(now_ms).await);
        match (failed, keys) {
            (Some(error), _) | (None, Err(error)) => tracing::warn!(%error, "cannot prune the ledger"),
            (None, Ok(_)) if all > 0 => tracing::info!(batches = all, "pruned the ledger"),
            (None, Ok(_)) => {}
        }
    }
}
