//! What health checks and alerts ask the database.

use chrono::{DateTime, Utc};
use contract::Channel;
use sqlx::{FromRow, PgPool};

use crate::Error;
use crate::people::GIVEN_BACK;

/// One channel as the health check shows it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct ChannelHealth {
    #[sqlx(try_from = "String")]
    pub channel: Channel,
    pub enabled: bool,
    /// When the newest counted message came in; behind by as much as metrics lags.
    pub last_inbound: Option<DateTime<Utc>>,
}

/// Every channel, whether it is enabled and when a message last came in.
///
/// Read from the rollups, whose key leads to the newest row at once: the messages
/// themselves have no index by time, and the hot path pays for every index.
pub async fn channels(pool: &PgPool) -> Result<Vec<ChannelHealth>, Error> {
    let channels = sqlx::query_as(
        "select c.channel, c.enabled, newest.last_received_at as last_inbound
         from channel_configs c
         left join lateral (
             select a.last_received_at from agent_metrics a
             where a.channel = c.channel and a.last_received_at is not null
             order by a.minute desc, a.last_received_at desc limit 1) as newest on true
         order by c.channel",
    )
    .fetch_all(pool)
    .await?;
    Ok(channels)
}

/// The database's clock for what people see.
pub async fn now(pool: &PgPool) -> Result<DateTime<Utc>, Error> {
    Ok(sqlx::query_scalar("select app_now()").fetch_one(pool).await?)
}

/// Open conversations in which a message waits longer than was promised.
///
/// The promise of a follow-up is the ticket's, counted anew. What was handed over
/// waits until a person has written after it.
pub async fn overdue_conversations(pool: &PgPool) -> Result<i64, Error> {
    let overdue = sqlx::query_scalar(
        "select count(distinct c.id)
         from conversations c
         join tickets t on t.conversation_id = c.id and not t.is_alias
         join messages m on m.conversation_id = c.id
         where c.status = 'open' and (c.handled_seq < c.last_seq or c.owner = 'person')
           and (m.outcome is null or m.outcome = 'handed_over')
           and m.stored_at + (t.respond_by - t.created_at) < app_now()
           and not exists (
               select from deliveries d
               where d.conversation_id = c.id and d.author = 'person'
                 and d.state not in ('cancelled', 'failed') and d.created_at >= m.stored_at)",
    )
    .fetch_one(pool)
    .await?;
    Ok(overdue)
}

/// Deliveries of which nobody knows whether the provider has them.
pub async fn sends_in_doubt(pool: &PgPool) -> Result<i64, Error> {
    let in_doubt =
        sqlx::query_scalar("select count(*) from deliveries where state = 'outcome_unknown'")
            .fetch_one(pool)
            .await?;
    Ok(in_doubt)
}

/// Conversations whose turn failed and waits for its next try.
pub async fn failing_turns(pool: &PgPool) -> Result<i64, Error> {
    let failing = sqlx::query_scalar("select count(*) from due_turns where reason <> $1")
        .bind(GIVEN_BACK)
        .fetch_one(pool)
        .await?;
    Ok(failing)
}
