//! Vendors' wire formats, served: which façade a request is for, and what becomes of it. What a request and
//! its answer look like is the façade's; time, connections, limits and the memory of repeats are ours.

mod exchange;
mod pass;
mod send;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use interline_core::adapter::Settings;
use interline_core::error::{ErrorCode, Failure};
use interline_core::facade::{Answer, Asking, Endpoint, Incoming, Served};
use interline_engine::trace::carried;
use tokio::time::Instant;

use crate::api::Gateway;
use crate::config::{Config, Facade, Mode};
use crate::keys::{Keys, Known, asks_this_machine};
use crate::problem::Problem;
pub(crate) use exchange::Label;

/// A façade with everything that serving it needs.
#[derive(Debug)]
pub(crate) struct Front {
    facade: Facade,
    credentials: Settings,
    app: Arc<Known>,
    label: Label,
    /// Names its marks: those of different façades never meet.
    scope: String,
}

impl Front {
    /// The path without the façade's prefix.
    fn below<'p>(&self, path: &'p str) -> &'p str {
        let prefix = self.facade.serves.prefix;
        let rest = path.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        rest.filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    fn endpoint(&self, method: &str, path: &str) -> Option<&'static Endpoint> {
        let below = self.below(path);
        let same = |one: &&Endpoint| one.method == method && (one.path == below || one.path == path);
        self.facade.serves.endpoints.iter().find(same)
    }

    /// Whether the request is one of this vendor's by what it carries.
    fn owns(&self, incoming: &mut Incoming, path: &str) -> bool {
        self.below(path).clone_into(&mut incoming.path);
        (self.facade.serves.is_ours)(incoming)
    }

    fn fail(&self, failure: &Failure) -> Answer {
        (self.facade.serves.fail)(failure)
    }

    /// Whether who asks may.
    fn admit(&self, incoming: &Incoming, clock: &Clock, from_here: bool) -> Result<(), Refused> {
        if self.credentials.is_empty() && !from_here {
            return Err(Refused::Stranger);
        }
        (self.facade.serves.admit)(&self.asking(incoming, clock)).map_err(Refused::Answer)
    }

    fn asking<'a>(&'a self, request: &'a Incoming, clock: &'a Clock) -> Asking<'a> {
        Asking { settings: &self.credentials, request, now_ms: clock.now_ms, nonce: &clock.nonce }
    }
}

/// Why a request is not taken.
enum Refused {
    /// It names another host than this machine, or comes from a web page, where no keys are.
    Stranger,
    /// In the vendor's words.
    Answer(Answer),
}

impl Refused {
    fn answer(self, front: &Front) -> Response {
        match self {
            Self::Stranger => Problem::foreign_to(&front.facade.name).into_response(),
            Self::Answer(answer) => exchange::response(answer, &front.label),
        }
    }
}

/// Time and chance of one request.
#[derive(Debug)]
struct Clock {
    began: Instant,
    now_ms: i64,
    nonce: String,
}

impl Clock {
    fn now() -> Self {
        let mut random = [0_u8; 16];
        if getrandom::fill(&mut random).is_err() {
            tracing::warn!("the system gives no randomness");
        }
        Self { began: Instant::now(), now_ms: exchange::now_ms(), nonce: hex::encode(random) }
    }

    fn left(&self, front: &Front) -> Duration {
        let least = Duration::from_millis(50);
        front.facade.answer_within.saturating_sub(self.began.elapsed()).max(least)
    }
}

/// All façades.
#[derive(Debug, Default)]
pub(crate) struct Facades(Vec<Arc<Front>>);

impl Facades {
    /// The façades of a configuration that was checked: there are their apps and their credentials.
    pub(crate) fn of(config: &Config, keys: &Keys) -> Self {
        let front = |facade: &Facade| {
            let scope = format!("facade:{}", facade.name);
            Some(Arc::new(Front {
                facade: facade.clone(),
                credentials: facade.settings().ok()?,
                app: keys.on_behalf_of(&facade.app),
                label: Label(scope.as_str().into()),
                scope,
            }))
        };
        Self(config.facades.iter().filter_map(front).collect())
    }

    /// The addresses that are theirs alone.
    pub(crate) fn addresses(config: &Config) -> BTreeSet<SocketAddr> {
        config.facades.iter().filter_map(|facade| facade.listen).collect()
    }

    /// Those that are served on an address; none is the server's own.
    fn on(&self, listen: Option<SocketAddr>) -> impl Iterator<Item = &Arc<Front>> {
        self.0.iter().filter(move |front| front.facade.listen == listen)
    }

    /// Those that serve a path; first those whose request it is by what it carries.
    fn serving(&self, listen: Option<SocketAddr>, incoming: &mut Incoming, path: &str) -> Vec<Arc<Front>> {
        let named = |front: &&Arc<Front>| front.endpoint(&incoming.method, path).is_some();
        let mut fronts: Vec<Arc<Front>> = self.on(listen).filter(named).map(Arc::clone).collect();
        if fronts.len() > 1 {
            fronts.sort_by_cached_key(|front| !front.owns(incoming, path));
        }
        fronts
    }

