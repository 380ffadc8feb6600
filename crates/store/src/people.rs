//! People's actions on a conversation: take, reply, return and close, each in one
//! transaction of the caller's under the conversation's lock (design §4.5).

use chrono::{DateTime, Utc};
use contract::{
    Author, Channel, ConversationId, EventId, EventMeta, Outgoing, OutgoingBody, Reply, ReplyId,
    TicketBody, TicketEvent,
};
use serde_json::json;
use sqlx::{Acquire as _, FromRow, PgConnection};
use uuid::Uuid;

use crate::people_sql::{self as sql, Locked};
use crate::{Error, audit, outbox};

/// The service whose relay publishes what these actions left.
pub const SERVICE: &str = "support-api";

/// Why a turn is due after a person gave its conversation back.
pub(crate) const GIVEN_BACK: &str = "given back by a person";

/// Who acts: the name that belongs to the operator's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorName<'a>(pub &'a str);

/// Why an action did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conversation")]
    Unknown,
    #[error("the conversation is closed")]
    Closed,
    #[error("{0} has taken the conversation")]
    TakenBy(String),
    #[error("the agent has the conversation")]
    NotAPersons,
    #[error("this reply was already given with another text")]
    OtherText,
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Refusal::Store(error.into())
    }
}

/// A part of an agent's reply that a takeover met.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Part {
    pub reply_id: Uuid,
    pub part: i32,
    pub state: String,
    /// `None` while the reply is still on its way to the dispatcher.
    pub text: Option<String>,
}

/// How a conversation stands after an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub status: String,
    pub owner: String,
    pub person: Option<String>,
    pub taken_at: Option<DateTime<Utc>>,
    pub owner_epoch: i64,
    pub last_seq: i64,
    pub handled_seq: i64,
    /// Parts of the agent's that were never begun and now never will be.
    pub cancelled: Vec<Part>,
    /// Parts that a provider may have already, or has in this moment.
    pub in_flight: Vec<Part>,
}

/// How a person ends a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a solution: another message opens it again.
    Resolved,
    /// For good.
    Closed,
}

impl Ending {
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Resolved => "resolved",
            Ending::Closed => "closed",
        }
    }
}

/// Gives the conversation to this person. From the commit on no send of the
/// agent's begins. Again by the same person: the same answer.
pub async fn take(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
) -> Result<Standing, Refusal> {
    let mut tx = conn.begin().await?;
    let mut row = sql::lock(&mut tx, id).await?.ok_or(Refusal::Unknown)?;
    if row.status == Ending::Closed.as_str() {
        return Err(Refusal::Closed);
    }
    if take_locked(&mut tx, id, &mut row, operator).await? {
        audit::write(&mut tx, id, operator, "take", json!({ "owner_epoch": row.owner_epoch }))
            .await?;
    }
    let standing = standing(&mut tx, id, row).await?;
    tx.commit().await?;
    Ok(standing)
}

/// False when this person had it already.
async fn take_locked(
    conn: &mut PgConnection,
    id: ConversationId,
    row: &mut Locked,
    operator: OperatorName<'_>,
) -> Result<bool, Refusal> {
    if let Some(holder) = row.holder() {
        return if holder == operator.0 {
            Ok(false)
        } else {
            Err(Refusal::TakenBy(holder.to_owned()))
        };
    }
    sql::set_taken(conn, id, operator, row).await?;
    row.underway = sql::cancel_agents(conn, id, row, "taken by a person").await?;
    // The person has it now; giving it back writes a new row.
    sql::forget_due_turn(conn, id).await?;
    Ok(true)
}

/// What a person writes to the customer.
#[derive(Debug, Clone, Copy)]
pub struct NewReply<'a> {
    /// The same for every repetition of one request.
    pub id: ReplyId,
    pub text: &'a str,
    /// How the conversation's channel takes the text: the messages it is sent as.
    pub parts: fn(Channel, &str) -> Vec<String>,
    pub at: DateTime<Utc>,
    /// Whose relay publishes it.
    pub service: &'static str,
}

/// Takes the conversation if nobody has it, and writes the reply into the outbox.
/// Every message so far is answered by it. Again with the same id: the same answer,
/// and nothing more is sent.
pub async fn reply(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    reply: NewReply<'_>,
) -> Result<Standing, Refusal> {
    let mut tx = conn.begin().await?;
    let mut row = sql::lock(&mut tx, id).await?.ok_or(Refusal::Unknown)?;
    match audit::is_same_reply(&mut tx, id, reply.id, reply.text).await? {
        Some(true) => return standing(&mut tx, id, row).await,
        Some(false) => return Err(Refusal::OtherText),
        None => {}
    }
    if row.status == Ending::Closed.as_str() {
        return Err(Refusal::Closed);
    }
    take_locked(&mut tx, id, &mut row, operator).await?;
    let first_seq = if row.handled_seq < row.last_seq { row.handled_seq + 1 } else { 0 };
    sql::settle(&mut tx, id, &mut row, "answered", "answered by a person").await?;
    let event = outgoing(id, &row, operator, reply, first_seq)?;
    outbox::insert(&mut *tx, reply.service, Some(id), &[bus::Record::of(&event)]).await?;
    audit::write_reply(&mut tx, id, operator, reply.id, reply.text).await?;
    let standing = standing(&mut tx, id, row).await?;
    tx.commit().await?;
    Ok(standing)
}

