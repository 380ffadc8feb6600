//! What a mail on its way out needs: what it answers, its draft, and what becomes known
//! of it once it was sent.

use contract::DeliveryId;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;

/// What a mail answers, and how far its sending has come.
#[derive(Debug, Clone, FromRow)]
pub struct MailOut {
    pub ticket_ref: Option<String>,
    /// Whom the answer to that mail goes to, whoever has written since; `None` where the
    /// conversation's address is all that is known.
    pub answers_to: Option<String>,
    /// Whom its draft is written to.
    pub sent_to: Option<String>,
    /// Of the newest mail that it answers; all three empty where there is none.
    pub subject: Option<String>,
    pub rfc822_id: Option<String>,
    pub referenced_ids: Vec<String>,
    /// Gmail's thread of the conversation.
    pub mail_thread: Option<String>,
    pub draft_id: Option<String>,
    pub draft_thread: Option<String>,
    /// Sent, or deleted by hand.
    pub is_draft_gone: bool,
}

impl MailOut {
    /// The draft that may still be there: whoever sends or deletes it first, wins.
    pub fn unsent_draft(&self) -> Option<&str> {
        self.draft_id.as_deref().filter(|_| !self.is_draft_gone)
    }
}

/// A draft at Gmail, with the thread in which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub id: String,
    pub thread: String,
}

/// Looks up what a delivery's mail needs. It answers the newest mail that the reply
/// covers; what no reply was due to, such as a vacation notice, only where there is
/// nothing else.
pub async fn find(
    executor: impl PgExecutor<'_>,
    delivery_id: DeliveryId,
) -> Result<Option<MailOut>, Error> {
    let found = sqlx::query_as(
        "select ticket.ref as ticket_ref, answered.subject, answered.rfc822_id,
             answered.reply_to as answers_to, d.sent_to,
             coalesce(answered.referenced_ids, '{}') as referenced_ids, c.mail_thread,
             d.draft_id, d.draft_thread, d.is_draft_gone
         from deliveries d join conversations c on c.id = d.conversation_id
         left join tickets ticket on ticket.conversation_id = c.id and not ticket.is_alias
         left join lateral (
             select mails.subject, mails.rfc822_id, mails.referenced_ids, mails.reply_to
             from messages m join mails on mails.message_id = m.id
             where m.conversation_id = c.id and (d.last_seq = 0 or m.seq <= d.last_seq)
             order by coalesce(m.outcome, '') = 'no_answer', m.seq desc limit 1
         ) answered on true
         where d.id = $1",
    )
    .bind(delivery_id.as_uuid())
    .fetch_optional(executor)
    .await?;
    Ok(found)
}

/// Notes a draft under the guard of its try: false, and nothing noted, once the lease
/// was lost. Only a draft that is noted is sent, so one that nobody knows of stays a draft.
/// What is noted is about to be sent, as after [`crate::delivery_sends::start`].
pub async fn hold_draft(
    executor: impl PgExecutor<'_>,
    delivery_id: DeliveryId,
    attempt: i32,
    draft: &Draft,
    sent_to: &str,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "update deliveries set draft_id = $3, draft_thread = $4, sent_to = lower($5),
             is_draft_gone = false, unstarted_attempt = null, started_at = now()
         where id = $1 and attempt = $2 and state = 'sending' and lease_until > now()",
    )
    .bind(delivery_id.as_uuid())
    .bind(attempt)
    .bind(&draft.id)
    .bind(&draft.thread)
    .bind(sent_to)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets a draft that was deleted unsent, while the doubt stands that led to it.
pub async fn forget_draft(
    executor: impl PgExecutor<'_>,
    delivery_id: DeliveryId,
    attempt: i32,
    draft_id: &str,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "update deliveries set draft_id = null
         where id = $1 and attempt = $2 and draft_id = $3 and state = 'outcome_unknown'",
    )
    .bind(delivery_id.as_uuid())
    .bind(attempt)
    .bind(draft_id)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a draft was seen to be gone: asking once more would prove nothing.
