//! The line of one parked key: publish it, watch it pass, go round until it is empty.

use std::time::Duration;

use contract::{DeadLetter, Event as _, EventId};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::dead_letters::{DeadLetterError, DeadLetters};
use crate::record::Record;
use crate::replay::{Counter, ReplayReport, record_of};

/// How often to look whether letters passed. A consumer takes a few milliseconds.
const POLL: Duration = Duration::from_millis(50);

/// Letters that travel at once; the head of the line first.
const LETTERS: i64 = 100;

/// What later events of one key wait behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    group: String,
    topic: String,
    key: String,
}

impl Line {
    pub(crate) fn of(letter: &DeadLetter) -> Self {
        Self { group: letter.group.clone(), topic: letter.topic.clone(), key: letter.key.clone() }
    }
}

/// A letter that is on its way again.
#[derive(Debug, sqlx::FromRow)]
struct Travelling {
    letter_id: Uuid,
    letter: Vec<u8>,
    replays: i32,
}

/// How a round ended.
enum Round {
    /// All passed.
    Passed,
    /// Something failed again; this is the head now.
    CameBack(EventId, String),
    /// Nothing moved for too long.
    Unread,
}

impl DeadLetters {
    pub(crate) async fn line_length(&self, line: &Line) -> Result<usize, sqlx::Error> {
        let length: i64 = sqlx::query_scalar(
            r#"select count(*) from parked_letters
               where "group" = $1 and topic = $2 and key = $3"#,
        )
        .bind(&line.group)
        .bind(&line.topic)
        .bind(&line.key)
        .fetch_one(&self.pool)
        .await?;
        Ok(usize::try_from(length).unwrap_or(0))
    }

    pub(crate) async fn replay_line<P: Fn(&ReplayReport)>(
        &self,
        line: Line,
        patience: Duration,
        counter: &Counter<'_, P>,
    ) -> Result<(), DeadLetterError> {
        loop {
            let letters = self.send_off(&line).await?;
            if letters.is_empty() {
                // The consumer un-parked the key in the transaction that found nothing left.
                return Ok(());
            }
            let records: Vec<Record> = letters
                .iter()
                .filter_map(|row| record_of(&DeadLetter::decode(&row.letter).ok()?, row.replays))
                .collect();
            let published = records.len();
            self.bus.publisher().publish_all(records).await?;
            counter.add(|report| report.published += published);
            match self.watch(&line, &letters, patience, counter).await? {
                Round::Passed => {}
                Round::CameBack(id, error) => {
                    counter.add(|report| report.came_back.push((id, error)));
                    return Ok(());
                }
                Round::Unread => {
                    counter.add(|report| report.unread += 1);
                    return Ok(());
                }
            }
        }
    }

    /// Numbers this replay of the head of the line, so that what comes back from an
    /// older one is not taken for an answer to this one.
    async fn send_off(&self, line: &Line) -> Result<Vec<Travelling>, sqlx::Error> {
        sqlx::query_as(
            r#"with head as (
                 select letter_id from parked_letters
                 where "group" = $1 and topic = $2 and key = $3
                 order by "offset" limit $4),
               sent as (
                 update parked_letters p set replays = p.replays + 1
                 from head where p.letter_id = head.letter_id
                 returning p.letter_id, p.letter, p.replays, p."offset")
               select letter_id, letter, replays from sent order by "offset""#,
        )
        .bind(&line.group)
        .bind(&line.topic)
        .bind(&line.key)
        .bind(LETTERS)
        .fetch_all(&self.pool)
        .await
    }

    /// Waits until each letter has passed or come back.
    async fn watch<P: Fn(&ReplayReport)>(
        &self,
        line: &Line,
        letters: &[Travelling],
        patience: Duration,
        counter: &Counter<'_, P>,
    ) -> Result<Round, DeadLetterError> {
        let mut left = letters.len();
        let mut moved_at = Instant::now();
        loop {
            let (still_there, came_back) = self.progress(letters).await?;
            if still_there < left {
                let handled = left - still_there;
                counter.add(|report| report.handled += handled);
                left = still_there;
                moved_at = Instant::now();
            }
            if left == 0 {
                return Ok(Round::Passed);
            }
            if came_back == left {
                return self.head(line).await;
            }
            if moved_at.elapsed() > patience {
                return Ok(Round::Unread);
            }
            sleep(POLL).await;
        }
    }

    /// How many of the letters still stand there, and how many of those have come back.
    async fn progress(&self, letters: &[Travelling]) -> Result<(usize, usize), sqlx::Error> {
        let (ids, replays): (Vec<Uuid>, Vec<i32>) =
            letters.iter().map(|row| (row.letter_id, row.replays)).unzip();
        let (there, back): (i64, i64) = sqlx::query_as(
            "select count(*), count(*) filter (where p.came_back >= r.replays)
             from parked_letters p
             join unnest($1::uuid[], $2::integer[]) as r(letter_id, replays) using (letter_id)",
        )
        .bind(ids)
        .bind(replays)
        .fetch_one(&self.pool)
        .await?;
        Ok((usize::try_from(there).unwrap_or(0), usize::try_from(back).unwrap_or(0)))
    }

    /// What stands first in the line: the letter that failed again.
    async fn head(&self, line: &Line) -> Result<Round, DeadLetterError> {
        let head: Option<Vec<u8>> = sqlx::query_scalar(
            r#"select letter from parked_letters
               where "group" = $1 and topic = $2 and key = $3 order by "offset" limit 1"#,
        )
        .bind(&line.group)
        .bind(&line.topic)
        .bind(&line.key)
        .fetch_optional(&self.pool)
        .await?;
        let letter = head.and_then(|bytes| DeadLetter::decode(&bytes).ok());
        // Dropped between two looks: then the line is as good as passed.
        Ok(letter
            .map_or(Round::Passed, |letter| Round::CameBack(letter.meta.event_id, letter.error)))
    }
}
