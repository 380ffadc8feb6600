//! Tells people of hand-offs by mail: a draft first, then its sending, so that a mail in
//! doubt is looked up before another one goes.

use std::sync::Arc;
use std::time::Duration;

use channels::gmail::{Error as GmailError, GmailClient};
use channels::staff_mail::{self, StaffMail};
use sqlx::PgPool;
use store::hand_off_notices::{self, End, Notice, Way};
use store::mail_sends::Draft;
use store::{Error, hand_off_mails, retry_serialization};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{escalation, report, schedule};
use crate::email::pause::Pause;
use crate::email::sent::{Places, find_sent, message_id};
use crate::email::{Ourselves, REQUEST_LIMIT};
use crate::in_hand::chain;

/// Mails begun in one round, one after another.
const AT_ONCE: i64 = 2;

/// How long they belong to their replica: several requests each, which may wait for
/// their quota.
const LEASE: Duration = Duration::from_secs(300);

/// How often a replica looks for what is due.
const PACE: Duration = Duration::from_secs(2);

/// Message-IDs read back in one round.
const READ_AT_ONCE: i64 = 5;

/// The mailbox asks for pauses by itself: none is noted for it.
const NO_ENDPOINT: &str = "";

/// Tells by mail.
pub struct HandoffMail {
    pool: PgPool,
    client: Arc<GmailClient>,
    ourselves: Ourselves,
    /// Where people find conversations, without a trailing slash.
    origin: String,
    pause: Pause,
}

impl HandoffMail {
    pub fn new(
        pool: PgPool,
        client: Arc<GmailClient>,
        ourselves: Ourselves,
        origin: String,
    ) -> Self {
        Self { pool, client, ourselves, origin, pause: Pause::default() }
    }

    /// Tells until shutdown.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.step().await {
                tracing::warn!(error.cause_chain = chain(&error), "hand-offs wait to be told");
            }
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Sends what is due, a few at most, and reads back what was sent. Returns how many it
    /// has met.
    pub async fn step(&self) -> Result<usize, Error> {
        if !self.pause.is_over() {
            return Ok(0);
        }
        let look = retry_serialization(|| {
            hand_off_notices::begin(&self.pool, Way::Mail, NO_ENDPOINT, AT_ONCE, LEASE, false)
        })
        .await?;
        // A request may wait for its quota, and be asked once more with a new token.
        let start_until = Instant::now() + LEASE - 4 * REQUEST_LIMIT;
        let met = look.begun.len() + look.obsolete;
        for notice in look.begun {
            let end = match self.attempt(&notice, start_until).await? {
                Ok(()) => End::Delivered,
                Err(error) => self.again(&notice, &error),
            };
            report(&notice, &end);
            retry_serialization(|| {
                hand_off_notices::finish(&self.pool, &notice, Way::Mail, NO_ENDPOINT, &end, false)
            })
            .await?;
        }
        self.read_back().await?;
        Ok(met)
    }

    async fn attempt(
        &self,
        notice: &Notice,
        start_until: Instant,
    ) -> Result<Result<(), GmailError>, Error> {
        match self.earlier(notice).await? {
            Ok(None) => {}
            Ok(Some(gmail_id)) => return self.sent(notice, &gmail_id).await,
            Err(error) => return Ok(Err(error)),
        }
        let Ok(raw) = self.written(notice) else {
            return Ok(Err(GmailError::Permanent { reason: "no mail can go there".to_owned() }));
        };
        let draft = match self.client.create_draft(&raw, None).await {
            Ok(draft) => Draft { id: draft.id, thread: draft.thread_id },
            Err(error) => return Ok(Err(error)),
        };
        // Only a draft that is noted is sent, and nothing starts when the lease may be over.
        let is_held = hand_off_mails::hold_draft(&self.pool, notice, Some(&draft)).await?;
        if !is_held || Instant::now() >= start_until {
            let deleted = self.client.delete_draft(&draft.id).await;
            let late = GmailError::Retryable { after: None, reason: "too late".to_owned() };
            return Ok(Err(deleted.err().unwrap_or(late)));
        }
        match self.client.send_draft(&draft.id).await {
            Ok(mail) => self.sent(notice, &mail.id).await,
            Err(error) => Ok(Err(error)),
        }
    }

    /// What has become of an earlier attempt: Gmail's id of its mail, or nothing that was
    /// sent. A draft that can still be deleted was never sent.
    async fn earlier(&self, notice: &Notice) -> Result<Result<Option<String>, GmailError>, Error> {
        let Some(draft_id) = notice.draft_id.as_deref() else { return Ok(Ok(None)) };
        match self.client.delete_draft(draft_id).await {
            Ok(()) => {
                hand_off_mails::hold_draft(&self.pool, notice, None).await?;
                return Ok(Ok(None));
            }
            Err(GmailError::NotFound) => {}
            Err(error) => return Ok(Err(error)),
        }
        let to = notice.hand_off.person_email.as_deref().map(|to| (to, notice.created_at));
        let places = Places { thread: notice.draft_thread.as_deref(), to };
        let found = find_sent(&self.client, notice.delivery_id, places).await;
        Ok(found.and_then(|found| match found {
            Some(gmail_id) => Ok(Some(gmail_id)),
            None => Err(GmailError::OutcomeUnknown { reason: "it is not found yet".to_owned() }),
        }))
    }

    async fn sent(&self, notice: &Notice, gmail_id: &str) -> Result<Result<(), GmailError>, Error> {
        retry_serialization(|| hand_off_mails::sent(&self.pool, notice, gmail_id)).await?;
        Ok(Ok(()))
    }

    fn again(&self, notice: &Notice, error: &GmailError) -> End {
        let pause = self.pause.note(error).unwrap_or_default();
        let reason = error.to_string();
        match schedule::wait(notice.attempt, notice.delivery_id) {
            Some(_) if matches!(error, GmailError::Permanent { .. }) => End::GaveUp { reason },
            Some(wait) => End::Again { after: wait.max(pause), reason, throttled_for: None },
            None => End::GaveUp { reason },
        }
    }

    fn written(&self, notice: &Notice) -> Result<Vec<u8>, staff_mail::Unwritable> {
        staff_mail::compose(&StaffMail {
            delivery_id: notice.delivery_id,
            from_name: &self.ourselves.name,
            from: &self.ourselves.address,
            origin: &self.origin,
            date: chassis::clock::now(),
            escalation: &escalation(notice),
        })
    }

    /// A person's answer is known by the Message-ID of our mail, which Gmail has chosen.
    async fn read_back(&self) -> Result<(), Error> {
        for mail in hand_off_mails::not_read_back(&self.pool, READ_AT_ONCE).await? {
            match message_id(&self.client, &mail.gmail_id).await {
                Ok(id) => hand_off_mails::read_back(&self.pool, &mail, id.as_deref()).await?,
                Err(error) => {
                    let id = mail.delivery_id;
                    tracing::info!(delivery.id = %id, %error, "its Message-ID is read later");
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
