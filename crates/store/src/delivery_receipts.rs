//! What providers tell about deliveries afterwards. Receipts come in any order, twice,
//! or before our own answer, and only ever move a delivery upwards.

use bus::Record;
use contract::{ConversationId, DeliveryId, EventId};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::bind::column;
use crate::deliveries::Begun;
use crate::outbox::Columns;

/// Where a receipt moves a delivery. A failure counts until the message has arrived;
/// an arrival counts also after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Accepted,
    Sent,
    Failed,
    Delivered,
    Read,
}

/// A receipt's delivery as it stands.
#[derive(Debug, Clone, FromRow)]
pub struct Known {
    #[sqlx(flatten)]
    pub delivery: Begun,
    pub state: String,
    pub provider_id: Option<String>,
}

/// What a provider says about one delivery.
#[derive(Debug, Clone)]
pub struct Receipt {
    pub delivery_id: DeliveryId,
    pub conversation_id: ConversationId,
    /// The provider's, where it tells it.
    pub provider_id: Option<String>,
    /// As the provider puts it, with its code: one event each.
    pub event: String,
    pub rank: Rank,
    /// Of a failure, in plain words.
    pub reason: Option<String>,
    /// Who goes on with the conversation after a failure, if the agent has it.
    pub hands_over_to: Option<&'static str>,
    /// Published when it is the first to make its delivery fail.
    pub failed: Option<Record>,
}

impl Rank {
    fn state(self) -> &'static str {
        match self {
            Rank::Accepted => "accepted",
            Rank::Sent => "sent",
            Rank::Failed => "failed",
            Rank::Delivered => "delivered",
            Rank::Read => "read",
        }
    }

    /// Places with room between them; the statement has the same for states.
    fn number(self) -> i32 {
        match self {
            Rank::Accepted => 0,
            Rank::Sent => 30,
            Rank::Failed => 35,
            Rank::Delivered => 40,
            Rank::Read => 50,
        }
    }
}

/// The deliveries with these ids, and those that have these ids at the provider.
pub async fn find(
    executor: impl PgExecutor<'_>,
    ids: &[DeliveryId],
    outlet: &str,
    provider_ids: &[&str],
) -> Result<Vec<Known>, Error> {
    let rows = sqlx::query_as(
        "select d.id, d.conversation_id, c.channel, d.author, d.last_seq, d.body, d.hand_off,
             d.attempt, d.traceparent, d.state, d.provider_id, app_now() as begun_at,
             case when c.first_reply_at is null then (select sent_at from messages
                 where messages.conversation_id = c.id and seq = 1) end as unanswered_since
         from deliveries d join conversations c on c.id = d.conversation_id
         where d.outlet = $2 and d.id in (
             select unnest($1::uuid[])
             union select id from deliveries where provider_id = any($3))",
    )
    .bind(column(ids, |id| id.as_uuid()))
    .bind(outlet)
    .bind(provider_ids)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// Applies receipts, in one statement. Returns the ids of the events that were written
/// to the outbox.
pub async fn apply(
    executor: impl PgExecutor<'_>,
    service: &str,
    receipts: &[Receipt],
) -> Result<Vec<EventId>, Error> {
    let mut entries = Columns::default();
    let mut entry_deliveries: Vec<Uuid> = Vec::new();
    for receipt in receipts {
        if let Some(record) = &receipt.failed {
            entries.push(Some(receipt.conversation_id), record);
            entry_deliveries.push(receipt.delivery_id.into());
        }
    }
    let rows: Vec<(Uuid,)> = sqlx::query_as(APPLY)
        .bind(column(receipts, |r| r.delivery_id.as_uuid()))
        .bind(column(receipts, |r| r.provider_id.as_deref()))
        .bind(column(receipts, |r| r.event.as_str()))
        .bind(column(receipts, |r| r.rank.number()))
        .bind(column(receipts, |r| r.rank.state()))
        .bind(column(receipts, |r| r.reason.as_deref()))
        .bind(column(receipts, |r| r.hands_over_to))
        .bind(service)
        .bind(entry_deliveries)
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

/// The highest receipt of each delivery wins, whatever their order; the note of a
/// failure stays when the message arrives after all. What was never begun, or was
/// cancelled, has no receipts; what a person sends again does not care how the try
/// before failed.
const APPLY: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[],
            $7::text[]) as row
        (id, provider_id, event, rank, state, reason, person)
),
locked as materialized (
    select id from conversations
    where id in (select conversation_id from deliveries
        where id in (select id from input where person is not null))
    order by id
    for no key update
),
best as materialized (
    select distinct on (id) id, provider_id, rank, state, person,
        max(reason) over (partition by id) as reason
    from input order by id, rank desc
),
standing as materialized (
    select delivery.id, delivery.state as state_before from deliveries delivery
    where delivery.id in (select id from best) and (select count(*) from locked) >= 0
    order by delivery.id
    for no key update
),
moved as (
    update deliveries delivery set
        state = case when best.rank > place.rank then best.state else delivery.state end,
        last_error = coalesce(best.reason, delivery.last_error),
        provider_id = coalesce(delivery.provider_id, best.provider_id),
        handed_over_to = coalesce(best.person, delivery.handed_over_to),
        accepted_at = coalesce(delivery.accepted_at, app_now()),
        doubtful_since = null, lease_until = null
    from best join standing on standing.id = best.id, lateral (select case standing.state_before
        when 'accepted' then 0 when 'sent' then 30 when 'failed' then 35
        when 'delivered' then 40 when 'read' then 50 else -1 end as rank) as place
    where delivery.id = best.id and delivery.state <> 'cancelled' and delivery.attempt > 0
        and not (standing.state_before = 'pending' and best.state = 'failed')
    returning delivery.id, delivery.conversation_id, delivery.state, delivery.attempt, best.person,
        standing.state_before
),
logged as (
    insert into delivery_events (delivery_id, state, attempt, detail)
    select distinct on (input.id, input.event) input.id, input.event, 0,
        coalesce(input.reason, '')
    from input join moved on moved.id = input.id
    order by input.id, input.event
    on conflict do nothing
),
handed_over as (
    update conversations conversation set owner = 'person', person = moved.person,
        status = 'open', escalated_at = coalesce(escalated_at, app_now()), updated_at = app_now()
    from moved
    where conversation.id = moved.conversation_id and moved.person is not null
        and moved.state = 'failed' and moved.state_before <> 'failed'
        and conversation.owner = 'agent' and conversation.status <> 'closed'
)
insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
select $8, entry.conversation_id, event_id, topic, key, headers, payload
from unnest($9::uuid[], $10::uuid[], $11::uuid[], $12::text[], $13::text[], $14::jsonb[],
        $15::bytea[]) with ordinality as entry
    (delivery_id, conversation_id, event_id, topic, key, headers, payload, place)
where delivery_id in (select id from moved where state = 'failed' and state_before <> 'failed')
order by place
on conflict (event_id) do nothing
returning event_id";
