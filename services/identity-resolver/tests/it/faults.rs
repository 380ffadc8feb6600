//! Crashes, outages and bad events.

use std::sync::Arc;
use std::time::Duration;

use bus::Failure;
use contract::{TicketEvent, WebformBody};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use store::relay::Relay;
use testkit::{RecordingPublisher, events};

use crate::{World, ticket};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_committed_before_a_crash_is_published_by_the_redelivery(pool: PgPool) {
    let world = World::new(pool);
    let batch = || [events::submission(ticket(1)), events::follow_up(ticket(1), "and as CSV?")];
    world.log.lose_next();

    let crashed = world.handle(batch()).await;
    let rows = world.rows().await;
    let lost = world.log.take();
    // A new process knows nothing of the first.
    let restarted = World::new(world.pool.clone());
    restarted.handle(batch()).await.unwrap();

    assert!(matches!(crashed, Err(Failure::Unavailable(_))));
    assert_eq!(lost, []);
    assert_eq!(restarted.rows().await, rows);
    let seqs: Vec<u64> =
        restarted.log.events::<TicketEvent>().iter().map(TicketEvent::seq).collect();
    assert_eq!(seqs, [1, 2]);
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("select payload from outbox order by id")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let published: Vec<_> = restarted.log.take().iter().map(|r| r.payload.to_vec()).collect();
    assert_eq!(published, stored, "the committed bytes, in order");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_a_crash_left_is_published_by_the_relay_before_a_follow_up_or_after(pool: PgPool) {
    let world = World::new(pool);
    world.log.lose_next();
    assert!(world.handle([events::submission(ticket(1))]).await.is_err());
    world.log.lose_next();
    assert!(world.handle([events::submission(ticket(2))]).await.is_err());

    // Ticket 1 goes on: its older entries come first.
    world.handle([events::follow_up(ticket(1), "hello?")]).await.unwrap();
    let first = world.log.take();
    let log = RecordingPublisher::new();
    let relay =
        Relay::new("identity-resolver", "outbox-relay/test", world.pool.clone(), log.shared());
    relay.relay_overdue(Duration::ZERO).await.unwrap();

    let keys: Vec<_> = first.iter().map(|record| record.event_id).collect();
    assert_eq!(keys.len(), 4, "two of the submission, two of the follow-up");
    let relayed = log.take();
    assert_eq!(relayed.len(), 6);
    assert_eq!(relayed[..2], first[..2]);
    assert_eq!(world.count("select count(*) from outbox").await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_bad_event_is_rejected_alone_and_the_good_ones_go_through(pool: PgPool) {
    let world = World::new(pool);
    // The database refuses U+0000 in a text; an empty address breaks the schema.
    let unstorable = events::submission_with(ticket(2), |s| s.message = "\0".into());
    let empty = events::submission_with(ticket(3), |s| s.email = "  ".into());
    let mut blank = events::follow_up(ticket(1), "x");
    blank.body = WebformBody::FollowUp { message: String::new() };
    let good = || [events::submission(ticket(1)), events::submission(ticket(4))];

    for bad in [unstorable, empty, blank] {
        let [first, last] = good();
        let together = world.handle([first, bad.clone(), last]).await;
        let alone = world.handle([bad]).await;

        assert!(matches!(together, Err(Failure::Reject(_))));
        assert!(matches!(alone, Err(Failure::Reject(_))));
    }
    for event in good() {
        world.handle([event]).await.unwrap();
    }
    assert_eq!(world.count("select count(*) from tickets").await, 2);
    assert_eq!(world.log.events::<TicketEvent>().len(), 2);
}

#[tokio::test]
async fn without_a_database_the_batch_is_unavailable_and_not_lost() {
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_lazy("postgres://postgres@127.0.0.1:1/none")
        .unwrap();
    let world = World::new(pool);

    let submission = world.handle([events::submission(ticket(1))]).await;
    let follow_up = world.handle([events::follow_up(ticket(1), "x")]).await;

    assert!(matches!(submission, Err(Failure::Unavailable(_))));
    assert!(matches!(follow_up, Err(Failure::Unavailable(_))));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn many_batches_with_the_same_customers_in_other_orders_do_not_block_each_other(
    pool: PgPool,
) {
    let world = Arc::new(World::new(pool));
    let mut batches = tokio::task::JoinSet::new();
    for batch in 0..8_u32 {
        let world = Arc::clone(&world);
        let addresses: Vec<u32> =
            if batch % 2 == 0 { (0..40).collect() } else { (0..40).rev().collect() };
        batches.spawn(async move {
            let events = addresses.into_iter().map(|address| {
                events::submission_with(ticket(batch * 100 + address), |s| {
                    s.email = format!("customer-{address}@example.org");
                })
            });
            world.handle(events.collect::<Vec<_>>()).await
        });
    }
    while let Some(done) = batches.join_next().await {
        done.unwrap().unwrap();
    }

    assert_eq!(world.count("select count(*) from customers").await, 40);
    assert_eq!(world.count("select count(*) from conversations").await, 320);
}
