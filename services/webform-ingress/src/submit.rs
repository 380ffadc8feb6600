//! `GET /support` and `POST /support/submit`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{HeaderMap, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chassis::problem::FieldError;
use chrono::{DateTime, SubsecRound as _, Utc};
use contract::TicketRef;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accept::prefers_html;
use crate::caller::Caller;
use crate::docs;
use crate::fields::{Encoding, Fields};
use crate::page::form::{self, Draft};
use crate::refusal::Refusal;
use crate::sla;
use crate::submission::{IdempotencyKey, Submission};
use crate::{Ingress, body, event};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a key of this route is a key for.
const SCOPE: &str = "submit";

/// The form.
#[utoipa::path(
    get,
    path = "/support",
    tag = "web form",
    responses((status = 200, description = "The form, which works without JavaScript", body = String, content_type = "text/html"))
)]
pub(crate) async fn form() -> Response {
    form::page(&Draft::empty(), None)
}

/// An accepted submission: the log has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The ticket's ref.
    #[schema(value_type = String, example = "TF-20260105-7K3Q")]
    ticket_id: TicketRef,
    status: Received,
    /// Path of the status page, with its token.
    #[schema(
        example = "/support/ticket/TF-20260105-7K3Q?token=tdzZas4gax12ilbpl7Z7-WWSGBEDOqyYnT07ZODMm7w"
    )]
    status_url: String,
    #[schema(example = "within 4 hours")]
    estimated_response_time: String,
    /// By when the first answer is promised.
    respond_by: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Received {
    Received,
}

/// Opens a ticket. Without an idempotency key an equal submission within ten
/// minutes joins the first; with one it is the same request.
#[utoipa::path(
    post,
    path = "/support/submit",
    tag = "web form",
    params(docs::IdempotencyKeyHeader),
    request_body(content(
        (docs::SubmissionDocument = "application/json"),
        (docs::SubmissionForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 202, description = "The log has it", body = Accepted),
        docs::SeeOther, docs::SubmitRefusals,
    )
)]
pub(crate) async fn submit(
    State(ingress): State<Ingress>,
    caller: Caller,
    request: Request,
) -> Response {
    // Taken apart here: the extractor of headers would copy them.
    let (head, body) = request.into_parts();
    let mut draft = prefers_html(&head.headers).then(Draft::empty);
    match open(&ingress, caller, &head.headers, body, draft.as_mut()).await {
        Ok(accepted) if draft.is_some() => see_other(&accepted.status_url),
        Ok(accepted) => (StatusCode::ACCEPTED, Json(accepted)).into_response(),
        Err(refusal) => match &mut draft {
            Some(draft) => {
                // Sent again with other words, it is a new request.
                if refusal == Refusal::KeyReused {
                    draft.renew_key();
                }
                form::page(draft, Some(&refusal))
            }
            None => refusal.problem().into_response(),
        },
    }
}

/// What either form holds, and the header's key. What was typed goes to the draft
/// before anything of it is judged, so that a refused form keeps its values.
pub(crate) async fn read<T>(
    ingress: &Ingress,
    headers: &HeaderMap,
    body: Body,
    draft: Option<&mut Draft>,
    parse: impl FnOnce(Fields<'_>) -> Result<T, Vec<FieldError>>,
) -> Result<(T, Option<IdempotencyKey>), Refusal> {
    let encoding = Encoding::of(headers).ok_or(Refusal::MediaType)?;
    let body = body::read(body, ingress.body_timeout).await?;
    let fields = Fields::read(encoding, &body)?;
    if let Some(draft) = draft {
        *draft = Draft::of(&fields);
    }
    let header_key = header_key(headers)?;
    Ok((parse(fields).map_err(Refusal::Fields)?, header_key))
}

/// From the request to its confirmed event.
async fn open(
    ingress: &Ingress,
    Caller(ip): Caller,
    headers: &HeaderMap,
    body: Body,
    draft: Option<&mut Draft>,
) -> Result<Accepted, Refusal> {
    let _slot = ingress.slot()?;
    ingress.limits.check_ip(ip)?;
    let (submission, header_key) =
        read(ingress, headers, body, draft, |fields| Submission::try_from(fields)).await?;
    let key = header_key.or_else(|| submission.key.clone());
    ingress.limits.check_address(&submission.email, key.as_ref())?;

    let now = (ingress.clock)();
    let minted = ingress.refs.next(now).await.ok_or(Refusal::Unconfirmed)?;
    let (ticket_ref, received_at) = match &key {
        None => (minted, now),
        Some(key) => {
            let content = submission.content_hash();
            event::claim(ingress, SCOPE, key, &content, &minted, now).await?
        }
    };
    let plan = submission.plan;
    let event = submission.into_event(ticket_ref, received_at, key.is_some());
    event::publish(ingress, &event).await?;
    Ok(Accepted {
        status: Received::Received,
        status_url: status_url(ingress, &event.ticket_ref),
        ticket_id: event.ticket_ref,
        estimated_response_time: sla::in_words(plan),
        respond_by: sla::respond_by(plan, received_at).trunc_subsecs(0),
    })
}

/// The key of the header; an unusable one is named like a field.
fn header_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let wrong =
        |message: String| Refusal::Fields(vec![FieldError::new("Idempotency-Key", message)]);
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong("is given more than once".to_owned()));
    }
    // Bytes outside ASCII make an empty text here, which is refused.
    let key = value.to_str().unwrap_or_default().parse();
    key.map(Some).map_err(|error: crate::submission::InvalidKey| wrong(error.to_string()))
}

/// Where the ticket's holder finds it.
pub(crate) fn status_url(ingress: &Ingress, ticket_ref: &TicketRef) -> String {
    format!("/support/ticket/{ticket_ref}?token={}", ingress.tokens.token(ticket_ref))
}

/// 303: the browser asks for the page, and a reload sends nothing again.
pub(crate) fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        // Refs and tokens are ASCII.
        Err(_) => StatusCode::SEE_OTHER.into_response(),
    }
}
