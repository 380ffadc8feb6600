//! Begins sends at an outlet where a second send would reach the customer twice.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::DeliveryId;
use sqlx::{FromRow, PgExecutor, PgPool, Row as _};
use uuid::Uuid;

use crate::bind::column;
use crate::deliveries::{Begun, decoded};
use crate::delivery_windows::Template;
use crate::{Error, overtaken};

/// A delivery whose sending has begun, with where it goes.
#[derive(Debug, Clone, FromRow)]
pub struct BegunSend {
    #[sqlx(flatten)]
    pub delivery: Begun,
    /// Exactly as the newest message had it.
    pub address: Option<String>,
    /// Ours that the customer wrote to.
    pub our_address: Option<String>,
    pub last_inbound_at: Option<DateTime<Utc>>,
    /// Sent in place of the body.
    #[sqlx(json(nullable))]
    pub template: Option<Template>,
}

/// What a look at an outlet found.
#[derive(Debug, Default)]
pub struct Look {
    pub begun: Vec<BegunSend>,
    /// Overtaken by a person, or to somebody who has told us to stop.
    pub cancelled: Vec<DeliveryId>,
    /// Begun by a worker that let its lease run out before it started a request: they wait
    /// again.
    pub unstarted: Vec<DeliveryId>,
    /// The same after a request was about to start: it may have been sent.
    pub doubtful: Vec<DeliveryId>,
}

/// Begins the first open delivery of each conversation with something due at this
/// outlet, at most `limit` of them. One whose lease ran out waits again, to be begun as if
/// for the first time, where [`start`] was not told of it; else it is never begun again: its
/// outcome is unknown. What awaits its customer is not due before a newer message came, or
/// the template that asks for one has failed; the template overtakes it. What is in doubt holds back the agent for `hold`, a person never;
/// it is looked up at half of that, so that what turns out never to have gone still goes first.
///
/// The lock on the conversation is the fence, as in [`crate::deliveries::begin`]. What is
/// cancelled here was in flight when a person acted, and proved unsent: its messages are
/// unanswered, which is written in the same transaction.
pub async fn begin(
    pool: &PgPool,
    outlet: &str,
    limit: usize,
    lease: Duration,
    hold: Duration,
) -> Result<Look, Error> {
    let statement = if bus::sabotage("fence-at-draft") { UNFENCED.as_str() } else { BEGIN };
    let mut tx = pool.begin().await?;
    let rows = sqlx::query(statement)
        .bind(outlet)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(lease.as_secs_f64())
        .bind(hold.as_secs_f64())
        .fetch_all(&mut *tx)
        .await?;
    let mut look = Look::default();
    for row in rows {
        let id = row.try_get::<Uuid, _>("id")?.into();
        match row.try_get("state")? {
            "sending" => look.begun.extend(decoded(&row)),
            "outcome_unknown" => look.doubtful.push(id),
            "pending" => look.unstarted.push(id),
            _ => {
                look.cancelled.push(id);
                if !row.try_get::<bool, _>("is_opted_out")? {
                    let conversation = row.try_get::<Uuid, _>("conversation_id")?.into();
                    let reply = row.try_get::<Uuid, _>("reply_id")?.into();
                    overtaken::settle(&mut tx, conversation, reply).await?;
                }
            }
        }
    }
    tx.commit().await?;
    Ok(look)
}

/// As if only drafts looked for the person who took over.
static UNFENCED: LazyLock<String> = LazyLock::new(|| BEGIN.replace(FENCE, "false"));
const FENCE: &str = "delivery.owner_epoch < locked.owner_epoch";

