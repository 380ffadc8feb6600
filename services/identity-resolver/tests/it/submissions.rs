//! New tickets: rows, ids, promises, budgets.

use contract::{Fact, MetricFact, Plan, TicketBody, TicketEvent, Topic};
use sqlx::PgPool;
use testkit::{StatementCount, events};

use crate::{World, conversation, ticket};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_submission_becomes_a_conversation_with_a_message_and_a_wake_up(pool: PgPool) {
    let world = World::new(pool);
    let event = events::submission(ticket(1));
    let message_id = events::message_id(&event);

    world.handle([event]).await.unwrap();

    let row: (String, String, String, i64, String, String) = sqlx::query_as(
        "select c.channel, c.thread_key, c.identity_level, c.last_seq, t.subject, m.body
         from conversations c join tickets t on t.conversation_id = c.id
         join messages m on m.conversation_id = c.id and m.seq = 1 and m.id = $1
         join customer_identifiers i on i.customer_id = c.customer_id
             and i.kind = 'email' and i.value = 'sam@example.org' and i.level = 'self_asserted'
         where c.id = $2",
    )
    .bind(message_id.as_uuid())
    .bind(conversation(1).as_uuid())
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((row.0.as_str(), row.2.as_str(), row.3), ("web_form", "self_asserted", 1));
    assert_eq!(row.1, ticket(1).as_str());
    assert_eq!(row.4, "How do I export a board");
    assert_eq!(row.5, "I want my board as a file, how do I do that?");
    let wake_ups = world.log.events::<TicketEvent>();
    assert_eq!(wake_ups.len(), 1);
    assert_eq!(wake_ups[0].conversation_id, conversation(1));
    assert_eq!(wake_ups[0].body, TicketBody::MessageStored { message_id, seq: 1 });
    let facts = world.log.events::<MetricFact>();
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].fact, Fact::MessageReceived);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_same_event_again_changes_no_row_and_gives_the_same_bytes(pool: PgPool) {
    let world = World::new(pool);
    let batch = || [events::submission(ticket(1)), events::follow_up(ticket(1), "and as CSV?")];
    world.handle(batch()).await.unwrap();
    let rows = world.rows().await;
    let published = world.log.take();

    // Another replica, which does not know that the outbox is published already.
    let replica = World::new(world.pool.clone());
    replica.handle(batch()).await.unwrap();
    world.handle(batch()).await.unwrap();

    assert_eq!(world.rows().await, rows);
    assert_eq!(replica.log.take(), published);
    assert_eq!(world.log.take(), [], "this replica knows what it has published");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_event_twice_in_one_batch_counts_once(pool: PgPool) {
    let world = World::new(pool);
    let event = || events::submission(ticket(1));

    world.handle([event(), event(), events::submission(ticket(2))]).await.unwrap();

    assert_eq!(world.count("select count(*) from messages").await, 2);
    assert_eq!(world.log.events::<TicketEvent>().len(), 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_known_address_keeps_its_customer_and_the_typed_plan_stays_a_claim(pool: PgPool) {
    let world = World::new(pool);
    world.handle([events::submission(ticket(1))]).await.unwrap();
    sqlx::raw_sql(
        "insert into customers (id, name, plan)
             values ('00000000-0000-0000-0000-000000000001', 'Sam of the records', 'pro');
         update customer_identifiers set customer_id = '00000000-0000-0000-0000-000000000001',
             level = 'authenticated'",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    let typed = |number, plan| {
        events::submission_with(ticket(number), |submission| {
            submission.email = " Sam@Example.ORG ".into();
            submission.claimed_plan = plan;
        })
    };
    world.handle([typed(2, None), typed(3, Some(Plan::Enterprise))]).await.unwrap();

    let rows: Vec<(String, String, String, Option<String>, i32)> = sqlx::query_as(
        "select customer.name, c.identity_level, customer.plan, t.claimed_plan,
             (extract(epoch from t.respond_by - m.sent_at) / 3600)::integer
         from conversations c join customers customer on customer.id = c.customer_id
         join tickets t on t.conversation_id = c.id join messages m on m.conversation_id = c.id
         where customer.plan is not null order by 5 desc",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let expected = |claim: Option<&str>, hours| {
        let records = ("Sam of the records".to_owned(), "self_asserted".to_owned());
        (records.0, records.1, "pro".to_owned(), claim.map(str::to_owned), hours)
    };
    assert_eq!(rows, [expected(None, 4), expected(Some("enterprise"), 1)]);
    let as_typed = "select count(*) from tickets where claimed_name = 'Sam Doe'";
    assert_eq!(world.count(as_typed).await, 3);
    assert_eq!(
        world
            .count("select count(*) from customer_identifiers where level = 'authenticated'")
            .await,
        1
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn one_customer_has_many_tickets_also_within_one_batch(pool: PgPool) {
    let world = World::new(pool);

    world.handle((0..20).map(|number| events::submission(ticket(number)))).await.unwrap();

    assert_eq!(world.count("select count(*) from customers").await, 1);
    assert_eq!(world.count("select count(distinct customer_id) from conversations").await, 1);
    assert_eq!(world.count("select count(*) from conversations").await, 20);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_long_message_is_cut_and_says_so(pool: PgPool) {
    let world = World::new(pool);
    let long = events::submission_with(ticket(1), |s| s.message = "long ".repeat(100_000));

    world.handle([long]).await.unwrap();

    let body: String =
        sqlx::query_scalar("select body from messages").fetch_one(&world.pool).await.unwrap();
    assert!(body.len() <= 64 << 10);
    assert!(body.ends_with("[cut here: the text was longer]"));
    assert!(world.log.records().iter().all(|record| record.payload.len() < 256 << 10));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_batch_of_submissions_costs_one_round_trip_and_follow_ups_two(pool: PgPool) {
    let world = World::new(pool);
    let statements = StatementCount::start();

    world.handle((0..200).map(|number| events::submission(ticket(number)))).await.unwrap();
    let submissions = statements.take();
    world.handle((0..200).map(|number| events::follow_up(ticket(number), "more"))).await.unwrap();
    let follow_ups = statements.take();

    assert_eq!((submissions, follow_ups), (1, 2));
    assert_eq!(world.count("select count(*) from messages").await, 400);
    assert_eq!(world.log.records().iter().filter(|r| r.topic == Topic::Metrics).count(), 400);
}
