//! Sends what is due to WhatsApp, at the rate that a sender takes.

use std::sync::Arc;
use std::time::Duration;

use channels::twilio::client::{REQUEST_LIMIT, Sent, Template, Text, TwilioClient};
use channels::twilio::errors::{Action, Meaning};
use channels::twilio::window::OpenWindow;
use contract::{Channel, DeliveryId};
use sqlx::PgPool;
use store::Error;
use store::channel_configs::ChannelConfigs;
use store::deliveries::Ending;
use store::delivery_sends::BegunSend;
use store::delivery_windows::{self, Wait};
use store::outbox::OutboxPublisher;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{is_failure, successor};
use crate::in_hand::LOOK_EVERY;
use crate::outlet::Wakers;
use crate::pace::Pace;
use crate::sender::{Bounds, Provider, SUPPORT_QUEUE, Sender, again, failed, late};
use crate::starts::Starts;

/// What free text needs, for a person who reads why a reply did not go.
const WINDOW_CLOSED: &str = "outside WhatsApp's 24-hour window: free text can go only after the \
                             customer writes again";

/// Why a reply is not gone, for a person who looks.
const WAITS: &str = "outside WhatsApp's 24-hour window: the customer was asked to write again";

/// Before the reason of the template's.
const TEMPLATE_FAILED: &str = "outside WhatsApp's 24-hour window, and the template that asks \
                               the customer to write again has failed";

/// What goes: free text, while the customer has written lately, or an approved template.
enum Content<'a> {
    Text(OpenWindow),
    Template(&'a delivery_windows::Template),
}

/// How much at once, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Requests under way; far below what one account may have (about 100).
    pub at_once: usize,
    /// Requests started per second; a sender takes 80 messages.
    pub per_second: u32,
    /// How long a begun delivery belongs to its worker: a request that starts in its
    /// first half has ended before its second does.
    pub lease: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { at_once: 16, per_second: 40, lease: 2 * REQUEST_LIMIT + Duration::from_secs(5) }
    }
}

/// Sends an account's deliveries.
pub struct WhatsappWorker(Sender<Twilio>);

/// The account at Twilio.
struct Twilio {
    pool: PgPool,
    client: Arc<TwilioClient>,
    configs: ChannelConfigs,
    per_second: u32,
    pace: Pace,
    starts: Starts,
}

