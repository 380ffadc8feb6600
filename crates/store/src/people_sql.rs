//! The statements behind people's actions; all but the first need the
//! conversation's lock.

use chrono::{DateTime, Utc};
use contract::{Author, Channel, ConversationId, ReplyId, TicketRef};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::Error;
use crate::people::{OperatorName, Part, Refusal};

/// Turns looked at for replies that are still on their way: those of one period
/// of the agent's that nobody has delivered yet, of which there are one or two.
const RECENT_TURNS: i64 = 20;

/// A conversation under its lock.
#[derive(Debug, FromRow)]
pub(crate) struct Locked {
    #[sqlx(try_from = "String")]
    pub(crate) channel: Channel,
    pub(crate) status: String,
    pub(crate) owner: String,
    pub(crate) person: Option<String>,
    pub(crate) taken_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) owner_epoch: i64,
    pub(crate) last_seq: i64,
    pub(crate) handled_seq: i64,
    ticket_ref: Option<String>,
    /// Agent's replies that this action cancelled on their way to the dispatcher.
    #[sqlx(skip)]
    pub(crate) underway: Vec<ReplyId>,
}

impl Locked {
    /// Who has actively taken it; `None` while it only waits for a person.
    pub(crate) fn holder(&self) -> Option<&str> {
        self.taken_at.and(self.person.as_deref())
    }

    pub(crate) fn refuse_other(&self, operator: OperatorName<'_>) -> Result<(), Refusal> {
        match self.holder() {
            Some(holder) if holder != operator.0 => Err(Refusal::TakenBy(holder.to_owned())),
            _ => Ok(()),
        }
    }

    /// Since when the agent may begin no send: the takeover, or the ending.
    pub(crate) fn fenced_since(&self) -> Option<DateTime<Utc>> {
        let ended = (self.status != "open").then_some(self.updated_at);
        self.taken_at.or(ended)
    }

    pub(crate) fn ticket_ref(&self) -> Result<TicketRef, Error> {
        let text = self.ticket_ref.as_deref().unwrap_or_default();
        text.parse().map_err(Error::row)
    }
}

pub(crate) async fn lock(
    conn: &mut PgConnection,
    id: ConversationId,
) -> Result<Option<Locked>, Error> {
    let row = sqlx::query_as(
        "select c.channel, c.status, c.owner, c.person, c.taken_at, c.updated_at, c.owner_epoch,
                c.last_seq, c.handled_seq,
                (select ref from tickets t where t.conversation_id = c.id and not t.is_alias)
                    as ticket_ref
         from conversations c where c.id = $1 for no key update",
    )
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

pub(crate) async fn set_taken(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    row: &mut Locked,
) -> Result<(), Error> {
    let (taken_at, epoch) = sqlx::query_as(
        "update conversations
         set owner = 'person', person = $2, taken_at = app_now(), updated_at = app_now(),
             owner_epoch = owner_epoch + 1, status = 'open'
         where id = $1 returning taken_at, owner_epoch",
    )
    .bind(id.as_uuid())
    .bind(operator.0)
    .fetch_one(conn)
    .await?;
    row.owner = Author::Person.as_str().to_owned();
    row.person = Some(operator.0.to_owned());
    row.taken_at = Some(taken_at);
    row.owner_epoch = epoch;
    row.status = "open".to_owned();
    Ok(())
}

/// Gives the conversation to the agent, with what of its own was in flight at the takeover,
/// and may prove unsent: it goes again, unless the person has written meanwhile. What was
/// still on its way then stays overtaken: its messages were given back, and have no turn.
pub(crate) async fn set_agents(
    conn: &mut PgConnection,
    id: ConversationId,
    row: &mut Locked,
) -> Result<(), Error> {
    sqlx::query(
        "with own as (
             update conversations
             set owner = 'agent', person = null, taken_at = null, updated_at = app_now()
             where id = $1 returning id, owner_epoch
         )
         update deliveries delivery set owner_epoch = own.owner_epoch
         from own
         where delivery.conversation_id = own.id and delivery.author = 'agent'
             and delivery.outlet <> 'hand_off'
             and delivery.state in ('pending', 'sending', 'outcome_unknown')
             and delivery.owner_epoch = own.owner_epoch - 1
             and exists (select from messages where messages.conversation_id = own.id
                 and seq between delivery.first_seq and delivery.last_seq
                 and turn_id is not null)
             and not exists (select from audit_log where audit_log.conversation_id = own.id
                 and action = 'reply' and at >= delivery.created_at)",
    )
    .bind(id.as_uuid())
    .execute(conn)
    .await?;
    row.owner = Author::Agent.as_str().to_owned();
    row.person = None;
    row.taken_at = None;
    Ok(())
}

