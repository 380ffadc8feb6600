//! Parking: once an event of a key is dead-lettered, later events of that (group,
//! topic, key) follow it until it is replayed or dropped, so that order survives.
//!
//! A key is parked exactly while `parked_letters` has a row of it. Looking there
//! for every event would cost a round trip each, so a member keeps the parked keys
//! of its partitions in memory, loaded before it sees a partition's first record
//! ([`ParkingSource`]). That is enough:
//!
//! - Only the owner of a partition parks its keys, and its memory changes with the
//!   table. A member that lost the partition may still park a late letter; its
//!   commit is refused, so the new owner handles that event too: the letter is then
//!   a duplicate, shown until somebody replays it, and nothing is lost or overtaken.
//! - Memory that says *parked* too long (the letters were dropped elsewhere) corrects
//!   itself: a follower is parked by a statement that finds a row or does nothing.
//! - Replayed events come through the log itself, marked. One passes only as the
//!   next in line, and the row goes once it is handled; the last one un-parks the key.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use contract::{Classified, DeadLetter, DeadLetterClass, Event as _, FailureClass, Topic};
use sqlx::{PgExecutor, PgPool};

use crate::dead_letters;
use crate::record::Headers;
use crate::replay::Mark;
use crate::source::RawRecord;

mod source;

pub(crate) use source::ParkingSource;

/// The parked keys of one group on one topic.
#[derive(Debug, Clone)]
pub(crate) struct Parking {
    pool: PgPool,
    group: &'static str,
    topic: Topic,
    keys: Arc<Mutex<HashMap<i32, HashSet<String>>>>,
}

/// What to do with a record whose key has its turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    /// An event as any other.
    Handle,
    /// A replay that is next in line: handle it, then call [`Parking::passed`], or
    /// [`Parking::came_back`] in place of a letter.
    Replay(Mark),
    /// Parked now: publish this letter, then finish the offset.
    Follow(Box<DeadLetter>),
    /// A replay that is not next, or done with: finish the offset, nothing else.
    Finish,
}

