//! The agent's turns: what one statement reads, what one statement commits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
use crate::bind::{column, number};
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
    /// On e-mail: whether so much went to the address on its own that no more may.
    pub replies_are_used_up: bool,
    /// Without an outcome, in order.
    pub messages: Vec<Unhandled>,
    /// Whether these are all of them.
    pub is_whole: bool,
    /// What earlier steps of this service have not published yet.
    pub pending: Vec<Record>,
}

/// A message that waits for its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhandled {
    pub id: MessageId,
    pub seq: u64,
    pub body: String,
    /// Kinds of what came with it or instead of words.
    pub attachments: Vec<String>,
    pub stored_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct SnapshotRow {
    id: Uuid,
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
    replies_are_used_up: bool,
    message_ids: Vec<Uuid>,
    seqs: Vec<i64>,
    bodies: Vec<String>,
    attachments: Vec<Value>,
    stored_ats: Vec<DateTime<Utc>>,
    event_ids: Vec<Uuid>,
    topics: Vec<String>,
    keys: Vec<String>,
    headers: Vec<Value>,
    payloads: Vec<Vec<u8>>,
}

/// Looked up by key row by row, also in a plan that was made while the tables were empty.
pub(crate) const READ: &str = "
select c.id, c.channel, c.status, c.owner, c.person, c.owner_epoch, c.last_seq, c.handled_seq,
       c.identity_level, c.escalated_at, t.ref as ticket_ref, t.subject, t.category,
       t.priority, t.claimed_plan, cu.plan, cu.name as customer_name, app_now() as now,
       (select true from turns where turns.conversation_id = c.id limit 1) is not null as has_turns,
       coalesce(replies.are_used_up, false) as replies_are_used_up,
       m.message_ids, m.seqs, m.bodies, m.attachments, m.stored_ats,
       o.event_ids, o.topics, o.keys, o.headers, o.payloads
from unnest($1::uuid[]) as asked (id)
cross join lateral (select * from conversations where id = asked.id limit 1) as c
cross join lateral (select * from customers where id = c.customer_id limit 1) as cu
cross join lateral (
    select * from tickets where conversation_id = c.id and not is_alias limit 1) as t
cross join lateral (
    select coalesce(array_agg(id order by seq), '{}') as message_ids,
           coalesce(array_agg(seq order by seq), '{}') as seqs,
           coalesce(array_agg(body order by seq), '{}') as bodies,
           coalesce(array_agg(attachments order by seq), '{}') as attachments,
           coalesce(array_agg(stored_at order by seq), '{}') as stored_ats
    from (select id, seq, body, attachments, stored_at from messages
          where conversation_id = c.id and seq > c.handled_seq and outcome is null
          order by seq limit $3) as unhandled) as m
cross join lateral (
    select coalesce(array_agg(event_id order by id), '{}') as event_ids,
           coalesce(array_agg(topic order by id), '{}') as topics,
           coalesce(array_agg(key order by id), '{}') as keys,
           coalesce(array_agg(headers order by id), '{}') as headers,
           coalesce(array_agg(payload order by id), '{}') as payloads
    from outbox where conversation_id = c.id and service = $2) as o
left join lateral (
    select in_conversation.turns >= most.per_hour or to_address.turns >= most.per_day as are_used_up
    from (select case jsonb_typeof(settings -> 'replies_per_hour')
                  when 'number' then greatest((settings -> 'replies_per_hour')::bigint, 0)
                  else 5 end as per_hour,
              case jsonb_typeof(settings -> 'replies_per_day')
                  when 'number' then greatest((settings -> 'replies_per_day')::bigint, 0)
                  else 20 end as per_day
          from channel_configs where channel = 'email' limit 1) most
    cross join lateral (select count(*) as turns from turns
        where turns.conversation_id = c.id and outcome <> 'no_answer'
            and turns.created_at > app_now() - interval '1 hour') in_conversation
    cross join lateral (select count(*) as turns from (
        select true from conversations other cross join lateral (
            select true from turns where turns.conversation_id = other.id
                and outcome <> 'no_answer' and turns.created_at > app_now() - interval '1 day'
            limit most.per_day) turn
        where other.channel = 'email' and other.address = c.address
            and other.updated_at > app_now() - interval '1 day'
        limit most.per_day) those) to_address
    where c.channel = 'email'
) replies on true";

