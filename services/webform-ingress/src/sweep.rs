//! Deletes what only a while is needed: idempotency keys and past days' counters.

use std::time::Duration;

use chassis::Context;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use store::jobs::{self, Schedule};

use crate::Ingress;

/// How long a key stands for its request. Clients try again within minutes.
const KEYS_ARE_KEPT: TimeDelta = TimeDelta::days(7);

/// Days whose counters are kept, against replicas whose clocks differ.
const DAYS_ARE_KEPT: TimeDelta = TimeDelta::days(7);

/// Keys deleted in one statement: short locks, short transactions.
const CHUNK: i64 = 5_000;

/// One replica sweeps at a time.
const SCHEDULE: Schedule = Schedule {
    name: "webform-ingress sweep",
    every: Duration::from_secs(3600),
    lease: Duration::from_secs(60),
};

pub(crate) async fn run(ingress: Ingress, context: Context) -> anyhow::Result<()> {
    let pool = ingress.pool.clone();
    let step = || sweep(&ingress.pool, (ingress.clock)());
    jobs::run(pool, SCHEDULE, context.shutdown.clone(), step).await
}

async fn sweep(pool: &PgPool, now: DateTime<Utc>) -> Result<(), store::Error> {
    let before = now - KEYS_ARE_KEPT;
    while store::web_requests::delete_before(pool, before, CHUNK).await? > 0 {}
    store::refs::delete_before(pool, (now - DAYS_ARE_KEPT).date_naive()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use contract::TicketRef;

    use super::*;

    #[sqlx::test(migrator = "store::MIGRATOR")]
    async fn a_week_later_keys_and_counters_are_gone_and_younger_ones_are_not(pool: PgPool) {
        let noon: DateTime<Utc> = "2026-01-05T12:00:00Z".parse().unwrap();
        let later = noon + TimeDelta::days(4);
        for (n, at) in [(0_u8, noon), (1, later)] {
            let day = at.date_naive();
            let ticket_ref = TicketRef::numbered(day, 0).unwrap();
            store::web_requests::claim(&pool, &[n; 32], &[0; 32], &ticket_ref, at).await.unwrap();
            store::refs::take_block(&pool, day, 256).await.unwrap();
        }
        let left = async || {
            sqlx::query_as::<_, (i64, i64)>(
                "select (select count(*) from web_requests), (select count(*) from ticket_ref_blocks)",
            )
            .fetch_one(&pool)
            .await
            .unwrap()
        };

        sweep(&pool, noon + TimeDelta::days(6)).await.unwrap();
        assert_eq!(left().await, (2, 2));
        sweep(&pool, noon + TimeDelta::days(8)).await.unwrap();
        assert_eq!(left().await, (1, 1));
    }
}
