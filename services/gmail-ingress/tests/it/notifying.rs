//! From Gmail's watch over Pub/Sub's push to the mails in the log, and what the poll does.

use std::sync::Arc;

use bus::{Handler as _, Headers, Outcome, Received, Record};

use contract::{EmailBody, EmailInbound, Event as _, EventMeta, MailboxNotification, Topic};
use gmail_ingress::{Notifications, Watch};
use sqlx::PgPool;
use store::mailboxes;

use crate::support::OURS;
use crate::world::{World, quick};

const TOPIC: &str = "projects/fte-test/topics/gmail";

fn received(event: &EmailInbound) -> Received {
    Received {
        topic: Topic::EmailInbound,
        partition: 0,
        offset: 0,
        key: event.key().into_owned(),
        headers: Headers::default(),
        attempt: 1,
    }
}

fn notification(mailbox: &str, history_id: u64) -> EmailInbound {
    EmailInbound {
        meta: EventMeta::named("push", chassis::clock::now()),
        body: EmailBody::Notification(MailboxNotification {
            mailbox: mailbox.to_owned(),
            history_id,
            pubsub_message_id: "1".to_owned(),
            published_at: None,
        }),
    }
}

async fn handle(world: &World, event: EmailInbound) -> Outcome {
    let handler = Notifications::new(Arc::clone(&world.sync));
    let received = received(&event);
    handler.handle(event, &received).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_notification_has_the_mailbox_read(pool: PgPool) {
    let world = World::new(&pool).await;
    let mail = world.mail("Hello");

    let outcome = handle(&world, notification(OURS, mail.history_id)).await;

    assert_eq!(outcome, Outcome::Done);
    world.assert_published_once(&[mail.id]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_no_notification_of_ours_asks_gmail_nothing(pool: PgPool) {
    let world = World::new(&pool).await;
    world.mail("Hello");
    world.read().await;
    let asked = world.emulator.requests().len();

    let own = EmailInbound::decode(&Record::of(&world.events()[0]).payload).unwrap();
    assert_eq!(handle(&world, own).await, Outcome::Done);
    let other = notification("other@example.com", u64::MAX);
    assert_eq!(handle(&world, other).await, Outcome::Done);

    assert_eq!(world.emulator.requests().len(), asked);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_notification_waits_while_another_replica_reads(pool: PgPool) {
    let world = World::new(&pool).await;
    let mail = world.mail("Hello");
    let lease = mailboxes::acquire(&pool, OURS, quick().lease).await.unwrap().unwrap();

    let outcome = handle(&world, notification(OURS, mail.history_id)).await;

    assert!(matches!(outcome, Outcome::DeferUntil(_)));
    assert!(lease.release(&pool, None).await.unwrap());
    assert_eq!(handle(&world, notification(OURS, mail.history_id)).await, Outcome::Done);
    world.assert_published_once(&[mail.id]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_notification_ahead_of_gmails_own_history_is_looked_at_again_for_a_while(pool: PgPool) {
    let world = World::new(&pool).await;
    let ahead = world.emulator.history_id(OURS).unwrap() + 1000;

    let outcome = handle(&world, notification(OURS, ahead)).await;
    let mut old = notification(OURS, ahead);
    old.meta.event_time -= chrono::TimeDelta::minutes(5);

    assert!(matches!(outcome, Outcome::DeferUntil(_)));
    assert_eq!(handle(&world, old).await, Outcome::Done);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_watch_is_ordered_after_the_mailbox_has_a_beginning(pool: PgPool) {
    let world = World::unread(&pool, |_| (), quick()).await;

    Watch::new(Arc::clone(&world.sync), TOPIC.to_owned()).renew().await.unwrap();

    let routes: Vec<_> = world.emulator.requests().into_iter().map(|asked| asked.route).collect();
    assert_eq!(routes, ["token", "getProfile", "watch"]);
    let watch = &world.emulator.requests_for("watch")[0];
    assert_eq!(watch.body["topicName"], TOPIC);
    assert_eq!(watch.body["labelIds"], serde_json::json!(["INBOX"]));
    let mailbox = world.mailbox().await;
    assert!(mailbox.cursor.is_some());
    let days = mailbox.watch_lasts_s.unwrap() / (24 * 3600);
    assert!((6..=7).contains(&days), "{days}");
    let metrics = world.metrics();
    let gauge = metrics.lines().find(|line| line.starts_with("fte_gmail_watch_expires_seconds"));
    let lasts: f64 = gauge.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(lasts > 6.0 * 24.0 * 3600.0, "{lasts}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_watch_that_cannot_be_ordered_leaves_the_mailbox_readable(pool: PgPool) {
    let world = World::new(&pool).await;
    let refused =
        emulators::gmail::Fault::Refuse { status: 400, reason: "invalidArgument".to_owned() };
    world.emulator.script("watch", [refused]);
    let watch = Watch::new(Arc::clone(&world.sync), TOPIC.to_owned());

    assert!(watch.renew().await.is_err());

    let mail = world.mail("Hello");
    world.read().await;
    world.assert_published_once(&[mail.id]);
}
