//! The span of a request that callers make: the API's and the façades'.

use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use tracing::Instrument as _;

use super::{carrier, tracer};

/// A request that is being answered.
#[derive(Debug, Clone)]
pub struct RequestSpan {
    context: Context,
    line: tracing::Span,
    endpoint: &'static str,
}

impl RequestSpan {
    /// Begins the span, below the one that the caller's headers name; none while tracing is off.
    pub fn begin<'h>(
        method: &str,
        endpoint: &'static str,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<Self> {
        let tracer = tracer()?;
        let parent = carrier::extract(header);
        let builder = tracer.span_builder(format!("{method} {endpoint}")).with_kind(SpanKind::Server);
        let span = builder
            .with_attributes([KeyValue::new("http.request.method", method.to_owned())])
            .start_with_context(tracer, &parent);
        let context = parent.with_span(span);
        let id = context.span().span_context().trace_id();
        Some(Self { context, line: tracing::info_span!("request", trace_id = %id), endpoint })
    }

    /// Answers within the span.
    pub fn around<F: Future>(&self, answering: F) -> impl Future<Output = F::Output> + use<F> {
        answering.instrument(self.line.clone()).with_context(self.context.clone())
    }

    /// Ends the span with the status of the answer. `name` is who served it, where that is known only now.
    pub fn end(self, name: Option<&str>, status: u16) {
        let span = self.context.span();
        if let Some(name) = name {
            span.update_name(name.to_owned());
        }
        span.set_attribute(KeyValue::new("http.route", name.unwrap_or(self.endpoint).to_owned()));
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_status(Status::error(status.to_string()));
        }
        span.end();
    }
}
