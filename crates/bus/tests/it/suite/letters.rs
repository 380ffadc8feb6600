//! Dead letters: parked lines, replays, drops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{
    Bus, ConsumerSettings, DeadLetters, Failure, LetterFilter, LetterState, Outcome, Record,
    ReplaySettings,
};
use contract::{DeadLetter, DeadLetterClass, EventMeta, TicketEvent};
use testkit::wait_for;
use tokio::sync::Semaphore;

use crate::fixture::Fixture;
use crate::member::{GROUP, Member, Seen, event, is_of, publish, settings, unfinished};

const KEY: &str = "key";

fn parking() -> ConsumerSettings {
    let mut settings = settings();
    settings.parking = true;
    settings
}

fn of(event: &TicketEvent) -> LetterFilter {
    let key = contract::Event::key(event).into_owned();
    LetterFilter { key: Some(key), ..LetterFilter::default() }
}

/// A member that parks, and rejects a key's event number 0 while `is_broken`.
fn member(bus: &Bus, seen: &Seen, is_broken: &Arc<AtomicBool>, key: &'static str) -> Member {
    let (seen, is_broken) = (seen.clone(), Arc::clone(is_broken));
    Member::start(bus, parking(), move |event, _| {
        let fails = is_of(&event, key) && event.seq() == 0 && is_broken.load(Ordering::Relaxed);
        if !fails {
            seen.note(&event);
        }
        Box::pin(async move {
            match fails {
                true => Err(Failure::Reject(anyhow::anyhow!("trouble"))),
                false => Ok(Outcome::Done),
            }
        })
    })
}

fn broken() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

/// Waits until so many letters stand in the line of the event's key.
async fn parked(letters: &DeadLetters, event: &TicketEvent, count: usize) {
    wait_for("the parked letters", async || {
        // A busy broker may let one question time out.
        let Ok(found) = letters.list(&of(event)).await else { return false };
        let is_parked = |state| matches!(state, LetterState::Parked { .. });
        found.iter().filter(|letter| is_parked(letter.state)).count() == count
    })
    .await;
}

fn seqs(seen: &Seen) -> Vec<u64> {
    seen.all().into_iter().map(|(_, seq)| seq).collect()
}

/// One event fails, the next two follow it; a replay brings them back in order.
pub(crate) async fn a_parked_key_is_replayed_in_order(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen, is_broken, key) = (bus.dead_letters(), Seen::default(), broken(), KEY);
    let member = member(&bus, &seen, &is_broken, key);
    publish(&bus, (0..3).map(|seq| event(key, seq))).await;
    publish(&bus, [event(&format!("other {key}"), 7)]).await;
    parked(&letters, &event(key, 0), 3).await;
    wait_for("the other key", async || seen.len() == 1).await;
    let listed = letters.list(&of(&event(key, 0))).await.unwrap();
    assert_eq!(letters.count(&of(&event(key, 0))).await.unwrap(), 3);
    let classes: Vec<_> = listed.iter().map(|letter| letter.letter.class).collect();
    use DeadLetterClass::{Parked, Rejected};
    assert_eq!(classes, [Rejected, Parked, Parked]);

    is_broken.store(false, Ordering::Relaxed);
    let filter = of(&event(key, 0));
    let dry = ReplaySettings { dry_run: true, ..ReplaySettings::default() };
    let dry = letters.replay(&filter, dry, |_| {}).await.unwrap();
    assert_eq!((dry.found, dry.lines, dry.published), (3, 1, 0));
    let counted = Mutex::new(Vec::new());
    let report = letters
        .replay(&filter, ReplaySettings::default(), |report| {
            counted.lock().unwrap().push(report.handled);
        })
        .await
        .unwrap();

    assert_eq!((report.published, report.handled), (3, 3));
    assert!(counted.lock().unwrap().is_sorted());
    assert_eq!(seqs(&seen), [7, 0, 1, 2]);
    assert!(letters.list(&filter).await.unwrap().is_empty());
    let dealt_with = LetterFilter { with_dealt_with: true, ..filter };
    let dealt_with = letters.list(&dealt_with).await.unwrap();
    assert!(dealt_with.iter().all(|letter| letter.state == LetterState::Replayed));
    assert_eq!(dealt_with.len(), 3);
    publish(&bus, [event(key, 3)]).await;
    wait_for("the next event", async || seen.len() == 5).await;
    wait_for("the end of all", async || unfinished(&bus).await == 0).await;
    member.stop().await;
}

