//! What a step decided and must still publish: written in the step's transaction,
//! deleted after the log's acknowledgement. [`OutboxPublisher`] does it at once,
//! [`Relay`](crate::relay::Relay) what a crash left.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{Headers, PublishError, Publisher, Record};
use bytes::Bytes;
use contract::{ConversationId, EventId, Topic};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor, PgPool};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Error;

/// Published entries that wait for their delete; beyond it the relay deletes.
const WAITING_DELETES: usize = 16_384;

/// Most entries in one delete.
const DELETE_BATCH: usize = 1_000;

/// How long the deleter gathers: one statement serves many steps.
const DELETE_GATHER: Duration = Duration::from_millis(100);

/// How long after shutdown the deleter waits for steps that are still draining.
/// What comes later stays in the table, and the relay publishes it once more.
const DELETE_DRAIN: Duration = Duration::from_secs(1);

/// Records as columns, for `unnest` in a statement that writes the step's rows too.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) conversation_ids: Vec<Option<Uuid>>,
    pub(crate) event_ids: Vec<Uuid>,
    pub(crate) topics: Vec<&'static str>,
    pub(crate) keys: Vec<String>,
    pub(crate) headers: Vec<Value>,
    pub(crate) payloads: Vec<Vec<u8>>,
}

impl Columns {
    pub(crate) fn push(&mut self, conversation: Option<ConversationId>, record: &Record) {
        self.conversation_ids.push(conversation.map(Uuid::from));
        self.event_ids.push(record.event_id.into());
        self.topics.push(record.topic.name());
        self.keys.push(record.key.clone());
        self.headers.push(headers_to_json(&record.headers));
        self.payloads.push(record.payload.to_vec());
    }
}

/// Writes one conversation's records, in order; a record that stands already stays as it is.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    service: &str,
    conversation: Option<ConversationId>,
    records: &[Record],
) -> Result<(), Error> {
    insert_all(executor, service, records.iter().map(|record| (conversation, record))).await
}

/// Writes records of many conversations in one statement, in order.
pub async fn insert_all<'a>(
    executor: impl PgExecutor<'_>,
    service: &str,
    entries: impl IntoIterator<Item = (Option<ConversationId>, &'a Record)>,
) -> Result<(), Error> {
    let mut columns = Columns::default();
    for (conversation, record) in entries {
        columns.push(conversation, record);
    }
    sqlx::query(
        "insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
         select $1, conversation_id, event_id, topic, key, headers, payload
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[], $7::bytea[])
             with ordinality as entry
             (conversation_id, event_id, topic, key, headers, payload, place)
         order by place
         on conflict (event_id) do nothing",
    )
    .bind(service)
    .bind(columns.conversation_ids)
    .bind(columns.event_ids)
    .bind(columns.topics)
    .bind(columns.keys)
    .bind(columns.headers)
    .bind(columns.payloads)
    .execute(executor)
    .await?;
    Ok(())
}

/// What these conversations still have to publish for this service, in order.
/// Only its own: another service's entry is usually on its way to being deleted,
/// and publishing it here would double every event.
pub async fn pending(
    executor: impl PgExecutor<'_>,
    service: &str,
    conversations: &[ConversationId],
) -> Result<Vec<Record>, Error> {
    let ids: Vec<Uuid> = conversations.iter().copied().map(Uuid::from).collect();
    let rows: Vec<EntryRow> = sqlx::query_as(
        "select event_id, topic, key, headers, payload from outbox
         where service = $1 and conversation_id = any($2) order by id",
    )
    .bind(service)
    .bind(ids)
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(Record::try_from).collect()
}

/// A service's entries that a step should have published long ago, in order.
pub async fn overdue(
    executor: impl PgExecutor<'_>,
    service: &str,
    age: Duration,
    limit: usize,
) -> Result<Vec<Record>, Error> {
    let rows: Vec<EntryRow> = sqlx::query_as(
        "select event_id, topic, key, headers, payload from outbox
         where service = $1 and created_at < now() - make_interval(secs => $2)
         order by id limit $3",
    )
    .bind(service)
    .bind(age.as_secs_f64())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(Record::try_from).collect()
}

/// Deletes entries that the log has acknowledged.
pub async fn delete(executor: impl PgExecutor<'_>, ids: &[EventId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = ids.iter().copied().map(Uuid::from).collect();
    sqlx::query("delete from outbox where event_id = any($1)").bind(ids).execute(executor).await?;
    Ok(())
}

#[derive(Debug, FromRow)]
pub(crate) struct EntryRow {
    event_id: Uuid,
    topic: String,
    key: String,
    headers: Value,
    payload: Vec<u8>,
}

impl TryFrom<EntryRow> for Record {
    type Error = Error;

    fn try_from(row: EntryRow) -> Result<Self, Error> {
        Ok(Self {
            topic: row.topic.parse::<Topic>().map_err(Error::row)?,
            key: row.key,
            event_id: row.event_id.into(),
            headers: headers_from_json(row.headers)?,
            payload: row.payload.into(),
        })
    }
}

