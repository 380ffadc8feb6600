//! One call of the service's code: decode, continue the trace, call, classify.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use contract::{Event, Topic};
use futures::FutureExt as _;
use opentelemetry::trace::TraceContextExt as _;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::lane::{Finished, Item, Job, LaneId, Verdict};
use crate::clock;
use crate::crash::{crash_point, sabotage};
use crate::handler::{BatchHandler, Failure, Handler, Outcome};
use crate::meters::{HandledAs, Meters};
use crate::parking::{Admission, Parking};
use crate::replay::is_for_another_group;
use crate::trace;

/// Longest deferral. Longer waits belong into a table: the event holds its offset.
const LONGEST_DEFERRAL: Duration = Duration::from_secs(10);

/// How long after its commit the work is done, where it is done too late on purpose.
const MEANWHILE: Duration = Duration::from_millis(700);

/// The service's code, for one event or for many.
pub(crate) trait Work: Send + Sync + 'static {
    type Event: Event;

    /// Most events in one call.
    fn batch_size(&self) -> usize;

    fn call(
        &self,
        events: Vec<Self::Event>,
        items: &[(LaneId, Item)],
    ) -> impl Future<Output = Result<Outcome, Failure>> + Send;
}

pub(crate) struct Single<H>(pub(crate) H);

impl<H: Handler> Work for Single<H> {
    type Event = H::Event;

    fn batch_size(&self) -> usize {
        1
    }

    async fn call(
        &self,
        events: Vec<Self::Event>,
        items: &[(LaneId, Item)],
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::Done;
        for (event, (_, item)) in events.into_iter().zip(items) {
            crash_point("event.received");
            outcome = self.0.handle(event, &item.received).await?;
            crash_point("event.handled");
        }
        Ok(outcome)
    }
}

pub(crate) struct Batched<H> {
    pub(crate) handler: H,
    pub(crate) batch_size: usize,
}

impl<H: BatchHandler> Work for Batched<H> {
    type Event = H::Event;

    fn batch_size(&self) -> usize {
        self.batch_size.max(1)
    }

    async fn call(
        &self,
        events: Vec<Self::Event>,
        items: &[(LaneId, Item)],
    ) -> Result<Outcome, Failure> {
        let received = items.iter().map(|(_, item)| item.received.clone());
        crash_point("event.received");
        self.handler.handle_batch(events.into_iter().zip(received).collect()).await?;
        crash_point("event.handled");
        Ok(Outcome::Done)
    }
}

/// What every call of one consumer shares.
pub(crate) struct Surroundings {
    pub(crate) group: &'static str,
    pub(crate) topic: Topic,
    pub(crate) meters: Meters,
    pub(crate) parking: Arc<dyn Parking>,
}

type Results = Vec<(LaneId, Item, Verdict)>;

/// Runs a job to its results. Never panics, also when the handler does.
pub(crate) async fn attempt<W: Work>(around: &Surroundings, work: &W, job: Job) -> Finished {
    let Job { ticket, items } = job;
    let span = span(around, &items);
    async {
        if sabotage("commit-before-work") {
            tokio::time::sleep(MEANWHILE).await;
        }
        let (events, items, aside) = decode::<W::Event>(around, items);
        let (mut results, unavailable) = match items.as_slice() {
            [] => (Vec::new(), None),
            [(_, item)] if around.parking.concerns(&item.received) => {
                admit(around, work, events, items).await
            }
            _ => call(around, work, events, items).await,
        };
        results.extend(aside);
        Finished { ticket, results, unavailable }
    }
    .instrument(span)
    .await
}

/// A span continued from the event's trace; for many events one span that links to
/// each of theirs.
fn span(around: &Surroundings, items: &[(LaneId, Item)]) -> Span {
    let span = tracing::info_span!(
        "consume",
        otel.kind = "consumer",
        messaging.destination.name = around.topic.name(),
        messaging.consumer.group.name = around.group,
        messaging.batch.message_count = items.len(),
    );
    if span.is_disabled() {
        return span;
    }
    match items {
        [(_, item)] => trace::continue_in(&span, &item.received.headers),
        items => {
            for (_, item) in items {
                let context = trace::extract(&item.received.headers);
                span.add_link(context.span().span_context().clone());
            }
        }
    }
    span
}

