//! Lag, readers, topics and retention.

use super::*;
use crate::reader::{ReadFrom, ReadSettings, Reader};
use crate::topics::TopicChange;

async fn texts(reader: &mut Reader) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        texts.push(String::from_utf8(record.payload.to_vec()).unwrap());
    }
    texts
}

#[sqlx::test(migrations = false)]
async fn lag_counts_what_a_group_has_not_finished(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("key", "1"), record("key", "2")]).await;
    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(2).await;
    let partition = consumer.records[0].partition;
    consumer.source.finish(partition, 1);
    consumer.source.flush().await.unwrap();

    let lags = log.lag().await.unwrap();

    assert_eq!(lags.len(), 6);
    let behind: Vec<_> = lags.iter().filter(|lag| lag.records() > 0).collect();
    assert_eq!(behind.len(), 1);
    assert_eq!((behind[0].group.as_str(), behind[0].topic), ("group", TOPIC));
    assert_eq!((behind[0].partition, behind[0].committed, behind[0].end), (partition, 1, 2));
}

#[sqlx::test(migrations = false)]
async fn a_reader_reads_from_where_it_is_told(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("a", "1")]).await;
    publish(&log, vec![record("b", "2")]).await;
    let middle: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&pool).await.unwrap();
    publish(&log, vec![record("a", "3")]).await;
    let read = async |from, key: Option<&str>| {
        let key = key.map(str::to_owned);
        let settings = ReadSettings { from, key, ..ReadSettings::new(TOPIC) };
        texts(&mut log.reader(settings).await.unwrap()).await
    };

    assert_eq!(read(ReadFrom::Beginning, None).await, ["1", "2", "3"]);
    assert_eq!(read(ReadFrom::Beginning, Some("a")).await, ["1", "3"]);
    assert_eq!(read(ReadFrom::Timestamp(middle), None).await, ["3"]);
    assert!(read(ReadFrom::Latest, None).await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn a_reader_that_follows_sees_what_comes_later(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("a", "before")]).await;
    let from = ReadFrom::Latest;
    let settings = ReadSettings { from, follow: true, ..ReadSettings::new(TOPIC) };
    let mut reader = log.reader(settings).await.unwrap();

    publish(&log, vec![record("a", "after")]).await;

    assert_eq!(reader.next().await.unwrap().unwrap().payload, "after");
}

#[sqlx::test(migrations = false)]
async fn a_reader_with_a_group_goes_on_where_it_stopped(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("a", "1"), record("a", "2"), record("a", "3")]).await;
    let settings = ReadSettings { group: Some("analyst".into()), ..ReadSettings::new(TOPIC) };
    let mut reader = log.reader(settings.clone()).await.unwrap();
    for expected in ["1", "2"] {
        assert_eq!(reader.next().await.unwrap().unwrap().payload, expected);
    }
    // The second was not asked past, so it counts as unread.
    reader.close().await.unwrap();

    let mut reader = log.reader(settings).await.unwrap();

    assert_eq!(texts(&mut reader).await, ["2", "3"]);
    reader.close().await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn topics_are_created_and_changed_but_never_grown(pool: PgPool) {
    crate::migrate(&pool).await.unwrap();
    let log = PostgresLog::connect(&pool);
    let first = spec(TOPIC, 6);
    let plan = log.apply_topics(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(plan, [TopicChange::Create(first.clone())]);
    assert!(log.plan_topics(std::slice::from_ref(&first)).await.unwrap().is_empty());

    let retention = Duration::from_secs(60);
    let second = TopicSpec { partitions: 12, retention, ..first.clone() };
    let plan = log.apply_topics(std::slice::from_ref(&second)).await.unwrap();

    assert!(matches!(
        &plan[..],
        [
            TopicChange::Refuse { setting: "partitions", .. },
            TopicChange::Set { setting: "retention_s", .. }
        ]
    ));
    let third = TopicSpec { partitions: 6, ..second };
    assert!(log.plan_topics(&[third]).await.unwrap().is_empty());
}

#[sqlx::test(migrations = false)]
async fn retention_deletes_what_is_too_old_and_readers_go_on(pool: PgPool) {
    let log = log(&pool).await;
    let records = (0..2_500).map(|n| record("key", &n.to_string())).collect();
    publish(&log, records).await;
    sqlx::query("update message_queue set created_at = now() - interval '15 days'")
        .execute(&pool)
        .await
        .unwrap();
    publish(&log, vec![record("key", "young")]).await;

    assert_eq!(log.retain().await.unwrap(), 2_500);

    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(1).await;
    assert_eq!(consumer.texts()["key"], ["young"]);
    consumer.finish_all();
    consumer.source.flush().await.unwrap();
    assert!(log.lag().await.unwrap().iter().all(|lag| lag.records() == 0));
}

#[sqlx::test(migrations = false)]
async fn records_that_retention_took_are_no_lag(pool: PgPool) {
    let log = log(&pool).await;
    let mut consumer = Consumer::join(&log, "group");
    consumer.until_owning(6).await;
    drop(consumer);
    publish(&log, vec![record("key", "1"), record("key", "2")]).await;
    sqlx::query(r#"delete from message_queue where "offset" = 0"#).execute(&pool).await.unwrap();

    let lag: i64 = log.lag().await.unwrap().iter().map(crate::lag::Lag::records).sum();

    assert_eq!(lag, 1);
}

#[sqlx::test(migrations = false)]
async fn ping_tells_whether_the_tables_are_there(pool: PgPool) {
    let log = PostgresLog::connect(&pool);
    assert!(log.ping().await.is_err());

    crate::migrate(&pool).await.unwrap();

    log.ping().await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn the_fetch_follows_the_primary_key_on_a_table_never_analysed(pool: PgPool) {
    let log = log(&pool).await;
    let plan: Vec<String> = sqlx::query_scalar(
        r#"explain select "offset" from message_queue
           where topic = 'fte.metrics' and partition = 1 and "offset" >= 7
           order by "offset" limit 250"#,
    )
    .fetch_all(log.pool())
    .await
    .unwrap();

    assert!(plan.iter().any(|line| line.contains("using message_queue_pkey")), "{plan:?}");
}
