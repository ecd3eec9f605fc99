//! The HTTP server under every twin: accepting, reading, faults, answering.
//!
//! A connection serves keep-alive HTTP/1.1. The gate closes the port for the `refuse` fault by really
//! giving up the listening socket, so that callers see a refused connection and no accepted one.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::call::{Answer, Call, Emulation};
use crate::clock::Clock;
use crate::control;
use crate::fault::{Fault, FaultKind, Rack, Strike};
use crate::received::Log;
use crate::vendor::Vendor;

/// Whether the port is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    RefusingUntil(Instant),
    Closed,
}

/// What the connections of one twin share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) vendor: Vendor,
    pub(crate) emulation: Box<dyn Emulation>,
    pub(crate) dialect: AtomicUsize,
    pub(crate) log: Log,
    /// Sending calls that were read and have no answer yet.
    pub(crate) open: AtomicU64,
    pub(crate) rack: Rack,
    pub(crate) clock: Clock,
    pub(crate) gate: watch::Sender<Gate>,
    /// Whether somebody listens at the port.
    pub(crate) listening: AtomicBool,
    /// Connections that are open, and requests that are being answered on them.
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
}

impl Shared {
    pub(crate) fn dialect(&self) -> &'static str {
        self.vendor.dialects().get(self.dialect.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }

    /// Switches the dialect; false if the vendor has none of that name.
    pub(crate) fn speak(&self, name: &str) -> bool {
        let Some(index) = self.vendor.dialect_index(name) else { return false };
        self.dialect.store(index, Ordering::Relaxed);
        true
    }

    pub(crate) fn arm(&self, fault: Fault) {
        self.rack.arm(fault);
        self.refuse_if_due(None);
    }

    pub(crate) fn reset(&self) {
        self.disarm();
        self.log.clear();
        self.emulation.forget();
    }

    /// Drops all faults; a port that refuses opens again, calls that hang go on hanging.
    pub(crate) fn disarm(&self) {
        self.rack.clear();
        self.gate.send_if_modified(|gate| {
            let refusing = matches!(gate, Gate::RefusingUntil(_));
            if refusing {
                *gate = Gate::Open;
            }
            refusing
        });
    }

    /// Whether nobody can send anything: nobody listens, and no connection waits for a request.
    pub(crate) fn is_shut(&self) -> bool {
        let idle = || self.connections.load(Ordering::SeqCst) > self.requests.load(Ordering::SeqCst);
        !self.listening.load(Ordering::SeqCst) && !idle()
    }

    fn refuse_if_due(&self, path: Option<&str>) {
        let Some(pause) = self.rack.due_refusal(path) else { return };
        self.gate.send_if_modified(|gate| {
            if *gate == Gate::Closed {
                return false;
            }
            *gate = Gate::RefusingUntil(Instant::now() + pause);
            true
        });
    }
}

/// Something that is under way, counted until it ends or its caller is gone.
struct UnderWay<'a>(&'a AtomicU64);

impl<'a> UnderWay<'a> {
    fn counted(open: &'a AtomicU64) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Accepts connections until the gate closes for good.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener, addr: SocketAddr) {
    let mut gate = shared.gate.subscribe();
    let mut listener = Some(listener);
    loop {
        let state = *gate.borrow_and_update();
        if state != Gate::Open {
            drop(listener.take());
        }
        shared.listening.store(listener.is_some(), Ordering::SeqCst);
        match (state, listener.take()) {
            (Gate::Closed, _) => return,
            (Gate::RefusingUntil(until), _) => {
                let held = hold(addr);
                tokio::select! {
                    () = tokio::time::sleep_until(until) => reopen(&shared, until),
                    changed = gate.changed() => if changed.is_err() { return },
                }
                if *gate.borrow() == Gate::Open {
                    listener = listen_again(held, addr).await;
                }
            }
            (Gate::Open, None) => listener = listen_again(Err(io::ErrorKind::AddrInUse.into()), addr).await,
            (Gate::Open, Some(open)) => {
                tokio::select! {
                    accepted = open.accept() => welcome(&shared, accepted).await,
                    changed = gate.changed() => if changed.is_err() { return },
                }
                listener = Some(open);
            }
        }
    }
}

fn reopen(shared: &Shared, until: Instant) {
    shared.gate.send_if_modified(|gate| {
        let same = *gate == Gate::RefusingUntil(until);
        if same {
            *gate = Gate::Open;
        }
        same
    });
}

/// Keeps the port for this process while nobody listens on it.
fn hold(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

async fn listen_again(held: io::Result<TcpSocket>, addr: SocketAddr) -> Option<TcpListener> {
    if let Ok(listener) = held.and_then(|socket| socket.listen(1024)) {
        return Some(listener);
    }
    let listener = TcpListener::bind(addr).await.ok();
    if listener.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    listener
}

async fn welcome(shared: &Arc<Shared>, accepted: io::Result<(TcpStream, SocketAddr)>) {
    match accepted {
        Ok((stream, _)) => {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve_connection(Arc::clone(shared), stream));
        }
        // Out of file descriptors, most likely: give the others a moment to close theirs.
        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
    }
}

async fn serve_connection(shared: Arc<Shared>, stream: TcpStream) {
    // Counted when it was accepted.
    let _open = UnderWay(&shared.connections);
    stream.set_nodelay(true).ok();
    let mut gate = shared.gate.subscribe();
    let service = service_fn(|request| serve(Arc::clone(&shared), request));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let state = tokio::select! {
        _ = connection.as_mut() => return,
        state = gate.wait_for(|gate| *gate != Gate::Open) => state.map_or(Gate::Closed, |gate| *gate),
    };
    if state == Gate::Closed {
        return;
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = gate.wait_for(|gate| *gate == Gate::Closed) => {}
    }
}

/// Says to the server that this connection ends without an answer.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection cut by a fault")
    }
}

