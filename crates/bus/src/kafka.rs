//! The log on Apache Kafka.

mod admin;
mod blocking;
mod config;
mod errors;
mod groups;
mod publisher;
mod reader;
mod source;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::producer::Producer as _;

pub use config::KafkaConfig;
use publisher::KafkaPublisher;
use reader::KafkaReader;
pub(crate) use source::KafkaSource;

use crate::bus::{BusError, ConsumerSettings};
use crate::lag::Lag;
use crate::reader::{ReadSettings, Reader};
use crate::source::SourceError;
use crate::topics::{TopicChange, TopicSpec};

/// How long a first connection may take before the log counts as away.
const PING_LIMIT: Duration = Duration::from_secs(3);

/// The clients that one process shares.
pub(crate) struct KafkaLog {
    config: KafkaConfig,
    publisher: Arc<KafkaPublisher>,
    groups: groups::Groups,
}

impl KafkaLog {
    pub(crate) fn new(config: KafkaConfig) -> Result<Self, BusError> {
        if let Some(file) = &config.ca_file {
            // librdkafka says only that something with certificates failed.
            std::fs::read(file)
                .with_context(|| format!("certificate authority file {}", file.display()))
                .map_err(BusError::Refused)?;
        }
        let publisher = KafkaPublisher::new(&config)?;
        Ok(Self {
            groups: groups::Groups::new(config.clone()),
            publisher: Arc::new(publisher),
            config,
        })
    }

    pub(crate) fn publisher(&self) -> Arc<KafkaPublisher> {
        Arc::clone(&self.publisher)
    }

    pub(crate) fn source(&self, settings: &ConsumerSettings) -> Result<KafkaSource, SourceError> {
        KafkaSource::new(&self.config, settings)
    }

    /// Asks any broker for its metadata. A refusal comes out as such at once.
    pub(crate) async fn ping(&self) -> Result<(), BusError> {
        let watch = self.publisher.watch();
        let producer = self.publisher.producer();
        let asked = blocking::on_thread(PING_LIMIT, move || {
            producer.client().fetch_metadata(None, PING_LIMIT).map(drop)
        });
        let outcome = tokio::select! {
            reason = watch.refused() => Err(BusError::Refused(anyhow::anyhow!(reason))),
            asked = asked => match asked {
                Some(asked) => asked.map_err(errors::bus_error),
                None => Err(BusError::Unavailable(anyhow::anyhow!("no broker answered in time"))),
            },
        };
        if outcome.is_ok() {
            watch.reached();
        }
        outcome
    }

    pub(crate) async fn lag(&self) -> Result<Vec<Lag>, BusError> {
        self.groups.lag().await
    }

    pub(crate) async fn plan_topics(
        &self,
        specs: &[TopicSpec],
    ) -> Result<Vec<TopicChange>, BusError> {
        admin::Admin::new(&self.config)?.plan(specs).await
    }

    pub(crate) async fn apply_topics(
        &self,
        specs: &[TopicSpec],
    ) -> Result<Vec<TopicChange>, BusError> {
        admin::Admin::new(&self.config)?.apply(specs).await
    }

    pub(crate) async fn reader(&self, settings: ReadSettings) -> Result<Reader, BusError> {
        Ok(Reader::new(KafkaReader::open(self.config.clone(), settings).await?))
    }
}
