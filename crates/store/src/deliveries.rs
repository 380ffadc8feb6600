//! What goes out: deliveries from insertion to acceptance, many conversations per
//! statement.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::{Author, Channel, ConversationId, DeliveryId};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
pub use crate::delivery_ends::{Ending, Finished, finish};
use crate::identity::column;

/// A part of a reply, or a hand-off, as it enters.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub conversation_id: ConversationId,
    pub outlet: &'static str,
    /// The reply or the hand-off.
    pub reply_id: Uuid,
    pub part: u32,
    pub author: Author,
    pub author_name: String,
    pub owner_epoch: u64,
    /// The messages it covers; 0 when none.
    pub first_seq: u64,
    pub last_seq: u64,
    pub body: String,
    pub hand_off: Option<Value>,
    pub traceparent: Option<String>,
}

/// Inserts deliveries in the order given, which is their order of sending. Those
/// that stand already stay as they are. Returns how many are new.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    deliveries: &[NewDelivery],
) -> Result<u64, Error> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "insert into deliveries (id, conversation_id, outlet, reply_id, part, author, author_name,
             owner_epoch, first_seq, last_seq, body, hand_off, traceparent)
         select id, conversation_id, outlet, reply_id, part, author, author_name,
             owner_epoch, first_seq, last_seq, body, hand_off, traceparent
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::integer[], $6::text[],
                 $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::jsonb[],
                 $13::text[]) with ordinality as row
             (id, conversation_id, outlet, reply_id, part, author, author_name,
              owner_epoch, first_seq, last_seq, body, hand_off, traceparent, place)
         order by place
         on conflict (reply_id, part) do nothing",
    )
    .bind(column(deliveries, |d| d.id.as_uuid()))
    .bind(column(deliveries, |d| d.conversation_id.as_uuid()))
    .bind(column(deliveries, |d| d.outlet))
    .bind(column(deliveries, |d| d.reply_id))
    .bind(column(deliveries, |d| i32::try_from(d.part).unwrap_or(i32::MAX)))
    .bind(column(deliveries, |d| d.author.as_str()))
    .bind(column(deliveries, |d| d.author_name.as_str()))
    .bind(column(deliveries, |d| number(d.owner_epoch)))
    .bind(column(deliveries, |d| number(d.first_seq)))
    .bind(column(deliveries, |d| number(d.last_seq)))
    .bind(column(deliveries, |d| d.body.as_str()))
    .bind(column(deliveries, |d| d.hand_off.as_ref()))
    .bind(column(deliveries, |d| d.traceparent.as_deref()))
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}

/// A delivery whose sending has begun under a lease.
#[derive(Debug, Clone, FromRow)]
pub struct Begun {
    #[sqlx(try_from = "Uuid")]
    pub id: DeliveryId,
    #[sqlx(try_from = "Uuid")]
    pub conversation_id: ConversationId,
    #[sqlx(try_from = "String")]
    pub channel: Channel,
    #[sqlx(try_from = "String")]
    pub author: Author,
    pub body: String,
    pub hand_off: Option<Value>,
    /// Guards every later step of this try.
    pub attempt: i32,
    pub traceparent: Option<String>,
    /// The database's time for people at which it began.
    pub begun_at: DateTime<Utc>,
    /// When the customer sent the first message, while nothing was answered yet.
    pub unanswered_since: Option<DateTime<Utc>>,
}

/// What a look at an outlet found.
#[derive(Debug, Default)]
pub struct Look {
    pub begun: Vec<Begun>,
    /// The agent's deliveries that a person's act has overtaken.
    pub cancelled: Vec<DeliveryId>,
}

/// Begins the first open delivery of each conversation with something due at this
/// outlet, at most `limit` of them.
///
/// The lock on the conversation is the fence: taking and closing hold it while they
/// raise `owner_epoch`, a locked row is left out, and a row that was changed before
/// the lock is read in its newest version. So no agent's delivery begins after
/// "take" has committed. A cancelled reply of which nothing was begun gives its
/// messages back to be handled, unless a person has answered or closed since.
pub async fn begin(
    executor: impl PgExecutor<'_>,
    outlet: &str,
    limit: usize,
    lease: Duration,
) -> Result<Look, Error> {
    let rows: Vec<BeginRow> = sqlx::query_as(BEGIN)
        .bind(outlet)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(lease.as_secs_f64())
        .fetch_all(executor)
        .await?;
    let mut look = Look::default();
    for row in rows {
        if row.state == "sending" {
            look.begun.push(row.begun);
        } else {
            look.cancelled.push(row.begun.id);
        }
    }
    Ok(look)
}

