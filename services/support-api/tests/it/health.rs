//! Health: what is up, what is away, and never a hang.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::support::{Service, TOKENS, TestLog};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn health_answers_with_the_version(pool: PgPool) {
    let body = Service::new(&pool).get("/health").await.ok(200);

    assert_eq!(body, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn detailed_health_shows_checks_channels_and_lag(pool: PgPool) {
    let log = TestLog { lag: 3, ..TestLog::default() };
    let body = Service::with(&pool, log, TOKENS).get("/health/detailed").await.ok(200);

    assert_eq!(body["status"], "ok");
    assert_eq!((&body["checks"]["database"], &body["checks"]["bus"]), (&json!("ok"), &json!("ok")));
    let web_form = json!({"enabled": true, "last_inbound": null});
    assert_eq!(body["checks"]["channels"]["web_form"], web_form);
    assert_eq!(body["checks"]["channels"]["email"]["enabled"], true);
    assert_eq!(body["lag"], json!({"agent": {"fte.tickets.incoming": 6}}));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_group_far_behind_degrades(pool: PgPool) {
    let log = TestLog { lag: 5_001, ..TestLog::default() };

    let body = Service::with(&pool, log, TOKENS).get("/health/detailed").await.ok(200);

    assert_eq!(body["status"], "degraded");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_log_that_is_away_is_down_and_shows_no_internals(pool: PgPool) {
    let log = TestLog { is_down: true.into(), ..TestLog::default() };

    let body = Service::with(&pool, log, TOKENS).get("/health/detailed").await.ok(503);

    assert_eq!((&body["status"], &body["checks"]["bus"]), (&json!("down"), &json!("down")));
    assert_eq!((&body["checks"]["database"], &body["lag"]), (&json!("ok"), &json!({})));
    assert!(!body.to_string().contains("10.0.0.7"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_log_that_hangs_is_down_within_seconds_for_all_who_ask(pool: PgPool) {
    let log = TestLog { hangs: true.into(), ..TestLog::default() };
    let service = Service::with(&pool, log, TOKENS);
    let start = Instant::now();

    let answers = futures::future::join_all((0..20).map(|_| service.get("/health/detailed"))).await;

    assert!(start.elapsed() < Duration::from_secs(4), "one look serves all of them");
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 503));
}

#[tokio::test]
async fn a_database_that_is_away_is_down_quickly() {
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_secs(30))
        .connect_lazy("postgres://postgres@127.0.0.1:1/none")
        .unwrap();
    let service = Service::new(&pool);
    let start = Instant::now();

    let body = service.get("/health/detailed").await.ok(503);

    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!((&body["status"], &body["checks"]["database"]), (&json!("down"), &json!("down")));
    assert_eq!((&body["checks"]["bus"], &body["checks"]["channels"]), (&json!("ok"), &json!({})));
}

#[tokio::test]
async fn without_its_database_an_operators_route_says_to_come_again() {
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(200))
        .connect_lazy("postgres://postgres@127.0.0.1:1/none")
        .unwrap();
    let service = Service::new(&pool);

    let answer = service.get("/conversations").await;

    assert_eq!(answer.header("retry-after"), "5");
    answer.problem(503);
}
