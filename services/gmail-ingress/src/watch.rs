//! Keeps Gmail telling Pub/Sub about the mailbox: its watch ends within seven days, and
//! nobody is told when it does.

use std::sync::Arc;
use std::time::Duration;

use store::jobs::{self, Schedule};
use store::mailboxes;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::sync::{Ended, Sync, SyncError};

/// One replica renews at a time; a failed renewal comes again with the next hour.
const SCHEDULE: Schedule = Schedule {
    name: "gmail-watch",
    every: Duration::from_secs(3600),
    lease: Duration::from_secs(60),
};

/// How often each replica looks how long the watch lasts.
const LOOK: Duration = Duration::from_secs(300);

/// Daily, a little earlier or later each time, so that many deployments do not ask at once.
const DAY_S: i64 = 24 * 3600;
const JITTER_S: i64 = 2 * 3600;

/// Below this somebody should know.
const SHORT_S: i64 = 48 * 3600;

/// Failures are kept as long as anybody may ask, and longer than any reading lists them.
const KEEP_FAILURES: Duration = Duration::from_secs(90 * 24 * 3600);

/// The standing order at Gmail.
pub struct Watch {
    sync: Arc<Sync>,
    topic: String,
}

impl Watch {
    /// `topic` is Pub/Sub's, as `projects/<project>/topics/<topic>`.
    pub fn new(sync: Arc<Sync>, topic: String) -> Self {
        Self { sync, topic }
    }

    /// Renews it at once, then daily, until shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        if let Some(Err(error)) = shutdown.run_until_cancelled(self.renew()).await {
            failed(&error);
        }
        while !shutdown.is_cancelled() {
            if let Err(error) = self.look(&shutdown).await {
                warn!(error = %error, "how long the watch lasts is not known");
            }
            let _ended = shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await;
        }
        Ok(())
    }

    /// Renews it if it is time, and says how long it lasts.
    async fn look(&self, shutdown: &CancellationToken) -> Result<(), store::Error> {
        let due = DAY_S - rand::random_range(0..JITTER_S);
        let sync = &self.sync;
        if self.lasts().await?.is_none_or(|(lasts, age)| age >= due || lasts < SHORT_S) {
            let mut step = || async {
                mailboxes::prune_failures(&sync.pool, KEEP_FAILURES).await?;
                self.renew().await.inspect_err(failed)
            };
            jobs::run_once(&sync.pool, SCHEDULE, shutdown, &mut step).await?;
        }
        match self.lasts().await? {
            Some((lasts, _)) if lasts < SHORT_S => {
                error!(watch.lasts_s = lasts, "Gmail's watch ends soon and is not renewed");
            }
            None => error!("there is no watch: Gmail tells nobody about new mail"),
            Some(_) => {}
        }
        Ok(())
    }

    /// Seconds that it lasts yet, and since it was renewed.
    async fn lasts(&self) -> Result<Option<(i64, i64)>, store::Error> {
        let mailbox = mailboxes::find(&self.sync.pool, &self.sync.mailbox).await?;
        let lasts = mailbox.and_then(|m| m.watch_lasts_s.zip(m.watch_age_s));
        if let Some((lasts, _)) = lasts {
            self.sync.meters.watch_lasts(lasts);
        }
        Ok(lasts)
    }

    /// Renews it. A mailbox that was never read is read from before the watch on, so that
    /// its first notification finds where to begin.
    pub async fn renew(&self) -> Result<(), SyncError> {
        let sync = &self.sync;
        let mailbox = mailboxes::find(&sync.pool, &sync.mailbox).await?;
        if mailbox.is_none_or(|mailbox| mailbox.cursor.is_none())
            && sync.run(None).await? == Ended::Busy
        {
            return Err(SyncError::LeaseLost);
        }
        let watch = sync.patiently(|| sync.gmail.watch(&self.topic)).await?;
        mailboxes::watch_renewed(&sync.pool, &sync.mailbox, watch.expires_at).await?;
        info!(watch.expires_at = %watch.expires_at, "Gmail tells Pub/Sub about the mailbox");
        self.lasts().await?;
        Ok(())
    }
}

fn failed(failure: &SyncError) {
    error!(error = %failure, "Gmail's watch was not renewed");
}
