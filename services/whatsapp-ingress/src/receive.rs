//! `POST /webhooks/whatsapp` and `POST /webhooks/whatsapp/status`: from a call of
//! Twilio's to a record that the log has confirmed.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use bus::Record;
use channels::twilio::webhook::{self, Unreadable};
use chrono::{DateTime, Utc};
use contract::{DeadLetter, DeadLetterClass, EventId, EventMeta, WhatsappInbound};
use tracing::{error, warn};

use crate::call::Call;
use crate::docs;
use crate::meters::Became;
use crate::refusal::Refusal;
use crate::{Ingress, NAME};

/// What a dead letter says where others name their topic.
const MESSAGES: &str = "POST /webhooks/whatsapp";
const STATUSES: &str = "POST /webhooks/whatsapp/status";

/// Below the fifteen seconds after which Twilio listens no more. The publisher has its
/// own, shorter limit; this one holds if it does not.
const LONGEST_PUBLISH: Duration = Duration::from_secs(12);

/// `SM` or `MM` and 32 digits.
const MESSAGE_SID_CHARS: usize = 34;

/// Takes a customer's message. Twilio's fallback URL may be this one too.
#[utoipa::path(
    post,
    path = "/webhooks/whatsapp",
    tag = "webhooks",
    params(docs::SignatureHeader),
    request_body(content = docs::MessageForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 204, description = "The log has it"), docs::Refusals)
)]
pub(crate) async fn message(
    State(ingress): State<Ingress>,
    call: Call,
) -> Result<StatusCode, Refusal> {
    let now = (ingress.clock)();
    let event = webhook::message(&call.form, &ingress.ours, now);
    keep(&ingress, &call, MESSAGES, event, now).await
}

/// Takes what became of a message that we sent. The URL names our delivery.
#[utoipa::path(
    post,
    path = "/webhooks/whatsapp/status",
    tag = "webhooks",
    params(docs::SignatureHeader, docs::DeliveryQuery),
    request_body(content = docs::StatusForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 204, description = "The log has it"), docs::Refusals)
)]
pub(crate) async fn status(
    State(ingress): State<Ingress>,
    call: Call,
) -> Result<StatusCode, Refusal> {
    let now = (ingress.clock)();
    let event = webhook::status(&call.form, &ingress.ours, now);
    keep(&ingress, &call, STATUSES, event, now).await
}

/// What Twilio has signed is kept whatever it is: a refusal would lose it, because
/// Twilio does not come again after one. What is no event is a dead letter.
async fn keep(
    ingress: &Ingress,
    call: &Call,
    route: &str,
    event: Result<WhatsappInbound, Unreadable>,
    now: DateTime<Utc>,
) -> Result<StatusCode, Refusal> {
    let kept = match event {
        Ok(event) => {
            let published = publish(ingress, Record::of(&event), event.meta.event_id).await;
            published.map(|()| Became::Event)
        }
        Err(reason) => {
            let letter = dead_letter(call, route, reason, now);
            let id = letter.meta.event_id;
            let published = publish(ingress, Record::of(&letter), id).await;
            published.map(|()| {
                error!(
                    dead_letter.id = %id,
                    dead_letter.error = letter.error,
                    "webhook moved to the dead letters"
                );
                Became::DeadLetter
            })
        }
    };
    match kept {
        Ok(became) => ingress.meters.received(became),
        Err(refusal) => {
            ingress.meters.refused(refusal);
            return Err(refusal);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Returns once the log has the record.
async fn publish(ingress: &Ingress, record: Record, id: EventId) -> Result<(), Refusal> {
    let publishing = ingress.publisher.publish_all(vec![record]);
    let cause = match tokio::time::timeout(LONGEST_PUBLISH, publishing).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => anyhow::Error::new(error),
        Err(elapsed) => anyhow::Error::new(elapsed),
    };
    warn!(event.id = %id, error.cause_chain = format!("{cause:#}"), "webhook not confirmed");
    Err(Refusal::Unconfirmed)
}

/// The form as it came, with an id of its own content: a repeat is the same letter.
fn dead_letter(call: &Call, route: &str, reason: Unreadable, now: DateTime<Utc>) -> DeadLetter {
    let cause = EventId::named(&format!("twilio:{}", String::from_utf8_lossy(&call.body)));
    DeadLetter {
        meta: EventMeta::derived(cause, "dead-letter:whatsapp-ingress", now),
        // No topic: it never was an event, and nothing could read it as one.
        topic: route.to_owned(),
        partition: 0,
        offset: 0,
        group: NAME.to_owned(),
        key: key(call.form.get("MessageSid").unwrap_or_default()),
        headers: Vec::new(),
        payload: call.body.clone(),
        class: DeadLetterClass::Rejected,
        error: reason.to_string(),
        attempts: 1,
    }
}

/// The letter's key, from what may not be a MessageSid at all.
fn key(sid: &str) -> String {
    sid.chars().filter(char::is_ascii_alphanumeric).take(MESSAGE_SID_CHARS).collect()
}