/// Reads all that turns of these conversations need, in one round trip. In the order
/// given; `None` for an unknown conversation.
pub async fn read(
    executor: impl PgExecutor<'_>,
    conversations: &[ConversationId],
) -> Result<Vec<Option<Snapshot>>, Error> {
    let rows: Vec<SnapshotRow> = sqlx::query_as(READ)
        .bind(column(conversations, |id| Uuid::from(*id)))
        .bind(SERVICE)
        .bind(MOST_MESSAGES)
        .fetch_all(executor)
        .await?;
    let snapshots = rows.into_iter().map(SnapshotRow::into_snapshot);
    let snapshots: HashMap<_, _> = snapshots
        .map(|snapshot| snapshot.map(|snapshot| (snapshot.conversation_id, snapshot)))
        .collect::<Result<_, _>>()?;
    Ok(conversations.iter().map(|id| snapshots.get(id).cloned()).collect())
}

/// A number of the database that is never negative: a check stands on it.
fn count(number: i64) -> u64 {
    number.unsigned_abs()
}

fn word<T: TryFrom<String>>(text: Option<String>) -> Result<Option<T>, Error>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    text.map(T::try_from).transpose().map_err(Error::row)
}

/// The `kind` of every attachment.
fn kinds(attachments: &Value) -> Vec<String> {
    let all = attachments.as_array().into_iter().flatten();
    all.filter_map(|one| one.get("kind")?.as_str().map(str::to_owned)).collect()
}

