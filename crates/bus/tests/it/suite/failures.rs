//! Every outcome and every class of failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus::{ConsumerError, Failure, Outcome, Record};
use bytes::Bytes;
use contract::{DeadLetterClass, Event as _};
use testkit::{wait_for, wait_for_some};

use crate::fixture::Fixture;
use crate::member::{
    Member, Seen, dead_letters, event, interleaved, is_of, publish, settings, unfinished,
};

fn trouble() -> anyhow::Error {
    anyhow::anyhow!("trouble")
}

/// A deferred event comes back at its time, in order, and holds no slot meanwhile.
pub(crate) async fn a_deferred_event_waits_without_a_slot(log: Fixture) {
    const WAIT: Duration = Duration::from_secs(3);
    let bus = log.bus().await;
    let (seen, deferred) = (Seen::default(), Seen::default());
    publish(&bus, [event("later", 0), event("later", 1)]).await;

    let mut settings = settings();
    settings.in_flight = 1;
    let (noted, put_off) = (seen.clone(), deferred.clone());
    let member = Member::start(&bus, settings, move |event, received| {
        assert_eq!(received.attempt, 1, "a deferral is no failed try");
        let is_early = is_of(&event, "later") && event.seq() == 0 && put_off.len() == 0;
        if is_early {
            put_off.note(&event)
        } else {
            noted.note(&event)
        }
        Box::pin(async move {
            Ok(if is_early { Outcome::DeferUntil(in_a_while(WAIT)) } else { Outcome::Done })
        })
    });
    wait_for("the deferral", async || deferred.len() == 1).await;
    let begun = Instant::now();

    publish(&bus, [event("now", 0)]).await;
    wait_for("the other key", async || seen.times(&event("now", 0)) == 1).await;
    assert!(begun.elapsed() < WAIT, "the deferral held the only slot");
    assert_eq!(seen.len(), 1, "the rest of the key did not wait");
    wait_for("the deferred key", async || seen.len() == 3).await;
    assert!(begun.elapsed() > WAIT - Duration::from_millis(500), "it came back early");
    assert!(seen.by_key().values().all(|seqs| seqs.is_sorted()));
    member.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "handlers defer by the wall clock")]
fn in_a_while(wait: Duration) -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now() + wait
}

/// While what everybody needs is away, one probe at a time; then all goes on, and
/// nothing was buried.
pub(crate) async fn an_outage_stops_everything_and_buries_nothing(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let (tries, is_away) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    publish(&bus, interleaved(40, 2)).await;

    let mut settings = settings();
    settings.in_flight = 8;
    let (noted, tried, away) = (seen.clone(), Arc::clone(&tries), Arc::clone(&is_away));
    let member = Member::start(&bus, settings, move |event, _| {
        tried.fetch_add(1, Ordering::Relaxed);
        let is_away = away.load(Ordering::Relaxed);
        if !is_away {
            noted.note(&event);
        }
        Box::pin(async move {
            if is_away { Err(Failure::Unavailable(trouble())) } else { Ok(Outcome::Done) }
        })
    });

    // The eight that ran at once, then probes after 100, 200 and 400 ms.
    wait_for("some probes", async || tries.load(Ordering::Relaxed) >= 11).await;
    assert!(tries.load(Ordering::Relaxed) <= 12, "{tries:?} tries");
    is_away.store(false, Ordering::Relaxed);
    wait_for("all events", async || seen.len() == 80).await;
    member.stop().await;

    assert!(seen.by_key().values().all(|seqs| *seqs == [0, 1]));
    assert_eq!(dead_letters(&bus).await, []);
    assert_eq!(unfinished(&bus).await, 0);
}

/// A failing event is tried again, and buried once another key has succeeded since.
pub(crate) async fn an_event_without_tries_left_is_buried_once_another_key_succeeds(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let tries = Arc::new(AtomicUsize::new(0));
    publish(&bus, [event("bad", 0), event("bad", 1)]).await;

    let (noted, tried) = (seen.clone(), Arc::clone(&tries));
    let member = Member::start(&bus, settings(), move |event, received| {
        let is_bad = is_of(&event, "bad") && event.seq() == 0;
        if is_bad {
            assert_eq!(tried.fetch_add(1, Ordering::Relaxed) + 1, received.attempt as usize);
        } else {
            noted.note(&event);
        }
        Box::pin(
            async move { if is_bad { Err(Failure::Retry(trouble())) } else { Ok(Outcome::Done) } },
        )
    });

    wait_for("more tries than granted", async || tries.load(Ordering::Relaxed) >= 6).await;
    assert_eq!(dead_letters(&bus).await, []);
    assert_eq!(seen.len(), 0, "the rest of the key overtook it");
    publish(&bus, [event("good", 0)]).await;
    wait_for("the rest of the key", async || seen.len() == 2).await;
    member.stop().await;

    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    let (letter, bad) = (&letters[0], event("bad", 0));
    assert_eq!(letter.class, DeadLetterClass::Exhausted);
    assert_eq!((letter.group.as_str(), letter.error.as_str()), ("group", "trouble"));
    assert_eq!((letter.key.as_str(), &letter.payload), (bad.key().as_ref(), &bad.encode()));
    assert_eq!(letter.attempts as usize, tries.load(Ordering::Relaxed));
    assert_eq!(unfinished(&bus).await, 0);
}

