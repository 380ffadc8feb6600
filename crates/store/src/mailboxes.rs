//! How far our mailboxes have been read, under a lease that one reader holds at a time,
//! and the mails in them that could not be read.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::Channel;
use sqlx::{FromRow, PgExecutor};

use crate::Error;

/// A mailbox as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The history id up to which everything is in the log; `None` before the first reading.
    pub cursor: Option<u64>,
    pub is_leased: bool,
    pub synced_at: Option<DateTime<Utc>>,
    /// For how long the watch lasts yet, in seconds; negative when it is over.
    pub watch_lasts_s: Option<i64>,
    /// How long ago it was renewed, in seconds.
    pub watch_age_s: Option<i64>,
}

/// The right to read a mailbox. Whoever lost it can write nothing more under it.
#[derive(Debug, Clone)]
pub struct Lease {
    address: String,
    epoch: i64,
    lasts: Duration,
    cursor: Option<u64>,
}

#[derive(FromRow)]
struct Row {
    cursor: Option<String>,
    is_leased: bool,
    synced_at: Option<DateTime<Utc>>,
    watch_lasts_s: Option<i64>,
    watch_age_s: Option<i64>,
}

/// PostgreSQL has no unsigned numbers; history ids travel as text.
fn number(text: Option<String>) -> Result<Option<u64>, Error> {
    text.map(|text| text.parse().map_err(Error::row)).transpose()
}

/// The mailbox, once somebody has begun with it.
pub async fn find(executor: impl PgExecutor<'_>, address: &str) -> Result<Option<Mailbox>, Error> {
    let row: Option<Row> = sqlx::query_as(
        "select cursor::text, coalesce(lease_until > now(), false) as is_leased, synced_at,
             extract(epoch from watch_expires_at - app_now())::bigint as watch_lasts_s,
             extract(epoch from app_now() - watch_renewed_at)::bigint as watch_age_s
         from mailboxes where address = $1",
    )
    .bind(address)
    .fetch_optional(executor)
    .await?;
    let read = |row: Row| {
        Ok(Mailbox {
            cursor: number(row.cursor)?,
            is_leased: row.is_leased,
            synced_at: row.synced_at,
            watch_lasts_s: row.watch_lasts_s,
            watch_age_s: row.watch_age_s,
        })
    };
    row.map(read).transpose()
}

/// Takes the lease unless somebody has it. The first time makes the mailbox's row.
pub async fn acquire(
    executor: impl PgExecutor<'_>,
    address: &str,
    lasts: Duration,
) -> Result<Option<Lease>, Error> {
    let row: Option<(i64, Option<String>)> = sqlx::query_as(
        "insert into mailboxes (address, epoch, lease_until)
         values ($1, 1, now() + make_interval(secs => $2))
         on conflict (address) do update
         set epoch = mailboxes.epoch + 1, lease_until = excluded.lease_until
         where mailboxes.lease_until is null or mailboxes.lease_until <= now()
         returning epoch, cursor::text",
    )
    .bind(address)
    .bind(lasts.as_secs_f64())
    .fetch_optional(executor)
    .await?;
    let lease = |(epoch, cursor)| {
        let cursor = number(cursor)?;
        Ok(Lease { address: address.to_owned(), epoch, lasts, cursor })
    };
    row.map(lease).transpose()
}