/// What comes while a replay runs waits its turn. The line is longer than a round, so
/// the newcomers stand in the log before the letters of the second round.
pub(crate) async fn an_event_that_arrives_during_a_replay_stays_behind(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen, is_broken, key) = (bus.dead_letters(), Seen::default(), broken(), KEY);
    let hold = Arc::new(Semaphore::new(0));
    let (noted, broken, held) = (seen.clone(), Arc::clone(&is_broken), Arc::clone(&hold));
    let member = Member::start(&bus, parking(), move |event, _| {
        let (seen, hold) = (noted.clone(), Arc::clone(&held));
        let is_broken = broken.load(Ordering::Relaxed);
        Box::pin(async move {
            if is_broken {
                return Err(Failure::Reject(anyhow::anyhow!("trouble")));
            }
            seen.note(&event);
            if event.seq() == 0 {
                drop(hold.acquire().await);
            }
            Ok(Outcome::Done)
        })
    });
    publish(&bus, (0..110).map(|seq| event(key, seq))).await;
    parked(&letters, &event(key, 0), 110).await;

    is_broken.store(false, Ordering::Relaxed);
    let filter = of(&event(key, 0));
    let replay = letters.replay(&filter, ReplaySettings::default(), |_| {});
    let arrival = async {
        wait_for("the head of the line", async || seen.len() == 1).await;
        publish(&bus, [event(key, 110), event(key, 111)]).await;
        hold.add_permits(10);
    };
    let (report, ()) = tokio::join!(replay, arrival);
    assert_eq!(report.unwrap().came_back, []);

    wait_for("all events", async || seen.len() == 112).await;
    assert!(seqs(&seen).into_iter().eq(0..112), "{:?}", seqs(&seen));
    member.stop().await;
}

/// A letter that fails again keeps its place, and all behind it theirs.
pub(crate) async fn a_letter_that_fails_again_stops_its_line(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen, is_broken, key) = (bus.dead_letters(), Seen::default(), broken(), KEY);
    let member = member(&bus, &seen, &is_broken, key);
    publish(&bus, (0..3).map(|seq| event(key, seq))).await;
    let filter = of(&event(key, 0));
    parked(&letters, &event(key, 0), 3).await;

    let report = letters.replay(&filter, ReplaySettings::default(), |_| {}).await.unwrap();
    assert_eq!((report.published, report.handled, report.unread), (3, 0, 0));
    let listed = letters.list(&filter).await.unwrap();
    assert_eq!(report.came_back, [(listed[0].id(), "trouble".to_owned())]);
    assert_eq!(listed.len(), 3, "a replay that failed left letters of its own");
    assert!(listed.iter().all(|letter| letter.state == LetterState::Parked { replays: 1 }));
    assert_eq!(seen.len(), 0);

    // Without its head the line passes.
    let head = LetterFilter { id: Some(listed[0].id()), ..filter.clone() };
    assert_eq!(letters.drop_letters(&head).await.unwrap(), 1);
    let report = letters.replay(&filter, ReplaySettings::default(), |_| {}).await.unwrap();
    assert_eq!(report.handled, 2);
    assert_eq!(seqs(&seen), [1, 2]);
    let shown = letters.show(listed[0].id()).await.unwrap().unwrap();
    assert_eq!(shown.state, LetterState::Dropped);
    member.stop().await;
}

