//! Deliveries that may have been sent: found again at the provider, or shown to a
//! person.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};

use crate::Error;
use crate::deliveries::Begun;

/// A delivery in doubt, with all that its message can be recognised by.
#[derive(Debug, Clone, FromRow)]
pub struct Doubt {
    #[sqlx(flatten)]
    pub delivery: Begun,
    pub address: Option<String>,
    pub our_address: Option<String>,
    /// When its last try began, by the database's clock.
    pub attempted_at: Option<DateTime<Utc>>,
}

/// Takes doubts that are due for a look, oldest first; each is due again after `again`,
/// and ten times that once a person is asked about it.
pub async fn due(
    executor: impl PgExecutor<'_>,
    outlet: &str,
    limit: i64,
    again: Duration,
    ask_after: Duration,
) -> Result<Vec<Doubt>, Error> {
    let rows = sqlx::query_as(
        "with looked as (
             update deliveries set next_attempt_at = now() + make_interval(secs => $3)
                 * case when doubtful_since > now() - make_interval(secs => $4) then 1 else 10 end
             where id in (select id from deliveries
                 where outlet = $1 and state = 'outcome_unknown' and next_attempt_at <= now()
                 order by created_at limit $2 for update skip locked)
             returning *
         )
         select looked.id, looked.conversation_id, c.channel, looked.author, looked.last_seq,
             looked.body, looked.hand_off, looked.attempt, looked.traceparent,
             app_now() as begun_at, c.address, c.our_address, looked.attempted_at,
             case when c.first_reply_at is null then (select sent_at from messages
                 where messages.conversation_id = c.id and seq = 1) end as unanswered_since
         from looked join conversations c on c.id = looked.conversation_id
         order by looked.position",
    )
    .bind(outlet)
    .bind(limit)
    .bind(again.as_secs_f64())
    .bind(ask_after.as_secs_f64())
    .fetch_all(executor)
    .await?;
    Ok(rows)
}

/// Which of these ids of the provider's belong to a delivery already.
pub async fn linked(
    executor: impl PgExecutor<'_>,
    provider_ids: &[String],
) -> Result<Vec<String>, Error> {
    let rows = sqlx::query_scalar(
        "select distinct provider_id from deliveries where provider_id = any($1)",
    )
    .bind(provider_ids)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}
