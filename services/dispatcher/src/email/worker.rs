//! Sends what is due by mail. A draft that Gmail has and nobody noted, because a worker
//! stopped in between, is never sent: it stays among the drafts.

use std::sync::Arc;
use std::time::Duration;

use channels::compose::{self, AutoSubmitted, Mail, Subject};
use channels::gmail::{self, GmailClient};
use contract::{Author, Channel, DeliveryId, TicketRef};
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use store::deliveries::Ending;
use store::delivery_sends::BegunSend;
use store::mail_sends::{self, Draft, MailOut};
use store::outbox::OutboxPublisher;
use store::{Error, retry_serialization};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Ourselves;
use super::pause::Pause;
use crate::outlet::Wakers;
use crate::pace::Pace;
use crate::sender::{Bounds, Provider, Sender, again, failed, late, unreachable};
use crate::starts::Starts;

/// How soon a send in doubt is looked up: nothing tells us about it by itself.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// How much at once, and how long.
#[derive(Debug, Clone, Copy)]
pub struct MailTuning {
    /// Tries under way. Gmail's quota allows some 15 mails a minute, so this only keeps
    /// one slow request from holding back the others.
    pub at_once: usize,
    /// How long a begun delivery belongs to its worker. A request may wait 15 s for its
    /// quota and 20 s for its answer: the draft is there within the first half, and what
    /// starts then has ended before the second does.
    pub lease: Duration,
}

impl Default for MailTuning {
    fn default() -> Self {
        Self { at_once: 4, lease: Duration::from_secs(100) }
    }
}

/// Sends a mailbox's deliveries.
pub struct MailWorker(Sender<Gmail>);

/// The mailbox.
struct Gmail {
    pool: PgPool,
    client: Arc<GmailClient>,
    ourselves: Ourselves,
    configs: ChannelConfigs,
    pause: Pause,
    pace: Pace,
    starts: Starts,
}

impl MailWorker {
    pub fn new(
        pool: PgPool,
        outbox: OutboxPublisher,
        wakers: Wakers,
        client: Arc<GmailClient>,
        ourselves: Ourselves,
        configs: ChannelConfigs,
        tuning: MailTuning,
    ) -> Self {
        let MailTuning { at_once, lease } = tuning;
        let (pause, pace) = (Pause::default(), Pace::default());
        let starts = Starts::new(pool.clone());
        let gmail = Gmail { pool: pool.clone(), client, ourselves, configs, pause, pace, starts };
        Self(Sender::new(pool, outbox, wakers, gmail, Bounds { at_once, lease }))
    }

    /// Works until shutdown; then what is under way may end.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        self.0.run(shutdown).await
    }

    /// Begins what is due and waits for all of it. Returns how many it has met.
    pub async fn step(&self) -> Result<usize, Error> {
        self.0.step().await
    }
}

impl Provider for Gmail {
    const OUTLET: &'static str = super::OUTLET;

    fn room(&self, free: usize) -> usize {
        if self.pause.is_over() && self.configs.get(Channel::Email).enabled { free } else { 0 }
    }

    async fn send(&self, begun: &BegunSend, start_until: Instant) -> Ending {
        // Only where people have set a rate: the quota is slower, mostly.
        if let Some(rate) = self.configs.get(Channel::Email).settings.sends_per_second {
            match self.pace.start(rate, Instant::now(), start_until) {
                Some(start) => tokio::time::sleep_until(start).await,
                None => return late(),
            }
        }
        match self.draft(begun, start_until).await {
            Ok(draft_id) if Instant::now() < start_until => {
                let sent = self.client.send_draft(&draft_id).await;
                self.end(sent, begun.delivery.id, begun.delivery.attempt)
            }
            // A process that was stopped meanwhile wakes up later than that.
            Ok(_) => late(),
            Err(ending) => ending,
        }
    }
}

