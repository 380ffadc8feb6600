//! What acknowledgements are measured against: handlers that parse the same form, of a
//! webhook also its signature, and publish one record; and the broker with no handler.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bus::{Publisher, Record};
use contract::{EventId, EventMeta, Submission, TicketRef, Topic, WebformBody, WebformInbound};
use emulators::twilio::{Settings as Account, sign};
use serde::Deserialize;
use tokio::task::JoinSet;

use super::{calls, tickets};

/// The route of the bare handler.
pub(crate) const PATH: &str = "/bare";

#[derive(Deserialize)]
struct BareForm {
    name: String,
    email: String,
    subject: String,
    message: String,
    plan: Option<String>,
}

fn event(form: BareForm, ticket_ref: TicketRef) -> WebformInbound {
    let cause = EventId::random();
    WebformInbound {
        meta: EventMeta::derived(cause, "bare", chassis::clock::now()),
        ticket_ref,
        body: WebformBody::Submission(Submission {
            name: form.name,
            email: form.email,
            subject: form.subject,
            message: form.message,
            category: None,
            priority: None,
            claimed_plan: form.plan.and_then(|plan| plan.parse().ok()),
            has_idempotency_key: false,
        }),
    }
}

async fn handle(
    State(publisher): State<Arc<dyn Publisher>>,
    Form(form): Form<BareForm>,
) -> StatusCode {
    let Ok(ticket_ref) = "TF-20260105-0000".parse() else {
        return StatusCode::INTERNAL_SERVER_ERROR;
    };
    match publisher.publish_all(vec![Record::of(&event(form, ticket_ref))]).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Parse, HMAC, produce.
async fn webhook(
    State(publisher): State<Arc<dyn Publisher>>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> StatusCode {
    let url = format!("{}{}", calls::ORIGIN, calls::PATH);
    let signature = sign(&Account::default().auth_token, &url, &form);
    if headers.get("x-twilio-signature").map(|value| value.as_bytes()) != Some(signature.as_bytes())
    {
        return StatusCode::FORBIDDEN;
    }
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let record = Record {
        topic: Topic::WhatsappInbound,
        key: field("From").cloned().unwrap_or_default(),
        event_id: EventId::named(field("MessageSid").map_or("", String::as_str)),
        headers: bus::Headers::default(),
        payload: field("Body").cloned().unwrap_or_default().into(),
    };
    match publisher.publish_all(vec![record]).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Serves the bare handler until the process is stopped.
pub(crate) async fn serve(
    address: SocketAddr,
    publisher: Arc<dyn Publisher>,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route(PATH, post(handle))
        .route(calls::PATH, post(webhook))
        .with_state(publisher);
    axum::serve(tokio::net::TcpListener::bind(address).await?, router).await?;
    Ok(())
}

/// Records a second that the log takes from one publisher, `in_flight` batches of
/// one hundred at a time, each awaited.
pub(crate) async fn produce_rate(
    publisher: Arc<dyn Publisher>,
    duration: Duration,
) -> anyhow::Result<f64> {
    const BATCH: usize = 100;
    const IN_FLIGHT: usize = 16;
    let start = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in 0..IN_FLIGHT {
        let publisher = Arc::clone(&publisher);
        lanes.spawn(async move {
            let mut published = 0_u64;
            while start.elapsed() < duration {
                let records = (0..BATCH).map(|n| record(lane * BATCH + n)).collect();
                publisher.publish_all(records).await?;
                published += BATCH as u64;
            }
            anyhow::Ok(published)
        });
    }
    let mut total = 0;
    while let Some(joined) = lanes.join_next().await {
        total += joined??;
    }
    Ok(total as f64 / start.elapsed().as_secs_f64())
}

/// A record of a ticket's size.
fn record(number: usize) -> Record {
    Record {
        topic: Topic::WebformInbound,
        key: number.to_string(),
        event_id: EventId::random(),
        headers: bus::Headers::default(),
        payload: tickets::form(number as u64).into_bytes().into(),
    }
}
