//! The spans of a call: for each batch that has messages in it the time in the lane, and for the call itself
//! the time at the vendor. The call is a child of the first batch's wait and linked with the others'.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interline_core::adapter::{Call, Header};
use interline_core::error::Failure;
use interline_core::outcome::{Outcome, Status as Became};
use opentelemetry::trace::{Link, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};

use super::{Origin, carrier, tracer};

/// Batches of one call whose waits are told; the others are only counted.
const MOST_BATCHES: usize = 32;

/// The messages of one batch in a call.
#[derive(Debug)]
pub(crate) struct Leg<'a> {
    pub(crate) batch_id: &'a str,
    /// Where they came from, where that is known.
    pub(crate) origin: Option<&'a Origin>,
    /// Since when the oldest of them waited, Unix milliseconds.
    pub(crate) since_ms: i64,
    /// When the lane took them, Unix milliseconds.
    pub(crate) claimed_ms: i64,
    pub(crate) messages: usize,
}

/// A call that was drawn and has not left.
#[derive(Debug)]
pub(crate) struct Journey {
    waits: Vec<Context>,
    provider: String,
    vendor: &'static str,
}

/// A call at its vendor.
#[derive(Debug)]
pub(crate) struct VendorSpan {
    context: Context,
}

fn at(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Journey {
    /// Begins the spans of the waits; none while tracing is off.
    pub(crate) fn begin(provider: &str, vendor: &'static str, legs: &[Leg<'_>]) -> Option<Self> {
        let tracer = tracer()?;
        let mut waits = Vec::with_capacity(legs.len().min(MOST_BATCHES));
        for leg in legs.iter().take(MOST_BATCHES) {
            let parent = match leg.origin {
                Some(origin) => Context::new().with_remote_span_context(origin.0.clone()),
                None => Context::new(),
            };
            if leg.origin.is_some_and(|origin| !origin.0.is_sampled()) {
                // Nobody keeps it; the vendor hears of it all the same.
                waits.push(parent);
                continue;
            }
            let span = tracer
                .span_builder(format!("lane {provider}"))
                .with_kind(SpanKind::Internal)
                .with_start_time(at(leg.since_ms))
                .with_attributes([
                    KeyValue::new("interline.batch.id", leg.batch_id.to_owned()),
                    KeyValue::new("interline.provider", provider.to_owned()),
                    KeyValue::new("interline.messages", count(leg.messages)),
                ])
                .start_with_context(tracer, &parent);
            let context = parent.with_span(span);
            context.span().add_event_with_timestamp("claimed", at(leg.claimed_ms), Vec::new());
            context.span().add_event("drawn", Vec::new());
            waits.push(context);
        }
        Some(Self { waits, provider: provider.to_owned(), vendor })
    }

    /// Notes that the ledger knows of the call.
    pub(crate) fn stored(&self) {
        self.waits.iter().for_each(|wait| wait.span().add_event("stored", Vec::new()));
    }

    /// The trace that the call belongs to.
    pub(crate) fn trace_id(&self) -> Option<String> {
        self.waits.first().map(|wait| wait.span().span_context().trace_id().to_string())
    }

    /// The wait that the call belongs to.
    pub(super) fn first(&self) -> Option<Context> {
        self.waits.first().cloned()
    }

    /// Ends the waits of a call that did not leave.
    pub(crate) fn stay(self, why: &'static str) {
        for wait in &self.waits {
            wait.span().add_event(why, Vec::new());
            wait.span().end();
        }
    }

    /// Ends the waits and begins the call.
    pub(crate) fn leave(self, call: &Call, headers: &mut Vec<Header>) -> Option<VendorSpan> {
        let tracer = tracer()?;
        let attempt = call.messages.iter().map(|message| message.attempt).max().unwrap_or(1);
        let (first, others) = self.waits.split_first()?;
        // One ends where the other begins.
        let now = SystemTime::now();
        let links: Vec<Link> =
            others.iter().map(|wait| Link::with_context(wait.span().span_context().clone())).collect();
        let context = if first.span().span_context().is_sampled() {
            let span = tracer
                .span_builder(format!("call {}", self.provider))
                .with_kind(SpanKind::Client)
                .with_start_time(now)
                .with_links(links)
                .with_attributes([
                    KeyValue::new("interline.provider", self.provider),
                    KeyValue::new("interline.vendor", self.vendor),
                    KeyValue::new("interline.quota_class", call.class),
                    KeyValue::new("interline.messages", count(call.messages.len())),
                    KeyValue::new("interline.attempt", i64::from(attempt)),
                ])
                .start_with_context(tracer, first);
            first.with_span(span)
        } else {
            first.clone()
        };
        let own = context.span().span_context().clone();
        for (number, wait) in self.waits.iter().enumerate() {
            if number > 0 {
                wait.span().add_link(own.clone(), Vec::new());
            }
            wait.span().end_with_timestamp(now);
        }
        carrier::inject(&context, headers);
        Some(VendorSpan { context })
    }
}

impl VendorSpan {
    /// Ends the call with what the vendor answered.
    pub(crate) fn end(self, http_status: Option<u16>, outcomes: &[Outcome]) {
        let span = self.context.span();
        if !span.is_recording() {
            return;
        }
        if let Some(status) = http_status {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        let named = [
            ("interline.accepted", Became::Accepted),
            ("interline.rejected", Became::Rejected),
            ("interline.unknown", Became::Unknown),
        ];
        for (name, status) in named {
            let same = outcomes.iter().filter(|outcome| outcome.status() == status).count();
            span.set_attribute(KeyValue::new(name, count(same)));
        }
        if let Some(Failure { code, .. }) = outcomes.iter().find_map(Outcome::failure) {
            span.set_attribute(KeyValue::new("error.type", code.as_str()));
            span.set_status(Status::error(code.as_str()));
        }
        span.end();
    }
}
