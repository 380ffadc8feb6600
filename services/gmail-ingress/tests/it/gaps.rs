//! What must not lose a mail: lost pushes, lost history, lost pages, lost readers.

use std::time::Duration;

use emulators::gmail::Fault;
use futures::future::join_all;
use gmail_ingress::{Ended, Tuning};
use sqlx::PgPool;
use testkit::wait_for;

use crate::support::OURS;
use crate::world::{World, quick};

fn refuse(status: u16, reason: &str) -> Fault {
    Fault::Refuse { status, reason: reason.to_owned() }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn three_lost_pushes_lose_nothing(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(4);
    let last = world.emulator.history_id(OURS).unwrap();

    // The fourth one comes.
    assert_eq!(world.sync.run(Some(last)).await.unwrap(), Ended::At(last));

    world.assert_published_once(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn without_its_history_the_inbox_itself_is_read(pool: PgPool) {
    let world = World::new(&pool).await;
    let mut ids = world.mails(3);
    world.read().await;
    world.store_published().await;
    let known = world.publisher.take().len();
    let (asked, missing) = (world.asked("messages.get"), world.mails(5));
    world.emulator.forget_history(OURS);

    let ended = world.read().await;

    // What is stored costs no quota.
    assert_eq!((known, world.asked("messages.get")), (3, asked + 5));
    world.assert_published_once(&missing);
    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    let metrics = world.metrics();
    for name in ["gaps_total", "gap_found_total", "gap_filled_total"] {
        let count = if name == "gaps_total" { 1 } else { 5 };
        let found = metrics.lines().any(|line| {
            line.starts_with(&format!("fte_gmail_{name}{{")) && line.ends_with(&format!(" {count}"))
        });
        assert!(found, "{name} in\n{metrics}");
    }
    ids.extend(missing);
    assert_eq!(world.read().await, ended);
    assert_eq!(world.asked("messages.list"), 1, "once is enough");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn mail_that_comes_while_a_lost_history_is_mended_is_not_lost(pool: PgPool) {
    let world = World::new(&pool).await;
    let mut ids = world.mails(2);
    world.emulator.forget_history(OURS);
    // The list is made, and its answer takes a while.
    world.emulator.script("messages.list", [Fault::Delay { milliseconds: 300 }]);

    let (ended, late) = futures::join!(world.read(), async {
        wait_for("the list", async || world.asked("messages.list") > 0).await;
        world.mail("Late").id
    });

    let Ended::At(cursor) = ended else { panic!("{ended:?}") };
    assert!(cursor < world.emulator.history_id(OURS).unwrap());
    world.read().await;
    ids.push(late);
    world.assert_published(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_gap_of_seven_hundred_mails_is_filled(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(700);
    world.emulator.forget_history(OURS);

    world.read().await;

    world.assert_published_once(&ids);
    assert!(world.asked("messages.list") > 1, "more than one page");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn mail_that_comes_while_pages_are_read_is_read_next_time(pool: PgPool) {
    let world = World::new(&pool).await;
    let mut ids = world.mails(600);
    let first_page = world.emulator.history_id(OURS).unwrap();
    let asked = world.asked("history.list");

    let (ended, late) = futures::join!(world.read(), async {
        wait_for("the first page", async || world.asked("history.list") > asked).await;
        wait_for("its mails", async || world.asked("messages.get") > 0).await;
        world.mail("Late").id
    });

    // The first page's id, although the second page knows a newer one.
    assert_eq!(ended, Ended::At(first_page));
    world.read().await;
    ids.push(late);
    world.assert_published(&ids);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_page_that_gmail_forgot_is_read_again_from_the_cursor(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(600);
    world.emulator.script("history.list", [Fault::Pass, refuse(400, "invalidArgument")]);

    let ended = world.read().await;

    assert_eq!(ended, Ended::At(world.emulator.history_id(OURS).unwrap()));
    // What the first page brought is not asked for again.
    world.assert_published_once(&ids);
    assert_eq!(world.asked("messages.get"), 600);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn pages_that_gmail_always_forgets_hold_the_cursor(pool: PgPool) {
    let world = World::new(&pool).await;
    world.mails(600);
    let cursor = world.cursor().await;
    let lost = (0..4).flat_map(|_| [Fault::Pass, refuse(400, "invalidArgument")]);
    world.emulator.script("history.list", lost);

    world.fails().await;

    assert_eq!(world.cursor().await, cursor);
    world.read().await;
    assert_eq!(world.published().len(), 600);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn another_mailbox_behind_the_same_address_is_read_as_after_a_lost_history(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(2);
    let far = "update mailboxes set cursor = 18446744073709551615";
    sqlx::raw_sql(far).execute(&pool).await.unwrap();

    world.read().await;

    world.assert_published_once(&ids);
    assert_eq!(world.cursor().await, world.emulator.history_id(OURS).unwrap());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn two_replicas_read_one_mailbox_one_at_a_time(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(30);
    let (other, log) = world.replica(quick());
    let wanted = world.emulator.history_id(OURS);

    let ended = futures::join!(world.sync.run(wanted), other.run(wanted));

    let ended = [ended.0.unwrap(), ended.1.unwrap()];
    assert!(ended.contains(&Ended::At(wanted.unwrap())), "{ended:?}");
    assert_eq!(world.events().len() + log.records().len(), ids.len());
    assert_eq!(world.asked("messages.get"), ids.len());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reader_that_stalled_past_its_lease_moves_nothing(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(3);
    // It hangs in the middle of a page, and so does the renewal of its lease.
    world.emulator.script("messages.get", [Fault::Delay { milliseconds: 600 }]);
    let stalled = world.sync.run(None);
    let (other, log) = world.replica(quick());
    let overtake = async {
        wait_for("the stalled reader", async || world.mailbox().await.is_leased).await;
        wait_for("its page", async || world.asked("history.list") > 0).await;
        let gone = "update mailboxes set lease_until = now() - interval '1 second'";
        sqlx::raw_sql(gone).execute(&pool).await.unwrap();
        other.run(None).await.unwrap()
    };

    let (stalled, overtook) = futures::join!(stalled, overtake);

    assert_eq!(stalled.unwrap(), Ended::Busy);
    assert_eq!(overtook, Ended::At(world.emulator.history_id(OURS).unwrap()));
    let mut keys: Vec<_> = log.records().iter().map(|record| record.event_id).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), ids.len());
    assert!(!world.mailbox().await.is_leased);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_long_reading_keeps_its_lease(pool: PgPool) {
    let tuning = Tuning { lease: Duration::from_millis(300), ..quick() };
    let world = World::unread(&pool, |_| (), tuning).await;
    world.read().await;
    let ids = world.mails(2);
    world.emulator.script("messages.get", [Fault::Delay { milliseconds: 1200 }]);
    let (other, _log) = world.replica(quick());
    let others = async {
        wait_for("the first reader", async || world.mailbox().await.is_leased).await;
        let mut ended = Vec::new();
        while world.publisher.records().is_empty() {
            ended.push(other.run(None).await.unwrap());
        }
        ended
    };

    let (_, others) = futures::join!(world.read(), others);

    world.assert_published_once(&ids);
    assert!(others.len() > 3 && others[..others.len() - 1].iter().all(|e| *e == Ended::Busy));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_storm_of_notifications_reads_the_mailbox_a_few_times(pool: PgPool) {
    let world = World::new(&pool).await;
    let ids = world.mails(20);
    let last = world.emulator.history_id(OURS).unwrap();
    let asked = world.asked("history.list");

    join_all((0..20).map(|_| world.sync.run(Some(last)))).await;

    world.assert_published_once(&ids);
    assert_eq!(world.asked("history.list"), asked + 1);
}
