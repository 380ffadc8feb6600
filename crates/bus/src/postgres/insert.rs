//! The one statement that writes records: takes offsets and uses them.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::postgres::encoding::{HeadersColumn, headers_to_column, storable};
use crate::record::Record;

/// A record with its partition, ready to be written.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) partition: i32,
    pub(super) record: Record,
}

/// Columns of a batch, as the statement wants them.
#[derive(Debug, Default)]
struct Columns<'a> {
    topics: Vec<&'static str>,
    partitions: Vec<i32>,
    sizes: Vec<i64>,
    slots: Vec<i64>,
    places: Vec<i64>,
    keys: Vec<String>,
    headers: Vec<HeadersColumn>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(entries: &[&'a Entry]) -> Self {
        let mut columns = Columns::default();
        // Slots are numbered in the order in which the statement locks them.
        let mut slots: BTreeMap<(&'static str, i32), i64> = BTreeMap::new();
        for entry in entries {
            let slot = (entry.record.topic.name(), entry.partition);
            let size = slots.entry(slot).or_default();
            columns.places.push(*size);
            *size += 1;
        }
        let numbers: BTreeMap<(&'static str, i32), i64> =
            slots.keys().copied().zip(1_i64..).collect();
        for ((topic, partition), size) in slots {
            columns.topics.push(topic);
            columns.partitions.push(partition);
            columns.sizes.push(size);
        }
        for entry in entries {
            let slot = (entry.record.topic.name(), entry.partition);
            columns.slots.push(numbers.get(&slot).copied().unwrap_or_default());
            columns.keys.push(storable(&entry.record.key));
            columns.headers.push(headers_to_column(&entry.record.headers));
            columns.payloads.push(entry.record.payload.as_ref());
        }
        columns
    }
}

/// Locks the partitions in sorted order (any other order deadlocks two writers),
/// moves their counters on and inserts, in one statement and so in one transaction
/// of its own: nobody waits for a partition longer than this takes.
pub(super) async fn insert(
    connection: &mut PgConnection,
    entries: &[&Entry],
) -> Result<u64, sqlx::Error> {
    let columns = Columns::of(entries);
    let inserted = sqlx::query(
        r#"with wanted as materialized (
             select * from unnest($1::text[], $2::integer[], $3::bigint[])
               with ordinality as w(topic, partition, records, slot)),
           locked as materialized (
             select p.topic, p.partition, w.records, w.slot
             from queue_partitions p join wanted w using (topic, partition)
             order by w.slot for no key update of p),
           taken as (
             update queue_partitions p set next_offset = p.next_offset + l.records
             from locked l where p.topic = l.topic and p.partition = l.partition
             returning p.topic, p.partition, l.slot, p.next_offset - l.records as first)
           insert into message_queue (topic, partition, "offset", key, headers, payload)
           select t.topic, t.partition, t.first + r.place, r.key, r.headers, r.payload
           from unnest($4::bigint[], $5::bigint[], $6::text[], $7::jsonb[], $8::bytea[])
             as r(slot, place, key, headers, payload)
           join taken t using (slot)"#,
    )
    .bind(columns.topics)
    .bind(columns.partitions)
    .bind(columns.sizes)
    .bind(columns.slots)
    .bind(columns.places)
    .bind(columns.keys)
    .bind(columns.headers)
    .bind(columns.payloads)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}
