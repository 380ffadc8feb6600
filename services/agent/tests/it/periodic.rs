//! Turns that are due, and conversations in which nothing happens any more.

use std::sync::Arc;

use contract::{TicketBody, TicketEvent};
use sqlx::PgPool;
use testkit::RecordingPublisher;
use uuid::Uuid;

use crate::support::{self, builtin, conversation, count, handle};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_due_turn_is_woken_until_the_turn_that_covers_it(pool: PgPool) {
    const DUE: &str = "select count(*) from due_turns where conversation_id = $1";
    let id = conversation(&pool, "Refund", "I want a refund.").await;
    sqlx::query("insert into due_turns (conversation_id, seq, due_at, reason) values ($1, 1, app_now(), 'returned')")
        .bind(Uuid::from(id))
        .execute(&pool)
        .await
        .unwrap();
    let publisher = RecordingPublisher::new();

    agent::jobs::wake(&pool, &Arc::clone(&publisher.shared())).await.unwrap();
    let woken = publisher.events::<TicketEvent>();
    assert_eq!((woken[0].conversation_id, woken[0].body), (id, TicketBody::TurnDue { seq: 1 }));
    assert_eq!(count(&pool, DUE, id).await, 1);
    agent::jobs::wake(&pool, &Arc::clone(&publisher.shared())).await.unwrap();
    assert_eq!(publisher.events::<TicketEvent>().len(), 1, "not again within the minute");
    sqlx::query("update due_turns set due_at = due_at - interval '1 minute'")
        .execute(&pool)
        .await
        .unwrap();
    agent::jobs::wake(&pool, &Arc::clone(&publisher.shared())).await.unwrap();
    assert_eq!(publisher.events::<TicketEvent>().len(), 2);

    handle(&builtin(&pool).0, id, 1).await;
    assert_eq!(count(&pool, DUE, id).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_conversation_is_resolved_after_three_idle_days_with_nothing_open(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "How do I export a board", "As a file.").await;
    handle(&builtin(&pool).0, id, 1).await;
    let age = "update conversations set updated_at = app_now() - interval '73 hours'";
    sqlx::query(age).execute(&pool).await.unwrap();

    let with_open_entries = store::due_turns::resolve_idle(&pool).await.unwrap();
    sqlx::query("delete from outbox").execute(&pool).await.unwrap();
    let without = store::due_turns::resolve_idle(&pool).await.unwrap();
    let again = store::due_turns::resolve_idle(&pool).await.unwrap();

    assert_eq!((with_open_entries, without, again), (0, 1, 0));
}
