//! Where the time of turns goes, as a metric.

use std::future::Future;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;

/// What a turn waits for beside its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Read,
    Search,
    Commit,
    Publish,
}

#[derive(Debug, Clone)]
pub(crate) struct Steps {
    duration: Histogram<f64>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        let meter = opentelemetry::global::meter(crate::SERVICE);
        let duration = meter
            .f64_histogram("fte.agent.step.duration")
            .with_unit("s")
            .with_description("how long a turn waited for a step, its place in a batch included")
            .with_boundaries(vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0])
            .build();
        Self { duration }
    }

    pub(crate) async fn timed<T>(&self, step: Step, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let result = work.await;
        let step = match step {
            Step::Read => "read",
            Step::Search => "search",
            Step::Commit => "commit",
            Step::Publish => "publish",
        };
        self.duration.record(began.elapsed().as_secs_f64(), &[KeyValue::new("step", step)]);
        result
    }
}