/// A dropped line no longer holds its key.
pub(crate) async fn dropping_the_last_letter_frees_the_key(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen, is_broken, key) = (bus.dead_letters(), Seen::default(), broken(), KEY);
    let member = member(&bus, &seen, &is_broken, key);
    publish(&bus, [event(key, 0), event(key, 1)]).await;
    parked(&letters, &event(key, 0), 2).await;

    assert_eq!(letters.drop_letters(&of(&event(key, 0))).await.unwrap(), 2);
    publish(&bus, [event(key, 2)]).await;

    wait_for("the next event", async || seen.len() == 1).await;
    assert_eq!(seqs(&seen), [2]);
    member.stop().await;
}

/// Parking outlives the member that parked.
pub(crate) async fn a_parked_key_stays_parked_for_the_next_member(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen, is_broken, key) = (bus.dead_letters(), Seen::default(), broken(), KEY);
    let first = member(&bus, &seen, &is_broken, key);
    publish(&bus, [event(key, 0)]).await;
    parked(&letters, &event(key, 0), 1).await;
    first.stop().await;

    publish(&bus, [event(key, 1), event(&format!("other {key}"), 2)]).await;
    let second = member(&bus, &seen, &is_broken, key);

    parked(&letters, &event(key, 0), 2).await;
    wait_for("the other key", async || seen.len() == 1).await;
    assert_eq!(seqs(&seen), [2]);
    second.stop().await;
}

/// A letter that nothing waits behind is replayed for its own group alone.
pub(crate) async fn only_the_group_of_a_letter_handles_its_replay(log: Fixture) {
    let bus = log.bus().await;
    let (letters, key) = (bus.dead_letters(), KEY);
    let (seen, others, is_broken) = (Seen::default(), Seen::default(), broken());
    let (noted, broken) = (seen.clone(), Arc::clone(&is_broken));
    let member = Member::start(&bus, settings(), move |event, _| {
        let is_broken = broken.load(Ordering::Relaxed);
        if !is_broken {
            noted.note(&event);
        }
        Box::pin(async move {
            match is_broken {
                true => Err(Failure::Reject(anyhow::anyhow!("trouble"))),
                false => Ok(Outcome::Done),
            }
        })
    });
    let other = Member::noting(&bus, ConsumerSettings { group: "other", ..settings() }, &others);
    publish(&bus, [event(key, 0)]).await;
    let filter = LetterFilter { group: Some(GROUP.to_owned()), ..of(&event(key, 0)) };
    wait_for("the letter", async || {
        let found = letters.list(&filter).await.unwrap();
        found.len() == 1 && found[0].state == LetterState::Open
    })
    .await;
    assert_eq!(letters.count(&filter).await.unwrap(), 1);

    is_broken.store(false, Ordering::Relaxed);
    let report = letters.replay(&filter, ReplaySettings::default(), |_| {}).await.unwrap();
    assert_eq!((report.found, report.lines, report.published), (1, 0, 1));
    publish(&bus, [event(key, 1)]).await;

    wait_for("the replay and the next", async || seen.len() == 2 && others.len() == 2).await;
    assert_eq!(seqs(&seen), [0, 1]);
    assert_eq!(seqs(&others), [0, 1], "a replay reached a group that did not ask for it");
    assert!(letters.list(&filter).await.unwrap().is_empty());
    member.stop().await;
    other.stop().await;
}

/// A bulk replay goes at the rate that was asked for: what others publish meanwhile does
/// not stand behind all of it.
pub(crate) async fn open_letters_are_replayed_at_their_rate(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen) = (bus.dead_letters(), Seen::default());
    let member = Member::noting(&bus, settings(), &seen);
    let letter = |seq| {
        let record = Record::of(&event(KEY, seq));
        let headers = record.headers.iter().map(|(name, value)| (name.to_owned(), value.clone()));
        Record::of(&DeadLetter {
            meta: contract::Event::meta(&event(KEY, 1_000 + seq)).clone(),
            topic: record.topic.name().to_owned(),
            partition: 0,
            offset: 0,
            group: GROUP.to_owned(),
            key: record.key.clone(),
            headers: headers.collect(),
            payload: record.payload.clone(),
            class: DeadLetterClass::Exhausted,
            error: "trouble".to_owned(),
            attempts: 1,
        })
    };
    bus.publisher().publish_all((0..40).map(letter).collect()).await.unwrap();

    let settings = ReplaySettings { per_second: 100, ..ReplaySettings::default() };
    let began = tokio::time::Instant::now();
    let report = letters.replay(&of(&event(KEY, 0)), settings, |_| {}).await.unwrap();

    assert_eq!(report.published, 40);
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    wait_for("all of them", async || seen.len() == 40).await;
    member.stop().await;
}

