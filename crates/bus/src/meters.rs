//! The five metrics of every consumer. Labels are group, topic and outcome, never ids.

use contract::Topic;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// How one try of an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandledAs {
    Done,
    Deferred,
    Unavailable,
    Failed,
    Rejected,
    Parked,
    Skipped,
}

impl HandledAs {
    fn as_str(self) -> &'static str {
        match self {
            HandledAs::Done => "done",
            HandledAs::Deferred => "deferred",
            HandledAs::Unavailable => "unavailable",
            HandledAs::Failed => "failed",
            HandledAs::Rejected => "rejected",
            HandledAs::Parked => "parked",
            HandledAs::Skipped => "skipped",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Meters {
    received: Counter<u64>,
    handled: Counter<u64>,
    duration: Histogram<f64>,
    lag_age: Histogram<f64>,
    dead_letters: Counter<u64>,
    labels: [KeyValue; 2],
}

impl Meters {
    pub(crate) fn new(group: &'static str, topic: Topic) -> Self {
        let meter = global::meter("bus");
        Self {
            received: meter
                .u64_counter("fte.consumer.received")
                .with_description("events read from the log")
                .build(),
            handled: meter
                .u64_counter("fte.consumer.handled")
                .with_description("tries of events, by outcome")
                .build(),
            duration: meter
                .f64_histogram("fte.consumer.duration")
                .with_unit("s")
                .with_description("one call of the handler")
                .build(),
            lag_age: meter
                .f64_histogram("fte.consumer.lag_age")
                .with_unit("s")
                .with_description("age of an event when its handler starts")
                .build(),
            dead_letters: meter
                .u64_counter("fte.consumer.dead_letters")
                .with_description("events published as dead letters, by class")
                .build(),
            labels: [KeyValue::new("group", group), KeyValue::new("topic", topic.name())],
        }
    }

    pub(crate) fn received(&self, events: usize) {
        self.received.add(events as u64, &self.labels);
    }

    pub(crate) fn handled(&self, outcome: HandledAs, events: usize) {
        if events > 0 {
            self.handled.add(events as u64, &self.with("outcome", outcome.as_str()));
        }
    }

    pub(crate) fn duration(&self, seconds: f64) {
        self.duration.record(seconds, &self.labels);
    }

    pub(crate) fn lag_age(&self, seconds: f64) {
        self.lag_age.record(seconds.max(0.0), &self.labels);
    }

    pub(crate) fn dead_letter(&self, class: &'static str) {
        self.dead_letters.add(1, &self.with("class", class));
    }

    fn with(&self, name: &'static str, value: &'static str) -> [KeyValue; 3] {
        let [group, topic] = self.labels.clone();
        [group, topic, KeyValue::new(name, value)]
    }
}
