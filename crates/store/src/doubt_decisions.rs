//! Sends of which nobody knows whether they arrived, and what a person decides about
//! them: sent, or send again. Each decision in one transaction of the caller's, and only
//! while the doubt stands.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::{ConversationId, DeliveryId};
use serde_json::json;
use sqlx::{Acquire as _, FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::deliveries::{self, Ending};
use crate::people::{OperatorName, SERVICE};
use crate::{Error, audit, delivery_receipts};

/// After how long a person is asked about a send whose outcome is unknown.
pub const ASK_AFTER: Duration = Duration::from_secs(600);

const UNKNOWN: &str = "outcome_unknown";

/// A send in doubt as a person sees it.
#[derive(Debug, Clone, FromRow)]
pub struct OpenDoubt {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub ticket_ref: Option<String>,
    pub outlet: String,
    pub author: String,
    pub part: i32,
    /// The beginning of the text.
    pub excerpt: String,
    /// Why it is in doubt.
    pub reason: Option<String>,
    pub since: DateTime<Utc>,
    /// Whether it has been in doubt for so long that a person is asked.
    pub is_asked: bool,
}

/// Why a decision did not count.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such delivery")]
    Unknown,
    #[error("the delivery is no longer in doubt: {0}")]
    Settled(String),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Refusal::Store(error.into())
    }
}

/// The sends in doubt, the oldest doubt first.
pub async fn open(executor: impl PgExecutor<'_>, limit: i64) -> Result<Vec<OpenDoubt>, Error> {
    let rows = sqlx::query_as(
        "select d.id, d.conversation_id, ticket.ref as ticket_ref, d.outlet, d.author, d.part,
             left(d.body, 200) as excerpt, d.last_error as reason,
             coalesce(d.doubtful_since, d.created_at) as since,
             coalesce(d.doubtful_since, d.created_at) <= now() - make_interval(secs => $2)
                 as is_asked
         from deliveries d
             left join tickets ticket on ticket.conversation_id = d.conversation_id
                 and not ticket.is_alias
         where d.state = 'outcome_unknown'
         order by since, d.position limit $1",
    )
    .bind(limit)
    .bind(ASK_AFTER.as_secs_f64())
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// A person knows that it was sent: it is accepted, as of its last try.
pub async fn sent(
    conn: &mut PgConnection,
    id: DeliveryId,
    operator: OperatorName<'_>,
) -> Result<ConversationId, Refusal> {
    let mut tx = conn.begin().await?;
    let doubt = lock(&mut tx, id).await?;
    let found = delivery_receipts::find(&mut *tx, &[id], &doubt.outlet, &[]).await?;
    let known = found.into_iter().next().ok_or(Refusal::Unknown)?;
    note(&mut tx, id, "accepted", known.delivery.attempt, "a person says that it was sent").await?;
    let end = known.delivery.finished(Ending::Accepted { provider_id: None }, doubt.attempted_at);
    deliveries::finish(&mut *tx, SERVICE, &[end]).await?;
    decided(tx, doubt, id, operator, "sent").await
}

/// A person wants it to go again, whatever became of the first: a new try, which no
/// takeover before this moment cancels. What the tries before still tell about arriving
/// counts.
pub async fn resend(
    conn: &mut PgConnection,
    id: DeliveryId,
    operator: OperatorName<'_>,
) -> Result<ConversationId, Refusal> {
    let mut tx = conn.begin().await?;
    let doubt = lock(&mut tx, id).await?;
    let attempt: i32 = sqlx::query_scalar(
        "update deliveries delivery set state = 'pending', attempt = attempt + 1,
             next_attempt_at = now(), doubtful_since = null, lease_until = null,
             owner_epoch = greatest(delivery.owner_epoch, conversation.owner_epoch)
         from conversations conversation
         where delivery.id = $1 and conversation.id = delivery.conversation_id
         returning attempt",
    )
    .bind(id.as_uuid())
    .fetch_one(&mut *tx)
    .await?;
    note(&mut tx, id, "pending", attempt, "a person sends it again").await?;
    decided(tx, doubt, id, operator, "resend").await
}

#[derive(FromRow)]
struct Locked {
    #[sqlx(try_from = "Uuid")]
    conversation_id: ConversationId,
    outlet: String,
    attempted_at: DateTime<Utc>,
    state: String,
}

/// Locks the conversation, then the delivery, as everywhere.
async fn lock(conn: &mut PgConnection, id: DeliveryId) -> Result<Locked, Refusal> {
    let conversation: Option<Uuid> = sqlx::query_scalar(
        "select c.id from conversations c
         where c.id = (select conversation_id from deliveries where id = $1)
         for no key update",
    )
    .bind(id.as_uuid())
    .fetch_optional(&mut *conn)
    .await?;
    conversation.ok_or(Refusal::Unknown)?;
    let locked: Locked = sqlx::query_as(
        "select conversation_id, outlet, coalesce(attempted_at, app_now()) as attempted_at, state
         from deliveries where id = $1 for no key update",
    )
    .bind(id.as_uuid())
    .fetch_one(conn)
    .await?;
    if locked.state == UNKNOWN { Ok(locked) } else { Err(Refusal::Settled(locked.state)) }
}

async fn note(
    conn: &mut PgConnection,
    id: DeliveryId,
    state: &str,
    attempt: i32,
    detail: &str,
) -> Result<(), Error> {
    sqlx::query(
        "insert into delivery_events (delivery_id, state, attempt, detail)
         values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(id.as_uuid())
    .bind(state)
    .bind(attempt)
    .bind(detail)
    .execute(conn)
    .await?;
    Ok(())
}

async fn decided(
    mut tx: sqlx::PgTransaction<'_>,
    doubt: Locked,
    id: DeliveryId,
    operator: OperatorName<'_>,
    action: &str,
) -> Result<ConversationId, Refusal> {
    let detail = json!({ "delivery_id": id });
    audit::write(&mut tx, doubt.conversation_id, operator, action, detail).await?;
    tx.commit().await?;
    Ok(doubt.conversation_id)
}
