//! Who is still to be told of a hand-off, and how the attempts ended. The schedule is
//! the caller's; times of attempts are people's time, leases the database's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::{Channel, ConversationId, CustomerId, DeliveryId, HandOff};
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor, Row as _};
use uuid::Uuid;

use crate::Error;
use crate::deliveries::decoded;

/// How a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Webhook,
    Mail,
}

impl Way {
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Webhook => "webhook",
            Way::Mail => "mail",
        }
    }
}

/// A notice whose attempt has begun under a lease.
#[derive(Debug, Clone, FromRow)]
pub struct Notice {
    #[sqlx(try_from = "Uuid")]
    pub delivery_id: DeliveryId,
    #[sqlx(try_from = "Uuid")]
    pub conversation_id: ConversationId,
    /// Guards the end of this attempt; the first is 1.
    pub attempt: i32,
    pub hand_off: Json<HandOff>,
    #[sqlx(try_from = "String")]
    pub channel: Channel,
    pub ticket_ref: String,
    #[sqlx(try_from = "Uuid")]
    pub customer_id: CustomerId,
    /// The newest message when it was handed over.
    pub last_message: Option<String>,
    pub respond_by: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub draft_id: Option<String>,
    pub draft_thread: Option<String>,
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Look {
    pub begun: Vec<Notice>,
    /// Nobody needs to know any more.
    pub obsolete: usize,
    /// The endpoint wants no more.
    pub disabled: usize,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Delivered,
    Again {
        after: Duration,
        reason: String,
        /// How long nothing else goes to the endpoint either.
        throttled_for: Option<Duration>,
    },
    GaveUp {
        reason: String,
    },
    /// The endpoint wants no more, of anything.
    Gone {
        reason: String,
    },
}

/// Begins what is due, at most `limit`. A notice whose lease ran out begins once more: the
/// one who was told knows it again by its id. What a person has dealt with, gave back or
/// was handed over anew is not told any more.
pub async fn begin(
    executor: impl PgExecutor<'_>,
    way: Way,
    endpoint: &str,
    limit: i64,
    lease: Duration,
    falls_back_to_mail: bool,
) -> Result<Look, Error> {
    let rows = sqlx::query(BEGIN)
        .bind(way.as_str())
        .bind(endpoint)
        .bind(limit)
        .bind(lease.as_secs_f64())
        .bind(falls_back_to_mail)
        .fetch_all(executor)
        .await?;
    let mut look = Look::default();
    for row in rows {
        match row.try_get("state")? {
            "pending" => look.begun.extend(decoded(&row)),
            "disabled" => look.disabled += 1,
            _ => look.obsolete += 1,
        }
    }
    Ok(look)
}

pub(crate) const BEGIN: &str = "
with endpoint as materialized (
    select throttled_until > app_now() as is_throttled, disabled_at is not null as is_disabled
    from hand_off_endpoints where id = $2
),
due as materialized (
    select delivery_id from hand_off_notices
    where way = $1 and state = 'pending' and next_attempt_at <= app_now()
        and (lease_until is null or lease_until < now())
        and not exists (select from endpoint where is_throttled)
    order by next_attempt_at limit $3
    for update skip locked
),
judged as materialized (
    select d.id, d.conversation_id, d.hand_off, d.created_at, c.channel, c.customer_id,
        ticket.ref as ticket_ref, ticket.respond_by,
        (select body from messages m where m.conversation_id = c.id and m.stored_at <= d.created_at
         order by m.seq desc limit 1) as last_message,
        case when c.owner <> 'person' or c.status <> 'open' or ticket.ref is null
                or exists (select from deliveries newer where newer.conversation_id = c.id
                    and newer.outlet = 'hand_off' and newer.position > d.position) then 'obsolete'
            when exists (select from endpoint where is_disabled) then 'disabled'
            else 'pending' end as state
    from due join deliveries d on d.id = due.delivery_id
        join conversations c on c.id = d.conversation_id
        left join tickets ticket on ticket.conversation_id = c.id and not ticket.is_alias
),
begun as (
    update hand_off_notices notice set state = judged.state,
        attempts = attempts + (judged.state = 'pending')::integer,
        lease_until = case when judged.state = 'pending' then now() + make_interval(secs => $4) end
    from judged where notice.delivery_id = judged.id and notice.way = $1
    returning notice.delivery_id, notice.attempts as attempt, notice.draft_id, notice.draft_thread
),
mailed as (
    insert into hand_off_notices (delivery_id, way)
    select id, 'mail' from judged
    where $5 and state = 'disabled' and coalesce(hand_off ->> 'person_email', '') <> ''
    on conflict do nothing
)
select judged.*, begun.* from judged join begun on begun.delivery_id = judged.id
order by judged.created_at";

/// Records the end of an attempt. False when its lease was lost: a later attempt counts,
/// and nothing has changed. A mail is wanted from here on where `wants_mail`.
pub async fn finish(
    executor: impl PgExecutor<'_>,
    notice: &Notice,
    way: Way,
    endpoint: &str,
    end: &End,
    wants_mail: bool,
) -> Result<bool, Error> {
    let (after, throttled_for) = end.waits();
    let done: i64 = sqlx::query_scalar(
        "with ended as (
             update hand_off_notices set state = $4, last_error = $5, lease_until = null,
                 next_attempt_at = app_now() + make_interval(secs => $6)
             where delivery_id = $1 and way = $2 and attempts = $3 and state = 'pending'
             returning delivery_id
         ),
         mailed as (
             insert into hand_off_notices (delivery_id, way)
             select delivery_id, 'mail' from ended where $7
             on conflict do nothing
         ),
         noted as (
             insert into hand_off_endpoints as endpoint (id, throttled_until, disabled_at)
             select $8, app_now() + make_interval(secs => $9),
                 case when $4 = 'disabled' then app_now() end
             from ended where $9 is not null or $4 = 'disabled'
             on conflict (id) do update set
                 throttled_until = greatest(endpoint.throttled_until, excluded.throttled_until),
                 disabled_at = coalesce(endpoint.disabled_at, excluded.disabled_at)
         )
         select count(*) from ended",
    )
    .bind(notice.delivery_id.as_uuid())
    .bind(way.as_str())
    .bind(notice.attempt)
    .bind(end.state())
    .bind(end.reason())
    .bind(after.as_secs_f64())
    .bind(wants_mail)
    .bind(endpoint)
    .bind(throttled_for.map(|wait| wait.as_secs_f64()))
    .fetch_one(executor)
    .await?;
    Ok(done == 1)
}

