//! Deletes what only a while is needed: idempotency keys and past days' counters.

use std::time::Duration;

use chassis::Context;
use chrono::TimeDelta;
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
    jobs::run(pool, SCHEDULE, context.shutdown.clone(), || sweep(&ingress)).await
}

async fn sweep(ingress: &Ingress) -> Result<(), store::Error> {
    let now = (ingress.clock)();
    let before = now - KEYS_ARE_KEPT;
    while store::web_requests::delete_before(&ingress.pool, before, CHUNK).await? > 0 {}
    store::refs::delete_before(&ingress.pool, (now - DAYS_ARE_KEPT).date_naive()).await?;
    Ok(())
}
