//! The parked keys of one group on one topic, in `parked_letters` and in memory.
//!
//! A key is parked exactly while the table has a row of it. Looking there for every
//! event would cost a round trip each, so a member keeps the parked keys of its
//! partitions in memory. That is enough, with several replicas too:
//!
//! - Only the owner of a partition parks its keys, and its memory changes with the
//!   table. The first record of a partition just gained waits until the table was
//!   read. A member that lost the partition may still park a late letter; its commit
//!   is refused, so the new owner handles that event too: the letter is then a
//!   duplicate, shown until somebody replays it, and nothing is lost or overtaken.
//! - Memory that says *parked* too long (somebody dropped the letters) corrects
//!   itself: before an event follows, the table is asked.
//! - Replayed events come through the log itself, marked. One passes only as the
//!   next in line, and its row goes once it is handled; the last one un-parks the key.
//!   No clock and no message between processes takes part.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::{DeadLetter, Event as _, Topic};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::PgPool;

use crate::handler::Failure;
use crate::parking::{Admission, Parked, Parking};
use crate::postgres::storable;
use crate::record::Received;
use crate::replay::Mark;

/// What is known of a partition's keys.
#[derive(Debug)]
enum Known {
    /// Not read yet. The number tells this gain of the partition from another, so
    /// that an answer to an older question is dropped.
    Nothing(u64),
    Keys(HashSet<String>),
}

#[derive(Debug, Default)]
struct Memory {
    partitions: HashMap<i32, Known>,
    questions: u64,
}

impl Memory {
    fn ask(&mut self, partition: i32) {
        self.questions += 1;
        self.partitions.insert(partition, Known::Nothing(self.questions));
    }
}

#[derive(Debug)]
pub(crate) struct ParkedKeys {
    pool: PgPool,
    group: &'static str,
    topic: Topic,
    memory: Mutex<Memory>,
}

impl Parking for ParkedKeys {
    fn assigned(&self, partitions: &[i32]) {
        let mut memory = self.memory();
        for partition in partitions {
            memory.ask(*partition);
        }
    }

    fn revoked(&self, partitions: &[i32]) {
        let mut memory = self.memory();
        for partition in partitions {
            memory.partitions.remove(partition);
        }
    }

    fn concerns(&self, received: &Received) -> bool {
        match self.memory().partitions.get(&received.partition) {
            Some(Known::Keys(keys)) => {
                keys.contains(&storable(&received.key)) || Mark::of(&received.headers).is_some()
            }
            Some(Known::Nothing(_)) | None => true,
        }
    }

    fn admit<'a>(&'a self, received: &'a Received) -> BoxFuture<'a, Result<Admission, Failure>> {
        async { self.decide(received).await.map_err(unavailable) }.boxed()
    }

