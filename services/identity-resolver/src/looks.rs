//! How long a batch waits for a conversation that moves on, or that somebody else holds.

use std::time::Duration;

use bus::{Failure, Record};
use store::outbox::OutboxPublisher;
use tokio::time::{Instant, sleep};

use crate::resolver::NotYet;

/// Between two looks, doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Of a batch: then its messages are tried one by one, so that nobody waits for a
/// conversation that is not theirs.
const TOGETHER: Duration = Duration::from_millis(250);

/// Of a single message.
const ALONE: Duration = Duration::from_secs(10);

/// The looks that one batch may take.
pub(crate) struct Looks {
    until: Instant,
    pause: Duration,
}

impl Looks {
    pub(crate) fn of(messages: usize) -> Self {
        let patience = if messages > 1 { TOGETHER } else { ALONE };
        Self { until: Instant::now() + patience, pause: SHORTEST_PAUSE }
    }

    /// Waits until the next look; before that it publishes what is committed, which is of
    /// others. An error when there were enough.
    pub(crate) async fn next(
        &mut self,
        outbox: &OutboxPublisher,
        committed: &mut Vec<Record>,
    ) -> Result<(), Failure> {
        outbox.publish(std::mem::take(committed)).await?;
        if Instant::now() >= self.until {
            return Err(NotYet::Moving.into());
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
