//! Turns that meet newer messages, people, other replicas, crashes and broken models.

use std::sync::Arc;

use agent::Builtin;
use bus::{Failure, Outcome};
use contract::{Author, ConversationId, Outgoing, OutgoingBody};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::PgPool;
use testkit::{RecordingPublisher, events};
use uuid::Uuid;

use crate::models::{Broken, Meanwhile};
use crate::support::{
    self, HANDLED, TURNS, add_message, agent, builtin, conversation, count, handle, try_to_handle,
};

fn texts(publisher: &RecordingPublisher) -> Vec<String> {
    let outgoing = publisher.events::<Outgoing>().into_iter();
    outgoing
        .filter_map(|event| match event.body {
            OutgoingBody::Reply(reply) => Some(reply.parts.concat()),
            OutgoingBody::HandOff(_) => None,
        })
        .collect()
}

/// Adds a message at each of the first `most` calls.
fn writing(
    pool: &PgPool,
    id: ConversationId,
    most: u32,
) -> impl Fn(u32) -> BoxFuture<'static, ()> + use<> {
    let pool = pool.clone();
    move |call| {
        let pool = pool.clone();
        async move {
            if call < most {
                add_message(&pool, id, &format!("Thank you, that number {call} helped!")).await;
            }
        }
        .boxed()
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_message_that_comes_during_the_draft_is_in_the_reply(pool: PgPool) {
    let id = conversation(&pool, "Thanks", "Thank you, that helped!").await;
    let (agent, publisher) = agent(&pool, Meanwhile::new(writing(&pool, id, 1)));

    handle(&agent, id, 1).await;

    assert_eq!(texts(&publisher).len(), 1);
    assert!(texts(&publisher)[0].contains("number 0"));
    assert_eq!((count(&pool, HANDLED, id).await, count(&pool, TURNS, id).await), (2, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_three_redos_a_draft_counts_without_the_newest_message(pool: PgPool) {
    let id = conversation(&pool, "Thanks", "Thank you, that helped!").await;
    let (agent, publisher) = agent(&pool, Meanwhile::new(writing(&pool, id, 4)));

    handle(&agent, id, 1).await;

    assert_eq!((count(&pool, HANDLED, id).await, texts(&publisher).len()), (4, 1));
    handle(&agent, id, 5).await;
    assert_eq!((count(&pool, HANDLED, id).await, texts(&publisher).len()), (5, 2));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_conversation_taken_during_the_draft_gets_no_answer_of_the_agent(pool: PgPool) {
    let id = conversation(&pool, "Thanks", "Thank you, that helped!").await;
    let taking = pool.clone();
    let take = move |_| {
        let pool = taking.clone();
        async move {
            sqlx::query(
                "update conversations
                 set owner = 'person', person = 'kim', taken_at = app_now(), owner_epoch = 1",
            )
            .execute(&pool)
            .await
            .unwrap();
        }
        .boxed()
    };
    let (agent, publisher) = agent(&pool, Meanwhile::new(take));

    handle(&agent, id, 1).await;

    assert_eq!((count(&pool, HANDLED, id).await, count(&pool, TURNS, id).await), (0, 0));
    let authors: Vec<_> = publisher.events::<Outgoing>().into_iter().map(author).collect();
    assert_eq!(authors, [Author::System]);
}

fn author(event: Outgoing) -> Author {
    match event.body {
        OutgoingBody::Reply(reply) => reply.author,
        OutgoingBody::HandOff(_) => panic!("a hand-off has no author"),
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn given_back_during_the_draft_the_conversation_is_drafted_again_in_its_new_epoch(
    pool: PgPool,
) {
    let id = conversation(&pool, "Thanks", "Thank you, that helped!").await;
    let raising = pool.clone();
    let raise = move |call| {
        let pool = raising.clone();
        async move {
            if call == 0 {
                let raise = "update conversations set owner_epoch = 2";
                sqlx::query(raise).execute(&pool).await.unwrap();
            }
        }
        .boxed()
    };
    let (agent, publisher) = agent(&pool, Meanwhile::new(raise));

    handle(&agent, id, 1).await;

    let OutgoingBody::Reply(reply) = &publisher.events::<Outgoing>()[0].body else { panic!() };
    assert_eq!((reply.owner_epoch, count(&pool, TURNS, id).await), (2, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_same_event_again_gives_the_same_bytes_and_no_second_turn(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "How do I export a board", "As a file.").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;
    handle(&agent, id, 1).await;
    let (other, published_again) = builtin(&pool);
    handle(&other, id, 1).await;

    assert_eq!(publisher.records().len(), 2);
    assert_eq!(published_again.records(), publisher.records());
    assert_eq!(count(&pool, TURNS, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_at_once_make_one_turn(pool: PgPool) {
    let id = conversation(&pool, "Thanks", "Thank you, that helped!").await;
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let meet = move |call| {
        let both = Arc::clone(&both);
        async move {
            if call == 0 {
                both.wait().await;
            }
        }
        .boxed()
    };
    let (one, first) = agent(&pool, Meanwhile::new(meet.clone()));
    let (other, second) = agent(&pool, Meanwhile::new(meet));

    tokio::join!(handle(&one, id, 1), handle(&other, id, 1));

    assert_eq!((count(&pool, TURNS, id).await, count(&pool, HANDLED, id).await), (1, 1));
    // The loser may publish what the winner left in the outbox, with the same ids.
    let mut ids: Vec<Uuid> =
        first.records().iter().chain(&second.records()).map(|r| r.event_id.into()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_a_crash_left_between_commit_and_publish_is_published_by_the_next_event(pool: PgPool) {
    let id = conversation(&pool, "Refund", "I want a refund.").await;
    let (agent, publisher) = builtin(&pool);
    publisher.lose_next();

    let failed = try_to_handle(&agent, id, 1, 1).await;
    assert!(matches!(failed, Err(Failure::Unavailable(_))));
    assert!(publisher.records().is_empty());
    handle(&agent, id, 1).await;

    assert_eq!(publisher.records().len(), 3);
    assert_eq!(count(&pool, TURNS, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_is_told_once_that_a_person_will_read_the_message(pool: PgPool) {
    let id = conversation(&pool, "Refund", "I want a refund.").await;
    let (agent, publisher) = builtin(&pool);
    handle(&agent, id, 1).await;
    publisher.take();
    sqlx::query("delete from outbox").execute(&pool).await.unwrap();

    add_message(&pool, id, "Any news?").await;
    handle(&agent, id, 2).await;
    let first = publisher.take();
    deliver(&pool, id, first[0].event_id.into()).await;
    add_message(&pool, id, "Hello?").await;
    // Another replica knows only what the tables say.
    let (other, published_again) = builtin(&pool);
    handle(&other, id, 3).await;

    assert_eq!(first.len(), 1);
    assert!(published_again.take().is_empty());
    assert_eq!((count(&pool, HANDLED, id).await, count(&pool, TURNS, id).await), (1, 1));
}

/// As the dispatcher takes the notice over; the outbox entry is gone by then.
async fn deliver(pool: &PgPool, id: ConversationId, event: Uuid) {
    let payload: Vec<u8> =
        sqlx::query_scalar("delete from outbox where event_id = $1 returning payload")
            .bind(event)
            .fetch_one(pool)
            .await
            .unwrap();
    let notice = <Outgoing as contract::Event>::decode(&payload).unwrap();
    let OutgoingBody::Reply(reply) = notice.body else { panic!("no reply") };
    assert!(reply.parts[0].contains("Lisa Tanaka has it"));
    assert_eq!(reply.author, Author::System);
    sqlx::query(
        "insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch, body)
         values ($1, $2, 'web_form', $3, 0, 'system', 0, 'x')",
    )
    .bind(Uuid::new_v4())
    .bind(Uuid::from(id))
    .bind(Uuid::from(reply.reply_id))
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_panic_in_the_draft_goes_to_a_person_at_once(pool: PgPool) {
    let id = conversation(&pool, "Boards", "How do boards work?").await;
    let (agent, publisher) = agent(&pool, Broken { panics: true });

    handle(&agent, id, 1).await;

    assert!(texts(&publisher)[0].contains("takes over"));
    assert_eq!(count(&pool, HANDLED, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_event_of_an_unknown_conversation_is_rejected(pool: PgPool) {
    let (agent, _publisher) = builtin(&pool);
    let unknown = events::conversation(events::ticket_ref(9));

    let handled = try_to_handle(&agent, unknown, 1, 1).await;

    assert!(matches!(handled, Err(Failure::Reject(_))));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_whatsapp_burst_is_awaited_but_no_longer_than_six_seconds(pool: PgPool) {
    let id = conversation(&pool, "", "hi").await;
    sqlx::query("update conversations set channel = 'whatsapp'").execute(&pool).await.unwrap();
    let (agent, publisher) = agent(&pool, Builtin::new(support::policy()));

    let waits = try_to_handle(&agent, id, 1, 1).await.unwrap();
    sqlx::query("update messages set stored_at = app_now() - interval '7 seconds'")
        .execute(&pool)
        .await
        .unwrap();
    add_message(&pool, id, "hello").await;
    let goes = try_to_handle(&agent, id, 2, 1).await.unwrap();

    assert!(matches!(waits, Outcome::DeferUntil(_)));
    assert_eq!(goes, Outcome::Done);
    assert_eq!(texts(&publisher).len(), 1);
}
