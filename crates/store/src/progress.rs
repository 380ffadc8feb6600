//! How far the pipeline is: for benchmarks and end-to-end checks.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::Error;

/// Counts since an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Progress {
    /// Customer messages stored.
    pub stored: i64,
    /// Of these, with an outcome.
    pub handled: i64,
    /// Of these, without an outcome because a person is to answer.
    pub with_person: i64,
    /// Conversations whose first reply stands.
    pub answered: i64,
}

/// What happened to messages sent since then.
pub async fn since(pool: &PgPool, start: DateTime<Utc>) -> Result<Progress, Error> {
    let progress = sqlx::query_as(
        "select count(*) as stored,
             count(m.outcome) as handled,
             count(*) filter (where m.outcome is null and c.owner = 'person') as with_person,
             count(distinct c.id) filter (where c.first_reply_at is not null) as answered
         from messages m join conversations c on c.id = m.conversation_id
         where m.sent_at >= $1",
    )
    .bind(start)
    .fetch_one(pool)
    .await?;
    Ok(progress)
}

/// Microseconds from each conversation's first message, as its sender sent it, to
/// its first stored reply, sorted; conversations begun in the span only.
pub async fn answer_latencies_us(
    pool: &PgPool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<i64>, Error> {
    let latencies = sqlx::query_scalar(
        "select (extract(epoch from c.first_reply_at - m.sent_at) * 1000000)::bigint as latency
         from messages m join conversations c on c.id = m.conversation_id
         where m.seq = 1 and m.sent_at >= $1 and m.sent_at < $2 and c.first_reply_at is not null
         order by 1",
    )
    .bind(from)
    .bind(to)
    .fetch_all(pool)
    .await?;
    Ok(latencies)
}

/// Microseconds from each customer's message of a channel, as its sender sent it, to the
/// acceptance of its first reply at the outlet, sorted; `None`, at the end, where no reply
/// was accepted. Messages sent in the span only, and none whose text holds `except`.
pub async fn reply_latencies_us(
    pool: &PgPool,
    channel: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    except: &str,
) -> Result<Vec<Option<i64>>, Error> {
    let latencies = sqlx::query_scalar(
        "select (extract(epoch from min(d.accepted_at) - m.sent_at) * 1000000)::bigint as latency
         from messages m left join deliveries d on d.conversation_id = m.conversation_id
             and d.outlet = m.channel and m.seq between d.first_seq and d.last_seq
         where m.channel = $1 and m.sent_at >= $2 and m.sent_at < $3
             and position($4 in m.body) = 0
         group by m.id, m.sent_at order by 1 nulls last",
    )
    .bind(channel)
    .bind(from)
    .bind(to)
    .bind(except)
    .fetch_all(pool)
    .await?;
    Ok(latencies)
}

/// Rows of the tables through which work passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    pub outbox: i64,
    /// Deliveries that are pending or being sent.
    pub deliveries: i64,
    pub due_turns: i64,
}

/// How much waits now.
pub async fn waiting(pool: &PgPool) -> Result<Waiting, Error> {
    let waiting = sqlx::query_as(
        "select (select count(*) from outbox) as outbox,
             (select count(*) from deliveries where state in ('pending', 'sending')) as deliveries,
             (select count(*) from due_turns) as due_turns",
    )
    .fetch_one(pool)
    .await?;
    Ok(waiting)
}

/// Turns committed since an instant.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub struct Turns {
    pub turns: i64,
    /// Mean time of a turn, in microseconds.
    pub mean_us: f64,
    /// Turns that do not begin with the message after the one before them.
    pub out_of_order: i64,
}

/// How long turns took, and whether each conversation's were in the order of its messages.
pub async fn turns(pool: &PgPool, from: DateTime<Utc>) -> Result<Turns, Error> {
    let turns = sqlx::query_as(
        "select count(*) as turns, coalesce(avg(duration_us), 0)::float8 as mean_us,
             count(*) filter (where first_seq <> coalesce(previous, 0) + 1) as out_of_order
         from (select created_at, duration_us, first_seq,
                   lag(last_seq) over (partition by conversation_id order by created_at) as previous
               from turns) t
         where created_at >= $1",
    )
    .bind(from)
    .fetch_one(pool)
    .await?;
    Ok(turns)
}

