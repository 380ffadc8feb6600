//! Tests of the PostgreSQL log alone, below the runner.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{EventId, Topic};
use sqlx::PgPool;
use tokio::time::{Instant, timeout};

use crate::postgres::{PostgresLog, PostgresSource};
use crate::record::{Headers, Record};
use crate::source::{RawRecord, Source as _, SourceEvent};
use crate::topics::TopicSpec;

mod outage;
mod places;
mod sharing;
mod writing;

const TOPIC: Topic = Topic::TicketsIncoming;
const PARTITIONS: i32 = 6;

fn spec(topic: Topic, partitions: i32) -> TopicSpec {
    TopicSpec {
        topic,
        partitions,
        replication: 1,
        min_insync_replicas: 1,
        retention: Duration::from_secs(14 * 24 * 60 * 60),
        max_message_bytes: 1 << 20,
    }
}

/// A migrated log with six partitions a topic.
async fn log(pool: &PgPool) -> PostgresLog {
    crate::migrate(pool).await.unwrap();
    let log = PostgresLog::connect(pool);
    log.apply_topics(&Topic::ALL.map(|topic| spec(topic, PARTITIONS))).await.unwrap();
    log
}

fn record(key: &str, text: &str) -> Record {
    let mut headers = Headers::default();
    headers.insert("number", text.to_owned());
    Record {
        topic: TOPIC,
        key: key.to_owned(),
        event_id: EventId::named(text),
        headers,
        payload: text.to_owned().into(),
    }
}

async fn publish(log: &PostgresLog, records: Vec<Record>) {
    log.publisher().publish_all(records).await.unwrap();
}

fn text(record: &RawRecord) -> String {
    String::from_utf8(record.payload.to_vec()).unwrap()
}

/// A member with what it was told and given so far.
struct Consumer {
    source: PostgresSource,
    owned: Vec<i32>,
    records: Vec<RawRecord>,
}

impl Consumer {
    fn join(log: &PostgresLog, group: &str) -> Self {
        let source = log.source(group, TOPIC);
        Self { source, owned: Vec::new(), records: Vec::new() }
    }

    /// Takes in whatever comes until the condition holds.
    async fn until(&mut self, what: &str, condition: impl Fn(&Consumer) -> bool) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !condition(self) {
            assert!(Instant::now() < limit, "waited in vain for {what}");
            self.step(Duration::from_secs(1)).await;
        }
    }

    /// Takes in what comes within this time.
    async fn step(&mut self, limit: Duration) {
        let Ok(event) = timeout(limit, self.source.next()).await else { return };
        match event {
            Ok(SourceEvent::Records(records)) => self.records.extend(records),
            Ok(SourceEvent::Assigned(gained)) => self.owned.extend(gained),
            Ok(SourceEvent::Revoked(lost)) => self.owned.retain(|p| !lost.contains(p)),
            Err(_unavailable) => {}
        }
    }

    async fn until_records(&mut self, count: usize) {
        self.until("records", |consumer| consumer.records.len() >= count).await;
        assert_eq!(self.records.len(), count);
    }

    async fn until_owning(&mut self, count: usize) {
        self.until("partitions", |consumer| consumer.owned.len() == count).await;
    }

    fn finish_all(&mut self) {
        for record in &self.records {
            self.source.finish(record.partition, record.offset + 1);
        }
    }

    /// Texts by key, in the order in which they came.
    fn texts(&self) -> BTreeMap<&str, Vec<String>> {
        let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for record in &self.records {
            texts.entry(&record.key).or_default().push(text(record));
        }
        texts
    }

    /// Whether every partition came without a gap from its first offset.
    fn is_dense(&self) -> bool {
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        self.records.iter().all(|record| {
            let expected = next.entry(record.partition).or_default();
            let is_next = record.offset == *expected;
            *expected += 1;
            is_next
        })
    }
}

async fn cursors(pool: &PgPool, group: &str) -> BTreeMap<i32, i64> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(
        r#"select partition, next_offset from queue_cursors where "group" = $1 and topic = $2"#,
    )
    .bind(group)
    .bind(TOPIC.name())
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}