impl SnapshotRow {
    fn into_snapshot(self) -> Result<Snapshot, Error> {
        let seqs = number(self.seqs.len() as u64);
        let texts = self.bodies.into_iter().zip(self.attachments).zip(self.stored_ats);
        let messages = self.message_ids.into_iter().zip(self.seqs).zip(texts);
        let contents = self.headers.into_iter().zip(self.payloads);
        let entries = self.event_ids.into_iter().zip(self.topics).zip(self.keys).zip(contents);
        Ok(Snapshot {
            conversation_id: self.id.into(),
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
            replies_are_used_up: self.replies_are_used_up,
            is_whole: seqs < MOST_MESSAGES,
            messages: messages
                .map(|((id, seq), ((body, attachments), stored_at))| Unhandled {
                    id: id.into(),
                    seq: count(seq),
                    body,
                    attachments: kinds(&attachments),
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
#[derive(Debug, Clone)]
pub struct Turn {
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
    pub outcome_reason: String,
    /// Who has the conversation from now on; set by a hand-over.
    pub person: Option<String>,
    pub category: Option<Category>,
    pub priority: Option<Priority>,
    pub model: String,
    pub policy_hash: String,
    pub log: Value,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub duration_us: u64,
    pub records: Vec<Record>,
}

/// What became of a decided turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Done,
    /// A newer message came meanwhile: draft again with it.
    Newer,
    /// Handled, taken or closed meanwhile: from the top.
    Stale,
    /// Somebody else holds the conversation in this moment: the same again soon.
    Held,
}

impl Committed {
    fn of(word: &str) -> Self {
        match word {
            "done" => Committed::Done,
            "newer" => Committed::Newer,
            _ => Committed::Stale,
        }
    }
}

/// The conversations are locked before anything is written: every write hangs on a
/// locked row. One that somebody else holds is left out, or it would hold up all others.
/// The conditions on the input
/// always hold and make a plan of look-ups by key, also one made while the tables are
/// empty.
pub(crate) const COMMIT: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
            $6::boolean[], $7::text[], $8::text[], $9::text[], $10::uuid[], $11::text[],
            $12::text[], $13::text[], $14::text[], $15::jsonb[], $16::integer[], $17::integer[],
            $18::bigint[]) as row
        (conversation_id, owner_epoch, handled_seq, first_seq, last_seq, ignores_newer, person,
         outcome, outcome_reason, turn_id, category, priority, model, policy_hash, log,
         prompt_tokens, completion_tokens, duration_us)
    where last_seq >= first_seq and duration_us >= 0
), locked as materialized (
    select id, owner, owner_epoch, status, last_seq, handled_seq from conversations
    where id in (select conversation_id from input)
    order by id
    for no key update skip locked
), fits as materialized (
    select input.*, locked.last_seq as newest_seq
    from input join locked on locked.id = input.conversation_id
    where locked.owner = 'agent' and locked.status <> 'closed'
        and locked.owner_epoch = input.owner_epoch and locked.handled_seq = input.handled_seq
), ok as materialized (
    select * from fits where newest_seq = last_seq or ignores_newer
), conversation as (
    update conversations c
    set handled_seq = ok.last_seq, updated_at = app_now(),
        owner = case when ok.person is null then c.owner else 'person' end,
        person = coalesce(ok.person, c.person),
        taken_at = case when ok.person is null then c.taken_at end,
        escalated_at = case when ok.person is null then c.escalated_at else app_now() end
    from ok where c.id = ok.conversation_id
), message as (
    update messages m
    set outcome = ok.outcome, outcome_reason = ok.outcome_reason, turn_id = ok.turn_id
    from ok
    where m.conversation_id = ok.conversation_id and m.seq between ok.first_seq and ok.last_seq
        and m.outcome is null
), ticket as (
    update tickets t
    set category = coalesce(ok.category, t.category), priority = coalesce(ok.priority, t.priority)
    from ok where t.conversation_id = ok.conversation_id and not t.is_alias
), turn as (
    insert into turns (id, conversation_id, owner_epoch, first_seq, last_seq, model,
        policy_hash, log, outcome, category, prompt_tokens, completion_tokens, duration_us)
    select turn_id, conversation_id, owner_epoch, first_seq, last_seq, model,
        policy_hash, log, outcome, category, prompt_tokens, completion_tokens, duration_us
    from ok
), due as (
    delete from due_turns d using ok
    where d.conversation_id = ok.conversation_id and d.seq <= ok.last_seq
), entry as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $19, e.conversation_id, e.event_id, e.topic, e.key, e.headers, e.payload
    from unnest($20::uuid[], $21::uuid[], $22::text[], $23::text[], $24::jsonb[], $25::bytea[])
            with ordinality as e (conversation_id, event_id, topic, key, headers, payload, place)
    where e.conversation_id in (select conversation_id from ok)
    order by e.place
    on conflict (event_id) do nothing
)
select locked.id, case when ok.conversation_id is not null then 'done'
    when fits.conversation_id is not null then 'newer' else 'stale' end
from locked left join fits on fits.conversation_id = locked.id
    left join ok on ok.conversation_id = locked.id";

/// Commits turns in one statement under their conversations' locks, each if what was
/// read of it still holds. In the order given. Of two turns of one conversation the
/// second is stale.
pub async fn commit(
    executor: impl PgExecutor<'_>,
    turns: &[Arc<Turn>],
) -> Result<Vec<Committed>, Error> {
    let mut conversations = HashSet::new();
    let mut is_first = |turn: &&Arc<Turn>| conversations.insert(turn.conversation_id);
    let firsts: Vec<&Arc<Turn>> = turns.iter().filter(&mut is_first).collect();
    let mut entries = Columns::default();
    for turn in &firsts {
        turn.records.iter().for_each(|record| entries.push(Some(turn.conversation_id), record));
    }
    let rows: Vec<(Uuid, String)> = sqlx::query_as(COMMIT)
        .bind(column(&firsts, |t| Uuid::from(t.conversation_id)))
        .bind(column(&firsts, |t| number(t.owner_epoch)))
        .bind(column(&firsts, |t| number(t.handled_seq)))
        .bind(column(&firsts, |t| number(t.first_seq)))
        .bind(column(&firsts, |t| number(t.last_seq)))
        .bind(column(&firsts, |t| t.ignores_newer))
        .bind(column(&firsts, |t| t.person.as_deref()))
        .bind(column(&firsts, |t| t.outcome.as_str()))
        .bind(column(&firsts, |t| t.outcome_reason.as_str()))
        .bind(column(&firsts, |t| Uuid::from(t.id)))
        .bind(column(&firsts, |t| t.category.map(Category::as_str)))
        .bind(column(&firsts, |t| t.priority.map(Priority::as_str)))
        .bind(column(&firsts, |t| t.model.as_str()))
        .bind(column(&firsts, |t| t.policy_hash.as_str()))
        .bind(column(&firsts, |t| &t.log))
        .bind(column(&firsts, |t| i32::try_from(t.prompt_tokens).unwrap_or(i32::MAX)))
        .bind(column(&firsts, |t| i32::try_from(t.completion_tokens).unwrap_or(i32::MAX)))
        .bind(column(&firsts, |t| number(t.duration_us)))
        .bind(SERVICE)
        .bind(entries.conversation_ids)
        .bind(entries.event_ids)
        .bind(entries.topics)
        .bind(entries.keys)
        .bind(entries.headers)
        .bind(entries.payloads)
        .fetch_all(executor)
        .await?;
    let mut found: HashMap<Uuid, Committed> =
        rows.into_iter().map(|(id, word)| (id, Committed::of(&word))).collect();
    let of = |turn: &Arc<Turn>| match found.get_mut(&turn.conversation_id.into()) {
        // A second turn of a conversation finds that the first has been.
        Some(committed) => std::mem::replace(committed, Committed::Stale),
        None => Committed::Held,
    };
    Ok(turns.iter().map(of).collect())
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
