//! Mails with the link to a web ticket's page: at most one an hour to an address, however
//! many tickets name it.

use std::time::Duration;

use contract::TicketRef;
use sqlx::{FromRow, PgExecutor};

use crate::Error;
use crate::bind::column;

/// A ticket whose page somebody is to be told of.
#[derive(Debug, Clone)]
pub struct Request {
    /// In lower case.
    pub address: String,
    pub ticket_ref: TicketRef,
}

/// A mail whose sending has begun. Whatever happens to it, no second one follows within
/// the hour.
#[derive(Debug, Clone, FromRow)]
pub struct Begun {
    pub address: String,
    #[sqlx(try_from = "String")]
    pub ticket_ref: TicketRef,
    pub attempt: i32,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Sent, or perhaps sent.
    Gone,
    Failed,
    /// Certainly not sent.
    Again(Duration),
}

/// Takes up requests, where these mails are switched on. An address that has had one
/// within the hour, or waits for one, gets no other. Returns how many were taken up.
pub async fn request(executor: impl PgExecutor<'_>, requests: &[Request]) -> Result<u64, Error> {
    let done = sqlx::query(
        "insert into status_mails (address, ticket_ref)
         select distinct on (address) address, ticket_ref
         from unnest($1::text[], $2::text[]) with ordinality as row (address, ticket_ref, place)
         where exists (select from channel_configs where channel = 'web_form'
                 and settings ->> 'mail_status_link' = 'true')
             and not exists (select from opt_outs
                 where opt_outs.channel = 'email' and opt_outs.address = row.address)
         order by address, place
         on conflict (address) do update set ticket_ref = excluded.ticket_ref,
             state = 'pending', next_attempt_at = now(), at = app_now()
         where status_mails.state <> 'pending'
             and status_mails.at < app_now() - interval '1 hour'",
    )
    .bind(column(requests, |request| request.address.as_str()))
    .bind(column(requests, |request| request.ticket_ref.as_str()))
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}

/// Begins mails that are due, oldest first; their hour counts from now. Forgets those of
/// more than a day ago.
pub async fn begin(executor: impl PgExecutor<'_>, limit: usize) -> Result<Vec<Begun>, Error> {
    let begun = sqlx::query_as(
        "with old as (
             delete from status_mails where address in (select address from status_mails
                 where at < app_now() - interval '1 day' order by at limit 1000)
         )
         update status_mails set state = 'sending', attempt = attempt + 1, at = app_now()
         where address in (select address from status_mails
             where state = 'pending' and next_attempt_at <= now()
                 and at >= app_now() - interval '1 day'
             order by next_attempt_at limit $1 for update skip locked)
         returning address, ticket_ref, attempt",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(executor)
    .await?;
    Ok(begun)
}

/// Records the end of a try. One that never gets here counts as sent.
pub async fn finish(executor: impl PgExecutor<'_>, begun: &Begun, end: End) -> Result<(), Error> {
    let (state, delay) = match end {
        End::Gone => ("sent", Duration::ZERO),
        End::Failed => ("failed", Duration::ZERO),
        End::Again(after) => ("pending", after),
    };
    sqlx::query(
        "update status_mails set state = $3, next_attempt_at = now() + make_interval(secs => $4)
         where address = $1 and attempt = $2 and state = 'sending'",
    )
    .bind(&begun.address)
    .bind(begun.attempt)
    .bind(state)
    .bind(delay.as_secs_f64())
    .execute(executor)
    .await?;
    Ok(())
}
