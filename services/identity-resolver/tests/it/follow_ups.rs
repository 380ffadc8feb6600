//! Later messages of a ticket.

use bus::Failure;
use contract::{TicketBody, TicketEvent};
use sqlx::PgPool;
use testkit::events;

use crate::{WITHOUT_LOCKS, World, conversation, ticket};

fn seqs(world: &World) -> Vec<u64> {
    world.log.events::<TicketEvent>().iter().map(TicketEvent::seq).collect()
}

async fn bodies(world: &World) -> Vec<String> {
    sqlx::query_scalar("select body from messages order by conversation_id, seq")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn follow_ups_are_numbered_in_their_order_with_the_submission_or_after_it(pool: PgPool) {
    let world = World::new(pool);
    let follow_up = |text| events::follow_up(ticket(1), text);

    world.handle([events::submission(ticket(1)), follow_up("b"), follow_up("c")]).await.unwrap();
    world.handle([follow_up("d"), follow_up("c")]).await.unwrap();

    assert_eq!(seqs(&world), [1, 2, 3, 4]);
    assert_eq!(bodies(&world).await[1..], ["b", "c", "d"]);
    assert_eq!(world.count("select last_seq from conversations").await, 4);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_follow_up_reopens_a_resolved_ticket_and_is_dropped_by_a_closed_one(pool: PgPool) {
    let world = World::new(pool);
    world.handle([1, 2].map(|number| events::submission(ticket(number)))).await.unwrap();
    sqlx::query(
        "update conversations set status = case when thread_key = $1 then 'resolved' else 'closed' end",
    )
    .bind(ticket(1).as_str())
    .execute(&world.pool)
    .await
    .unwrap();

    world
        .handle([
            events::follow_up(ticket(1), "still broken"),
            events::follow_up(ticket(2), "too late"),
        ])
        .await
        .unwrap();

    let reopened: String = sqlx::query_scalar("select status from conversations where id = $1")
        .bind(conversation(1).as_uuid())
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(reopened, "open");
    assert_eq!(world.count("select count(*) from messages").await, 3);
    assert_eq!(world.count("select count(*) from conversations where status = 'closed'").await, 1);
    assert_eq!(seqs(&world), [1, 1, 2]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_follow_up_whose_ticket_is_not_stored_waits_and_holds_back_no_other(pool: PgPool) {
    let world = World::new(pool);
    let batch = || [events::submission(ticket(1)), events::follow_up(ticket(2), "hello?")];

    let together = world.handle(batch()).await;
    let [good, early] = batch();
    world.handle([good]).await.unwrap();
    let alone = world.handle([early.clone()]).await;
    world.handle([events::submission(ticket(2))]).await.unwrap();
    world.handle([early]).await.unwrap();

    assert!(matches!(together, Err(Failure::Retry(_))));
    assert!(matches!(alone, Err(Failure::Retry(_))));
    assert_eq!(world.count("select count(*) from messages").await, 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_conversation_that_somebody_holds_does_not_hold_up_another(pool: PgPool) {
    let world = World::new(pool.clone());
    world.handle([events::submission(ticket(1)), events::submission(ticket(2))]).await.unwrap();
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("select id from conversations where id = $1 for no key update")
        .bind(conversation(1).as_uuid())
        .execute(&mut *holder)
        .await
        .unwrap();
    let held = events::follow_up(ticket(1), "held");
    let free = events::follow_up(ticket(2), "free");

    let together = world.handle([held.clone(), free]);
    let together = tokio::time::timeout(WITHOUT_LOCKS, together).await.unwrap();
    let seen_while_held = seqs(&world);
    holder.rollback().await.unwrap();
    let alone = world.handle([held]).await;

    assert!(matches!(together, Err(Failure::Retry(_))));
    assert_eq!(seen_while_held, [1, 1, 2]);
    alone.unwrap();
    assert_eq!(world.count("select count(*) from messages").await, 4);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_follow_up_of_an_alias_goes_to_the_conversation_of_the_first(pool: PgPool) {
    let world = World::new(pool);
    let keyless =
        |number| events::submission_with(ticket(number), |s| s.has_idempotency_key = false);
    world.handle([keyless(1), keyless(2)]).await.unwrap();

    world
        .handle([
            events::follow_up(ticket(2), "by the alias"),
            events::follow_up(ticket(1), "by the first"),
        ])
        .await
        .unwrap();

    let wake_ups = world.log.events::<TicketEvent>();
    assert!(wake_ups.iter().all(|event| event.conversation_id == conversation(1)));
    assert_eq!(seqs(&world), [1, 2, 3]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_that_write_to_one_conversation_leave_no_gap_and_no_double(pool: PgPool) {
    let (world, replica) = (World::new(pool.clone()), World::new(pool));
    let keyless =
        |number| events::submission_with(ticket(number), |s| s.has_idempotency_key = false);
    world.handle([keyless(1), keyless(2)]).await.unwrap();

    for round in 0..30 {
        let mine = events::follow_up(ticket(1), &format!("mine {round}"));
        let theirs = events::follow_up(ticket(2), &format!("theirs {round}"));
        let (left, right) = tokio::join!(world.handle([mine]), replica.handle([theirs]));
        left.unwrap();
        right.unwrap();
    }

    assert_eq!(world.count("select last_seq from conversations").await, 61);
    assert_eq!(world.count("select count(distinct seq) from messages").await, 61);
    let mut published: Vec<(u64, uuid::Uuid)> = [&world, &replica]
        .iter()
        .flat_map(|side| side.log.events::<TicketEvent>())
        .map(|event| match event.body {
            TicketBody::MessageStored { message_id, seq } => (seq, message_id.as_uuid()),
            TicketBody::TurnDue { .. } => panic!("no turn is due"),
        })
        .collect();
    published.sort();
    published.dedup();
    let stored: Vec<(i64, uuid::Uuid)> =
        sqlx::query_as("select seq, id from messages order by seq")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let stored: Vec<_> = stored.into_iter().map(|(seq, id)| (seq as u64, id)).collect();
    assert_eq!(published, stored);
}
