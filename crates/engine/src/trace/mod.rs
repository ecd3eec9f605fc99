//! Spans of what happens to a message: the request, its wait in the lane, the vendor's call. Off until
//! [`start`], and every entry point then looks at one pointer and returns.
//!
//! A span holds names, numbers and codes. Recipients, content and credentials never come near one.

mod carrier;
mod exchange;
mod journey;
mod lost;
mod request;

use std::sync::OnceLock;

use futures_util::future::Either;
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{FutureExt as _, SpanContext, TraceContextExt as _};
use opentelemetry::{Context, InstrumentationScope};
use tracing::Instrument as _;

pub(crate) use carrier::{Origin, trace_id, without_origin};
pub(crate) use exchange::ExchangeSpan;
pub(crate) use journey::{Journey, Leg};
pub use lost::Lost;
pub(crate) use lost::register;
pub use request::RequestSpan;

/// Set once, when the process begins: `OpenTelemetry`'s own provider is as global.
static TRACER: OnceLock<BoxedTracer> = OnceLock::new();

/// Begins to make spans with the provider that is `OpenTelemetry`'s global one now.
pub fn start() {
    let scope = InstrumentationScope::builder("interline").with_version(env!("CARGO_PKG_VERSION")).build();
    drop(TRACER.set(global::tracer_with_scope(scope)));
}

/// Whether spans are made.
pub(crate) fn is_on() -> bool {
    tracer().is_some()
}

/// Who makes spans; none while that is off.
fn tracer() -> Option<&'static BoxedTracer> {
    TRACER.get()
}

/// The span that the calling task works for.
fn current() -> Option<SpanContext> {
    tracer()?;
    let context = Context::current().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// The origin of what the calling task hands over: its span.
pub(crate) fn origin() -> Option<Box<Origin>> {
    current().map(|context| Box::new(Origin(context)))
}

/// A future that works for the same span as its maker, also as a task of its own.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    match tracer() {
        Some(_) => Either::Left(future.in_current_span().with_current_context()),
        None => Either::Right(future),
    }
}

/// A future that works for what a call waits for in its lane.
pub(crate) fn waiting<F: Future>(
    journey: Option<&Journey>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    within(journey.and_then(Journey::first), future)
}

/// A future that works for the request that messages came with.
pub(crate) fn on_behalf<F: Future>(
    origin: Option<&Origin>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    let context = origin.map(|origin| Context::new().with_remote_span_context(origin.0.clone()));
    within(context, future)
}

fn within<F: Future>(context: Option<Context>, future: F) -> impl Future<Output = F::Output> + use<F> {
    match context {
        Some(context) => Either::Left(future.with_context(context)),
        None => Either::Right(future),
    }
}
