//! What a turn may read beside its own messages: what was said before, and the
//! tickets that this writer may know of.

use chrono::{DateTime, Utc};
use contract::ConversationId;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;

/// Something said before in the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct Earlier {
    /// `customer`, `agent`, `system` or `person`.
    pub author: String,
    pub text: String,
}

/// A ticket that the writer of this conversation may know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
pub struct KnownTicket {
    pub ticket: String,
    pub is_this: bool,
    pub channel: String,
    pub subject: String,
    pub category: Option<String>,
    pub priority: Option<String>,
    pub status: String,
    pub with_person: bool,
    pub opened_at: DateTime<Utc>,
}

/// The last things said in the conversation before the messages that wait, the oldest
/// first. Of what went out, only what a provider has.
pub async fn earlier(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
    most: i64,
) -> Result<Vec<Earlier>, Error> {
    let said = sqlx::query_as(
        "select author, text from (
             select * from (
                 select 'customer' as author, m.body as text, m.stored_at as at, m.seq as place
                 from messages m join conversations c on c.id = m.conversation_id
                 where m.conversation_id = $1 and m.seq <= c.handled_seq
                 union all
                 select d.author, d.body, d.created_at, d.position
                 from deliveries d
                 where d.conversation_id = $1 and d.outlet <> 'hand_off'
                     and d.state in ('accepted', 'sent', 'delivered', 'read')
             ) as said order by at desc, place desc limit $2
         ) as newest order by at, place",
    )
    .bind(Uuid::from(conversation))
    .bind(most)
    .fetch_all(executor)
    .await?;
    Ok(said)
}

/// The newest tickets that the writer of this conversation may know of: all of the
/// customer's where the channel proves who writes, else this one alone.
pub async fn known_tickets(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
    most: i64,
) -> Result<Vec<KnownTicket>, Error> {
    let tickets = sqlx::query_as(
        "select t.ref as ticket, c.id = this.id as is_this, c.channel, t.subject, t.category,
                t.priority, c.status, c.owner = 'person' as with_person, t.created_at as opened_at
         from conversations this
         join conversations c on c.id = this.id
             or (this.identity_level = 'authenticated' and c.customer_id = this.customer_id)
         join tickets t on t.conversation_id = c.id and not t.is_alias
         where this.id = $1
         order by c.id = this.id desc, t.created_at desc, t.ref limit $2",
    )
    .bind(Uuid::from(conversation))
    .bind(most)
    .fetch_all(executor)
    .await?;
    Ok(tickets)
}
