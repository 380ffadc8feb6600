//! The last webhooks that were refused because of their signature: for `fte doctor`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};

use crate::Error;

/// Rows that are kept.
const MOST: i64 = 100;

/// A webhook that was refused. No value of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWebhook {
    pub route: String,
    /// Under which URLs its signature was tried.
    pub public_urls: Vec<String>,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    pub reason: String,
}

/// One that was kept.
#[derive(Debug, Clone, FromRow)]
pub struct Kept {
    pub at: DateTime<Utc>,
    pub route: String,
    pub public_urls: Vec<String>,
    pub parameters: Vec<String>,
    pub reason: String,
}

/// Keeps one, in place of the oldest.
pub async fn keep(executor: impl PgExecutor<'_>, refused: &RefusedWebhook) -> Result<(), Error> {
    sqlx::query(
        "with forgotten as (
             delete from refused_webhooks where id not in (
                 select id from refused_webhooks order by id desc limit $5 - 1))
         insert into refused_webhooks (route, public_urls, parameters, reason)
         values ($1, $2, $3, $4)",
    )
    .bind(&refused.route)
    .bind(&refused.public_urls)
    .bind(&refused.parameters)
    .bind(&refused.reason)
    .bind(MOST)
    .execute(executor)
    .await?;
    Ok(())
}

/// The newest ones.
pub async fn newest(executor: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Kept>, Error> {
    let rows = sqlx::query_as(
        "select at, route, public_urls, parameters, reason from refused_webhooks
         order by id desc limit $1",
    )
    .bind(limit)
    .fetch_all(executor)
    .await?;
    Ok(rows)
}
