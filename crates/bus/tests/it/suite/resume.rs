//! Crashes, rebalances, shutdowns: nothing is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus::Outcome;
use testkit::{wait_for, wait_within};
use tokio::sync::Semaphore;

use crate::child::Child;
use crate::fixture::Fixture;
use crate::member::{Member, Seen, interleaved, publish, settings, unfinished};

/// Room for a session to time out and the group to settle.
const REBALANCE: Duration = Duration::from_secs(30);

/// A member killed at work loses nothing: another goes on where it stood.
pub(crate) async fn a_killed_member_loses_nothing(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, interleaved(50, 20)).await;
    let mut child = Child::start(&log, "slow");
    let handled = child.lines_until(300).await;
    child.kill();

    let seen = Seen::default();
    let member = Member::noting(&bus, settings(), &seen);
    wait_within(REBALANCE, "the rest", async || unfinished(&bus).await == 0).await;
    member.stop().await;

    let together: HashSet<_> = handled.into_iter().chain(seen.all()).collect();
    assert_eq!(together.len(), 1_000);
    assert!(seen.len() < 1_000, "the first member's work counted for nothing");
}

/// Members come and go under load: every event is handled, each key in order.
pub(crate) async fn members_come_and_go_under_load(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let all = interleaved(40, 50);
    let start = async || {
        let bus = log.bus().await;
        let noted = seen.clone();
        Member::start(&bus, settings(), move |event, _| {
            let seen = noted.clone();
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                seen.note(&event);
                Ok(Outcome::Done)
            })
        })
    };
    let first = start().await;
    publish(&bus, all[..800].to_vec()).await;
    wait_for("the first member at work", async || seen.distinct() > 100).await;
    let second = start().await;
    publish(&bus, all[800..1_400].to_vec()).await;
    wait_for("more work", async || seen.distinct() > 700).await;
    first.stop().await;
    let third = start().await;
    publish(&bus, all[1_400..].to_vec()).await;
    wait_for("still more work", async || seen.distinct() > 1_300).await;
    second.stop().await;
    wait_within(REBALANCE, "all events", async || seen.distinct() == 2_000).await;
    wait_within(REBALANCE, "the last commit", async || unfinished(&bus).await == 0).await;
    third.stop().await;

    for (key, seqs) in seen.by_key() {
        assert!(seqs.is_sorted(), "{key} was first seen as {seqs:?}");
    }
}

/// A shutdown lets running handlers finish and commits them; the rest is read again.
pub(crate) async fn a_shutdown_while_busy_loses_nothing(log: Fixture) {
    let bus = log.bus().await;
    let (begun, done) = (Arc::new(AtomicUsize::new(0)), Seen::default());
    let hold = Arc::new(Semaphore::new(0));
    publish(&bus, interleaved(100, 3)).await;

    let mut few = settings();
    few.in_flight = 10;
    let (started, noted, held) = (Arc::clone(&begun), done.clone(), Arc::clone(&hold));
    let member = Member::start(&bus, few, move |event, _| {
        let (begun, done, hold) = (Arc::clone(&started), noted.clone(), Arc::clone(&held));
        Box::pin(async move {
            begun.fetch_add(1, Ordering::Relaxed);
            drop(hold.acquire().await);
            done.note(&event);
            Ok(Outcome::Done)
        })
    });
    wait_for("ten at work", async || begun.load(Ordering::Relaxed) == 10).await;
    member.shut_down();
    hold.add_permits(1_000);
    member.stop().await;

    assert_eq!((begun.load(Ordering::Relaxed), done.len()), (10, 10));
    let rest = Seen::default();
    let member = Member::noting(&bus, settings(), &rest);
    wait_for("the rest", async || unfinished(&bus).await == 0).await;
    member.stop().await;
    let together: HashSet<_> = done.all().into_iter().chain(rest.all()).collect();
    assert_eq!(together.len(), 300);
    assert_eq!(rest.len(), 290, "finished events were read again");
}

/// A handler that hangs does not hold up the shutdown for longer than the drain time.
pub(crate) async fn a_hanging_handler_ends_with_the_drain_time(log: Fixture) {
    let bus = log.bus().await;
    let begun = Arc::new(AtomicUsize::new(0));
    publish(&bus, interleaved(1, 1)).await;

    let mut short = settings();
    short.drain = Duration::from_millis(300);
    let started = Arc::clone(&begun);
    let member = Member::start(&bus, short, move |_, _| {
        started.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    });
    wait_for("the handler", async || begun.load(Ordering::Relaxed) == 1).await;
    let asked = Instant::now();
    member.stop().await;

    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let seen = Seen::default();
    let member = Member::noting(&bus, settings(), &seen);
    wait_for("the event, again", async || seen.len() == 1).await;
    member.stop().await;
}

/// A member frozen until it lost its partitions cannot move the group back.
pub(crate) async fn a_fenced_member_commits_nothing(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, interleaved(20, 5)).await;
    let mut child = Child::start(&log, "slow");
    child.lines_until(10).await;
    child.freeze();

    let seen = Seen::default();
    let member = Member::noting(&bus, settings(), &seen);
    wait_within(REBALANCE, "all events", async || unfinished(&bus).await == 0).await;
    let places = bus.lag().await.unwrap();
    child.thaw();
    // It wakes up with results of partitions that are not its own any more.
    child.lines_until(11).await;
    publish(&bus, interleaved(20, 1)).await;
    wait_within(REBALANCE, "the new events", async || unfinished(&bus).await == 0).await;
    child.kill();

    for (before, after) in places.iter().zip(bus.lag().await.unwrap()) {
        assert!(after.committed >= before.committed, "{before:?} became {after:?}");
    }
    member.stop().await;
}

/// While nothing drains, memory stays flat however much there is to read.
pub(crate) async fn memory_stays_flat_under_pressure(log: Fixture) {
    const MIB: usize = 1 << 20;
    let bus = log.bus().await;
    let text = "x".repeat(100 << 10);
    for chunk in 0..16_u32 {
        let records = (0..40).map(|number| {
            let ticket = testkit::events::ticket_ref(chunk * 40 + number);
            bus::Record::of(&testkit::events::follow_up(ticket, &text))
        });
        bus.publisher().publish_all(records.collect()).await.unwrap();
    }

    let mut child = Child::start(&log, "stuck");
    child.lines_until(1).await;
    let mut most = 0;
    let begun = Instant::now();
    // Long enough to read the 64 MiB several times over.
    wait_for("two seconds of pressure", || {
        most = most.max(child.resident_bytes());
        std::future::ready(begun.elapsed() > Duration::from_secs(2))
    })
    .await;
    child.kill();

    assert!(most < 64 * MIB, "{} MiB resident", most / MIB);
}
