//! Reading the PostgreSQL log for people, with or without a group.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::Topic;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::sleep;

use crate::bus::BusError;
use crate::postgres::encoding::partition_of;
use crate::postgres::error::bus_error;
use crate::postgres::fetch::fetch;
use crate::postgres::partitions::retry_once;
use crate::postgres::{PostgresLog, PostgresSource};
use crate::reader::{ReadFrom, ReadRecord, ReadRecords, ReadSettings, Reader};
use crate::source::{RawRecord, Source as _, SourceError, SourceEvent};

/// A person at a terminal does not see less.
const POLL: Duration = Duration::from_millis(100);

impl PostgresLog {
    pub(crate) async fn reader(&self, settings: ReadSettings) -> Result<Reader, BusError> {
        let ends = self.ends(settings.topic).await?;
        let starts = self.starts(&settings, &ends).await?;
        match settings.group.clone() {
            Some(group) => {
                self.place(&group, settings.topic, &starts).await.map_err(bus_error)?;
                let source = self.source(&group, settings.topic);
                Ok(Reader::new(GroupReader {
                    log: self.clone(),
                    source,
                    group,
                    settings,
                    ends,
                    waiting: VecDeque::new(),
                    last: None,
                }))
            }
            None => Ok(Reader::new(PlainReader {
                log: self.clone(),
                settings,
                positions: starts,
                ends,
                waiting: VecDeque::new(),
            })),
        }
    }

    /// The end of each partition now.
    async fn ends(&self, topic: Topic) -> Result<BTreeMap<i32, i64>, BusError> {
        let ends: Vec<(i32, i64)> = retry_once(|| {
            sqlx::query_as("select partition, next_offset from queue_partitions where topic = $1")
                .bind(topic.name())
                .fetch_all(self.pool())
        })
        .await
        .map_err(bus_error)?;
        if ends.is_empty() {
            return Err(BusError::Refused(anyhow::anyhow!("topic {topic} does not exist")));
        }
        Ok(ends.into_iter().collect())
    }

    /// Where to start in each partition that can hold what is asked for.
    async fn starts(
        &self,
        settings: &ReadSettings,
        ends: &BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>, BusError> {
        let mut starts = match settings.from {
            ReadFrom::Beginning => ends.keys().map(|partition| (*partition, 0)).collect(),
            ReadFrom::Latest => ends.clone(),
            ReadFrom::Timestamp(instant) => {
                self.starts_at(settings.topic, instant, ends).await.map_err(bus_error)?
            }
        };
        if let (Some(key), None) = (&settings.key, &settings.group) {
            let only = partition_of(key, i32::try_from(ends.len()).unwrap_or(i32::MAX));
            starts.retain(|partition, _| *partition == only);
        }
        Ok(starts)
    }

    /// In its own transaction, because only here the block range index pays.
    async fn starts_at(
        &self,
        topic: Topic,
        instant: DateTime<Utc>,
        ends: &BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>, sqlx::Error> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query("set local enable_bitmapscan = on").execute(&mut *transaction).await?;
        let found: Vec<(i32, i64)> = sqlx::query_as(
            r#"select partition, min("offset") from message_queue
               where topic = $1 and created_at >= $2 group by partition"#,
        )
        .bind(topic.name())
        .bind(instant)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let mut starts = ends.clone();
        starts.extend(found);
        Ok(starts)
    }

    /// Where a group that is new to the topic begins; one that is not keeps its place.
    async fn place(
        &self,
        group: &str,
        topic: Topic,
        starts: &BTreeMap<i32, i64>,
    ) -> Result<(), sqlx::Error> {
        let (partitions, offsets): (Vec<i32>, Vec<i64>) =
            starts.iter().map(|(partition, offset)| (*partition, *offset)).unzip();
        sqlx::query(
            r#"insert into queue_cursors ("group", topic, partition, next_offset)
               select $1, $2, s.partition, s.next_offset
               from unnest($3::integer[], $4::bigint[]) as s(partition, next_offset)
               on conflict ("group", topic, partition) do nothing"#,
        )
        .bind(group)
        .bind(topic.name())
        .bind(partitions)
        .bind(offsets)
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

fn is_wanted(settings: &ReadSettings, record: &RawRecord) -> bool {
    settings.key.as_ref().is_none_or(|key| *key == record.key)
}

fn read_record(topic: Topic, record: RawRecord) -> ReadRecord {
    ReadRecord {
        topic,
        partition: record.partition,
        offset: record.offset,
        at: DateTime::from_timestamp_millis(record.timestamp_ms).unwrap_or_default(),
        key: record.key,
        headers: record.headers,
        payload: record.payload,
    }
}

/// Orders what one fetch gave by time, across partitions.
fn by_time(records: &mut [RawRecord]) {
    records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
}

struct PlainReader {
    log: PostgresLog,
    settings: ReadSettings,
    positions: BTreeMap<i32, i64>,
    ends: BTreeMap<i32, i64>,
    waiting: VecDeque<RawRecord>,
}

impl PlainReader {
    async fn read(&mut self) -> Result<Option<ReadRecord>, BusError> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Ok(Some(read_record(self.settings.topic, record)));
            }
            let wanted = self.wanted();
            if wanted.is_empty() {
                return Ok(None);
            }
            let topic = self.settings.topic;
            let fetched =
                retry_once(|| fetch(self.log.pool(), topic, &wanted)).await.map_err(bus_error)?;
            if fetched.is_empty() {
                if !self.settings.follow {
                    return Ok(None);
                }
                sleep(POLL).await;
            }
            let mut records: Vec<RawRecord> = Vec::new();
            for part in fetched {
                if let Some(last) = part.records.last() {
                    self.positions.insert(part.partition, last.offset + 1);
                }
                let end = self.end(part.partition);
                records.extend(part.records.into_iter().filter(|record| record.offset < end));
            }
            by_time(&mut records);
            records.retain(|record| is_wanted(&self.settings, record));
            self.waiting.extend(records);
        }
    }

