//! Publishing to Kafka: in order, acknowledged by all in-sync replicas, without
//! duplicates from retries.

use std::sync::{Arc, PoisonError, RwLock};

use contract::Topic;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use super::config::KafkaConfig;
use super::errors::{self, Trouble};
use super::watch::{Watch, Watched};
use crate::bus::BusError;
use crate::crash::crash_point;
use crate::record::{PublishError, Publisher, Record};

pub(crate) struct KafkaPublisher {
    config: KafkaConfig,
    topics: [String; Topic::ALL.len()],
    watch: Arc<Watch>,
    /// Replaced after a fatal error, which an idempotent producer does not survive.
    producer: RwLock<FutureProducer<Watched>>,
}

struct Sent {
    topic: Topic,
    bytes: usize,
    delivery: DeliveryFuture,
}

impl KafkaPublisher {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, BusError> {
        let watch = Arc::new(Watch::default());
        let producer = create(config, &watch).map_err(errors::bus_error)?;
        Ok(Self {
            config: config.clone(),
            topics: Topic::ALL.map(|topic| config.topic_name(topic)),
            watch,
            producer: RwLock::new(producer),
        })
    }

    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    pub(crate) fn producer(&self) -> FutureProducer<Watched> {
        self.producer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Enqueues a record; its place in the order is fixed when this returns.
    fn send(
        &self,
        producer: &FutureProducer<Watched>,
        record: Record,
    ) -> Result<Sent, PublishError> {
        let Record { topic, key, event_id: _, headers, payload } = record;
        let name = Topic::ALL.iter().zip(&self.topics).find(|(known, _)| **known == topic);
        let name = name.map_or(topic.name(), |(_, name)| name.as_str());
        let bytes = payload.len();
        let mut kafka_headers = OwnedHeaders::new_with_capacity(headers.iter().count());
        for (key, value) in headers.iter() {
            kafka_headers = kafka_headers.insert(Header { key, value: Some(value.as_ref()) });
        }
        let record =
            FutureRecord::to(name).key(&key).payload(payload.as_ref()).headers(kafka_headers);
        match producer.send_result(record) {
            Ok(delivery) => Ok(Sent { topic, bytes, delivery }),
            Err((error, _)) => Err(self.publish_error(error, topic, bytes)),
        }
    }

    async fn confirm(&self, sent: Sent) -> Result<(), PublishError> {
        match sent.delivery.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(self.publish_error(error, sent.topic, sent.bytes)),
            Err(_canceled) => {
                Err(PublishError::Unavailable(anyhow::anyhow!("the producer was replaced")))
            }
        }
    }

    fn publish_error(&self, error: KafkaError, topic: Topic, bytes: usize) -> PublishError {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::Fatal) {
            self.replace();
        }
        match code.map_or(Trouble::Passing, errors::trouble) {
            Trouble::TooLarge => PublishError::TooLarge { topic, bytes },
            // Unavailable also when refused: the event itself is not to blame.
            Trouble::Passing | Trouble::Refused => {
                let error = anyhow::Error::new(error).context(format!("publishing to {topic}"));
                PublishError::Unavailable(match self.watch.refusal() {
                    Some(reason) => error.context(reason),
                    None => error,
                })
            }
        }
    }

    fn replace(&self) {
        let mut producer = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        let Some((code, reason)) = producer.client().fatal_error() else { return };
        tracing::warn!(kafka.code = %code, kafka.reason = reason, "the producer failed; a new one takes over");
        match create(&self.config, &self.watch) {
            Ok(fresh) => super::blocking::drop_elsewhere(std::mem::replace(&mut *producer, fresh)),
            Err(error) => tracing::error!(error = %error, "no new producer"),
        }
    }
}

fn create(config: &KafkaConfig, watch: &Arc<Watch>) -> Result<FutureProducer<Watched>, KafkaError> {
    FutureProducer::from_config_and_context(&config.producer(), Watched(Arc::clone(watch)))
}

impl Publisher for KafkaPublisher {
    fn publish_all(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), PublishError>> {
        async move {
            crash_point("publish.before");
            let producer = self.producer();
            let mut sent = Vec::with_capacity(records.len());
            for record in records {
                sent.push(self.send(&producer, record)?);
            }
            // All are under way; waiting for one after another takes as long as the slowest.
            for delivery in sent {
                self.confirm(delivery).await?;
            }
            crash_point("publish.after");
            Ok(())
        }
        .boxed()
    }
}
