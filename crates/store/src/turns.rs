//! The agent's turns: what one statement reads, what one statement commits.

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{
    Category, Channel, ConversationId, IdentityLevel, MessageId, Plan, Priority, ReplyId,
    TicketRef, TurnId, TurnOutcome,
};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::outbox::{Columns, EntryRow};

/// The service whose relay publishes what turns left.
pub const SERVICE: &str = "agent";

/// Most messages that one turn covers; further ones are the next turn's.
const MOST_MESSAGES: i64 = 50;

/// A conversation as it stands before a turn.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub conversation_id: ConversationId,
    pub channel: Channel,
    pub is_closed: bool,
    pub is_with_person: bool,
    pub person: Option<String>,
    pub owner_epoch: u64,
    pub last_seq: u64,
    pub handled_seq: u64,
    pub identity_level: IdentityLevel,
    pub escalated_at: Option<DateTime<Utc>>,
    pub ticket_ref: TicketRef,
    pub subject: String,
    pub category: Option<Category>,
    pub priority: Option<Priority>,
    /// What the customer typed; a claim.
    pub claimed_plan: Option<Plan>,
    /// The plan of the company's records.
    pub plan: Option<Plan>,
    pub customer_name: String,
    /// The database's app_now(), to which message times compare.
    pub now: DateTime<Utc>,
    pub has_turns: bool,
    /// Without an outcome, in order.
    pub messages: Vec<Unhandled>,
    /// What earlier steps of this service have not published yet.
    pub pending: Vec<Record>,
}

/// A message that waits for its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhandled {
    pub id: MessageId,
    pub seq: u64,
    pub body: String,
    pub stored_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct SnapshotRow {
    channel: String,
    status: String,
    owner: String,
    person: Option<String>,
    owner_epoch: i64,
    last_seq: i64,
    handled_seq: i64,
    identity_level: String,
    escalated_at: Option<DateTime<Utc>>,
    ticket_ref: String,
    subject: String,
    category: Option<String>,
    priority: Option<String>,
    claimed_plan: Option<String>,
    plan: Option<String>,
    customer_name: String,
    now: DateTime<Utc>,
    has_turns: bool,
    message_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    bodies: Vec<String>,
    stored_ats: Vec<DateTime<Utc>>,
    event_ids: Vec<Uuid>,
    topics: Vec<String>,
    keys: Vec<String>,
    headers: Vec<Value>,
    payloads: Vec<Vec<u8>>,
}

pub(crate) const READ: &str = "
select c.channel, c.status, c.owner, c.person, c.owner_epoch, c.last_seq, c.handled_seq,
       c.identity_level, c.escalated_at, t.ref as ticket_ref, t.subject, t.category,
       t.priority, t.claimed_plan, cu.plan, cu.name as customer_name, app_now() as now,
       exists (select from turns where turns.conversation_id = c.id) as has_turns,
       m.message_ids, m.seqs, m.bodies, m.stored_ats,
       o.event_ids, o.topics, o.keys, o.headers, o.payloads
from conversations c
join customers cu on cu.id = c.customer_id
join tickets t on t.conversation_id = c.id and not t.is_alias
cross join lateral (
    select coalesce(array_agg(id order by seq), '{}') as message_ids,
           coalesce(array_agg(seq order by seq), '{}') as seqs,
           coalesce(array_agg(body order by seq), '{}') as bodies,
           coalesce(array_agg(stored_at order by seq), '{}') as stored_ats
    from (select id, seq, body, stored_at from messages
          where conversation_id = c.id and seq > c.handled_seq
          order by seq limit $3) as unhandled) as m
cross join lateral (
    select coalesce(array_agg(event_id order by id), '{}') as event_ids,
           coalesce(array_agg(topic order by id), '{}') as topics,
           coalesce(array_agg(key order by id), '{}') as keys,
           coalesce(array_agg(headers order by id), '{}') as headers,
           coalesce(array_agg(payload order by id), '{}') as payloads
    from outbox where conversation_id = c.id and service = $2) as o
where c.id = $1";

