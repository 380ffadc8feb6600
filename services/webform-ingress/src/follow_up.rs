//! `POST /support/ticket/{ref}/messages`: what a customer adds to a ticket.

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use chassis::extract::ApiPath;
use chrono::{DateTime, Utc};
use contract::{EventId, TicketRef};
use serde::Serialize;
use store::web_status::TicketState;
use utoipa::ToSchema;

use crate::accept::prefers_html;
use crate::caller::Caller;
use crate::docs;
use crate::page::form::Draft;
use crate::page::ticket::NewMessage;
use crate::refusal::Refusal;
use crate::status::{self, Query};
use crate::submission::FollowUp;
use crate::submit::{Received, read, see_other, status_url};
use crate::{Ingress, event};

/// An accepted follow-up: the log has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Added {
    #[schema(value_type = String, example = "TF-20260105-7K3Q")]
    ticket_id: TicketRef,
    status: Received,
    status_url: String,
    #[serde(skip)]
    sent_at: DateTime<Utc>,
}

/// Adds a message to a ticket; reopens a resolved one.
#[utoipa::path(
    post,
    path = "/support/ticket/{ref}/messages",
    tag = "web form",
    params(docs::TicketPath, docs::TokenQuery, docs::IdempotencyKeyHeader),
    request_body(content(
        (docs::FollowUpDocument = "application/json"),
        (docs::FollowUpForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 202, description = "The log has it", body = Added),
        docs::SeeOther, docs::SubmitRefusals, docs::NoSuchTicket,
    )
)]
pub(crate) async fn add(
    State(ingress): State<Ingress>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let query = Query::of(query.as_deref());
    let mut draft = prefers_html(&head.headers).then(Draft::empty);
    let added = match status::known_ref(&ingress, &name, &query) {
        Ok(ticket_ref) => {
            accept(&ingress, caller, ticket_ref, &head.headers, body, draft.as_mut()).await
        }
        Err(refusal) => Err(refusal),
    };
    match (added, draft) {
        (Ok(added), Some(_)) => {
            see_other(&format!("{}&sent={}", added.status_url, added.sent_at.timestamp_micros()))
        }
        (Ok(added), None) => (StatusCode::ACCEPTED, Json(added)).into_response(),
        (Err(refusal), None) => refusal.problem().into_response(),
        (Err(refusal), Some(mut draft)) => {
            if refusal == Refusal::KeyReused {
                draft.renew_key();
            }
            let message = NewMessage { draft: &draft, refusal: &refusal };
            status::page_with(&ingress, &name, &query, message).await
        }
    }
}

async fn accept(
    ingress: &Ingress,
    Caller(ip): Caller,
    ticket_ref: TicketRef,
    headers: &HeaderMap,
    body: Body,
    draft: Option<&mut Draft>,
) -> Result<Added, Refusal> {
    let _slot = ingress.slot()?;
    ingress.limits.check_ip(ip)?;
    let (follow_up, header_key) =
        read(ingress, headers, body, draft, |fields| FollowUp::try_from(fields)).await?;
    let key = header_key.or_else(|| follow_up.key.clone());

    let ticket = store::web_status::ticket(&ingress.pool, &ticket_ref).await;
    let ticket = ticket.map_err(|error| event::not_confirmed(&ticket_ref, &error))?;
    if ticket.as_ref().is_some_and(|ticket| ticket.state == TicketState::Closed) {
        return Err(Refusal::Closed);
    }
    // An alias speaks in the thread of the first ticket. One that is not stored
    // yet has the same key as its submission, which the log keeps before it.
    let thread_ref = ticket.map_or_else(|| ticket_ref.clone(), |ticket| ticket.thread_ref);
    let now = (ingress.clock)();
    let (event_id, sent_at) = match &key {
        None => (EventId::random(), now),
        Some(key) => {
            let scope = format!("follow-up:{ticket_ref}");
            let content = event::hash([follow_up.message.as_bytes()]);
            let (_, at) = event::claim(ingress, &scope, key, &content, &ticket_ref, now).await?;
            let id = match bus::sabotage("underived-ids") {
                true => EventId::random(),
                false => EventId::named(&format!("webform:{ticket_ref}:{}", key.as_str())),
            };
            (id, at)
        }
    };
    let event = follow_up.into_event(thread_ref, event_id, sent_at);
    event::publish(ingress, &event).await?;
    let status_url = status_url(ingress, &ticket_ref);
    Ok(Added { ticket_id: ticket_ref, status: Received::Received, status_url, sent_at })
}
