//! One handle to the log, whichever backend stands behind it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contract::Topic;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::dead_letters::DeadLetters;
use crate::handler::{BatchHandler, Handler};
use crate::kafka::{KafkaConfig, KafkaLog};
use crate::lag::Lag;
use crate::meters::Meters;
use crate::parking::{NoParking, ParkedKeys, Parking};
use crate::postgres::PostgresLog;
use crate::reader::{ReadSettings, Reader};
use crate::record::Publisher;
use crate::runner::{self, Batched, Single, Surroundings, Work};
use crate::topics::{TopicChange, TopicSpec};

/// Which log to use.
#[derive(Debug, Clone)]
pub enum BusConfig {
    Kafka(KafkaConfig),
    Postgres(PostgresConfig),
}

/// The log in `message_queue` of the service's own database.
#[derive(Debug, Clone, Default)]
pub struct PostgresConfig {}

/// A cheap handle to the log.
#[derive(Clone)]
pub struct Bus {
    backend: Backend,
    /// For parked letters, which stand in the database with either log.
    pool: PgPool,
}

#[derive(Clone)]
enum Backend {
    Kafka(Arc<KafkaLog>),
    Postgres(PostgresLog),
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.backend {
            Backend::Kafka(_) => "Bus::Kafka",
            Backend::Postgres(_) => "Bus::Postgres",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

/// Batches of one consumer at once. A free slot never waits, so more of them would make
/// the batches smaller, not the work faster: eight keep a database busy.
const MOST_BATCHES: usize = 8;

/// How one consumer behaves; [`ConsumerSettings::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    pub group: &'static str,
    pub topic: Topic,
    /// Handlers (or batches) running at once.
    pub in_flight: usize,
    /// Bytes fetched and unfinished before a partition is paused.
    pub buffer_bytes: usize,
    /// Waits between tries of one event, before jitter.
    pub retry_delays: Vec<Duration>,
    /// How long running handlers may finish at shutdown.
    pub drain: Duration,
    /// Whether later events of a dead-lettered key follow it.
    pub parking: bool,
    /// Most events in one batch.
    pub batch_size: usize,
    /// Least time from the start of one batch to the start of the next, so that events
    /// gather under load; the first after a pause never waits. Zero for single events.
    pub gather: Duration,
    /// How long a broker of Kafka may hold back events until there are 64 KiB of them, so
    /// that it answers fewer requests; the first after a pause waits as well. Zero for none.
    pub broker_gathers: Duration,
    /// After this long without a sign of a member its partitions go to the others.
    /// The PostgreSQL log has a lease of its own.
    pub session_timeout: Duration,
}

impl ConsumerSettings {
    pub fn new(group: &'static str, topic: Topic) -> Self {
        Self {
            group,
            topic,
            in_flight: 64,
            buffer_bytes: 16 << 20,
            retry_delays: [1, 5, 30].map(Duration::from_secs).to_vec(),
            drain: Duration::from_secs(20),
            parking: false,
            batch_size: 500,
            gather: Duration::ZERO,
            broker_gathers: Duration::ZERO,
            session_timeout: Duration::from_secs(10),
        }
    }
}

/// The log could not be reached or refused the settings.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the log is unavailable")]
    Unavailable(#[source] anyhow::Error),
    #[error("the log refused the connection")]
    Refused(#[source] anyhow::Error),
}

/// Why a consumer stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    #[error("the log refused the consumer")]
    Fatal(#[source] anyhow::Error),
    /// Too many keys fail at once: a bad release, not bad events.
    #[error("{0} keys fail at once: nothing more is dead-lettered or committed")]
    Outage(usize),
}

impl Bus {
    /// Connects lazily: works while broker or database are away. Brokers that answer
    /// and refuse us are an error at once.
    pub async fn connect(config: BusConfig, pool: PgPool) -> Result<Self, BusError> {
        let backend = match config {
            BusConfig::Kafka(config) => Backend::Kafka(Arc::new(KafkaLog::new(config)?)),
            BusConfig::Postgres(PostgresConfig {}) => {
                Backend::Postgres(PostgresLog::connect(&pool))
            }
        };
        let bus = Self { backend, pool };
        match bus.ping().await {
            Err(BusError::Unavailable(error)) => {
                tracing::warn!(error = format!("{error:#}"), "the log does not answer yet");
                Ok(bus)
            }
            refused_or_fine => refused_or_fine.map(|()| bus),
        }
    }

    pub fn publisher(&self) -> Arc<dyn Publisher> {
        match &self.backend {
            Backend::Kafka(log) => log.publisher(),
            Backend::Postgres(log) => log.publisher(),
        }
    }

    /// Runs the handler until shutdown; returns after drain and commit.
    pub async fn consume<H: Handler>(
        &self,
        settings: ConsumerSettings,
        handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), ConsumerError> {
        self.run(settings, Single(handler), shutdown).await
    }

    /// As [`Bus::consume`], many events at a time, in at most eight batches at once.
    pub async fn consume_batches<H: BatchHandler>(
        &self,
        settings: ConsumerSettings,
        handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), ConsumerError> {
        let batch_size = settings.batch_size;
        let in_flight = settings.in_flight.min(MOST_BATCHES);
        let settings = ConsumerSettings { in_flight, ..settings };
        self.run(settings, Batched { handler, batch_size }, shutdown).await
    }

    async fn run<W: Work>(
        &self,
        settings: ConsumerSettings,
        work: W,
        shutdown: CancellationToken,
    ) -> Result<(), ConsumerError> {
        let ConsumerSettings { group, topic, .. } = settings;
        let parking: Arc<dyn Parking> = match settings.parking {
            true => Arc::new(ParkedKeys::new(self.pool.clone(), group, topic)),
            false => Arc::new(NoParking { group }),
        };
        let around = Surroundings { group, topic, meters: Meters::new(group, topic), parking };
        let publisher = self.publisher();
        match &self.backend {
            Backend::Kafka(log) => {
                let source = log.source(&settings).map_err(anyhow::Error::new);
                let source = source.map_err(ConsumerError::Fatal)?;
                runner::run(source, work, settings, around, publisher, shutdown).await
            }
            Backend::Postgres(log) => {
                let source = log.source(group, topic);
                runner::run(source, work, settings, around, publisher, shutdown).await
            }
        }
    }

    /// How far every group is behind, per partition.
    pub async fn lag(&self) -> Result<Vec<Lag>, BusError> {
        match &self.backend {
            Backend::Kafka(log) => log.lag().await,
            Backend::Postgres(log) => log.lag().await,
        }
    }

    /// Whether the log answers.
    pub async fn ping(&self) -> Result<(), BusError> {
        match &self.backend {
            Backend::Kafka(log) => log.ping().await,
            Backend::Postgres(log) => log.ping().await,
        }
    }

    /// Deletes what is past its topic's retention and says how many records went: a
    /// job of some service. Brokers do that by themselves.
    pub async fn retain(&self) -> Result<u64, BusError> {
        match &self.backend {
            Backend::Kafka(_) => Ok(0),
            Backend::Postgres(log) => log.retain().await,
        }
    }

    /// The dead letters of this log, for people.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.clone(), self.pool.clone())
    }

    /// Opens a topic for people to read.
    pub async fn reader(&self, settings: ReadSettings) -> Result<Reader, BusError> {
        match &self.backend {
            Backend::Kafka(log) => log.reader(settings).await,
            Backend::Postgres(log) => log.reader(settings).await,
        }
    }

    /// Every difference between the specs and the log.
    pub async fn plan_topics(&self, specs: &[TopicSpec]) -> Result<Vec<TopicChange>, BusError> {
        match &self.backend {
            Backend::Kafka(log) => log.plan_topics(specs).await,
            Backend::Postgres(log) => log.plan_topics(specs).await,
        }
    }

    /// Creates and changes topics; gives what was planned, with what was refused.
    pub async fn apply_topics(&self, specs: &[TopicSpec]) -> Result<Vec<TopicChange>, BusError> {
        match &self.backend {
            Backend::Kafka(log) => log.apply_topics(specs).await,
            Backend::Postgres(log) => log.apply_topics(specs).await,
        }
    }
}
