//! What a load has left in the tables, for a harness that knows what it sent.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::Error;

/// A customer's message as it is stored.
#[derive(Debug, Clone, FromRow)]
pub struct StoredMessage {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub seq: i64,
    pub channel: String,
    pub body: String,
    pub outcome: Option<String>,
    /// Whose the conversation is: agent or person.
    pub owner: String,
    pub status: String,
}

/// Every customer's message, in the order of each conversation.
pub async fn messages(pool: &PgPool) -> Result<Vec<StoredMessage>, Error> {
    let messages = sqlx::query_as(
        "select m.id, m.conversation_id, m.seq, m.channel, m.body, m.outcome, c.owner, c.status
         from messages m join conversations c on c.id = m.conversation_id
         order by m.conversation_id, m.seq",
    )
    .fetch_all(pool)
    .await?;
    Ok(messages)
}

/// The conversation of the message whose text holds this; `None` while it is not stored.
pub async fn conversation_of(pool: &PgPool, text: &str) -> Result<Option<Uuid>, Error> {
    let found = sqlx::query_scalar(
        "select conversation_id from messages where position($1 in body) > 0 limit 1",
    )
    .bind(text)
    .fetch_optional(pool)
    .await?;
    Ok(found)
}

/// The database's time now.
pub async fn now(pool: &PgPool) -> Result<DateTime<Utc>, Error> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await?)
}

/// When the pipeline flowed again after each instant: the first turn or acceptance of a
/// delivery for a message that was stored after it.
pub async fn flow_after(
    pool: &PgPool,
    instants: &[DateTime<Utc>],
) -> Result<Vec<Option<DateTime<Utc>>>, Error> {
    let flows = sqlx::query_scalar(
        "select (select min(d.accepted_at) from messages m
             join deliveries d on d.conversation_id = m.conversation_id
                 and m.seq between d.first_seq and d.last_seq
             where m.stored_at > at and d.accepted_at > at)
         from unnest($1::timestamptz[]) with ordinality as fault (at, place) order by place",
    )
    .bind(instants)
    .fetch_all(pool)
    .await?;
    Ok(flows)
}

/// Deliveries and outbox entries that still wait: pending, being sent, or unpublished.
pub async fn open_work(pool: &PgPool) -> Result<i64, Error> {
    let open = sqlx::query_scalar(
        "select (select count(*) from deliveries
             where state in ('pending', 'sending') and awaits_inbound_after is null)
         + (select count(*) from outbox)",
    )
    .fetch_one(pool)
    .await?;
    Ok(open)
}

/// Holds the newest conversations' rows locked for a while, as a slow transaction would.
pub async fn hold_locks(pool: &PgPool, rows: i64, hold: Duration) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select id from conversations where id in
             (select id from conversations order by updated_at desc limit $1)
         order by id for update skip locked",
    )
    .bind(rows)
    .fetch_all(&mut *tx)
    .await?;
    tracing::info!(locks = ids.len(), "holding conversations");
    sqlx::query("select pg_sleep($1)").bind(hold.as_secs_f64()).execute(&mut *tx).await?;
    tx.rollback().await?;
    Ok(())
}

/// Holds one conversation's row locked for a while, as a writer does; nothing where there
/// is none.
pub async fn hold_conversation(pool: &PgPool, id: Uuid, hold: Duration) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("select id from conversations where id = $1 for no key update")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    sqlx::query("select pg_sleep($1)").bind(hold.as_secs_f64()).execute(&mut *tx).await?;
    tx.rollback().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn what_a_load_left_is_read_back(pool: PgPool) {
        sqlx::raw_sql(
            "insert into customers (id, name) values ('00000000-0000-0000-0000-000000000001', 'x');
             insert into conversations (id, channel, thread_key, customer_id, identity_level, last_seq, handled_seq)
             values ('00000000-0000-0000-0000-000000000002', 'whatsapp', 'k',
                 '00000000-0000-0000-0000-000000000001', 'self_asserted', 1, 1);
             insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at, outcome)
             values (gen_random_uuid(), '00000000-0000-0000-0000-000000000002', 1, 'whatsapp', 'p',
                 'hello [t1x2]', now(), 'answered');
             insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
                 first_seq, last_seq, body, state, accepted_at)
             select gen_random_uuid(), id, 'whatsapp', gen_random_uuid(), 0, 'agent', 0, 1, 1, 'x',
                 'accepted', now() + interval '2 seconds' from conversations;",
        )
        .execute(&pool)
        .await
        .unwrap();
        let now = now(&pool).await.unwrap();

        let instants = [now - TimeDelta::minutes(1), now + TimeDelta::minutes(1)];
        let flows = flow_after(&pool, &instants).await.unwrap();
        hold_locks(&pool, 5, Duration::ZERO).await.unwrap();

        assert!(matches!(flows[..], [Some(_), None]));
        assert_eq!(messages(&pool).await.unwrap().len(), 1);
        assert!(conversation_of(&pool, "[t1x2]").await.unwrap().is_some());
        assert!(conversation_of(&pool, "[t1x3]").await.unwrap().is_none());
        assert_eq!(open_work(&pool).await.unwrap(), 0);
    }
}
