//! Topics of the PostgreSQL log: rows of `queue_topics` and `queue_partitions`.

use std::time::Duration;

use contract::Topic;
use sqlx::postgres::types::PgInterval;

use crate::bus::BusError;
use crate::postgres::PostgresLog;
use crate::postgres::error::bus_error;
use crate::topics::{TopicChange, TopicSpec};

/// A topic as the database has it.
#[derive(Debug, sqlx::FromRow)]
struct Existing {
    topic: String,
    retention_s: i64,
    max_message_bytes: i64,
    partitions: i32,
}

impl PostgresLog {
    /// What `apply_topics` would do. Copies and their minimum are the database's
    /// own affair, so they never differ here.
    pub(crate) async fn plan_topics(
        &self,
        specs: &[TopicSpec],
    ) -> Result<Vec<TopicChange>, BusError> {
        let existing: Vec<Existing> = sqlx::query_as(
            "select t.topic, extract(epoch from t.retention)::bigint as retention_s,
                    t.max_message_bytes, count(p.partition)::integer as partitions
             from queue_topics t left join queue_partitions p using (topic)
             group by t.topic",
        )
        .fetch_all(self.pool())
        .await
        .map_err(bus_error)?;
        Ok(specs
            .iter()
            .flat_map(|spec| {
                let found = existing.iter().find(|topic| topic.topic == spec.topic.name());
                match found {
                    Some(found) => differences(spec, found),
                    None => vec![TopicChange::Create(spec.clone())],
                }
            })
            .collect())
    }

    /// Creates and changes what the plan shows, but never a partition count; returns
    /// the plan. A refused change is in it, and everything else is done.
    pub(crate) async fn apply_topics(
        &self,
        specs: &[TopicSpec],
    ) -> Result<Vec<TopicChange>, BusError> {
        let plan = self.plan_topics(specs).await?;
        for spec in specs {
            let is_touched = plan.iter().any(|change| match change {
                TopicChange::Create(created) => created.topic == spec.topic,
                TopicChange::Set { topic, .. } => *topic == spec.topic,
                TopicChange::Refuse { .. } => false,
            });
            if is_touched {
                self.apply_topic(spec).await.map_err(bus_error)?;
            }
        }
        Ok(plan)
    }

    /// One statement, so a topic never exists with half of its partitions.
    async fn apply_topic(&self, spec: &TopicSpec) -> Result<(), sqlx::Error> {
        sqlx::query(
            "with topic as (
               insert into queue_topics (topic, retention, max_message_bytes)
               values ($1, $2, $3)
               on conflict (topic) do update
                 set retention = excluded.retention, max_message_bytes = excluded.max_message_bytes
               returning topic)
             insert into queue_partitions (topic, partition)
             select topic.topic, n from topic, generate_series(0, $4 - 1) n
             where not exists (select from queue_partitions p where p.topic = topic.topic)
             on conflict (topic, partition) do nothing",
        )
        .bind(spec.topic.name())
        .bind(interval(spec.retention))
        .bind(i64::try_from(spec.max_message_bytes).unwrap_or(i64::MAX))
        .bind(spec.partitions)
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

fn differences(spec: &TopicSpec, found: &Existing) -> Vec<TopicChange> {
    let topic: Topic = spec.topic;
    let mut changes = Vec::new();
    if found.partitions != spec.partitions {
        changes.push(TopicChange::Refuse {
            topic,
            setting: "partitions",
            from: found.partitions.to_string(),
            to: spec.partitions.to_string(),
        });
    }
    let retention_s = spec.retention.as_secs().to_string();
    if found.retention_s.to_string() != retention_s {
        changes.push(TopicChange::Set {
            topic,
            setting: "retention_s",
            from: found.retention_s.to_string(),
            to: retention_s,
        });
    }
    let max_message_bytes = spec.max_message_bytes.to_string();
    if found.max_message_bytes.to_string() != max_message_bytes {
        changes.push(TopicChange::Set {
            topic,
            setting: "max_message_bytes",
            from: found.max_message_bytes.to_string(),
            to: max_message_bytes,
        });
    }
    changes
}

/// In microseconds, not days: a day of an interval is not always 24 hours.
fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