/// Bytes that no group can decode leave no new letter in the groups that did not ask.
pub(crate) async fn a_replay_that_does_not_decode_concerns_its_own_group_only(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen) = (bus.dead_letters(), Seen::default());
    let member = Member::noting(&bus, settings(), &seen);
    let other = Member::noting(&bus, ConsumerSettings { group: "other", ..settings() }, &seen);
    let mut garbage = Record::of(&event(KEY, 0));
    garbage.payload = bytes::Bytes::from_static(b"\xff");
    bus.publisher().publish_all(vec![garbage]).await.unwrap();
    let count = async |group: &str, with_dealt_with| {
        let group = Some(group.to_owned());
        let filter = LetterFilter { group, with_dealt_with, ..LetterFilter::default() };
        letters.list(&filter).await.unwrap().len()
    };
    wait_for("two letters", async || {
        count(GROUP, false).await == 1 && count("other", false).await == 1
    })
    .await;

    let own = LetterFilter { group: Some(GROUP.to_owned()), ..LetterFilter::default() };
    letters.replay(&own, ReplaySettings::default(), |_| {}).await.unwrap();
    publish(&bus, [event(KEY, 1)]).await;
    wait_for("what came after it", async || seen.len() == 2).await;

    assert_eq!(count(GROUP, true).await, 2);
    assert_eq!(count("other", true).await, 1);
    member.stop().await;
    other.stop().await;
}

/// A line of more letters than one round takes goes round until it is empty.
pub(crate) async fn a_line_longer_than_one_round_is_replayed_whole(log: Fixture) {
    let bus = log.bus().await;
    let (letters, seen, is_broken, key) = (bus.dead_letters(), Seen::default(), broken(), KEY);
    let member = member(&bus, &seen, &is_broken, key);
    publish(&bus, (0..130).map(|seq| event(key, seq))).await;
    parked(&letters, &event(key, 0), 130).await;

    is_broken.store(false, Ordering::Relaxed);
    let patience = Duration::from_secs(20);
    let replay = ReplaySettings { patience, ..ReplaySettings::default() };
    let report = letters.replay(&of(&event(key, 0)), replay, |_| {}).await.unwrap();

    assert_eq!((report.published, report.handled), (130, 130));
    assert!(seqs(&seen).into_iter().eq(0..130));
    member.stop().await;
}

/// A letter of something that never was in the log, such as a webhook.
pub(crate) async fn a_letter_that_no_topic_takes_back_stays_open(log: Fixture) {
    let bus = log.bus().await;
    let cause = event(KEY, 0);
    let letter = DeadLetter {
        meta: EventMeta::derived(
            contract::Event::meta(&cause).event_id,
            "letter",
            contract::Event::meta(&cause).event_time,
        ),
        topic: "POST /webhooks/whatsapp".to_owned(),
        partition: 0,
        offset: 0,
        group: "whatsapp-ingress".to_owned(),
        key: KEY.to_owned(),
        headers: Vec::new(),
        payload: "a=b".into(),
        class: DeadLetterClass::Rejected,
        error: "no event".to_owned(),
        attempts: 1,
    };
    bus.publisher().publish_all(vec![Record::of(&letter)]).await.unwrap();
    let (letters, filter) = (bus.dead_letters(), LetterFilter::default());

    let report = letters.replay(&filter, ReplaySettings::default(), |_| {}).await.unwrap();

    assert_eq!((report.found, report.published), (1, 0));
    let open = letters.list(&filter).await.unwrap();
    assert_eq!((open[0].state, &open[0].letter), (LetterState::Open, &letter));
    assert_eq!(letters.drop_letters(&filter).await.unwrap(), 1);
    assert!(letters.list(&filter).await.unwrap().is_empty());
}
