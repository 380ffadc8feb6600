//! Batches run through the same core as single events.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::Failure;
use contract::DeadLetterClass;
use testkit::wait_for;

use crate::fixture::Fixture;
use crate::member::{Member, Seen, dead_letters, interleaved, publish, settings, unfinished};

/// Batches hold what waits, in order, and two at once never share a key.
pub(crate) async fn batches_in_flight_share_no_key(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let (sizes, running) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(HashSet::new())));
    publish(&bus, interleaved(60, 30)).await;

    let mut settings = settings();
    (settings.in_flight, settings.batch_size) = (4, 50);
    let (noted, counted) = (seen.clone(), Arc::clone(&sizes));
    let member = Member::start_batches(&bus, settings, move |batch| {
        let (seen, sizes, running) = (noted.clone(), Arc::clone(&counted), Arc::clone(&running));
        Box::pin(async move {
            let keys: HashSet<_> = batch.iter().map(|event| event.conversation_id).collect();
            {
                let mut others = running.lock().unwrap();
                assert!(others.is_disjoint(&keys), "two batches share a key");
                others.extend(&keys);
            }
            batch.iter().for_each(|event| seen.note(event));
            sizes.lock().unwrap().push(batch.len());
            tokio::time::sleep(Duration::from_millis(3)).await;
            running.lock().unwrap().retain(|key| !keys.contains(key));
            Ok(())
        })
    });
    wait_for("all events", async || seen.len() == 1_800).await;
    member.stop().await;

    assert!(seen.by_key().values().all(|seqs| seqs.is_sorted()));
    let sizes = sizes.lock().unwrap().clone();
    assert!(sizes.iter().all(|size| *size <= 50));
    assert!(sizes.len() < 400, "{} batches for 1800 events", sizes.len());
    assert_eq!(unfinished(&bus).await, 0);
}

/// Batches start no sooner after each other than the setting says, so events gather.
pub(crate) async fn batches_leave_events_time_to_gather(log: Fixture) {
    let bus = log.bus().await;
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Seen::default();
    publish(&bus, interleaved(30, 1)).await;

    let mut settings = settings();
    (settings.in_flight, settings.batch_size) = (4, 5);
    settings.gather = Duration::from_millis(40);
    let (noted, started) = (seen.clone(), Arc::clone(&starts));
    let member = Member::start_batches(&bus, settings, move |batch| {
        started.lock().unwrap().push(std::time::Instant::now());
        batch.iter().for_each(|event| noted.note(event));
        Box::pin(async { Ok(()) })
    });
    wait_for("all events", async || seen.len() == 30).await;
    member.stop().await;

    let starts = starts.lock().unwrap().clone();
    assert!(starts.len() >= 6, "{} batches of at most 5", starts.len());
    let span = *starts.last().unwrap() - starts[0];
    // One pause less: a task may start a little after its batch.
    let least = Duration::from_millis(40) * (starts.len() as u32 - 2);
    assert!(span >= least, "{} batches within {span:?}", starts.len());
    assert_eq!(unfinished(&bus).await, 0);
}

/// Only what comes on the heels of a batch gathers: the first one starts at once.
pub(crate) async fn the_first_batch_never_waits_to_gather(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    publish(&bus, interleaved(1, 1)).await;

    let mut settings = settings();
    settings.gather = Duration::from_secs(3_600);
    let noted = seen.clone();
    let member = Member::start_batches(&bus, settings, move |batch| {
        batch.iter().for_each(|event| noted.note(event));
        Box::pin(async { Ok(()) })
    });
    wait_for("the first event", async || seen.len() == 1).await;
    publish(&bus, interleaved(1, 1)).await;
    member.stop().await;

    assert_eq!(seen.len(), 1, "the next one gathers");
    assert_eq!(unfinished(&bus).await, 1);
}

/// A batch that fails is tried event by event, and only the bad one is buried.
pub(crate) async fn a_failing_batch_falls_back_to_single_events(log: Fixture) {
    let bus = log.bus().await;
    let (good, bad) = (Seen::default(), Seen::default());
    publish(&bus, interleaved(20, 5)).await;

    let mut settings = settings();
    settings.in_flight = 1;
    let (noted, failed) = (good.clone(), bad.clone());
    let is_bad =
        |event: &contract::TicketEvent| crate::member::is_of(event, "key 7") && event.seq() == 2;
    let member = Member::start_batches(&bus, settings, move |batch| {
        let fails = batch.iter().any(is_bad);
        if !fails {
            batch.iter().for_each(|event| noted.note(event));
        } else if batch.len() == 1 {
            batch.iter().for_each(|event| failed.note(event));
        }
        Box::pin(async move {
            if fails { Err(Failure::Reject(anyhow::anyhow!("a bad one"))) } else { Ok(()) }
        })
    });
    wait_for("the good events", async || good.len() == 99).await;
    wait_for("the end of all", async || unfinished(&bus).await == 0).await;
    member.stop().await;

    assert_eq!((good.distinct(), bad.len()), (99, 1));
    assert!(good.by_key().values().all(|seqs| seqs.is_sorted()));
    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].class, DeadLetterClass::Rejected);
}

/// Undecodable bytes in a batch do not hold up its other events.
pub(crate) async fn a_batch_leaves_out_what_does_not_decode(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let mut records: Vec<_> = interleaved(10, 3).iter().map(bus::Record::of).collect();
    records[15].payload = bytes::Bytes::from_static(b"\xff");
    bus.publisher().publish_all(records).await.unwrap();

    let noted = seen.clone();
    let member = Member::start_batches(&bus, settings(), move |batch| {
        batch.iter().for_each(|event| noted.note(event));
        Box::pin(async { Ok(()) })
    });
    wait_for("the other events", async || seen.len() == 29).await;
    wait_for("the end of all", async || unfinished(&bus).await == 0).await;
    member.stop().await;

    assert!(seen.by_key().values().all(|seqs| seqs.is_sorted()));
    assert_eq!(dead_letters(&bus).await.len(), 1);
}
