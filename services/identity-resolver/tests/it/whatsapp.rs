//! WhatsApp: conversations, customers, duplicates, budgets.

use bus::Failure;
use contract::{
    Channel, Fact, MetricFact, WhatsappBody, WhatsappInbound, WhatsappLocation, WhatsappMedia,
    WhatsappStatus,
};
use sqlx::PgPool;
use testkit::StatementCount;

use crate::WITHOUT_LOCKS;
use crate::whatsapp_world::{ANA, WhatsappWorld, at, conversation, message, text};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_conversation_that_somebody_holds_does_not_hold_up_another(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "Hello")]).await.unwrap();
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("select id from conversations for no key update")
        .execute(&mut *holder)
        .await
        .unwrap();
    let other = message(2, 1, |message| {
        message.sender_id = "whatsapp:+14155550123".into();
        message.from = "whatsapp:+14155550123".into();
        message.phone = Some("+14155550123".into());
    });

    let together = world.handle([text(3, 1, "Still there?"), other]);
    let together = tokio::time::timeout(WITHOUT_LOCKS, together).await.unwrap();
    let seen_while_held = world.wake_ups().len();
    holder.rollback().await.unwrap();
    world.handle([text(3, 1, "Still there?")]).await.unwrap();

    assert!(matches!(together, Err(Failure::Retry(_))));
    assert_eq!(seen_while_held, 2);
    assert_eq!(world.wake_ups().last(), Some(&(conversation(ANA, 1), 2)));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_message_opens_a_conversation_with_a_ticket_and_wakes_the_agent(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;

    world.handle([text(1, 0, "How do I export a board?")]).await.unwrap();

    let row: (String, String, String, String, String, i64, String, bool) = sqlx::query_as(
        "select c.channel, c.thread_key, c.identity_level, c.address, c.our_address, c.last_seq,
             cu.name, t.respond_by = m.sent_at + interval '24 hours'
         from conversations c join tickets t on t.conversation_id = c.id and t.ref like 'TF-%'
         join messages m on m.conversation_id = c.id and m.seq = 1
             and m.provider_id = 'SM00000000000000000000000000000001'
         join customers cu on cu.id = c.customer_id
         where c.id = $1 and c.last_inbound_at = $2",
    )
    .bind(conversation(ANA, 1).as_uuid())
    .bind(at(0))
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((row.0.as_str(), row.1.as_str()), ("whatsapp", ANA));
    assert_eq!((row.2.as_str(), row.3.as_str()), ("authenticated", "whatsapp:+34612345678"));
    assert_eq!((row.4.as_str(), row.5), ("whatsapp:+14155238886", 1));
    assert_eq!((row.6.as_str(), row.7), ("Ana", true));
    let identifiers =
        "select kind || ' ' || value || ' ' || level from customer_identifiers order by 1";
    assert_eq!(
        world.texts(identifiers).await,
        ["phone +34612345678 authenticated".to_owned(), format!("whatsapp {ANA} authenticated")]
    );
    assert_eq!(world.wake_ups(), [(conversation(ANA, 1), 1)]);
    let facts = world.log.events::<MetricFact>();
    assert_eq!((facts.len(), facts[0].channel), (1, Channel::Whatsapp));
    assert_eq!(facts[0].fact, Fact::MessageReceived);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_same_message_three_times_at_once_on_two_resolvers_is_one_row_and_one_event(
    pool: PgPool,
) {
    let (world, replica) = (WhatsappWorld::new(&pool).await, WhatsappWorld::new(&pool).await);
    for number in 1..=20 {
        // The first opens the conversation, the others go on in it.
        let event = || text(number, i64::from(number), "hello");
        let (one, two, three) = tokio::join!(
            world.handle([event()]),
            replica.handle([event()]),
            world.handle([event()])
        );
        one.unwrap();
        two.unwrap();
        three.unwrap();
    }

    assert_eq!(world.count("select count(*) from messages").await, 20);
    assert_eq!(world.count("select count(*) from conversations").await, 1);
    assert_eq!(world.count("select count(*) from tickets").await, 1);
    assert_eq!(world.count("select count(*) from customers").await, 1);
    assert_eq!(world.count("select last_seq from conversations").await, 20);
    // A replica may publish again what it finds unpublished: the same event, not another.
    let mut wake_ups = [world.wake_ups(), replica.wake_ups()].concat();
    wake_ups.sort();
    wake_ups.dedup();
    let expected: Vec<_> = (1..=20).map(|seq| (conversation(ANA, 1), seq)).collect();
    assert_eq!(wake_ups, expected);
    assert_eq!(
        world.count("select count(*) from outbox where topic = 'fte.tickets.incoming'").await,
        20
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_album_of_ten_in_one_batch_keeps_its_order_and_its_files(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let picture = |number: u32| {
        message(number, 0, |m| {
            m.message_type = "image".into();
            m.media = vec![WhatsappMedia {
                url: format!("https://api.twilio.com/media/{number}"),
                content_type: "image/jpeg".into(),
            }];
        })
    };

    world.handle((1..=10).map(picture)).await.unwrap();

    let urls = world.texts("select attachments -> 0 ->> 'url' from messages order by seq").await;
    let expected: Vec<_> =
        (1..=10).map(|number| format!("https://api.twilio.com/media/{number}")).collect();
    assert_eq!(urls, expected);
    assert_eq!(world.count("select count(*) from messages where attachments -> 0 ->> 'kind' = 'image' and body = ''").await, 10);
    let seqs: Vec<u64> = world.wake_ups().iter().map(|(_, seq)| *seq).collect();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_neither_text_nor_file_is_stored_by_its_kind(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let of_type = |number, kind: &str| message(number, 0, |m| m.message_type = kind.into());
    let place = message(3, 0, |m| {
        m.message_type = "location".into();
        m.location = Some(WhatsappLocation {
            latitude: 40.4168,
            longitude: -3.7038,
            address: String::new(),
            label: "Sol".into(),
        });
    });

    world
        .handle([of_type(1, "reaction"), of_type(2, "contacts"), place, of_type(4, "order")])
        .await
        .unwrap();

    let kinds = world.texts("select attachments -> 0 ->> 'kind' from messages order by seq").await;
    assert_eq!(kinds, ["reaction", "contacts", "location", "other"]);
    let latitude = "select attachments -> 0 ->> 'latitude' from messages where seq = 3";
    assert_eq!(world.texts(latitude).await, ["40.4168"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_24_idle_hours_the_next_message_closes_the_old_and_opens_a_new_conversation(
    pool: PgPool,
) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "hi")]).await.unwrap();
    world.answer_all().await;

    world.handle([text(2, 24 * 60 - 1, "still me")]).await.unwrap();
    world.answer_all().await;
    world.handle([text(3, 2 * 24 * 60 - 1, "something else")]).await.unwrap();

    let rows = world
        .texts("select id::text || ' ' || status || ' ' || last_seq from conversations order by created_at")
        .await;
    assert_eq!(
        rows,
        [format!("{} closed 2", conversation(ANA, 1)), format!("{} open 1", conversation(ANA, 3))]
    );
    assert_eq!(world.count("select count(*) from tickets").await, 2);
    assert_eq!(world.count("select count(*) from customers").await, 1);
    assert_eq!(
        world.count("select owner_epoch from conversations where status = 'closed'").await,
        1
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_idle_conversation_goes_on_while_something_in_it_is_open(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "hi")]).await.unwrap();

    // Not answered yet.
    world.handle([text(2, 2_000, "hello?")]).await.unwrap();
    // With a person.
    world.answer_all().await;
    world.run("update conversations set owner = 'person', person = 'Lisa Tanaka'").await;
    world.handle([text(3, 4_000, "hello??")]).await.unwrap();
    // A reply in doubt.
    world.answer_all().await;
    world
        .run(
            "update conversations set owner = 'agent';
             insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch, body, state)
             select gen_random_uuid(), id, 'whatsapp', gen_random_uuid(), 0, 'agent', 0, 'x', 'outcome_unknown'
             from conversations",
        )
        .await;
    world.handle([text(4, 6_000, "hello???")]).await.unwrap();
    // Answered an hour ago.
    world.answer_all().await;
    world
        .run("update deliveries set state = 'accepted', accepted_at = '2026-01-05 09:30Z'::timestamptz + interval '7940 minutes'")
        .await;
    world.handle([text(5, 8_000, "thanks")]).await.unwrap();

    assert_eq!(world.count("select count(*) from conversations").await, 1);
    assert_eq!(world.count("select last_seq from conversations").await, 5);

    world.answer_all().await;
    world.handle([text(6, 10_000, "new")]).await.unwrap();
    assert_eq!(world.count("select count(*) from conversations").await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_resolved_conversation_reopens_and_a_closed_one_has_a_successor(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "hi")]).await.unwrap();
    world.answer_all().await;

    world.run("update conversations set status = 'resolved'").await;
    world.handle([text(2, 5, "still broken")]).await.unwrap();
    let reopened = world.texts("select status from conversations").await;
    world.run("update conversations set status = 'closed'").await;
    world.handle([text(3, 10, "again")]).await.unwrap();

    assert_eq!(reopened, ["open"]);
    assert_eq!(world.wake_ups().last(), Some(&(conversation(ANA, 3), 1)));
    assert_eq!(world.count("select count(*) from conversations where status = 'open'").await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_message_that_comes_again_after_its_conversation_was_closed_has_no_effect(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "hi"), text(2, 1, "there")]).await.unwrap();
    world.answer_all().await;
    world.run("update conversations set status = 'closed'").await;
    let rows = "select (select count(*) from messages) + 100 * (select count(*) from conversations)
        + 10000 * (select count(*) from outbox)";
    let before = world.count(rows).await;
    let published = world.log.take();

    let restarted = WhatsappWorld::new(&pool).await;
    restarted.handle([text(2, 1, "there"), text(1, 0, "hi")]).await.unwrap();
    let together = restarted.handle([text(2, 1, "there"), text(3, 2, "new")]).await;

    together.unwrap();
    assert_eq!(world.count("select count(*) from messages").await, 3);
    assert_eq!(world.count(rows).await, before + 1 + 100 + 2 * 10_000);
    assert_eq!(restarted.log.take()[..published.len()], published);
    assert_eq!(
        restarted.count("select last_seq from conversations where status = 'open'").await,
        1
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_sender_without_a_number_is_a_customer_by_id_alone(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let nameless = |number| {
        message(number, 0, |m| {
            m.from = ANA.into();
            m.phone = None;
            m.profile_name = "\u{202E}\n".into();
            m.body = "Hola".into();
        })
    };

    world.handle([nameless(1)]).await.unwrap();
    world.handle([nameless(2)]).await.unwrap();

    let identifiers = world.texts("select kind || ' ' || value from customer_identifiers").await;
    assert_eq!(identifiers, [format!("whatsapp {ANA}")]);
    assert_eq!(world.texts("select address from conversations").await, [ANA]);
    assert_eq!(world.texts("select name from customers").await, [""]);
    assert_eq!(world.count("select last_seq from conversations").await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_new_number_of_the_same_sender_goes_on_in_the_conversation(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.handle([text(1, 0, "hi")]).await.unwrap();
    let moved = |number| {
        message(number, 5, |m| {
            m.from = "whatsapp:+34699999999".into();
            m.phone = Some("+34699999999".into());
            m.body = "new phone".into();
        })
    };

    world.handle([moved(2)]).await.unwrap();

    assert_eq!(world.texts("select address from conversations").await, ["whatsapp:+34699999999"]);
    assert_eq!(world.count("select count(*) from customers").await, 1);
    let phones = "select value from customer_identifiers where kind = 'phone' order by 1";
    assert_eq!(world.texts(phones).await, ["+34612345678", "+34699999999"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn both_spellings_of_a_number_are_one_customer_also_in_one_batch(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let from = |number, phone: &'static str| {
        message(number, 0, move |m| {
            m.from = format!("whatsapp:{phone}");
            m.sender_id = m.from.clone();
            m.phone = Some(phone.into());
            m.body = "Olá".into();
        })
    };

    world.handle([from(1, "+551187654321"), from(2, "+5511987654321")]).await.unwrap();
    world.handle([from(3, "+5215512345678")]).await.unwrap();
    world.handle([from(4, "+525512345678")]).await.unwrap();
    world.handle([from(5, "+541123456789")]).await.unwrap();
    world.handle([from(6, "+5491123456789")]).await.unwrap();

    assert_eq!(world.count("select count(*) from customers").await, 3);
    let phones = "select value from customer_identifiers where kind = 'phone' order by 1";
    assert_eq!(world.texts(phones).await, ["+525512345678", "+5491123456789", "+5511987654321"]);
    assert_eq!(world.count("select count(distinct customer_id) from conversations").await, 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_proven_number_finds_its_customer_and_a_typed_one_does_not(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world
        .run(
            "insert into customers (id, name, plan) values
                 ('00000000-0000-0000-0000-000000000001', 'Ana of the records', 'pro'),
                 ('00000000-0000-0000-0000-000000000002', 'Typed', 'enterprise');
             insert into customer_identifiers (kind, value, customer_id, level) values
                 ('phone', '+34612345678', '00000000-0000-0000-0000-000000000001', 'authenticated'),
                 ('phone', '+34699999999', '00000000-0000-0000-0000-000000000002', 'self_asserted')",
        )
        .await;
    let other = message(2, 0, |m| {
        m.sender_id = "whatsapp:ES.OTHER".into();
        m.phone = Some("+34699999999".into());
        m.body = "hi".into();
    });

    world.handle([text(1, 0, "hi"), other]).await.unwrap();

    let names = "select cu.name || ' ' || extract(epoch from t.respond_by - m.sent_at)::integer / 3600
        from conversations c join customers cu on cu.id = c.customer_id
        join tickets t on t.conversation_id = c.id join messages m on m.conversation_id = c.id order by 1";
    assert_eq!(world.texts(names).await, ["Ana 24", "Ana of the records 4"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn statuses_are_not_for_this_service(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let mut status = text(1, 0, "x");
    status.body = WhatsappBody::Status(WhatsappStatus {
        message_sid: "SM1".into(),
        delivery_id: None,
        status: "delivered".into(),
        error_code: None,
    });
    let statements = StatementCount::start();

    world.handle([status]).await.unwrap();

    assert_eq!(statements.take(), 0);
    assert!(world.log.take().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_batch_costs_two_round_trips_new_conversations_or_old(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    let from = |number: u32| -> WhatsappInbound {
        message(number, 0, |m| {
            m.sender_id = format!("whatsapp:ES.{}", number % 12);
            m.phone = None;
            m.body = "hi".into();
        })
    };
    let statements = StatementCount::start();

    world.handle((0..200).map(from)).await.unwrap();
    let opening = statements.take();
    world.handle((200..400).map(from)).await.unwrap();
    let going_on = statements.take();

    assert_eq!((opening, going_on), (2, 2));
    assert_eq!(world.count("select count(*) from conversations").await, 12);
    assert_eq!(world.count("select count(*) from messages").await, 400);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_committed_before_a_crash_is_published_by_the_redelivery(pool: PgPool) {
    let world = WhatsappWorld::new(&pool).await;
    world.log.lose_next();

    let crashed = world.handle([text(1, 0, "hi"), text(2, 0, "there")]).await;
    let restarted = WhatsappWorld::new(&pool).await;
    restarted.handle([text(1, 0, "hi"), text(2, 0, "there")]).await.unwrap();

    assert!(matches!(crashed, Err(Failure::Unavailable(_))));
    assert_eq!(restarted.wake_ups(), [(conversation(ANA, 1), 1), (conversation(ANA, 1), 2)]);
    assert_eq!(world.count("select count(*) from messages").await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_that_open_and_write_one_conversation_leave_no_gap_and_no_double(
    pool: PgPool,
) {
    let (world, replica) = (WhatsappWorld::new(&pool).await, WhatsappWorld::new(&pool).await);

    for round in 0..25 {
        let (left, right) = tokio::join!(
            world.handle([text(2 * round + 1, 0, "mine")]),
            replica.handle([text(2 * round + 2, 0, "theirs")]),
        );
        left.unwrap();
        right.unwrap();
    }

    assert_eq!(world.count("select count(*) from conversations").await, 1);
    assert_eq!(world.count("select last_seq from conversations").await, 50);
    assert_eq!(world.count("select count(distinct seq) from messages").await, 50);
    assert_eq!(world.count("select count(*) from tickets").await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_that_find_a_conversation_idle_open_one_successor(pool: PgPool) {
    let (world, replica) = (WhatsappWorld::new(&pool).await, WhatsappWorld::new(&pool).await);
    world.handle([text(1, 0, "hi")]).await.unwrap();

    for day in 1..=10_u32 {
        world.answer_all().await;
        let minutes = i64::from(day) * 1_500;
        let (left, right) = tokio::join!(
            world.handle([text(2 * day, minutes, "mine")]),
            replica.handle([text(2 * day + 1, minutes, "theirs")]),
        );
        left.unwrap();
        right.unwrap();
    }

    assert_eq!(world.count("select count(*) from conversations").await, 11);
    assert_eq!(world.count("select count(*) from conversations where status = 'open'").await, 1);
    assert_eq!(world.count("select count(*) from messages").await, 21);
    assert_eq!(world.count("select max(owner_epoch) from conversations").await, 1);
    let uneven = "select count(*) from conversations c where last_seq <>
        (select count(*) from messages m where m.conversation_id = c.id)";
    assert_eq!(world.count(uneven).await, 0);
}
