//! WhatsApp messages into their conversations: one statement reads what is known of a
//! batch's senders, one writes customers, conversations, tickets, messages, opt-outs and
//! outbox entries.

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{ConversationId, CustomerId, Plan, TicketRef};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::bind::{column, number};
use crate::identity::NewMessage;
use crate::outbox::Columns;
use crate::threads::{Appended, AppendedRow};
use crate::whatsapp_sql;

/// One message about which the database is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub sender_id: &'a str,
    pub address: &'a str,
    /// In E.164, in its one spelling.
    pub phone: Option<&'a str>,
    pub message_sid: &'a str,
    /// The first of its sender in this batch: what is known of the sender comes with it.
    pub is_first: bool,
}

/// What the database knows of a message and, with a sender's first, of the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where the message is stored already: its event came again.
    pub stored_in: Option<ConversationId>,
    pub open: Option<Open>,
    /// By WhatsApp id, else by an authenticated phone.
    pub customer: Option<CustomerId>,
    pub has_whatsapp: bool,
    pub has_phone: bool,
    pub plan: Option<Plan>,
    pub is_opted_out: bool,
}

/// A sender's conversation that is not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub conversation_id: ConversationId,
    pub customer_id: CustomerId,
    pub last_seq: u64,
    /// When somebody last said something.
    pub active_at: Option<DateTime<Utc>>,
    /// The agent has it, and nothing waits for an answer or for its delivery.
    pub may_close: bool,
}

#[derive(FromRow)]
struct KnownRow {
    stored_in: Option<Uuid>,
    id: Option<Uuid>,
    customer_id: Option<Uuid>,
    last_seq: Option<i64>,
    active_at: Option<DateTime<Utc>>,
    may_close: Option<bool>,
    by_whatsapp: Option<Uuid>,
    by_phone: Option<Uuid>,
    has_phone: bool,
    plan: Option<String>,
    is_opted_out: bool,
}

/// Looks up a batch, in the order given.
pub async fn find(executor: impl PgExecutor<'_>, asks: &[Ask<'_>]) -> Result<Vec<Known>, Error> {
    let rows: Vec<KnownRow> = sqlx::query_as(whatsapp_sql::FIND)
        .bind(column(asks, |ask| ask.sender_id))
        .bind(column(asks, |ask| ask.address))
        .bind(column(asks, |ask| ask.phone))
        .bind(column(asks, |ask| ask.message_sid))
        .bind(column(asks, |ask| ask.is_first))
        .fetch_all(executor)
        .await?;
    rows.into_iter().map(KnownRow::into_known).collect()
}

impl KnownRow {
    fn into_known(self) -> Result<Known, Error> {
        let open = match (self.id, self.customer_id, self.last_seq) {
            (Some(id), Some(customer), Some(last_seq)) => Some(Open {
                conversation_id: id.into(),
                customer_id: customer.into(),
                last_seq: last_seq.unsigned_abs(),
                active_at: self.active_at,
                may_close: self.may_close.unwrap_or_default(),
            }),
            _ => None,
        };
        Ok(Known {
            stored_in: self.stored_in.map(Into::into),
            open,
            customer: self.by_whatsapp.or(self.by_phone).map(Into::into),
            has_whatsapp: self.by_whatsapp.is_some(),
            has_phone: self.has_phone,
            plan: self.plan.map(Plan::try_from).transpose().map_err(Error::row)?,
            is_opted_out: self.is_opted_out,
        })
    }
}

