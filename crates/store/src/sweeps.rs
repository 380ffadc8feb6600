//! What sweeps over a provider's list remember: how far they came, and what they filled.

use chrono::{DateTime, Utc};
use contract::Channel;
use sqlx::PgExecutor;

use crate::Error;

/// Days that a filled gap is remembered.
const DAYS: i32 = 7;

/// How far the sweep has come.
pub async fn swept_until(
    executor: impl PgExecutor<'_>,
    name: &str,
) -> Result<Option<DateTime<Utc>>, Error> {
    let until = sqlx::query_scalar("select swept_until from sweeps where name = $1")
        .bind(name)
        .fetch_optional(executor)
        .await?;
    Ok(until)
}

/// Which of these messages are neither stored nor filled.
pub async fn missing(
    executor: impl PgExecutor<'_>,
    channel: Channel,
    provider_ids: &[&str],
) -> Result<Vec<String>, Error> {
    let missing = sqlx::query_scalar(
        "select provider_id from unnest($2::text[]) as row (provider_id)
         where not exists (select from messages
                 where channel = $1 and messages.provider_id = row.provider_id)
             and not exists (select from swept_messages
                 where channel = $1 and swept_messages.provider_id = row.provider_id)",
    )
    .bind(channel.as_str())
    .bind(provider_ids)
    .fetch_all(executor)
    .await?;
    Ok(missing)
}

/// Under which id each of these WhatsApp addresses wrote last, as far as it ever did: the
/// thread of its newest conversation.
pub async fn senders(
    executor: impl PgExecutor<'_>,
    addresses: &[&str],
) -> Result<Vec<(String, String)>, Error> {
    let senders = sqlx::query_as(
        "select input.address, newest.thread_key
         from (select distinct unnest($1::text[])) as input (address)
         cross join lateral (select thread_key from conversations
             where channel = 'whatsapp' and conversations.address = input.address
             order by created_at desc limit 1) newest",
    )
    .bind(addresses)
    .fetch_all(executor)
    .await?;
    Ok(senders)
}

/// Remembers gaps that the log has now.
pub async fn filled(
    executor: impl PgExecutor<'_>,
    channel: Channel,
    provider_ids: &[&str],
) -> Result<(), Error> {
    sqlx::query(
        "insert into swept_messages (channel, provider_id)
         select $1, provider_id from unnest($2::text[]) as row (provider_id)
         on conflict do nothing",
    )
    .bind(channel.as_str())
    .bind(provider_ids)
    .execute(executor)
    .await?;
    Ok(())
}

/// Everything before `until` is here. Forgets gaps of long ago.
pub async fn finish(
    executor: impl PgExecutor<'_>,
    name: &str,
    until: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query(
        "with forgotten as (
             delete from swept_messages where swept_at < now() - make_interval(days => $3))
         insert into sweeps (name, swept_until) values ($1, $2)
         on conflict (name) do update
             set swept_until = greatest(sweeps.swept_until, excluded.swept_until)",
    )
    .bind(name)
    .bind(until)
    .bind(DAYS)
    .execute(executor)
    .await?;
    Ok(())
}
