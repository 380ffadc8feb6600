//! Who writes: new tickets with their customers, conversations, first messages and
//! outbox entries, many at a time, in one statement.

use std::time::Duration;

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{Category, ConversationId, CustomerId, MessageId, Plan, Priority, TicketRef};
use sqlx::PgExecutor;

use crate::Error;
use crate::bind::column;
use crate::outbox::Columns;

/// A new web ticket with its first message.
#[derive(Debug, Clone)]
pub struct NewSubmission {
    pub ticket_ref: TicketRef,
    pub conversation_id: ConversationId,
    /// Used unless the address belongs to a customer already.
    pub customer_id: CustomerId,
    /// In normal form.
    pub email: String,
    pub name: String,
    pub subject: String,
    pub category: Option<Category>,
    pub priority: Option<Priority>,
    pub claimed_plan: Option<Plan>,
    /// Set when the request had no idempotency key.
    pub content_hash: Option<[u8; 32]>,
    pub message: NewMessage,
    /// What to publish when it turns out to be an alias.
    pub alias_records: Vec<Record>,
}

/// A customer's message on its way into its conversation.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub id: MessageId,
    pub provider_id: String,
    pub body: String,
    pub sent_at: DateTime<Utc>,
    /// What to publish once it is stored.
    pub records: Vec<Record>,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// A new ticket, conversation and message.
    Created,
    /// Equal to one of the last ten minutes: a ticket that shows its conversation.
    Alias,
    /// Its ticket stood already; nothing was written.
    Duplicate,
}

/// Stores submissions with distinct refs and distinct content hashes, in one
/// statement, and says what became of each ref.
///
/// The ticket's primary key decides what is new; everything else follows from it.
/// Equal submissions meet on their row of `recent_submissions`: `on conflict do
/// update` waits for the other replica and returns what it has committed, which
/// the statement's own snapshot would not show. Times are the customers', so that
/// a replay decides the same.
pub async fn store_submissions(
    executor: impl PgExecutor<'_>,
    service: &str,
    submissions: &[NewSubmission],
) -> Result<Vec<(String, Placement)>, Error> {
    let mut entries = Columns::default();
    let mut entry_refs: Vec<&str> = Vec::new();
    let mut entry_is_alias: Vec<bool> = Vec::new();
    for submission in submissions {
        for (records, is_alias) in
            [(&submission.message.records, false), (&submission.alias_records, true)]
        {
            for record in records {
                entries.push(Some(submission.conversation_id), record);
                entry_refs.push(submission.ticket_ref.as_str());
                entry_is_alias.push(is_alias);
            }
        }
    }
    let rows: Vec<(String, bool, bool)> = sqlx::query_as(STORE_SUBMISSIONS)
        .bind(column(submissions, |s| s.ticket_ref.as_str()))
        .bind(column(submissions, |s| s.conversation_id.as_uuid()))
        .bind(column(submissions, |s| s.customer_id.as_uuid()))
        .bind(column(submissions, |s| s.email.as_str()))
        .bind(column(submissions, |s| s.name.as_str()))
        .bind(column(submissions, |s| s.subject.as_str()))
        .bind(column(submissions, |s| s.category.map(Category::as_str)))
        .bind(column(submissions, |s| s.priority.map(Priority::as_str)))
        .bind(column(submissions, |s| s.claimed_plan.map(Plan::as_str)))
        .bind(column(submissions, |s| s.content_hash.map(|hash| hash.to_vec())))
        .bind(column(submissions, |s| s.message.id.as_uuid()))
        .bind(column(submissions, |s| s.message.provider_id.as_str()))
        .bind(column(submissions, |s| s.message.body.as_str()))
        .bind(column(submissions, |s| s.message.sent_at))
        .bind(service)
        .bind(entry_refs)
        .bind(entry_is_alias)
        .bind(entries.conversation_ids)
        .bind(entries.event_ids)
        .bind(entries.topics)
        .bind(entries.keys)
        .bind(entries.headers)
        .bind(entries.payloads)
        .bind(column(Plan::ALL, |plan| plan.as_str()))
        .bind(column(Plan::ALL, |plan| plan.first_answer()))
        .fetch_all(executor)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(ticket_ref, is_new, is_alias)| {
            let placement = match (is_new, is_alias) {
                (false, _) => Placement::Duplicate,
                (true, true) => Placement::Alias,
                (true, false) => Placement::Created,
            };
            (ticket_ref, placement)
        })
        .collect())
}

