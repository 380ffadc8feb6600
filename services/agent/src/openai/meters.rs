//! The metrics of the model server. Labels are words of ours.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};

use super::server::Endpoint;
use crate::model::{ModelFault, Usage};

#[derive(Debug, Clone)]
pub(super) struct Meters {
    endpoint: KeyValue,
    calls: Counter<u64>,
    duration: Histogram<f64>,
    tokens: Counter<u64>,
    cost: Counter<u64>,
    breaker: Gauge<u64>,
}

impl Meters {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let meter = opentelemetry::global::meter(crate::SERVICE);
        let counter = |name: &'static str, description: &'static str| {
            meter.u64_counter(name).with_description(description).build()
        };
        Self {
            endpoint: KeyValue::new("endpoint", endpoint.as_str()),
            calls: counter("fte.model.calls", "requests to the model server, by how they ended"),
            duration: meter
                .f64_histogram("fte.model.call.duration")
                .with_unit("s")
                .with_description("how long one request to the model server took")
                .with_boundaries(vec![0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
                .build(),
            tokens: counter("fte.model.tokens", "tokens, by kind"),
            cost: counter("fte.model.cost", "millionths of a US dollar"),
            breaker: meter
                .u64_gauge("fte.model.breaker.open")
                .with_description("1 while the model server is left alone")
                .build(),
        }
    }

    pub(super) fn call(&self, fault: Option<ModelFault>, took: Duration) {
        let ended = fault.map_or("answered", word);
        let ended = KeyValue::new("ended", ended);
        self.calls.add(1, &[self.endpoint.clone(), ended]);
        self.duration.record(took.as_secs_f64(), std::slice::from_ref(&self.endpoint));
    }

    pub(super) fn used(&self, usage: &Usage) {
        let kinds = [
            ("prompt", usage.prompt_tokens),
            ("cached", usage.cached_tokens),
            ("completion", usage.completion_tokens),
        ];
        for (kind, tokens) in kinds {
            let labels = [self.endpoint.clone(), KeyValue::new("kind", kind)];
            self.tokens.add(u64::from(tokens), &labels);
        }
        self.cost.add(usage.cost_micro_usd.unwrap_or(0), std::slice::from_ref(&self.endpoint));
    }

    pub(super) fn breaker_is_open(&self, is_open: bool) {
        self.breaker.record(u64::from(is_open), std::slice::from_ref(&self.endpoint));
    }
}

fn word(fault: ModelFault) -> &'static str {
    match fault {
        ModelFault::Unavailable => "unavailable",
        ModelFault::TimedOut => "timed_out",
        ModelFault::RateLimited => "rate_limited",
        ModelFault::Quota => "quota",
        ModelFault::Denied => "denied",
        ModelFault::TooLong => "too_long",
        ModelFault::Invalid => "invalid",
        ModelFault::Malformed => "malformed",
        ModelFault::BreakerOpen => "breaker_open",
    }
}
