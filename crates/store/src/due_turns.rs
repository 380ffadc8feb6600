//! Turns that wait for a time, and conversations in which nothing waits any more.

use contract::{Channel, ConversationId};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::Error;

/// A conversation whose turn is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTurn {
    pub conversation_id: ConversationId,
    pub channel: Channel,
    pub seq: u64,
}

/// Most due turns that one look wakes; the rest is woken by the next.
const MOST_DUE: i64 = 1_000;

/// Turns whose time has come. Rows stay until the turn that covers them; those that
/// are covered already, by a person's reply, leave here.
pub async fn due(executor: impl PgExecutor<'_>) -> Result<Vec<DueTurn>, Error> {
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "with covered as (
             delete from due_turns d using conversations c
             where c.id = d.conversation_id and (d.seq <= c.handled_seq or c.status = 'closed')
         )
         select d.conversation_id, c.channel, d.seq
         from due_turns d join conversations c on c.id = d.conversation_id
         where d.due_at <= app_now() and d.seq > c.handled_seq and c.owner = 'agent'
             and c.status <> 'closed'
         order by d.due_at, d.conversation_id limit $1",
    )
    .bind(MOST_DUE)
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|(id, channel, seq)| {
            let channel = channel.parse().map_err(Error::row)?;
            Ok(DueTurn { conversation_id: id.into(), channel, seq: seq.unsigned_abs() })
        })
        .collect()
}

/// Resolves conversations that the agent has, with nothing open for 72 hours. Returns
/// how many.
pub async fn resolve_idle(executor: impl PgExecutor<'_>) -> Result<u64, Error> {
    let done = sqlx::query(
        "update conversations set status = 'resolved', updated_at = app_now()
         where id in (
             select c.id from conversations c
             where c.status = 'open' and c.owner = 'agent' and c.handled_seq = c.last_seq
                 and c.updated_at < app_now() - interval '72 hours'
                 and not exists (select from outbox o where o.conversation_id = c.id)
                 and not exists (select from deliveries d where d.conversation_id = c.id
                     and d.state in ('pending', 'sending', 'outcome_unknown'))
             order by c.id limit 1000 for no key update skip locked)",
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
