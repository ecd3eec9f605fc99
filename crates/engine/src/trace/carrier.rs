//! How the context of a trace travels: in headers as the W3C says, and in the ledger with the batch's head,
//! so that a call that leaves later, or from another process, still belongs to its request.

use std::borrow::Cow;

use interline_core::adapter::Header;
use opentelemetry::Context;
use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};

/// The names of both headers, as they travel and as the ledger stores them.
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// Beyond this a state is left out: its list may be dropped, the parent may not.
const LONGEST_STATE: usize = 512;

/// The request that messages came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) SpanContext);

/// Both headers as they came.
struct Read<'h> {
    parent: Option<&'h str>,
    state: Option<&'h str>,
}

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => self.parent,
            STATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

/// What a caller said of its trace; a context without one where it said nothing that can be read.
pub(super) fn extract<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Context {
    let read = Read { parent: header(PARENT), state: header(STATE) };
    global::get_text_map_propagator(|propagator| propagator.extract_with_context(&Context::new(), &read))
}

#[derive(Default)]
struct Written {
    parent: Option<String>,
    state: Option<String>,
}

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        let place = if key == PARENT { &mut self.parent } else { &mut self.state };
        *place = Some(value).filter(|value| !value.is_empty());
    }
}

fn written(context: &Context) -> Written {
    let mut written = Written::default();
    global::get_text_map_propagator(|propagator| propagator.inject_context(context, &mut written));
    written.state = written.state.filter(|state| state.len() <= LONGEST_STATE);
    written
}

/// Adds the headers by which a vendor's server goes on with the trace.
pub(super) fn inject(context: &Context, headers: &mut Vec<Header>) {
    let Written { parent, state } = written(context);
    for (name, value) in [(PARENT, parent), (STATE, state)] {
        headers.extend(value.map(|value| Header { name, value, secret: false }));
    }
}

impl Origin {
    /// The trace of the request.
    pub(crate) fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// A batch's head with the origin in front.
    pub(crate) fn store(&self, head: &str) -> Option<String> {
        let Written { parent, state } = written(&Context::new().with_remote_span_context(self.0.clone()));
        let rest = head.strip_prefix('{')?.trim_start();
        let mut text = format!("{{\"{PARENT}\":{}", serde_json::Value::from(parent?));
        if let Some(state) = state {
            text.push_str(&format!(",\"{STATE}\":{}", serde_json::Value::from(state)));
        }
        text.push_str(if rest.starts_with('}') { "" } else { "," });
        text.push_str(rest);
        Some(text)
    }

    /// The origin in front of a stored head.
    pub(crate) fn stored(head: &str) -> Option<Box<Self>> {
        super::tracer()?;
        let (parent, state, _) = split(head)?;
        let read = |name: &str| if name == PARENT { Some(parent.as_str()) } else { state.as_deref() };
        let context = extract(read).span().span_context().clone();
        context.is_valid().then(|| Box::new(Self(context)))
    }
}

/// A stored head as its caller wrote it.
pub(crate) fn without_origin(head: &str) -> Cow<'_, str> {
    match split(head) {
        Some((_, _, "}")) => Cow::Borrowed("{}"),
        Some((_, _, rest)) => Cow::Owned(format!("{{{rest}")),
        None => Cow::Borrowed(head),
    }
}

/// The trace that a stored head names.
pub(crate) fn trace_id(head: &str) -> Option<String> {
    let (parent, _, _) = split(head)?;
    parent.split('-').nth(1).map(str::to_owned)
}

/// Parent, state, and what follows them.
fn split(head: &str) -> Option<(String, Option<String>, &str)> {
    let rest = head.strip_prefix('{')?;
    let (parent, rest) = member(rest, PARENT)?;
    let rest = rest.strip_prefix(',').unwrap_or(rest);
    match member(rest, STATE) {
        Some((state, rest)) => Some((parent, Some(state), rest.strip_prefix(',').unwrap_or(rest))),
        None => Some((parent, None, rest)),
    }
}

/// The value of the member that a text begins with, if it has this name, and what follows.
fn member<'t>(text: &'t str, name: &str) -> Option<(String, &'t str)> {
    let value = text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\":")?;
    let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
    let found = values.next()?.ok()?;
    Some((found, value.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

    const PARENT_TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_head_is_the_same_after_its_origin_is_taken_off() {
        for head in ["{}", r#"{"labels":{"a":"b"},"content":{"type":"text","text":"\"traceparent\":"}}"#] {
            for state in ["", r#","tracestate":"a=1,b=\"2""#] {
                let comma = if head == "{}" { "" } else { "," };
                let rest = head.strip_prefix('{').unwrap();
                let stored = format!("{{\"traceparent\":\"{PARENT_TEXT}\"{state}{comma}{rest}");
                assert_eq!(without_origin(&stored), head, "{stored}");
                assert_eq!(trace_id(&stored).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
                serde_json::from_str::<serde_json::Value>(&stored).unwrap();
            }
        }
    }

    #[test]
    fn a_head_without_an_origin_stays_as_it_is() {
        for head in ["{}", r#"{"trace_id":"x"}"#, r#"{ "traceparent": 1 }"#, "", "null"] {
            assert_eq!(without_origin(head), head);
            assert_eq!(trace_id(head), None);
        }
    }

    #[test]
    fn nothing_is_stored_while_nobody_says_how_to_write_it() {
        // No propagator is installed here: an origin is left out and nothing else changes.
        let context = SpanContext::new(
            TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap(),
            SpanId::from_hex("00f067aa0ba902b7").unwrap(),
            TraceFlags::SAMPLED,
            true,
            opentelemetry::trace::TraceState::default(),
        );
        assert_eq!(Origin(context).store("{}"), None);
    }
}
