//! Sends whose worker stopped: before a request could start they wait again, after that
//! they are in doubt.

use std::time::Duration;

use contract::{ConversationId, DeliveryId};
use sqlx::PgPool;
use store::delivery_sends::{self, Look};
use store::people;

use crate::rows::{self, LISA, run};

const LEASE: Duration = Duration::from_secs(60);

/// The worker has stopped, and its lease has run out.
const LATER: &str = "update deliveries set lease_until = now() - interval '1 s'
    where state = 'sending'";

async fn begin(pool: &PgPool) -> Look {
    delivery_sends::begin(pool, "whatsapp", 16, LEASE, LEASE).await.unwrap()
}

/// The conversations of these names, each with one reply that has begun; and their tries.
async fn begun(pool: &PgPool, names: &[&str]) -> Vec<(ConversationId, (DeliveryId, i32))> {
    for name in names {
        let id = rows::conversation(pool, name, 1).await;
        let reply = rows::turn(pool, id, 1, 1).await;
        rows::part(pool, id, reply, (1, 1), 0, "pending").await;
    }
    run(pool, "update deliveries set outlet = 'whatsapp'").await;
    let begun = begin(pool).await.begun;
    assert_eq!(begun.len(), names.len());
    let tries = begun.into_iter().map(|send| send.delivery);
    tries.map(|begun| (begun.conversation_id, (begun.id, begun.attempt))).collect()
}

async fn start(pool: &PgPool, tries: &[(DeliveryId, i32)]) -> Vec<DeliveryId> {
    delivery_sends::start(pool, tries).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn of_a_batch_whose_worker_stopped_only_what_could_start_is_in_doubt(pool: PgPool) {
    let begun = begun(&pool, &["a", "b", "c"]).await;
    let started = begun[1].1;
    assert_eq!(start(&pool, &[started]).await, [started.0]);

    run(&pool, LATER).await;
    let met = begin(&pool).await;
    let again = begin(&pool).await;

    assert_eq!((met.begun.len(), met.cancelled.len(), met.unstarted.len()), (0, 0, 2));
    assert_eq!(met.doubtful, [started.0]);
    let mut began: Vec<_> = again.begun.iter().map(|send| send.delivery.id).collect();
    let mut waited = met.unstarted;
    began.sort();
    waited.sort();
    assert_eq!(began, waited);
    assert!(again.doubtful.is_empty() && begin(&pool).await.begun.is_empty(), "each once");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_try_that_lost_its_lease_may_not_start_any_more(pool: PgPool) {
    let first = begun(&pool, &["a"]).await[0].1;
    run(&pool, LATER).await;

    let run_out = start(&pool, &[first]).await;
    begin(&pool).await;
    let waiting = start(&pool, &[first]).await;
    let second = begin(&pool).await.begun.remove(0).delivery;
    let overtaken = start(&pool, &[first]).await;

    assert_eq!((run_out.len(), waiting.len(), overtaken.len()), (0, 0, 0));
    assert_eq!(start(&pool, &[(second.id, second.attempt)]).await, [first.0]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_waits_again_after_a_takeover_is_cancelled(pool: PgPool) {
    let (id, (delivery, _)) = begun(&pool, &["a"]).await[0];
    let mut conn = pool.acquire().await.unwrap();
    let standing = people::take(&mut conn, id, LISA).await.unwrap();

    run(&pool, LATER).await;
    let met = begin(&pool).await;
    let then = begin(&pool).await;

    assert_eq!(standing.in_flight.len(), 1, "the answer names it");
    assert_eq!((met.unstarted, then.cancelled), (vec![delivery], vec![delivery]));
    assert!(then.begun.is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_an_older_release_has_begun_is_in_doubt(pool: PgPool) {
    let (_, (delivery, _)) = begun(&pool, &["a"]).await[0];
    // As it begins: it does not know the column.
    run(&pool, "update deliveries set attempt = attempt + 1").await;

    run(&pool, LATER).await;

    assert_eq!(begin(&pool).await.doubtful, [delivery]);
}