impl WhatsappWorker {
    pub fn new(
        pool: PgPool,
        outbox: OutboxPublisher,
        wakers: Wakers,
        client: Arc<TwilioClient>,
        configs: ChannelConfigs,
        tuning: Tuning,
    ) -> Self {
        let Tuning { at_once, per_second, lease } = tuning;
        let (pace, starts) = (Pace::default(), Starts::new(pool.clone()));
        let twilio = Twilio { pool: pool.clone(), client, configs, per_second, pace, starts };
        Self(Sender::new(pool, outbox, wakers, twilio, Bounds { at_once, lease }))
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

impl Provider for Twilio {
    const OUTLET: &'static str = super::OUTLET;

    fn room(&self, free: usize) -> usize {
        if self.configs.get(Channel::Whatsapp).enabled { free } else { 0 }
    }

    async fn send(&self, begun: &BegunSend, start_until: Instant) -> Ending {
        let delivery = &begun.delivery;
        let Some(to) = begun.address.as_deref() else {
            return failed("the conversation has no address");
        };
        if delivery.body.trim().is_empty() {
            return failed("the text is empty");
        }
        let window = OpenWindow::at(delivery.begun_at, begun.last_inbound_at);
        let content = match (&begun.template, window) {
            (Some(template), _) => Content::Template(template),
            (None, Some(window)) => Content::Text(window),
            (None, None) => return self.wait_for_customer(begun).await,
        };
        let Some(start) = self.pace.start(self.per_second(), Instant::now(), start_until) else {
            return late();
        };
        tokio::time::sleep_until(start).await;
        if let Err(ending) = self.starts.start(delivery, start_until).await {
            return ending;
        }
        let mut sent = self.request(begun, to, &content).await;
        if bus::sabotage("resend-on-time-out") && matches!(sent, Sent::Unknown { .. }) {
            sent = self.request(begun, to, &content).await;
        }
        self.end(sent, delivery.id, delivery.attempt)
    }
}

impl Twilio {
    /// As people have set it, else as one sender takes it.
    fn per_second(&self) -> u32 {
        let set = self.configs.get(Channel::Whatsapp).settings.sends_per_second;
        set.unwrap_or(self.per_second)
    }

    async fn request(&self, begun: &BegunSend, to: &str, content: &Content<'_>) -> Sent {
        let (delivery_id, from) = (begun.delivery.id, begun.our_address.as_deref());
        match content {
            Content::Text(window) => {
                let text = Text { delivery_id, to, from, body: &begun.delivery.body };
                self.client.send(window, text).await
            }
            Content::Template(template) => {
                let (content_sid, variables) = (&template.id, template.variables.as_deref());
                let template = Template { delivery_id, to, from, content_sid, variables };
                self.client.send_template(template).await
            }
        }
    }

    /// Free text may not go. With a template the customer is asked, once, and the text
    /// waits for the answer; without one a person goes on.
    async fn wait_for_customer(&self, begun: &BegunSend) -> Ending {
        let config = self.configs.get(Channel::Whatsapp);
        let Some(id) = config.settings.template_id.clone() else { return failed(WINDOW_CLOSED) };
        let template = delivery_windows::Template {
            id,
            variables: config.settings.template_variables.clone(),
        };
        let (delivery, last_inbound_at) = (&begun.delivery, begun.last_inbound_at);
        match delivery_windows::wait(&self.pool, delivery, last_inbound_at, &template).await {
            Ok(Wait::Asked) => {
                tracing::info!(delivery.id = %delivery.id, "waits until the customer writes");
                Ending::Again { after: Duration::ZERO, reason: WAITS.to_owned() }
            }
            Ok(Wait::Refused { reason, is_handed_over }) => {
                tracing::warn!(delivery.id = %delivery.id, reason, "the customer cannot be asked");
                Ending::Failed {
                    reason: format!("{TEMPLATE_FAILED}: {reason}"),
                    hands_over_to: is_handed_over.then_some(SUPPORT_QUEUE),
                    provider_id: None,
                }
            }
            // Nothing was sent: the same again is the same.
            Err(error) => again(None, error.to_string(), delivery.id, delivery.attempt),
        }
    }

    fn end(&self, sent: Sent, id: DeliveryId, attempt: i32) -> Ending {
        match sent {
            Sent::Accepted { sid, status, error_code } if is_failure(&status) => {
                refused(id, self.client.table().meaning(error_code), Some(sid))
            }
            Sent::Accepted { sid, .. } => Ending::Accepted { provider_id: Some(sid) },
            Sent::Again { after, reason } => again(after, reason, id, attempt),
            Sent::Refused(meaning) => refused(id, meaning, None),
            Sent::Unknown { reason } => {
                tracing::warn!(delivery.id = %id, reason, "the outcome of a send is unknown");
                Ending::Unknown { look_after: LOOK_EVERY, reason }
            }
        }
    }
}

fn refused(id: DeliveryId, meaning: Meaning, provider_id: Option<String>) -> Ending {
    if meaning.action == Action::Settings {
        tracing::error!(delivery.id = %id, reason = meaning.reason, "a setting must be mended");
    } else {
        tracing::warn!(delivery.id = %id, reason = meaning.reason, "a send was refused");
    }
    Ending::Failed { hands_over_to: successor(&meaning), reason: meaning.reason, provider_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_starts_in_time_has_ended_before_its_lease() {
        let tuning = Tuning::default();

        assert!(tuning.lease / 2 + REQUEST_LIMIT < tuning.lease);
    }
}