/// Transactions committed in this database so far; includes this one's past.
pub async fn commits(pool: &PgPool) -> Result<i64, Error> {
    let commits = sqlx::query_scalar(
        "select xact_commit from pg_stat_database where datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    Ok(commits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn counts_and_latencies_come_from_the_rows(pool: PgPool) {
        sqlx::raw_sql(
            "insert into customers (id, name) values ('00000000-0000-0000-0000-000000000001', 'x');
             insert into conversations (id, channel, thread_key, customer_id, identity_level, last_seq, first_reply_at)
             select gen_random_uuid(), 'web_form', n::text, '00000000-0000-0000-0000-000000000001',
                 'self_asserted', 1, case when n <= 2 then timestamptz '2026-01-05 10:00:00.250+00' end
             from generate_series(1, 3) n;
             insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at, outcome)
             select gen_random_uuid(), id, 1, 'web_form', thread_key, 'x', timestamptz '2026-01-05 10:00:00+00',
                 case when first_reply_at is not null then 'answered' end
             from conversations;",
        )
        .execute(&pool)
        .await
        .unwrap();
        let start: DateTime<Utc> = "2026-01-05T10:00:00Z".parse().unwrap();

        let progress = since(&pool, start).await.unwrap();
        let latencies =
            answer_latencies_us(&pool, start, start + chrono::TimeDelta::seconds(1)).await.unwrap();

        sqlx::raw_sql(
            "insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
                 first_seq, last_seq, body, state, accepted_at)
             select gen_random_uuid(), id, 'web_form', gen_random_uuid(), part, 'agent', 0, 1, 1, 'x',
                 'accepted', timestamptz '2026-01-05 10:00:00.5+00' + part * interval '1 s'
             from conversations, generate_series(0, 1) part where thread_key < '3';
             update messages set body = 'disturbs' where provider_id = '2';
             update conversations set owner = 'person' where thread_key in ('2', '3');",
        )
        .execute(&pool)
        .await
        .unwrap();
        let end = start + chrono::TimeDelta::seconds(1);
        let replies = reply_latencies_us(&pool, "web_form", start, end, "disturb").await.unwrap();

        assert_eq!(replies, [Some(500_000), None]);
        let waiting = waiting(&pool).await.unwrap();
        assert_eq!(waiting, Waiting { outbox: 0, deliveries: 0, due_turns: 0 });
        assert_eq!(progress, Progress { stored: 3, handled: 2, with_person: 0, answered: 2 });
        assert_eq!(since(&pool, start).await.unwrap().with_person, 1);
        assert_eq!(latencies, [250_000, 250_000]);
        assert_eq!(since(&pool, start + chrono::TimeDelta::seconds(1)).await.unwrap().stored, 0);
    }
    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_turn_that_leaves_messages_out_or_goes_back_is_out_of_order(pool: PgPool) {
        sqlx::raw_sql(
            "insert into customers (id, name) values ('00000000-0000-0000-0000-000000000001', 'x');
             insert into conversations (id, channel, thread_key, customer_id, identity_level)
             select ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'web_form', n::text,
                 '00000000-0000-0000-0000-000000000001', 'self_asserted'
             from generate_series(1, 2) n;
             insert into turns (id, conversation_id, owner_epoch, first_seq, last_seq, model,
                 policy_hash, log, outcome, duration_us, created_at)
             select gen_random_uuid(), ('00000000-0000-0000-0000-00000000000' || c)::uuid, 0,
                 first, last, 'm', 'h', '{}', 'answered', 1000, timestamptz '2026-01-05 10:00Z'
                 + at * interval '1 s'
             from (values (1, 1, 2, 0), (1, 3, 3, 1), (2, 1, 1, 0), (2, 3, 3, 1), (2, 2, 2, 2))
                 t (c, first, last, at);",
        )
        .execute(&pool)
        .await
        .unwrap();

        let turns = turns(&pool, "2026-01-05T10:00:00Z".parse().unwrap()).await.unwrap();

        assert_eq!(turns, Turns { turns: 5, mean_us: 1000.0, out_of_order: 2 });
    }
}