    fn handled<'a>(&'a self, received: &'a Received) -> BoxFuture<'a, Result<(), Failure>> {
        async {
            match Mark::in_line(received, self.group) {
                Some(mark) => self.passed(&mark, received).await.map_err(unavailable),
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn park<'a>(
        &'a self,
        received: &'a Received,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<Parked, Failure>> {
        async {
            let parked = match Mark::in_line(received, self.group) {
                Some(mark) => self.came_back(&mark, letter).await,
                None => self.add(letter).await,
            };
            parked.map_err(unavailable)
        }
        .boxed()
    }
}

/// Once a key is parked, the table is on its events' way: without it nothing may go on.
fn unavailable(error: sqlx::Error) -> Failure {
    Failure::Unavailable(anyhow::Error::new(error).context("parked letters are out of reach"))
}

impl ParkedKeys {
    pub(crate) fn new(pool: PgPool, group: &'static str, topic: Topic) -> Self {
        Self { pool, group, topic, memory: Mutex::default() }
    }

    async fn decide(&self, received: &Received) -> Result<Admission, sqlx::Error> {
        match Mark::of(&received.headers) {
            Some(mark) if mark.group != self.group => return Ok(Admission::Skip),
            Some(mark) if mark.replay > 0 => return self.decide_replay(received, &mark).await,
            Some(_) | None => {}
        }
        if !self.is_known_parked(received).await? {
            return Ok(Admission::Handle);
        }
        let is_parked: bool = sqlx::query_scalar(
            r#"select exists (select from parked_letters
                              where "group" = $1 and topic = $2 and key = $3)"#,
        )
        .bind(self.group)
        .bind(self.topic.name())
        .bind(storable(&received.key))
        .fetch_one(&self.pool)
        .await?;
        if is_parked {
            return Ok(Admission::Follow);
        }
        self.forget(received);
        Ok(Admission::Handle)
    }

    /// What memory says, after reading the partition's keys if they are not known.
    async fn is_known_parked(&self, received: &Received) -> Result<bool, sqlx::Error> {
        let partition = received.partition;
        let question = match self.memory().partitions.get(&partition) {
            Some(Known::Keys(keys)) => return Ok(keys.contains(&storable(&received.key))),
            Some(Known::Nothing(question)) => Some(*question),
            // Lost meanwhile: whatever is said here, the result will be dropped.
            None => None,
        };
        let keys: Vec<String> = sqlx::query_scalar(
            r#"select distinct key from parked_letters
               where "group" = $1 and topic = $2 and partition = $3"#,
        )
        .bind(self.group)
        .bind(self.topic.name())
        .bind(partition)
        .fetch_all(&self.pool)
        .await?;
        let keys: HashSet<String> = keys.into_iter().collect();
        let is_parked = keys.contains(&storable(&received.key));
        let mut memory = self.memory();
        if let Some(known) = memory.partitions.get_mut(&partition)
            && matches!(known, Known::Nothing(open) if Some(*open) == question)
        {
            *known = Known::Keys(keys);
        }
        Ok(is_parked)
    }

    /// Lets a replay pass if its letter is the next in line; notes otherwise that it
    /// came and went.
    async fn decide_replay(
        &self,
        received: &Received,
        mark: &Mark,
    ) -> Result<Admission, sqlx::Error> {
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
        .bind(storable(&received.key))
        .bind(mark.letter_id.as_uuid())
        .bind(mark.replay)
        .fetch_optional(&self.pool)
        .await?;
        Ok(if is_next == Some(true) { Admission::Handle } else { Admission::Skip })
    }

    /// A replay was handled: its letter is done with.
    async fn passed(&self, mark: &Mark, received: &Received) -> Result<(), sqlx::Error> {
        let is_parked: bool = sqlx::query_scalar(
            r#"with gone as (delete from parked_letters where letter_id = $1),
                    noted as (insert into dead_letter_actions (letter_id, action)
                              values ($1, 'replayed') on conflict (letter_id) do nothing)
               select exists (select from parked_letters where "group" = $2 and topic = $3
                              and key = $4 and letter_id <> $1)"#,
        )
        .bind(mark.letter_id.as_uuid())
        .bind(self.group)
        .bind(self.topic.name())
        .bind(storable(&received.key))
        .fetch_one(&self.pool)
        .await?;
        if !is_parked {
            self.forget(received);
        }
        Ok(())
    }

    /// A replay failed again: its letter keeps its place, with the new reason.
    async fn came_back(&self, mark: &Mark, letter: &DeadLetter) -> Result<Parked, sqlx::Error> {
        let stored: Option<Vec<u8>> =
            sqlx::query_scalar("select letter from parked_letters where letter_id = $1")
                .bind(mark.letter_id.as_uuid())
                .fetch_optional(&self.pool)
                .await?;
        let Some(stored) = stored else {
            // Dropped while it was being handled.
            return Ok(Parked::Again);
        };
        let updated = DeadLetter::decode(&stored).map(|old| DeadLetter {
            class: letter.class,
            error: letter.error.clone(),
            attempts: letter.attempts,
            ..old
        });
        let bytes = updated.map(|letter| letter.encode().to_vec()).unwrap_or(stored);
        sqlx::query(
            "update parked_letters set came_back = greatest(came_back, $2), letter = $3
             where letter_id = $1",
        )
        .bind(mark.letter_id.as_uuid())
        .bind(mark.replay)
        .bind(bytes)
        .execute(&self.pool)
        .await?;
        Ok(Parked::Again)
    }

    async fn add(&self, letter: &DeadLetter) -> Result<Parked, sqlx::Error> {
        sqlx::query(
            r#"insert into parked_letters
                 (letter_id, "group", topic, key, partition, "offset", letter)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (letter_id) do nothing"#,
        )
        .bind(letter.meta.event_id.as_uuid())
        .bind(self.group)
        .bind(self.topic.name())
        .bind(storable(&letter.key))
        .bind(letter.partition)
        .bind(letter.offset)
        .bind(letter.encode().to_vec())
        .execute(&self.pool)
        .await?;
        let mut memory = self.memory();
        match memory.partitions.get_mut(&letter.partition) {
            Some(Known::Keys(keys)) => {
                keys.insert(storable(&letter.key));
            }
            // An answer that is on its way may be from before this row.
            Some(Known::Nothing(_)) => memory.ask(letter.partition),
            None => {}
        }
        Ok(Parked::New)
    }

    fn forget(&self, received: &Received) {
        if let Some(Known::Keys(keys)) = self.memory().partitions.get_mut(&received.partition) {
            keys.remove(&storable(&received.key));
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics while it is held, and the memory is whole at any time.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
