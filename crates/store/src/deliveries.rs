//! What goes out: deliveries from insertion to acceptance, many conversations per
//! statement.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::{Author, Channel, ConversationId, DeliveryId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgExecutor, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::bind::{column, number};
pub use crate::delivery_ends::{Ending, Finished, finish};
use crate::hand_off_notices::Way;

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
    /// How a person is told of the hand-off.
    pub notice: Option<Way>,
    pub traceparent: Option<String>,
}

/// Inserts deliveries in the order given, which is their order of sending, with the
/// notices that they need. Those that stand already stay as they are. Returns how many
/// are new.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    deliveries: &[NewDelivery],
) -> Result<u64, Error> {
    let new: i64 = sqlx::query_scalar(INSERT)
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
        .bind(column(deliveries, |d| d.notice.map(Way::as_str)))
        .fetch_one(executor)
        .await?;
    Ok(new.unsigned_abs())
}

const INSERT: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::integer[], $6::text[],
            $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::jsonb[],
            $13::text[], $14::text[]) with ordinality as row
        (id, conversation_id, outlet, reply_id, part, author, author_name,
         owner_epoch, first_seq, last_seq, body, hand_off, traceparent, notice, place)
),
inserted as (
    insert into deliveries (id, conversation_id, outlet, reply_id, part, author, author_name,
        owner_epoch, first_seq, last_seq, body, hand_off, traceparent)
    select id, conversation_id, outlet, reply_id, part, author, author_name,
        owner_epoch, first_seq, last_seq, body, hand_off, traceparent
    from input order by place
    on conflict (reply_id, part) do nothing
    returning id
),
noticed as (
    insert into hand_off_notices (delivery_id, way)
    select inserted.id, input.notice from inserted join input on input.id = inserted.id
    where input.notice is not null
    on conflict do nothing
)
select count(*) from inserted";

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
    /// The last message it covers; 0 when none.
    pub last_seq: i64,
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
    /// Due, but their conversation was locked: look again soon.
    pub skipped: usize,
    /// Whether more is due when these are done: a look finds no more than asked for, and
    /// one delivery of a conversation at a time.
    pub has_more: bool,
}

/// Begins the first open delivery of each conversation with something due at this
/// outlet, at most `limit` of them; and once more those whose lease ran out, so it
/// is for outlets at which a second send does no harm.
///
/// The lock on the conversation is the fence: taking and closing hold it while they
/// raise `owner_epoch`, a locked row is left out, and a row that was changed before
/// the lock is read in its newest version. So no agent's delivery begins after
/// "take" has committed. What is cancelled here was on its way when a person acted;
/// that act has given its messages back already.
pub async fn begin(
    executor: impl PgExecutor<'_>,
    outlet: &str,
    limit: usize,
    lease: Duration,
) -> Result<Look, Error> {
    let rows = sqlx::query(BEGIN)
        .bind(outlet)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(lease.as_secs_f64())
        .fetch_all(executor)
        .await?;
    let mut look = Look::default();
    let (mut due, mut undecodable) = (0, 0);
    for row in rows {
        due = row.try_get::<i64, _>("due")?;
        look.has_more |= row.try_get::<bool, _>("has_next")?;
        match row.try_get::<Option<&str>, _>("state")? {
            None => {}
            Some("sending") => match decoded(&row) {
                Some(begun) => look.begun.push(begun),
                None => undecodable += 1,
            },
            Some(_) => look.cancelled.push(row.try_get::<Uuid, _>("id")?.into()),
        }
    }
    let met = look.begun.len() + look.cancelled.len() + undecodable;
    let due = usize::try_from(due).map_err(Error::row)?;
    look.skipped = due.saturating_sub(met);
    look.has_more |= due >= limit;
    Ok(look)
}

/// A delivery whose sending has begun in the table. One that a newer program wrote must
/// not hold up the others that have begun with it; it comes again after its lease.
pub(crate) fn decoded<T: for<'r> FromRow<'r, PgRow>>(row: &PgRow) -> Option<T> {
    let decoded = T::from_row(row);
    decoded.inspect_err(|error| tracing::error!(%error, "a delivery does not decode")).ok()
}

pub(crate) const BEGIN: &str = "
with due as materialized (
    (select id, conversation_id from deliveries first
     where outlet = $1 and state = 'pending' and next_attempt_at <= now()
         and id = (select id from deliveries earliest
             where earliest.conversation_id = first.conversation_id and earliest.outlet = $1
                 and earliest.state in ('pending', 'sending', 'outcome_unknown')
             order by earliest.position limit 1)
     order by next_attempt_at limit $2)
    union all
    (select id, conversation_id from deliveries
     where outlet = $1 and state = 'sending' and lease_until < now() limit $2)
),
locked as materialized (
    select id, channel, owner_epoch, first_reply_at
    from conversations where id in (select conversation_id from due)
    order by id
    for no key update skip locked
),
begun as (
    update deliveries delivery set
        state = case when delivery.state = 'pending' and delivery.author = 'agent'
                and delivery.owner_epoch < locked.owner_epoch
            then 'cancelled' else 'sending' end,
        attempt = delivery.attempt + 1,
        lease_until = now() + make_interval(secs => $3)
    from due, locked
    where delivery.id = due.id and locked.id = due.conversation_id
        and (delivery.state = 'pending' and delivery.next_attempt_at <= now()
            or delivery.state = 'sending' and delivery.lease_until < now())
    returning delivery.*
),
logged as (
    insert into delivery_events (delivery_id, state, attempt, detail)
    select id, state, attempt, case when state = 'cancelled' then 'a person acted first' else '' end
    from begun
)
select counted.due, begun.id, begun.conversation_id, locked.channel, begun.author,
    begun.last_seq, begun.body, begun.hand_off, begun.attempt, begun.traceparent, begun.state,
    app_now() as begun_at,
    exists (select from deliveries next
        where next.conversation_id = begun.conversation_id and next.position > begun.position
            and next.outlet = $1 and next.state = 'pending') as has_next,
    case when locked.first_reply_at is null then (select sent_at from messages
        where messages.conversation_id = begun.conversation_id and seq = 1) end as unanswered_since
from (select count(*) as due from due) as counted
left join (begun join locked on locked.id = begun.conversation_id) on true
order by begun.position";
