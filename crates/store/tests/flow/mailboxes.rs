//! One reader at a time per mailbox, and nothing written by one that lost it.

use std::time::Duration;

use sqlx::PgPool;
use store::mailboxes::{self, Lease};

const OURS: &str = "support@example.com";
const LEASE: Duration = Duration::from_secs(30);

async fn acquire(pool: &PgPool) -> Option<Lease> {
    mailboxes::acquire(pool, OURS, LEASE).await.unwrap()
}

/// The reader has stopped without a word, long ago.
async fn expire(pool: &PgPool) {
    let statement = "update mailboxes set lease_until = now() - interval '1 second'";
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

fn failure(id: &str) -> (String, String) {
    (id.to_owned(), "the mail does not parse".to_owned())
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn one_reader_has_a_mailbox_until_it_is_done(pool: PgPool) {
    assert_eq!(mailboxes::find(&pool, OURS).await.unwrap(), None);
    let first = acquire(&pool).await.unwrap();
    assert_eq!(first.cursor(), None);
    assert!(acquire(&pool).await.is_none());
    assert!(mailboxes::find(&pool, OURS).await.unwrap().unwrap().is_leased);

    assert!(first.finish(&pool, u64::MAX).await.unwrap());

    let mailbox = mailboxes::find(&pool, OURS).await.unwrap().unwrap();
    assert_eq!((mailbox.cursor, mailbox.is_leased), (Some(u64::MAX), false));
    assert!(mailbox.synced_at.is_some());
    let second = acquire(&pool).await.unwrap();
    assert_eq!(second.cursor(), Some(u64::MAX));
    assert!(second.release(&pool, Some("gmail is away")).await.unwrap());
    assert_eq!(acquire(&pool).await.unwrap().cursor(), Some(u64::MAX));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reader_that_lost_its_lease_writes_nothing(pool: PgPool) {
    let late = acquire(&pool).await.unwrap();
    expire(&pool).await;
    let now = acquire(&pool).await.unwrap();

    assert!(!late.renew(&pool).await.unwrap());
    assert!(late.count_failures(&pool, &[failure("a")]).await.unwrap().is_empty());
    late.give_up(&pool, &["a".to_owned()]).await.unwrap();
    assert!(!late.finish(&pool, 7).await.unwrap());

    assert!(now.renew(&pool).await.unwrap());
    assert!(now.finish(&pool, 5).await.unwrap());
    assert_eq!(mailboxes::find(&pool, OURS).await.unwrap().unwrap().cursor, Some(5));
    let failures: i64 =
        sqlx::query_scalar("select count(*) from mailbox_failures").fetch_one(&pool).await.unwrap();
    assert_eq!(failures, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn failures_are_counted_per_mail_and_one_given_up_is_settled(pool: PgPool) {
    let lease = acquire(&pool).await.unwrap();
    let both = [failure("a"), failure("b")];
    let ids = ["a".to_owned(), "b".to_owned(), "c".to_owned()];

    lease.count_failures(&pool, &both).await.unwrap();
    let mut counted = lease.count_failures(&pool, &both[..1]).await.unwrap();
    counted.extend(lease.count_failures(&pool, &both[1..]).await.unwrap());

    assert_eq!(counted, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
    assert!(mailboxes::settled(&pool, OURS, &ids).await.unwrap().is_empty());
    lease.give_up(&pool, &ids[..1]).await.unwrap();
    let settled = mailboxes::settled(&pool, OURS, &ids).await.unwrap();
    assert_eq!(settled.into_iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(mailboxes::prune_failures(&pool, LEASE).await.unwrap(), 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_watch_says_how_long_it_lasts(pool: PgPool) {
    let in_a_day = testkit::events::time() + chrono::TimeDelta::days(36_500);

    mailboxes::watch_renewed(&pool, OURS, in_a_day).await.unwrap();

    let mailbox = mailboxes::find(&pool, OURS).await.unwrap().unwrap();
    assert_eq!(mailbox.cursor, None);
    assert!(mailbox.watch_lasts_s.unwrap() > 0);
    assert!((0..60).contains(&mailbox.watch_age_s.unwrap()));
}
