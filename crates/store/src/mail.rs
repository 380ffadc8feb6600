//! What is known of mails and of their senders: one statement per batch. Which
//! conversation a mail joins, the resolver decides; its writing is
//! [`inbound`](crate::inbound)'s.

use contract::{Channel, ConversationId, CustomerId, IdentityLevel, Plan, TicketRef};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::bind::column;
use crate::inbound::BETWEEN;
use crate::mail_sql::FIND;

/// One mail about which the database is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub gmail_id: &'a str,
    /// The sender, in lower case.
    pub address: &'a str,
    /// Its Message-ID, where another mail with the same one may be the same mail.
    pub twin_of: Option<&'a str>,
    pub body: &'a str,
    /// The ids that it answers, the best first; without line breaks.
    pub answers: &'a [String],
    /// Gmail's thread.
    pub thread_id: &'a str,
    /// The ticket whose token is in the subject.
    pub token: Option<&'a TicketRef>,
}

/// What the database knows of a mail and its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where it is stored already: its event came again, or the mail by another way.
    pub stored_in: Option<ConversationId>,
    /// Whose address it is.
    pub customer: Option<CustomerId>,
    pub level: Option<IdentityLevel>,
    pub plan: Option<Plan>,
    /// The name under which the sender acts, when the address stands in the list of staff.
    pub staff_name: Option<String>,
    /// Conversations that it may belong to, the best first.
    pub candidates: Vec<Candidate>,
}

/// A conversation that something in the mail points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub conversation_id: ConversationId,
    pub customer_id: CustomerId,
    pub channel: Channel,
    pub last_seq: u64,
    pub via: Via,
    /// The sender is known in it.
    pub is_participant: bool,
    pub level: IdentityLevel,
    pub is_closed: bool,
}

/// What points to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A Message-ID of it.
    Header,
    /// Gmail's thread.
    Thread,
    /// Its ticket's ref in the subject.
    Token,
}

#[derive(FromRow)]
struct KnownRow {
    stored_in: Option<Uuid>,
    customer_id: Option<Uuid>,
    level: Option<String>,
    plan: Option<String>,
    staff_name: Option<String>,
    candidates: Json<Vec<CandidateRow>>,
}

#[derive(Deserialize)]
struct CandidateRow {
    id: Uuid,
    customer_id: Uuid,
    channel: String,
    last_seq: u64,
    via: Via,
    is_participant: bool,
    level: String,
    is_closed: bool,
}

/// Looks up a batch, in the order given.
pub async fn find(executor: impl PgExecutor<'_>, asks: &[Ask<'_>]) -> Result<Vec<Known>, Error> {
    let rows: Vec<KnownRow> = sqlx::query_as(FIND)
        .bind(column(asks, |ask| ask.gmail_id))
        .bind(column(asks, |ask| ask.address))
        .bind(column(asks, |ask| ask.twin_of))
        .bind(column(asks, |ask| ask.body))
        .bind(column(asks, |ask| ask.answers.join(BETWEEN)))
        .bind(column(asks, |ask| ask.thread_id))
        .bind(column(asks, |ask| ask.token.map(TicketRef::as_str)))
        .fetch_all(executor)
        .await?;
    rows.into_iter().map(KnownRow::into_known).collect()
}

impl KnownRow {
    fn into_known(self) -> Result<Known, Error> {
        let candidates = self.candidates.0.into_iter().map(CandidateRow::into_candidate);
        Ok(Known {
            stored_in: self.stored_in.map(Into::into),
            customer: self.customer_id.map(Into::into),
            level: self.level.map(|level| level.parse()).transpose().map_err(Error::row)?,
            plan: self.plan.map(Plan::try_from).transpose().map_err(Error::row)?,
            staff_name: self.staff_name,
            candidates: candidates.collect::<Result<_, Error>>()?,
        })
    }
}

impl CandidateRow {
    fn into_candidate(self) -> Result<Candidate, Error> {
        Ok(Candidate {
            conversation_id: self.id.into(),
            customer_id: self.customer_id.into(),
            channel: self.channel.parse().map_err(Error::row)?,
            last_seq: self.last_seq,
            via: self.via,
            is_participant: self.is_participant,
            level: self.level.parse().map_err(Error::row)?,
            is_closed: self.is_closed,
        })
    }
}