/// Reads all that a turn needs, in one round trip; `None` for an unknown conversation.
pub async fn read(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
) -> Result<Option<Snapshot>, Error> {
    let row: Option<SnapshotRow> = sqlx::query_as(READ)
        .bind(Uuid::from(conversation))
        .bind(SERVICE)
        .bind(MOST_MESSAGES)
        .fetch_optional(executor)
        .await?;
    row.map(|row| row.into_snapshot(conversation)).transpose()
}

/// A number of the database that is never negative: a check stands on it.
fn count(number: i64) -> u64 {
    number.unsigned_abs()
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn word<T: TryFrom<String>>(text: Option<String>) -> Result<Option<T>, Error>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    text.map(T::try_from).transpose().map_err(Error::row)
}

impl SnapshotRow {
    fn into_snapshot(self, conversation_id: ConversationId) -> Result<Snapshot, Error> {
        let texts = self.bodies.into_iter().zip(self.stored_ats);
        let messages = self.message_ids.into_iter().zip(self.seqs).zip(texts);
        let contents = self.headers.into_iter().zip(self.payloads);
        let entries = self.event_ids.into_iter().zip(self.topics).zip(self.keys).zip(contents);
        Ok(Snapshot {
            conversation_id,
            channel: self.channel.parse().map_err(Error::row)?,
            is_closed: self.status == "closed",
            is_with_person: self.owner == "person",
            person: self.person,
            owner_epoch: count(self.owner_epoch),
            last_seq: count(self.last_seq),
            handled_seq: count(self.handled_seq),
            identity_level: self.identity_level.parse().map_err(Error::row)?,
            escalated_at: self.escalated_at,
            ticket_ref: self.ticket_ref.parse().map_err(Error::row)?,
            subject: self.subject,
            category: word(self.category)?,
            priority: word(self.priority)?,
            claimed_plan: word(self.claimed_plan)?,
            plan: word(self.plan)?,
            customer_name: self.customer_name,
            now: self.now,
            has_turns: self.has_turns,
            messages: messages
                .map(|((id, seq), (body, stored_at))| Unhandled {
                    id: id.into(),
                    seq: count(seq),
                    body,
                    stored_at,
                })
                .collect(),
            pending: entries
                .map(|(((event_id, topic), key), (headers, payload))| {
                    Record::try_from(EntryRow { event_id, topic, key, headers, payload })
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A decided turn, with all that it changes.
#[derive(Debug)]
pub struct Turn<'a> {
    pub id: TurnId,
    pub conversation_id: ConversationId,
    /// What was read; anything else by now makes the turn stale.
    pub owner_epoch: u64,
    pub handled_seq: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    /// Whether it counts although newer messages have come: the redos are used up.
    pub ignores_newer: bool,
    pub outcome: TurnOutcome,
    pub outcome_reason: &'a str,
    /// Who has the conversation from now on; set by a hand-over.
    pub person: Option<&'a str>,
    pub category: Option<Category>,
    pub priority: Option<Priority>,
    pub model: &'a str,
    pub policy_hash: &'a str,
    pub log: &'a Value,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub duration_us: u64,
    pub records: &'a [Record],
}

/// What became of a decided turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Done,
    /// A newer message came meanwhile: draft again with it.
    Newer,
    /// Handled, taken or closed meanwhile: from the top.
    Stale,
}

pub(crate) const COMMIT: &str = "
with locked as materialized (
    select id, owner, owner_epoch, status, last_seq, handled_seq from conversations
    where id = $1 for no key update
), fits as materialized (
    select id, last_seq from locked
    where owner = 'agent' and status <> 'closed' and owner_epoch = $2 and handled_seq = $3
), ok as materialized (
    select id from fits where last_seq = $5 or $6
), conversation as (
    update conversations c
    set handled_seq = $5, updated_at = app_now(),
        owner = case when $7::text is null then c.owner else 'person' end,
        person = coalesce($7, c.person),
        taken_at = case when $7 is null then c.taken_at end,
        escalated_at = case when $7 is null then c.escalated_at else app_now() end
    from ok where c.id = ok.id
), message as (
    update messages m set outcome = $8, outcome_reason = $9, turn_id = $10
    from ok where m.conversation_id = ok.id and m.seq between $4 and $5
), ticket as (
    update tickets t
    set category = coalesce($11, t.category), priority = coalesce($12, t.priority)
    from ok where t.conversation_id = ok.id and not t.is_alias
), turn as (
    insert into turns (id, conversation_id, owner_epoch, first_seq, last_seq, model,
        policy_hash, log, outcome, category, prompt_tokens, completion_tokens, duration_us)
    select $10, ok.id, $2, $4, $5, $13, $14, $15, $8, $11, $16, $17, $18 from ok
), due as (
    delete from due_turns d using ok where d.conversation_id = ok.id and d.seq <= $5
), entry as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $19, ok.id, e.event_id, e.topic, e.key, e.headers, e.payload
    from ok cross join
        unnest($20::uuid[], $21::text[], $22::text[], $23::jsonb[], $24::bytea[])
            with ordinality as e (event_id, topic, key, headers, payload, place)
    order by e.place
    on conflict (event_id) do nothing
)
select exists (select from fits), exists (select from ok) from locked";

/// Commits a turn in one statement under the conversation's lock, if what was read
/// still holds. The lock comes first: every write hangs on the locked row.
pub async fn commit(executor: impl PgExecutor<'_>, turn: &Turn<'_>) -> Result<Committed, Error> {
    let mut entries = Columns::default();
    turn.records.iter().for_each(|record| entries.push(Some(turn.conversation_id), record));
    let row: Option<(bool, bool)> = sqlx::query_as(COMMIT)
        .bind(Uuid::from(turn.conversation_id))
        .bind(number(turn.owner_epoch))
        .bind(number(turn.handled_seq))
        .bind(number(turn.first_seq))
        .bind(number(turn.last_seq))
        .bind(turn.ignores_newer)
        .bind(turn.person)
        .bind(turn.outcome.as_str())
        .bind(turn.outcome_reason)
        .bind(Uuid::from(turn.id))
        .bind(turn.category.map(Category::as_str))
        .bind(turn.priority.map(Priority::as_str))
        .bind(turn.model)
        .bind(turn.policy_hash)
        .bind(turn.log)
        .bind(i32::try_from(turn.prompt_tokens).unwrap_or(i32::MAX))
        .bind(i32::try_from(turn.completion_tokens).unwrap_or(i32::MAX))
        .bind(number(turn.duration_us))
        .bind(SERVICE)
        .bind(entries.event_ids)
        .bind(entries.topics)
        .bind(entries.keys)
        .bind(entries.headers)
        .bind(entries.payloads)
        .fetch_optional(executor)
        .await?;
    Ok(match row {
        Some((_, true)) => Committed::Done,
        Some((true, false)) => Committed::Newer,
        Some((false, false)) | None => Committed::Stale,
    })
}

/// Writes the line for a customer whose conversation a person has, unless it was
/// delivered before or the conversation has changed hands. True when it stands now.
pub async fn note_for_person(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
    owner_epoch: u64,
    reply: ReplyId,
    record: &Record,
) -> Result<bool, Error> {
    let mut entry = Columns::default();
    entry.push(Some(conversation), record);
    let done = sqlx::query(
        "insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
         select $1, c.id, e.event_id, e.topic, e.key, e.headers, e.payload
         from conversations c cross join
             unnest($5::uuid[], $6::text[], $7::text[], $8::jsonb[], $9::bytea[])
                 as e (event_id, topic, key, headers, payload)
         where c.id = $2 and c.owner = 'person' and c.owner_epoch = $3
             and not exists (select from deliveries d where d.reply_id = $4)
         on conflict (event_id) do nothing",
    )
    .bind(SERVICE)
    .bind(Uuid::from(conversation))
    .bind(number(owner_epoch))
    .bind(Uuid::from(reply))
    .bind(entry.event_ids)
    .bind(entry.topics)
    .bind(entry.keys)
    .bind(entry.headers)
    .bind(entry.payloads)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}
