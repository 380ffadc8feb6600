//! One member of a consumer group, in the shape that the runner reads.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream as _;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, MessageStream, Rebalance,
    StreamConsumer,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientContext, TopicPartitionList};

use super::blocking::{drop_elsewhere, on_thread};
use super::config::KafkaConfig;
use super::errors::source_error;
use super::watch::{self, Watch};
use crate::bus::ConsumerSettings;
use crate::crash::crash_point;
use crate::record::Headers;
use crate::source::{RawRecord, Source, SourceError, SourceEvent};

/// Records handed over at once: enough to make waking rare, few enough for the runner
/// to look at its results in between.
const MOST_RECORDS: usize = 256;

/// Below the runner's own limit, so that this one says what hung.
const CALL_LIMIT: Duration = Duration::from_secs(4);

pub(crate) struct KafkaSource {
    topic: String,
    /// Empty only while it is being dropped.
    consumer: Option<Arc<StreamConsumer<Member>>>,
    /// Polled and not handed over, in order.
    pending: VecDeque<Result<SourceEvent, SourceError>>,
}

/// Collects assignment changes. librdkafka calls it inside our own poll, so that a
/// change stands between the records polled before and after it.
#[derive(Default)]
struct Member {
    group: &'static str,
    changes: Mutex<Vec<SourceEvent>>,
    watch: Watch,
    is_down: AtomicBool,
}

impl Member {
    fn down(&self, error: &anyhow::Error) {
        if !self.is_down.swap(true, Ordering::Relaxed) {
            let error = format!("{error:#}");
            tracing::warn!(consumer.group = self.group, error, "the log is unavailable");
        }
    }

    fn up(&self) {
        if self.is_down.load(Ordering::Relaxed) {
            self.is_down.store(false, Ordering::Relaxed);
            tracing::info!(consumer.group = self.group, "the log is back");
        }
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        watch::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Comes out of the poll as well, where the runner sees it.
        self.watch.note(&error, reason);
        tracing::debug!(error = %error, kafka.reason = reason, "consumer error");
    }
}

impl ConsumerContext for Member {
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let (partitions, change): (_, fn(Vec<i32>) -> SourceEvent) = match rebalance {
            Rebalance::Assign(partitions) => (partitions, SourceEvent::Assigned),
            Rebalance::Revoke(partitions) => (partitions, SourceEvent::Revoked),
            Rebalance::Error(error) => {
                tracing::warn!(error = %error, "rebalance failed");
                return;
            }
        };
        if matches!(rebalance, Rebalance::Assign(_))
            && let Err(error) = consumer.resume(partitions)
        {
            // A partition lost while paused would come back paused.
            tracing::warn!(error = %error, "assigned partitions were not resumed");
        }
        let numbers: Vec<_> = partitions.elements().iter().map(|part| part.partition()).collect();
        if !numbers.is_empty() {
            self.up();
            self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change(numbers));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            // A fenced member, or a broker away: what is not committed is read again.
            Err(error) if self.is_down.load(Ordering::Relaxed) => {
                tracing::debug!(error = %error, "offsets were not committed");
            }
            Err(error) => {
                let group = self.group;
                tracing::warn!(consumer.group = group, error = %error, "offsets were not committed");
            }
        }
    }
}

impl KafkaSource {
    pub(crate) fn new(
        config: &KafkaConfig,
        settings: &ConsumerSettings,
    ) -> Result<Self, SourceError> {
        let topic = config.topic_name(settings.topic);
        let member = Member { group: settings.group, ..Member::default() };
        let consumer: StreamConsumer<Member> =
            StreamConsumer::from_config_and_context(&config.consumer(settings), member)
                .map_err(source_error)?;
        consumer.subscribe(&[&topic]).map_err(source_error)?;
        Ok(Self { topic, consumer: Some(Arc::new(consumer)), pending: VecDeque::new() })
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        list
    }
}

