//! `GET /support/ticket/{ref}`: how far a ticket is and what was said.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header::HeaderMap;
use axum::response::{IntoResponse, Response};
use chassis::extract::ApiPath;
use chrono::{DateTime, SubsecRound as _, Utc};
use contract::{Channel, TicketRef};
use serde::Serialize;
use store::web_status::{self, Entry, TicketState, WebTicket, Writer};
use tracing::warn;
use utoipa::ToSchema;

use crate::accept::prefers_html;
use crate::docs;
use crate::event::chain;
use crate::page::refused;
use crate::page::ticket::{self, NewMessage};
use crate::refusal::Refusal;
use crate::{Ingress, fields};

/// A ticket as its holder sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TicketDocument {
    #[schema(value_type = String, example = "TF-20260105-7K3Q")]
    pub(crate) ticket_id: TicketRef,
    pub(crate) status: Status,
    #[schema(value_type = String, example = "web_form")]
    pub(crate) channel: Channel,
    /// When the ticket was stored; null while it is not.
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
    /// Oldest first.
    pub(crate) messages: Vec<Message>,
    /// The person who has it, or for whom it waits.
    pub(crate) escalated_to: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// In the log, not stored yet.
    Received,
    InProgress,
    Answered,
    Escalated,
    Resolved,
    Closed,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Message {
    pub(crate) from: From,
    pub(crate) text: String,
    pub(crate) at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum From {
    Customer,
    Agent,
    Person,
}

/// The parts of the query string that the ticket's routes know.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) token: String,
    /// The page is to hold still, since its reader writes.
    pub(crate) write: bool,
    /// When the reader's own message was sent that may not be stored yet.
    pub(crate) sent: Option<DateTime<Utc>>,
}

impl Query {
    /// Never fails: what cannot be read is not there, and a token that is not
    /// there fits no ticket.
    pub(crate) fn of(query: Option<&str>) -> Self {
        let body = query.unwrap_or_default().as_bytes();
        let Ok(fields) = fields::Fields::read(fields::Encoding::Form, body) else {
            return Self::default();
        };
        let sent = fields.text("sent").parse().ok().and_then(DateTime::from_timestamp_micros);
        Self { token: fields.text("token").to_owned(), write: fields.text("write") == "true", sent }
    }
}

/// What a ticket's page shows.
pub(crate) struct Shown {
    pub(crate) ticket_ref: TicketRef,
    /// `None` while the ticket is not stored.
    pub(crate) ticket: Option<WebTicket>,
    pub(crate) entries: Vec<Entry>,
}

/// How far a ticket is and what was said.
#[utoipa::path(
    get,
    path = "/support/ticket/{ref}",
    tag = "web form",
    params(docs::TicketPath, docs::TokenQuery),
    responses(
        (status = 200, description = "The ticket; a page when HTML is asked for", content(
            (TicketDocument = "application/json"), (String = "text/html"))),
        docs::NoSuchTicket, docs::TicketUnavailable,
    )
)]
pub(crate) async fn show(
    State(ingress): State<Ingress>,
    ApiPath(name): ApiPath<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Query::of(query.as_deref());
    let found = find(&ingress, &name, &query).await;
    match (found, prefers_html(&headers)) {
        (Ok(shown), true) => ticket::page(&ingress, &shown, &query, None),
        (Ok(shown), false) => Json(TicketDocument::from(shown)).into_response(),
        (Err(refusal), true) => refused(&refusal),
        (Err(refusal), false) => refusal.problem().into_response(),
    }
}

/// The page again, with a message that was not accepted still in its form.
pub(crate) async fn page_with(
    ingress: &Ingress,
    name: &str,
    query: &Query,
    message: NewMessage<'_>,
) -> Response {
    match find(ingress, name, query).await {
        Ok(shown) => ticket::page(ingress, &shown, query, Some(message)),
        Err(refusal) => refused(&refusal),
    }
}

/// The ref, if the token is its own. The database is not asked before that, so
/// that no time tells whether a ticket exists.
pub(crate) fn known_ref(
    ingress: &Ingress,
    name: &str,
    query: &Query,
) -> Result<TicketRef, Refusal> {
    if !ingress.tokens.is_valid(name, &query.token) {
        return Err(Refusal::NotFound);
    }
    name.parse().map_err(|_| Refusal::NotFound)
}

async fn find(ingress: &Ingress, name: &str, query: &Query) -> Result<Shown, Refusal> {
    let ticket_ref = known_ref(ingress, name, query)?;
    let read = async {
        let ticket = web_status::ticket(&ingress.pool, &ticket_ref).await?;
        let entries = match &ticket {
            Some(ticket) => web_status::entries(&ingress.pool, ticket.conversation_id).await?,
            None => Vec::new(),
        };
        Ok::<_, store::Error>((ticket, entries))
    };
    match read.await {
        Ok((ticket, entries)) => Ok(Shown { ticket_ref, ticket, entries }),
        Err(error) => {
            warn!(ticket.ref = %ticket_ref, error.cause_chain = chain(&error), "ticket not read");
            Err(Refusal::CannotShow)
        }
    }
}

impl Shown {
    pub(crate) fn status(&self) -> Status {
        match self.ticket.as_ref().map(|ticket| ticket.state) {
            None => Status::Received,
            Some(TicketState::InProgress) => Status::InProgress,
            Some(TicketState::Answered) => Status::Answered,
            Some(TicketState::Escalated) => Status::Escalated,
            Some(TicketState::Resolved) => Status::Resolved,
            Some(TicketState::Closed) => Status::Closed,
        }
    }

    /// When something last changed for the customer.
    pub(crate) fn updated_at(&self) -> Option<DateTime<Utc>> {
        let newest = self.entries.iter().map(|entry| entry.at).max();
        self.ticket.as_ref().map(|ticket| ticket.updated_at).max(newest)
    }
}

impl std::convert::From<Shown> for TicketDocument {
    fn from(shown: Shown) -> Self {
        let (status, updated_at) = (shown.status(), shown.updated_at());
        let created_at = shown.ticket.as_ref().map(|ticket| ticket.created_at);
        let messages = shown.entries.into_iter().map(|entry| Message {
            from: match entry.writer {
                Writer::Customer => From::Customer,
                Writer::Agent => From::Agent,
                Writer::Person(_) => From::Person,
            },
            text: entry.text,
            at: entry.at.trunc_subsecs(3),
        });
        Self {
            ticket_id: shown.ticket_ref,
            status,
            channel: shown.ticket.as_ref().map_or(Channel::WebForm, |ticket| ticket.channel),
            created_at: created_at.map(|at| at.trunc_subsecs(3)),
            updated_at: updated_at.map(|at| at.trunc_subsecs(3)),
            messages: messages.collect(),
            escalated_to: shown.ticket.and_then(|ticket| ticket.escalated_to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_cannot_be_read_has_no_token() {
        assert_eq!(Query::of(None).token, "");
        assert_eq!(Query::of(Some("token=%FF&write=true")).token, "");
        assert_eq!(Query::of(Some("%FF=1&token=a")).token, "");
        let query = Query::of(Some("token=a%2Db&write=true&sent=1767614400000000"));
        assert_eq!(query.token, "a-b");
        assert!(query.write);
        assert_eq!(query.sent.unwrap().to_rfc3339(), "2026-01-05T12:00:00+00:00");
        assert_eq!(Query::of(Some("sent=99999999999999999999")).sent, None);
    }
}
