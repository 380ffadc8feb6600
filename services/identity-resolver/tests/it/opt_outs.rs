//! Who says stop hears nothing more until they say start.

use sqlx::PgPool;

use crate::whatsapp_world::{ANA, WhatsappWorld, conversation, message, text};

const OUTCOMES: &str = "select coalesce(outcome || ': ' || outcome_reason, 'waits') from messages order by stored_at, seq";
const OPT_OUTS: &str = "select channel || ' ' || address from opt_outs";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_stop_ends_what_waits_and_wakes_nobody_until_a_start(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "How do I export?")]).await.unwrap();
    world
        .run(
            "insert into due_turns (conversation_id, seq, due_at, reason)
              select id, 1, now(), 'test' from conversations",
        )
        .await;

    world.handle([text(2, 1, "Stop!")]).await.unwrap();
    let stopped = world.texts(OPT_OUTS).await;
    world.handle([text(3, 2, "are you there?")]).await.unwrap();
    let wake_ups = world.wake_ups();
    let handled = world.count("select handled_seq from conversations").await;
    world.handle([text(4, 3, "START")]).await.unwrap();
    let started = world.texts(OPT_OUTS).await;
    world.handle([text(5, 4, "How do I export?")]).await.unwrap();

    assert_eq!(stopped, ["whatsapp whatsapp:+34612345678"]);
    assert_eq!(wake_ups, [(conversation(ANA, 1), 1)]);
    assert_eq!(handled, 3);
    assert!(started.is_empty());
    assert_eq!(world.wake_ups().last(), Some(&(conversation(ANA, 1), 5)));
    let silent = "no_answer: opted out";
    assert_eq!(
        world.texts(OUTCOMES).await,
        [silent, silent, silent, "no_answer: opted in again", "waits"]
    );
    assert_eq!(world.count("select handled_seq from conversations").await, 4);
    assert_eq!(world.count("select count(*) from due_turns").await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_stop_in_a_batch_silences_what_came_with_it(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;

    world.handle([text(1, 0, "hi"), text(2, 0, "stop"), text(3, 0, "bye")]).await.unwrap();

    assert!(world.wake_ups().is_empty());
    assert_eq!(world.texts(OUTCOMES).await, ["no_answer: opted out"; 3]);
    assert_eq!(world.count("select handled_seq from conversations").await, 3);
    assert_eq!(world.texts(OPT_OUTS).await.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_stop_and_a_start_in_one_batch_leave_the_address_as_it_was(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;

    world.handle([text(1, 0, "stop"), text(2, 0, "start"), text(3, 0, "hi")]).await.unwrap();

    assert!(world.texts(OPT_OUTS).await.is_empty());
    assert_eq!(world.wake_ups(), [(conversation(ANA, 1), 3)]);
    assert_eq!(world.count("select handled_seq from conversations").await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_twilio_recognised_counts_and_a_start_of_nobody_opted_out_is_a_message(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let cancel = message(2, 1, |m| {
        m.body = "cancel".into();
        m.opt_out_type = Some("STOP".into());
    });

    world.handle([text(1, 0, "start")]).await.unwrap();
    world.handle([cancel]).await.unwrap();

    assert_eq!(world.wake_ups(), [(conversation(ANA, 1), 1)]);
    assert_eq!(world.texts(OPT_OUTS).await.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_stop_while_a_person_has_the_conversation_leaves_the_rest_to_that_person(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "refund!")]).await.unwrap();
    world.run("update conversations set owner = 'person', person = 'Lisa Tanaka'").await;

    world.handle([text(2, 1, "stop")]).await.unwrap();

    assert_eq!(world.texts(OUTCOMES).await, ["waits", "no_answer: opted out"]);
    assert_eq!(world.count("select handled_seq from conversations").await, 0);
    assert_eq!(world.wake_ups().len(), 1);
}
