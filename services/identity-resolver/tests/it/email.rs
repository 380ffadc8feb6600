//! Mail: conversations, senders, automatic mails, duplicates, budgets.

use bus::Failure;
use contract::{
    Authentication, Channel, EmailAttachment, EmailBody, Fact, MailKind, MailboxNotification,
    MetricFact,
};
use sqlx::PgPool;
use testkit::{StatementCount, events};

use crate::World;
use crate::email_world::{
    ANA, EmailWorld, MAILBOX, answer, at, conversation, mail, mail_with, rfc822_id,
};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_opens_a_conversation_with_a_ticket_and_wakes_the_agent(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let first = mail_with(1, |mail| {
        mail.original_text = Some("the whole".into());
        mail.references = vec!["older@example.org".into(), "newer@example.org".into()];
        mail.attachments = vec![EmailAttachment {
            name: "in\u{202E}voice.pdf".into(),
            content_type: "application/pdf".into(),
            size: 2048,
            part: 3,
        }];
    });

    world.handle([first]).await.unwrap();

    let row: (String, String, String, String, String, String, String, bool) = sqlx::query_as(
        "select c.channel, c.thread_key, c.identity_level, c.address, c.our_address,
             c.mail_thread, t.subject, t.respond_by = m.sent_at + interval '24 hours'
         from conversations c join tickets t on t.conversation_id = c.id and t.ref like 'TF-%'
         join messages m on m.conversation_id = c.id and m.seq = 1
         where c.id = $1 and c.last_inbound_at = $2 and c.status = 'open'",
    )
    .bind(conversation(1).as_uuid())
    .bind(at(1))
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((row.0.as_str(), row.1.as_str()), ("email", "19b8f00000000001"));
    assert_eq!((row.2.as_str(), row.3.as_str()), ("authenticated", ANA));
    assert_eq!((row.4.as_str(), row.5.as_str()), (MAILBOX, "thread-1"));
    assert_eq!((row.6.as_str(), row.7), ("Recurring tasks start twice", true));
    let mails = "select concat_ws('|', rfc822_id, referenced_ids::text, subject, original_text)
        from mails";
    let expected = "CA1@mail.example.org|{older@example.org,newer@example.org}|\
        Recurring tasks start twice|the whole";
    assert_eq!(world.texts(mails).await, [expected]);
    assert_eq!(world.texts("select rfc822_id from mail_ids").await, [rfc822_id(1)]);
    assert_eq!(world.texts("select address from mail_participants").await, [ANA]);
    let file = "select concat_ws('|', a ->> 'kind', a ->> 'name', a ->> 'content_type',
        a ->> 'size', a ->> 'gmail_id', a ->> 'part') from messages, jsonb_array_elements(attachments) a";
    let expected = "file|in voice.pdf|application/pdf|2048|19b8f00000000001|3";
    assert_eq!(world.texts(file).await, [expected]);
    assert_eq!(world.wake_ups(), [(conversation(1), 1)]);
    let facts = world.log.events::<MetricFact>();
    assert_eq!((facts.len(), facts[0].channel), (1, Channel::Email));
    assert_eq!(facts[0].fact, Fact::MessageReceived);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_answer_reopens_a_resolved_case_and_opens_a_successor_of_a_closed_one(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.handle([mail(1, "one")]).await.unwrap();
    world.run("update conversations set status = 'resolved'").await;

    world.handle([answer(2, &rfc822_id(1), "still")]).await.unwrap();
    let reopened = world.texts("select status || last_seq from conversations").await;
    world.run("update conversations set status = 'closed'").await;
    world.handle([answer(3, &rfc822_id(1), "again")]).await.unwrap();
    // The successor, not the closed one, goes on in Gmail's thread.
    let same_thread = mail_with(4, |mail| {
        mail.in_reply_to = vec![rfc822_id(1)];
        mail.thread_id = "thread-3".into();
    });
    world.handle([same_thread]).await.unwrap();

    assert_eq!(reopened, ["open2"]);
    assert_eq!(world.home(3).await, conversation(3));
    assert_eq!(world.home(4).await, conversation(3));
    let statuses = "select status || ' ' || last_seq from conversations order by created_at";
    assert_eq!(world.texts(statuses).await, ["closed 2", "open 2"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn in_reply_to_goes_before_references_and_the_newest_of_these_before_the_older(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.handle([1, 2, 3].map(|number| mail(number, "one of three cases"))).await.unwrap();
    let naming = |number, in_reply_to: Option<u32>, references: [u32; 2]| {
        mail_with(number, |mail| {
            mail.in_reply_to = in_reply_to.map(rfc822_id).into_iter().collect();
            mail.references = references.map(rfc822_id).into();
            // Gmail's thread says something else again.
            mail.thread_id = "thread-3".into();
        })
    };

    world.handle([naming(4, Some(1), [1, 2]), naming(5, None, [2, 1])]).await.unwrap();
    world.handle([naming(6, Some(9), [1, 2]), naming(7, None, [8, 9])]).await.unwrap();

    let mut homes = Vec::new();
    for number in 4..=7 {
        homes.push(world.home(number).await);
    }
    assert_eq!(homes, [1, 1, 2, 3].map(conversation));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_automatic_mail_is_kept_answered_by_nobody_and_makes_nobody_known(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.handle([mail(1, "one")]).await.unwrap();
    world.answer_all().await;
    world.run("update conversations set status = 'resolved'").await;
    let vacation = mail_with(2, |mail| {
        mail.from = "robot@example.org".into();
        mail.kind = MailKind::AutoReply;
        mail.in_reply_to = vec![rfc822_id(1)];
        mail.cc = vec!["stranger@example.org".into()];
    });
    let newsletter = mail_with(3, |mail| {
        mail.from = "news@example.org".into();
        mail.kind = MailKind::List;
    });

    world.handle([vacation, newsletter]).await.unwrap();

    let rows =
        "select c.status || ' ' || c.last_seq || ' ' || c.handled_seq || ' ' || m.outcome_reason
        from conversations c join messages m on m.conversation_id = c.id and m.seq = c.last_seq
        where m.outcome = 'no_answer' order by c.created_at";
    assert_eq!(world.texts(rows).await, ["resolved 2 2 auto_reply", "resolved 1 1 list"]);
    assert_eq!(world.wake_ups(), [(conversation(1), 1)]);
    assert_eq!(world.texts("select address from mail_participants").await, [ANA]);
    assert_eq!(world.texts("select value from customer_identifiers").await, [ANA]);
    assert_eq!(world.count("select count(*) from tickets").await, 2);
    let address = "select address from conversations where last_seq = 2";
    assert_eq!(world.texts(address).await, [ANA]);
    let answers_go_to = "select reply_to from mails join messages m on m.id = message_id
        join conversations c on c.id = m.conversation_id where c.last_seq = 2";
    assert_eq!(world.texts(answers_go_to).await, [ANA, ANA]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_automatic_mail_does_not_cover_a_question_that_waits(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.handle([mail(1, "one")]).await.unwrap();
    let vacation = mail_with(2, |mail| {
        mail.kind = MailKind::AutoReply;
        mail.in_reply_to = vec![rfc822_id(1)];
    });

    world.handle([vacation]).await.unwrap();

    let row = "select last_seq || ' ' || handled_seq || ' ' || status from conversations";
    assert_eq!(world.texts(row).await, ["2 0 open"]);
    assert_eq!(world.count("select count(*) from messages where outcome is null").await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn who_types_an_address_and_who_proves_it_are_one_customer_and_a_lookalike_is_another(
    pool: PgPool,
) {
    let form = World::new(pool.clone());
    form.handle([events::submission_with(crate::ticket(1), |s| {
        s.email = "Sam@Example.org".into()
    })])
    .await
    .unwrap();
    let world = EmailWorld::new(&pool).await;
    let from = |number, address: &str, authentication| {
        mail_with(number, |mail| {
            mail.from = address.into();
            mail.authentication = authentication;
        })
    };
    let level = "select level from customer_identifiers where value = 'sam@example.org'";

    world.handle([from(1, "sam@example.org", Authentication::None)]).await.unwrap();
    let claimed = world.texts(level).await;
    world.handle([from(2, "sam@example.org", Authentication::Pass)]).await.unwrap();
    let proven = world.texts(level).await;
    world
        .handle([
            from(3, "s\u{0430}m@example.org", Authentication::Pass),
            from(4, "sam@examp1e.org", Authentication::Pass),
            from(5, "sam+x@example.org", Authentication::Pass),
        ])
        .await
        .unwrap();

    assert_eq!((claimed, proven), (vec!["self_asserted".into()], vec!["authenticated".into()]));
    let levels = "select string_agg(c.identity_level, ' ' order by c.created_at)
        from conversations c join customer_identifiers i on i.customer_id = c.customer_id
            and i.value = 'sam@example.org'";
    assert_eq!(world.texts(levels).await, ["self_asserted self_asserted authenticated"]);
    assert_eq!(world.count("select count(distinct customer_id) from conversations").await, 4);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_forged_sender_joins_nothing_links_nothing_and_is_nobody(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.handle([mail(1, "one")]).await.unwrap();
    let forged = |number: u32| {
        mail_with(number, |mail| {
            mail.in_reply_to = vec![rfc822_id(1)];
            mail.thread_id = "thread-1".into();
            mail.authentication = Authentication::Fail;
            mail.cc = vec!["accomplice@example.net".into()];
        })
    };

    world.handle([forged(2), forged(3)]).await.unwrap();

    assert_eq!(world.home(2).await, conversation(2));
    assert_eq!(world.count("select count(distinct customer_id) from conversations").await, 3);
    let unproven = "select count(*) from conversations where identity_level = 'self_asserted'";
    assert_eq!(world.count(unproven).await, 2);
    assert_eq!(world.count("select count(*) from customer_identifiers").await, 1);
    assert_eq!(world.texts("select address from mail_participants").await, [ANA]);
    assert_eq!(world.wake_ups().len(), 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn who_only_takes_part_or_is_not_proven_lowers_what_may_be_told(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let first = mail_with(1, |mail| mail.cc = vec!["bob@example.org".into()]);
    world.handle([first]).await.unwrap();
    let row = "select identity_level || ' ' || address from conversations";
    let from = |number, from: &str, authentication, reply_to: &str| {
        let (from, reply_to) = (from.to_owned(), reply_to.to_owned());
        mail_with(number, |mail| {
            mail.in_reply_to = vec![rfc822_id(1)];
            mail.from = from;
            mail.reply_to = reply_to;
            mail.authentication = authentication;
        })
    };
    let (none, pass) = (Authentication::None, Authentication::Pass);
    let mut seen = Vec::new();
    for mail in [
        from(2, ANA, none, "elsewhere@example.net"),
        from(3, ANA, pass, ""),
        from(4, "bob@example.org", pass, ""),
        from(5, ANA, pass, "elsewhere@example.net"),
        from(6, ANA, pass, ""),
    ] {
        world.handle([mail]).await.unwrap();
        seen.extend(world.texts(row).await);
    }

    assert_eq!(
        seen,
        [
            "self_asserted ana@example.org",
            "authenticated ana@example.org",
            "self_asserted bob@example.org",
            "self_asserted elsewhere@example.net",
            "authenticated ana@example.org",
        ]
    );
    assert_eq!(world.texts("select value from customer_identifiers").await, [ANA]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_without_proof_leads_no_answer_away_from_its_sender(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let unproven = |number: u32, reply_to: &str| {
        let reply_to = reply_to.to_owned();
        mail_with(number, |mail| {
            mail.in_reply_to = vec![rfc822_id(1)];
            mail.authentication = Authentication::None;
            mail.reply_to = reply_to;
        })
    };

    world.handle([unproven(1, "")]).await.unwrap();
    world.handle([unproven(2, "elsewhere@example.net")]).await.unwrap();

    let row = "select last_seq || ' ' || address from conversations";
    assert_eq!(world.texts(row).await, ["2 ana@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn only_the_proven_customer_makes_others_known(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.handle([mail_with(1, |mail| mail.cc = vec!["bob@example.org".into()])]).await.unwrap();
    let adds = |number, from: &str, authentication, whom: &str| {
        let (from, whom) = (from.to_owned(), whom.to_owned());
        mail_with(number, |mail| {
            mail.in_reply_to = vec![rfc822_id(1)];
            mail.from = from;
            mail.authentication = authentication;
            mail.cc = vec![whom];
        })
    };

    world
        .handle([
            adds(2, "bob@example.org", Authentication::Pass, "by-bob@example.org"),
            adds(3, ANA, Authentication::None, "by-nobody@example.org"),
            adds(4, ANA, Authentication::Pass, "by-ana@example.org"),
        ])
        .await
        .unwrap();

    let known = "select address from mail_participants order by 1";
    assert_eq!(world.texts(known).await, [ANA, "bob@example.org", "by-ana@example.org"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn one_batch_may_hold_a_mail_and_its_answers_in_order(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let colleague = mail_with(2, |mail| {
        mail.from = "bob@example.org".into();
        mail.in_reply_to = vec![rfc822_id(1)];
    });
    let by_thread = mail_with(3, |mail| mail.thread_id = "thread-1".into());

    world
        .handle([
            mail_with(1, |mail| mail.cc = vec!["bob@example.org".into()]),
            colleague,
            by_thread,
            mail_with(4, |mail| mail.from = "dora@example.org".into()),
        ])
        .await
        .unwrap();

    let rows = "select m.seq || ' ' || m.provider_id from messages m join conversations c
        on c.id = m.conversation_id where c.last_seq = 3 order by m.seq";
    let expected = ["1 19b8f00000000001", "2 19b8f00000000002", "3 19b8f00000000003"];
    assert_eq!(world.texts(rows).await, expected);
    assert_eq!(world.home(4).await, conversation(4));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_same_mail_three_times_at_once_on_two_resolvers_is_one_row_and_one_event(pool: PgPool) {
    let (world, replica) = (EmailWorld::new(&pool).await, EmailWorld::new(&pool).await);
    for number in 1..=20 {
        let event = || answer(number, &rfc822_id(1), "hello");
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
    assert_eq!(world.count("select last_seq from conversations").await, 20);
    let mut wake_ups = [world.wake_ups(), replica.wake_ups()].concat();
    wake_ups.sort();
    wake_ups.dedup();
    assert_eq!(wake_ups, (1..=20).map(|seq| (conversation(1), seq)).collect::<Vec<_>>());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_comes_by_two_addresses_of_ours_is_one_message(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let copy = |number: u32, body: &str| {
        let body = body.to_owned();
        mail_with(number, |mail| {
            mail.message_id = Some(rfc822_id(1));
            mail.text = body;
        })
    };
    world.handle([mail(1, "one")]).await.unwrap();

    world.handle([copy(2, "one")]).await.unwrap();
    // A careless client uses an id again for another text.
    world.handle([copy(3, "two")]).await.unwrap();

    assert_eq!(world.texts("select body from messages order by sent_at").await, ["one", "two"]);
    assert_eq!(world.wake_ups().len(), 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_committed_before_a_crash_is_published_by_the_redelivery_of_a_mail(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    world.log.lose_next();

    let crashed = world.handle([mail(1, "hi")]).await;
    let restarted = EmailWorld::new(&pool).await;
    restarted.handle([mail(1, "hi")]).await.unwrap();

    assert!(matches!(crashed, Err(Failure::Unavailable(_))));
    assert_eq!(restarted.wake_ups(), [(conversation(1), 1)]);
    assert_eq!(world.count("select count(*) from messages").await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_batch_of_mails_costs_two_round_trips_new_conversations_or_old(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let from = |number: u32, answers: Option<u32>| {
        mail_with(number, |mail| {
            mail.from = format!("person{}@example.org", number % 12);
            mail.in_reply_to = answers.map(rfc822_id).into_iter().collect();
        })
    };
    let statements = StatementCount::start();

    world.handle((0..12).map(|number| from(number, None))).await.unwrap();
    let opening = statements.take();
    world.handle((12..24).map(|number| from(number, Some(number - 12)))).await.unwrap();
    let going_on = statements.take();

    assert_eq!((opening, going_on), (2, 2));
    assert_eq!(world.count("select count(*) from conversations").await, 12);
    assert_eq!(world.count("select count(*) from conversations where last_seq = 2").await, 12);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_only_others_read_of_the_mailbox_costs_nothing(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let mut notification = mail(1, "x");
    notification.body = EmailBody::Notification(MailboxNotification {
        mailbox: MAILBOX.into(),
        history_id: 1,
        pubsub_message_id: "1".into(),
        published_at: None,
    });
    let statements = StatementCount::start();

    world.handle([notification]).await.unwrap();

    assert_eq!(statements.take(), 0);
    assert!(world.log.take().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn odd_ids_addresses_and_signs_cost_no_mail(pool: PgPool) {
    let world = EmailWorld::new(&pool).await;
    let odd = mail_with(1, |mail| {
        mail.message_id = Some("x".repeat(5_000));
        mail.in_reply_to = vec!["two\nlines@example.org".into(), String::new()];
        mail.references = (0..1_000).map(|n| format!("{n}@example.org")).collect();
        mail.cc = (0..5_000).map(|n| format!("{n}{}@example.org", "x".repeat(n % 400))).collect();
        mail.subject = format!("one\r\nBcc: two\u{202E}{}", "x".repeat(5_000));
        mail.text = "a\0b".into();
        mail.original_text = Some("a\0b".into());
    });

    world.handle([odd]).await.unwrap();

    assert_eq!(world.texts("select body from messages").await, ["a\u{FFFD}b"]);
    assert_eq!(world.count("select count(*) from mail_ids").await, 0);
    assert_eq!(world.count("select count(*) from mail_participants").await, 100);
    let subject = &world.texts("select subject from tickets").await[0];
    assert!(subject.starts_with("one Bcc: two x") && subject.len() <= 250, "{subject}");
}
