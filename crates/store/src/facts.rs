//! Metric facts, each counted once, and their rollups by minute, channel and log
//! partition. What a fact counts as is decided by the caller.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::{Channel, Fact, MetricFact};
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::Error;

/// Days that facts count. A fact that arrives later is ignored: its row, which
/// would show a repetition, may be gone.
pub const FACT_DAYS: i32 = 30;

/// Days that rollups are kept.
pub const ROLLUP_DAYS: i32 = 400;

/// What one fact adds to the rollup of its minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub received: i64,
    pub answered: i64,
    pub no_answer: i64,
    pub turns: i64,
    /// Conversations that had their first outcome.
    pub with_outcome: i64,
    /// Conversations that were handed over for the first time.
    pub escalated: i64,
    pub failed_sends: i64,
    pub duplicates: i64,
    /// A turn's mood in thousandths.
    pub sentiment_milli: Option<i64>,
    /// Latency bucket of a first reply, counted from 1.
    pub first_reply_bucket: Option<i32>,
}

/// A fact as it came off the topic.
#[derive(Debug, Clone, Copy)]
pub struct NewFact<'a> {
    pub fact: &'a MetricFact,
    pub log_partition: i32,
    pub counts: Counts,
}

/// Stores the facts that are new and rolls up those only; returns how many they were.
///
/// One statement, so that a fact and its count are committed together or not at
/// all. Facts are locked in the order of their key, then rollups in the order of
/// theirs: two batches with the same facts wait for each other and do not deadlock.
pub async fn record(pool: &PgPool, facts: &[NewFact<'_>]) -> Result<u64, Error> {
    let event_ids: Vec<Uuid> = each(facts, |f| f.fact.meta.event_id.as_uuid());
    let partitions: Vec<i32> = each(facts, |f| f.log_partition);
    let channels: Vec<&str> = each(facts, |f| f.fact.channel.as_str());
    let kinds: Vec<&str> = each(facts, |f| f.fact.fact.kind());
    let conversations: Vec<Option<Uuid>> =
        each(facts, |f| f.fact.conversation_id.map(|id| id.as_uuid()));
    let times: Vec<DateTime<Utc>> = each(facts, |f| f.fact.meta.event_time);
    let bodies: Vec<Json<&Fact>> = each(facts, |f| Json(&f.fact.fact));
    let new: i64 = sqlx::query_scalar(RECORD)
        .bind(event_ids)
        .bind(partitions)
        .bind(channels)
        .bind(kinds)
        .bind(conversations)
        .bind(times)
        .bind(bodies)
        .bind(each(facts, |f| f.counts.received))
        .bind(each(facts, |f| f.counts.answered))
        .bind(each(facts, |f| f.counts.no_answer))
        .bind(each(facts, |f| f.counts.with_outcome))
        .bind(each(facts, |f| f.counts.escalated))
        .bind(each(facts, |f| f.counts.failed_sends))
        .bind(each(facts, |f| f.counts.duplicates))
        .bind(each(facts, |f| f.counts.first_reply_bucket))
        .bind(each(facts, |f| f.counts.turns))
        .bind(FACT_DAYS)
        .bind(each(facts, |f| f.counts.sentiment_milli))
        .fetch_one(pool)
        .await?;
    Ok(new.unsigned_abs())
}

fn each<'a, T>(facts: &[NewFact<'a>], value: impl Fn(&NewFact<'a>) -> T) -> Vec<T> {
    facts.iter().map(value).collect()
}