/// Polls until something can be handed over. Otherwise the stream has kept our waker.
fn poll(
    consumer: &StreamConsumer<Member>,
    mut stream: Pin<&mut MessageStream<'_, Member>>,
    pending: &mut VecDeque<Result<SourceEvent, SourceError>>,
    context: &mut Context<'_>,
) -> Poll<Result<SourceEvent, SourceError>> {
    let mut records = Vec::new();
    while records.len() < MOST_RECORDS {
        let polled = stream.as_mut().poll_next(context);
        let changes = &consumer.context().changes;
        let changes = std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner));
        if !changes.is_empty() {
            hand_over(pending, &mut records);
            pending.extend(changes.into_iter().map(Ok));
        }
        match polled {
            Poll::Ready(Some(Ok(message))) => {
                consumer.context().up();
                records.push(raw(&message));
            }
            Poll::Ready(Some(Err(error))) => match explained(consumer, error) {
                // librdkafka tries on by itself. Were its many errors handed over, the
                // runner would pause after each, and assignments would wait behind them.
                SourceError::Unavailable(error) => consumer.context().down(&error),
                refused @ SourceError::Fatal(_) => {
                    hand_over(pending, &mut records);
                    pending.push_back(Err(refused));
                    break;
                }
            },
            Poll::Ready(None) | Poll::Pending => break,
        }
    }
    hand_over(pending, &mut records);
    pending.pop_front().map_or(Poll::Pending, Poll::Ready)
}

/// A refusal's code says less than the reason that came with it.
fn explained(consumer: &StreamConsumer<Member>, error: KafkaError) -> SourceError {
    match (source_error(error), consumer.context().watch.refusal()) {
        (SourceError::Fatal(error), Some(reason)) => SourceError::Fatal(error.context(reason)),
        (error, _) => error,
    }
}

fn hand_over(
    pending: &mut VecDeque<Result<SourceEvent, SourceError>>,
    records: &mut Vec<RawRecord>,
) {
    if !records.is_empty() {
        pending.push_back(Ok(SourceEvent::Records(std::mem::take(records))));
    }
}

/// Copies a message out of librdkafka's memory.
fn raw(message: &BorrowedMessage<'_>) -> RawRecord {
    let key = message.key().map(|key| String::from_utf8_lossy(key).into_owned());
    RawRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: key.unwrap_or_default(),
        headers: headers(message),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
    }
}

pub(crate) fn headers(message: &BorrowedMessage<'_>) -> Headers {
    message.headers().map_or_else(Headers::default, |headers| {
        headers
            .iter()
            .map(|header| {
                (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default()))
            })
            .collect()
    })
}

impl Source for KafkaSource {
    async fn next(&mut self) -> Result<SourceEvent, SourceError> {
        if let Some(event) = self.pending.pop_front() {
            return event;
        }
        let Some(consumer) = &self.consumer else { return std::future::pending().await };
        // Lives as long as the wait: it holds the waker. What was polled is in `pending`
        // or handed over, so nothing is lost with it.
        let mut stream = pin!(consumer.stream());
        let pending = &mut self.pending;
        std::future::poll_fn(|context| poll(consumer, stream.as_mut(), pending, context)).await
    }

    fn pause(&mut self, partition: i32) {
        let Some(consumer) = &self.consumer else { return };
        if let Err(error) = consumer.pause(&self.one(partition)) {
            tracing::debug!(error = %error, "a partition was lost before its pause");
        }
    }

    fn resume(&mut self, partition: i32) {
        let Some(consumer) = &self.consumer else { return };
        if let Err(error) = consumer.resume(&self.one(partition)) {
            tracing::debug!(error = %error, "a partition was lost before it resumed");
        }
    }

    fn finish(&mut self, partition: i32, next_offset: i64) {
        let Some(consumer) = &self.consumer else { return };
        // `store_offset` takes the last finished offset and commits the one after it.
        if let Err(error) = consumer.store_offset(&self.topic, partition, next_offset - 1) {
            tracing::debug!(error = %error, "a partition was lost before its offset was stored");
        }
        crash_point("event.finished");
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        let Some(consumer) = self.consumer.clone() else { return Ok(()) };
        let committed =
            on_thread(CALL_LIMIT, move || consumer.commit_consumer_state(CommitMode::Sync));
        match committed.await {
            Some(Ok(())) => Ok(()),
            // Nothing finished since the last commit.
            Some(Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset))) => Ok(()),
            Some(Err(error)) => Err(source_error(error)),
            None => Err(SourceError::Unavailable(anyhow::anyhow!("the commit was not answered"))),
        }
    }

    async fn close(mut self) -> Result<(), SourceError> {
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        // Leaving polls until the group's coordinator has answered, with no limit of its own.
        match on_thread(CALL_LIMIT, move || drop(consumer)).await {
            Some(()) => Ok(()),
            None => Err(SourceError::Unavailable(anyhow::anyhow!("the group did not let go"))),
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            drop_elsewhere(consumer);
        }
    }
}
