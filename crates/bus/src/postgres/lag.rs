//! How far every group is behind, from cursors and counters.

use crate::bus::BusError;
use crate::lag::Lag;
use crate::postgres::PostgresLog;
use crate::postgres::error::bus_error;
use crate::postgres::partitions::retry_once;

impl PostgresLog {
    /// Every partition of every group that has ever joined. Records that retention
    /// deleted before the group read them do not count: they will never be read.
    pub(crate) async fn lag(&self) -> Result<Vec<Lag>, BusError> {
        let rows: Vec<(String, String, i32, i64, i64)> = retry_once(|| {
            sqlx::query_as(
                r#"select c."group", c.topic, c.partition,
                          coalesce((select min(m."offset") from message_queue m
                                    where m.topic = c.topic and m.partition = c.partition
                                      and m."offset" >= c.next_offset), p.next_offset),
                          p.next_offset
                   from queue_cursors c join queue_partitions p using (topic, partition)
                   order by c."group", c.topic, c.partition"#,
            )
            .fetch_all(self.pool())
        })
        .await
        .map_err(bus_error)?;
        let lags = rows.into_iter().filter_map(|(group, topic, partition, committed, end)| {
            Some(Lag { group, topic: topic.parse().ok()?, partition, committed, end })
        });
        Ok(lags.collect())
    }
}
