//! A mail about a hand-off on its way: its draft, and the Message-ID by which the
//! person's answer is recognised.

use contract::{ConversationId, DeliveryId};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::hand_off_notices::Notice;
use crate::mail_sends::Draft;

/// Notes a draft before it is sent, or forgets one that was deleted unsent; under the
/// guard of its attempt. False, and nothing noted, once the lease was lost.
pub async fn hold_draft(
    executor: impl PgExecutor<'_>,
    notice: &Notice,
    draft: Option<&Draft>,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "update hand_off_notices set draft_id = $3, draft_thread = $4
         where delivery_id = $1 and way = 'mail' and attempts = $2 and state = 'pending'
             and lease_until > now()",
    )
    .bind(notice.delivery_id.as_uuid())
    .bind(notice.attempt)
    .bind(draft.map(|draft| draft.id.as_str()))
    .bind(draft.map(|draft| draft.thread.as_str()))
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes which mail the draft has become.
pub async fn sent(
    executor: impl PgExecutor<'_>,
    notice: &Notice,
    gmail_id: &str,
) -> Result<(), Error> {
    sqlx::query(
        "update hand_off_notices set gmail_id = $2 where delivery_id = $1 and way = 'mail'",
    )
    .bind(notice.delivery_id.as_uuid())
    .bind(gmail_id)
    .execute(executor)
    .await?;
    Ok(())
}

/// A mail that was sent, whose Message-ID on the wire is not known yet.
#[derive(Debug, Clone, FromRow)]
pub struct NotReadBack {
    #[sqlx(try_from = "Uuid")]
    pub delivery_id: DeliveryId,
    #[sqlx(try_from = "Uuid")]
    pub conversation_id: ConversationId,
    /// Gmail's id of the message.
    pub gmail_id: String,
}

/// Mails whose Message-ID is to be read back, newest first; those of more than a week ago
/// are left as they are.
pub async fn not_read_back(
    executor: impl PgExecutor<'_>,
    limit: i64,
) -> Result<Vec<NotReadBack>, Error> {
    let rows = sqlx::query_as(
        "select n.delivery_id, d.conversation_id, n.gmail_id
         from hand_off_notices n join deliveries d on d.id = n.delivery_id
         where n.gmail_id is not null and n.rfc822_id is null
             and n.created_at > app_now() - interval '7 days'
         order by n.created_at desc limit $1",
    )
    .bind(limit)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// Notes the Message-ID that a mail has on the wire, `None` where the mailbox does not
/// have the mail any more. An answer to it belongs to the conversation.
pub async fn read_back(
    executor: impl PgExecutor<'_>,
    mail: &NotReadBack,
    rfc822_id: Option<&str>,
) -> Result<(), Error> {
    sqlx::query(
        "with noted as (
             update hand_off_notices set rfc822_id = coalesce($2, '')
             where delivery_id = $1 and way = 'mail'
         )
         insert into mail_ids (rfc822_id, conversation_id)
         select $2, $3 where $2 is not null
         on conflict do nothing",
    )
    .bind(mail.delivery_id.as_uuid())
    .bind(rfc822_id)
    .bind(mail.conversation_id.as_uuid())
    .execute(executor)
    .await?;
    Ok(())
}