pub async fn lose_draft(
    executor: impl PgExecutor<'_>,
    delivery_id: DeliveryId,
    draft_id: &str,
) -> Result<(), Error> {
    sqlx::query("update deliveries set is_draft_gone = true where id = $1 and draft_id = $2")
        .bind(delivery_id.as_uuid())
        .bind(draft_id)
        .execute(executor)
        .await?;
    Ok(())
}

/// A draft of a mail that will not go.
#[derive(Debug, Clone, FromRow)]
pub struct LeftDraft {
    #[sqlx(try_from = "Uuid")]
    pub id: DeliveryId,
    pub draft_id: String,
}

/// Drafts of deliveries that were refused or cancelled.
pub async fn left_drafts(
    executor: impl PgExecutor<'_>,
    limit: i64,
) -> Result<Vec<LeftDraft>, Error> {
    let rows = sqlx::query_as(
        "select id, draft_id from deliveries
         where draft_id is not null and not is_draft_gone and state in ('failed', 'cancelled')
         order by id limit $1",
    )
    .bind(limit)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// A mail that was sent, whose Message-ID on the wire is not known yet.
#[derive(Debug, Clone, FromRow)]
pub struct NotReadBack {
    #[sqlx(try_from = "Uuid")]
    pub id: DeliveryId,
    /// Gmail's id of the message.
    pub gmail_id: String,
}

/// Sent mails whose Message-ID is to be read back, newest first: an answer comes soonest
/// to them. Those of more than a week ago are left as they are.
pub async fn not_read_back(
    executor: impl PgExecutor<'_>,
    limit: i64,
) -> Result<Vec<NotReadBack>, Error> {
    let rows = sqlx::query_as(
        "select id, provider_id as gmail_id from deliveries
         where outlet = 'email' and provider_id is not null and rfc822_id is null
             and accepted_at > app_now() - interval '7 days'
         order by accepted_at desc limit $1",
    )
    .bind(limit)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// Notes the Message-ID that a mail has on the wire, `None` where the mailbox does not
/// have the mail any more. Answers to it belong to its conversation, and whom it went to
/// may write into that.
pub async fn read_back(
    executor: impl PgExecutor<'_>,
    delivery_id: DeliveryId,
    rfc822_id: Option<&str>,
) -> Result<(), Error> {
    sqlx::query(
        "with sent as (
             update deliveries set rfc822_id = coalesce($2, '') where id = $1
             returning conversation_id, sent_to
         ),
         known as (
             insert into mail_ids (rfc822_id, conversation_id)
             select $2, conversation_id from sent where $2 is not null
             on conflict do nothing
         )
         insert into mail_participants (conversation_id, address)
         select conversation_id, sent_to from sent where sent_to is not null
         on conflict do nothing",
    )
    .bind(delivery_id.as_uuid())
    .bind(rfc822_id)
    .execute(executor)
    .await?;
    Ok(())
}

/// What a report names of the mail that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// As we wrote it into the mail.
    pub delivery_id: Option<DeliveryId>,
    /// As it was on the wire.
    pub rfc822_id: Option<&'a str>,
    /// In lower case; may be empty.
    pub recipient: &'a str,
}

/// The delivery that a report is about. By the address alone, or by that of a mail whose
/// Message-ID is not known yet, it is the newest mail of the last week that Gmail has
/// taken: whoever writes a report can guess an address, so it never ends a send.
pub async fn reported(
    executor: impl PgExecutor<'_>,
    reported: Reported<'_>,
) -> Result<Option<DeliveryId>, Error> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "select id from (
             (select id, 1 as place from deliveries where id = $1 and outlet = 'email')
             union all
             (select id, 2 from deliveries
              where $1 is null and rfc822_id = $2 and $2 <> '' limit 1)
             union all
             (select id, 3 from deliveries
              where $1 is null and sent_to = $3 and $3 <> ''
                  and accepted_at > app_now() - interval '7 days'
                  and ($2 is null or coalesce(rfc822_id, '') = '')
              order by accepted_at desc limit 1)
         ) found
         order by place limit 1",
    )
    .bind(reported.delivery_id.map(|id| id.as_uuid()))
    .bind(reported.rfc822_id)
    .bind(reported.recipient)
    .fetch_optional(executor)
    .await?;
    Ok(found.map(Into::into))
}
