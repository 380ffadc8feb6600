//! A ticket's page: its conversation, and the form to go on with it.

use askama::Template;
use axum::response::Response;
use chassis::problem::FieldError;
use chrono::{DateTime, TimeDelta, Utc};
use contract::TicketRef;
use store::web_status::{Entry, Writer};

use super::form::Draft;
use super::{error_of, html};
use crate::Ingress;
use crate::links::Segment;
use crate::refusal::Refusal;
use crate::status::{Query, Shown, Status};

/// A message that was not accepted, and why.
#[derive(Clone, Copy)]
pub(crate) struct NewMessage<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) refusal: &'a Refusal,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage<'a> {
    ticket_ref: &'a TicketRef,
    subject: Option<&'a str>,
    badge: &'static str,
    badge_class: &'static str,
    lead: String,
    /// Seconds until the page asks again by itself.
    refresh_s: Option<u32>,
    entries: Vec<EntryView<'a>>,
    /// This page, without what only the next view needs.
    path: &'a str,
    action: String,
    can_write: bool,
    /// The form is shown; else a link to it, since a page that reloads by itself
    /// would throw away what is being written.
    shows_form: bool,
    key: &'a str,
    message: &'a str,
    notice: Option<&'static str>,
    errors: &'a [FieldError],
}

impl TicketPage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }
}

struct EntryView<'a> {
    who: &'a str,
    class: &'static str,
    at: String,
    at_words: String,
    segments: Vec<Segment<'a>>,
}

/// A ticket with its conversation.
pub(crate) fn page(
    ingress: &Ingress,
    shown: &Shown,
    query: &Query,
    new_message: Option<NewMessage<'_>>,
) -> Response {
    let status = shown.status();
    let now = (ingress.clock)();
    let refresh_s = match new_message {
        None if !query.write => refresh_s(shown, query, now),
        _ => None,
    };
    let can_write = status != Status::Closed;
    let empty = Draft::empty();
    let draft = new_message.map_or(&empty, |message| message.draft);
    let refusal = new_message.map(|message| message.refusal);
    let token = &query.token;
    let path = format!("/support/ticket/{}?token={token}", shown.ticket_ref);
    let page = TicketPage {
        ticket_ref: &shown.ticket_ref,
        subject: shown.ticket.as_ref().map(|ticket| ticket.subject.as_str()),
        badge: badge(status),
        badge_class: badge_class(status),
        lead: lead(shown, status),
        refresh_s,
        entries: entries(ingress, shown),
        path: &path,
        action: format!("/support/ticket/{}/messages?token={token}", shown.ticket_ref),
        can_write,
        shows_form: can_write && refresh_s.is_none(),
        key: &draft.key,
        message: &draft.message,
        notice: refusal.map(Refusal::words),
        errors: refusal.map(Refusal::fields).unwrap_or_default(),
    };
    html(&page, refusal)
}

fn entries<'a>(ingress: &Ingress, shown: &'a Shown) -> Vec<EntryView<'a>> {
    let view = |entry: &'a Entry| {
        let plain = || vec![Segment::Text(entry.text.as_str())];
        let (who, class, segments) = match &entry.writer {
            Writer::Customer => ("You", "customer", plain()),
            // Only the agent's links were checked before they were sent.
            Writer::Agent => {
                ("TaskFlow Support", "agent", ingress.link_hosts.segments(&entry.text))
            }
            Writer::Person(name) if name.is_empty() => ("TaskFlow Support", "person", plain()),
            Writer::Person(name) => (name.as_str(), "person", plain()),
        };
        let at = entry.at.to_rfc3339();
        EntryView { who, class, at, at_words: in_words(entry.at), segments }
    };
    shown.entries.iter().map(view).collect()
}

/// How soon the page asks again: often while an answer is near, then rarely, and
/// at last not at all. A person's answer takes hours: nobody is reloaded for it.
fn refresh_s(shown: &Shown, query: &Query, now: DateTime<Utc>) -> Option<u32> {
    let is_stored = |sent: DateTime<Utc>| {
        shown.entries.iter().any(|entry| entry.writer == Writer::Customer && entry.at >= sent)
    };
    let own_message_since = query.sent.filter(|sent| !is_stored(*sent));
    let waiting_since = match shown.status() {
        Status::Received => Some(own_message_since.unwrap_or(now)),
        Status::InProgress => shown.updated_at().max(own_message_since),
        _ => own_message_since.filter(|sent| now - sent < TimeDelta::minutes(10)),
    };
    match now - waiting_since? {
        age if age < TimeDelta::minutes(1) => Some(2),
        age if age < TimeDelta::minutes(10) => Some(10),
        age if age < TimeDelta::hours(24) => Some(60),
        _ => None,
    }
}

fn badge(status: Status) -> &'static str {
    match status {
        Status::Received => "Received",
        Status::InProgress => "In progress",
        Status::Answered => "Answered",
        Status::Escalated => "With a person",
        Status::Resolved => "Resolved",
        Status::Closed => "Closed",
    }
}

fn badge_class(status: Status) -> &'static str {
    match status {
        Status::Received | Status::InProgress => "waiting",
        Status::Answered | Status::Resolved => "done",
        Status::Escalated => "person",
        Status::Closed => "closed",
    }
}

fn lead(shown: &Shown, status: Status) -> String {
    let ticket = shown.ticket.as_ref();
    match status {
        Status::Received => {
            "We have your message. The answer appears on this page by itself.".to_owned()
        }
        Status::InProgress => match ticket {
            Some(ticket) => format!(
                "We are working on it. The answer appears on this page by itself, by {} at the latest.",
                in_words(ticket.respond_by)
            ),
            None => "We are working on it.".to_owned(),
        },
        Status::Answered => "We have answered. You can write back below.".to_owned(),
        Status::Escalated => match ticket.and_then(|ticket| ticket.escalated_to.as_deref()) {
            Some(person) => {
                format!("{person} takes care of your ticket and will write to you on this page.")
            }
            None => "A person takes care of your ticket and will write to you here.".to_owned(),
        },
        Status::Resolved => {
            "This ticket is resolved. If something is missing, write back below.".to_owned()
        }
        Status::Closed => "This ticket is closed.".to_owned(),
    }
}

fn in_words(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}