pub(crate) const STORE_SUBMISSIONS: &str = "
with input as materialized (
    select * from unnest(
        $1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::bytea[], $11::uuid[], $12::text[], $13::text[],
        $14::timestamptz[]) with ordinality as row
        (ref, own_conversation_id, new_customer_id, email, name, subject, category,
         priority, claimed_plan, content_hash, message_id, provider_id, body, sent_at, place)
),
known as materialized (
    select identifier.value as email, identifier.customer_id, customer.plan
    from customer_identifiers identifier join customers customer on customer.id = identifier.customer_id
    where identifier.kind = 'email' and identifier.value = any($4)
),
claimed as (
    insert into recent_submissions as standing (content_hash, conversation_id, sent_at)
    select content_hash, own_conversation_id, sent_at from input
    where content_hash is not null
        and (select true from tickets where tickets.ref = input.ref) is null
    order by content_hash
    on conflict (content_hash) do update set
        conversation_id = case when excluded.sent_at >= standing.sent_at + interval '10 minutes'
            then excluded.conversation_id else standing.conversation_id end,
        sent_at = case when excluded.sent_at >= standing.sent_at + interval '10 minutes'
            then excluded.sent_at else standing.sent_at end
    returning content_hash, conversation_id, sent_at
),
placed as materialized (
    select input.*,
        coalesce(claimed.conversation_id, own_conversation_id) as conversation_id,
        coalesce(claimed.conversation_id <> own_conversation_id, false) as is_alias,
        coalesce(known.customer_id, new_customer_id) as customer_id,
        known.email is not null as is_known,
        input.sent_at + (
            select min(promised.wait)
            from unnest($24::text[], $25::interval[]) as promised (plan, wait)
            where promised.plan in (coalesce(claimed_plan, 'free'), coalesce(known.plan, 'free'))
        ) as respond_by
    from input
    left join known on known.email = input.email
    left join claimed on claimed.content_hash = input.content_hash
        and claimed.sent_at > input.sent_at - interval '10 minutes'
        and claimed.sent_at < input.sent_at + interval '10 minutes'
),
new_identifiers as (
    insert into customer_identifiers (kind, value, customer_id, level)
    select distinct on (email) 'email', email, customer_id, 'self_asserted' from placed
    where not is_known and not is_alias
    order by email, place
    on conflict do nothing
),
new_customers as (
    insert into customers (id, name)
    select distinct on (customer_id) customer_id, name from placed
    where not is_known and not is_alias
    order by customer_id, place
    on conflict do nothing
),
new_tickets as (
    insert into tickets
        (ref, conversation_id, is_alias, subject, category, priority, claimed_plan, respond_by,
         claimed_name)
    select ref, conversation_id, is_alias, subject, category, priority, claimed_plan, respond_by,
        name
    from placed order by ref
    on conflict (ref) do nothing
    returning ref
),
fresh as materialized (
    select placed.* from placed join new_tickets on new_tickets.ref = placed.ref
),
new_conversations as (
    insert into conversations
        (id, channel, thread_key, customer_id, identity_level, last_seq, came_by)
    select conversation_id, 'web_form', ref, customer_id, 'self_asserted', 1, email
    from fresh where not is_alias order by conversation_id
),
new_messages as (
    insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at)
    select message_id, conversation_id, 1, 'web_form', provider_id, body, sent_at
    from fresh where not is_alias
),
new_entries as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $15, entry.conversation_id, event_id, topic, key, headers, payload
    from unnest($16::text[], $17::boolean[], $18::uuid[], $19::uuid[], $20::text[], $21::text[],
            $22::jsonb[], $23::bytea[]) with ordinality as entry
        (ref, is_alias, conversation_id, event_id, topic, key, headers, payload, place)
    join fresh on fresh.ref = entry.ref and fresh.is_alias = entry.is_alias
    order by entry.place
    on conflict (event_id) do nothing
)
select placed.ref, new_tickets.ref is not null, placed.is_alias
from placed left join new_tickets on new_tickets.ref = placed.ref";

/// Forgets submissions too old to have an alias. Returns how many.
pub async fn prune_recent_submissions(
    executor: impl PgExecutor<'_>,
    age: Duration,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "delete from recent_submissions where sent_at < app_now() - make_interval(secs => $1)",
    )
    .bind(age.as_secs_f64())
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
