//! Equal submissions without an idempotency key.

use std::time::Duration;

use contract::{Fact, MetricFact, TicketEvent, WebformInbound};
use sqlx::PgPool;
use testkit::events;

use crate::{World, conversation, ticket};

/// Sam's submission without a key, `minutes` after nine thirty.
fn keyless(number: u32, minutes: u64) -> WebformInbound {
    let mut event = events::submission_with(ticket(number), |s| s.has_idempotency_key = false);
    event.meta.event_time += Duration::from_secs(60 * minutes);
    event
}

async fn conversation_of(world: &World, number: u32) -> (uuid::Uuid, bool) {
    sqlx::query_as("select conversation_id, is_alias from tickets where ref = $1")
        .bind(ticket(number).as_str())
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_equal_submission_within_ten_minutes_shows_the_first_and_causes_no_turn(pool: PgPool) {
    let world = World::new(pool);

    world.handle([keyless(1, 0)]).await.unwrap();
    world.handle([keyless(2, 9)]).await.unwrap();

    assert_eq!(conversation_of(&world, 2).await, (conversation(1).as_uuid(), true));
    assert_eq!(world.count("select count(*) from messages").await, 1);
    assert_eq!(world.count("select count(*) from conversations").await, 1);
    assert_eq!(world.log.events::<TicketEvent>().len(), 1);
    let facts: Vec<Fact> = world.log.events::<MetricFact>().into_iter().map(|f| f.fact).collect();
    assert_eq!(facts, [Fact::MessageReceived, Fact::DuplicateIgnored]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn equal_submissions_in_one_batch_meet_too(pool: PgPool) {
    let world = World::new(pool);

    world
        .handle([keyless(1, 0), keyless(2, 1), keyless(3, 2), keyless(4, 11), keyless(5, 12)])
        .await
        .unwrap();

    let aliases: Vec<String> = sqlx::query_scalar("select ref from tickets where is_alias")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let mut expected = [2, 3, 5].map(|number| ticket(number).to_string());
    let mut aliases_sorted = aliases;
    aliases_sorted.sort();
    expected.sort();
    assert_eq!(aliases_sorted, expected);
    assert_eq!(conversation_of(&world, 5).await.0, conversation(4).as_uuid());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_ten_minutes_with_a_key_or_with_other_words_it_is_a_ticket_of_its_own(pool: PgPool) {
    let world = World::new(pool);
    let with_key = events::submission(ticket(3));
    let other_words = events::submission_with(ticket(4), |s| {
        s.has_idempotency_key = false;
        s.message.push('!');
    });

    world.handle([keyless(1, 0)]).await.unwrap();
    world.handle([keyless(2, 10), with_key, other_words]).await.unwrap();

    assert_eq!(world.count("select count(*) from conversations").await, 4);
    assert_eq!(world.count("select count(*) from tickets where is_alias").await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_replay_in_any_order_decides_as_the_first_time(pool: PgPool) {
    let world = World::new(pool);
    let all = || [keyless(1, 0), keyless(2, 9), keyless(3, 15), keyless(4, 16), keyless(5, 40)];
    for event in all() {
        world.handle([event]).await.unwrap();
    }
    let rows = world.rows().await;

    for event in all().into_iter().rev().chain(all()) {
        world.handle([event]).await.unwrap();
    }

    assert_eq!(world.rows().await, rows);
    assert_eq!(world.count("select count(*) from conversations").await, 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_with_equal_submissions_in_flight_make_one_conversation(pool: PgPool) {
    let (world, replica) = (World::new(pool.clone()), World::new(pool));
    let pair = |base: u32, text: &'static str| {
        let event = |number| {
            events::submission_with(ticket(number), |s| {
                s.has_idempotency_key = false;
                s.message = text.into();
            })
        };
        (event(base), event(base + 1))
    };

    for round in 0..50_u32 {
        let text: &'static str = Box::leak(format!("question {round}").into_boxed_str());
        let (mine, theirs) = pair(round * 2, text);
        let (left, right) = tokio::join!(world.handle([mine]), replica.handle([theirs]));
        left.unwrap();
        right.unwrap();
    }

    assert_eq!(world.count("select count(*) from tickets").await, 100);
    assert_eq!(world.count("select count(*) from conversations").await, 50);
    assert_eq!(world.count("select count(*) from messages").await, 50);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_too_old_to_have_an_alias_is_forgotten(pool: PgPool) {
    let world = World::new(pool);
    world.handle([keyless(1, 0)]).await.unwrap();

    let kept = Duration::from_secs(3600 * 24 * 365 * 100);
    let none = store::identity::prune_recent_submissions(&world.pool, kept).await.unwrap();
    let all = store::identity::prune_recent_submissions(&world.pool, Duration::ZERO).await.unwrap();

    assert_eq!((none, all), (0, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_late_replay_of_an_alias_leads_nobody_to_a_conversation_that_is_not_there(pool: PgPool) {
    let world = World::new(pool);
    world.handle([keyless(1, 0), keyless(2, 1)]).await.unwrap();
    store::identity::prune_recent_submissions(&world.pool, Duration::ZERO).await.unwrap();

    world.handle([keyless(2, 1)]).await.unwrap();
    world.handle([keyless(3, 2)]).await.unwrap();

    assert_eq!(conversation_of(&world, 3).await, (conversation(3).as_uuid(), false));
}
