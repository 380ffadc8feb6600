//! Order within a key, and freedom between keys.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::Outcome;
use testkit::{wait_for, wait_within};
use tokio::sync::Semaphore;

use crate::fixture::Fixture;
use crate::member::{Member, Seen, event, interleaved, is_of, publish, settings, unfinished};

/// Keys one after another, with as many handlers running as there are keys.
pub(crate) async fn keys_keep_their_order_with_hundreds_in_flight(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let running = Arc::new(Mutex::new(HashSet::new()));
    let most = Arc::new(AtomicUsize::new(0));
    publish(&bus, interleaved(200, 20)).await;

    let mut settings = settings();
    settings.in_flight = 256;
    let (noted, at_once) = (seen.clone(), Arc::clone(&most));
    let member = Member::start(&bus, settings, move |event, _| {
        let (seen, running, most) = (noted.clone(), Arc::clone(&running), Arc::clone(&at_once));
        Box::pin(async move {
            let key = event.conversation_id;
            assert!(running.lock().unwrap().insert(key), "two events of one key at once");
            most.fetch_max(running.lock().unwrap().len(), Ordering::Relaxed);
            seen.note(&event);
            tokio::time::sleep(Duration::from_millis(event.seq() % 3)).await;
            running.lock().unwrap().remove(&key);
            Ok(Outcome::Done)
        })
    });
    wait_within(Duration::from_secs(30), "all events", async || seen.len() >= 4_000).await;
    member.stop().await;

    assert_eq!(seen.len(), 4_000);
    for (key, seqs) in seen.by_key() {
        assert!(seqs.is_sorted(), "{key} was seen as {seqs:?}");
    }
    assert!(most.load(Ordering::Relaxed) > 100, "{most:?} at once");
    wait_for("the last commit", async || unfinished(&bus).await == 0).await;
}

/// One key that hangs, and a flood of its events, delay nobody else.
pub(crate) async fn a_hot_key_does_not_delay_the_others(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let hold = Arc::new(Semaphore::new(0));
    publish(&bus, (0..500).map(|seq| event("hot", seq))).await;
    publish(&bus, interleaved(30, 10)).await;

    let mut settings = settings();
    settings.in_flight = 4;
    let (noted, held) = (seen.clone(), Arc::clone(&hold));
    let member = Member::start(&bus, settings, move |event, _| {
        let (seen, hold) = (noted.clone(), Arc::clone(&held));
        Box::pin(async move {
            if is_of(&event, "hot") {
                drop(hold.acquire().await);
            }
            seen.note(&event);
            Ok(Outcome::Done)
        })
    });

    wait_for("the other keys", async || seen.len() == 300).await;
    assert_eq!(seen.times(&event("hot", 0)), 0);
    hold.add_permits(1_000);
    wait_for("the hot key", async || seen.len() == 800).await;
    member.stop().await;
}
