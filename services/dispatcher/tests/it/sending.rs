//! From the event to what the customer sees.

use contract::{Author, Fact, MetricFact, ReplyId};
use dispatcher::{Outlet, Step, Wakers, Worker};
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use testkit::{StatementCount, events};

use crate::{World, store_tickets, ticket};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_becomes_visible_and_the_first_one_is_counted_once(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    let second = events::reply_with(ticket(1), |reply| {
        reply.reply_id = ReplyId::named("second");
        reply.parts = vec!["And as CSV too.".into()];
    });

    world.handle([events::reply(ticket(1), "Choose Export.")]).await.unwrap();
    world.send_all().await;
    world.handle([second]).await.unwrap();
    world.send_all().await;

    assert_eq!(
        world.deliveries().await,
        [
            ("accepted".to_owned(), 1, "Choose Export.".to_owned()),
            ("accepted".to_owned(), 1, "And as CSV too.".to_owned())
        ]
    );
    let facts = world.log.events::<MetricFact>();
    assert_eq!(facts.len(), 1);
    assert!(
        matches!(facts[0].fact, Fact::FirstReplyDelivered { latency_us } if (3_000_000..60_000_000).contains(&latency_us)),
        "{:?}",
        facts[0].fact
    );
    assert_eq!(
        world
            .count(
                "select count(*) from conversations c join deliveries d
                     on d.conversation_id = c.id and d.accepted_at = c.first_reply_at
                     and d.body = 'Choose Export.'
                     and d.traceparent like '00-0af7651916cd43dd8448eb211c80319c-%'"
            )
            .await,
        1
    );
    let history: Vec<String> = sqlx::query_scalar(
        "select e.state from delivery_events e join deliveries d on d.id = e.delivery_id
         order by d.position, e.at",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(history, ["sending", "accepted", "sending", "accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_same_event_again_sends_nothing_again(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    let reply = || events::reply(ticket(1), "Choose Export.");

    world.handle([reply(), reply()]).await.unwrap();
    world.send_all().await;
    world.handle([reply()]).await.unwrap();
    world.send_all().await;

    assert_eq!(world.states().await, ["accepted"]);
    assert_eq!(world.count("select count(*) from delivery_events").await, 2);
    assert_eq!(world.log.records().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_conversations_parts_go_one_after_another(pool: PgPool) {
    store_tickets(&pool, [1, 2]).await;
    let world = World::new(pool);
    let parts = |number| {
        events::reply_with(ticket(number), |reply| {
            reply.reply_id = ReplyId::named(&format!("parts {number}"));
            reply.parts = vec!["one".into(), "two".into()];
        })
    };
    world.handle([parts(1), parts(2)]).await.unwrap();

    world.web_form.step().await.unwrap();
    let after_one = world.states().await;
    world.web_form.step().await.unwrap();

    assert_eq!(after_one, ["accepted", "pending", "accepted", "pending"]);
    assert_eq!(world.states().await, ["accepted"; 4]);
    assert_eq!(world.web_form.step().await.unwrap().0, Step::Idle);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_hand_off_stands_with_its_fields_and_is_no_reply(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);

    world.handle([events::hand_off(ticket(1))]).await.unwrap();
    world.send_all().await;

    let (person, state, author): (String, String, String) = sqlx::query_as(
        "select hand_off ->> 'person', state, author from deliveries where outlet = 'hand_off'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((person.as_str(), state.as_str()), ("Lisa Tanaka", "accepted"));
    assert_eq!(author, "system", "no takeover cancels it");
    assert_eq!(world.log.records(), []);
    let unanswered = "select count(*) from conversations where first_reply_at is null";
    assert_eq!(world.count(unanswered).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_notice_of_the_system_is_not_the_first_reply(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    let notice = events::reply_with(ticket(1), |reply| {
        reply.author = Author::System;
        (reply.first_seq, reply.last_seq) = (0, 0);
    });

    world.handle([notice]).await.unwrap();
    world.send_all().await;

    assert_eq!(world.states().await, ["accepted"]);
    assert_eq!(world.log.records(), []);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_can_never_be_sent_fails_is_counted_and_holds_back_nothing(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    let empty = events::reply_with(ticket(1), |reply| {
        reply.reply_id = ReplyId::named("empty");
        reply.parts = vec![" ".into()];
    });

    world.handle([empty, events::reply(ticket(1), "Choose Export.")]).await.unwrap();
    world.send_all().await;

    assert_eq!(world.states().await, ["failed", "accepted"]);
    let facts: Vec<Fact> = world.log.events::<MetricFact>().into_iter().map(|f| f.fact).collect();
    assert_eq!(facts[0], Fact::SendFailed { reason: "the text is empty".into() });
    assert!(matches!(facts[1], Fact::FirstReplyDelivered { .. }));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_batch_costs_one_statement_each_to_insert_to_begin_and_to_finish(pool: PgPool) {
    store_tickets(&pool, 0..200).await;
    let world = World::new(pool);
    let statements = StatementCount::start();

    world.handle((0..200).map(|number| events::reply(ticket(number), "Done."))).await.unwrap();
    let inserted = statements.take();
    world.web_form.step().await.unwrap();
    let sent = statements.take();

    assert_eq!((inserted, sent), (1, 2), "each statement is its own commit");
    assert_eq!(world.count("select count(*) from deliveries where state = 'accepted'").await, 200);
    assert_eq!(world.count("select count(*) from outbox").await, 200);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn replicas_share_the_work_and_send_nothing_twice(pool: PgPool) {
    store_tickets(&pool, 0..60).await;
    let (world, replica) = (World::new(pool.clone()), World::new(pool));
    let replies = (0..60).map(|number| {
        events::reply_with(ticket(number), |reply| {
            reply.reply_id = ReplyId::named(&format!("reply {number}"));
            reply.parts = vec!["one".into(), "two".into(), "three".into()];
        })
    });
    world.handle(replies).await.unwrap();

    tokio::join!(world.send_all(), replica.send_all());
    world.send_all().await;

    assert_eq!(world.count("select count(*) from deliveries where state = 'accepted'").await, 180);
    assert_eq!(world.count("select count(*) from deliveries where attempt = 1").await, 180);
    let out_of_order = "select count(*) from deliveries d join deliveries later
        on later.conversation_id = d.conversation_id and later.position > d.position
        where later.accepted_at < d.accepted_at";
    assert_eq!(world.count(out_of_order).await, 0);
    assert_eq!(world.log.records().len() + replica.log.records().len(), 60);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn on_a_form_that_is_switched_off_answers_wait_and_people_are_told_all_the_same(
    pool: PgPool,
) {
    let world = World::new(pool.clone());
    store_tickets(&pool, [1]).await;
    let configs = ChannelConfigs::fixed([]);
    let wakers = Wakers::default();
    let off = |outlet| {
        let (pool, outbox) = (pool.clone(), world.outbox.clone());
        Worker::new(outlet, pool, outbox, wakers.clone(), configs.clone())
    };
    world.handle([events::reply(ticket(1), "answer"), events::hand_off(ticket(1))]).await.unwrap();

    let (step, _) = off(Outlet::WebForm).step().await.unwrap();
    off(Outlet::HandOff).step().await.unwrap();

    assert_eq!(step, Step::Idle);
    assert_eq!(world.states().await, ["pending", "accepted"]);
    world.send_all().await;
    assert_eq!(world.states().await, ["accepted", "accepted"]);
}
