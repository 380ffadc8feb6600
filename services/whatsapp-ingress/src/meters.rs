//! The metrics of the webhooks. Labels are words of ours, never values of a call.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};

use crate::refusal::Refusal;

/// What a call became.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Became {
    Event,
    DeadLetter,
}

#[derive(Debug, Clone)]
pub(crate) struct Meters {
    received: Counter<u64>,
    refused: Counter<u64>,
}

impl Meters {
    pub(crate) fn new(meter: &Meter) -> Self {
        Self {
            received: meter
                .u64_counter("fte.whatsapp.webhooks.received")
                .with_description("calls that the log has, by what they became")
                .build(),
            refused: meter
                .u64_counter("fte.whatsapp.webhooks.refused")
                .with_description("calls that were refused, by reason")
                .build(),
        }
    }

    pub(crate) fn received(&self, became: Became) {
        let became = match became {
            Became::Event => "event",
            Became::DeadLetter => "dead_letter",
        };
        self.received.add(1, &[KeyValue::new("became", became)]);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused.add(1, &[KeyValue::new("reason", refusal.as_str())]);
    }
}
