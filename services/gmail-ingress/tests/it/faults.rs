//! What Gmail, the log and single mails do wrong: outages hold the cursor, a mail that
//! fails by itself holds it five times.

use std::time::Duration;

use contract::{Classified as _, EmailBody, EmailInbound, FailureClass};
use emulators::gmail::{Fault, Inbound};
use gmail_ingress::{Ended, Patience, SyncError, Tuning};
use sqlx::PgPool;

use crate::support::OURS;
use crate::world::{World, quick};

fn refuse(status: u16, reason: &str) -> Fault {
    Fault::Refuse { status, reason: reason.to_owned() }
}

/// Mails that something counts against.
async fn failures(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from mailbox_failures").fetch_one(pool).await.unwrap()
}

fn too_many(retry_after: Option<u64>) -> Fault {
    Fault::TooMany { retry_after, retry_after_in_words: None }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn faults_that_pass_in_the_middle_of_a_page_lose_and_repeat_nothing(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(20);
    world.emulator.script(
        "messages.get",
        [
            Fault::Pass,
            too_many(None),
            Fault::ServerErrorJson,
            refuse(403, "userRateLimitExceeded"),
            Fault::Pass,
            Fault::ServerErrorHtml,
            Fault::Drop,
            Fault::BrokenReply,
            refuse(429, "rateLimitExceeded"),
        ],
    );
    world.emulator.script("history.list", [Fault::ServerErrorHtml, too_many(None)]);

    let ended = world.read().await;

    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    world.assert_published_once(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_wait_that_google_asks_for_is_kept(pool: PgPool) {
    let patience = Patience { limit: Duration::from_secs(5), ..quick().patience };
    let world = World::unread(&pool, |_| (), Tuning { patience, ..quick() }).await;
    world.read().await;
    let ids = world.mails(1);
    world.emulator.script("messages.get", [too_many(Some(1))]);
    let began = std::time::Instant::now();

    world.read().await;

    assert!(began.elapsed() >= Duration::from_secs(1));
    world.assert_published_once(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_wait_too_long_holds_the_cursor_and_leaves_gmail_alone(pool: PgPool) {
    let world = World::new(&pool).await;
    world.mails(1);
    let cursor = world.cursor().await;
    world.emulator.script("history.list", [too_many(Some(600))]);

    let failed = world.fails().await;

    assert_eq!(failed.class(), FailureClass::Unavailable);
    let asked = world.emulator.requests().len();
    assert!(matches!(world.fails().await, SyncError::Gmail(_)));
    assert_eq!((world.emulator.requests().len(), world.cursor().await), (asked, cursor));
    assert!(!world.mailbox().await.is_leased);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_token_that_ends_in_the_middle_of_a_page_is_replaced(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(30);
    let tokens = world.asked("token");

    let (ended, ()) = futures::join!(world.read(), async {
        testkit::wait_for("some mails", async || world.asked("messages.get") > 5).await;
        world.emulator.expire_tokens();
    });

    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    world.assert_published_once(&ids);
    assert_eq!(world.asked("token"), tokens + 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_access_the_cursor_stays_until_somebody_gives_it_back(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(2);
    let cursor = world.cursor().await;
    world.emulator.set_revoked(OURS, true);

    let failed = world.fails().await;

    assert_eq!(failed.class(), FailureClass::Unavailable);
    assert_eq!(world.cursor().await, cursor);
    assert!(world.metrics().contains("ended=\"no_access\""));
    world.emulator.set_revoked(OURS, false);
    // This replica leaves Gmail alone for a minute; another one need not.
    let (other, log) = world.replica(quick());
    other.run(None).await.unwrap();
    assert_eq!(log.records().len(), ids.len());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_long_outage_counts_against_no_mail(pool: PgPool) {
    let mut world = World::new(&pool).await;
    let ids = world.mails(3);
    let cursor = world.cursor().await;
    world.emulator.stop().await;

    for _ in 0..7 {
        assert_eq!(world.fails().await.class(), FailureClass::Unavailable);
    }

    assert_eq!(world.cursor().await, cursor);
    assert_eq!(failures(&pool).await, 0);
    world.emulator.restart().await.unwrap();
    world.read().await;
    world.assert_published_once(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_only_troubles_gmail_keeps_no_other_waiting_and_is_not_lost(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(12);
    let cursor = world.cursor().await;
    // Longer than anybody is patient.
    world.emulator.script("messages.get", [Fault::Delay { milliseconds: 6000 }]);

    let ended = world.read().await;

    assert_eq!(ended, Ended::Held);
    assert_eq!((world.published().len(), world.cursor().await), (11, cursor));
    world.store_published().await;
    world.read().await;
    world.assert_published_once(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_gmail_never_hands_out_while_others_come_is_unreadable_after_five_times(
    pool: PgPool,
) {
    let world = World::new(&pool).await;
    let ids = world.mails(11);
    // More than a chunk of them, and two chunks in a row.
    for id in &ids[1..10] {
        world.emulator.trouble(id, Some(Fault::ServerErrorJson));
    }
    let cursor = world.cursor().await;

    assert_eq!(world.read().await, Ended::Held);
    world.store_published().await;
    for _ in 1..4 {
        assert_eq!(world.read().await, Ended::Held);
        assert_eq!(world.cursor().await, cursor);
    }
    let ended = world.read().await;

    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    world.assert_published_once(&ids);
    let unreadable = |event: &EmailInbound| matches!(event.body, EmailBody::Unreadable(_));
    assert_eq!(world.events().iter().filter(|event| unreadable(event)).count(), 9);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn while_gmail_hands_out_no_mail_at_all_nothing_counts_against_one(pool: PgPool) {
    let world = World::new(&pool).await;
    let before = world.mails(2);
    world.read().await;
    world.store_published().await;
    let late = world.mail("late").id;
    let cursor = world.cursor().await;
    for id in before.iter().chain([&late]) {
        world.emulator.trouble(id, Some(Fault::ServerErrorHtml));
    }

    for _ in 0..6 {
        assert_eq!(world.fails().await.class(), FailureClass::Unavailable);
    }

    assert_eq!((failures(&pool).await, world.cursor().await), (0, cursor));
    for id in before.iter().chain([&late]) {
        world.emulator.trouble(id, None);
    }
    world.read().await;
    world.assert_published_once(&[before, vec![late]].concat());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_log_that_is_down_in_the_middle_of_a_page_holds_the_cursor(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(20);
    let cursor = world.cursor().await;
    world.publisher.confirm_next();
    world.publisher.leave_next_unconfirmed();
    world.publisher.lose_next();

    for _ in 0..2 {
        let failed = world.fails().await;
        assert!(matches!(failed, SyncError::Publish(_)));
        assert_eq!(world.cursor().await, cursor);
    }

    assert_eq!(world.read().await, Ended::At(world.emulator.history_id(OURS).unwrap()));
    // Repeats have the id of the first, and that was checked.
    world.assert_published(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_fails_by_itself_five_times_is_unreadable_and_the_cursor_moves_on(
    pool: PgPool,
) {
    let world = World::new(&pool).await;
    let inbound = Inbound {
        from: "sam@example.org".to_owned(),
        headers: (0..400).map(|n| (format!("X-Trace-{n}"), "x".repeat(900))).collect(),
        ..Inbound::default()
    };
    let broken = world.emulator.inbound(&inbound).unwrap().id;
    let fine = world.mail("Fine").id;
    let cursor = world.cursor().await;

    for _ in 0..4 {
        assert_eq!(world.read().await, Ended::Held);
        assert_eq!(world.cursor().await, cursor);
        // Nobody waits for it.
        assert!(world.published().contains_key(&fine));
    }
    let ended = world.read().await;

    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    let unreadable: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event.body {
            EmailBody::Unreadable(unreadable) => Some(unreadable),
            _ => None,
        })
        .collect();
    assert_eq!(unreadable.len(), 1);
    assert_eq!((unreadable[0].gmail_id.as_str(), unreadable[0].mailbox.as_str()), (&*broken, OURS));
    assert_eq!(unreadable[0].error, "the headers are larger than 256 KiB");
    let row: (i32, bool) = sqlx::query_as(
        "select attempts, given_up_at is not null from mailbox_failures where gmail_id = $1",
    )
    .bind(&broken)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(row, (5, true));
    // Not even a lost history brings it back.
    world.emulator.forget_history(OURS);
    let asked = world.asked("messages.get");
    world.store_published().await;
    world.read().await;
    assert_eq!(world.asked("messages.get"), asked);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_gmail_refuses_and_then_shows_is_read_after_all(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(1);
    world.emulator.script("messages.get", [refuse(400, "failedPrecondition")]);

    assert_eq!(world.read().await, Ended::Held);
    assert_eq!(world.read().await, Ended::At(world.emulator.history_id(OURS).unwrap()));

    world.assert_published_once(&ids);
}
