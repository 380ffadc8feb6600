//! Replies in flight at a takeover that then prove unsent: their messages are never lost.

use std::time::Duration;

use contract::{ConversationId, ReplyId, TurnId};
use sqlx::PgPool;
use store::delivery_sends::{self, Look};
use store::people::{self, Ending, NewReply, SERVICE};
use testkit::events::time;

use crate::rows::{self, LISA, handled_seq, outcomes, run};

const LEASE: Duration = Duration::from_secs(60);

async fn begin(pool: &PgPool) -> Look {
    delivery_sends::begin(pool, "whatsapp", 16, LEASE, LEASE).await.unwrap()
}

/// A conversation of two messages with the agent's reply to the first in flight, taken.
async fn taken_in_flight(pool: &PgPool) -> ConversationId {
    let id = rows::conversation(pool, "a", 2).await;
    let reply = rows::turn(pool, id, 1, 1).await;
    rows::part(pool, id, reply, (1, 1), 0, "pending").await;
    run(pool, "update deliveries set outlet = 'whatsapp'").await;
    assert_eq!(begin(pool).await.begun.len(), 1);
    let mut conn = pool.acquire().await.unwrap();
    let standing = people::take(&mut conn, id, LISA).await.unwrap();
    assert_eq!((standing.in_flight.len(), standing.handled_seq), (1, 1));
    id
}

/// The provider has asked to wait: nothing was sent.
async fn prove_unsent(pool: &PgPool) {
    run(pool, "update deliveries set state = 'pending', lease_until = null where author = 'agent'")
        .await;
}

async fn give_back(pool: &PgPool, id: ConversationId) {
    let mut conn = pool.acquire().await.unwrap();
    people::give_back(&mut conn, id, LISA, time()).await.unwrap();
}

async fn answer(pool: &PgPool, id: ConversationId) {
    let reply = NewReply {
        id: ReplyId::named("r"),
        text: "Lisa here.",
        parts: |_, text| vec![text.into()],
        at: time(),
        service: SERVICE,
    };
    let mut conn = pool.acquire().await.unwrap();
    people::reply(&mut conn, id, LISA, reply).await.unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn its_messages_wait_for_the_person_again(pool: PgPool) {
    let id = taken_in_flight(&pool).await;
    prove_unsent(&pool).await;

    let look = begin(&pool).await;

    assert_eq!((look.begun.len(), look.cancelled.len()), (0, 1));
    assert_eq!(handled_seq(&pool, id).await, 0);
    assert_eq!(outcomes(&pool, id).await, [None, None]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn given_back_before_that_it_goes_again(pool: PgPool) {
    let id = taken_in_flight(&pool).await;
    give_back(&pool, id).await;
    prove_unsent(&pool).await;

    let look = begin(&pool).await;

    assert_eq!((look.begun.len(), look.cancelled.len()), (1, 0));
    assert_eq!(handled_seq(&pool, id).await, 1, "the agent goes on after it");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn one_that_was_still_on_its_way_is_overtaken_also_when_given_back_soon(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    let mut conn = pool.acquire().await.unwrap();
    let standing = people::take(&mut conn, id, LISA).await.unwrap();
    assert_eq!((standing.cancelled.len(), standing.handled_seq), (1, 0));

    rows::part(&pool, id, reply, (1, 1), 0, "pending").await;
    run(&pool, "update deliveries set outlet = 'whatsapp'").await;
    give_back(&pool, id).await;
    let look = begin(&pool).await;

    assert_eq!((look.begun.len(), look.cancelled.len()), (0, 1), "the agent answers anew");
    assert_eq!(handled_seq(&pool, id).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_persons_reply_has_answered_its_messages(pool: PgPool) {
    let id = taken_in_flight(&pool).await;
    answer(&pool, id).await;
    give_back(&pool, id).await;
    prove_unsent(&pool).await;

    let look = begin(&pool).await;

    assert_eq!((look.begun.len(), look.cancelled.len()), (0, 1));
    assert_eq!(handled_seq(&pool, id).await, 2);
    let reason = "select count(*) from messages where conversation_id = $1 and turn_id is null
        and outcome_reason = 'answered by a person'";
    assert_eq!(rows::number(&pool, reason, id).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_close_has_ended_its_messages(pool: PgPool) {
    let id = taken_in_flight(&pool).await;
    let mut conn = pool.acquire().await.unwrap();
    people::close(&mut conn, id, LISA, Ending::Resolved).await.unwrap();
    prove_unsent(&pool).await;

    assert_eq!(begin(&pool).await.cancelled.len(), 1);

    assert_eq!(handled_seq(&pool, id).await, 2);
    let reason = "select count(*) from messages where conversation_id = $1
        and outcome = 'no_answer' and outcome_reason = 'closed by a person'";
    assert_eq!(rows::number(&pool, reason, id).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_sent_of_it_keeps_its_messages_answered(pool: PgPool) {
    let id = taken_in_flight(&pool).await;
    run(&pool, "update deliveries set state = 'accepted'").await;
    let reply = ReplyId::of(TurnId::derived(id, "turn-0-1"));
    rows::part(&pool, id, reply, (1, 1), 1, "pending").await;
    run(&pool, "update deliveries set outlet = 'whatsapp'").await;

    assert_eq!(begin(&pool).await.cancelled.len(), 1);

    assert_eq!(handled_seq(&pool, id).await, 1);
    assert_eq!(outcomes(&pool, id).await, [Some("answered".to_owned()), None]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_later_reply_that_went_out_past_its_doubt_is_not_given_again(pool: PgPool) {
    let id = taken_in_flight(&pool).await;
    let later = TurnId::derived(id, "turn-0-2");
    rows::turn(&pool, id, 2, 2).await;
    rows::part(&pool, id, ReplyId::of(later), (2, 2), 0, "accepted").await;
    run(&pool, "update deliveries set state = 'pending', lease_until = null where first_seq = 1")
        .await;

    assert_eq!(begin(&pool).await.cancelled.len(), 1);

    assert_eq!(handled_seq(&pool, id).await, 2);
    let outcomes = outcomes(&pool, id).await;
    assert_eq!(outcomes, ["no_answer", "answered"].map(|outcome| Some(outcome.to_owned())));
}
