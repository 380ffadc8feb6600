//! Conversations as operators see them. Every answer is bounded.

use chrono::{DateTime, Utc};
use contract::ConversationId;
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;
use crate::customers::{Identifier, identifiers};

/// Rows of each kind in one conversation's view: the newest; more than a person reads.
const MOST_ROWS: i64 = 200;

/// A conversation that a person has, or that waits for one.
#[derive(Debug, Clone, FromRow)]
pub struct Waiting {
    pub id: Uuid,
    pub waits_since: DateTime<Utc>,
    pub person: Option<String>,
    pub taken_at: Option<DateTime<Utc>>,
    pub ticket_ref: Option<String>,
    pub channel: String,
    pub subject: Option<String>,
    pub category: Option<String>,
    pub priority: Option<String>,
    pub reason: Option<String>,
    /// Messages that have no outcome yet.
    pub unhandled: i64,
    pub respond_by: Option<DateTime<Utc>>,
}

/// Where a page of the list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub waits_since: DateTime<Utc>,
    pub id: ConversationId,
}

/// Open conversations owned by a person, the longest wait first.
pub async fn waiting(
    pool: &PgPool,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Waiting>, Error> {
    let rows = sqlx::query_as(
        "select * from (
             select c.id, coalesce(c.escalated_at, c.taken_at, c.updated_at) as waits_since,
                    c.person, c.taken_at, t.ref as ticket_ref, c.channel, t.subject, t.category,
                    t.priority, h.reason, c.last_seq - c.handled_seq as unhandled, t.respond_by
             from conversations c
             left join tickets t on t.conversation_id = c.id and not t.is_alias
             left join lateral (
                 select coalesce(d.hand_off ->> 'reason', d.last_error) as reason
                 from deliveries d
                 where d.conversation_id = c.id and (d.outlet = 'hand_off' or d.state = 'failed')
                 order by d.position desc limit 1) as h on true
             where c.owner = 'person' and c.status = 'open') as w
         where $1::timestamptz is null or (w.waits_since, w.id) > ($1, $2)
         order by w.waits_since, w.id limit $3",
    )
    .bind(after.map(|cursor| cursor.waits_since))
    .bind(after.map(|cursor| cursor.id.as_uuid()))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// A conversation with all that a person needs to go on with it.
#[derive(Debug, Clone)]
pub struct View {
    pub conversation: Head,
    pub identifiers: Vec<Identifier>,
    pub messages: Vec<Message>,
    /// In the order of sending; the parts of one reply follow each other.
    pub deliveries: Vec<Delivery>,
    pub turns: Vec<Turn>,
    pub actions: Vec<Action>,
}

/// The conversation with its ticket and customer.
#[derive(Debug, Clone, FromRow)]
pub struct Head {
    pub id: Uuid,
    pub channel: String,
    pub status: String,
    pub owner: String,
    pub person: Option<String>,
    pub taken_at: Option<DateTime<Utc>>,
    pub escalated_at: Option<DateTime<Utc>>,
    pub owner_epoch: i64,
    pub last_seq: i64,
    pub handled_seq: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub ticket_ref: Option<String>,
    pub subject: Option<String>,
    pub category: Option<String>,
    pub priority: Option<String>,
    pub claimed_plan: Option<String>,
    pub respond_by: Option<DateTime<Utc>>,
    pub customer_id: Uuid,
    pub customer_name: String,
    pub plan: Option<String>,
    pub identity_level: String,
}

/// What a customer wrote, and what became of it.
#[derive(Debug, Clone, FromRow)]
pub struct Message {
    pub id: Uuid,
    pub seq: i64,
    pub text: String,
    pub sent_at: DateTime<Utc>,
    pub stored_at: DateTime<Utc>,
    pub outcome: Option<String>,
    pub outcome_reason: Option<String>,
    /// What came beside the words, by reference: a list.
    pub attachments: Value,
}

/// A part of a reply, or a hand-off.
#[derive(Debug, Clone, FromRow)]
pub struct Delivery {
    pub outlet: String,
    pub reply_id: Uuid,
    pub part: i32,
    pub author: String,
    pub author_name: String,
    pub first_seq: i64,
    pub last_seq: i64,
    pub text: String,
    pub hand_off: Option<Value>,
    pub state: String,
    pub attempt: i32,
    pub last_error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
}

/// A turn in short; its full log is for `fte turns`.
#[derive(Debug, Clone, FromRow)]
pub struct Turn {
    pub id: Uuid,
    pub first_seq: i64,
    pub last_seq: i64,
    pub model: String,
    pub outcome: String,
    pub category: Option<String>,
    pub duration_us: i64,
    pub created_at: DateTime<Utc>,
}

/// What an operator did.
#[derive(Debug, Clone, FromRow)]
pub struct Action {
    pub at: DateTime<Utc>,
    pub operator: String,
    pub action: String,
}

/// The view of one conversation, from one snapshot; `None` for an unknown id.
pub async fn view(pool: &PgPool, id: ConversationId) -> Result<Option<View>, Error> {
    let mut tx = pool.begin_with("begin isolation level repeatable read, read only").await?;
    let Some(conversation) = head(&mut tx, id).await? else { return Ok(None) };
    let view = View {
        identifiers: identifiers(&mut tx, conversation.customer_id.into()).await?,
        messages: messages(&mut tx, id).await?,
        deliveries: deliveries(&mut tx, id).await?,
        turns: turns(&mut tx, id).await?,
        actions: actions(&mut tx, id).await?,
        conversation,
    };
    tx.commit().await?;
    Ok(Some(view))
}

async fn head(conn: &mut PgConnection, id: ConversationId) -> Result<Option<Head>, Error> {
    let head = sqlx::query_as(
        "select c.id, c.channel, c.status, c.owner, c.person, c.taken_at, c.escalated_at,
                c.owner_epoch, c.last_seq, c.handled_seq, c.created_at, c.updated_at,
                t.ref as ticket_ref, t.subject, t.category, t.priority, t.claimed_plan,
                t.respond_by, c.customer_id, u.name as customer_name, u.plan, c.identity_level
         from conversations c
         join customers u on u.id = c.customer_id
         left join tickets t on t.conversation_id = c.id and not t.is_alias
         where c.id = $1",
    )
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await?;
    Ok(head)
}

async fn messages(conn: &mut PgConnection, id: ConversationId) -> Result<Vec<Message>, Error> {
    let rows = sqlx::query_as(
        "select * from (
             select id, seq, body as text, sent_at, stored_at, outcome, outcome_reason,
                    attachments
             from messages where conversation_id = $1 order by seq desc limit $2) as newest
         order by seq",
    )
    .bind(id.as_uuid())
    .bind(MOST_ROWS)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// One attachment of a message in this conversation, counted from 0.
pub async fn attachment(
    pool: &PgPool,
    id: ConversationId,
    message: Uuid,
    number: i32,
) -> Result<Option<Value>, Error> {
    let found: Option<Option<Value>> = sqlx::query_scalar(
        "select attachments -> $3 from messages where conversation_id = $1 and id = $2",
    )
    .bind(id.as_uuid())
    .bind(message)
    .bind(number)
    .fetch_optional(pool)
    .await?;
    Ok(found.flatten())
}

async fn deliveries(conn: &mut PgConnection, id: ConversationId) -> Result<Vec<Delivery>, Error> {
    let rows = sqlx::query_as(
        "select * from (
             select position, outlet, reply_id, part, author, author_name, first_seq, last_seq,
                    body as text, hand_off, state, attempt, last_error, created_at, accepted_at
             from deliveries where conversation_id = $1 order by position desc limit $2) as newest
         order by position",
    )
    .bind(id.as_uuid())
    .bind(MOST_ROWS)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

async fn turns(conn: &mut PgConnection, id: ConversationId) -> Result<Vec<Turn>, Error> {
    let rows = sqlx::query_as(
        "select * from (
             select id, first_seq, last_seq, model, outcome, category, duration_us, created_at
             from turns where conversation_id = $1 order by created_at desc limit $2) as newest
         order by created_at",
    )
    .bind(id.as_uuid())
    .bind(MOST_ROWS)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

async fn actions(conn: &mut PgConnection, id: ConversationId) -> Result<Vec<Action>, Error> {
    let rows = sqlx::query_as(
        "select at, operator, action from (
             select id, at, operator, action from audit_log
             where conversation_id = $1 order by id desc limit $2) as newest
         order by id",
    )
    .bind(id.as_uuid())
    .bind(MOST_ROWS)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