impl std::error::Error for Cut {}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Paper>, Cut> {
    let _request = UnderWay::counted(&shared.requests);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    if let Some(control) = path.strip_prefix("/_twin/") {
        return Ok(respond(control::answer(&shared, &parts.method, (control, query), &body)));
    }
    let sending = parts.method == Method::POST && shared.emulation.sends(path) && !is_probe(&body);
    let _under_way = sending.then(|| UnderWay::counted(&shared.open));
    let strike = if sending { shared.rack.strike(path) } else { None };
    let call = Call {
        method: &parts.method,
        path,
        query,
        headers: &parts.headers,
        body: &body,
        dialect: shared.dialect(),
        number: if sending { shared.log.begin_call() } else { 0 },
        now_ms: shared.clock.now_ms(),
        arrived_us: shared.clock.steady_us(),
        log: &shared.log,
        spoil: strike.as_ref().filter(|s| s.fault.kind == FaultKind::Partial).map(|s| &*s.spoil),
    };
    let answered = match &strike {
        Some(strike) => suffer(&*shared.emulation, &call, strike).await,
        None => Ok(respond(shared.emulation.answer(&call))),
    };
    if sending {
        shared.refuse_if_due(Some(path));
    }
    answered
}

/// An empty body names no message: it asks whether a route is there, and is not a call.
fn is_probe(body: &[u8]) -> bool {
    matches!(body.trim_ascii(), b"" | b"{}" | b"[]")
}

async fn suffer(emulation: &dyn Emulation, call: &Call<'_>, strike: &Strike) -> Result<Response<Paper>, Cut> {
    let fault = &*strike.fault;
    match fault.kind {
        FaultKind::Refuse | FaultKind::Partial => Ok(respond(emulation.answer(call))),
        FaultKind::Hang => {
            deliver_unanswered(emulation, call, fault);
            std::future::pending::<Infallible>().await;
            Err(Cut)
        }
        FaultKind::CloseAfterRead => {
            deliver_unanswered(emulation, call, fault);
            Err(Cut)
        }
        FaultKind::Status => {
            let status = fault.value.and_then(|value| u16::try_from(value).ok()).unwrap_or(503);
            let mut answer = emulation.status_fault(call, status, fault);
            if let Some(seconds) = fault.retry_after {
                answer = answer.with_header("retry-after", &seconds.to_string());
            }
            Ok(respond(answer))
        }
        FaultKind::Code => Ok(respond(emulation.code_fault(call, fault.value))),
        FaultKind::Slow => {
            let answer = emulation.answer(call);
            tokio::time::sleep(fault.delay()).await;
            Ok(respond(answer))
        }
        FaultKind::Torn => Ok(respond(emulation.answer(call)).map(Paper::torn)),
    }
}

fn deliver_unanswered(emulation: &dyn Emulation, call: &Call<'_>, fault: &Fault) {
    if fault.deliver {
        drop(emulation.answer(call));
    }
}

fn respond(answer: Answer) -> Response<Paper> {
    let mut response = Response::new(Paper::Whole(answer.body));
    *response.status_mut() = answer.status;
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A body: whole, or one that promises its full length and breaks off half way.
#[derive(Debug)]
pub(crate) enum Paper {
    Whole(Bytes),
    Torn {
        half: Bytes,
        promised: u64,
    },
    /// The half is written; one more turn lets the server flush it.
    Flushing(u64),
    Broken(u64),
}

impl Paper {
    fn torn(self) -> Self {
        let Self::Whole(body) = self else { return self };
        let promised = body.len() as u64;
        Self::Torn { half: body.slice(..body.len() / 2), promised: promised.max(1) }
    }
}

impl Body for Paper {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::Whole(body) if body.is_empty() => Poll::Ready(None),
            Self::Whole(body) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(body))))),
            Self::Torn { half, promised } => {
                let half = std::mem::take(half);
                let left = *promised - half.len() as u64;
                *self = Self::Flushing(left);
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            Self::Flushing(left) => {
                *self = Self::Broken(*left);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Broken(_) => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(body) => body.len() as u64,
            Self::Torn { promised, .. } => *promised,
            Self::Flushing(left) | Self::Broken(left) => *left,
        })
    }
}
