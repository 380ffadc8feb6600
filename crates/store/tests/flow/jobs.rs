//! Work that one replica does at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use store::jobs::{self, Schedule};
use testkit::wait_for;
use tokio_util::sync::CancellationToken;

const LEASE: Duration = Duration::from_secs(60);

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_job_is_claimed_by_one_and_comes_again_at_its_time(pool: PgPool) {
    let first = jobs::claim(&pool, "job", LEASE).await.unwrap().unwrap();
    let second = jobs::claim(&pool, "job", LEASE).await.unwrap();
    assert!(first.finish(&pool, Duration::ZERO, None).await.unwrap());
    let third = jobs::claim(&pool, "job", LEASE).await.unwrap().unwrap();
    assert!(third.finish(&pool, Duration::from_secs(60), Some("broken")).await.unwrap());
    let fourth = jobs::claim(&pool, "job", LEASE).await.unwrap();

    assert!(second.is_none(), "held");
    assert!(fourth.is_none(), "not due");
    let error: String =
        sqlx::query_scalar("select last_error from jobs").fetch_one(&pool).await.unwrap();
    assert_eq!(error, "broken");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn many_claims_at_once_give_one_holder(pool: PgPool) {
    for round in 0..10 {
        let name: &'static str = Box::leak(format!("job {round}").into_boxed_str());
        let claims = (0..8).map(|_| jobs::claim(&pool, name, LEASE));
        let held = futures::future::join_all(claims).await;

        assert_eq!(held.into_iter().filter(|claim| claim.as_ref().unwrap().is_some()).count(), 1);
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whoever_lost_the_lease_can_neither_renew_nor_finish(pool: PgPool) {
    let mut stalled = jobs::claim(&pool, "job", Duration::ZERO).await.unwrap().unwrap();
    let mut holder = jobs::claim(&pool, "job", LEASE).await.unwrap().unwrap();

    assert!(!stalled.renew(&pool).await.unwrap());
    assert!(!stalled.finish(&pool, Duration::ZERO, None).await.unwrap());
    assert!(holder.renew(&pool).await.unwrap());
    assert!(holder.finish(&pool, Duration::ZERO, None).await.unwrap());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_failed_step_is_recorded_and_comes_again(pool: PgPool) {
    let runs = Arc::<AtomicU32>::default();
    let shutdown = CancellationToken::new();
    let schedule =
        Schedule { name: "job", every: Duration::from_millis(1), lease: Duration::from_secs(5) };
    let counted = Arc::clone(&runs);

    let running = tokio::spawn(jobs::run(pool.clone(), schedule, shutdown.clone(), move || {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        async move { if run == 0 { Err(anyhow::anyhow!("the first fails")) } else { Ok(()) } }
    }));
    wait_for("a second run", async || runs.load(Ordering::Relaxed) >= 2).await;
    shutdown.cancel();

    running.await.unwrap().unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_step_longer_than_its_lease_keeps_the_job(pool: PgPool) {
    let shutdown = CancellationToken::new();
    let lease = Duration::from_secs(1);
    let schedule = Schedule { name: "job", every: Duration::from_secs(60), lease };
    let stealer = pool.clone();

    let stolen = std::cell::Cell::new(0);
    let ran = jobs::run_once(&pool, schedule, &shutdown, &mut || async {
        let deadline = tokio::time::Instant::now() + lease * 2;
        while tokio::time::Instant::now() < deadline {
            if jobs::claim(&stealer, "job", lease).await.unwrap().is_some() {
                stolen.set(stolen.get() + 1);
            }
        }
        Ok::<(), anyhow::Error>(())
    })
    .await
    .unwrap();

    assert!(ran);
    assert_eq!(stolen.get(), 0);
}
