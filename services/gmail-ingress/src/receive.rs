//! `POST /webhooks/gmail`: from a push of Pub/Sub's to a record that the log has
//! confirmed. Gmail is not asked anything here.

use axum::extract::State;
use axum::http::StatusCode;
use channels::pubsub::push;
use chassis::webhook::{Refusal, Unusable};
use contract::EventId;
use sha2::{Digest as _, Sha256};

use crate::Ingress;
use crate::call::Call;
use crate::docs;

/// What a dead letter says where others name their topic.
const ROUTE: &str = "POST /webhooks/gmail";

/// Takes a notification that our mailbox has changed. What is Pub/Sub's and cannot be
/// read is taken too, and kept aside: refused it would come again for a week.
#[utoipa::path(
    post,
    path = "/webhooks/gmail",
    tag = "webhooks",
    params(docs::TokenHeader),
    request_body = docs::Push,
    responses((status = 204, description = "The log has it"), docs::Refusals)
)]
pub(crate) async fn push(
    State(ingress): State<Ingress>,
    call: Call,
) -> Result<StatusCode, Refusal> {
    let now = (ingress.clock)();
    let ours =
        push::Ours { mailbox: &ingress.mailbox, subscription: ingress.subscription.as_deref() };
    let event = push::notification(&call.body, ours, now);
    let event = event.map_err(|reason| Unusable {
        route: ROUTE,
        body: &call.body,
        cause: EventId::named(&format!("pubsub:{}", name_of(&call.body))),
        key: ingress.mailbox.clone(),
        error: reason.to_string(),
        now,
    });
    ingress.webhook.keep(event).await
}

/// Pub/Sub's own id where it can be read, so that a repeat is the same letter whatever
/// changed around it; else the content's.
fn name_of(body: &[u8]) -> String {
    push::id_of(body)
        .unwrap_or_else(|| Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect())
}
