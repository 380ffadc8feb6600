//! `POST /webhooks/whatsapp` and `POST /webhooks/whatsapp/status`: from a call of
//! Twilio's to a record that the log has confirmed.

use axum::extract::State;
use axum::http::StatusCode;
use channels::twilio::webhook::{self, Unreadable};
use chassis::webhook::{Refusal, Unusable};
use chrono::{DateTime, Utc};
use contract::{EventId, WhatsappInbound};

use crate::Ingress;
use crate::call::Call;
use crate::docs;

/// What a dead letter says where others name their topic.
const MESSAGES: &str = "POST /webhooks/whatsapp";
const STATUSES: &str = "POST /webhooks/whatsapp/status";

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

/// What Twilio has signed is kept whatever it is: Twilio does not come again after a
/// refusal. What is no event is a dead letter with an id of its own content.
async fn keep(
    ingress: &Ingress,
    call: &Call,
    route: &'static str,
    event: Result<WhatsappInbound, Unreadable>,
    now: DateTime<Utc>,
) -> Result<StatusCode, Refusal> {
    let event = event.map_err(|reason| Unusable {
        route,
        body: &call.body,
        cause: EventId::named(&format!("twilio:{}", String::from_utf8_lossy(&call.body))),
        key: key(call.form.get("MessageSid").unwrap_or_default()),
        error: reason.to_string(),
        now,
    });
    ingress.webhook.keep(event).await
}

/// The letter's key, from what may not be a MessageSid at all.
fn key(sid: &str) -> String {
    sid.chars().filter(char::is_ascii_alphanumeric).take(MESSAGE_SID_CHARS).collect()
}
