//! Deletes what is past its time: facts, rollups, and records of the PostgreSQL log.

use std::time::Duration;

use bus::Bus;
use sqlx::PgPool;
use store::facts;
use store::jobs::{self, Schedule};
use tokio_util::sync::CancellationToken;

const RETENTION: Schedule = Schedule {
    name: "metrics/retention",
    every: Duration::from_secs(3_600),
    lease: Duration::from_secs(60),
};

const LOG_RETENTION: Schedule = Schedule { name: "metrics/log-retention", ..RETENTION };

/// Rows per statement: some tens of milliseconds of locks and log.
const CHUNK: i64 = 5_000;

pub(crate) async fn run(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    jobs::run(pool.clone(), RETENTION, shutdown, || delete_old(&pool)).await
}

/// The log is everybody's; it is cleaned here because something must.
pub(crate) async fn run_for_log(
    bus: Bus,
    pool: PgPool,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    jobs::run(pool, LOG_RETENTION, shutdown, || delete_old_records(&bus)).await
}

async fn delete_old_records(bus: &Bus) -> anyhow::Result<()> {
    let deleted = bus.retain().await?;
    bus.dead_letters().retain().await?;
    if deleted > 0 {
        tracing::info!(log.deleted = deleted, "records past their topic's retention are deleted");
    }
    Ok(())
}

/// Chunk after chunk, until each is short.
async fn delete_old(pool: &PgPool) -> Result<(), store::Error> {
    let mut deleted = 0;
    while let chunk @ 1.. = facts::delete_old_facts(pool, CHUNK).await? {
        deleted += chunk;
    }
    while let chunk @ 1.. = facts::delete_old_rollups(pool, CHUNK).await? {
        deleted += chunk;
    }
    if deleted > 0 {
        tracing::info!(metrics.deleted = deleted, "facts and rollups past their time are deleted");
    }
    Ok(())
}
