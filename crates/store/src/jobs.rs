//! Periodic work that one replica does at a time: who does it next, and when.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// How often a replica looks whether a job is due, at most.
const LOOK: Duration = Duration::from_secs(5);

/// A job that this process does now. The lease is its fence: whoever lost it
/// can neither renew nor finish.
#[derive(Debug)]
pub struct Claim {
    name: &'static str,
    lease: Duration,
    lease_until: DateTime<Utc>,
}

/// Takes the job if it is due and nobody holds it. The first claim creates its row.
pub async fn claim(
    executor: impl PgExecutor<'_>,
    name: &'static str,
    lease: Duration,
) -> Result<Option<Claim>, Error> {
    let lease_until = sqlx::query_scalar(
        "insert into jobs (name, lease_until) values ($1, now() + make_interval(secs => $2))
         on conflict (name) do update set lease_until = excluded.lease_until
         where jobs.next_at <= now()
             and (jobs.lease_until is null or jobs.lease_until <= now())
         returning lease_until",
    )
    .bind(name)
    .bind(lease.as_secs_f64())
    .fetch_optional(executor)
    .await?;
    Ok(lease_until.map(|lease_until| Claim { name, lease, lease_until }))
}

impl Claim {
    /// Extends the lease; false when another process has the job now.
    pub async fn renew(&mut self, executor: impl PgExecutor<'_>) -> Result<bool, Error> {
        let renewed = sqlx::query_scalar(
            "update jobs set lease_until = now() + make_interval(secs => $3)
             where name = $1 and lease_until = $2 returning lease_until",
        )
        .bind(self.name)
        .bind(self.lease_until)
        .bind(self.lease.as_secs_f64())
        .fetch_optional(executor)
        .await?;
        match renewed {
            Some(lease_until) => {
                self.lease_until = lease_until;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Gives the job back; it is due again after `next_in`. False when the lease was lost.
    pub async fn finish(
        self,
        executor: impl PgExecutor<'_>,
        next_in: Duration,
        error: Option<&str>,
    ) -> Result<bool, Error> {
        let done = sqlx::query(
            "update jobs set lease_until = null, last_run_at = now(), last_error = $4,
                 next_at = now() + make_interval(secs => $3)
             where name = $1 and lease_until = $2",
        )
        .bind(self.name)
        .bind(self.lease_until)
        .bind(next_in.as_secs_f64())
        .bind(error)
        .execute(executor)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// How a periodic job runs.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub name: &'static str,
    pub every: Duration,
    /// How long a crashed holder keeps the others waiting; renewed while a step runs.
    pub lease: Duration,
}

/// Does `step` at every due time, on one replica at a time, until shutdown. A failed
/// step is logged and comes again at its next time; a lost lease drops it.
pub async fn run<F, Fut, E>(
    pool: PgPool,
    schedule: Schedule,
    shutdown: CancellationToken,
    mut step: F,
) -> anyhow::Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<anyhow::Error>,
{
    while !shutdown.is_cancelled() {
        if let Err(error) = run_once(&pool, schedule, &shutdown, &mut step).await {
            tracing::warn!(job.name = schedule.name, error = %error, "the job could not be claimed");
        }
        tokio::select! {
            () = tokio::time::sleep(schedule.every.min(LOOK)) => {}
            () = shutdown.cancelled() => {}
        }
    }
    Ok(())
}

/// One look: false when the job was not due or another replica has it.
pub async fn run_once<F, Fut, E>(
    pool: &PgPool,
    schedule: Schedule,
    shutdown: &CancellationToken,
    step: &mut F,
) -> Result<bool, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<anyhow::Error>,
{
    let Some(mut claim) = claim(pool, schedule.name, schedule.lease).await? else {
        return Ok(false);
    };
    let outcome = tokio::select! {
        outcome = step() => outcome.map_err(Into::into),
        () = lose(pool, &mut claim) => return Ok(false),
        // Dropped, not finished: the lease runs out and another replica goes on.
        () = shutdown.cancelled() => return Ok(false),
    };
    let error = outcome.err().map(|error: anyhow::Error| format!("{error:#}"));
    if let Some(error) = &error {
        tracing::warn!(job.name = schedule.name, error, "the job failed");
    }
    claim.finish(pool, schedule.every, error.as_deref()).await
}

/// Renews until the lease is lost.
async fn lose(pool: &PgPool, claim: &mut Claim) {
    loop {
        tokio::time::sleep(claim.lease / 3).await;
        match claim.renew(pool).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(job.name = claim.name, error = %error, "the lease was not renewed");
            }
        }
    }
}
