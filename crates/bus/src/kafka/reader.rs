//! Reads a topic for people, beside the groups or with a group's memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use chrono::DateTime;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::blocking::{drop_elsewhere, on_thread};
use super::config::{KafkaConfig, REQUEST_LIMIT};
use super::errors::bus_error;
use super::source::headers;
use super::watch::Watched;
use crate::bus::BusError;
use crate::reader::{ReadFrom, ReadRecord, ReadRecords, ReadSettings};

/// For the requests that find where to start.
const OPEN_LIMIT: Duration = Duration::from_secs(15);

const CLOSE_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct KafkaReader {
    settings: ReadSettings,
    topic: String,
    /// Empty only while it is being dropped.
    consumer: Option<Arc<StreamConsumer<Watched>>>,
    /// Where each partition ends for a reader that does not follow.
    ends: HashMap<i32, i64>,
    /// Handed out, and finished once the next one is asked for.
    last: Option<(i32, i64)>,
}

/// Where reading starts and ends, by partition.
struct Range {
    starts: TopicPartitionList,
    ends: HashMap<i32, i64>,
}

impl KafkaReader {
    pub(crate) async fn open(
        config: KafkaConfig,
        settings: ReadSettings,
    ) -> Result<Self, BusError> {
        let topic = config.topic_name(settings.topic);
        let mut client = config.fetcher();
        client.set("enable.auto.offset.store", "false").set("enable.partition.eof", "true");
        match &settings.group {
            Some(group) => client.set("group.id", config.group_name(group)),
            // librdkafka wants a name even where nothing is committed.
            None => client.set("group.id", "none").set("enable.auto.commit", "false"),
        };
        let consumer: StreamConsumer<Watched> =
            client.create_with_context(Watched::default()).map_err(bus_error)?;
        let consumer = Arc::new(consumer);
        let mut reader = Self {
            settings,
            topic,
            consumer: Some(Arc::clone(&consumer)),
            ends: HashMap::new(),
            last: None,
        };
        let asked = {
            let (topic, settings) = (reader.topic.clone(), reader.settings.clone());
            let consumer = Arc::clone(&consumer);
            on_thread(OPEN_LIMIT, move || range(&consumer, &topic, &settings)).await
        };
        let range = asked.context("no broker answered in time").map_err(BusError::Unavailable)?;
        let range = range.map_err(bus_error)?;
        if range.starts.count() == 0 {
            let missing = anyhow::anyhow!("topic {} does not exist", reader.topic);
            return Err(BusError::Refused(missing));
        }
        consumer.assign(&range.starts).map_err(bus_error)?;
        reader.ends = range.ends;
        Ok(reader)
    }

    /// The next record; `None` at the end when the reader does not follow.
    async fn read(&mut self) -> Result<Option<ReadRecord>, BusError> {
        self.finish_last();
        loop {
            if !self.settings.follow && self.ends.is_empty() {
                return Ok(None);
            }
            let Some(consumer) = self.consumer.clone() else { return Ok(None) };
            let message = match consumer.recv().await {
                Ok(message) => message,
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.ends.remove(&partition);
                    continue;
                }
                Err(error) => match bus_error(error) {
                    BusError::Unavailable(error) => {
                        tracing::warn!(error = format!("{error:#}"), "waiting for the log");
                        continue;
                    }
                    refused @ BusError::Refused(_) => return Err(refused),
                },
            };
            let place = (message.partition(), message.offset());
            let is_past = self.ends.get(&place.0).is_none_or(|end| place.1 >= *end);
            if self.ends.get(&place.0).is_some_and(|end| place.1 + 1 >= *end) {
                self.ends.remove(&place.0);
            }
            if is_past && !self.settings.follow {
                continue;
            }
            self.last = Some(place);
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            if self.settings.key.as_ref().is_some_and(|wanted| *wanted != key) {
                self.finish_last();
                continue;
            }
            let at = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
            return Ok(Some(ReadRecord {
                topic: self.settings.topic,
                partition: place.0,
                offset: place.1,
                at: at.unwrap_or_default(),
                key,
                headers: headers(&message),
                payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
            }));
        }
    }

    fn finish_last(&mut self) {
        let (Some((partition, offset)), Some(consumer)) = (self.last.take(), &self.consumer) else {
            return;
        };
        if self.settings.group.is_some()
            && let Err(error) = consumer.store_offset(&self.topic, partition, offset)
        {
            tracing::warn!(error = %error, "the reader's place was not kept");
        }
    }
}

impl ReadRecords for KafkaReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<ReadRecord>, BusError>> {
        self.read().boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<(), BusError>> {
        async move {
            self.finish_last();
            let Some(consumer) = self.consumer.take() else { return Ok(()) };
            // Commits what is stored.
            on_thread(CLOSE_LIMIT, move || drop(consumer))
                .await
                .context("the reader did not close in time")
                .map_err(BusError::Unavailable)
        }
        .boxed()
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            drop_elsewhere(consumer);
        }
    }
}

fn range(
    consumer: &StreamConsumer<Watched>,
    topic: &str,
    settings: &ReadSettings,
) -> KafkaResult<Range> {
    let metadata = consumer.fetch_metadata(None, REQUEST_LIMIT)?;
    let known = metadata.topics().iter().find(|known| known.name() == topic);
    let partitions = known.map(|topic| topic.partitions()).unwrap_or_default();
    let mut starts = TopicPartitionList::with_capacity(partitions.len());
    let mut ends = HashMap::new();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), REQUEST_LIMIT)?;
        let start = match settings.from {
            ReadFrom::Beginning => low,
            ReadFrom::Latest => high,
            // The first record at or after this time is looked up below.
            ReadFrom::Timestamp(instant) => instant.timestamp_millis().max(0),
        };
        starts.add_partition_offset(topic, partition.id(), Offset::Offset(start))?;
        ends.insert(partition.id(), high);
    }
    if partitions.is_empty() {
        return Ok(Range { starts, ends });
    }
    if matches!(settings.from, ReadFrom::Timestamp(_)) {
        starts = consumer.offsets_for_times(starts, REQUEST_LIMIT)?;
    }
    if settings.group.is_some() {
        let committed = consumer.committed_offsets(starts.clone(), REQUEST_LIMIT)?;
        for element in committed.elements() {
            if let Offset::Offset(offset) = element.offset() {
                starts.set_partition_offset(topic, element.partition(), Offset::Offset(offset))?;
            }
        }
    }
    for element in starts.elements() {
        // Nothing to wait for where reading starts at the end.
        match element.offset() {
            Offset::Offset(offset)
                if ends.get(&element.partition()).is_some_and(|end| offset < *end) => {}
            _ => drop(ends.remove(&element.partition())),
        }
    }
    Ok(Range { starts, ends })
}
