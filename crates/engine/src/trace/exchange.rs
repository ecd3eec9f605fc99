//! The span of an exchange with a vendor that carries no message of its own: a login, the question what became of a
//! message, a request that is passed on. A child of what the calling task works for; a task that works for
//! nobody's trace makes none.

use interline_core::adapter::Header;
use interline_core::error::{ErrorCode, Failure};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};

use super::{carrier, tracer};

/// An exchange under way.
#[derive(Debug)]
pub(crate) struct ExchangeSpan {
    context: Context,
}

impl ExchangeSpan {
    /// Begins it, and adds the headers by which the vendor's server goes on with the trace.
    pub(crate) fn begin(
        what: &'static str,
        (provider, vendor): (&str, &'static str),
        headers: &mut Vec<Header>,
    ) -> Option<Self> {
        let tracer = tracer()?;
        let parent = Context::current();
        if !parent.span().span_context().is_valid() {
            return None;
        }
        let span = tracer
            .span_builder(format!("{what} {provider}"))
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("interline.provider", provider.to_owned()),
                KeyValue::new("interline.vendor", vendor),
            ])
            .start_with_context(tracer, &parent);
        let context = parent.with_span(span);
        carrier::inject(&context, headers);
        Some(Self { context })
    }

    /// Ends it with the status of the answer, or why there is none.
    pub(crate) fn end(self, answered: Result<u16, &Failure>) {
        let span = self.context.span();
        match answered {
            Ok(status) => {
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
                if status >= 400 {
                    span.set_status(Status::error(status.to_string()));
                }
            }
            Err(Failure { code, .. }) => {
                let code: &ErrorCode = code;
                span.set_attribute(KeyValue::new("error.type", code.as_str()));
                span.set_status(Status::error(code.as_str()));
            }
        }
        span.end();
    }
}
