//! What other mail servers report.

use contract::{
    Author, BounceAction, EmailBody, EmailBounce, EmailInbound, EventId, EventMeta, Fact,
    MetricFact, UnreadableEmail,
};
use sqlx::PgPool;
use testkit::events;

use super::{Post, US, delivery, received, reply};

const OWNER: &str = "select owner || ' ' || coalesce(person, '') from conversations
    order by thread_key limit 1";

pub(crate) fn bounce(action: BounceAction, status: &str) -> EmailBounce {
    EmailBounce {
        mailbox: US.into(),
        gmail_id: format!("18c1-{action:?}-{status}"),
        delivery_id: None,
        original_message_id: None,
        recipient: String::new(),
        action,
        status: status.into(),
        diagnostic: "smtp; 550 5.1.1 <sam1@example.org> no such user".into(),
    }
}

async fn sent(pool: PgPool, numbers: std::ops::RangeInclusive<u32>) -> Post {
    let post = Post::new(pool, numbers.clone()).await;
    for number in numbers {
        // One by one, so that their order is known.
        post.world.handle([reply(number, "answer", |_| {})]).await.unwrap();
        post.send_all().await;
    }
    post
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_bounce_fails_its_mail_in_plain_words_once_and_a_person_goes_on(pool: PgPool) {
    let post = sent(pool, 1..=1).await;
    let failed = EmailBounce {
        delivery_id: Some(delivery(1, "answer")),
        ..bounce(BounceAction::Failed, "5.1.1")
    };

    post.report(&[failed.clone(), failed.clone()]).await.unwrap();
    post.report(&[failed]).await.unwrap();

    assert_eq!(post.world.states().await, ["failed"]);
    assert_eq!(
        post.world.text("select last_error from deliveries").await,
        "there is no mailbox with this address (5.1.1)"
    );
    assert_eq!(post.world.text(OWNER).await, "person Support Queue");
    let facts = post.world.log.events::<MetricFact>();
    let failures = facts.iter().filter(|fact| matches!(fact.fact, Fact::SendFailed { .. }));
    assert_eq!(failures.count(), 1);
    let events = "select count(*) from delivery_events where attempt = 0";
    assert_eq!(post.world.count(events).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_bounce_finds_its_mail_by_each_of_its_ids_and_by_the_address(pool: PgPool) {
    let post = sent(pool, 1..=4).await;
    post.world
        .run(
            "update deliveries set rfc822_id = 'wire-' || position || '@mail.gmail.com'
         where body in ('answer for 1', 'answer for 2', 'answer for 3')",
        )
        .await;
    let wire =
        post.world.text("select rfc822_id from deliveries where body = 'answer for 3'").await;
    let failed = |status| bounce(BounceAction::Failed, status);
    let told = [
        EmailBounce { delivery_id: Some(delivery(1, "answer")), ..failed("5.0.1") },
        EmailBounce {
            original_message_id: Some(format!("{}@example.com", delivery(2, "answer"))),
            ..failed("5.0.2")
        },
        EmailBounce { original_message_id: Some(wire), ..failed("5.0.3") },
        // Its Message-ID was not read back yet.
        EmailBounce {
            original_message_id: Some("CA+new@mail.gmail.com".into()),
            recipient: "sam4@example.org".into(),
            ..failed("5.0.4")
        },
    ];

    post.report(&told).await.unwrap();

    assert_eq!(post.world.states().await, ["failed"; 4]);
    let reasons = post
        .world
        .text("select string_agg(right(last_error, 7), ' ' order by position) from deliveries")
        .await;
    assert_eq!(reasons, "(5.0.1) (5.0.2) (5.0.3) (5.0.4)");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn by_the_address_alone_it_is_the_newest_mail_there(pool: PgPool) {
    let post = sent(pool, 1..=1).await;
    post.world.run("update deliveries set accepted_at = accepted_at - interval '1 minute'").await;
    post.world.handle([reply(1, "second", |_| {})]).await.unwrap();
    post.send_all().await;

    let failed = bounce(BounceAction::Failed, "5.2.2");
    let told = EmailBounce { recipient: "sam1@example.org".into(), ..failed };
    post.report(&[told]).await.unwrap();

    assert_eq!(post.world.states().await, ["accepted", "failed"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_delay_is_noted_and_changes_nothing_and_an_arrival_outweighs_all(pool: PgPool) {
    let post = sent(pool, 1..=1).await;
    let told = |action, status| EmailBounce {
        delivery_id: Some(delivery(1, "answer")),
        ..bounce(action, status)
    };

    post.report(&[told(BounceAction::Delayed, "4.4.1")]).await.unwrap();
    let delayed = post.world.states().await;
    let error = post.world.text("select last_error from deliveries").await;
    post.report(&[told(BounceAction::Relayed, "2.0.0")]).await.unwrap();
    post.report(&[told(BounceAction::Failed, "5.1.1")]).await.unwrap();

    assert_eq!((delayed, error.as_str()), (vec!["accepted".to_owned()], ""));
    assert_eq!(post.world.states().await, ["delivered"]);
    assert_eq!(post.world.text(OWNER).await, "agent ");
    let events = "select count(*) from delivery_events where attempt = 0";
    assert_eq!(post.world.count(events).await, 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_report_about_a_mail_in_doubt_says_that_it_was_sent(pool: PgPool) {
    let post = Post::new(pool, 1..=1).await;
    post.gmail.script("drafts.send", [emulators::gmail::Fault::ProcessThenDrop]);
    let system = |reply: &mut contract::Reply| reply.author = Author::System;
    post.world.handle([reply(1, "answer", system)]).await.unwrap();
    post.send_all().await;
    let in_doubt = post.world.states().await;

    let told = EmailBounce {
        delivery_id: Some(delivery(1, "answer")),
        ..bounce(BounceAction::Delayed, "4.4.1")
    };
    post.report(&[told]).await.unwrap();

    assert_eq!(in_doubt, ["outcome_unknown"]);
    assert_eq!(post.world.states().await, ["accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_report_about_a_mail_that_is_not_ours_changes_nothing(pool: PgPool) {
    let post = sent(pool, 1..=1).await;
    post.world.run("update deliveries set rfc822_id = 'known@mail.gmail.com'").await;
    let failed = || bounce(BounceAction::Failed, "5.1.1");
    let strange = [
        EmailBounce {
            delivery_id: Some(delivery(7, "nobody's")),
            recipient: "sam1@example.org".into(),
            ..failed()
        },
        // Somebody wrote to the same customer by hand.
        EmailBounce {
            original_message_id: Some("by-hand@mail.gmail.com".into()),
            recipient: "sam1@example.org".into(),
            ..failed()
        },
        EmailBounce { recipient: "nobody@example.org".into(), ..failed() },
        failed(),
    ];

    post.report(&strange).await.unwrap();

    assert_eq!(post.world.states().await, ["accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_report_that_names_an_address_only_ends_no_send_that_waits(pool: PgPool) {
    let post = Post::new(pool, [1]).await;
    post.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    post.world
        .run(
            "update deliveries set sent_to = 'sam1@example.org', attempt = 1, attempted_at = now()",
        )
        .await;
    let delayed = EmailBounce {
        recipient: "sam1@example.org".into(),
        ..bounce(BounceAction::Delayed, "4.4.1")
    };

    post.report(&[delayed]).await.unwrap();

    assert_eq!(post.world.states().await, ["pending"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn events_of_the_mailbox_that_are_no_bounces_are_left_to_others(pool: PgPool) {
    let post = sent(pool, 1..=1).await;
    let unreadable = EmailInbound {
        meta: EventMeta::derived(EventId::named("x"), "unreadable", events::time()),
        body: EmailBody::Unreadable(UnreadableEmail {
            mailbox: US.into(),
            gmail_id: "18c1".into(),
            error: "no header".into(),
        }),
    };

    bus::BatchHandler::handle_batch(&post.bounces, vec![received(unreadable)]).await.unwrap();

    assert_eq!(post.world.states().await, ["accepted"]);
}
