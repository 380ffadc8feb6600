//! Our side of the ledger: every delivery that a provider should know, and the ids under
//! which we sent other mails.

use chrono::{DateTime, Utc};
use contract::DeliveryId;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::Error;

/// A delivery as it stands.
#[derive(Debug, Clone, FromRow)]
pub struct Entry {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub outlet: String,
    pub author: String,
    pub owner_epoch: i64,
    pub reply_id: Uuid,
    pub part: i32,
    pub state: String,
    pub last_error: Option<String>,
    pub provider_id: Option<String>,
    /// The order of sending within a conversation.
    pub position: i64,
    /// When its last request was about to start; `None` before the first.
    pub started_at: Option<DateTime<Utc>>,
    /// Of a mail: its draft.
    pub draft_id: Option<String>,
    /// How often a person has sent it again on purpose.
    pub resends: i64,
}

impl Entry {
    /// Whether the provider must have it.
    pub fn is_sent(&self) -> bool {
        matches!(self.state.as_str(), "accepted" | "sent" | "delivered" | "read")
    }
}

/// The deliveries of an outlet made since then, in the order of sending.
pub async fn entries(
    pool: &PgPool,
    outlet: &str,
    since: DateTime<Utc>,
) -> Result<Vec<Entry>, Error> {
    let entries = sqlx::query_as(
        "select d.id, d.conversation_id, d.outlet, d.author, d.owner_epoch, d.reply_id, d.part,
             d.state, d.last_error, d.provider_id, d.position, d.started_at, d.draft_id,
             (select count(*) from delivery_events e where e.delivery_id = d.id
                 and e.detail = 'a person sends it again') as resends
         from deliveries d where d.outlet = $1 and d.created_at >= $2 order by d.position",
    )
    .bind(outlet)
    .bind(since)
    .fetch_all(pool)
    .await?;
    Ok(entries)
}

/// The ids that mails besides deliveries carry: of hand-offs told by mail, and of tickets
/// whose customers were told of their page.
pub async fn other_mails(pool: &PgPool) -> Result<Vec<Uuid>, Error> {
    let mut ids: Vec<Uuid> =
        sqlx::query_scalar("select distinct delivery_id from hand_off_notices where way = 'mail'")
            .fetch_all(pool)
            .await?;
    let refs: Vec<String> = sqlx::query_scalar("select ref from tickets").fetch_all(pool).await?;
    let named = |text: &String| DeliveryId::named(&format!("status-mail:{text}")).as_uuid();
    ids.extend(refs.iter().map(named));
    Ok(ids)
}
