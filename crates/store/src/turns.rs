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
use crate::turns_sql::{COMMIT, READ};

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
    /// On a form as typed there: the name behind an address is not for whoever types it.
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
    /// For a ticket that has none.
    pub subject: Option<String>,
    pub model: String,
    pub policy_hash: String,
    pub log: Value,
    pub prompt_tokens: u32,
    /// Of the prompt's tokens, those that a server had in its cache.
    pub cached_tokens: u32,
    pub completion_tokens: u32,
    /// In millionths of a US dollar, where the model has a known price.
    pub cost_micro_usd: Option<u64>,
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
        .bind(column(&firsts, |t| t.subject.as_deref()))
        .bind(column(&firsts, |t| i32::try_from(t.cached_tokens).unwrap_or(i32::MAX)))
        .bind(column(&firsts, |t| t.cost_micro_usd.map(number)))
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

/// Writes a fixed text for a customer, unless it was delivered before or the
/// conversation is no longer the owner's. True when it stands now.
pub async fn note(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
    owner: &str,
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
         where c.id = $2 and c.owner = $10 and c.status <> 'closed' and c.owner_epoch = $3
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
    .bind(owner)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}
