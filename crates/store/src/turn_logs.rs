//! Turns as they were decided, for people who want to know why.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;

/// A turn with its decision log.
#[derive(Debug, Clone, FromRow)]
pub struct StoredTurn {
    pub id: Uuid,
    pub ticket_ref: String,
    pub created_at: DateTime<Utc>,
    pub model: String,
    pub outcome: String,
    pub log: Value,
    pub prompt_tokens: i32,
    pub completion_tokens: i32,
    pub cost_micro_usd: Option<i64>,
    pub duration_us: i64,
}

/// The turns of a name, the oldest first: a turn's own id, a conversation's, or a
/// ticket's ref.
pub async fn find(executor: impl PgExecutor<'_>, name: &str) -> Result<Vec<StoredTurn>, Error> {
    let id = Uuid::parse_str(name).ok();
    let turns = sqlx::query_as(
        "select turns.id, ticket.ref as ticket_ref, turns.created_at, model, outcome, log,
             prompt_tokens, completion_tokens, cost_micro_usd, duration_us
         from turns join tickets ticket on ticket.conversation_id = turns.conversation_id
             and not ticket.is_alias
         where turns.id = $1 or turns.conversation_id = $1 or turns.conversation_id =
             (select conversation_id from tickets where ref = $2)
         order by turns.created_at, turns.id",
    )
    .bind(id)
    .bind(name)
    .fetch_all(executor)
    .await?;
    Ok(turns)
}

/// The next turns since a time, the oldest first, after one that was read already.
pub async fn since(
    executor: impl PgExecutor<'_>,
    since: DateTime<Utc>,
    after: Option<(DateTime<Utc>, Uuid)>,
    most: i64,
) -> Result<Vec<StoredTurn>, Error> {
    let (at, id) = after.unwrap_or((since, Uuid::nil()));
    let turns = sqlx::query_as(
        "select turns.id, ticket.ref as ticket_ref, turns.created_at, model, outcome, log,
             prompt_tokens, completion_tokens, cost_micro_usd, duration_us
         from turns join tickets ticket on ticket.conversation_id = turns.conversation_id
             and not ticket.is_alias
         where (turns.created_at, turns.id) > ($1, $2)
         order by turns.created_at, turns.id limit $3",
    )
    .bind(at)
    .bind(id)
    .bind(most)
    .fetch_all(executor)
    .await?;
    Ok(turns)
}