pub(crate) async fn set_ended(
    conn: &mut PgConnection,
    id: ConversationId,
    status: &str,
    row: &mut Locked,
) -> Result<(), Error> {
    let (updated_at, epoch) = sqlx::query_as(
        "update conversations
         set status = $2, owner = 'agent', person = null, taken_at = null,
             owner_epoch = owner_epoch + 1, updated_at = app_now()
         where id = $1 returning updated_at, owner_epoch",
    )
    .bind(id.as_uuid())
    .bind(status)
    .fetch_one(conn)
    .await?;
    row.status = status.to_owned();
    row.owner = Author::Agent.as_str().to_owned();
    row.person = None;
    row.taken_at = None;
    row.updated_at = updated_at;
    row.owner_epoch = epoch;
    Ok(())
}

/// Cancels what waits for the customer to write: into a closed conversation nobody does.
pub(crate) async fn cancel_waiting(
    conn: &mut PgConnection,
    id: ConversationId,
    detail: &str,
) -> Result<(), Error> {
    sqlx::query(
        "with cancelled as (
             update deliveries set state = 'cancelled', lease_until = null
             where conversation_id = $1 and state = 'pending' and awaits_inbound_after is not null
             returning id, attempt
         )
         insert into delivery_events (delivery_id, state, attempt, detail)
         select id, 'cancelled', attempt, $2 from cancelled
         on conflict do nothing",
    )
    .bind(id.as_uuid())
    .bind(detail)
    .execute(conn)
    .await?;
    Ok(())
}

/// Cancels what the agent has not begun to send. A reply of which no part was
/// begun counts as never decided: its messages lose their outcome. Returns the
/// replies among them that are still on their way to the dispatcher, whose begin
/// of a send compares the epoch and so never happens.
pub(crate) async fn cancel_agents(
    conn: &mut PgConnection,
    id: ConversationId,
    row: &mut Locked,
    detail: &str,
) -> Result<Vec<ReplyId>, Error> {
    let cancelled: Vec<Uuid> = sqlx::query_scalar(
        "with cancelled as (
             update deliveries set state = 'cancelled', lease_until = null
             where conversation_id = $1 and author = 'agent' and outlet <> 'hand_off'
               and state = 'pending'
             returning id, reply_id, attempt
         ), noted as (
             insert into delivery_events (delivery_id, state, attempt, detail)
             select id, 'cancelled', attempt, $2 from cancelled
             on conflict do nothing
         )
         select distinct reply_id from cancelled",
    )
    .bind(id.as_uuid())
    .bind(detail)
    .fetch_all(&mut *conn)
    .await?;
    let underway = underway(conn, id, row.owner_epoch).await?;
    let first_underway = underway.iter().map(|(_, first_seq)| *first_seq).min();
    let handled_seq = lower(conn, id, &cancelled, first_underway).await?;
    row.handled_seq = handled_seq.unwrap_or(row.handled_seq);
    Ok(underway.into_iter().map(|(reply, _)| reply).collect())
}

