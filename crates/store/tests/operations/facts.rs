//! Facts are counted once, whatever the log does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::{ConversationId, Fact, MetricFact};
use sqlx::PgPool;
use store::facts::{self, Counts, NewFact};
use testkit::events;
use tokio::task::JoinSet;

use crate::rows;

const DAY: Duration = Duration::from_secs(86_400);

async fn now(pool: &PgPool) -> DateTime<Utc> {
    store::health::now(pool).await.unwrap()
}

fn message(number: u32, at: DateTime<Utc>) -> MetricFact {
    let conversation = ConversationId::named(&number.to_string());
    let mut fact = events::fact(conversation, "message-received", Fact::MessageReceived);
    fact.meta.event_time = at;
    fact
}

fn received(fact: &MetricFact) -> NewFact<'_> {
    NewFact { fact, log_partition: 0, counts: Counts { received: 1, ..Counts::default() } }
}

fn replied(fact: &MetricFact, bucket: i32) -> NewFact<'_> {
    let counts = Counts { first_reply_bucket: Some(bucket), ..Counts::default() };
    NewFact { fact, log_partition: 0, counts }
}

async fn total(pool: &PgPool) -> i64 {
    let sums = facts::sums(pool, DAY).await.unwrap();
    sums.iter().map(|sums| sums.received).sum()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_fact_that_comes_again_is_not_counted_again(pool: PgPool) {
    let at = now(&pool).await;
    let (one, two) = (message(1, at), message(2, at));

    let first = facts::record(&pool, &[received(&one), received(&one)]).await.unwrap();
    let second = facts::record(&pool, &[received(&one), received(&two)]).await.unwrap();

    assert_eq!((first, second), (1, 1));
    assert_eq!(total(&pool).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn batches_at_once_with_facts_in_common_count_each_once(pool: PgPool) {
    let at = now(&pool).await;
    let all: Vec<MetricFact> =
        (0..600).map(|n| message(n, at - chrono::TimeDelta::minutes(i64::from(n % 7)))).collect();
    let mut runs = JoinSet::new();
    for start in 0..5 {
        // Overlapping, and each in another order.
        let mut batch: Vec<MetricFact> = all.iter().skip(start * 25).take(500).cloned().collect();
        batch.rotate_left(start * 99);
        let pool = pool.clone();
        runs.spawn(async move {
            let batch: Vec<_> = batch.iter().map(received).collect();
            facts::record(&pool, &batch).await.unwrap()
        });
    }

    let new: u64 = runs.join_all().await.into_iter().sum();

    assert_eq!(new, 600);
    assert_eq!(total(&pool).await, 600);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn histograms_of_different_lengths_add_up(pool: PgPool) {
    let at = now(&pool).await;
    let all: Vec<MetricFact> = (0..4).map(|n| message(n, at)).collect();

    facts::record(&pool, &[replied(&all[0], 3), replied(&all[1], 1)]).await.unwrap();
    facts::record(&pool, &[replied(&all[2], 5)]).await.unwrap();
    facts::record(&pool, &[replied(&all[3], 3)]).await.unwrap();

    let sums = facts::sums(&pool, DAY).await.unwrap();
    assert_eq!(sums[0].first_replies, [1, 0, 2, 0, 1]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn histograms_of_other_minutes_and_partitions_add_up(pool: PgPool) {
    let at = now(&pool).await;
    let early = message(1, at - chrono::TimeDelta::minutes(5));
    let late = message(2, at);
    let other = NewFact { log_partition: 7, ..replied(&late, 2) };

    facts::record(&pool, &[replied(&early, 4), other]).await.unwrap();

    let sums = facts::sums(&pool, DAY).await.unwrap();
    assert_eq!((sums.len(), sums[0].first_replies.as_slice()), (1, &[0, 1, 0, 1][..]));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_window_leaves_out_what_is_older(pool: PgPool) {
    let at = now(&pool).await;
    let old = message(1, at - chrono::TimeDelta::hours(2));
    let new = message(2, at);

    facts::record(&pool, &[received(&old), received(&new)]).await.unwrap();

    let sums = facts::sums(&pool, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(sums[0].received, 1);
    assert_eq!(total(&pool).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn facts_beyond_their_time_go_in_chunks_and_never_count_again(pool: PgPool) {
    let at = now(&pool).await;
    let all: Vec<MetricFact> = (0..5).map(|n| message(n, at)).collect();
    let batch: Vec<_> = all.iter().map(received).collect();
    facts::record(&pool, &batch).await.unwrap();
    move_clock(&pool, "32 days").await;
    let pool = another(&pool).await;

    let chunks = [
        facts::delete_old_facts(&pool, 3).await.unwrap(),
        facts::delete_old_facts(&pool, 3).await.unwrap(),
        facts::delete_old_facts(&pool, 3).await.unwrap(),
    ];
    let replayed = facts::record(&pool, &batch).await.unwrap();

    assert_eq!(chunks, [3, 2, 0]);
    assert_eq!(replayed, 0, "the row that showed the repetition is gone");
    let sums = facts::sums(&pool, 33 * DAY).await.unwrap();
    assert_eq!(sums[0].received, 5, "the rollup stays");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn rollups_go_after_their_time(pool: PgPool) {
    let fact = message(1, now(&pool).await);
    facts::record(&pool, &[received(&fact)]).await.unwrap();
    let early = facts::delete_old_rollups(&pool, 10).await.unwrap();
    move_clock(&pool, "401 days").await;
    let pool = another(&pool).await;

    let late = facts::delete_old_rollups(&pool, 10).await.unwrap();

    assert_eq!((early, late), (0, 1));
}

/// Moves the clock of what people see, for connections made from now on.
async fn move_clock(pool: &PgPool, offset: &str) {
    let statement = format!(
        "do $$ begin execute format('alter database %I set fte.clock_offset = ''{offset}''',
             current_database()); end $$"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
}

async fn another(pool: &PgPool) -> PgPool {
    PgPool::connect_with((*pool.connect_options()).clone()).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_fact_and_its_count_are_committed_together(pool: PgPool) {
    let at = now(&pool).await;
    let fact = message(1, at);
    rows::run(&pool, "alter table agent_metrics add constraint broken check (false)").await;

    assert!(facts::record(&pool, &[received(&fact)]).await.is_err());
    rows::run(&pool, "alter table agent_metrics drop constraint broken").await;
    let again = facts::record(&pool, &[received(&fact)]).await.unwrap();

    assert_eq!((again, total(&pool).await), (1, 1));
}