/// The database could not answer.
#[derive(Debug, thiserror::Error)]
#[error("parked letters could not be read or written")]
pub(crate) struct ParkingError(#[from] sqlx::Error);

impl Classified for ParkingError {
    /// Everybody's trouble: parking is on every event's way once a key is parked.
    fn class(&self) -> FailureClass {
        FailureClass::Unavailable
    }
}

impl Parking {
    pub(crate) fn new(pool: PgPool, group: &'static str, topic: Topic) -> Self {
        Self { pool, group, topic, keys: Arc::default() }
    }

    /// Whether a record must go through [`Parking::admit`] before it is handled.
    /// Asked when its key's turn comes, not before: the event ahead of it may have
    /// parked the key, or un-parked it.
    pub(crate) fn concerns(&self, record: &RawRecord) -> bool {
        self.keys().get(&record.partition).is_some_and(|keys| keys.contains(&record.key))
            || Mark::of(&record.headers).is_some()
    }

    /// Decides about a record that [`Parking::concerns`] named; parks it if it follows.
    pub(crate) async fn admit(&self, record: &RawRecord) -> Result<Admission, ParkingError> {
        match Mark::of(&record.headers) {
            Some(mark) if mark.group != self.group => Ok(Admission::Finish),
            Some(mark) if mark.replay > 0 => self.admit_replay(record, mark).await,
            Some(_) | None => self.admit_follower(record).await,
        }
    }

    async fn admit_replay(
        &self,
        record: &RawRecord,
        mark: Mark,
    ) -> Result<Admission, ParkingError> {
        let is_next: Option<bool> = sqlx::query_scalar(
            r#"with next_in_line as (
                 select letter_id from parked_letters
                 where "group" = $1 and topic = $2 and key = $3 order by "offset" limit 1),
               back as (
                 update parked_letters p set came_back = greatest(p.came_back, $5)
                 from next_in_line n where p.letter_id = $4 and n.letter_id <> $4)
               select letter_id = $4 from next_in_line"#,
        )
        .bind(self.group)
        .bind(self.topic.name())
        .bind(&record.key)
        .bind(mark.letter_id.as_uuid())
        .bind(mark.replay)
        .fetch_optional(&self.pool)
        .await?;
        if is_next == Some(true) { Ok(Admission::Replay(mark)) } else { Ok(Admission::Finish) }
    }

    async fn admit_follower(&self, record: &RawRecord) -> Result<Admission, ParkingError> {
        let letter = dead_letters::letter(
            self.group,
            self.topic,
            record,
            DeadLetterClass::Parked,
            "follows an earlier dead letter of its key".to_owned(),
            0,
        );
        // A letter that is there already (its record came again) is published as it
        // stands: the first one of a key keeps its own reason.
        let parked: Option<Vec<u8>> = sqlx::query_scalar(
            r#"insert into parked_letters
                 (letter_id, "group", topic, key, partition, "offset", letter)
               select $1, $2, $3, $4, $5, $6, $7
               where exists (select from parked_letters
                             where "group" = $2 and topic = $3 and key = $4)
               on conflict (letter_id) do update set letter_id = excluded.letter_id
               returning letter"#,
        )
        .bind(letter.meta.event_id.as_uuid())
        .bind(self.group)
        .bind(self.topic.name())
        .bind(&letter.key)
        .bind(letter.partition)
        .bind(letter.offset)
        .bind(letter.encode().as_ref())
        .fetch_optional(&self.pool)
        .await?;
        let Some(parked) = parked else {
            self.forget_key(record.partition, &record.key);
            return Ok(Admission::Handle);
        };
        let letter = DeadLetter::decode(&parked).unwrap_or(letter);
        Ok(Admission::Follow(Box::new(letter)))
    }

    /// Parks the key of a letter. Before the letter is published and the offset
    /// finished: a crash between them parks and publishes again, while any other
    /// order could let the next event of the key overtake.
    pub(crate) async fn park(&self, letter: &DeadLetter) -> Result<(), ParkingError> {
        sqlx::query(
            r#"insert into parked_letters
                 (letter_id, "group", topic, key, partition, "offset", letter)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (letter_id) do nothing"#,
        )
        .bind(letter.meta.event_id.as_uuid())
        .bind(self.group)
        .bind(self.topic.name())
        .bind(&letter.key)
        .bind(letter.partition)
        .bind(letter.offset)
        .bind(letter.encode().as_ref())
        .execute(&self.pool)
        .await?;
        self.keys().entry(letter.partition).or_default().insert(letter.key.clone());
        Ok(())
    }

    /// A replay was handled: its letter is done with, and the key is un-parked if it
    /// was the last.
    pub(crate) async fn passed(&self, mark: &Mark, record: &RawRecord) -> Result<(), ParkingError> {
        let left: bool = sqlx::query_scalar(
            r#"with gone as (delete from parked_letters where letter_id = $1),
                    noted as (insert into dead_letter_actions (letter_id, action)
                              values ($1, 'replayed') on conflict (letter_id) do nothing)
               select exists (select from parked_letters
                              where "group" = $2 and topic = $3 and key = $4 and letter_id <> $1)"#,
        )
        .bind(mark.letter_id.as_uuid())
        .bind(self.group)
        .bind(self.topic.name())
        .bind(&record.key)
        .fetch_one(&self.pool)
        .await?;
        if !left {
            self.forget_key(record.partition, &record.key);
        }
        Ok(())
    }

    /// A replay failed again: its letter stays first in line, with the new reason.
    pub(crate) async fn came_back(
        &self,
        mark: &Mark,
        class: DeadLetterClass,
        error: &str,
        attempts: u32,
    ) -> Result<(), ParkingError> {
        let Some(bytes) = stored_letter(&self.pool, mark).await? else {
            return Ok(());
        };
        // What this process wrote decodes; anything else stays as it is.
        let bytes = match DeadLetter::decode(&bytes) {
            Ok(letter) => {
                DeadLetter { class, error: error.to_owned(), attempts, ..letter }.encode()
            }
            Err(_) => bytes,
        };
        sqlx::query(
            "update parked_letters set came_back = greatest(came_back, $2), letter = $3
             where letter_id = $1",
        )
        .bind(mark.letter_id.as_uuid())
        .bind(mark.replay)
        .bind(bytes.as_ref())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Reads the parked keys of partitions just gained.
    async fn load(&self, partitions: &[i32]) -> Result<(), ParkingError> {
        let rows: Vec<(i32, String)> = sqlx::query_as(
            r#"select distinct partition, key from parked_letters
               where "group" = $1 and topic = $2 and partition = any($3)"#,
        )
        .bind(self.group)
        .bind(self.topic.name())
        .bind(partitions)
        .fetch_all(&self.pool)
        .await?;
        let mut keys = self.keys();
        for partition in partitions {
            keys.insert(*partition, HashSet::new());
        }
        for (partition, key) in rows {
            keys.entry(partition).or_default().insert(key);
        }
        Ok(())
    }

    fn forget(&self, partitions: &[i32]) {
        let mut keys = self.keys();
        for partition in partitions {
            keys.remove(partition);
        }
    }

    fn forget_key(&self, partition: i32, key: &str) {
        if let Some(keys) = self.keys().get_mut(&partition) {
            keys.remove(key);
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<i32, HashSet<String>>> {
        // Nothing panics while the lock is held, and a set is whole at any time.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn stored_letter(
    executor: impl PgExecutor<'_>,
    mark: &Mark,
) -> Result<Option<Bytes>, sqlx::Error> {
    let bytes: Option<Vec<u8>> =
        sqlx::query_scalar("select letter from parked_letters where letter_id = $1")
            .bind(mark.letter_id.as_uuid())
            .fetch_optional(executor)
            .await?;
    Ok(bytes.map(Bytes::from))
}

/// Whether a record is a replay meant for another group of its topic. The runner
/// finishes such a record without handling it, parking or not.
pub(crate) fn is_for_another_group(headers: &Headers, group: &str) -> bool {
    Mark::of(headers).is_some_and(|mark| mark.group != group)
}
