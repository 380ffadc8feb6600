//! Traces and metrics of consumers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bus::{BusConfig, ConsumerSettings, Failure, Outcome, Record};
use opentelemetry::trace::{TraceContextExt as _, TraceId};
use testkit::wait_for;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::fixture::Fixture;
use crate::member::{Member, event, interleaved, settings};
use crate::telemetry::{scrape_of, spans_of};

fn trace_id() -> TraceId {
    tracing::Span::current().context().span().span_context().trace_id()
}

fn of_group(group: &'static str) -> ConsumerSettings {
    ConsumerSettings { group, ..settings() }
}

/// A group for each log: both run in one process, with one set of spans and metrics.
fn group(log: &Fixture, on_kafka: &'static str, on_postgres: &'static str) -> &'static str {
    match log.config {
        BusConfig::Kafka(_) => on_kafka,
        BusConfig::Postgres(_) => on_postgres,
    }
}

/// Publishes an event inside a span of its own; gives the trace.
async fn publish_traced(bus: &bus::Bus, seq: u64) -> TraceId {
    async {
        let records = vec![Record::of(&event("key", seq))];
        bus.publisher().publish_all(records).await.unwrap();
        trace_id()
    }
    .instrument(tracing::info_span!("a request"))
    .await
}

/// A handler runs inside the trace of whoever published the event.
pub(crate) async fn the_trace_goes_on_through_the_log(log: Fixture) {
    let bus = log.bus().await;
    let published = [publish_traced(&bus, 0).await, publish_traced(&bus, 1).await];

    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let member = Member::start(&bus, of_group("traced"), move |_, _| {
        let noted = Arc::clone(&noted);
        Box::pin(async move {
            noted.lock().unwrap().push(trace_id());
            Ok(Outcome::Done)
        })
    });
    wait_for("both events", async || seen.lock().unwrap().len() == 2).await;
    member.stop().await;

    assert_ne!(published[0], published[1]);
    assert_eq!(*seen.lock().unwrap(), published);
}

/// A batch is one span with a link to the trace of each of its events.
pub(crate) async fn a_batch_links_to_the_traces_of_its_events(log: Fixture) {
    let group = group(&log, "traced-kafka", "traced-postgres");
    let bus = log.bus().await;
    let mut published = HashSet::new();
    for seq in 0..5 {
        published.insert(publish_traced(&bus, seq).await);
    }

    let member = Member::start_batches(&bus, of_group(group), |_| Box::pin(async { Ok(()) }));
    let traces_of_one_event = || spans_of(group).into_iter().filter(|span| span.links.is_empty());
    let linked = || -> HashSet<_> {
        let spans = spans_of(group);
        let links = spans.iter().flat_map(|span| span.links.iter());
        let linked = links.map(|link| link.span_context.trace_id());
        linked.chain(traces_of_one_event().map(|span| span.span_context.trace_id())).collect()
    };
    wait_for("links to all traces", async || linked() == published).await;
    member.stop().await;

    assert!(spans_of(group).len() < 5, "no batch had two events");
}

/// Received, handled by outcome, duration, lag age and dead letters.
pub(crate) async fn every_consumer_counts_in_five_metrics(log: Fixture) {
    let group = group(&log, "counted-kafka", "counted-postgres");
    let bus = log.bus().await;
    let records = interleaved(4, 1).iter().map(Record::of).collect();
    bus.publisher().publish_all(records).await.unwrap();

    let member = Member::start(&bus, of_group(group), |event, _| {
        Box::pin(async move {
            match crate::member::is_of(&event, "key 3") {
                true => Err(Failure::Reject(anyhow::anyhow!("no"))),
                false => Ok(Outcome::Done),
            }
        })
    });
    let value = |metric: &str, label: &str| {
        let lines = scrape_of(group);
        let line = lines.iter().find(|line| line.starts_with(metric) && line.contains(label))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let dead = || value("fte_consumer_dead_letters_total", "class=\"rejected\"");
    wait_for("the dead letter", async || dead() == Some(1.0)).await;
    let done = || value("fte_consumer_handled_total", "outcome=\"done\"");
    wait_for("the others", async || done() == Some(3.0)).await;
    member.stop().await;

    let topic = "topic=\"fte.tickets.incoming\"";
    assert_eq!(value("fte_consumer_received_total", topic), Some(4.0));
    assert_eq!(value("fte_consumer_handled_total", "outcome=\"rejected\""), Some(1.0));
    assert_eq!(value("fte_consumer_duration_seconds_count", topic), Some(4.0));
    assert_eq!(value("fte_consumer_lag_age_seconds_count", topic), Some(4.0));
    // The events are of January; the clock is not.
    assert!(value("fte_consumer_lag_age_seconds_sum", topic).unwrap() > 86_400.0);
}