impl Gmail {
    /// The id of the draft to send: the one of an earlier try, as that was certainly not
    /// sent, or a new one.
    async fn draft(&self, begun: &BegunSend, start_until: Instant) -> Result<String, Ending> {
        let (id, attempt) = (begun.delivery.id, begun.delivery.attempt);
        let found = mail_sends::find(&self.pool, id).await;
        let mail = match found.map_err(|error| unreachable(&error))? {
            Some(mail) => mail,
            None => return Err(failed("the delivery is gone")),
        };
        if let Some(draft) = mail.unsent_draft() {
            self.starts.start(&begun.delivery, start_until).await?;
            return Ok(draft.to_owned());
        }
        // To whom wrote what it answers, not to whom has written since.
        let to = mail.answers_to.as_deref().or(begun.address.as_deref());
        let to = to.ok_or_else(|| failed("the conversation has no address"))?;
        let raw = self.written(begun, to, &mail)?;
        if Instant::now() >= start_until {
            return Err(late());
        }
        let thread = mail.mail_thread.as_deref();
        let created = match self.client.create_draft(&raw, thread).await {
            // The thread was deleted: the mail goes without.
            Err(gmail::Error::NotFound) if thread.is_some() => {
                self.client.create_draft(&raw, None).await
            }
            created => created,
        };
        let draft = created.map_err(|error| self.not_sent(error, id, attempt))?;
        self.hold(begun, to, Draft { id: draft.id, thread: draft.thread_id }).await
    }

    /// Notes the draft before it is sent, and with it that this is about to start. One that is certainly not noted is taken back: only
    /// so is a send never begun of which nobody knows.
    async fn hold(&self, begun: &BegunSend, to: &str, draft: Draft) -> Result<String, Ending> {
        let (id, attempt) = (begun.delivery.id, begun.delivery.attempt);
        bus::crash_point("mail.drafted");
        let held =
            retry_serialization(|| mail_sends::hold_draft(&self.pool, id, attempt, &draft, to))
                .await;
        let ending = match held {
            Ok(true) => {
                bus::crash_point("mail.held");
                return Ok(draft.id);
            }
            Ok(false) => late(),
            // It may be noted: then the next try sends it; else it stays a draft.
            Err(error) => return Err(unreachable(&error)),
        };
        if let Err(error) = self.client.delete_draft(&draft.id).await {
            tracing::info!(delivery.id = %id, %error, "a draft is left behind, unsent");
        }
        Err(ending)
    }

    fn written(&self, begun: &BegunSend, to: &str, mail: &MailOut) -> Result<Vec<u8>, Ending> {
        let delivery = &begun.delivery;
        let shows_ref = self.configs.get(Channel::Email).settings.ticket_ref_in_subject;
        let ticket_ref: Option<TicketRef> =
            mail.ticket_ref.as_deref().and_then(|text| text.parse().ok());
        let written = compose::compose(&Mail {
            delivery_id: delivery.id,
            from_name: &self.ourselves.name,
            from: &self.ourselves.address,
            to,
            reply_to: None,
            ticket_ref: ticket_ref.as_ref(),
            shows_ref,
            subject: Subject::ReplyTo(mail.subject.as_deref().unwrap_or_default()),
            in_reply_to: mail.rfc822_id.as_deref(),
            references: &mail.referenced_ids,
            auto_submitted: match delivery.author {
                Author::Person => AutoSubmitted::No,
                Author::Agent | Author::System => AutoSubmitted::Replied,
            },
            headers: &[],
            date: delivery.begun_at,
            text: &delivery.body,
        });
        written.map_err(|error| failed(error.to_string()))
    }

    fn end(
        &self,
        sent: Result<gmail::SentMessage, gmail::Error>,
        id: DeliveryId,
        attempt: i32,
    ) -> Ending {
        let error = match sent {
            Ok(sent) => return Ending::Accepted { provider_id: Some(sent.id) },
            Err(error) => error,
        };
        match error {
            // Somebody was quicker, or has deleted it: which of them, the thread tells.
            gmail::Error::NotFound | gmail::Error::OutcomeUnknown { .. } => {
                let reason = error.to_string();
                tracing::warn!(delivery.id = %id, reason, "the outcome of a send is unknown");
                Ending::Unknown { look_after: FIRST_LOOK, reason }
            }
            error => self.not_sent(error, id, attempt),
        }
    }

    /// The end of a try that certainly sent nothing.
    fn not_sent(&self, error: gmail::Error, id: DeliveryId, attempt: i32) -> Ending {
        let wait = self.pause.note(&error);
        let reason = error.to_string();
        match error {
            gmail::Error::Permanent { .. } | gmail::Error::NotFound => {
                tracing::warn!(delivery.id = %id, reason, "a send was refused");
                failed(reason)
            }
            gmail::Error::RateLimited { .. } | gmail::Error::AuthBroken { .. } => {
                again(wait, reason, id, attempt)
            }
            gmail::Error::Retryable { after, .. } => again(after, reason, id, attempt),
            // Of a draft; a second one does no harm.
            gmail::Error::OutcomeUnknown { .. } => again(None, reason, id, attempt),
        }
    }
}
