//! The consumer runner: one task owns the state of one consumer, reads its source,
//! starts handlers and settles their results.

mod attempt;
mod bury;
mod frontier;
mod gate;
mod intake;
mod lane;
#[cfg(test)]
mod model;
mod patience;
mod settle;
mod state;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use attempt::{Batched, Single, Surroundings, Work};
use intake::Flow;
use lane::{Finished, Item, LaneId};
use state::{Effect, State};

use crate::bus::{ConsumerError, ConsumerSettings};
use crate::crash::sabotage;
use crate::record::Publisher;
use crate::source::{Source, SourceError, SourceEvent};

/// Limit for the last commit and for leaving the group. Past it the process ends
/// anyway, and the group notices by its session time-out.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

const FIRST_SOURCE_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_SOURCE_PAUSE: Duration = Duration::from_secs(5);

/// Runs one consumer until shutdown, or until it cannot go on.
pub(crate) async fn run<S: Source, W: Work>(
    source: S,
    work: W,
    settings: ConsumerSettings,
    around: Surroundings,
    publisher: Arc<dyn Publisher>,
    shutdown: CancellationToken,
) -> Result<(), ConsumerError> {
    let mut runner = Runner {
        state: State::new(&settings, work.batch_size()),
        source,
        source_pause: FIRST_SOURCE_PAUSE,
        source_wait: None,
        crew: Crew { around: Arc::new(around), work: Arc::new(work), publisher },
        tasks: JoinSet::new(),
        gathers_until: None,
        settings,
    };
    let served = runner.serve(&shutdown).await;
    match &served {
        Ok(()) => runner.drain().await,
        Err(_) => runner.tasks.abort_all(),
    }
    runner.close(served.is_ok()).await;
    served
}

struct Runner<S, W> {
    state: State,
    source: S,
    source_pause: Duration,
    /// After an error the source is left alone until then.
    source_wait: Option<Instant>,
    crew: Crew<W>,
    /// Handlers and burials. Dropped with the runner, which ends them.
    tasks: JoinSet<Report>,
    /// While events gather, nothing is started.
    gathers_until: Option<Instant>,
    settings: ConsumerSettings,
}

struct Crew<W> {
    around: Arc<Surroundings>,
    work: Arc<W>,
    publisher: Arc<dyn Publisher>,
}

enum Report {
    Handled(Finished),
    Buried(LaneId, Item),
}

impl<S: Source, W: Work> Runner<S, W> {
    async fn serve(&mut self, shutdown: &CancellationToken) -> Result<(), ConsumerError> {
        loop {
            self.start_jobs();
            self.apply_effects()?;
            let gathered = self.gathers_until.filter(|_| self.has_slot() && self.state.has_ready());
            let wakes_at = self.state.wakes_at(self.has_slot()).into_iter().chain(gathered).min();
            tokio::select! {
                biased;
                // First, so that a busy consumer stops as soon as an idle one (test
                // `a_shutdown_while_busy_loses_nothing`).
                () = shutdown.cancelled() => return Ok(()),
                // Before new records: results free slots and memory, and cannot keep
                // the source waiting for long, because tokio makes `join_next` yield
                // after a run of ready results.
                Some(report) = self.tasks.join_next() => self.settle(report),
                () = sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {
                    self.state.wake(Instant::now());
                }
                // Last, and never disabled: back-pressure pauses partitions, so that
                // the group's membership is served also while everything is busy (tests
                // `members_come_and_go_under_load`, `memory_stays_flat_under_pressure`).
                event = next(&mut self.source, self.source_wait) => self.receive(event)?,
            }
        }
    }

    fn has_slot(&self) -> bool {
        self.tasks.len() < self.settings.in_flight
    }

    fn start_jobs(&mut self) {
        let now = Instant::now();
        if self.gathers_until.is_some_and(|until| now < until) {
            return;
        }
        self.gathers_until = None;
        while self.has_slot() && self.gathers_until.is_none() {
            let parking = &self.crew.around.parking;
            let Some(job) = self.state.next_job(now, |received| parking.concerns(received)) else {
                break;
            };
            let (around, work) = (Arc::clone(&self.crew.around), Arc::clone(&self.crew.work));
            self.tasks.spawn(async move {
                Report::Handled(attempt::attempt(&around, work.as_ref(), job).await)
            });
            if !self.settings.gather.is_zero() {
                self.gathers_until = Some(now + self.settings.gather);
            }
        }
    }

    fn settle(&mut self, report: Result<Report, tokio::task::JoinError>) {
        match report {
            Ok(Report::Handled(finished)) => self.state.settle(finished, Instant::now()),
            Ok(Report::Buried(lane, item)) => self.state.buried(lane, &item),
            // Handlers' panics are caught inside; only an abort of ours ends here.
            Err(error) => tracing::error!(error = %error, "a consumer task was lost"),
        }
    }