    /// Whether a request that none of these is to answer is another façade's, whose vendor has the path too.
    fn is_of_another(
        &self,
        listen: Option<SocketAddr>,
        fronts: &[Arc<Front>],
        (incoming, path): (&mut Incoming, &str),
    ) -> bool {
        let other = |front: &&Arc<Front>| !fronts.iter().any(|known| Arc::ptr_eq(known, front));
        !fronts.iter().any(|front| front.owns(incoming, path))
            && self.on(listen).filter(other).any(|front| front.owns(incoming, path))
    }
}

/// The first façade that lets a request in; else the answer of the first one that did not.
fn admitted<'f>(
    fronts: impl IntoIterator<Item = &'f Arc<Front>>,
    (incoming, path): (&mut Incoming, &str),
    clock: &Clock,
    from_here: bool,
) -> Result<&'f Arc<Front>, Option<Box<Response>>> {
    let mut refused = None;
    for front in fronts {
        front.below(path).clone_into(&mut incoming.path);
        match front.admit(incoming, clock, from_here) {
            Ok(()) => return Ok(front),
            Err(why) => drop(refused.get_or_insert_with(|| Box::new(why.answer(front)))),
        }
    }
    Err(refused)
}

/// What is served on an address that is only façades'.
pub(crate) fn router(gateway: Arc<Gateway>, listen: SocketAddr) -> Router {
    let handler = move |State(gateway): State<Arc<Gateway>>, request: Request| async move {
        serve(gateway, Some(listen), request).await
    };
    Router::new().fallback(handler).with_state(gateway)
}

/// Answers what is no path of the API.
pub(crate) async fn main(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    serve(gateway, None, request).await
}

async fn serve(gateway: Arc<Gateway>, on: Option<SocketAddr>, request: Request) -> Response {
    let clock = Clock::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let mut incoming = exchange::incoming(&parts, Bytes::new());
    let standing = gateway.standing();
    let fronts = standing.facades.serving(on, &mut incoming, path);
    let Some(first) = fronts.first() else {
        return pass::other(&gateway, on, (parts, body), &clock).await;
    };
    if *gateway.closing.borrow() {
        let failure = Failure::not_sent(ErrorCode::Cancelled, "Interline is stopping; send it again");
        return exchange::response(first.fail(&failure), &first.label);
    }
    let from_here = asks_this_machine(&parts.headers);
    // Who may not by the headers alone is read a few KiB of, in case it is those that say who he is.
    let known = admitted(&fronts, (&mut incoming, path), &clock, from_here);
    if known.is_err() && standing.facades.is_of_another(on, &fronts, (&mut incoming, path)) {
        return pass::other(&gateway, on, (parts, body), &clock).await;
    }
    let body = match known {
        Ok(front) => exchange::whole(body, &parts.headers, standing.limits)
            .await
            .map_err(|failure| exchange::response(front.fail(&failure), &front.label)),
        Err(refused) => exchange::little(body)
            .await
            .ok_or_else(|| refused.map_or_else(|| no_path(&parts), |refused| *refused)),
    };
    match body {
        Ok(body) => incoming.body = body.into(),
        Err(answer) => return answer,
    }
    // What is in force may be another since the first byte.
    let standing = gateway.standing();
    let fronts = standing.facades.serving(on, &mut incoming, path);
    match admitted(&fronts, (&mut incoming, path), &clock, from_here) {
        Ok(front) => answer(gateway, Arc::clone(front), (parts, incoming), clock).await,
        Err(refused) => refused.map_or_else(|| no_path(&parts), |refused| *refused),
    }
}

fn no_path(parts: &Parts) -> Response {
    Problem::no_path(&parts.method, parts.uri.path()).into_response()
}

/// Answers a request that was admitted.
async fn answer(
    gateway: Arc<Gateway>,
    front: Arc<Front>,
    (parts, incoming): (Parts, Incoming),
    clock: Clock,
) -> Response {
    let Some(endpoint) = front.endpoint(parts.method.as_str(), parts.uri.path()) else {
        return no_path(&parts);
    };
    // A caller that goes away must not tear down a call under way.
    let serving = Arc::clone(&front);
    let task = tokio::spawn(carried(async move {
        let front = serving;
        match (endpoint.serve)(&front.asking(&incoming, &clock)) {
            Served::Answer(answer) => exchange::response(answer, &front.label),
            Served::Send(asked) => send::send(&gateway, &front, *asked, (&incoming, &clock)).await,
            Served::Find(find) => send::find(&gateway, &front, *find).await,
        }
    }));
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, facade = %front.facade.name, "a façade failed on a request");
        let failure = Failure::unknown(ErrorCode::Internal, "something went wrong here; the log says what");
        exchange::response(front.fail(&failure), &front.label)
    })
}

const fn is_durable(front: &Front) -> bool {
    matches!(front.facade.mode, Mode::Durable)
}
