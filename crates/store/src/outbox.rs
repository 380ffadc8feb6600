//! What a step decided and must still publish: written in the step's transaction,
//! deleted after the log's acknowledgement. [`OutboxPublisher`] does it at once,
//! [`Relay`](crate::relay::Relay) what a crash left.

use std::time::Duration;

use bus::{Headers, Record};
use bytes::Bytes;
use contract::{ConversationId, EventId, Topic};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
pub use crate::outbox_publisher::{OutboxDeleter, OutboxPublisher};

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
    let rows: Vec<EntryRow> =
        sqlx::query_as(PENDING).bind(service).bind(ids).fetch_all(executor).await?;
    rows.into_iter().map(Record::try_from).collect()
}

pub(crate) const PENDING: &str = "
select event_id, topic, key, headers, payload from outbox
where service = $1 and conversation_id = any($2) order by id";

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
    pub(crate) event_id: Uuid,
    pub(crate) topic: String,
    pub(crate) key: String,
    pub(crate) headers: Value,
    pub(crate) payload: Vec<u8>,
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
