//! Tests of parking without a log: records made by hand.

use contract::{DeadLetter, DeadLetterClass, EventId, EventMeta, Topic};
use sqlx::PgPool;

use super::*;
use crate::record::Headers;
use crate::replay::{Mark, REPLAY_HEADER};

const GROUP: &str = "resolver";
const TOPIC: Topic = Topic::WebformInbound;

fn received(key: &str, offset: i64) -> Received {
    Received {
        topic: TOPIC,
        partition: 1,
        offset,
        key: key.to_owned(),
        headers: Headers::default(),
        attempt: 1,
    }
}

fn letter(received: &Received) -> DeadLetter {
    let cause = EventId::named(&format!("{}:{}", received.key, received.offset));
    DeadLetter {
        meta: EventMeta::derived(cause, "dead-letter", testkit::events::time()),
        topic: received.topic.name().to_owned(),
        partition: received.partition,
        offset: received.offset,
        group: GROUP.to_owned(),
        key: received.key.clone(),
        headers: Vec::new(),
        payload: "payload".into(),
        class: DeadLetterClass::Exhausted,
        error: "first reason".to_owned(),
        attempts: 4,
    }
}

/// The letter of `original`, published again.
fn replay(original: &Received, offset: i64, replay: i32) -> Received {
    let letter_id = letter(original).meta.event_id;
    let mark = Mark { group: GROUP.to_owned(), letter_id, replay };
    let mut received = received(&original.key, offset);
    received.headers.insert(REPLAY_HEADER, mark.to_string());
    received
}

async fn keys(pool: &PgPool) -> ParkedKeys {
    crate::migrate(pool).await.unwrap();
    member(pool)
}

/// A member that just gained the partition.
fn member(pool: &PgPool) -> ParkedKeys {
    let keys = ParkedKeys::new(pool.clone(), GROUP, TOPIC);
    keys.assigned(&[1]);
    keys
}

async fn park(keys: &ParkedKeys, received: &Received) {
    assert_eq!(keys.park(received, &letter(received)).await.unwrap(), Parked::New);
}