#[derive(Debug, FromRow)]
struct BeginRow {
    state: String,
    #[sqlx(flatten)]
    begun: Begun,
}

const BEGIN: &str = "
with due as materialized (
    select id, conversation_id from deliveries due
    where outlet = $1 and state = 'pending' and next_attempt_at <= now()
        and not exists (select from deliveries earlier
            where earlier.conversation_id = due.conversation_id and earlier.outlet = $1
                and earlier.position < due.position
                and earlier.state in ('pending', 'sending', 'outcome_unknown'))
    order by next_attempt_at limit $2
),
locked as materialized (
    select id, channel, owner_epoch, status, handled_seq, first_reply_at
    from conversations where id in (select conversation_id from due)
    order by id
    for no key update skip locked
),
begun as (
    update deliveries delivery set
        state = case when delivery.author = 'agent' and delivery.owner_epoch < locked.owner_epoch
            then 'cancelled' else 'sending' end,
        attempt = delivery.attempt + 1,
        lease_until = now() + make_interval(secs => $3)
    from due, locked
    where delivery.id = due.id and locked.id = due.conversation_id
        and delivery.state = 'pending' and delivery.next_attempt_at <= now()
    returning delivery.*
),
logged as (
    insert into delivery_events (delivery_id, state, attempt, detail)
    select id, state, attempt, case when state = 'cancelled' then 'a person took over' else '' end
    from begun
),
given_back as (
    select begun.conversation_id, min(begun.first_seq) as first_seq from begun
    where begun.state = 'cancelled' and begun.first_seq > 0
        and not exists (select from deliveries part
            where part.reply_id = begun.reply_id and part.state not in ('pending', 'cancelled'))
        and not exists (select from deliveries answer
            where answer.conversation_id = begun.conversation_id and answer.author = 'person'
                and answer.owner_epoch > begun.owner_epoch)
    group by begun.conversation_id
),
unhandled as (
    update conversations conversation set handled_seq = given_back.first_seq - 1
    from given_back, locked
    where conversation.id = given_back.conversation_id and locked.id = conversation.id
        and locked.status = 'open' and locked.handled_seq >= given_back.first_seq
    returning conversation.id, conversation.handled_seq
),
reopened as (
    update messages message set outcome = null, outcome_reason = null, turn_id = null
    from unhandled
    where message.conversation_id = unhandled.id and message.seq > unhandled.handled_seq
)
select begun.id, begun.conversation_id, locked.channel, begun.author, begun.body, begun.hand_off,
    begun.attempt, begun.traceparent, begun.state, app_now() as begun_at,
    case when locked.first_reply_at is null then (select sent_at from messages
        where messages.conversation_id = begun.conversation_id and seq = 1) end as unanswered_since
from begun join locked on locked.id = begun.conversation_id
order by begun.position";

/// Makes deliveries whose lease ran out due again, at outlets where a second send
/// does no harm. Returns how many.
pub async fn recover(executor: impl PgExecutor<'_>, outlet: &str) -> Result<u64, Error> {
    let done = sqlx::query(
        "with lost as (
             select id from deliveries
             where state = 'sending' and lease_until < now() and outlet = $1
             order by id for update skip locked
         ),
         recovered as (
             update deliveries delivery set
                 state = 'pending', lease_until = null, next_attempt_at = now(),
                 last_error = 'the lease was lost'
             from lost where delivery.id = lost.id
             returning delivery.id, delivery.attempt
         )
         insert into delivery_events (delivery_id, state, attempt, detail)
         select id, 'pending', attempt, 'the lease was lost' from recovered
         on conflict do nothing",
    )
    .bind(outlet)
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