/// A rejected event is buried at once and its key goes on.
pub(crate) async fn a_rejected_event_is_buried_at_once(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    publish(&bus, (0..3).map(|seq| event("key", seq))).await;

    let noted = seen.clone();
    let member = Member::start(&bus, settings(), move |event, _| {
        noted.note(&event);
        Box::pin(async move {
            if event.seq() == 1 { Err(Failure::Reject(trouble())) } else { Ok(Outcome::Done) }
        })
    });
    wait_for("all events", async || seen.len() == 3).await;
    member.stop().await;

    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].class, letters[0].attempts), (DeadLetterClass::Rejected, 1));
    assert_eq!(letters[0].payload, event("key", 1).encode());
    assert_eq!(unfinished(&bus).await, 0);
}

/// Bytes that are no event are buried as they are; the handler never sees them.
pub(crate) async fn undecodable_bytes_are_buried_whole(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    let mut garbage = Record::of(&event("key", 1));
    garbage.payload = Bytes::from_static(b"\xff\x00 no event");
    garbage.headers.insert("odd", Bytes::from_static(b"\xfe"));
    let records = vec![Record::of(&event("key", 0)), garbage.clone(), Record::of(&event("key", 2))];
    bus.publisher().publish_all(records).await.unwrap();

    let member = Member::noting(&bus, settings(), &seen);
    wait_for("the good events", async || seen.len() == 2).await;
    member.stop().await;

    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].class, DeadLetterClass::Rejected);
    assert_eq!((&letters[0].payload, &letters[0].key), (&garbage.payload, &garbage.key));
    let headers: Vec<_> = garbage.headers.iter().map(|(n, v)| (n.to_owned(), v.clone())).collect();
    assert_eq!(letters[0].headers, headers);
    assert_eq!(unfinished(&bus).await, 0);
}

/// When twenty keys have no tries left and none succeeds, the consumer stops: nothing
/// is buried, nothing committed.
pub(crate) async fn a_bad_release_stops_the_consumer(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, interleaved(25, 2)).await;

    let mut settings = settings();
    settings.retry_delays = vec![Duration::from_millis(20)];
    let member =
        Member::start(&bus, settings, |_, _| Box::pin(async { Err(Failure::Retry(trouble())) }));
    wait_for("the end of the consumer", async || member.has_ended()).await;

    let ended = member.ended().await;
    assert!(matches!(ended, Err(ConsumerError::Outage(20))), "{ended:?}");
    assert_eq!(dead_letters(&bus).await, []);
    let seen = Seen::default();
    let member = Member::noting(&bus, self::settings(), &seen);
    wait_for("all events, again", async || seen.distinct() == 50).await;
    member.stop().await;
}

/// A handler that panics takes nobody with it.
pub(crate) async fn a_panicking_handler_is_tried_again(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    publish(&bus, interleaved(5, 2)).await;

    let noted = seen.clone();
    let member = Member::start(&bus, settings(), move |event, received| {
        let noted = noted.clone();
        Box::pin(async move {
            assert!(event.seq() != 0 || received.attempt > 1, "a panic that the test wants");
            noted.note(&event);
            Ok(Outcome::Done)
        })
    });
    wait_for("all events", async || seen.len() == 10).await;
    member.stop().await;

    assert!(seen.by_key().values().all(|seqs| *seqs == [0, 1]));
    assert_eq!(dead_letters(&bus).await, []);
}

/// Letters of one key stand in the order of its events.
pub(crate) async fn letters_of_a_key_keep_its_order(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, (0..20).map(|seq| event("key", seq))).await;

    let member =
        Member::start(&bus, settings(), |_, _| Box::pin(async { Err(Failure::Reject(trouble())) }));
    let letters = wait_for_some("all letters", async || {
        let letters = dead_letters(&bus).await;
        (letters.len() == 20).then_some(letters)
    })
    .await;
    member.stop().await;

    assert!(letters.iter().map(|letter| letter.offset).is_sorted());
}
