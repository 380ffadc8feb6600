//! What people ask the log: lag, records, topics.

use std::time::Duration;

use bus::{PublishError, ReadFrom, ReadSettings, Record, TopicChange};
use contract::{Event as _, TicketEvent, Topic};
use testkit::{events, wait_for};

use crate::fixture::{Fixture, PARTITIONS, specs};
use crate::member::{GROUP, Member, Seen, event, interleaved, is_of, publish, settings};

/// Lag counts what a group has not finished, per partition.
pub(crate) async fn lag_counts_what_is_not_finished(log: Fixture) {
    let bus = log.bus().await;
    let seen = Seen::default();
    publish(&bus, interleaved(10, 3)).await;
    let member = Member::noting(&bus, settings(), &seen);
    wait_for("all events", async || seen.len() == 30).await;
    member.stop().await;
    assert_eq!(crate::member::unfinished(&bus).await, 0);

    publish(&bus, interleaved(7, 1)).await;

    let lag = bus.lag().await.unwrap();
    assert!(lag.iter().all(|lag| lag.group == GROUP && lag.topic == Topic::TicketsIncoming));
    assert_eq!(lag.len(), PARTITIONS as usize);
    assert_eq!(lag.iter().map(bus::Lag::records).sum::<i64>(), 7);
}

async fn read(bus: &bus::Bus, settings: ReadSettings) -> Vec<TicketEvent> {
    let mut reader = bus.reader(settings).await.unwrap();
    let mut read = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        assert_eq!(record.topic, Topic::TicketsIncoming);
        read.push(TicketEvent::decode(&record.payload).unwrap());
    }
    reader.close().await.unwrap();
    read
}

/// A reader starts where it is told and takes one key where it is told.
pub(crate) async fn a_reader_starts_and_filters_as_told(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, interleaved(5, 4)).await;
    let settings = ReadSettings::new(Topic::TicketsIncoming);

    assert_eq!(read(&bus, settings.clone()).await.len(), 20);
    let latest = ReadSettings { from: ReadFrom::Latest, ..settings.clone() };
    assert_eq!(read(&bus, latest).await, []);
    let key = ReadSettings { key: Some(event("key 3", 0).key().into()), ..settings.clone() };
    let of_key = read(&bus, key).await;
    assert!(of_key.iter().all(|event| is_of(event, "key 3")));
    assert_eq!(of_key.iter().map(TicketEvent::seq).collect::<Vec<_>>(), [0, 1, 2, 3]);

    let mut reader = bus.reader(settings.clone()).await.unwrap();
    let mut newest = None;
    while let Some(record) = reader.next().await.unwrap() {
        newest = newest.max(Some(record.at));
    }
    let after = newest.unwrap() + Duration::from_millis(1);
    wait_for("the next millisecond", async || {
        publish(&bus, [event("late", 0)]).await;
        let late = ReadSettings { from: ReadFrom::Timestamp(after), ..settings.clone() };
        let late = read(&bus, late).await;
        late.iter().all(|event| is_of(event, "late")) && !late.is_empty()
    })
    .await;
}

/// A reader that follows waits for what comes.
pub(crate) async fn a_following_reader_waits_for_what_comes(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, [event("key", 0)]).await;
    let settings = ReadSettings {
        from: ReadFrom::Latest,
        follow: true,
        ..ReadSettings::new(Topic::TicketsIncoming)
    };
    let mut reader = bus.reader(settings).await.unwrap();

    publish(&bus, [event("key", 1)]).await;

    let record = reader.next().await.unwrap().unwrap();
    assert_eq!(TicketEvent::decode(&record.payload).unwrap(), event("key", 1));
}

/// A reader with a group goes on where the last one stopped.
pub(crate) async fn a_reader_of_a_group_resumes(log: Fixture) {
    let bus = log.bus().await;
    publish(&bus, (0..5).map(|seq| event("key", seq))).await;
    let settings =
        ReadSettings { group: Some("people".into()), ..ReadSettings::new(Topic::TicketsIncoming) };

    let mut reader = bus.reader(settings.clone()).await.unwrap();
    for _ in 0..3 {
        assert!(reader.next().await.unwrap().is_some());
    }
    reader.close().await.unwrap();

    let seqs: Vec<_> = read(&bus, settings.clone()).await.iter().map(TicketEvent::seq).collect();
    // A record counts as read when the next one is asked for; closing may count the last.
    assert!(seqs == [2, 3, 4] || seqs == [3, 4], "{seqs:?}");
    assert!(read(&bus, settings).await.len() <= 1);
}

/// The plan shows drift, applying it leaves none, and partitions are never changed.
pub(crate) async fn topics_are_made_what_they_should_be(log: Fixture) {
    let bus = log.bus().await;
    let mut specs = specs(&[Topic::Metrics]);
    let planned = bus.plan_topics(&specs).await.unwrap();
    assert!(matches!(planned.as_slice(), [TopicChange::Create(_)]), "{planned:?}");
    bus.apply_topics(&specs).await.unwrap();
    wait_for("an empty plan", async || bus.plan_topics(&specs).await.unwrap().is_empty()).await;

    specs[0].retention = Duration::from_secs(3_600);
    specs[0].partitions += 1;
    let applied = bus.apply_topics(&specs).await.unwrap();

    let refused = |changes: &[TopicChange]| {
        changes.iter().filter(|change| matches!(change, TopicChange::Refuse { .. })).count()
    };
    assert_eq!((applied.len(), refused(&applied)), (2, 1), "{applied:?}");
    wait_for("only the refusal", async || {
        let left = bus.plan_topics(&specs).await.unwrap();
        left.len() == 1 && refused(&left) == 1
    })
    .await;
}

/// A record over its topic's limit is refused, and the next one is not.
pub(crate) async fn a_record_over_the_limit_is_too_large(log: Fixture) {
    let bus = log.bus().await;
    let large = events::follow_up(events::ticket_ref(1), &"x".repeat(600 << 10));

    let refused = bus.publisher().publish_all(vec![Record::of(&large)]).await;

    assert!(matches!(
        refused,
        Err(PublishError::TooLarge { topic: Topic::WebformInbound, bytes }) if bytes > 600 << 10
    ));
    publish(&bus, [event("key", 0)]).await;
}
