//! Carries the trace context through record headers (W3C `traceparent`).

use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::record::Headers;

struct IntoHeaders<'a>(&'a mut Headers);

impl Injector for IntoHeaders<'_> {
    fn set(&mut self, key: &str, value: String) {
        if !value.is_empty() {
            self.0.insert(key, value);
        }
    }
}

struct FromHeaders<'a>(&'a Headers);

impl Extractor for FromHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get_str(key)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name).collect()
    }
}

/// Writes the current span's context into the headers.
pub(crate) fn inject(headers: &mut Headers) {
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut IntoHeaders(headers));
    });
}

/// Makes a span part of the trace in which the record was produced.
pub fn continue_in(span: &Span, headers: &Headers) {
    if !span.is_disabled() {
        // Fails only where no telemetry is installed.
        drop(span.set_parent(extract(headers)));
    }
}

/// The context that the record's producer was in; the empty one without a header.
pub(crate) fn extract(headers: &Headers) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract(&FromHeaders(headers)))
}
