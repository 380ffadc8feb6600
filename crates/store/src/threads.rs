//! Later messages of a conversation: found by ticket ref, numbered and written
//! under the conversation's row lock.

use bus::Record;
use contract::{Channel, ConversationId, TicketRef};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::bind::{column, number};
use crate::identity::NewMessage;
use crate::outbox::{Columns, EntryRow};

/// What stands for a message that belongs to an existing ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub conversation_id: ConversationId,
    pub last_seq: u64,
    pub is_closed: bool,
    /// The message is stored already: its event came again.
    pub is_stored: bool,
}

/// Finds the conversation of each (ref, provider id), in the order given; `None`
/// where the ticket is not stored.
///
/// Here and below, `lateral` with a limit or a lock is one index look-up per row,
/// and conditions that always hold make the planner expect few rows: a plan made
/// while the tables are empty must still be good when they are not.
pub async fn find(
    executor: impl PgExecutor<'_>,
    messages: &[(&TicketRef, &str)],
) -> Result<Vec<Option<Thread>>, Error> {
    let rows: Vec<ThreadRow> = sqlx::query_as(FIND)
        .bind(column(messages, |(ticket_ref, _)| ticket_ref.as_str()))
        .bind(column(messages, |(_, provider_id)| *provider_id))
        .fetch_all(executor)
        .await?;
    rows.into_iter().map(ThreadRow::into_thread).collect()
}

pub(crate) const FIND: &str = "
select conversation.id, conversation.last_seq, conversation.status = 'closed' as is_closed,
    exists (select from messages stored
        where stored.channel = 'web_form' and stored.provider_id = input.provider_id) as is_stored
from unnest($1::text[], $2::text[]) with ordinality as input (ref, provider_id, place)
left join lateral (select conversation_id from tickets
    where ref = input.ref limit 1) ticket on true
left join lateral (select id, last_seq, status from conversations
    where id = ticket.conversation_id limit 1) conversation on true
order by input.place";

#[derive(Debug, FromRow)]
struct ThreadRow {
    id: Option<Uuid>,
    last_seq: Option<i64>,
    is_closed: Option<bool>,
    is_stored: bool,
}

impl ThreadRow {
    fn into_thread(self) -> Result<Option<Thread>, Error> {
        let (Some(id), Some(last_seq)) = (self.id, self.last_seq) else { return Ok(None) };
        Ok(Some(Thread {
            conversation_id: id.into(),
            last_seq: u64::try_from(last_seq).map_err(Error::row)?,
            is_closed: self.is_closed.unwrap_or_default(),
            is_stored: self.is_stored,
        }))
    }
}

/// New messages of one conversation, to be numbered from `after_seq + 1`.
#[derive(Debug, Clone)]
pub struct Append {
    pub conversation_id: ConversationId,
    /// The conversation's `last_seq` as read; the records carry numbers above it.
    pub after_seq: u64,
    pub messages: Vec<NewMessage>,
}

/// What writing messages did.
#[derive(Debug, Default)]
pub struct Appended {
    /// The conversations that took their messages; the others moved on meanwhile.
    pub conversations: Vec<ConversationId>,
    /// What these conversations had still to publish before.
    pub older: Vec<Record>,
}

/// Writes messages into conversations whose `last_seq` is still what was read and
/// which are not closed, reopening resolved ones. One statement: the row locks, in
/// order of id, see the newest version of each row.
pub async fn append(
    executor: impl PgExecutor<'_>,
    service: &str,
    channel: Channel,
    appends: &[Append],
) -> Result<Appended, Error> {
    let mut entries = Columns::default();
    let mut messages: Vec<(Uuid, i64, &NewMessage)> = Vec::new();
    for append in appends {
        let first = i64::try_from(append.after_seq).map_err(Error::row)? + 1;
        for (seq, message) in (first..).zip(&append.messages) {
            messages.push((append.conversation_id.into(), seq, message));
            for record in &message.records {
                entries.push(Some(append.conversation_id), record);
            }
        }
    }
    let rows: Vec<AppendedRow> = sqlx::query_as(APPEND_MESSAGES)
        .bind(column(appends, |a| a.conversation_id.as_uuid()))
        .bind(column(appends, |a| number(a.after_seq)))
        .bind(column(appends, |a| number(a.messages.len() as u64)))
        .bind(column(&messages, |(conversation, _, _)| *conversation))
        .bind(column(&messages, |(_, seq, _)| *seq))
        .bind(column(&messages, |(_, _, message)| message.id.as_uuid()))
        .bind(column(&messages, |(_, _, message)| message.provider_id.as_str()))
        .bind(column(&messages, |(_, _, message)| message.body.as_str()))
        .bind(column(&messages, |(_, _, message)| message.sent_at))
        .bind(channel.as_str())
        .bind(service)
        .bind(entries.conversation_ids)
        .bind(entries.event_ids)
        .bind(entries.topics)
        .bind(entries.keys)
        .bind(entries.headers)
        .bind(entries.payloads)
        .fetch_all(executor)
        .await?;
    Appended::of(rows)
}

impl Appended {
    pub(crate) fn of(rows: Vec<AppendedRow>) -> Result<Self, Error> {
        let mut appended = Self::default();
        for row in rows {
            match row.into_entry() {
                Ok(entry) => appended.older.push(entry.try_into()?),
                Err(conversation) => appended.conversations.push(conversation),
            }
        }
        Ok(appended)
    }
}

/// Either a conversation that took its messages, or one of its older entries.
#[derive(Debug, FromRow)]
pub(crate) struct AppendedRow {
    conversation_id: Uuid,
    event_id: Option<Uuid>,
    topic: Option<String>,
    key: Option<String>,
    headers: Option<Value>,
    payload: Option<Vec<u8>>,
}

impl AppendedRow {
    fn into_entry(self) -> Result<EntryRow, ConversationId> {
        match (self.event_id, self.topic, self.key, self.headers, self.payload) {
            (Some(event_id), Some(topic), Some(key), Some(headers), Some(payload)) => {
                Ok(EntryRow { event_id, topic, key, headers, payload })
            }
            _ => Err(self.conversation_id.into()),
        }
    }
}

pub(crate) const APPEND_MESSAGES: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as row (id, after_seq, added)
),
locked as materialized (
    select conversation.id, sorted.after_seq, sorted.added
    from (select * from input where after_seq >= 0 and added > 0 order by id) sorted
    cross join lateral (select id from conversations
        where conversations.id = sorted.id and last_seq = sorted.after_seq and status <> 'closed'
        for no key update skip locked) conversation
),
updated as (
    update conversations conversation set
        last_seq = locked.after_seq + locked.added, status = 'open', updated_at = app_now()
    from locked where conversation.id = locked.id
    returning conversation.id
),
new_messages as (
    insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at)
    select message.id, conversation_id, seq, $10, provider_id, body, sent_at
    from unnest($4::uuid[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::timestamptz[])
        as message (conversation_id, seq, id, provider_id, body, sent_at)
    join updated on updated.id = message.conversation_id
),
new_entries as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $11, conversation_id, event_id, topic, key, headers, payload
    from unnest($12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::jsonb[], $17::bytea[])
        with ordinality as entry
        (conversation_id, event_id, topic, key, headers, payload, place)
    join updated on updated.id = entry.conversation_id
    order by place
    on conflict (event_id) do nothing
)
select updated.id as conversation_id, null::uuid as event_id, null as topic, null as key,
    null::jsonb as headers, null::bytea as payload, 0 as place
from updated
union all
select conversation_id, event_id, topic, key, headers, payload, id
from outbox where service = $11 and conversation_id = any($1)
order by place";
