//! Deletes what operators did long ago.

use std::time::Duration;

use sqlx::PgPool;
use store::audit;
use store::jobs::{self, Schedule};
use tokio_util::sync::CancellationToken;

const RETENTION: Schedule = Schedule {
    name: "support-api/retention",
    every: Duration::from_secs(3_600),
    lease: Duration::from_secs(60),
};

/// Rows per statement: some tens of milliseconds of locks and log.
const CHUNK: i64 = 5_000;

pub(crate) async fn run(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    jobs::run(pool.clone(), RETENTION, shutdown, || delete_old(&pool)).await
}

async fn delete_old(pool: &PgPool) -> Result<(), store::Error> {
    while audit::delete_old(pool, CHUNK).await? > 0 {}
    Ok(())
}
