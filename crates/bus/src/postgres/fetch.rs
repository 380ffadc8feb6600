//! Fetches records for one member, ahead of the runner by one batch.

use std::sync::Arc;
use std::time::Duration;

use contract::Topic;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::postgres::encoding::Row;
use crate::postgres::source::Member;
use crate::postgres::state::Fetched;
use crate::postgres::{error, in_time};
use crate::source::{RawRecord, SourceError};

/// Records of one partition in one fetch.
const PARTITION_RECORDS: i64 = 250;

/// Bytes of one fetch over all partitions, beyond the first record of each.
const FETCH_BYTES: i64 = 4 << 20;

const BUSY_POLL: Duration = Duration::from_millis(20);
const IDLE_POLL: Duration = Duration::from_millis(250);

/// How long after the last record a topic still counts as busy.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// Between two fetches that were not full, so that a steady trickle is read in
/// handfuls and not record by record.
const GATHER: Duration = Duration::from_millis(2);

/// First and longest pause while the database is away.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

pub(super) type Batch = Result<Vec<Fetched>, SourceError>;

/// Fetches until the task is aborted or the source is gone.
pub(super) async fn keep_fetching(member: Arc<Member>, batches: mpsc::Sender<Batch>) {
    let mut woken = member.wakes().records(member.topic);
    let mut last_record = Instant::now();
    let mut pause = RETRY.0;
    loop {
        // The slot is free once the batch before was taken, and with it the position
        // moved on.
        let Ok(slot) = batches.reserve().await else { return };
        let wanted = member.read(|state| state.wanted());
        if wanted.is_empty() {
            member.work.notified().await;
            continue;
        }
        woken.mark_unchanged();
        let fetched = in_time(fetch(member.pool(), member.topic, &wanted)).await;
        match fetched {
            Ok(fetched) if fetched.is_empty() => {
                pause = RETRY.0;
                let poll = if last_record.elapsed() < BUSY_FOR { BUSY_POLL } else { IDLE_POLL };
                tokio::select! {
                    () = sleep(poll) => {}
                    Ok(()) = woken.changed() => {}
                    () = member.work.notified() => {}
                }
            }
            Ok(fetched) => {
                pause = RETRY.0;
                last_record = Instant::now();
                slot.send(Ok(fetched));
                sleep(GATHER).await;
            }
            Err(error) => {
                slot.send(Err(error::source_error(error)));
                sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
            }
        }
    }
}

/// One statement for all partitions. The inner limit keeps it to the head of each,
/// the running sum to a size that fits in memory; the first record always comes.
pub(super) async fn fetch(
    pool: &PgPool,
    topic: Topic,
    wanted: &[(i32, i64)],
) -> Result<Vec<Fetched>, sqlx::Error> {
    let (partitions, positions): (Vec<i32>, Vec<i64>) = wanted.iter().copied().unzip();
    let count = i64::try_from(wanted.len()).unwrap_or(1).max(1);
    let rows: Vec<Row> = sqlx::query_as(
        r#"select w.partition, q."offset", q.key, q.headers, q.payload,
                  (extract(epoch from q.created_at) * 1000)::bigint as timestamp_ms
           from unnest($2::integer[], $3::bigint[]) as w(partition, position)
           cross join lateral (
             select head.*, sum(octet_length(head.payload)) over (order by head."offset")
                            - octet_length(head.payload) as bytes_before
             from (select "offset", key, headers, payload, created_at from message_queue
                   where topic = $1 and partition = w.partition and "offset" >= w.position
                   order by "offset" limit $4) head
           ) q
           where q.bytes_before < $5
           order by w.partition, q."offset""#,
    )
    .bind(topic.name())
    .bind(partitions)
    .bind(positions)
    .bind(PARTITION_RECORDS)
    .bind(FETCH_BYTES / count)
    .fetch_all(pool)
    .await?;
    Ok(by_partition(rows, wanted))
}

fn by_partition(rows: Vec<Row>, wanted: &[(i32, i64)]) -> Vec<Fetched> {
    let mut fetched: Vec<Fetched> = Vec::new();
    for row in rows {
        let partition = row.partition;
        let record = RawRecord::from(row);
        match fetched.last_mut() {
            Some(part) if part.partition == partition => part.records.push(record),
            _ => {
                let from = wanted.iter().find(|(wanted, _)| *wanted == partition);
                let from = from.map_or(record.offset, |(_, position)| *position);
                fetched.push(Fetched { partition, from, records: vec![record] });
            }
        }
    }
    fetched
}