/// Histograms are arrays up to the highest bucket in use: a quiet minute's row
/// stays small, and two lengths add up as if the shorter ended in zeros.
const RECORD: &str = "\
with given as (
    select distinct on (event_id) *
    from unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[],
                $7::jsonb[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
                $12::bigint[], $13::bigint[], $14::bigint[], $15::int[], $16::bigint[],
                $18::bigint[])
        as f(event_id, log_partition, channel, kind, conversation_id, event_time, fact, received,
             answered, no_answer, with_outcome, escalated, failed_sends, duplicates, bucket, turns,
             mood)
    where event_time >= app_now() - make_interval(days => $17)
    order by event_id
), inserted as (
    insert into metric_facts
        (event_day, event_id, log_partition, channel, kind, conversation_id, event_time, fact)
    select (event_time at time zone 'utc')::date, event_id, log_partition, channel, kind,
           conversation_id, event_time, fact
    from given
    order by 1, 2
    on conflict on constraint metric_facts_pkey do nothing
    returning event_id
), fresh as (
    select date_trunc('minute', g.event_time, 'utc') as minute, g.*
    from inserted i join given g using (event_id)
), buckets as (
    select minute, channel, log_partition, bucket, count(*) as replies
    from fresh where bucket is not null
    group by minute, channel, log_partition, bucket
), sums as (
    select minute, channel, log_partition,
           sum(received) as received, sum(answered) as answered, sum(no_answer) as no_answer,
           sum(turns) as turns,
           sum(with_outcome) as with_outcome, sum(escalated) as escalated,
           sum(failed_sends) as failed_sends, sum(duplicates) as duplicates,
           count(mood) as moods, coalesce(sum(mood), 0) as mood,
           max(bucket) as last_bucket,
           max(event_time) filter (where received > 0) as last_received_at
    from fresh group by minute, channel, log_partition
), rolled as (
    insert into agent_metrics as a
        (minute, channel, log_partition, received, answered, no_answer, turns, with_outcome,
         escalated, failed_sends, duplicates, sentiment_count, sentiment_sum_milli,
         first_replies, last_received_at)
    select s.minute, s.channel, s.log_partition, s.received, s.answered, s.no_answer, s.turns,
           s.with_outcome, s.escalated, s.failed_sends, s.duplicates, s.moods, s.mood,
           array(select coalesce(b.replies, 0)
                 from generate_series(1, s.last_bucket) as n
                 left join buckets b on (b.minute, b.channel, b.log_partition, b.bucket)
                     = (s.minute, s.channel, s.log_partition, n)
                 order by n),
           s.last_received_at
    from sums s
    order by s.channel, s.minute, s.log_partition
    on conflict on constraint agent_metrics_pkey do update set
        received = a.received + excluded.received,
        answered = a.answered + excluded.answered,
        no_answer = a.no_answer + excluded.no_answer,
        turns = a.turns + excluded.turns,
        with_outcome = a.with_outcome + excluded.with_outcome,
        escalated = a.escalated + excluded.escalated,
        failed_sends = a.failed_sends + excluded.failed_sends,
        duplicates = a.duplicates + excluded.duplicates,
        sentiment_count = a.sentiment_count + excluded.sentiment_count,
        sentiment_sum_milli = a.sentiment_sum_milli + excluded.sentiment_sum_milli,
        first_replies = array(
            select coalesce(older, 0) + coalesce(newer, 0)
            from unnest(a.first_replies, excluded.first_replies)
                with ordinality as b(older, newer, n)
            order by n),
        last_received_at = greatest(a.last_received_at, excluded.last_received_at)
)
select count(*) from inserted";

/// The sums of one channel over a window.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct ChannelSums {
    #[sqlx(try_from = "String")]
    pub channel: Channel,
    pub received: i64,
    pub answered: i64,
    pub turns: i64,
    pub with_outcome: i64,
    pub escalated: i64,
    pub failed_sends: i64,
    pub sentiment_count: i64,
    pub sentiment_sum_milli: i64,
    /// First replies by latency bucket; buckets beyond the end are empty.
    pub first_replies: Vec<i64>,
}

/// The sums of the channels that had any fact in the last `window`, which is
/// widened to whole minutes.
pub async fn sums(pool: &PgPool, window: Duration) -> Result<Vec<ChannelSums>, Error> {
    // Read twice rather than kept: a month of rollups would go through a temporary file.
    let sums = sqlx::query_as(
        "with given as not materialized (
             select * from agent_metrics
             where channel in ('email', 'whatsapp', 'web_form')
               and minute >= date_trunc('minute', app_now() - make_interval(secs => $1), 'utc')
         ), buckets as (
             select channel, n, sum(replies)::bigint as replies
             from given, unnest(first_replies) with ordinality as b(replies, n)
             group by channel, n
         )
         select channel, sum(received)::bigint as received, sum(answered)::bigint as answered,
                sum(turns)::bigint as turns,
                sum(with_outcome)::bigint as with_outcome, sum(escalated)::bigint as escalated,
                sum(failed_sends)::bigint as failed_sends,
                sum(sentiment_count)::bigint as sentiment_count,
                sum(sentiment_sum_milli)::bigint as sentiment_sum_milli,
                array(select replies from buckets b where b.channel = given.channel order by n)
                    as first_replies
         from given group by channel",
    )
    .bind(window.as_secs_f64())
    .fetch_all(pool)
    .await?;
    Ok(sums)
}

/// Deletes up to `limit` facts that no longer count; returns how many there were.
pub async fn delete_old_facts(pool: &PgPool, limit: i64) -> Result<u64, Error> {
    let deleted = sqlx::query(
        "delete from metric_facts where (event_day, event_id) in (
             select event_day, event_id from metric_facts
             where event_day < ((app_now() - make_interval(days => $1)) at time zone 'utc')::date
             limit $2)",
    )
    .bind(FACT_DAYS)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// Deletes up to `limit` rollups past their time; returns how many there were.
pub async fn delete_old_rollups(pool: &PgPool, limit: i64) -> Result<u64, Error> {
    let deleted = sqlx::query(
        "delete from agent_metrics where (channel, minute, log_partition) in (
             select channel, minute, log_partition from agent_metrics
             where channel in ('email', 'whatsapp', 'web_form')
               and minute < app_now() - make_interval(days => $1)
             limit $2)",
    )
    .bind(ROLLUP_DAYS)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}
