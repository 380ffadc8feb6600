//! Customers' messages into the conversations that take them, on channels where the
//! resolver decides which these are: one statement writes customers, conversations,
//! tickets, messages, opt-outs and outbox entries.

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{Channel, ConversationId, CustomerId, IdentityLevel, TicketRef};
use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{PgExecutor, Postgres};
use uuid::Uuid;

use crate::Error;
use crate::bind::{column, number};
use crate::identity::NewMessage;
use crate::inbound_sql::STORE;
use crate::outbox::Columns;
use crate::threads::{Appended, AppendedRow};

/// Stands between the items of a list that travels as one text: arrays of arrays must
/// have one length.
pub(crate) const BETWEEN: &str = "\n";

/// New messages and the conversation that takes them.
#[derive(Debug, Clone)]
pub struct Thread {
    pub conversation_id: ConversationId,
    pub thread_key: String,
    /// Its `last_seq` as read; 0 for a new one.
    pub after_seq: u64,
    pub opening: Option<Opening>,
    pub customer_id: CustomerId,
    /// Set when the customer is new.
    pub new_customer_name: Option<String>,
    /// What the customer is to be found by from now on.
    pub identifiers: Vec<NewIdentifier>,
    /// How well the writer of these messages is proven; `None` leaves it as it is.
    pub identity_level: Option<IdentityLevel>,
    /// Where replies go from now on; `None` leaves it as it is.
    pub address: Option<String>,
    pub our_address: String,
    pub last_inbound_at: DateTime<Utc>,
    pub silence: Option<Silence>,
    /// Whether the address is opted out from now on, where that changes.
    pub opts_out: Option<bool>,
    pub messages: Vec<ThreadMessage>,
}

/// What a new conversation begins with.
#[derive(Debug, Clone)]
pub struct Opening {
    pub ticket_ref: TicketRef,
    pub subject: String,
    pub respond_by: DateTime<Utc>,
    /// Gmail's thread.
    pub mail_thread: Option<String>,
    /// The idle one that it follows, with its `last_seq` as read.
    pub closes: Option<(ConversationId, u64)>,
}

/// An address of a customer. A stronger level than the one that stands is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIdentifier {
    pub kind: &'static str,
    pub value: String,
    pub level: IdentityLevel,
}

/// Messages that nobody is to answer: with nothing else the conversation stays as it is,
/// or begins resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// The last of them.
    pub up_to: u64,
    /// Whether what came before them is not to be answered either.
    pub covers_earlier: bool,
}

/// A message with what came beside its words.
#[derive(Debug, Clone)]
pub struct ThreadMessage {
    pub message: NewMessage,
    pub attachments: Value,
    /// Set when it gets no answer.
    pub no_answer: Option<&'static str>,
    pub mail: Option<Mail>,
}

