//! Questions for which the knowledge base had too little.

use chrono::{DateTime, Utc};
use contract::ConversationId;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;

/// A question and the best that was found for it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Gap {
    pub question: String,
    /// 0 where nothing was found.
    pub relevance: f64,
    pub at: DateTime<Utc>,
}

/// How long a question is kept: long enough to write an article in.
const KEPT_DAYS: i32 = 90;

/// Writes a gap down, once for the turn.
pub async fn note_gap(
    executor: impl PgExecutor<'_>,
    turn: Uuid,
    conversation: ConversationId,
    question: &str,
    relevance: f64,
) -> Result<(), Error> {
    sqlx::query(
        "insert into knowledge_gaps (turn_id, conversation_id, question, relevance)
         values ($1, $2, left($3, 500), $4)
         on conflict on constraint knowledge_gaps_pkey do nothing",
    )
    .bind(turn)
    .bind(Uuid::from(conversation))
    .bind(question)
    .bind(relevance)
    .execute(executor)
    .await?;
    Ok(())
}

/// The newest gaps, the newest first.
pub async fn gaps(executor: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Gap>, Error> {
    let gaps = sqlx::query_as(
        "select question, relevance, at from knowledge_gaps order by at desc, turn_id limit $1",
    )
    .bind(limit)
    .fetch_all(executor)
    .await?;
    Ok(gaps)
}

/// Removes the gaps that are older than they are kept; returns how many.
pub async fn forget_gaps(executor: impl PgExecutor<'_>) -> Result<u64, Error> {
    let done =
        sqlx::query("delete from knowledge_gaps where at < app_now() - make_interval(days => $1)")
            .bind(KEPT_DAYS)
            .execute(executor)
            .await?;
    Ok(done.rows_affected())
}
