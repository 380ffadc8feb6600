//! How tries of deliveries end: accepted, failed or once more, with the facts that
//! follow.

use std::time::Duration;

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{ConversationId, DeliveryId, EventId};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::Error;
use crate::bind::column;
use crate::outbox::Columns;

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The provider has it, or the page shows it.
    Accepted { provider_id: Option<String> },
    /// It will never be sent.
    Failed {
        reason: String,
        /// Who goes on with the conversation, if the agent has it.
        hands_over_to: Option<&'static str>,
        /// The provider's, where it took it first: no other delivery's.
        provider_id: Option<String>,
    },
    /// The connection was never made or the provider asks to wait.
    Again { after: Duration, reason: String },
    /// It may have been sent: nothing goes again before somebody has looked.
    Unknown { look_after: Duration, reason: String },
}

/// A try's end, with what to publish if it counts.
#[derive(Debug, Clone)]
pub struct Finished {
    pub id: DeliveryId,
    pub conversation_id: ConversationId,
    pub attempt: i32,
    pub at: DateTime<Utc>,
    pub ending: Ending,
    /// Whether this may be the conversation's first reply.
    pub is_reply: bool,
    /// Published when it is the first reply.
    pub first_reply: Option<Record>,
    /// Published whenever this end counts.
    pub records: Vec<Record>,
}

/// Records the ends of tries, in one statement. A try that lost its lease has a
/// later attempt number in its row and changes nothing. A try whose end is not known,
/// and one that is to come again, may end once more: a provider can tell later that
/// it had it. Returns the ids of the events that were written to the outbox.
pub async fn finish(
    executor: impl PgExecutor<'_>,
    service: &str,
    finished: &[Finished],
) -> Result<Vec<EventId>, Error> {
    let mut entries = Columns::default();
    let mut entry_deliveries: Vec<Uuid> = Vec::new();
    let mut entry_is_first: Vec<bool> = Vec::new();
    for end in finished {
        let firsts = end.first_reply.iter().map(|record| (record, true));
        for (record, is_first) in firsts.chain(end.records.iter().map(|record| (record, false))) {
            entries.push(Some(end.conversation_id), record);
            entry_deliveries.push(end.id.into());
            entry_is_first.push(is_first);
        }
    }
    let rows: Vec<(Uuid,)> = sqlx::query_as(FINISH)
        .bind(column(finished, |f| f.id.as_uuid()))
        .bind(column(finished, |f| f.conversation_id.as_uuid()))
        .bind(column(finished, |f| f.attempt))
        .bind(column(finished, |f| f.at))
        .bind(column(finished, |f| f.ending.state()))
        // No text of the table can hold U+0000, and a provider may send one.
        .bind(column(finished, |f| f.ending.detail().replace('\0', "\u{fffd}")))
        .bind(column(finished, |f| f.ending.delay().as_secs_f64()))
        .bind(column(finished, |f| f.ending.provider_id()))
        .bind(column(finished, |f| f.is_reply))
        .bind(column(finished, |f| f.ending.hands_over_to()))
        .bind(service)
        .bind(entry_deliveries)
        .bind(entry_is_first)
        .bind(entries.conversation_ids)
        .bind(entries.event_ids)
        .bind(entries.topics)
        .bind(entries.keys)
        .bind(entries.headers)
        .bind(entries.payloads)
        .fetch_all(executor)
        .await?;
    Ok(rows.into_iter().map(|(id,)| id.into()).collect())
}

