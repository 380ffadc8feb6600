//! A person's word is last.

use contract::{Author, ReplyId};
use dispatcher::Step;
use sqlx::PgPool;
use store::people::{self, OperatorName};
use testkit::events;

use crate::{World, conversation, store_tickets, ticket};

const LISA: OperatorName<'_> = OperatorName("lisa");

fn person_reply(number: u32) -> contract::Outgoing {
    events::reply_with(ticket(number), |reply| {
        reply.reply_id = ReplyId::named(&format!("person {number}"));
        reply.author = Author::Person;
        reply.author_name = "Lisa Tanaka".into();
        reply.owner_epoch = 1;
        reply.parts = vec!["Lisa here.".into()];
    })
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_a_takeover_the_persons_reply_and_the_hand_off_go_and_the_agents_never(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    let mut conn = world.pool.acquire().await.unwrap();
    people::take(&mut conn, conversation(1), LISA).await.unwrap();

    // The agent's reply was still in the log when the person took over.
    world
        .handle([
            events::reply(ticket(1), "Too late."),
            events::hand_off(ticket(1)),
            person_reply(1),
        ])
        .await
        .unwrap();
    world.send_all().await;

    assert_eq!(world.states().await, ["cancelled", "accepted", "accepted"]);
    let why = "select count(*) from delivery_events where state = 'cancelled'
        and detail = 'a person acted first'";
    assert_eq!(world.count(why).await, 1);
    assert_eq!(world.log.records().len(), 1, "the person's is the first reply");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn while_a_takeover_is_being_written_nothing_begins_and_others_go_on(pool: PgPool) {
    store_tickets(&pool, [1, 2]).await;
    let world = World::new(pool);
    world.handle([1, 2].map(|number| events::reply(ticket(number), "Hello."))).await.unwrap();
    let mut taking = world.pool.begin().await.unwrap();
    sqlx::query(
        "update conversations set owner_epoch = owner_epoch + 1, owner = 'person' where id = $1",
    )
    .bind(conversation(1).as_uuid())
    .execute(&mut *taking)
    .await
    .unwrap();

    // A worker that waits for the lock would wait for this test.
    let step = tokio::time::timeout(testkit::LIMIT, world.web_form.step());
    let (step, _) = step.await.expect("no step waits for a takeover").unwrap();
    let meanwhile = world.states().await;
    let (blocked, _) = world.web_form.step().await.unwrap();
    taking.commit().await.unwrap();
    world.send_all().await;

    assert_eq!(step, Step::More);
    assert_eq!(meanwhile, ["pending", "accepted"]);
    assert_eq!(blocked, Step::Blocked, "it looks again soon");
    assert_eq!(world.states().await, ["cancelled", "accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_answer_to_a_takeover_tells_the_truth_whatever_the_timing(pool: PgPool) {
    const ROUNDS: u32 = 150;
    store_tickets(&pool, 0..ROUNDS).await;
    let world = World::new(pool);
    let (mut sent, mut stopped) = (0, 0);
    for number in 0..ROUNDS {
        world.handle([events::reply(ticket(number), "Hello.")]).await.unwrap();
        let take = async {
            // Spreads the takeovers over the whole round of the worker.
            for _ in 0..number % 30 {
                tokio::task::yield_now().await;
            }
            let mut conn = world.pool.acquire().await.unwrap();
            people::take(&mut conn, conversation(number), LISA).await.unwrap()
        };
        let (standing, step) = tokio::join!(take, world.web_form.step());
        step.unwrap();
        world.send_all().await;

        let (state, begun_after): (String, bool) = sqlx::query_as(
            "select d.state, exists (select from delivery_events e
                 where e.delivery_id = d.id and e.state = 'sending' and e.at > c.taken_at
                 and d.state <> 'cancelled')
             from deliveries d join conversations c on c.id = d.conversation_id where c.id = $1",
        )
        .bind(conversation(number).as_uuid())
        .fetch_one(&world.pool)
        .await
        .unwrap();
        match state.as_str() {
            "accepted" => sent += 1,
            "cancelled" => stopped += 1,
            other => panic!("a delivery ended as {other}"),
        }
        let told_cancelled = !standing.cancelled.is_empty();
        assert_eq!(told_cancelled, state == "cancelled", "round {number}: {standing:?}");
        // Times of two transactions are those of their begins, so the one that came
        // first may carry the later time; then the takeover has seen the sending.
        assert!(!begun_after || standing.cancelled.is_empty());
    }
    assert!(sent > 0 && stopped > 0, "both must happen: {sent} sent, {stopped} stopped");
}