/// Splits off what does not decode, and what comes after it in its lane.
fn decode<E: Event>(
    around: &Surroundings,
    items: Vec<(LaneId, Item)>,
) -> (Vec<E>, Vec<(LaneId, Item)>, Results) {
    let mut events = Vec::with_capacity(items.len());
    let mut good = Vec::with_capacity(items.len());
    let mut aside: Results = Vec::new();
    for (lane, item) in items {
        if aside.iter().any(|(other, ..)| *other == lane) {
            aside.push((lane, item, Verdict::Again));
            continue;
        }
        // Before it is decoded: what does not decode is replayed for its own group too,
        // and would leave a new letter in every other.
        if is_for_another_group(&item.received, around.group) {
            aside.push((lane, item, Verdict::Done));
            continue;
        }
        match E::decode(&item.payload) {
            Ok(event) => {
                let age = clock::now().signed_duration_since(event.meta().event_time);
                around.meters.lag_age(age.as_seconds_f64());
                events.push(event);
                good.push((lane, item));
            }
            Err(error) => {
                around.meters.handled(HandledAs::Rejected, 1);
                let error = anyhow::Error::new(error).context("the event does not decode");
                aside.push((lane, item, Verdict::Reject(error)));
            }
        }
    }
    (events, good, aside)
}

/// Asks parking about a single event first, and tells it afterwards.
async fn admit<W: Work>(
    around: &Surroundings,
    work: &W,
    events: Vec<W::Event>,
    items: Vec<(LaneId, Item)>,
) -> (Results, Option<anyhow::Error>) {
    let admission = match items.first() {
        Some((_, item)) => around.parking.admit(&item.received).await,
        None => Ok(Admission::Handle),
    };
    match admission {
        Ok(Admission::Handle) => {
            let (results, unavailable) = call(around, work, events, items).await;
            match results.as_slice() {
                [(_, item, Verdict::Done)] => match around.parking.handled(&item.received).await {
                    Ok(()) => (results, unavailable),
                    Err(failure) => {
                        let items = results.into_iter().map(|(lane, item, _)| (lane, item));
                        failed(around, items.collect(), failure)
                    }
                },
                _ => (results, unavailable),
            }
        }
        Ok(Admission::Follow) => {
            around.meters.handled(HandledAs::Parked, items.len());
            (with(items, || Verdict::Follow), None)
        }
        Ok(Admission::Skip) => {
            around.meters.handled(HandledAs::Skipped, items.len());
            (with(items, || Verdict::Skip), None)
        }
        Err(failure) => failed(around, items, failure),
    }
}

async fn call<W: Work>(
    around: &Surroundings,
    work: &W,
    events: Vec<W::Event>,
    items: Vec<(LaneId, Item)>,
) -> (Results, Option<anyhow::Error>) {
    let started = Instant::now();
    let called = AssertUnwindSafe(work.call(events, &items)).catch_unwind().await;
    around.meters.duration(started.elapsed().as_secs_f64());
    match called {
        Ok(Ok(Outcome::Done)) => {
            around.meters.handled(HandledAs::Done, items.len());
            (with(items, || Verdict::Done), None)
        }
        Ok(Ok(Outcome::DeferUntil(instant))) => {
            around.meters.handled(HandledAs::Deferred, items.len());
            let wait = (instant - clock::now()).to_std().unwrap_or_default();
            let until = Instant::now() + wait.min(LONGEST_DEFERRAL);
            (with(items, || Verdict::Defer(until)), None)
        }
        Ok(Err(failure)) => failed(around, items, failure),
        Err(_panic) => {
            failed(around, items, Failure::Retry(anyhow::anyhow!("the handler panicked")))
        }
    }
}

/// Gives each event the verdict of a failure. A failed batch does not say whose fault
/// it was, so its events are tried one by one and none is blamed yet.
fn failed(
    around: &Surroundings,
    items: Vec<(LaneId, Item)>,
    failure: Failure,
) -> (Results, Option<anyhow::Error>) {
    let (outcome, verdict, unavailable) = match failure {
        Failure::Unavailable(error) => (HandledAs::Unavailable, Verdict::Unavailable, Some(error)),
        Failure::Retry(error) => (HandledAs::Failed, Verdict::Retry(error), None),
        Failure::Reject(error) => (HandledAs::Rejected, Verdict::Reject(error), None),
    };
    let is_batch = items.len() > 1;
    let outcome = if is_batch && unavailable.is_none() { HandledAs::Failed } else { outcome };
    around.meters.handled(outcome, items.len());
    let results = match verdict {
        Verdict::Unavailable => with(items, || Verdict::Unavailable),
        _ if is_batch => with(items, || Verdict::Singly),
        verdict => {
            let mut verdict = Some(verdict);
            with(items, || verdict.take().unwrap_or(Verdict::Again))
        }
    };
    (results, unavailable)
}

fn with(items: Vec<(LaneId, Item)>, mut verdict: impl FnMut() -> Verdict) -> Results {
    items.into_iter().map(|(lane, item)| (lane, item, verdict())).collect()
}
