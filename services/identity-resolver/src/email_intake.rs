//! From mail events to what the database is to hold: no I/O, and the same events give
//! the same ids and bytes.

use std::collections::HashSet;

use bus::Received;
use chrono::{DateTime, Utc};
use contract::{
    EmailAttachment, EmailBody, EmailInbound, EmailMessage, EventId, MailKind, MessageId,
    TicketRef, cut,
};
use serde_json::{Value, json};
use store::mail::Ask;
use tracing::Span;

use crate::text::{BODY_BYTES, LINE_BYTES, clean_line, normal_email};

/// Longest Message-ID that is looked at: a header line (RFC 5322 §2.1.1), and far below
/// what an index takes.
const ID_BYTES: usize = 998;

/// Ids that one mail may answer.
const MOST_ANSWERS: usize = 100;

/// Signs of a subject or of a file's name.
const LINE_SIGNS: usize = 250;

/// A mail on its way into a conversation.
pub(crate) struct Inbound {
    pub(crate) message: EmailMessage,
    pub(crate) event_id: EventId,
    pub(crate) id: MessageId,
    pub(crate) arrived_at: DateTime<Utc>,
    /// The sender as an identifier.
    pub(crate) address: String,
    pub(crate) body: String,
    pub(crate) subject: String,
    pub(crate) rfc822_id: Option<String>,
    /// The ids that it answers: those of In-Reply-To, then the References, newest first.
    answers: Vec<String>,
    token: Option<TicketRef>,
    pub(crate) span: Span,
}

/// The mails of a batch, each once, in their order. Notifications, bounces and what
/// could not be read are for others.
pub(crate) fn messages(batch: Vec<(EmailInbound, Received)>) -> Vec<Inbound> {
    let mut seen: HashSet<EventId> = HashSet::new();
    let mut messages = Vec::new();
    for (event, received) in batch {
        let EmailBody::Message(message) = event.body else { continue };
        let event_id = event.meta.event_id;
        if seen.insert(event_id) {
            messages.push(Inbound {
                event_id,
                id: MessageId::derived(event_id, "message"),
                arrived_at: event.meta.event_time,
                address: cut(normal_email(&message.from), LINE_BYTES),
                body: cut(storable(&message.text), BODY_BYTES),
                subject: clean_line(&message.subject, LINE_SIGNS),
                rfc822_id: message.message_id.clone().filter(|id| is_id(id)),
                answers: answers(&message),
                token: token(&message.subject),
                span: span(&message.gmail_id, &received),
                message,
            });
        }
    }
    messages
}

fn is_id(id: &str) -> bool {
    (1..=ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control)
}

fn answers(message: &EmailMessage) -> Vec<String> {
    let mut seen: HashSet<&String> = HashSet::new();
    let newest_first = message.in_reply_to.iter().chain(message.references.iter().rev());
    newest_first.filter(|id| is_id(id) && seen.insert(id)).take(MOST_ANSWERS).cloned().collect()
}

/// The ticket whose `[TF-…]` stands in the subject; two tickets name none.
fn token(subject: &str) -> Option<TicketRef> {
    let in_brackets = subject.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    let mut refs = in_brackets.filter_map(|(text, _)| text.trim().to_uppercase().parse().ok());
    let first: TicketRef = refs.next()?;
    refs.all(|other: TicketRef| other == first).then_some(first)
}

/// The database takes no U+0000 in a text.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Splits off what can be looked up and written at once: no two mails that a sender, a
/// thread or an id ties together, because the first may make what the second belongs to.
pub(crate) fn round(waiting: Vec<&Inbound>) -> (Vec<&Inbound>, Vec<&Inbound>) {
    let mut taken: HashSet<(&str, &str)> = HashSet::new();
    waiting.into_iter().partition(|inbound| {
        let ties = inbound.ties();
        let is_free = !ties.iter().any(|tie| taken.contains(tie));
        // Also those of a mail that waits: others wait behind it.
        taken.extend(ties);
        is_free
    })
}

impl Inbound {
    fn ties(&self) -> Vec<(&str, &str)> {
        let ids = self.rfc822_id.iter().chain(&self.answers).map(|id| ("id", id.as_str()));
        let token = self.token.iter().map(|token| ("token", token.as_str()));
        let own = [("sender", self.address.as_str()), ("thread", self.message.thread_id.as_str())];
        own.into_iter().chain(ids).chain(token).collect()
    }

    pub(crate) fn ask(&self) -> Ask<'_> {
        let is_human = self.message.kind == MailKind::Human;
        Ask {
            gmail_id: &self.message.gmail_id,
            address: &self.address,
            twin_of: self.rfc822_id.as_deref().filter(|_| is_human),
            body: &self.body,
            answers: &self.answers,
            thread_id: &self.message.thread_id,
            token: self.token.as_ref(),
        }
    }

    /// Files by reference: they stay in the mailbox.
    pub(crate) fn attachments(&self) -> Value {
        let file = |file: &EmailAttachment| {
            json!({
                "kind": "file", "name": clean_line(&file.name, LINE_SIGNS),
                "content_type": clean_line(&file.content_type, LINE_SIGNS), "size": file.size,
                "gmail_id": self.message.gmail_id, "part": file.part,
            })
        };
        self.message.attachments.iter().map(file).collect()
    }

    /// The ids of its References, else of its In-Reply-To, oldest first.
    pub(crate) fn referenced_ids(&self) -> Vec<String> {
        let listed = match self.message.references.is_empty() {
            true => &self.message.in_reply_to,
            false => &self.message.references,
        };
        listed.iter().filter(|id| is_id(id)).take(MOST_ANSWERS).cloned().collect()
    }
}

/// Continues the event's trace: one batch holds many traces.
fn span(gmail_id: &str, received: &Received) -> Span {
    let span = tracing::info_span!("resolve", gmail.id = gmail_id);
    bus::trace::continue_in(&span, &received.headers);
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_ref_in_brackets_in_any_case_and_two_tickets_are_none() {
        let found = |subject| token(subject).map(|token| token.to_string());
        let expected = Some("TF-20260105-HQ2T".to_owned());

        assert_eq!(found("Re: [TF-20260105-HQ2T] Recurring tasks"), expected);
        assert_eq!(found("AW: Fwd: [ tf-20260105-hq2t ] x"), expected);
        assert_eq!(found("[list] [TF-20260105-HQ2T] [TF-20260105-HQ2T]"), expected);
        assert_eq!(found("[TF-20260105-HQ2T] [TF-20260105-7K3Q]"), None);
        assert_eq!(found("TF-20260105-HQ2T"), None);
        assert_eq!(found("[TF-20260105-HQ2T"), None);
        assert_eq!(found("[TF-20261305-HQ2T] [é"), None);
    }
}