impl Lease {
    /// Where the mailbox stood when the lease was taken.
    pub fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    /// How long it lasts from its last renewal.
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Extends it; false when somebody else reads now.
    pub async fn renew(&self, executor: impl PgExecutor<'_>) -> Result<bool, Error> {
        let done = sqlx::query(
            "update mailboxes set lease_until = now() + make_interval(secs => $3)
             where address = $1 and epoch = $2",
        )
        .bind(&self.address)
        .bind(self.epoch)
        .bind(self.lasts.as_secs_f64())
        .execute(executor)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets the cursor and gives the lease back. False when it was lost: nothing is written.
    pub async fn finish(self, executor: impl PgExecutor<'_>, cursor: u64) -> Result<bool, Error> {
        let done = sqlx::query(
            "update mailboxes set cursor = $3::text::numeric, lease_until = null,
                 synced_at = app_now(), last_error = null
             where address = $1 and epoch = $2",
        )
        .bind(&self.address)
        .bind(self.epoch)
        .bind(cursor.to_string())
        .execute(executor)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives the lease back with the cursor where it was.
    pub async fn release(
        self,
        executor: impl PgExecutor<'_>,
        error: Option<&str>,
    ) -> Result<bool, Error> {
        let done = sqlx::query(
            "update mailboxes set lease_until = null, last_error = $3
             where address = $1 and epoch = $2",
        )
        .bind(&self.address)
        .bind(self.epoch)
        .bind(error)
        .execute(executor)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Counts one more failure of each of these mails, given as (Gmail id, what failed).
    /// Answers with the attempts of each, in order; fewer or none when the lease was lost.
    pub async fn count_failures(
        &self,
        executor: impl PgExecutor<'_>,
        failures: &[(String, String)],
    ) -> Result<Vec<(String, i32)>, Error> {
        let (ids, errors): (Vec<&str>, Vec<&str>) =
            failures.iter().map(|(id, error)| (id.as_str(), error.as_str())).unzip();
        let rows = sqlx::query_as(
            "insert into mailbox_failures (mailbox, gmail_id, attempts, last_error)
             select m.address, f.gmail_id, 1, f.error
             from mailboxes m, unnest($3::text[], $4::text[]) as f (gmail_id, error)
             where m.address = $1 and m.epoch = $2
             on conflict (mailbox, gmail_id) do update
             set attempts = mailbox_failures.attempts + 1, last_error = excluded.last_error,
                 last_failed_at = app_now()
             returning gmail_id, attempts",
        )
        .bind(&self.address)
        .bind(self.epoch)
        .bind(ids)
        .bind(errors)
        .fetch_all(executor)
        .await?;
        Ok(rows)
    }

    /// These mails are in the log as unreadable and hold the cursor no more.
    pub async fn give_up(
        &self,
        executor: impl PgExecutor<'_>,
        gmail_ids: &[String],
    ) -> Result<(), Error> {
        sqlx::query(
            "update mailbox_failures f set given_up_at = app_now() from mailboxes m
             where m.address = $1 and m.epoch = $2 and f.mailbox = m.address
                 and f.gmail_id = any($3) and f.given_up_at is null",
        )
        .bind(&self.address)
        .bind(self.epoch)
        .bind(gmail_ids)
        .execute(executor)
        .await?;
        Ok(())
    }
}

/// Which of these mails need no reading: they are stored, or given up.
pub async fn settled(
    executor: impl PgExecutor<'_>,
    address: &str,
    gmail_ids: &[String],
) -> Result<HashSet<String>, Error> {
    let rows: Vec<String> = sqlx::query_scalar(
        "select provider_id from messages where channel = $3 and provider_id = any($2)
         union
         select gmail_id from mailbox_failures
         where mailbox = $1 and gmail_id = any($2) and given_up_at is not null",
    )
    .bind(address)
    .bind(gmail_ids)
    .bind(Channel::Email.as_str())
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The watch holds until then. Makes the mailbox's row where there is none.
pub async fn watch_renewed(
    executor: impl PgExecutor<'_>,
    address: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query(
        "insert into mailboxes (address, watch_renewed_at, watch_expires_at)
         values ($1, app_now(), $2)
         on conflict (address) do update
         set watch_renewed_at = excluded.watch_renewed_at,
             watch_expires_at = excluded.watch_expires_at",
    )
    .bind(address)
    .bind(expires_at)
    .execute(executor)
    .await?;
    Ok(())
}

/// Forgets failures older than this: no reading lists those mails any more.
pub async fn prune_failures(
    executor: impl PgExecutor<'_>,
    older_than: Duration,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "delete from mailbox_failures where last_failed_at < app_now() - make_interval(secs => $1)",
    )
    .bind(older_than.as_secs_f64())
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}