    /// A reader that does not follow stops where the partition ended at its start.
    fn end(&self, partition: i32) -> i64 {
        if self.settings.follow {
            return i64::MAX;
        }
        self.ends.get(&partition).copied().unwrap_or(0)
    }

    fn wanted(&self) -> Vec<(i32, i64)> {
        self.positions
            .iter()
            .map(|(partition, position)| (*partition, *position))
            .filter(|(partition, position)| *position < self.end(*partition))
            .collect()
    }
}

impl ReadRecords for PlainReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<ReadRecord>, BusError>> {
        self.read().boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BusError>> {
        async { Ok(()) }.boxed()
    }
}

/// A member of a group like any other; what was asked past is what was read.
struct GroupReader {
    log: PostgresLog,
    source: PostgresSource,
    group: String,
    settings: ReadSettings,
    ends: BTreeMap<i32, i64>,
    waiting: VecDeque<RawRecord>,
    last: Option<(i32, i64)>,
}

impl GroupReader {
    async fn read(&mut self) -> Result<Option<ReadRecord>, BusError> {
        if let Some((partition, offset)) = self.last.take() {
            self.source.finish(partition, offset + 1);
        }
        loop {
            while let Some(record) = self.waiting.pop_front() {
                if is_wanted(&self.settings, &record) {
                    self.last = Some((record.partition, record.offset));
                    return Ok(Some(read_record(self.settings.topic, record)));
                }
                self.source.finish(record.partition, record.offset + 1);
            }
            tokio::select! {
                event = self.source.next() => match event.map_err(source_to_bus)? {
                    // In log order: what is read last is what is finished.
                    SourceEvent::Records(records) => self.waiting.extend(records),
                    SourceEvent::Revoked(lost) => {
                        self.waiting.retain(|record| !lost.contains(&record.partition));
                    }
                    SourceEvent::Assigned(_) => {}
                },
                () = sleep(POLL), if !self.settings.follow => {
                    self.source.flush().await.map_err(source_to_bus)?;
                    if self.is_at_end().await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether the group as a whole has read what was there when this reader began.
    async fn is_at_end(&self) -> Result<bool, BusError> {
        let lags = self.log.lag().await?;
        let is_behind = lags.into_iter().any(|lag| {
            lag.group == self.group
                && lag.topic == self.settings.topic
                && self.ends.get(&lag.partition).is_some_and(|end| lag.committed < *end)
        });
        Ok(!is_behind)
    }
}

fn source_to_bus(error: SourceError) -> BusError {
    match error {
        SourceError::Unavailable(error) => BusError::Unavailable(error),
        SourceError::Fatal(error) => BusError::Refused(error),
    }
}

impl ReadRecords for GroupReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<ReadRecord>, BusError>> {
        self.read().boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BusError>> {
        self.source.close().map(|closed| closed.map_err(source_to_bus)).boxed()
    }
}
