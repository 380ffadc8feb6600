//! How far one web ticket's first message came through the pipeline.

use chrono::{DateTime, Utc};
use contract::ConversationId;
use sqlx::{FromRow, PgPool};

use crate::Error;

/// When each stage was done; `None` for one not reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Stages {
    pub stored_at: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    pub turn_at: Option<DateTime<Utc>>,
    pub dispatched_at: Option<DateTime<Utc>>,
}

impl Stages {
    /// Whether nothing more will come: an answer stands, or none is due.
    pub fn is_complete(&self) -> bool {
        self.dispatched_at.is_some() || self.outcome.as_deref() == Some("no_answer")
    }
}

/// The stages of a conversation's first message.
pub async fn stages(pool: &PgPool, id: ConversationId) -> Result<Stages, Error> {
    let stages: Option<Stages> = sqlx::query_as(
        "select m.stored_at, m.outcome, t.created_at as turn_at,
                (select min(d.accepted_at) from deliveries d
                 where d.conversation_id = m.conversation_id and d.outlet <> 'hand_off')
                    as dispatched_at
         from messages m left join turns t on t.id = m.turn_id
         where m.conversation_id = $1 and m.seq = 1",
    )
    .bind(id.as_uuid())
    .fetch_optional(pool)
    .await?;
    Ok(stages.unwrap_or_default())
}