pub(crate) const BEGIN: &str = "
with due as materialized (
    (select id, conversation_id from deliveries first
     where outlet = $1 and state = 'pending' and next_attempt_at <= now()
         and (awaits_inbound_after is null or exists (select from conversations
             where conversations.id = first.conversation_id
                 and last_inbound_at > first.awaits_inbound_after)
             or exists (select from deliveries asked where asked.id = first.awaits_template
                 and asked.state in ('failed', 'cancelled')))
         and not exists (select from deliveries earlier
             where earlier.conversation_id = first.conversation_id and earlier.outlet = $1
                 and earlier.position < first.position
                 and (earlier.state = 'sending'
                     or earlier.state = 'pending' and first.template is null
                     or earlier.state = 'outcome_unknown' and first.author <> 'person'
                         and earlier.doubtful_since > now() - make_interval(secs => $4)))
     order by next_attempt_at limit $2)
    union all
    (select id, conversation_id from deliveries
     where outlet = $1 and state = 'sending' and lease_until < now() limit $2)
),
locked as materialized (
    select id, channel, thread_key, owner_epoch, first_reply_at, address, our_address,
        last_inbound_at
    from conversations where id in (select conversation_id from due)
    order by id
    for no key update skip locked
),
begun as (
    update deliveries delivery set
        state = case when delivery.state = 'sending'
                and delivery.unstarted_attempt = delivery.attempt then 'pending'
            when delivery.state = 'sending' then 'outcome_unknown'
            when delivery.author = 'agent' and delivery.owner_epoch < locked.owner_epoch
                or opted_out.is_true then 'cancelled'
            else 'sending' end,
        last_error = case when delivery.state = 'sending'
                and delivery.unstarted_attempt = delivery.attempt
                then 'the worker stopped before it sent anything'
            when delivery.state = 'sending' then 'the worker stopped while sending'
            when opted_out.is_true then 'the customer has told us to stop'
            else delivery.last_error end,
        attempt = delivery.attempt + 1, awaits_inbound_after = null,
        awaits_template = null,
        attempted_at = case when delivery.state = 'pending' then now()
            else delivery.attempted_at end,
        unstarted_attempt = 1 + case when delivery.state = 'pending' then delivery.attempt
            else delivery.unstarted_attempt end,
        doubtful_since = case when delivery.state = 'sending'
            and delivery.unstarted_attempt is distinct from delivery.attempt then now() end,
        next_attempt_at = case when delivery.state = 'sending'
            and delivery.unstarted_attempt is distinct from delivery.attempt
            then now() + make_interval(secs => $4 / 2) else delivery.next_attempt_at end,
        lease_until = case when delivery.state = 'pending'
            then now() + make_interval(secs => $3) end
    from due, locked, lateral (select exists (select from opt_outs
        where opt_outs.channel = locked.channel
            and opt_outs.address in (locked.address, locked.thread_key)) as is_true) as opted_out
    where delivery.id = due.id and locked.id = due.conversation_id
        and (delivery.state = 'pending' and delivery.next_attempt_at <= now()
            or delivery.state = 'sending' and delivery.lease_until < now())
    returning delivery.*, opted_out.is_true as is_opted_out
),
logged as (
    insert into delivery_events (delivery_id, state, attempt, detail)
    select id, state, attempt, case when state = 'sending' then ''
            when state = 'cancelled' and not is_opted_out then 'a person acted first'
            else last_error end
    from begun
)
select begun.id, begun.conversation_id, locked.channel, begun.author, begun.last_seq, begun.body,
    begun.hand_off, begun.attempt, begun.traceparent, begun.state, app_now() as begun_at,
    begun.reply_id, begun.is_opted_out, locked.address, locked.our_address, locked.last_inbound_at, begun.template,
    case when locked.first_reply_at is null then (select sent_at from messages
        where messages.conversation_id = begun.conversation_id and seq = 1) end as unanswered_since
from begun join locked on locked.id = begun.conversation_id
order by begun.position";

/// Writes down that the requests of these tries, each with its number, are about to start.
/// Returns those that may: a try that has lost its lease may not. From here on a worker that
/// stops leaves a doubt.
pub async fn start(
    executor: impl PgExecutor<'_>,
    tries: &[(DeliveryId, i32)],
) -> Result<Vec<DeliveryId>, Error> {
    let ids: Vec<(Uuid,)> = sqlx::query_as(START)
        .bind(column(tries, |(id, _)| id.as_uuid()))
        .bind(column(tries, |(_, attempt)| *attempt))
        .fetch_all(executor)
        .await?;
    Ok(ids.into_iter().map(|(id,)| id.into()).collect())
}

/// Written for look-ups by key, as [`crate::delivery_ends::FINISH`] is.
pub(crate) const START: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::integer[]) as row (id, attempt) where attempt > 0
)
update deliveries delivery set unstarted_attempt = null, started_at = now()
from input
where delivery.id = input.id and coalesce(delivery.state, '') = 'sending'
    and delivery.attempt = input.attempt and coalesce(delivery.lease_until, now()) > now()
returning delivery.id";