fn outgoing(
    id: ConversationId,
    row: &Locked,
    operator: OperatorName<'_>,
    reply: NewReply<'_>,
    first_seq: i64,
) -> Result<Outgoing, Error> {
    let last_seq = if first_seq == 0 { 0 } else { row.last_seq };
    Ok(Outgoing {
        meta: EventMeta::derived(reply.id, "outgoing", reply.at),
        conversation_id: id,
        channel: row.channel,
        ticket_ref: row.ticket_ref()?,
        body: OutgoingBody::Reply(Reply {
            reply_id: reply.id,
            author: Author::Person,
            author_name: operator.0.to_owned(),
            owner_epoch: row.owner_epoch.unsigned_abs(),
            first_seq: first_seq.unsigned_abs(),
            last_seq: last_seq.unsigned_abs(),
            parts: (reply.parts)(row.channel, reply.text),
        }),
    })
}

/// Gives the conversation back to the agent, which is woken when something is
/// unhandled. Again by the same person: the same answer.
pub async fn give_back(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    at: DateTime<Utc>,
) -> Result<Standing, Refusal> {
    let mut tx = conn.begin().await?;
    let mut row = sql::lock(&mut tx, id).await?.ok_or(Refusal::Unknown)?;
    if row.status == Ending::Closed.as_str() {
        return Err(Refusal::Closed);
    }
    if row.owner != Author::Person.as_str() {
        let again = audit::is_last(&mut tx, id, operator, "return").await?;
        return if again { standing(&mut tx, id, row).await } else { Err(Refusal::NotAPersons) };
    }
    row.refuse_other(operator)?;
    sql::set_agents(&mut tx, id, &mut row).await?;
    if row.handled_seq < row.last_seq {
        sql::write_due_turn(&mut tx, id, row.last_seq, GIVEN_BACK).await?;
        let event = TicketEvent {
            meta: EventMeta::derived(EventId::random(), "turn-due", at),
            conversation_id: id,
            channel: row.channel,
            body: TicketBody::TurnDue { seq: row.last_seq.unsigned_abs() },
        };
        outbox::insert(&mut *tx, SERVICE, Some(id), &[bus::Record::of(&event)]).await?;
    }
    audit::write(&mut tx, id, operator, "return", json!({ "last_seq": row.last_seq })).await?;
    let standing = standing(&mut tx, id, row).await?;
    tx.commit().await?;
    Ok(standing)
}

/// Ends the conversation: nothing of the agent's begins any more, and nothing
/// waits for an answer. Again with the same ending: the same answer.
pub async fn close(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    ending: Ending,
) -> Result<Standing, Refusal> {
    let mut tx = conn.begin().await?;
    let mut row = sql::lock(&mut tx, id).await?.ok_or(Refusal::Unknown)?;
    if row.status == ending.as_str() {
        return standing(&mut tx, id, row).await;
    }
    if row.status == Ending::Closed.as_str() {
        return Err(Refusal::Closed);
    }
    row.refuse_other(operator)?;
    sql::set_ended(&mut tx, id, ending.as_str(), &mut row).await?;
    row.underway = sql::cancel_agents(&mut tx, id, &mut row, "closed by a person").await?;
    if ending == Ending::Closed {
        sql::cancel_waiting(&mut tx, id, "closed by a person").await?;
    }
    sql::settle(&mut tx, id, &mut row, "no_answer", "closed by a person").await?;
    sql::forget_due_turn(&mut tx, id).await?;
    audit::write(&mut tx, id, operator, "close", json!({ "status": ending.as_str() })).await?;
    let standing = standing(&mut tx, id, row).await?;
    tx.commit().await?;
    Ok(standing)
}

async fn standing(
    conn: &mut PgConnection,
    id: ConversationId,
    row: Locked,
) -> Result<Standing, Refusal> {
    let parts = sql::met_parts(conn, id, row.fenced_since()).await?;
    let (cancelled, in_flight): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|part| part.state == "cancelled");
    let underway = row.underway.iter().map(|reply_id| Part {
        reply_id: reply_id.as_uuid(),
        part: 0,
        state: "cancelled".to_owned(),
        text: None,
    });
    Ok(Standing {
        cancelled: cancelled.into_iter().chain(underway).collect(),
        in_flight,
        status: row.status,
        owner: row.owner,
        person: row.person,
        taken_at: row.taken_at,
        owner_epoch: row.owner_epoch,
        last_seq: row.last_seq,
        handled_seq: row.handled_seq,
    })
}