impl End {
    fn state(&self) -> &'static str {
        match self {
            End::Delivered => "delivered",
            End::Again { .. } => "pending",
            End::GaveUp { .. } => "gave_up",
            End::Gone { .. } => "disabled",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            End::Delivered => None,
            End::Again { reason, .. } | End::GaveUp { reason } | End::Gone { reason } => {
                Some(reason)
            }
        }
    }

    fn waits(&self) -> (Duration, Option<Duration>) {
        match self {
            End::Again { after, throttled_for, .. } => (*after, *throttled_for),
            End::Delivered | End::GaveUp { .. } | End::Gone { .. } => (Duration::ZERO, None),
        }
    }
}

/// Hand-offs that still wait for a person of which nobody could be told: given up, or
/// waiting for longer than this.
pub async fn untold(executor: impl PgExecutor<'_>, after: Duration) -> Result<i64, Error> {
    let untold = sqlx::query_scalar(
        "select count(distinct d.id)
         from hand_off_notices n join deliveries d on d.id = n.delivery_id
             join conversations c on c.id = d.conversation_id
         where n.state in ('pending', 'gave_up', 'disabled')
             and (n.state <> 'pending'
                 or n.created_at < app_now() - make_interval(secs => $1))
             and c.owner = 'person' and c.status = 'open' and c.taken_at is null
             and not exists (select from hand_off_notices other
                 where other.delivery_id = d.id and other.state = 'delivered')",
    )
    .bind(after.as_secs_f64())
    .fetch_one(executor)
    .await?;
    Ok(untold)
}

/// Days that a notice of a closed conversation is kept.
const DAYS: i32 = 90;

/// Deletes up to `limit` notices past their time; returns how many there were. One whose
/// conversation is open stays: somebody may still answer it, or look why nobody was told.
pub async fn delete_old(executor: impl PgExecutor<'_>, limit: i64) -> Result<u64, Error> {
    let deleted = sqlx::query(
        "delete from hand_off_notices where (delivery_id, way) in (
             select n.delivery_id, n.way
             from hand_off_notices n join deliveries d on d.id = n.delivery_id
                 join conversations c on c.id = d.conversation_id
             where n.state <> 'pending' and c.status = 'closed'
                 and n.created_at < app_now() - make_interval(days => $1)
             limit $2)",
    )
    .bind(DAYS)
    .bind(limit)
    .execute(executor)
    .await?;
    Ok(deleted.rows_affected())
}
