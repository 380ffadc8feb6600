//! Reads the mailbox from where it was read to: page by page, under a lease, moving the
//! cursor only when everything before it is in the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{PublishError, Publisher};
use channels::gmail::{Error as GmailError, GmailClient};
use contract::{Classified, FailureClass};
use opentelemetry::metrics::Meter;
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use store::mailboxes::{self, Lease};
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

use crate::meters::{Meters, Run};
use crate::patience::Patience;

/// How long Gmail is left alone when it refuses us.
const REST_WITHOUT_ACCESS: Duration = Duration::from_secs(60);

/// What tests turn.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    pub patience: Patience,
    /// How long a crashed reader keeps the others waiting; renewed while it reads.
    pub lease: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { patience: Patience::default(), lease: Duration::from_secs(30) }
    }
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything up to this history id is in the log.
    At(u64),
    /// As before, but for mails that failed by themselves: they hold the cursor and are
    /// tried again at the next reading.
    Held,
    /// Somebody else reads.
    Busy,
}

/// Why a reading did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(transparent)]
    Gmail(#[from] GmailError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("Gmail forgets its pages")]
    Pages,
    /// Not an error of ours: the other reader goes on.
    #[error("another reader has the mailbox")]
    LeaseLost,
}

impl Classified for SyncError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Publish(error) => error.class(),
            // Whatever Gmail has against us, it is not about this notification.
            Self::Gmail(_) | Self::Pages | Self::LeaseLost => FailureClass::Unavailable,
        }
    }
}

/// One mailbox and its reader; several may run, one reads.
pub struct Sync {
    pub(crate) pool: PgPool,
    pub(crate) gmail: Arc<GmailClient>,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) mailbox: String,
    pub(crate) configs: ChannelConfigs,
    pub(crate) meters: Meters,
    pub(crate) tuning: Tuning,
    /// Until when Gmail wants nothing of us, and what it said.
    rest: Mutex<Option<(Instant, GmailError)>>,
}

impl Sync {
    /// `mailbox` is our address in lower case.
    pub fn new(
        pool: PgPool,
        gmail: Arc<GmailClient>,
        publisher: Arc<dyn Publisher>,
        mailbox: String,
        configs: ChannelConfigs,
        tuning: Tuning,
        meter: &Meter,
    ) -> Self {
        let (meters, rest) = (Meters::new(meter), Mutex::new(None));
        Self { pool, gmail, publisher, mailbox, configs, meters, tuning, rest }
    }

    /// Reads everything that is new; nothing when the mailbox is read to `wanted` already.
    pub async fn run(&self, wanted: Option<u64>) -> Result<Ended, SyncError> {
        self.check_rest()?;
        if let Some(wanted) = wanted {
            let known = mailboxes::find(&self.pool, &self.mailbox).await?;
            match known.and_then(|mailbox| mailbox.cursor) {
                Some(cursor) if cursor >= wanted => return Ok(Ended::At(cursor)),
                _ => {}
            }
        }
        let lease = mailboxes::acquire(&self.pool, &self.mailbox, self.tuning.lease).await?;
        let Some(lease) = lease else { return Ok(Ended::Busy) };
        if bus::sabotage("cursor-before-publish") {
            let profile = self.patiently(|| self.gmail.profile()).await?;
            lease.clone().finish(&self.pool, profile.history_id).await?;
        }
        let read = tokio::select! {
            read = self.read(&lease) => read,
            () = self.lose(&lease) => Err(SyncError::LeaseLost),
        };
        self.settle(lease, read).await
    }

    /// Writes down how it ended, under the lease.
    async fn settle(
        &self,
        lease: Lease,
        read: Result<(u64, bool), SyncError>,
    ) -> Result<Ended, SyncError> {
        let error = match read {
            Ok((cursor, true)) => {
                self.meters.run(Run::Complete);
                let is_ours = lease.finish(&self.pool, cursor).await?;
                bus::crash_point("mailbox.moved");
                return Ok(if is_ours { Ended::At(cursor) } else { Ended::Busy });
            }
            Ok((_, false)) => {
                self.meters.run(Run::Held);
                lease.release(&self.pool, Some("a mail holds the cursor")).await?;
                return Ok(Ended::Held);
            }
            Err(SyncError::LeaseLost) => return Ok(Ended::Busy),
            Err(error) => error,
        };
        self.note(&error);
        // Without it the lease runs out by itself; the first error is the one to tell.
        if let Err(later) = lease.release(&self.pool, Some(&error.to_string())).await {
            warn!(error = %later, "the mailbox was not given back");
        }
        Err(error)
    }

    pub(crate) fn patiently<T, F: Future<Output = Result<T, GmailError>>>(
        &self,
        call: impl FnMut() -> F,
    ) -> impl Future<Output = Result<T, GmailError>> {
        self.tuning.patience.call(call)
    }

    /// Renews the lease until it is lost.
    async fn lose(&self, lease: &Lease) {
        loop {
            sleep(lease.lasts() / 3).await;
            match lease.renew(&self.pool).await {
                Ok(true) => {}
                Ok(false) => return,
                // An outage ends the reading elsewhere; until then nobody else reads either.
                Err(error) => warn!(error = %error, "the lease of the mailbox was not renewed"),
            }
        }
    }

    fn check_rest(&self) -> Result<(), GmailError> {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match rest.as_ref() {
            Some((until, error)) if Instant::now() < *until => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Counts a failure, and leaves Gmail alone where it asks for that.
    fn note(&self, failure: &SyncError) {
        let SyncError::Gmail(gmail) = failure else {
            self.meters.run(Run::Away);
            return;
        };
        let rest = match gmail {
            GmailError::AuthBroken { .. } => {
                self.meters.run(Run::NoAccess);
                error!(error = %gmail, "no mail comes in until somebody gives us access again");
                Some(REST_WITHOUT_ACCESS)
            }
            GmailError::RateLimited { after, .. } | GmailError::Retryable { after, .. } => {
                self.meters.run(Run::Away);
                *after
            }
            _ => {
                self.meters.run(Run::Away);
                error!(error = %gmail, "Gmail refuses to show the mailbox");
                Some(REST_WITHOUT_ACCESS)
            }
        };
        let until = rest.map(|rest| (Instant::now() + rest, gmail.clone()));
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}
