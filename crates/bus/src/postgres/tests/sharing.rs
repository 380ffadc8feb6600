//! Members of a group: shares, leases, fences.

use super::*;

#[sqlx::test(migrations = false)]
async fn two_groups_each_read_everything(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("a", "1"), record("b", "2"), record("c", "3")]).await;

    for group in ["one", "two"] {
        let mut consumer = Consumer::join(&log, group);
        consumer.until_records(3).await;
    }
}

#[sqlx::test(migrations = false)]
async fn a_member_resumes_where_the_last_one_stopped(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("key", "1"), record("key", "2")]).await;
    let mut first = Consumer::join(&log, "group");
    first.until_records(2).await;
    first.source.finish(first.records[0].partition, first.records[0].offset + 1);
    first.source.close().await.unwrap();

    let mut second = Consumer::join(&log, "group");
    second.until_records(1).await;

    assert_eq!(second.texts()["key"], ["2"]);
}

#[sqlx::test(migrations = false)]
async fn two_members_share_and_one_that_leaves_gives_its_share_back(pool: PgPool) {
    let (first_log, second_log) = (log(&pool).await, PostgresLog::connect(&pool));
    let mut first = Consumer::join(&first_log, "group");
    first.until_owning(6).await;

    let mut second = Consumer::join(&second_log, "group");
    tokio::join!(first.until_owning(3), second.until_owning(3));
    assert!(first.owned.iter().all(|partition| !second.owned.contains(partition)));

    let records = (0..60).map(|n| record(&format!("key-{n}"), "x")).collect();
    publish(&first_log, records).await;
    let limit = Instant::now() + Duration::from_secs(10);
    while first.records.len() + second.records.len() < 60 {
        assert!(Instant::now() < limit, "not everything came");
        let step = Duration::from_millis(50);
        tokio::join!(first.step(step), second.step(step));
    }
    assert!(!first.records.is_empty() && !second.records.is_empty());

    second.finish_all();
    second.source.close().await.unwrap();
    first.until_owning(6).await;
    first.step(Duration::from_millis(300)).await;
    assert_eq!(first.records.len(), 60 - second.records.len(), "finished records came again");
}

#[sqlx::test(migrations = false)]
async fn a_partition_moves_only_after_its_records_are_finished(pool: PgPool) {
    let (first_log, second_log) = (log(&pool).await, PostgresLog::connect(&pool));
    let mut first = Consumer::join(&first_log, "group");
    first.until_owning(6).await;
    let records = (0..60).map(|n| record(&format!("key-{n}"), "x")).collect();
    publish(&first_log, records).await;
    first.until_records(60).await;

    let mut second = Consumer::join(&second_log, "group");
    tokio::join!(first.step(Duration::from_secs(2)), second.step(Duration::from_secs(2)));
    assert!(second.owned.is_empty(), "took a partition that was not drained");
    first.finish_all();

    tokio::join!(first.until_owning(3), second.until_owning(3));
    second.step(Duration::from_millis(300)).await;
    assert!(second.records.is_empty(), "finished records came again");
}

#[sqlx::test(migrations = false)]
async fn a_member_that_dies_loses_its_partitions_when_its_lease_runs_out(pool: PgPool) {
    let (first_log, second_log) = (log(&pool).await, PostgresLog::connect(&pool));
    publish(&first_log, vec![record("key", "1")]).await;
    let mut first = Consumer::join(&first_log, "group");
    first.until_records(1).await;
    let died_at = Instant::now();
    drop(first);

    let mut second = Consumer::join(&second_log, "group");
    second.until_owning(6).await;
    second.until_records(1).await;

    assert!(died_at.elapsed() > Duration::from_secs(6), "took over a lease that still ran");
}

#[sqlx::test(migrations = false)]
async fn a_late_commit_of_a_fenced_owner_is_refused(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("key", "1")]).await;
    let mut late = Consumer::join(&log, "group");
    late.until_records(1).await;
    let partition = late.records[0].partition;
    // Another owner, as after a lease that ran out.
    sqlx::query(
        r#"update queue_cursors set owner = gen_random_uuid(), epoch = epoch + 1,
             leased_until = now() + interval '10 seconds' where "group" = 'group'"#,
    )
    .execute(&pool)
    .await
    .unwrap();

    late.finish_all();
    late.source.flush().await.unwrap();

    assert_eq!(cursors(&pool, "group").await[&partition], 0);
    late.until("its loss", |late| !late.owned.contains(&partition)).await;
}

#[sqlx::test(migrations = false)]
async fn an_owner_of_an_older_epoch_is_fenced_even_if_it_is_the_same_member(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("key", "1")]).await;
    let mut late = Consumer::join(&log, "group");
    late.until_records(1).await;
    let partition = late.records[0].partition;
    sqlx::query(r#"update queue_cursors set epoch = epoch + 1 where "group" = 'group'"#)
        .execute(&pool)
        .await
        .unwrap();

    late.finish_all();
    late.source.flush().await.unwrap();

    assert_eq!(cursors(&pool, "group").await[&partition], 0);
}

#[sqlx::test(migrations = false)]
async fn a_paused_partition_is_quiet_until_it_resumes(pool: PgPool) {
    let log = log(&pool).await;
    let mut consumer = Consumer::join(&log, "group");
    consumer.until_owning(6).await;
    for partition in 0..PARTITIONS {
        consumer.source.pause(partition);
    }
    publish(&log, vec![record("key", "1")]).await;
    consumer.step(Duration::from_millis(400)).await;
    assert!(consumer.records.is_empty());

    for partition in 0..PARTITIONS {
        consumer.source.resume(partition);
    }

    consumer.until_records(1).await;
}

#[sqlx::test(migrations = false)]
async fn finished_offsets_become_durable_without_a_flush(pool: PgPool) {
    let log = log(&pool).await;
    publish(&log, vec![record("key", "1")]).await;
    let mut consumer = Consumer::join(&log, "group");
    consumer.until_records(1).await;
    let partition = consumer.records[0].partition;

    consumer.finish_all();

    testkit::wait_for("the commit", async || cursors(&pool, "group").await[&partition] == 1).await;
}

#[sqlx::test(migrations = false)]
async fn a_publish_wakes_readers_of_other_processes(pool: PgPool) {
    let (writing, reading) = (log(&pool).await, PostgresLog::connect(&pool));
    let mut woken = reading.wakes().records(TOPIC);
    // The listener wakes everybody once it listens.
    timeout(Duration::from_secs(5), woken.changed()).await.unwrap().unwrap();

    publish(&writing, vec![record("key", "1")]).await;

    timeout(Duration::from_secs(5), woken.changed()).await.unwrap().unwrap();
}
