//! Publishes in batches: what waits while a statement runs goes with the next one.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::crash::crash_point;
use crate::postgres::encoding::partition_of;
use crate::postgres::error::{is_collision, may_pass};
use crate::postgres::insert::{Entry, insert};
use crate::postgres::partitions::Partitions;
use crate::postgres::wake::Wakes;
use crate::record::{PublishError, Publisher, Record};

/// Connections that write. More make it slower: they queue for the same counters,
/// and batches get smaller.
pub(super) const LANES: usize = 2;

/// Rows in one statement; beyond this a statement gains nothing and blocks longer.
const BATCH_RECORDS: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// Bytes that may wait in the process. Past it publishing fails at once, which an
/// ingress answers with 503: better than a memory that grows while the log is away.
const BUFFER_BYTES: usize = 32 << 20;

/// What a record weighs beside its payload.
const RECORD_OVERHEAD: usize = 256;

/// Below the HTTP time-out: who waits gets an answer while it still listens.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between tries while the database is away.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Records of one call for one lane.
#[derive(Debug)]
struct Job {
    entries: Vec<Entry>,
    deadline: Instant,
    done: oneshot::Sender<Result<(), Arc<WriteError>>>,
    _buffer: Arc<OwnedSemaphorePermit>,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the database did not take the records")]
    Database(#[from] sqlx::Error),
    #[error("the database did not answer in time")]
    TimedOut,
    #[error("a partition is missing in queue_partitions")]
    MissingPartition,
}

#[derive(Debug)]
pub(super) struct PostgresPublisher {
    lanes: Vec<mpsc::UnboundedSender<Job>>,
    buffer: Arc<Semaphore>,
    pub(super) partitions: Arc<Partitions>,
    _tasks: JoinSet<()>,
}

impl PostgresPublisher {
    pub(super) fn start(
        options: PgConnectOptions,
        partitions: Arc<Partitions>,
        wakes: Wakes,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let lanes = (0..LANES)
            .map(|_| {
                // Bounded by `buffer`, whose permits travel with the jobs.
                let (sender, jobs) = mpsc::unbounded_channel();
                let lane =
                    Lane { options: options.clone(), connection: None, wakes: wakes.clone() };
                tasks.spawn(lane.run(jobs));
                sender
            })
            .collect();
        let buffer = Arc::new(Semaphore::new(BUFFER_BYTES));
        Self { lanes, buffer, partitions, _tasks: tasks }
    }

    async fn publish(&self, records: Vec<Record>) -> Result<(), PublishError> {
        let mut per_lane: Vec<Vec<Entry>> = self.lanes.iter().map(|_| Vec::new()).collect();
        let mut bytes = 0;
        for record in records {
            let shape = self.partitions.shape(record.topic).await?;
            if record.payload.len() > shape.max_message_bytes {
                let (topic, bytes) = (record.topic, record.payload.len());
                return Err(PublishError::TooLarge { topic, bytes });
            }
            bytes += record.payload.len() + RECORD_OVERHEAD;
            let partition = partition_of(&record.key, shape.partitions);
            let lane = lane_of(&record, partition);
            if let Some(entries) = per_lane.get_mut(lane) {
                entries.push(Entry { partition, record });
            }
        }
        let buffer = Arc::new(self.reserve(bytes)?);
        let deadline = Instant::now() + PUBLISH_TIMEOUT;
        let mut pending = Vec::new();
        // No await between here and the last send: calls are enqueued one after
        // another, so the order of two calls is the order of their records.
        for (lane, entries) in self.lanes.iter().zip(per_lane) {
            if entries.is_empty() {
                continue;
            }
            let (done, answer) = oneshot::channel();
            let job = Job { entries, deadline, done, _buffer: Arc::clone(&buffer) };
            lane.send(job).map_err(|_| unavailable("the log is closed"))?;
            pending.push(answer);
        }
        for answer in pending {
            answer
                .await
                .map_err(|_| unavailable("the log is closed"))?
                .map_err(|error| PublishError::Unavailable(error.into()))?;
        }
        Ok(())
    }

    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, PublishError> {
        // A call larger than the whole buffer may still go alone.
        let permits = u32::try_from(bytes.min(BUFFER_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.buffer)
            .try_acquire_many_owned(permits)
            .map_err(|_| unavailable("too much waits to be published"))
    }
}

impl Publisher for PostgresPublisher {
    fn publish_all(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), PublishError>> {
        async move {
            crash_point("publish.before");
            self.publish(records).await?;
            crash_point("publish.after");
            Ok(())
        }
        .boxed()
    }
}

fn answer(job: Job, result: Result<(), Arc<WriteError>>) {
    // Where nobody waits any more, the records stand in the log all the same.
    drop(job.done.send(result));
}

fn unavailable(reason: &'static str) -> PublishError {
    PublishError::Unavailable(anyhow::anyhow!(reason))
}

/// One partition, one lane: what is enqueued in order is written in order.
fn lane_of(record: &Record, partition: i32) -> usize {
    let mut hasher = DefaultHasher::new();
    (record.topic, partition).hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0)
}

/// One connection that writes batch after batch.
struct Lane {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    wakes: Wakes,
}

impl Lane {
    async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(first) = jobs.recv().await {
            let mut batch = vec![first];
            let (mut records, mut bytes) = (0, 0);
            loop {
                if let Some(job) = batch.last() {
                    records += job.entries.len();
                    bytes += job.entries.iter().map(|e| e.record.payload.len()).sum::<usize>();
                }
                if records >= BATCH_RECORDS || bytes >= BATCH_BYTES {
                    break;
                }
                let Ok(job) = jobs.try_recv() else { break };
                batch.push(job);
            }
            self.write_jobs(batch).await;
        }
    }

    async fn write_jobs(&mut self, batch: Vec<Job>) {
        let result = self.write(&batch).await;
        let result = result.map_err(Arc::new);
        for job in batch {
            answer(job, result.clone());
        }
    }

    /// Writes the entries; tries again until the deadline while the database is away.
    /// An attempt whose answer was lost may so be written twice, as at-least-once allows.
    async fn write(&mut self, jobs: &[Job]) -> Result<(), WriteError> {
        let entries: Vec<&Entry> = jobs.iter().flat_map(|job| &job.entries).collect();
        // The oldest sets the pace: no answer may come after its caller has gone.
        let deadline = jobs.iter().map(|job| job.deadline).min().unwrap_or_else(Instant::now);
        loop {
            let attempt = timeout_at(deadline, self.attempt(&entries)).await;
            let error = match attempt {
                Ok(Ok(written)) if written == entries.len() as u64 => break,
                Ok(Ok(_)) => return Err(WriteError::MissingPartition),
                Ok(Err(error)) => error,
                Err(_) => {
                    // Its answer would be taken for that of the next statement.
                    self.connection = None;
                    return Err(WriteError::TimedOut);
                }
            };
            let collision = is_collision(&error);
            if !collision {
                self.connection = None;
            }
            if !may_pass(&error) || Instant::now() + RETRY_PAUSE > deadline {
                return Err(error.into());
            }
            if !collision {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
        let topics: BTreeSet<_> = entries.iter().map(|entry| entry.record.topic).collect();
        for topic in topics {
            self.wakes.wrote(topic);
        }
        Ok(())
    }

    async fn attempt(&mut self, entries: &[&Entry]) -> Result<u64, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(PgConnection::connect_with(&self.options).await?),
        };
        insert(connection, entries).await
    }
}
