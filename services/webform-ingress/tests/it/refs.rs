//! Ticket refs: unique over replicas, ahead of need, and over midnight.

use std::collections::HashSet;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::{App, question};

async fn submitted_ref(app: &App) -> String {
    let answer = app.submit(&question()).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.body);
    answer.json()["ticket_id"].as_str().unwrap().to_owned()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn refs_of_two_replicas_never_clash(pool: PgPool) {
    let replicas = [App::new(&pool).await, App::new(&pool).await];
    let mut refs = HashSet::new();
    for n in 0..600 {
        let replica = &replicas[n % 2];
        if n % 100 < 2 {
            replica.refill().await.unwrap();
        }
        assert!(refs.insert(submitted_ref(replica).await), "given twice");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn under_demand_the_background_keeps_ahead_with_growing_blocks(pool: PgPool) {
    let app = App::without_refs(&pool, "off", |_| ());
    let shutdown = CancellationToken::new();
    let refiller = tokio::spawn({
        let (ingress, shutdown) = (app.ingress.clone(), shutdown.clone());
        async move { ingress.refs.run(&ingress.pool, &*ingress.clock, &shutdown).await }
    });

    let mut refs = HashSet::new();
    for _ in 0..5_000 {
        assert!(refs.insert(submitted_ref(&app).await));
    }

    shutdown.cancel();
    refiller.await.unwrap().unwrap();
    let taken: i64 = sqlx::query_scalar("select next_number from ticket_ref_blocks")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!((5_000..=65_536).contains(&taken), "{taken}");
    let largest = taken - 5_000;
    assert!(largest > 256, "blocks grew with the demand, {largest} are left");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn blocks_double_with_demand_and_shrink_with_rest(pool: PgPool) {
    let app = App::new(&pool).await;
    let next = || async {
        sqlx::query_scalar::<_, i64>("select next_number from ticket_ref_blocks")
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    assert_eq!(next().await, 256);

    submitted_ref(&app).await;
    app.refill().await.unwrap();
    assert_eq!(next().await, 256 + 512, "at once again: doubled");
    app.set_time("2026-01-05T12:05:00Z");
    for _ in 0..600 {
        submitted_ref(&app).await;
    }
    app.refill().await.unwrap();
    assert_eq!(next().await, 256 + 512 + 256, "after five minutes: halved");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn midnight_passes_without_the_database(pool: PgPool) {
    let app = App::without_refs(&pool, "off", |_| ());
    app.set_time("2026-01-05T23:45:00Z");
    app.refill().await.unwrap();
    app.set_time("2026-01-05T23:59:59.999Z");
    assert!(submitted_ref(&app).await.starts_with("TF-20260105-"));
    pool.close().await;

    app.set_time("2026-01-06T00:00:00Z");

    assert!(submitted_ref(&app).await.starts_with("TF-20260106-"));
    assert!(app.refill().await.is_err());
    assert!(submitted_ref(&app).await.starts_with("TF-20260106-"), "what is left is used");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_a_block_submissions_are_refused_until_there_is_one(pool: PgPool) {
    let app = App::without_refs(&pool, "off", |_| ());
    let refused = app.submit(&question()).await;
    refused.assert_problem(503);
    assert_eq!(refused.header("retry-after"), "5");

    app.refill().await.unwrap();

    assert_eq!(app.submit(&question()).await.status.as_u16(), 202);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_request_waits_for_a_refill_that_is_under_way(pool: PgPool) {
    let app = App::without_refs(&pool, "off", |_| ());
    let body = question();
    let waiting = app.submit(&body);

    let (answer, refilled) = tokio::join!(waiting, app.refill());

    refilled.unwrap();
    assert_eq!(answer.status.as_u16(), 202);
}
