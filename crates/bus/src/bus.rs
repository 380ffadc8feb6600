//! One handle to the log, whichever backend stands behind it.

use std::sync::Arc;
use std::time::Duration;

use contract::Topic;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::handler::{BatchHandler, Handler};
use crate::record::Publisher;

/// Which log to use.
#[derive(Debug, Clone)]
pub enum BusConfig {
    Kafka(KafkaConfig),
    Postgres(PostgresConfig),
}

/// How to reach the brokers.
#[derive(Debug, Clone, Default)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`; PLAINTEXT when absent.
    pub security_protocol: Option<String>,
    pub sasl_mechanism: Option<String>,
    pub sasl_username: Option<String>,
    pub sasl_password: Option<String>,
    /// PEM file of the certificate authority.
    pub ca_file: Option<std::path::PathBuf>,
    /// Put before topic and group names, so that tests share one broker.
    pub prefix: String,
}

/// The log in `message_queue` of the service's own database.
#[derive(Debug, Clone, Default)]
pub struct PostgresConfig {}

/// A cheap handle to the log.
#[derive(Clone)]
pub struct Bus {
    publisher: Arc<dyn Publisher>,
}

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
    /// Connects lazily: works while broker or database are away.
    pub async fn connect(_config: BusConfig, _pool: PgPool) -> Result<Self, BusError> {
        Err(BusError::Unavailable(anyhow::anyhow!("not built yet")))
    }

    pub fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::clone(&self.publisher)
    }

    /// Runs the handler until shutdown; returns after drain and commit.
    pub async fn consume<H: Handler>(
        &self,
        _settings: ConsumerSettings,
        _handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), ConsumerError> {
        shutdown.cancelled().await;
        Ok(())
    }

    /// As [`Bus::consume`], many events at a time.
    pub async fn consume_batches<H: BatchHandler>(
        &self,
        _settings: ConsumerSettings,
        _handler: H,
        shutdown: CancellationToken,
    ) -> Result<(), ConsumerError> {
        shutdown.cancelled().await;
        Ok(())
    }
}