impl Ending {
    fn state(&self) -> &'static str {
        match self {
            Ending::Accepted { .. } => "accepted",
            Ending::Failed { .. } => "failed",
            Ending::Again { .. } => "pending",
            Ending::Unknown { .. } => "outcome_unknown",
        }
    }

    fn detail(&self) -> &str {
        match self {
            Ending::Accepted { .. } => "",
            Ending::Failed { reason, .. }
            | Ending::Again { reason, .. }
            | Ending::Unknown { reason, .. } => reason,
        }
    }

    fn hands_over_to(&self) -> Option<&'static str> {
        match self {
            Ending::Failed { hands_over_to, .. } => *hands_over_to,
            Ending::Accepted { .. } | Ending::Again { .. } | Ending::Unknown { .. } => None,
        }
    }

    fn delay(&self) -> Duration {
        match self {
            Ending::Again { after, .. } => *after,
            Ending::Unknown { look_after, .. } => *look_after,
            Ending::Accepted { .. } | Ending::Failed { .. } => Duration::ZERO,
        }
    }

    fn provider_id(&self) -> Option<&str> {
        match self {
            Ending::Accepted { provider_id } | Ending::Failed { provider_id, .. } => {
                provider_id.as_deref()
            }
            Ending::Again { .. } | Ending::Unknown { .. } => None,
        }
    }
}

/// The conversations are locked before the deliveries, as everywhere: the count
/// makes the locks complete before the first delivery is touched. The coalesce
/// keeps the planner off the index of leased rows, where every finished delivery
/// leaves a dead entry; the conditions on the input always hold and make a plan of
/// look-ups by key, also one made while the table is empty.
pub(crate) const FINISH: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::text[],
            $6::text[], $7::float8[], $8::text[], $9::boolean[], $10::text[]) as row
        (id, conversation_id, attempt, at, state, detail, delay, provider_id, is_reply, person)
    where attempt > 0 and delay >= 0
),
locked as materialized (
    select id, first_reply_at from conversations
    where id in (select conversation_id from input
        where is_reply and state = 'accepted' or person is not null)
    order by id
    for no key update
),
finished as (
    update deliveries delivery set
        state = input.state, lease_until = null, last_error = nullif(input.detail, ''),
        next_attempt_at = now() + make_interval(secs => input.delay),
        accepted_at = case when input.state = 'accepted' then input.at end,
        doubtful_since = case when input.state = 'outcome_unknown' then now() end,
        handed_over_to = input.person,
        provider_id = coalesce(input.provider_id, delivery.provider_id)
    from input
    where delivery.id = input.id
        and coalesce(delivery.state, '') in ('pending', 'sending', 'outcome_unknown')
        and delivery.attempt = input.attempt and (select count(*) from locked) >= 0
    returning delivery.id, delivery.conversation_id, delivery.state, delivery.attempt,
        input.detail, input.at, input.is_reply, input.person
),
logged as (
    insert into delivery_events (delivery_id, state, attempt, detail)
    select id, state, attempt, detail from finished
    on conflict do nothing
),
handed_over as (
    update conversations conversation set owner = 'person', person = finished.person,
        status = 'open', escalated_at = coalesce(escalated_at, app_now()), updated_at = app_now()
    from finished
    where conversation.id = finished.conversation_id and finished.person is not null
        and conversation.owner = 'agent' and conversation.status <> 'closed'
),
first_reply as (
    update conversations conversation set first_reply_at = first.at
    from (select distinct on (finished.conversation_id) finished.id, finished.conversation_id, at
          from finished join locked on locked.id = finished.conversation_id
          where is_reply and state = 'accepted' and locked.first_reply_at is null
          order by finished.conversation_id, at) as first
    where conversation.id = first.conversation_id
    returning first.id
)
insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
select $11, entry.conversation_id, event_id, topic, key, headers, payload
from unnest($12::uuid[], $13::boolean[], $14::uuid[], $15::uuid[], $16::text[], $17::text[],
        $18::jsonb[], $19::bytea[]) with ordinality as entry
    (delivery_id, is_first, conversation_id, event_id, topic, key, headers, payload, place)
where (is_first and delivery_id in (select id from first_reply))
    or (not is_first and delivery_id in (select id from finished))
order by place
on conflict (event_id) do nothing
returning event_id";
