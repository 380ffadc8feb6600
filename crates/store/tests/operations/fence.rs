//! Takeovers against the dispatcher's own statements: no send of the agent's
//! begins after "take" has answered, and nobody's messages are lost or doubled.

use std::time::Duration;

use contract::{Author, ConversationId, DeliveryId, ReplyId};
use sqlx::PgPool;
use store::deliveries::{self, NewDelivery};
use store::people::{self, Ending, NewReply, Standing};
use testkit::events::time;

use crate::rows::{self, JAMES, LISA, handled_seq, outcomes};

const LEASE: Duration = Duration::from_secs(30);

async fn take(pool: &PgPool, id: ConversationId) -> Standing {
    people::take(&mut pool.acquire().await.unwrap(), id, LISA).await.unwrap()
}

/// A reply of the agent's as the dispatcher's consumer inserts it.
async fn arrive(pool: &PgPool, id: ConversationId, reply: ReplyId, owner_epoch: u64) {
    let delivery = NewDelivery {
        id: DeliveryId::derived(reply, "part-0"),
        conversation_id: id,
        outlet: "web_form",
        reply_id: reply.as_uuid(),
        part: 0,
        author: Author::Agent,
        author_name: String::new(),
        owner_epoch,
        first_seq: 1,
        last_seq: 1,
        body: "Open the board's menu.".to_owned(),
        hand_off: None,
        notice: None,
        traceparent: None,
    };
    deliveries::insert(pool, &[delivery]).await.unwrap();
}

/// How many sends began, and how many were cancelled.
async fn look(pool: &PgPool) -> (usize, usize) {
    let look = deliveries::begin(pool, "web_form", 100, LEASE).await.unwrap();
    (look.begun.len(), look.cancelled.len())
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_takeover_and_a_send_at_once_agree_on_who_was_first(pool: PgPool) {
    let (mut sent, mut cancelled) = (0, 0);
    for round in 0..40 {
        let id = rows::conversation(&pool, &format!("c{round}"), 1).await;
        let reply = rows::turn(&pool, id, 1, 1).await;
        arrive(&pool, id, reply, 0).await;

        let (standing, (begun, _)) = tokio::join!(take(&pool, id), look(&pool));
        let after = look(&pool).await;

        assert_eq!(after, (0, 0), "round {round}");
        match (standing.cancelled.len(), standing.in_flight.len(), begun) {
            (1, 0, 0) => cancelled += 1,
            (0, 1, 1) => sent += 1,
            other => panic!("round {round}: {other:?}"),
        }
        assert_eq!(handled_seq(&pool, id).await, i64::try_from(begun).unwrap());
    }
    assert_eq!(sent + cancelled, 40);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_that_arrives_after_the_takeover_is_never_sent(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    let first = take(&pool, id).await;
    arrive(&pool, id, reply, 0).await;

    let looked = look(&pool).await;
    let again = take(&pool, id).await;

    assert_eq!(looked, (0, 1));
    assert_eq!((first.cancelled.len(), again.cancelled.len()), (1, 1));
    assert_eq!(again.cancelled[0].text.as_deref(), Some("Open the board's menu."));
    assert_eq!((handled_seq(&pool, id).await, outcomes(&pool, id).await), (0, vec![None]));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_that_arrives_after_a_persons_reopens_nothing(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    let reply = NewReply {
        id: ReplyId::named("r"),
        text: "Hello",
        parts: |_, text| vec![text.into()],
        at: time(),
        service: people::SERVICE,
    };
    people::reply(&mut pool.acquire().await.unwrap(), id, LISA, reply).await.unwrap();

    arrive(&pool, id, agents, 0).await;

    assert_eq!(look(&pool).await, (0, 1));
    assert_eq!(handled_seq(&pool, id).await, 1);
    assert_eq!(outcomes(&pool, id).await, [Some("answered".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn given_back_at_once_the_messages_of_a_reply_underway_are_answered_anew(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    take(&pool, id).await;

    let returned =
        people::give_back(&mut pool.acquire().await.unwrap(), id, LISA, time()).await.unwrap();
    arrive(&pool, id, agents, 0).await;
    let late = look(&pool).await;
    let anew = ReplyId::named("anew");
    arrive(&pool, id, anew, 1).await;
    let second = look(&pool).await;

    assert_eq!(returned.last_seq - returned.handled_seq, 1, "the agent is woken for it");
    assert_eq!((late, second), ((0, 1), (1, 0)));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_closed_conversation_sends_only_what_people_wrote(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    let mut conn = pool.acquire().await.unwrap();
    people::close(&mut conn, id, JAMES, Ending::Closed).await.unwrap();

    arrive(&pool, id, agents, 0).await;

    assert_eq!(look(&pool).await, (0, 1));
    assert_eq!(outcomes(&pool, id).await, [Some("no_answer".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_send_leaves_out_a_conversation_that_is_being_taken(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    // A takeover whose cancelling ran before the delivery arrived, and which has
    // not committed yet.
    let mut takeover = pool.begin().await.unwrap();
    sqlx::query("update conversations set owner_epoch = owner_epoch + 1 where id = $1")
        .bind(id.as_uuid())
        .execute(&mut *takeover)
        .await
        .unwrap();
    arrive(&pool, id, reply, 0).await;

    let meanwhile = look(&pool).await;
    takeover.commit().await.unwrap();

    assert_eq!((meanwhile, look(&pool).await), ((0, 0), (0, 1)));
}
