//! A database that goes away and comes back.

use servers::{Postgres, PostgresOptions};
use sqlx::postgres::PgPoolOptions;

use super::*;

#[tokio::test]
async fn a_database_that_stops_and_comes_back_loses_nothing_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |port| {
        let folder = Some(folder.path().join("database"));
        let options = PostgresOptions { folder, port, ..PostgresOptions::default() };
        Postgres::start(options).await.unwrap()
    };
    let server = start(None).await;
    let port = server.port();
    let pool = PgPoolOptions::new().connect_lazy(&server.url("postgres")).unwrap();
    let log = log(&pool).await;
    let mut consumer = Consumer::join(&log, "group");
    publish(&log, vec![record("key", "before")]).await;
    consumer.until_records(1).await;
    consumer.finish_all();

    server.stop().await.unwrap();
    let asked_at = Instant::now();
    let refused = log.publisher().publish_all(vec![record("key", "lost?")]).await;
    assert!(refused.is_err());
    assert!(asked_at.elapsed() < Duration::from_secs(9), "no answer in time");
    consumer.step(Duration::from_secs(1)).await;
    let _server = start(Some(port)).await;

    testkit::wait_for("a publish", async || {
        log.publisher().publish_all(vec![record("key", "after")]).await.is_ok()
    })
    .await;
    consumer
        .until("the record after the outage", |consumer| {
            consumer.texts()["key"].iter().any(|text| text == "after")
        })
        .await;
}
