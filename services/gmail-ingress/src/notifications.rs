//! Notifications in the log: each one has the mailbox read as far as it says.

use std::sync::Arc;

use bus::{Failure, Handler, Outcome, Received};
use chassis::clock;
use chrono::TimeDelta;
use contract::{EmailBody, EmailInbound};

use crate::sync::{Ended, Sync};

/// How soon it is looked at again, while somebody else reads or Gmail lags behind.
const SOON: TimeDelta = TimeDelta::seconds(1);

/// Gmail may show a change seconds after it told of it. What it shows later the poll finds.
const LAG: TimeDelta = TimeDelta::seconds(20);

/// Handles notifications of our mailbox, and nothing else of the topic.
pub struct Notifications {
    sync: Arc<Sync>,
}

impl Notifications {
    pub fn new(sync: Arc<Sync>) -> Self {
        Self { sync }
    }
}

impl Handler for Notifications {
    type Event = EmailInbound;

    async fn handle(&self, event: EmailInbound, _: &Received) -> Result<Outcome, Failure> {
        let EmailBody::Notification(notification) = event.body else { return Ok(Outcome::Done) };
        if notification.mailbox != self.sync.mailbox {
            return Ok(Outcome::Done);
        }
        let now = clock::now();
        match self.sync.run(Some(notification.history_id)).await? {
            Ended::Busy => Ok(Outcome::DeferUntil(now + SOON)),
            Ended::At(cursor)
                if cursor < notification.history_id && now < event.meta.event_time + LAG =>
            {
                Ok(Outcome::DeferUntil(now + SOON))
            }
            // A mail that failed is tried again by the poll.
            Ended::At(_) | Ended::Held => Ok(Outcome::Done),
        }
    }
}