/// One sender's new messages and the conversation that takes them.
#[derive(Debug, Clone)]
pub struct Thread {
    pub conversation_id: ConversationId,
    pub sender_id: String,
    /// Its `last_seq` as read; 0 for a new one.
    pub after_seq: u64,
    pub opening: Option<Opening>,
    pub customer_id: CustomerId,
    /// Set when the customer is new.
    pub new_customer_name: Option<String>,
    /// Kind and value of what the customer is to be found by from now on.
    pub identifiers: Vec<(&'static str, String)>,
    pub address: String,
    pub our_address: String,
    pub last_inbound_at: DateTime<Utc>,
    /// Everything up to this number has its outcome: the sender wants no answer.
    pub silent_seq: Option<u64>,
    /// Whether the address is opted out from now on, where that changes.
    pub opts_out: Option<bool>,
    pub messages: Vec<ThreadMessage>,
}

/// What a new conversation begins with.
#[derive(Debug, Clone)]
pub struct Opening {
    pub ticket_ref: TicketRef,
    pub respond_by: DateTime<Utc>,
    /// The idle one that it follows, with its `last_seq` as read.
    pub closes: Option<(ConversationId, u64)>,
}

/// A message with what came beside its words.
#[derive(Debug, Clone)]
pub struct ThreadMessage {
    pub message: NewMessage,
    pub attachments: Value,
    /// Set when it gets no answer.
    pub no_answer: Option<&'static str>,
}

/// Writes what still fits: conversations that moved on since they were read, or that
/// another replica has opened meanwhile, are not among those that took their messages.
///
/// Every write hangs on a locked or a new row. A message that came twice moves its
/// conversation's `last_seq` once, and a conversation's id comes from its first message,
/// so the second finds the number gone or the id taken.
pub async fn store(
    executor: impl PgExecutor<'_>,
    service: &str,
    threads: &[Thread],
) -> Result<Appended, Error> {
    let messages: Vec<(&Thread, i64, &ThreadMessage)> = threads
        .iter()
        .flat_map(|t| (number(t.after_seq) + 1..).zip(&t.messages).map(move |(n, m)| (t, n, m)))
        .collect();
    let identifiers: Vec<(&Thread, &(&'static str, String))> =
        threads.iter().flat_map(|t| t.identifiers.iter().map(move |one| (t, one))).collect();
    let mut entries = Columns::default();
    for (thread, _, message) in &messages {
        let records: &[Record] = &message.message.records;
        records.iter().for_each(|record| entries.push(Some(thread.conversation_id), record));
    }
    let closes = |thread: &Thread| thread.opening.as_ref().and_then(|opening| opening.closes);
    let rows: Vec<AppendedRow> = sqlx::query_as(whatsapp_sql::STORE)
        .bind(column(threads, |t| Uuid::from(t.conversation_id)))
        .bind(column(threads, |t| t.sender_id.as_str()))
        .bind(column(threads, |t| number(t.after_seq)))
        .bind(column(threads, |t| number(t.messages.len() as u64)))
        .bind(column(threads, |t| closes(t).map(|(id, _)| Uuid::from(id))))
        .bind(column(threads, |t| closes(t).map(|(_, seq)| number(seq))))
        .bind(column(threads, |t| Uuid::from(t.customer_id)))
        .bind(column(threads, |t| t.new_customer_name.as_deref()))
        .bind(column(threads, |t| t.opening.as_ref().map(|opening| opening.ticket_ref.as_str())))
        .bind(column(threads, |t| t.opening.as_ref().map(|opening| opening.respond_by)))
        .bind(column(threads, |t| t.address.as_str()))
        .bind(column(threads, |t| t.our_address.as_str()))
        .bind(column(threads, |t| t.last_inbound_at))
        .bind(column(threads, |t| t.silent_seq.map(number)))
        .bind(column(threads, |t| t.opts_out))
        .bind(column(&identifiers, |(_, (kind, _))| *kind))
        .bind(column(&identifiers, |(_, (_, value))| value.as_str()))
        .bind(column(&identifiers, |(t, _)| Uuid::from(t.customer_id)))
        .bind(column(&messages, |(t, _, _)| Uuid::from(t.conversation_id)))
        .bind(column(&messages, |(_, seq, _)| *seq))
        .bind(column(&messages, |(_, _, m)| Uuid::from(m.message.id)))
        .bind(column(&messages, |(_, _, m)| m.message.provider_id.as_str()))
        .bind(column(&messages, |(_, _, m)| m.message.body.as_str()))
        .bind(column(&messages, |(_, _, m)| m.message.sent_at))
        .bind(column(&messages, |(_, _, m)| &m.attachments))
        .bind(column(&messages, |(_, _, m)| m.no_answer))
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