/// A header's value: text where it is text, so that a person can read the column.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Bytes(Vec<u8>),
}

fn headers_to_json(headers: &Headers) -> Value {
    let pairs: Vec<(&str, HeaderValue)> = headers
        .iter()
        .map(|(name, value)| match std::str::from_utf8(value) {
            // jsonb cannot hold U+0000.
            Ok(text) if !text.contains('\0') => (name, HeaderValue::Text(text.to_owned())),
            _ => (name, HeaderValue::Bytes(value.to_vec())),
        })
        .collect();
    serde_json::to_value(pairs).unwrap_or_default()
}

fn headers_from_json(headers: Value) -> Result<Headers, Error> {
    let pairs: Vec<(String, HeaderValue)> = serde_json::from_value(headers).map_err(Error::row)?;
    Ok(pairs
        .into_iter()
        .map(|(name, value)| match value {
            HeaderValue::Text(text) => (name, Bytes::from(text)),
            HeaderValue::Bytes(bytes) => (name, Bytes::from(bytes)),
        })
        .collect())
}

/// Publishes what steps have committed and deletes it in batches in the background.
#[derive(Clone)]
pub struct OutboxPublisher {
    publisher: Arc<dyn Publisher>,
    /// Published and not deleted yet: what [`pending`] still shows of these is no work.
    published: Arc<Mutex<HashSet<EventId>>>,
    deletes: mpsc::Sender<EventId>,
}

/// The background half of [`OutboxPublisher`]: one task per service runs it.
pub struct OutboxDeleter {
    pool: PgPool,
    published: Arc<Mutex<HashSet<EventId>>>,
    deletes: mpsc::Receiver<EventId>,
}

impl OutboxPublisher {
    /// The publisher and the task that deletes behind it.
    pub fn new(pool: PgPool, publisher: Arc<dyn Publisher>) -> (Self, OutboxDeleter) {
        let published = Arc::<Mutex<HashSet<EventId>>>::default();
        let (sender, receiver) = mpsc::channel(WAITING_DELETES);
        let deleter = OutboxDeleter { pool, published: Arc::clone(&published), deletes: receiver };
        (Self { publisher, published, deletes: sender }, deleter)
    }

    /// Publishes committed entries in the order given: first what [`pending`] still
    /// showed of the step's conversations, then the step's own. Returns after the
    /// log's acknowledgement; after an error the entries stay, and a redelivered
    /// event or the relay publishes them.
    pub async fn publish(&self, records: Vec<Record>) -> Result<(), PublishError> {
        let records = self.without_published(records);
        if records.is_empty() {
            return Ok(());
        }
        let ids: Vec<EventId> = records.iter().map(|record| record.event_id).collect();
        self.publisher.publish_all(records).await?;
        for id in ids {
            // Full or closed: the entry stays, and the relay publishes and deletes it.
            if let Ok(place) = self.deletes.try_reserve() {
                lock(&self.published).insert(id);
                place.send(id);
            }
        }
        Ok(())
    }

    fn without_published(&self, records: Vec<Record>) -> Vec<Record> {
        let published = lock(&self.published);
        let mut seen = HashSet::new();
        records
            .into_iter()
            .filter(|record| !published.contains(&record.event_id) && seen.insert(record.event_id))
            .collect()
    }
}

impl OutboxDeleter {
    /// Deletes until every publisher is gone, or, after `shutdown`, until none has
    /// anything more. While the database is away the entries wait.
    pub async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(DELETE_BATCH);
        loop {
            let received = tokio::select! {
                received = self.deletes.recv_many(&mut batch, DELETE_BATCH) => received,
                () = quiet_after(&shutdown) => 0,
            };
            if received == 0 {
                return Ok(());
            }
            self.gather(&mut batch, &shutdown).await;
            self.delete(&mut batch, &shutdown).await;
        }
    }

    async fn gather(&mut self, batch: &mut Vec<EventId>, shutdown: &CancellationToken) {
        let until = tokio::time::sleep(DELETE_GATHER);
        tokio::pin!(until);
        while batch.len() < DELETE_BATCH {
            let room = DELETE_BATCH - batch.len();
            tokio::select! {
                received = self.deletes.recv_many(batch, room) => if received == 0 { return },
                () = &mut until => return,
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn delete(&self, batch: &mut Vec<EventId>, shutdown: &CancellationToken) {
        while let Err(error) = delete(&self.pool, batch).await {
            if shutdown.is_cancelled() {
                break;
            }
            tracing::warn!(error = %error, "published entries could not be deleted, trying again");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = shutdown.cancelled() => {}
            }
        }
        let mut published = lock(&self.published);
        for id in batch.drain(..) {
            published.remove(&id);
        }
    }
}

async fn quiet_after(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DELETE_DRAIN).await;
}

/// A set of ids stays whole whatever a panicking holder did.
fn lock(published: &Mutex<HashSet<EventId>>) -> std::sync::MutexGuard<'_, HashSet<EventId>> {
    published.lock().unwrap_or_else(PoisonError::into_inner)
}
