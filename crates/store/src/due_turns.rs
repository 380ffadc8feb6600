//! Turns that wait for a time, and conversations in which nothing waits any more.

use std::time::Duration;

use contract::{Channel, ConversationId};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::Error;
use crate::bind::number;

/// A conversation whose turn is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTurn {
    pub conversation_id: ConversationId,
    pub channel: Channel,
    pub seq: u64,
}

/// Most due turns that one look wakes; the rest is woken by the next.
const MOST_DUE: i64 = 1_000;

/// Turns whose time has come; each is due again in a minute, so that one that is lost
/// is woken again. Rows stay until the turn that covers them; those that are covered
/// already, by a person's reply, leave here.
pub async fn due(executor: impl PgExecutor<'_>) -> Result<Vec<DueTurn>, Error> {
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "with covered as (
             delete from due_turns d using conversations c
             where c.id = d.conversation_id and (d.seq <= c.handled_seq or c.status = 'closed')
         ), due as materialized (
             select d.conversation_id, c.channel
             from due_turns d join conversations c on c.id = d.conversation_id
             where d.due_at <= app_now() and d.seq > c.handled_seq and c.owner = 'agent'
                 and c.status <> 'closed'
             order by d.due_at, d.conversation_id limit $1
             for update of d skip locked
         )
         update due_turns d set due_at = app_now() + interval '1 minute'
         from due where d.conversation_id = due.conversation_id
         returning d.conversation_id, due.channel, d.seq",
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

/// A turn that cannot be decided now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub conversation_id: ConversationId,
    /// The newest message that waits.
    pub seq: u64,
    /// What whoever refused has asked for.
    pub at_least: Duration,
    /// When something else is due than another attempt.
    pub at_most: Duration,
}

/// How long a turn waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How often it has been tried in vain.
    pub attempts: u32,
    pub wait: Duration,
    /// Whether the row wakes it; else the event itself is to wait.
    pub is_kept_by_row: bool,
}

/// Waits up to this long are the event's own.
const OF_THE_EVENT: Duration = Duration::from_secs(10);

/// Lets a turn wait, longer with each attempt: 5 seconds to a minute. `None` when there
/// is nothing to wait for any more. The row stands in either case, so that no crash
/// loses the turn or forgets its attempts.
pub async fn wait(executor: impl PgExecutor<'_>, wait: Wait) -> Result<Option<Waiting>, Error> {
    let row: Option<(i32, f64)> = sqlx::query_as(
        "with waiting as (
             select c.id, coalesce(d.attempts, 0) + 1 as attempts,
                 least(greatest(5 * 2 ^ least(coalesce(d.attempts, 0), 4), $3), 60,
                     greatest($4, 1)) as seconds
             from conversations c left join due_turns d on d.conversation_id = c.id
             where c.id = $1 and c.owner = 'agent' and c.status <> 'closed' and c.handled_seq < $2
         ), row as (
             insert into due_turns (conversation_id, seq, due_at, reason, attempts)
             select id, $2, app_now() + make_interval(
                 secs => case when seconds <= $5 then 60 else seconds end), 'model', attempts
             from waiting
             on conflict on constraint due_turns_pkey do update
             set seq = greatest(due_turns.seq, excluded.seq), due_at = excluded.due_at,
                 reason = excluded.reason, attempts = excluded.attempts
         )
         select attempts, seconds from waiting",
    )
    .bind(Uuid::from(wait.conversation_id))
    .bind(number(wait.seq))
    .bind(wait.at_least.as_secs_f64())
    .bind(wait.at_most.as_secs_f64())
    .bind(OF_THE_EVENT.as_secs_f64())
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|(attempts, seconds)| {
        // Between one second and sixty by the statement.
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(OF_THE_EVENT);
        Waiting { attempts: attempts.unsigned_abs(), wait, is_kept_by_row: wait > OF_THE_EVENT }
    }))
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
