//! Ticket refs from blocks held in memory, taken from the database ahead of need.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contract::TicketRef;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Error, refs};

/// A block at rest where many ask, and under the highest demand.
const SMALLEST_BLOCK: u32 = 256;
const LARGEST_BLOCK: u32 = 16_384;

/// Half a block used up faster than this doubles the next; slower than the
/// second, the next is halved.
const FAST: TimeDelta = TimeDelta::seconds(2);
const SLOW: TimeDelta = TimeDelta::seconds(60);

/// How long before midnight the next day's first block is taken: an outage of
/// the database shorter than this is not noticed at midnight.
const BEFORE_MIDNIGHT: TimeDelta = TimeDelta::minutes(30);

/// How often the day is looked at when nobody asks for refs.
const LOOK: Duration = Duration::from_secs(5);

/// Pause after a failed refill.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// How long the start waits for the first block. Without a database the service is
/// there all the same: pages and a 503 that asks to try again are better than nothing.
const LONGEST_START: Duration = Duration::from_secs(2);

/// How long a request waits for a refill that is under way.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Unused refs of today and tomorrow.
pub struct TicketRefs {
    smallest_block: u32,
    stock: Mutex<Stock>,
    /// Wakes the refiller.
    wanted: Notify,
    /// Wakes who waits for a refill, done or failed.
    refilled: Notify,
}

#[derive(Default)]
struct Stock {
    days: Vec<Day>,
    /// Doublings of the smallest block.
    doublings: u32,
    refilled_at: Option<DateTime<Utc>>,
    is_failing: bool,
}

struct Day {
    date: NaiveDate,
    blocks: VecDeque<Range<u32>>,
}

impl Default for TicketRefs {
    fn default() -> Self {
        Self::starting_with(SMALLEST_BLOCK)
    }
}

impl Stock {
    fn block_size(&self, smallest: u32) -> u32 {
        (smallest << self.doublings).min(LARGEST_BLOCK)
    }

    fn left(&self, date: NaiveDate) -> usize {
        let day = self.days.iter().find(|day| day.date == date);
        day.map_or(0, |day| day.blocks.iter().map(ExactSizeIterator::len).sum())
    }

    fn take(&mut self, date: NaiveDate) -> Option<TicketRef> {
        let day = self.days.iter_mut().find(|day| day.date == date)?;
        while let Some(block) = day.blocks.front_mut() {
            if let Some(number) = block.next() {
                return TicketRef::numbered(date, number);
            }
            day.blocks.pop_front();
        }
        None
    }

    fn add(&mut self, date: NaiveDate, block: Range<u32>) {
        match self.days.iter_mut().find(|day| day.date == date) {
            Some(day) => day.blocks.push_back(block),
            None => self.days.push(Day { date, blocks: VecDeque::from([block]) }),
        }
    }

    fn adapt(&mut self, now: DateTime<Utc>, smallest: u32) {
        let since = self.refilled_at.map_or(TimeDelta::MAX, |before| now - before);
        if since < FAST && self.block_size(smallest) < LARGEST_BLOCK {
            self.doublings += 1;
        } else if since > SLOW {
            self.doublings = self.doublings.saturating_sub(1);
        }
        self.refilled_at = Some(now);
    }
}

impl TicketRefs {
    /// Blocks of this size at rest: who asks for few refs wastes few at midnight.
    pub fn starting_with(smallest_block: u32) -> Self {
        Self {
            smallest_block,
            stock: Mutex::default(),
            wanted: Notify::new(),
            refilled: Notify::new(),
        }
    }

    /// The next ref of the day. Waits a moment for a refill that is under way;
    /// `None` when the database gives no block.
    pub async fn next(&self, now: DateTime<Utc>) -> Option<TicketRef> {
        let date = now.date_naive();
        let deadline = tokio::time::Instant::now() + LONGEST_WAIT;
        loop {
            // Before the look, or a refill right after it would be missed.
            let refilled = self.refilled.notified();
            let is_failing = {
                let mut stock = self.stock();
                let taken = stock.take(date);
                // From half of what a refill leaves, the next one is due.
                if stock.left(date) < stock.block_size(self.smallest_block) as usize {
                    self.wanted.notify_one();
                }
                if taken.is_some() {
                    return taken;
                }
                stock.is_failing
            };
            if is_failing || tokio::time::timeout_at(deadline, refilled).await.is_err() {
                return None;
            }
        }
    }

    /// Waits for the first block, or until the database has had its time to give one.
    pub async fn first_block(&self) {
        let deadline = tokio::time::Instant::now() + LONGEST_START;
        loop {
            // Before the look, or a refill right after it would be missed.
            let refilled = self.refilled.notified();
            let has_block = !self.stock().days.is_empty();
            if has_block || tokio::time::timeout_at(deadline, refilled).await.is_err() {
                return;
            }
        }
    }

    /// Tops up today, and shortly before midnight tomorrow.
    pub async fn refill(&self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), Error> {
        let today = now.date_naive();
        self.stock().days.retain(|day| day.date >= today);
        let result = self.top_up(pool, now).await;
        let is_empty = self.stock().left(today) == 0;
        self.stock().is_failing = result.is_err() || is_empty;
        self.refilled.notify_waiters();
        result
    }

    async fn top_up(&self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), Error> {
        let (today, soon) = (now.date_naive(), (now + BEFORE_MIDNIGHT).date_naive());
        let dates = [Some(today), (soon != today).then_some(soon)];
        for date in dates.into_iter().flatten() {
            let size = {
                let mut stock = self.stock();
                if stock.left(date) >= stock.block_size(self.smallest_block) as usize {
                    continue;
                }
                if date == today {
                    stock.adapt(now, self.smallest_block);
                }
                stock.block_size(self.smallest_block)
            };
            match refs::take_block(pool, date, size).await? {
                Some(block) => self.stock().add(date, block),
                None => warn!(day = %date, "the day has no ticket numbers left"),
            }
        }
        Ok(())
    }

    /// Refills whenever it is needed, until shutdown.
    pub async fn run(
        &self,
        pool: &PgPool,
        clock: impl Fn() -> DateTime<Utc>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut was_failing = false;
        while !shutdown.is_cancelled() {
            let result = self.refill(pool, clock()).await;
            let is_failing = result.is_err();
            // An outage is two lines, however long it lasts.
            match result.map_err(anyhow::Error::from) {
                Err(error) if !was_failing => {
                    warn!(
                        error.cause_chain = format!("{error:#}"),
                        "no ticket numbers from the database"
                    );
                }
                Ok(()) if was_failing => info!("ticket numbers come from the database again"),
                _ => {}
            }
            was_failing = is_failing;
            let pause = if was_failing { PAUSE_AFTER_FAILURE } else { Duration::ZERO };
            tokio::select! {
                () = async {
                    tokio::time::sleep(pause).await;
                    let _ = tokio::time::timeout(LOOK, self.wanted.notified()).await;
                } => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Held for a few instructions, never over an await.
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