/// The agent's replies that no delivery shows yet, with the first message of each.
async fn underway(
    conn: &mut PgConnection,
    id: ConversationId,
    owner_epoch: i64,
) -> Result<Vec<(ReplyId, i64)>, Error> {
    let turns: Vec<(Uuid, i64)> = sqlx::query_as(
        "select id, first_seq from turns
         where conversation_id = $1 and owner_epoch = $2 - 1 and outcome <> 'no_answer'
         order by created_at desc limit $3",
    )
    .bind(id.as_uuid())
    .bind(owner_epoch)
    .bind(RECENT_TURNS)
    .fetch_all(&mut *conn)
    .await?;
    let decided: Vec<(ReplyId, i64)> =
        turns.into_iter().map(|(turn, first_seq)| (ReplyId::of(turn.into()), first_seq)).collect();
    let ids: Vec<Uuid> = decided.iter().map(|(reply, _)| reply.as_uuid()).collect();
    let delivered: Vec<Uuid> =
        sqlx::query_scalar("select distinct reply_id from deliveries where reply_id = any($1)")
            .bind(ids)
            .fetch_all(conn)
            .await?;
    let on_its_way = |(reply, _): &(ReplyId, i64)| !delivered.contains(&reply.as_uuid());
    Ok(decided.into_iter().filter(on_its_way).collect())
}

/// Lowers `handled_seq` below the replies that count as never decided; `None`
/// when there are none.
async fn lower(
    conn: &mut PgConnection,
    id: ConversationId,
    cancelled: &[Uuid],
    first_underway: Option<i64>,
) -> Result<Option<i64>, Error> {
    let handled_seq = sqlx::query_scalar(
        "with unbegun as (
             select min(first_seq) as first_seq from deliveries
             where reply_id = any($2) and first_seq > 0
             group by reply_id having bool_and(state = 'cancelled')
             union all select $3 where $3 > 0
         ), lowered as (
             update conversations
             set handled_seq = least(handled_seq, (select min(first_seq) - 1 from unbegun))
             where id = $1 and exists (select from unbegun)
             returning handled_seq
         ), cleared as (
             update messages set outcome = null, outcome_reason = null, turn_id = null
             where conversation_id = $1 and seq > (select handled_seq from lowered)
                 -- What was silent when it came was never for the agent to decide.
                 and (outcome <> 'no_answer' or turn_id is not null)
         )
         select handled_seq from lowered",
    )
    .bind(id.as_uuid())
    .bind(cancelled)
    .bind(first_underway)
    .fetch_optional(conn)
    .await?;
    Ok(handled_seq)
}

/// Gives every message without an outcome this one.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    id: ConversationId,
    row: &mut Locked,
    outcome: &str,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query(
        "with settled as (
             update messages set outcome = $2, outcome_reason = $3
             where conversation_id = $1 and outcome is null
         )
         update conversations set handled_seq = last_seq, updated_at = app_now() where id = $1",
    )
    .bind(id.as_uuid())
    .bind(outcome)
    .bind(reason)
    .execute(conn)
    .await?;
    row.handled_seq = row.last_seq;
    Ok(())
}

pub(crate) async fn write_due_turn(
    conn: &mut PgConnection,
    id: ConversationId,
    seq: i64,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query(
        "insert into due_turns (conversation_id, seq, due_at, reason)
         values ($1, $2, app_now(), $3)
         on conflict on constraint due_turns_pkey do update
         set seq = greatest(due_turns.seq, excluded.seq), due_at = excluded.due_at,
             reason = excluded.reason",
    )
    .bind(id.as_uuid())
    .bind(seq)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn forget_due_turn(
    conn: &mut PgConnection,
    id: ConversationId,
) -> Result<(), Error> {
    sqlx::query("delete from due_turns where conversation_id = $1")
        .bind(id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// The agent's parts that were cancelled since the fence stands, and those that a
/// provider may have.
pub(crate) async fn met_parts(
    conn: &mut PgConnection,
    id: ConversationId,
    since: Option<DateTime<Utc>>,
) -> Result<Vec<Part>, Error> {
    let parts = sqlx::query_as(
        "select d.reply_id, d.part, d.state, d.body as text
         from deliveries d
         where d.conversation_id = $1 and d.author = 'agent' and d.outlet <> 'hand_off'
           and $2::timestamptz is not null
           and (d.state in ('sending', 'outcome_unknown')
                or d.state = 'cancelled' and exists (
                    select from delivery_events e
                    where e.delivery_id = d.id and e.state = 'cancelled' and e.at >= $2))
         order by d.position limit 100",
    )
    .bind(id.as_uuid())
    .bind(since)
    .fetch_all(conn)
    .await?;
    Ok(parts)
}
