//! Replays dead letters: publishes them again, marked, and for parked ones watches
//! them pass.
//!
//! A letter that nothing waits behind is published once and is done with; if it
//! fails again it becomes a new letter. Parked letters go by lines (group, topic,
//! key): the line is published in order, the consumer lets each pass as the next in
//! line, and what arrived meanwhile has joined the line's end, so the replay goes
//! round until the line is empty. A letter that fails again stops its line, with
//! everything behind it still in order.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contract::{DeadLetter, EventId, Topic};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::MissedTickBehavior;

use crate::dead_letters::{DeadLetterError, DeadLetters, Letter, LetterFilter, LetterState};
use crate::record::{EVENT_ID_HEADER, Record};

mod line;
mod mark;

pub(crate) use mark::{Mark, REPLAY_HEADER, is_for_another_group};

use line::Line;

/// Lines replayed at once; each waits for its consumer most of the time.
const LINES: usize = 32;

/// Open letters are published in so many portions a second, or one by one: at once they would stand in
/// the log before everybody who writes meanwhile.
const PORTIONS_PER_SECOND: u32 = 10;

/// How to replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplaySettings {
    /// Only counts what would be replayed.
    pub dry_run: bool,
    /// How long a line may stand still before the replay gives it up: longer than a
    /// consumer's retries of one event.
    pub patience: Duration,
    /// Letters that nothing waits behind are published at this rate: well below what the
    /// pipeline handles, so that others hardly notice.
    pub per_second: u32,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self { dry_run: false, patience: Duration::from_secs(120), per_second: 50 }
    }
}

/// What a replay has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Letters that matched at the start, with all of the lines that they stand in.
    pub found: usize,
    /// Lines among them that later events wait behind.
    pub lines: usize,
    pub published: usize,
    /// Parked letters that were handled; an open one counts as published only.
    pub handled: usize,
    /// Letters that failed again, each at the head of its line.
    pub came_back: Vec<(EventId, String)>,
    /// Lines that nobody read in time: is the consumer running?
    pub unread: usize,
}

impl DeadLetters {
    /// Replays what matches. A parked letter takes its whole line with it: nothing of
    /// a line can pass before its head. `progress` hears of every step.
    pub async fn replay(
        &self,
        filter: &LetterFilter,
        settings: ReplaySettings,
        progress: impl Fn(&ReplayReport) + Sync,
    ) -> Result<ReplayReport, DeadLetterError> {
        let filter = LetterFilter { with_dealt_with: false, ..filter.clone() };
        let (parked, open): (Vec<Letter>, Vec<Letter>) = self
            .list(&filter)
            .await?
            .into_iter()
            .partition(|letter| matches!(letter.state, LetterState::Parked { .. }));
        let lines: BTreeSet<Line> = parked.iter().map(|letter| Line::of(&letter.letter)).collect();
        let mut found = open.len();
        for line in &lines {
            found += self.line_length(line).await?;
        }
        let report = ReplayReport { found, lines: lines.len(), ..ReplayReport::default() };
        let counter = Counter { report: Mutex::new(report), progress: &progress };
        counter.add(|_| {});
        if !settings.dry_run {
            self.replay_open(&open, settings.per_second, &counter).await?;
            futures::stream::iter(lines)
                .map(|line| self.replay_line(line, settings.patience, &counter))
                .buffer_unordered(LINES)
                .try_collect::<()>()
                .await?;
        }
        Ok(counter.report.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes, then notes: a crash between the two publishes a letter again, whose
    /// effect happens once all the same.
    async fn replay_open<P: Fn(&ReplayReport)>(
        &self,
        letters: &[Letter],
        per_second: u32,
        counter: &Counter<'_, P>,
    ) -> Result<(), DeadLetterError> {
        let (portion, pause) = pace(per_second);
        let mut due = tokio::time::interval(pause);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for chunk in letters.chunks(portion) {
            due.tick().await;
            // What no topic takes back stays open: it can be read and dropped.
            let record = |letter: &Letter| Some((letter.id(), record_of(&letter.letter, 0)?));
            let (ids, records): (Vec<EventId>, Vec<Record>) =
                chunk.iter().filter_map(record).unzip();
            self.bus.publisher().publish_all(records).await?;
            let ids: Vec<_> = ids.into_iter().map(EventId::as_uuid).collect();
            self.note(&ids, "replayed").await?;
            counter.add(|report| report.published += ids.len());
        }
        Ok(())
    }
}

/// Letters in one portion, and the time from one to the next.
fn pace(per_second: u32) -> (usize, Duration) {
    let per_second = per_second.max(1);
    let portion = (per_second / PORTIONS_PER_SECOND).max(1);
    (usize::try_from(portion).unwrap_or(1), Duration::from_secs(1) * portion / per_second)
}

/// The report, shared by the lines that run side by side.
pub(crate) struct Counter<'a, P> {
    report: Mutex<ReplayReport>,
    progress: &'a P,
}

impl<P: Fn(&ReplayReport)> Counter<'_, P> {
    fn add(&self, change: impl FnOnce(&mut ReplayReport)) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut report);
        (self.progress)(&report);
    }
}

/// The record that a letter was, with a mark; `None` for a topic that is gone.
fn record_of(letter: &DeadLetter, replay: i32) -> Option<Record> {
    let topic: Topic = letter.topic.parse().ok()?;
    let mut headers: crate::record::Headers = letter.headers.iter().cloned().collect();
    let event_id = headers.get_str(EVENT_ID_HEADER).and_then(|id| id.parse().ok());
    let letter_id = letter.meta.event_id;
    let mark = Mark { group: letter.group.clone(), letter_id, replay };
    headers.insert(REPLAY_HEADER, mark.to_string());
    Some(Record {
        topic,
        key: letter.key.clone(),
        event_id: event_id.unwrap_or(EventId::from(letter.meta.cause_id)),
        headers,
        payload: letter.payload.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_in_ten_portions_a_second_or_one_by_one() {
        let ms = Duration::from_millis;
        let paces = [(50, 5, ms(100)), (1_000, 100, ms(100)), (4, 1, ms(250)), (0, 1, ms(1_000))];

        for (per_second, letters, pause) in paces {
            assert_eq!(pace(per_second), (letters, pause), "{per_second} a second");
        }
    }
}
