//! The pages: forms with their values, tickets with their conversation. They work
//! without JavaScript and allow none.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chassis::problem::{FieldError, Problem};
use chrono::{DateTime, TimeDelta, Utc};
use contract::TicketRef;
use store::web_status::Writer;
use uuid::Uuid;

use crate::Ingress;
use crate::fields::Fields;
use crate::links::Segment;
use crate::refusal::Refusal;
use crate::status::{Query, Shown, Status};
use crate::submission::KEY_FIELD;

/// Nothing is loaded but our own style, no script runs, nobody frames the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../assets/style.css");

/// What every answer carries. The token stands in the address: no address leaves
/// by the Referer header, and no cache keeps an answer.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (VARY, HeaderValue::from_static("accept")),
];

/// A word of a choice, and what a person reads.
type Labelled = (&'static str, &'static str);

const CATEGORIES: &[Labelled] = &[
    ("general", "General question"),
    ("technical", "Technical problem"),
    ("billing", "Billing"),
    ("account", "Account"),
    ("bug-report", "Bug report"),
    ("feature-request", "Feature request"),
    ("feedback", "Feedback"),
];
const PRIORITIES: &[Labelled] =
    &[("low", "Low"), ("medium", "Medium"), ("high", "High"), ("urgent", "Urgent")];
const PLANS: &[Labelled] = &[("free", "Free"), ("pro", "Pro"), ("enterprise", "Enterprise")];

/// What stands in a form while it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    name: String,
    email: String,
    subject: String,
    message: String,
    category: String,
    priority: String,
    plan: String,
    key: String,
}

impl Draft {
    /// An empty form with a key of its own: sent twice, it is one request.
    pub(crate) fn empty() -> Self {
        Self { key: Uuid::new_v4().to_string(), ..Self::default() }
    }

    pub(crate) fn of(fields: &Fields<'_>) -> Self {
        let text = |name| fields.text(name).to_owned();
        let mut draft = Self {
            name: text("name"),
            email: text("email"),
            subject: text("subject"),
            message: text("message"),
            category: text("category"),
            priority: text("priority"),
            plan: text("plan"),
            key: text(KEY_FIELD),
        };
        if draft.key.is_empty() {
            draft.renew_key();
        }
        draft
    }

    pub(crate) fn renew_key(&mut self) {
        self.key = Uuid::new_v4().to_string();
    }
}

/// A message that was not accepted, and why.
#[derive(Clone, Copy)]
pub(crate) struct NewMessage<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) refusal: &'a Refusal,
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    draft: &'a Draft,
    notice: Option<&'static str>,
    errors: &'a [FieldError],
    choices: [Choice<'a>; 3],
}

/// One optional choice of the form.
struct Choice<'a> {
    field: &'static str,
    label: &'static str,
    words: &'static [Labelled],
    chosen: &'a str,
}

impl FormPage<'_> {
    /// What a person calls the field.
    fn label<'f>(&self, field: &'f str) -> &'f str {
        match field {
            "name" => "Your name",
            "email" => "E-mail address",
            "subject" => "Subject",
            "message" => "Message",
            "category" => "Topic",
            "priority" => "Priority",
            "plan" => "Your plan",
            other => other,
        }
    }

    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }
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

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    title: &'static str,
    sentence: &'static str,
}

struct EntryView<'a> {
    who: &'a str,
    class: &'static str,
    at: String,
    at_words: String,
    segments: Vec<Segment<'a>>,
}

fn error_of<'a>(errors: &'a [FieldError], field: &str) -> Option<&'a str> {
    errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
}

/// The form, empty or again with what was wrong.
pub(crate) fn form(draft: &Draft, refusal: Option<&Refusal>) -> Response {
    let page = FormPage {
        draft,
        notice: refusal.map(Refusal::words),
        errors: refusal.map(Refusal::fields).unwrap_or_default(),
        choices: [
            ("category", "Topic", CATEGORIES, &draft.category),
            ("priority", "Priority", PRIORITIES, &draft.priority),
            ("plan", "Your plan", PLANS, &draft.plan),
        ]
        .map(|(field, label, words, chosen)| Choice { field, label, words, chosen }),
    };
    html(&page, refusal)
}

/// A page that only says why there is no other.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let title = match refusal {
        Refusal::NotFound => "No such ticket",
        _ => "Not now",
    };
    html(&RefusedPage { title, sentence: refusal.words() }, Some(refusal))
}

/// A ticket with its conversation.
pub(crate) fn ticket(
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
    let view = |entry: &'a store::web_status::Entry| {
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

fn html(page: &impl Template, refusal: Option<&Refusal>) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => return Problem::internal(error.into()).into_response(),
    };
    let status = refusal.map_or(StatusCode::OK, Refusal::status);
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    let mut response = (status, headers, text).into_response();
    if let Some(seconds) = refusal.and_then(Refusal::retry_after_s) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The style sheet; the only thing here that a cache may keep.
pub(crate) async fn style() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, STYLE).into_response()
}

/// Adds what every answer carries, where the answer has not said otherwise.
pub(crate) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}
