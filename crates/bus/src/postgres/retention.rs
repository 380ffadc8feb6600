//! Deletes records past their topic's age, in chunks.

use crate::bus::BusError;
use crate::postgres::PostgresLog;
use crate::postgres::error::bus_error;

/// Rows per statement: a few milliseconds of work, so that nobody waits for it.
const CHUNK: i64 = 1_000;

impl PostgresLog {
    /// Deletes what is too old and returns how many records went. As with any log,
    /// age decides, not whether a group has read the record.
    pub(crate) async fn retain(&self) -> Result<u64, BusError> {
        let partitions: Vec<(String, i32)> =
            sqlx::query_as("select topic, partition from queue_partitions order by 1, 2")
                .fetch_all(self.pool())
                .await
                .map_err(bus_error)?;
        let mut deleted = 0;
        for (topic, partition) in partitions {
            loop {
                let chunk = self.delete_chunk(&topic, partition).await.map_err(bus_error)?;
                deleted += chunk;
                if chunk < CHUNK as u64 {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// From the head of one partition. Its rows lie in the order of time, so a head
    /// that is young enough ends the search.
    async fn delete_chunk(&self, topic: &str, partition: i32) -> Result<u64, sqlx::Error> {
        let deleted = sqlx::query(
            r#"with head as (
                 select m.topic, m.partition, m."offset", m.created_at
                 from message_queue m where m.topic = $1 and m.partition = $2
                 order by m."offset" limit $3),
               old as (
                 select h.topic, h.partition, h."offset" from head h
                 join queue_topics t using (topic) where h.created_at < now() - t.retention)
               delete from message_queue m using old
               where m.topic = old.topic and m.partition = old.partition
                 and m."offset" = old."offset""#,
        )
        .bind(topic)
        .bind(partition)
        .bind(CHUNK)
        .execute(self.pool())
        .await?;
        Ok(deleted.rows_affected())
    }
}