/// The letters in line, and the last replay of each that came back.
async fn line(pool: &PgPool) -> Vec<(i64, i32)> {
    sqlx::query_as(r#"select "offset", came_back from parked_letters order by "offset""#)
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_later_event_of_a_parked_key_follows_and_others_do_not(pool: PgPool) {
    let keys = keys(&pool).await;
    assert_eq!(keys.admit(&received("a", 1)).await.unwrap(), Admission::Handle);

    park(&keys, &received("a", 1)).await;

    assert!(keys.concerns(&received("a", 2)));
    assert_eq!(keys.admit(&received("a", 2)).await.unwrap(), Admission::Follow);
    assert!(!keys.concerns(&received("b", 3)), "every event of another key asks the database");
}

#[sqlx::test(migrations = false)]
async fn the_next_owner_of_a_partition_knows_its_parked_keys(pool: PgPool) {
    park(&keys(&pool).await, &received("a", 1)).await;

    let next = member(&pool);

    assert!(next.concerns(&received("a", 2)));
    assert_eq!(next.admit(&received("a", 2)).await.unwrap(), Admission::Follow);
    assert_eq!(next.admit(&received("b", 3)).await.unwrap(), Admission::Handle);
    assert!(!next.concerns(&received("b", 4)));
}

#[sqlx::test(migrations = false)]
async fn an_answer_from_before_the_partition_was_lost_is_not_believed(pool: PgPool) {
    let keys = std::sync::Arc::new(keys(&pool).await);
    let mut blocker = pool.begin().await.unwrap();
    sqlx::query("lock table parked_letters").execute(&mut *blocker).await.unwrap();
    let asking = {
        let keys = std::sync::Arc::clone(&keys);
        tokio::spawn(async move { keys.admit(&received("b", 1)).await })
    };
    testkit::wait_for("the question", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_locks where not granted
             and database = (select oid from pg_database where datname = current_database())",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        waiting == 1
    })
    .await;

    keys.revoked(&[1]);
    keys.assigned(&[1]);
    blocker.rollback().await.unwrap();
    asking.await.unwrap().unwrap();

    assert!(keys.concerns(&received("b", 2)), "took an old answer for a new one");
}

#[sqlx::test(migrations = false)]
async fn a_key_whose_letters_were_dropped_elsewhere_is_handled_again(pool: PgPool) {
    let keys = keys(&pool).await;
    keys.admit(&received("a", 0)).await.unwrap();
    park(&keys, &received("a", 1)).await;
    sqlx::query("delete from parked_letters").execute(&pool).await.unwrap();

    assert_eq!(keys.admit(&received("a", 2)).await.unwrap(), Admission::Handle);

    assert!(!keys.concerns(&received("a", 3)));
}

#[sqlx::test(migrations = false)]
async fn a_replay_passes_only_as_the_next_in_line_and_the_last_un_parks(pool: PgPool) {
    let keys = keys(&pool).await;
    let (first, second) = (received("a", 1), received("a", 2));
    keys.admit(&first).await.unwrap();
    park(&keys, &first).await;
    park(&keys, &second).await;

    let early = replay(&second, 10, 1);
    assert_eq!(keys.admit(&early).await.unwrap(), Admission::Skip);
    assert_eq!(line(&pool).await, [(1, 0), (2, 1)]);

    let head = replay(&first, 11, 1);
    assert_eq!(keys.admit(&head).await.unwrap(), Admission::Handle);
    keys.handled(&head).await.unwrap();
    assert!(keys.concerns(&received("a", 12)), "un-parked too early");

    let last = replay(&second, 13, 2);
    assert_eq!(keys.admit(&last).await.unwrap(), Admission::Handle);
    keys.handled(&last).await.unwrap();
    assert!(!keys.concerns(&received("a", 14)));
    assert_eq!(line(&pool).await, []);
}

#[sqlx::test(migrations = false)]
async fn a_replay_that_passed_before_is_not_handled_again(pool: PgPool) {
    let keys = keys(&pool).await;
    let first = received("a", 1);
    park(&keys, &first).await;
    keys.handled(&replay(&first, 10, 1)).await.unwrap();

    let again = keys.admit(&replay(&first, 11, 1)).await.unwrap();

    assert_eq!(again, Admission::Skip);
}

#[sqlx::test(migrations = false)]
async fn a_replay_that_fails_again_keeps_its_place_with_the_new_reason(pool: PgPool) {
    let keys = keys(&pool).await;
    let first = received("a", 1);
    park(&keys, &first).await;
    let mark = replay(&first, 10, 3);
    let again = DeadLetter { error: "second reason".to_owned(), ..letter(&mark) };

    assert_eq!(keys.park(&mark, &again).await.unwrap(), Parked::Again);

    assert_eq!(line(&pool).await, [(1, 3)]);
    let stored: Vec<u8> =
        sqlx::query_scalar("select letter from parked_letters").fetch_one(&pool).await.unwrap();
    let stored = <DeadLetter as contract::Event>::decode(&stored).unwrap();
    assert_eq!((stored.error.as_str(), stored.offset), ("second reason", 1));
}

#[sqlx::test(migrations = false)]
async fn a_replay_for_another_group_is_skipped(pool: PgPool) {
    let keys = keys(&pool).await;
    let mark = Mark { group: "another".to_owned(), letter_id: EventId::named("letter"), replay: 0 };
    let mut record = received("a", 1);
    record.headers.insert(REPLAY_HEADER, mark.to_string());

    assert_eq!(keys.admit(&record).await.unwrap(), Admission::Skip);
    let none = NoParking { group: GROUP };
    assert!(none.concerns(&record));
    assert_eq!(none.admit(&record).await.unwrap(), Admission::Skip);
}

#[sqlx::test(migrations = false)]
async fn a_letter_parked_twice_stands_in_line_once(pool: PgPool) {
    let keys = keys(&pool).await;

    park(&keys, &received("a", 1)).await;
    park(&keys, &received("a", 1)).await;

    assert_eq!(line(&pool).await.len(), 1);
}
