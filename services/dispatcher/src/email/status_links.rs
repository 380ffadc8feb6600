//! Mail to who used the web form: one fixed text with the link to the ticket's page, and
//! nothing that the sender of the form could have written. A consumer that writes down
//! what is asked for, and a worker that sends it, at most once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bus::{BatchHandler, Failure, Received};
use channels::compose::{self, AutoSubmitted, Mail, Subject};
use channels::gmail::{Error, GmailClient};
use chassis::status_token::StatusTokens;
use contract::{Channel, DeliveryId, TicketRef, WebformBody, WebformInbound};
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use store::status_mails::{self, Begun, End, Request};
use tokio_util::sync::CancellationToken;

use super::Ourselves;
use super::pause::Pause;
use crate::in_hand::chain;

/// Mails begun in one round, one after another: replies go first.
const AT_ONCE: usize = 4;

/// How often the worker looks.
const PACE: Duration = Duration::from_secs(2);

/// How long a mail waits that was not sent.
const AGAIN: Duration = Duration::from_secs(60);

const SUBJECT: &str = "We have received your message";

/// Writes down who is to be told of a ticket's page.
pub struct StatusLinks {
    pool: PgPool,
    /// Our own address: nobody is told of a ticket by a mail to ourselves.
    our_address: String,
}

/// Sends these mails.
pub struct StatusMails {
    pool: PgPool,
    client: Arc<GmailClient>,
    ourselves: Ourselves,
    tokens: StatusTokens,
    /// Without a trailing slash.
    public_base_url: String,
    configs: ChannelConfigs,
    pause: Pause,
}

impl StatusLinks {
    pub fn new(pool: PgPool, our_address: String) -> Self {
        Self { pool, our_address }
    }
}

impl BatchHandler for StatusLinks {
    type Event = WebformInbound;

    async fn handle_batch(&self, batch: Vec<(WebformInbound, Received)>) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let mut requests = Vec::new();
        for (event, _) in batch {
            let WebformBody::Submission(submission) = event.body else { continue };
            let address = submission.email.trim().to_lowercase();
            if address != self.our_address && seen.insert(address.clone()) {
                requests.push(Request { address, ticket_ref: event.ticket_ref });
            }
        }
        if !requests.is_empty() {
            status_mails::request(&self.pool, &requests).await?;
        }
        Ok(())
    }
}

impl StatusMails {
    pub fn new(
        pool: PgPool,
        client: Arc<GmailClient>,
        ourselves: Ourselves,
        tokens: StatusTokens,
        public_base_url: String,
        configs: ChannelConfigs,
    ) -> Self {
        let pause = Pause::default();
        Self { pool, client, ourselves, tokens, public_base_url, configs, pause }
    }

    /// Sends until shutdown.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        while !shutdown.is_cancelled() {
            match self.step().await {
                Ok(AT_ONCE..) => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error.cause_chain = chain(&error), "status mails wait");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Sends what is due, a few at most. Returns how many it has met.
    pub async fn step(&self) -> Result<usize, store::Error> {
        if !self.pause.is_over() || !self.configs.get(Channel::Email).enabled {
            return Ok(0);
        }
        let begun = status_mails::begin(&self.pool, AT_ONCE).await?;
        let met = begun.len();
        for mail in begun {
            let end = self.send(&mail).await;
            status_mails::finish(&self.pool, &mail, end).await?;
        }
        Ok(met)
    }

    async fn send(&self, begun: &Begun) -> End {
        let Ok(raw) = self.written(begun) else { return End::Failed };
        let draft = match self.client.create_draft(&raw, None).await {
            Ok(draft) => draft,
            Err(error) => return self.not_sent(&error),
        };
        match self.client.send_draft(&draft.id).await {
            Ok(_) => End::Gone,
            // In doubt it counts as sent: nobody waits for this mail.
            Err(Error::OutcomeUnknown { .. } | Error::NotFound) => End::Gone,
            Err(error) => {
                let end = self.not_sent(&error);
                if let Err(error) = self.client.delete_draft(&draft.id).await {
                    tracing::info!(%error, "a draft is left behind, unsent");
                }
                end
            }
        }
    }

    fn not_sent(&self, error: &Error) -> End {
        let wait = self.pause.note(error);
        match error {
            Error::Permanent { .. } | Error::NotFound => {
                tracing::warn!(%error, "a status mail was refused");
                End::Failed
            }
            Error::RateLimited { .. }
            | Error::Retryable { .. }
            | Error::AuthBroken { .. }
            | Error::OutcomeUnknown { .. } => End::Again(wait.unwrap_or(AGAIN)),
        }
    }

    fn written(&self, begun: &Begun) -> Result<Vec<u8>, compose::Unwritable> {
        let text = self.text(&begun.ticket_ref);
        compose::compose(&Mail {
            delivery_id: DeliveryId::named(&format!("status-mail:{}", begun.ticket_ref)),
            from_name: &self.ourselves.name,
            from: &self.ourselves.address,
            to: &begun.address,
            reply_to: None,
            ticket_ref: Some(&begun.ticket_ref),
            shows_ref: true,
            subject: Subject::New(SUBJECT),
            in_reply_to: None,
            references: &[],
            auto_submitted: AutoSubmitted::Generated,
            headers: &[],
            date: chassis::clock::now(),
            text: &text,
        })
    }

    fn text(&self, ticket_ref: &TicketRef) -> String {
        let (base, token) = (&self.public_base_url, self.tokens.token(ticket_ref));
        format!(
            "Hello,\n\n\
             we have received your message. On this page you see how far it is, read our \
             answer and can add to it:\n\n\
             {base}/support/ticket/{ticket_ref}?token={token}\n\n\
             Whoever has this link sees the ticket, so keep it to yourself. If you did not \
             write to us, nothing happens when you ignore this mail.\n\n\
             {}\n",
            self.ourselves.name
        )
    }
}
