//! Replies that wait until their customer writes again, and the one template that asks
//! for it.

use chrono::{DateTime, Utc};
use contract::{ConversationId, DeliveryId, ReplyId};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::Error;
use crate::deliveries::Begun;

/// A template of the provider's, for what may not be said in free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub id: String,
    /// A JSON object of texts; [`TICKET_REF`] stands for the ticket's ref.
    pub variables: Option<String>,
}

/// Replaced in a template's variables.
pub const TICKET_REF: &str = "{ticket_ref}";

/// What people see in place of the template's text, which only the provider has.
const SHOWN: &str = "(an approved template that asks the customer to write again)";

/// What becomes of a text that may not go now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The customer is asked.
    Asked,
    /// The customer cannot be asked: the template has failed.
    Refused {
        reason: String,
        /// Whether a person went on because of it.
        is_handed_over: bool,
    },
}

/// Lets a begun delivery wait until a message newer than `last_inbound_at` comes, and
/// puts the template before it: once for each time that the customer falls silent,
/// however many replies wait, and once more after the template was changed. A try that
/// lost its lease changes nothing.
pub async fn wait(
    executor: impl PgExecutor<'_>,
    delivery: &Begun,
    last_inbound_at: Option<DateTime<Utc>>,
    template: &Template,
) -> Result<Wait, Error> {
    let reply_id = asking(delivery.conversation_id, last_inbound_at, template);
    let refused: Option<(Option<String>, bool)> = sqlx::query_as(
        "with refused as materialized (
             select last_error, handed_over_to is not null as is_handed_over from deliveries
             where id = $4 and state in ('failed', 'cancelled')
         ),
         waiting as (
             update deliveries set awaits_inbound_after = coalesce($3, '-infinity'),
                 awaits_template = $4
             where id = $1 and state = 'sending' and attempt = $2
                 and not exists (select from refused)
             returning conversation_id, outlet, owner_epoch, traceparent
         ),
         asked as (
             insert into deliveries (id, conversation_id, outlet, reply_id, part, author,
                 owner_epoch, body, template, traceparent)
             select $4, conversation_id, outlet, $5, 0, 'system', owner_epoch, $6,
                 jsonb_set($7, '{variables}', coalesce(to_jsonb(replace($7 ->> 'variables', $8,
                     coalesce((select ref from tickets where not is_alias
                         and tickets.conversation_id = waiting.conversation_id), ''))), 'null')),
                 traceparent
             from waiting
             on conflict (reply_id, part) do nothing
         )
         select last_error, is_handed_over from refused",
    )
    .bind(delivery.id.as_uuid())
    .bind(delivery.attempt)
    .bind(last_inbound_at)
    .bind(DeliveryId::derived(reply_id, "part-0").as_uuid())
    .bind(reply_id.as_uuid())
    .bind(SHOWN)
    .bind(Json(template))
    .bind(TICKET_REF)
    .fetch_optional(executor)
    .await?;
    Ok(refused.map_or(Wait::Asked, |(reason, is_handed_over)| Wait::Refused {
        reason: reason.unwrap_or_default(),
        is_handed_over,
    }))
}

/// One id for each template and each time that the customer falls silent.
fn asking(
    conversation_id: ConversationId,
    last_inbound_at: Option<DateTime<Utc>>,
    template: &Template,
) -> ReplyId {
    let asked = last_inbound_at.map_or(0, |at| at.timestamp_micros());
    let variables = template.variables.as_deref().unwrap_or_default();
    ReplyId::derived(conversation_id, &format!("template:{asked}:{}:{variables}", template.id))
}