    fn receive(&mut self, event: Result<SourceEvent, SourceError>) -> Result<(), ConsumerError> {
        self.source_wait = None;
        let around = &self.crew.around;
        match event {
            Ok(SourceEvent::Records(records)) => {
                self.source_pause = FIRST_SOURCE_PAUSE;
                around.meters.received(records.len());
                for record in records {
                    if sabotage("commit-before-work") {
                        self.source.finish(record.partition, record.offset + 1);
                    }
                    self.state.push(record);
                }
            }
            Ok(SourceEvent::Assigned(partitions)) => {
                self.source_pause = FIRST_SOURCE_PAUSE;
                around.parking.assigned(&partitions);
                self.state.assigned(&partitions);
            }
            Ok(SourceEvent::Revoked(partitions)) => {
                self.state.revoked(&partitions);
                around.parking.revoked(&partitions);
            }
            Err(SourceError::Unavailable(error)) => {
                if self.source_pause == FIRST_SOURCE_PAUSE {
                    let (group, error) = (self.settings.group, format!("{error:#}"));
                    tracing::warn!(consumer.group = group, error, "the log is unavailable");
                }
                self.source_wait = Some(Instant::now() + self.source_pause);
                self.source_pause = (self.source_pause * 2).min(LONGEST_SOURCE_PAUSE);
            }
            Err(SourceError::Fatal(error)) => return Err(ConsumerError::Fatal(error)),
        }
        Ok(())
    }

    fn apply_effects(&mut self) -> Result<(), ConsumerError> {
        for effect in self.state.take_effects() {
            match effect {
                Effect::Finish { partition, next_offset } => {
                    self.source.finish(partition, next_offset);
                }
                Effect::Flow(Flow::Pause(partition)) => self.source.pause(partition),
                Effect::Flow(Flow::Resume(partition)) => self.source.resume(partition),
                Effect::Bury(burial) => {
                    let around = Arc::clone(&self.crew.around);
                    let publisher = Arc::clone(&self.crew.publisher);
                    self.tasks.spawn(async move {
                        bury::bury(&around, publisher.as_ref(), &burial).await;
                        Report::Buried(burial.lane, burial.item)
                    });
                }
                Effect::Failed { partition, offset, attempt, error } => tracing::warn!(
                    event.partition = partition,
                    event.offset = offset,
                    event.attempt = attempt,
                    error,
                    "an event failed and will be tried again"
                ),
                Effect::GateClosed(error) => tracing::warn!(
                    consumer.group = self.settings.group,
                    error = format!("{error:#}"),
                    "the consumer waits for what it needs"
                ),
                Effect::GateOpened => {
                    tracing::info!(consumer.group = self.settings.group, "the consumer goes on");
                }
                Effect::Outage(keys) => return Err(ConsumerError::Outage(keys)),
            }
        }
        Ok(())
    }

    /// Lets what runs come to an end, starts nothing, and goes on serving the group:
    /// other members wait for our answer when they join or leave meanwhile.
    async fn drain(&mut self) {
        for partition in self.state.owned() {
            self.source.pause(partition);
        }
        let deadline = Instant::now() + self.settings.drain;
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                Some(report) = self.tasks.join_next() => self.settle(report),
                () = sleep_until(deadline) => {
                    tracing::warn!(
                        consumer.group = self.settings.group,
                        consumer.running = self.tasks.len(),
                        "handlers did not finish in time; their events will be read again"
                    );
                    self.tasks.abort_all();
                    break;
                }
                event = next(&mut self.source, self.source_wait) => {
                    // Records of now belong to who reads them next.
                    if !matches!(event, Ok(SourceEvent::Records(_))) && self.receive(event).is_err()
                    {
                        break;
                    }
                }
            }
            if self.apply_effects().is_err() {
                break;
            }
        }
        // What the last results finished.
        drop(self.apply_effects());
    }

    async fn close(mut self, is_orderly: bool) {
        let deadline = Instant::now() + CLOSE_LIMIT;
        if is_orderly {
            match timeout_at(deadline, self.source.flush()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = ?error, "the last offsets were not committed");
                }
                Err(_elapsed) => tracing::warn!("the last offsets were not committed in time"),
            }
        }
        match timeout(CLOSE_LIMIT, self.source.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = ?error, "the consumer did not close cleanly"),
            Err(_elapsed) => tracing::warn!("the consumer did not close in time"),
        }
    }
}

/// The source's next event, not before `wait`. Cancel-safe as the source itself.
async fn next<S: Source>(
    source: &mut S,
    wait: Option<Instant>,
) -> Result<SourceEvent, SourceError> {
    if let Some(instant) = wait {
        sleep_until(instant).await;
    }
    source.next().await
}
