//! Finds out what became of mails in doubt: a draft that can still be deleted was never
//! sent, one that is gone must be in its thread. And reads back under which Message-ID
//! our mails went out, as Gmail gives them its own.

use std::sync::Arc;
use std::time::Duration;

use channels::gmail::{self, GmailClient};
use sqlx::PgPool;
use store::Error;
use store::deliveries::Ending;
use store::delivery_doubts::Doubt;
use store::jobs::Schedule;
use store::mail_sends;
use store::outbox::OutboxPublisher;
use tokio_util::sync::CancellationToken;

use super::sent::{Places, find_sent, message_id};
use crate::doubts::{self, Doubts, Look};

/// Message-IDs read back, and drafts cleared away, in one round.
const READ_AT_ONCE: i64 = 10;

/// Looks mails in doubt up at Gmail.
pub struct MailRecovery(Doubts<Mailbox>);

struct Mailbox {
    pool: PgPool,
    client: Arc<GmailClient>,
}

impl MailRecovery {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, client: Arc<GmailClient>) -> Self {
        let look = Mailbox { pool: pool.clone(), client };
        Self(Doubts::new(pool, outbox, look))
    }

    /// Looks until shutdown, on one replica at a time.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        self.0.run(shutdown).await
    }

    /// One round. Returns how many doubts it has settled.
    pub async fn step(&self) -> Result<usize, Error> {
        self.0.step().await
    }
}

impl Look for Mailbox {
    const OUTLET: &'static str = super::OUTLET;
    const SCHEDULE: Schedule =
        Schedule { name: "mail-doubts", every: doubts::EVERY, lease: doubts::LEASE };

    async fn look_up(&self, doubt: &Doubt) -> Result<Option<Ending>, Error> {
        let (id, attempt) = (doubt.delivery.id, doubt.delivery.attempt);
        let Some(mail) = mail_sends::find(&self.pool, id).await? else { return Ok(None) };
        if mail.draft_id.is_none() {
            return Ok(Some(unsent("its worker stopped before it had a draft")));
        }
        if let Some(draft_id) = mail.unsent_draft() {
            match self.client.delete_draft(draft_id).await {
                Ok(()) => {
                    let forgotten =
                        mail_sends::forget_draft(&self.pool, id, attempt, draft_id).await?;
                    return Ok(forgotten.then(|| unsent("its draft was never sent")));
                }
                // Only the answer to this is evidence: a second one would be to our own
                // deletion.
                Err(gmail::Error::NotFound) => {
                    mail_sends::lose_draft(&self.pool, id, draft_id).await?;
                }
                Err(error) => {
                    tracing::warn!(delivery.id = %id, %error, "a doubt stays");
                    return Ok(None);
                }
            }
        }
        let places = Places {
            thread: mail.draft_thread.as_deref(),
            to: mail.sent_to.as_deref().or(doubt.address.as_deref()).zip(doubt.attempted_at),
        };
        match find_sent(&self.client, id, places).await {
            Ok(found) => Ok(found.map(|id| Ending::Accepted { provider_id: Some(id) })),
            Err(error) => {
                tracing::warn!(delivery.id = %id, %error, "a doubt stays");
                Ok(None)
            }
        }
    }

    async fn also(&self) -> Result<(), Error> {
        self.read_back().await?;
        self.clear_away().await
    }
}

impl Mailbox {
    async fn read_back(&self) -> Result<(), Error> {
        for sent in mail_sends::not_read_back(&self.pool, READ_AT_ONCE).await? {
            let rfc822_id = match message_id(&self.client, &sent.gmail_id).await {
                Ok(id) => id,
                Err(error) => {
                    tracing::info!(delivery.id = %sent.id, %error, "its Message-ID is read later");
                    return Ok(());
                }
            };
            mail_sends::read_back(&self.pool, sent.id, rfc822_id.as_deref()).await?;
        }
        Ok(())
    }

    /// Takes out of the mailbox what will not be sent: a person who finds it among the
    /// drafts might send it.
    async fn clear_away(&self) -> Result<(), Error> {
        for left in mail_sends::left_drafts(&self.pool, READ_AT_ONCE).await? {
            match self.client.delete_draft(&left.draft_id).await {
                Ok(()) | Err(gmail::Error::NotFound | gmail::Error::Permanent { .. }) => {
                    mail_sends::lose_draft(&self.pool, left.id, &left.draft_id).await?;
                }
                Err(error) => {
                    tracing::info!(delivery.id = %left.id, %error, "its draft is deleted later");
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// It goes again: that it was not sent is proven.
fn unsent(reason: &str) -> Ending {
    Ending::Again { after: Duration::ZERO, reason: reason.to_owned() }
}