/// What a message has beside its words when it is a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The Message-ID without angle brackets.
    pub rfc822_id: Option<String>,
    /// Of its References, else of its In-Reply-To, oldest first; without line breaks.
    pub referenced_ids: Vec<String>,
    pub subject: String,
    /// Where it says more than the message.
    pub original_text: Option<String>,
    /// Who may write into the conversation from now on, in lower case.
    pub participants: Vec<String>,
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
    channel: Channel,
    threads: &[Thread],
) -> Result<Appended, Error> {
    let messages: Vec<Numbered<'_>> = threads
        .iter()
        .flat_map(|t| (number(t.after_seq) + 1..).zip(&t.messages).map(move |(n, m)| (t, n, m)))
        .collect();
    let mut entries = Columns::default();
    for (thread, _, message) in &messages {
        let records: &[Record] = &message.message.records;
        records.iter().for_each(|record| entries.push(Some(thread.conversation_id), record));
    }
    let statement = sqlx::query_as(STORE).bind(service).bind(channel.as_str());
    let statement = bind_identifiers(bind_threads(statement, threads), threads);
    let rows: Vec<AppendedRow> = bind_mails(bind_messages(statement, &messages), &messages)
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

/// A message with its thread and its number in it.
type Numbered<'a> = (&'a Thread, i64, &'a ThreadMessage);

type Statement<'q> = QueryAs<'q, Postgres, AppendedRow, PgArguments>;

fn bind_threads<'q>(statement: Statement<'q>, threads: &'q [Thread]) -> Statement<'q> {
    let opening = |thread: &'q Thread| thread.opening.as_ref();
    let closes = |thread| opening(thread).and_then(|opening| opening.closes);
    statement
        .bind(column(threads, |t| Uuid::from(t.conversation_id)))
        .bind(column(threads, |t| t.thread_key.as_str()))
        .bind(column(threads, |t| number(t.after_seq)))
        .bind(column(threads, |t| number(t.messages.len() as u64)))
        .bind(column(threads, |t| closes(t).map(|(id, _)| Uuid::from(id))))
        .bind(column(threads, |t| closes(t).map(|(_, seq)| number(seq))))
        .bind(column(threads, |t| Uuid::from(t.customer_id)))
        .bind(column(threads, |t| t.new_customer_name.as_deref()))
        .bind(column(threads, |t| opening(t).map(|o| o.ticket_ref.as_str())))
        .bind(column(threads, |t| opening(t).map(|o| o.subject.as_str())))
        .bind(column(threads, |t| opening(t).map(|o| o.respond_by)))
        .bind(column(threads, |t| t.identity_level.map(IdentityLevel::as_str)))
        .bind(column(threads, |t| t.address.as_deref()))
        .bind(column(threads, |t| t.our_address.as_str()))
        .bind(column(threads, |t| opening(t).and_then(|o| o.mail_thread.as_deref())))
        .bind(column(threads, |t| t.last_inbound_at))
        .bind(column(threads, |t| t.silence.map(|silence| number(silence.up_to))))
        .bind(column(threads, |t| t.silence.map(|silence| silence.covers_earlier)))
        .bind(column(threads, |t| t.opts_out))
}

fn bind_identifiers<'q>(statement: Statement<'q>, threads: &'q [Thread]) -> Statement<'q> {
    let all: Vec<(&Thread, &NewIdentifier)> =
        threads.iter().flat_map(|t| t.identifiers.iter().map(move |one| (t, one))).collect();
    statement
        .bind(column(&all, |(_, one)| one.kind))
        .bind(column(&all, |(_, one)| one.value.as_str()))
        .bind(column(&all, |(_, one)| one.level.as_str()))
        .bind(column(&all, |(t, _)| Uuid::from(t.customer_id)))
}

fn bind_messages<'q>(statement: Statement<'q>, messages: &[Numbered<'q>]) -> Statement<'q> {
    statement
        .bind(column(messages, |(t, _, _)| Uuid::from(t.conversation_id)))
        .bind(column(messages, |(_, seq, _)| *seq))
        .bind(column(messages, |(_, _, m)| Uuid::from(m.message.id)))
        .bind(column(messages, |(_, _, m)| m.message.provider_id.as_str()))
        .bind(column(messages, |(_, _, m)| m.message.body.as_str()))
        .bind(column(messages, |(_, _, m)| m.message.sent_at))
        .bind(column(messages, |(_, _, m)| &m.attachments))
        .bind(column(messages, |(_, _, m)| m.no_answer))
}

fn bind_mails<'q>(statement: Statement<'q>, messages: &[Numbered<'q>]) -> Statement<'q> {
    let mails: Vec<(&Thread, &NewMessage, &Mail)> = messages
        .iter()
        .filter_map(|(t, _, m)| m.mail.as_ref().map(|mail| (*t, &m.message, mail)))
        .collect();
    let participants: Vec<(&Thread, &String)> = mails
        .iter()
        .flat_map(|(t, _, mail)| mail.participants.iter().map(move |address| (*t, address)))
        .collect();
    statement
        .bind(column(&mails, |(t, _, _)| Uuid::from(t.conversation_id)))
        .bind(column(&mails, |(_, message, _)| Uuid::from(message.id)))
        .bind(column(&mails, |(_, _, mail)| mail.rfc822_id.as_deref()))
        .bind(column(&mails, |(_, _, mail)| mail.referenced_ids.join(BETWEEN)))
        .bind(column(&mails, |(_, _, mail)| mail.subject.as_str()))
        .bind(column(&mails, |(_, _, mail)| mail.original_text.as_deref()))
        .bind(column(&participants, |(t, _)| Uuid::from(t.conversation_id)))
        .bind(column(&participants, |(_, address)| address.as_str()))
}
