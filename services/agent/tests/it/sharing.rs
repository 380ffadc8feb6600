//! Turns that share their statements, beside people and other replicas.

use contract::ConversationId;
use futures::future::{join, join_all, join3};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use crate::support::{self, HANDLED, add_message, builtin, count, handle};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_conversation_that_somebody_holds_holds_up_no_other(pool: PgPool) {
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(support::numbered_conversation(&pool, number, "Boards", "How?").await);
    }
    let held = ids.pop().unwrap();
    let mut holder = pool.begin().await.unwrap();
    let hold = sqlx::query("select from conversations where id = $1 for no key update");
    hold.bind(Uuid::from(held)).execute(&mut *holder).await.unwrap();
    let (agent, _) = builtin(&pool);

    let others = join_all(ids.iter().map(|id| handle(&agent, *id, 1)));
    let waiting = async {
        handle(&agent, held, 1).await;
        count(&pool, HANDLED, held).await
    };
    let release = async {
        others.await;
        assert_eq!(count(&pool, HANDLED, held).await, 0);
        holder.commit().await.unwrap();
    };
    let both = join(waiting, release);
    let (handled, ()) = tokio::time::timeout(testkit::LIMIT, both).await.expect("all are held up");

    assert_eq!(handled, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn replicas_that_share_statements_cover_each_message_once(pool: PgPool) {
    const MESSAGES: u64 = 3;
    const QUESTION: &str = "How do I export a board as CSV?";
    support::load_article(&pool).await;
    let options = pool.connect_options();
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(support::numbered_conversation(&pool, number, "Export", QUESTION).await);
    }
    // Each with connections of its own, as processes have.
    let own = || PgPoolOptions::new().connect_lazy_with(PgConnectOptions::clone(&options));
    let replicas = [builtin(&own()), builtin(&own())];
    let write = async |id: ConversationId| {
        for _ in 1..MESSAGES {
            add_message(&pool, id, QUESTION).await;
        }
    };
    let answer = async |id: ConversationId, replica: usize| {
        for seq in 1..=MESSAGES {
            handle(&replicas[replica].0, id, seq).await;
        }
    };

    let writing = join_all(ids.iter().map(|id| write(*id)));
    let first = join_all(ids.iter().map(|id| answer(*id, 0)));
    let second = join_all(ids.iter().map(|id| answer(*id, 1)));
    join3(writing, first, second).await;

    for id in ids {
        // Whoever read before the last message came has left it to its own event.
        handle(&replicas[0].0, id, MESSAGES).await;
        let turns: Vec<(i64, i64)> = sqlx::query_as(
            "select first_seq, last_seq from turns where conversation_id = $1 order by first_seq",
        )
        .bind(Uuid::from(id))
        .fetch_all(&pool)
        .await
        .unwrap();
        let covered: Vec<i64> = turns.iter().flat_map(|turn| turn.0..=turn.1).collect();
        assert_eq!(covered, (1..=MESSAGES.cast_signed()).collect::<Vec<_>>());
        assert_eq!(count(&pool, HANDLED, id).await, MESSAGES.cast_signed());
        let replies = "select count(*) from outbox
            where conversation_id = $1 and topic = 'fte.tickets.outgoing'";
        assert_eq!(count(&pool, replies, id).await, turns.len().cast_signed() as i64);
    }
}
